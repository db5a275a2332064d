//! The JSON Schema of descriptors and of suite files, made from the mirror, for editors that complete and check.
//!
//! The structs of the mirror derive their part, their comments being the descriptions; what has a hand-written
//! visitor has a hand-written schema in `schema_values`; `schema_expressions` adds what variables can stand for. A schema never refuses what partest takes, and it need
//! not refuse all that partest refuses.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::descriptor::load::{OWN_KEYS, SCHEMA};
use crate::descriptor::mirror::Literal;
use crate::descriptor::raw::{RawCase, RawStep, Table};
use crate::descriptor::raw_services::RawService;
use crate::descriptor::resources::RawPools;
use crate::descriptor::schema_expressions;

/// What a suite file holds.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Suite")]
#[expect(dead_code, reason = "only its schema is of interest")]
struct Suite {
    /// What every case in this folder and below it inherits, key by key: the keys of a case.
    defaults: Option<Defaults>,
    /// How many there are of something that cases of this folder and below it take with their key `pools`.
    pools: Option<RawPools>,
    /// Processes that run beside the cases of this folder and below it that ask for them.
    services: Option<Table<Option<RawService>>>,
    /// Steps that run once, before the first case of this folder and below it.
    setup: Option<RawHook>,
    /// Steps that run once, after the last case of this folder and below it, whatever became of them.
    teardown: Option<RawHook>,
    /// Values for `{{ name }}` in every case of this folder and below it.
    vars: Option<Table<Literal>>,
}

/// A file with several cases.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename = "File")]
#[expect(dead_code, reason = "only its schema is of interest")]
struct File {
    /// The cases, each with a name of its own.
    #[schemars(length(min = 1))]
    cases: Vec<NamedCase>,
    /// What every case of the file inherits, key by key: the keys of a case.
    defaults: Option<Defaults>,
    /// Processes that run beside the cases of the file that ask for them.
    services: Option<Table<Option<RawService>>>,
    /// Values for `{{ name }}` in every case of the file.
    vars: Option<Table<Literal>>,
}

/// Stands for the schema of a case less what cannot be inherited.
struct Defaults;

/// Stands for the schema of a case that must have a name.
struct NamedCase;

/// Stands for a list of steps, or an object with more keys of a case.
struct RawHook;

impl JsonSchema for RawHook {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hook".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
        let case = generator.subschema_for::<RawCase>();
        let step = generator.subschema_for::<RawStep>();
        schemars::json_schema!({ "anyOf": [{ "type": "array", "items": step, "minItems": 1 }, case] })
    }
}

impl JsonSchema for Defaults {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Defaults".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
        let mut schema = RawCase::json_schema(generator);
        schema.insert("description".to_owned(), "What cases inherit.".into());
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|key, _| !OWN_KEYS.contains(&key.as_str()));
        }
        schema
    }
}

impl JsonSchema for NamedCase {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NamedCase".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> schemars::Schema {
        let mut schema = generator.subschema_for::<RawCase>();
        schema.insert("required".to_owned(), json!(["name"]));
        schema
    }
}

/// The schema of `*.test.json`, `*.test.toml` and `*.test.yaml`, as of draft 2020-12.
#[must_use]
pub fn descriptor_schema() -> Value {
    let mut generator = generator();
    let several = document::<File>(&mut generator);
    let single = document::<RawCase>(&mut generator);
    finish(
        generator,
        "A partest descriptor",
        "One test case, or several under `cases`.",
        [("anyOf".to_owned(), json!([several, single]))],
    )
}

/// The schema of `suite.json`, `suite.toml` and `suite.yaml`, as of draft 2020-12.
#[must_use]
pub fn suite_schema() -> Value {
    let mut generator = generator();
    let Value::Object(suite) = document::<Suite>(&mut generator) else { return Value::Bool(true) };
    finish(generator, "A partest suite file", "Defaults, variables and pools for a folder.", suite)
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// The schema of a whole file, which may name its schema.
fn document<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let mut schema = T::json_schema(generator);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let note = json!({ "description": "Where editors find this schema.", "type": "string" });
        properties.insert(SCHEMA.to_owned(), note);
    }
    schema.to_value()
}

fn finish(
    mut generator: SchemaGenerator,
    title: &str,
    description: &str,
    body: impl IntoIterator<Item = (String, Value)>,
) -> Value {
    let mut root = Map::new();
    if let Some(draft) = &generator.settings().meta_schema {
        root.insert("$schema".to_owned(), draft.as_ref().into());
    }
    root.extend(body);
    root.insert("title".to_owned(), title.into());
    root.insert("description".to_owned(), description.into());
    root.insert("$defs".to_owned(), Value::Object(generator.take_definitions(true)));
    let mut root = Value::Object(root);
    schema_expressions::allow(&mut root);
    polish(&mut root);
    root
}

/// Lets users' own `x-` keys, and keys that are expressions, pass wherever keys are the language's, and removes what only repeats Rust: defaults
/// that are `null`, line breaks in descriptions.
fn polish(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("additionalProperties") == Some(&Value::Bool(false)) {
                members.insert("patternProperties".to_owned(), json!({ "^x-": true, r"\{\{": true }));
            }
            if members.get("default") == Some(&Value::Null) {
                members.remove("default");
            }
            if let Some(Value::String(description)) = members.get_mut("description") {
                *description = description.replace('\n', " ");
            }
            members.values_mut().for_each(polish);
        }
        Value::Array(items) => items.iter_mut().for_each(polish),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{descriptor_schema, suite_schema};
    use crate::descriptor::load::{FILE_KEYS, SCHEMA, SUITE_KEYS};
    use serde_json::Value;

    fn keys(schema: &Value) -> Vec<&str> {
        let properties = schema["properties"].as_object().expect("properties");
        properties.keys().map(String::as_str).filter(|key| *key != SCHEMA).collect()
    }

    #[test]
    fn the_schema_has_the_keys_of_files_and_suites() {
        assert_eq!(keys(&descriptor_schema()["anyOf"][0]), FILE_KEYS);
        assert_eq!(keys(&suite_schema()), SUITE_KEYS);
    }

    #[test]
    fn every_key_is_described() {
        fn check(schema: &Value, path: &str) {
            if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                for (key, property) in properties {
                    assert!(property.get("description").is_some(), "{path}/{key} has no description");
                }
            }
            match schema {
                Value::Object(members) => {
                    members.iter().for_each(|(key, member)| check(member, &format!("{path}/{key}")));
                }
                Value::Array(items) => items.iter().for_each(|item| check(item, path)),
                _ => {}
            }
        }
        check(&descriptor_schema(), "");
        check(&suite_schema(), "");
    }
}
