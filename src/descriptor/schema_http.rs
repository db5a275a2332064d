//! The schemas of values of `http` and `download` that have more than one spelling.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::descriptor::raw::RawScalar;
use crate::descriptor::raw_http::{
    RawCode, RawField, RawFields, RawFollow, RawHttp, RawPace, RawRange, RawScalars, RawStatus, RawUpload,
};
use crate::descriptor::schema_values::named;

/// A request, which may be only its address; see [`write_out`](crate::descriptor::kinds::write_out).
pub(crate) struct HttpOrAddress;

named! {
    HttpOrAddress as "HttpOrAddress" => |generator| {
        let request = generator.subschema_for::<RawHttp>();
        json_schema!({ "anyOf": [{ "description": "The address.", "type": "string" }, request] })
    };
    RawScalars as "Scalars" => |generator| {
        let one = generator.subschema_for::<RawScalar>();
        json_schema!({ "anyOf": [one, { "description": "Each of these, in order.", "type": "array", "items": one }] })
    };
    RawField as "Field" => |generator| {
        let upload = generator.subschema_for::<RawUpload>();
        json_schema!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, upload] })
    };
    RawFields as "Fields" => |generator| {
        let one = generator.subschema_for::<RawField>();
        json_schema!({ "anyOf": [one, { "description": "Each of these, in order.", "type": "array", "items": one }] })
    };
    RawFollow as "Follow" => |_generator| json_schema!({
        "anyOf": [{ "type": "boolean" }, { "type": "integer", "minimum": 0, "maximum": 100 }]
    });
    RawCode as "StatusCode" => |_generator| json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": 100, "maximum": 999 },
            { "description": "All codes with this first digit.", "type": "string", "pattern": "^[1-5][xX][xX]$" },
        ]
    });
    RawStatus as "Status" => |generator| {
        let code = generator.subschema_for::<RawCode>();
        json_schema!({ "anyOf": [code, { "type": "array", "items": code, "minItems": 1 }] })
    };
    RawPace as "DurationTest" => |generator| {
        let range = generator.subschema_for::<RawRange>();
        let most = generator.subschema_for::<crate::descriptor::raw::RawDuration>();
        json_schema!({ "anyOf": [most, range] })
    };
}
