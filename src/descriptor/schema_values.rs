//! The schemas of values that have more than one spelling, beside the visitors that read them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::descriptor::conditions::{RawCondition, RawConditions, RawVariable};
use crate::descriptor::kinds::output_names;
use crate::descriptor::leniency::{BACKOFFS, RawRetries};
use crate::descriptor::lower_matchers::NAMED;
use crate::descriptor::mirror::{Later, Literal, Spanned};
use crate::descriptor::outputs::{ALWAYS, FAILURE, RawOutput, RawOutputs};
use crate::descriptor::precautions::RawSize;
use crate::descriptor::raw::{List, RawDuration, RawRun, RawScalar, RawStdin, RawXfail, Reason, Table, Text};
use crate::descriptor::raw_capture::{RawCapture, RawFrom, RawPart};
use crate::descriptor::raw_expect::{ExitCode, OneOrMany, RawContent, RawExit, RawMatchers, RawSignal};
use crate::descriptor::raw_file::{RawBytes, RawBytesAt, RawFile, RawFileTable};
use crate::descriptor::raw_generators::{RawMatrix, RawRows, Record};
use crate::descriptor::raw_matchers::{
    RawNode, RawNormalization, RawNormalizations, RawNumber, RawNumberTest, RawReplace,
};
use crate::descriptor::raw_sql::{RawBoundStatement, RawParams, RawStatement};
use crate::descriptor::resources::{EXCLUSIVE, RawLocks, RawPools, SHARED};
use crate::descriptor::written::Verbatim;
use crate::model::signal_name;

/// Stands for the schema of a duration that may be none at all.
pub(crate) struct Patience;

/// Stands for the schema of lines, of which there may be none.
pub(crate) struct Lines;

/// Refuses empty objects of matchers in a list or an object that is never merged with an inherited one, so that
/// nothing could be added to them.
pub(crate) fn whole(schema: &mut Schema) {
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key).and_then(Value::as_object_mut) {
            inner.insert("minProperties".to_owned(), 1.into());
        }
    }
}

/// A schema that stands where the type does.
macro_rules! inline {
    ($($name:ident $(<$parameter:ident>)? => |$generator:ident| $schema:expr;)*) => {$(
        impl $(<$parameter: JsonSchema>)? JsonSchema for $name $(<$parameter>)? {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

/// A schema with a name of its own, which others refer to.
macro_rules! named {
    ($($type:ident as $name:literal => |$generator:ident| $schema:expr;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

pub(crate) use named;

inline! {
    Spanned<T> => |generator| generator.subschema_for::<T>();
    Later<T> => |generator| generator.subschema_for::<T>();
    Literal => |_generator| Schema::from(true);
    Verbatim => |_generator| Schema::from(true);
    List<T> => |generator| {
        let item = generator.subschema_for::<T>();
        json_schema!({ "type": ["array", "null"], "items": item })
    };
    Table<T> => |generator| {
        let value = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": value })
    };
    ExitCode => |_generator| json_schema!({ "type": "integer", "minimum": 0, "maximum": 255 });
    RawScalar => |_generator| json_schema!({ "type": ["string", "number", "boolean"] });
    Reason => |_generator| json_schema!({ "type": "string", "pattern": r"\S" });
    OneOrMany => |generator| {
        let text = generator.subschema_for::<Text>();
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": text, "minItems": 1 }] })
    };
    Lines => |generator| {
        let text = generator.subschema_for::<Text>();
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": text }] })
    };
}

named! {
    RawLocks as "Locks" => |_generator| json_schema!({
        "anyOf": [
            { "description": "Locks to hold alone.", "type": "array", "items": { "type": "string" } },
            {
                "description": "Locks, and how each is held.",
                "type": "object",
                "additionalProperties": { "enum": [SHARED, EXCLUSIVE, null] },
            },
        ]
    });
    RawOutputs as "Outputs" => |generator| {
        let output = generator.subschema_for::<RawOutput>();
        json_schema!({ "anyOf": [output, { "type": "array", "items": output }] })
    };
    RawOutput as "Output" => |generator| {
        let paths = generator.subschema_for::<OneOrMany>();
        json_schema!({
            "anyOf": [
                { "description": "A file, a folder or a glob, relative to the working directory.", "type": "string" },
                {
                    "type": "object",
                    "properties": {
                        "paths": described(paths, "Files, folders and globs, relative to the working directory."),
                        "on": {
                            "description": "After which attempts they are kept. Default: always.",
                            "enum": [ALWAYS, FAILURE],
                        },
                    },
                    "required": ["paths"],
                    "additionalProperties": false,
                },
            ]
        })
    };
    RawPools as "Pools" => |_generator| json_schema!({
        "type": "object",
        "additionalProperties": { "type": ["integer", "null"], "minimum": 1 },
    });
    RawRun as "Run" => |generator| {
        let argument = generator.subschema_for::<Text>();
        json_schema!({
            "anyOf": [
                { "description": "A program and its arguments, executed as they stand.",
                  "type": "array", "items": argument, "minItems": 1 },
                { "description": "A script for `sh -eu -c`.", "type": "string", "pattern": r"\S" },
            ]
        })
    };
    RawStdin as "Stdin" => |generator| {
        let path = generator.subschema_for::<Text>();
        json_schema!({
            "anyOf": [
                { "description": "The text.", "type": "string" },
                {
                    "type": "object",
                    "properties": { "file": described(path, "The file that holds it, relative to the descriptor.") },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ]
        })
    };
    RawDuration as "Duration" => |_generator| json_schema!({
        "description": "A duration, such as `500ms`, `5s`, `1m30s` or `2h`.",
        "type": "string",
        "pattern": r"^\s*([0-9.]+(d|h|m|s|ms))*[0-9.]*[1-9][0-9.]*(d|h|m|s|ms)([0-9.]+(d|h|m|s|ms))*\s*$",
    });
    Patience as "Patience" => |_generator| json_schema!({
        "description": "A duration, or `0s`.",
        "type": "string",
        "pattern": r"^\s*([0-9.]+(d|h|m|s|ms))+\s*$",
    });
    RawRetries as "Retries" => |generator| {
        let delay = generator.subschema_for::<RawDuration>();
        json_schema!({
            "anyOf": [
                { "description": "How many further attempts.", "type": "integer", "minimum": 0 },
                {
                    "type": "object",
                    "properties": {
                        "count": { "description": "How many further attempts.", "type": "integer", "minimum": 0 },
                        "delay": described(delay, "The wait before each of them."),
                        "backoff": { "description": "How the wait grows: not at all, or twice as long each time. Default: fixed.", "enum": BACKOFFS },
                        "jitter": {
                            "description": "The share of the wait that is left to chance: true is 0.5. Default: false.",
                            "anyOf": [{ "type": "boolean" }, { "type": "number", "minimum": 0, "maximum": 1 }],
                        },
                    },
                    "required": ["count"],
                    "additionalProperties": false,
                },
            ]
        })
    };
    RawXfail as "Xfail" => |generator| {
        let reason = generator.subschema_for::<Reason>();
        json_schema!({
            "anyOf": [
                reason,
                {
                    "type": "object",
                    "properties": {
                        "reason": described(reason, "Why it fails."),
                        "strict": { "description": "Whether passing is a failure.", "type": "boolean", "default": true },
                    },
                    "required": ["reason"],
                    "additionalProperties": false,
                },
            ]
        })
    };
    RawExit as "Exit" => |generator| {
        let code = generator.subschema_for::<ExitCode>();
        json_schema!({ "anyOf": [code, { "type": "array", "items": code, "minItems": 1 }, { "const": "nonzero" }] })
    };
    RawSignal as "Signal" => |_generator| {
        let names = (1..32).filter_map(signal_name);
        let spellings: Vec<&str> = names.flat_map(|name| [name, &name[3..]]).collect();
        json_schema!({ "anyOf": [{ "enum": spellings }, { "type": "integer", "minimum": 1, "maximum": 64 }] })
    };
    RawSize as "Size" => |_generator| json_schema!({
        "description": "A size, such as `512KiB`, `64MiB` or `2GiB`.",
        "type": "string",
        "pattern": r"^[0-9]+\s*(B|kB|MB|GB|KiB|MiB|GiB)$",
    });
    RawCapture as "Capture" => |generator| {
        let part = generator.subschema_for::<RawPart>();
        let outputs = output_names();
        json_schema!({ "anyOf": [{ "description": "All of an output.", "enum": outputs }, part] })
    };
    RawFile as "FilePath" => |generator| {
        let table = generator.subschema_for::<RawFileTable>();
        json_schema!({
            "anyOf": [
                { "description": "Its path: a relative one starts at the working directory.", "type": "string", "minLength": 1 },
                table,
            ]
        })
    };
    RawBytes as "Bytes" => |generator| {
        let object = generator.subschema_for::<RawBytesAt>();
        json_schema!({
            "anyOf": [
                { "description": "Pairs of hexadecimal digits.", "type": "string", "pattern": r"^(\s*[0-9A-Fa-f]{2})*\s*$" },
                object,
            ]
        })
    };
    RawStatement as "StatementOrText" => |generator| {
        let bound = generator.subschema_for::<RawBoundStatement>();
        json_schema!({ "anyOf": [{ "description": "A statement.", "type": "string", "pattern": r"\S" }, bound] })
    };
    RawParams as "Params" => |_generator| {
        let value = json!({ "anyOf": [
            { "description": "A value; a list is an array or JSON.", "type": ["string", "number", "boolean", "null", "array"] },
            {
                "description": "JSON, or else bytes by `hex` or `base64` alone.",
                "type": "object",
                "properties": {
                    "hex": { "description": "Pairs of hexadecimal digits." },
                    "base64": { "description": "A text in Base64." },
                },
            },
        ] });
        json_schema!({ "anyOf": [
            { "description": "Values in the order of the parameters.", "type": "array", "items": value },
            { "description": "Values by the names of the parameters.", "type": "object", "additionalProperties": value },
        ] })
    };
    RawFrom as "From" => |generator| {
        let outputs = output_names();
        let path = generator.subschema_for::<Text>();
        json_schema!({
            "anyOf": [
                { "enum": outputs },
                {
                    "type": "object",
                    "properties": { "file": described(path, "A file in the working directory.") },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ]
        })
    };
    RawNumber as "Number" => |generator| {
        let test = generator.subschema_for::<RawNumberTest>();
        json_schema!({ "anyOf": [{ "description": "The number.", "type": "number" }, test] })
    };
    RawNode as "Node" => |generator| {
        let matchers = generator.subschema_for::<RawMatchers<Self, Literal>>();
        json_schema!({
            "anyOf": [
                { "description": "The value.", "type": ["string", "number", "boolean", "null", "array"] },
                matchers,
            ]
        })
    };
    RawNormalization as "Normalization" => |generator| {
        let replace = generator.subschema_for::<RawReplace>();
        let names = NAMED.map(|(name, _)| name);
        json_schema!({ "anyOf": [{ "enum": names }, replace] })
    };
    RawNormalizations as "Normalizations" => |generator| {
        let one = generator.subschema_for::<RawNormalization>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    };
    RawConditions as "Conditions" => |generator| {
        let one = generator.subschema_for::<RawCondition>();
        json_schema!({
            "anyOf": [
                one,
                { "description": "One of these holds.", "type": "array", "items": one, "minItems": 1 },
            ]
        })
    };
    RawVariable as "Variable" => |generator| {
        let text = generator.subschema_for::<Text>();
        json_schema!({
            "anyOf": [
                { "description": "Its value.", "type": "string" },
                { "description": "Its value is one of these.", "type": "array", "items": text },
                { "description": "Whether it is set.", "type": "boolean" },
            ]
        })
    };
    RawMatrix as "Matrix" => |generator| {
        let records = generator.subschema_for::<List<Record>>();
        json_schema!({
            "description": "Lists of values by the names of their variables.",
            "type": "object",
            "properties": {
                "include": described(records.clone(), "Combinations, or values for some of them, that are added."),
                "exclude": described(records, "Combinations that are left out."),
            },
            "additionalProperties": { "type": "array", "minItems": 1 },
        })
    };
    RawRows as "Rows" => |generator| {
        let path = generator.subschema_for::<Text>();
        let record = generator.subschema_for::<Record>();
        json_schema!({
            "anyOf": [
                { "description": "Rows that name their columns.", "type": "array", "items": record, "minItems": 1 },
                {
                    "type": "object",
                    "properties": {
                        "columns": { "description": "The names of the columns.", "type": "array", "items": path },
                        "rows": {
                            "description": "Rows, with a value for each column.",
                            "type": "array",
                            "items": { "type": "array" },
                            "minItems": 1,
                        },
                    },
                    "required": ["columns", "rows"],
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "properties": { "file": described(path, "A CSV or JSON file, relative to the descriptor.") },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ]
        })
    };
    RawContent as "Content" => |generator| {
        let matchers = generator.subschema_for::<RawMatchers>();
        let mut content = generator.subschema_for::<Self>();
        content.insert("minProperties".to_owned(), 1.into());
        json_schema!({
            "anyOf": [
                { "description": "Exactly this text, its final newline included.", "type": "string" },
                matchers,
                { "description": "Each of these holds.", "type": "array", "items": content, "minItems": 1 },
            ]
        })
    };
}

/// The schema with a description beside it.
fn described(mut schema: Schema, description: &str) -> Value {
    schema.insert("description".to_owned(), description.into());
    schema.to_value()
}
