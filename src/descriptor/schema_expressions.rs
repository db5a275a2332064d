//! Lets `{{ expressions }}` stand, in a schema, wherever the language lets them: for every value of a case, of
//! whatever type, but not for its variables, which are no templates.

use serde_json::{Map, Value, json};

/// The name of the schema of an expression.
const EXPRESSION: &str = "Expression";
/// How a schema names another.
const DEFINITIONS: &str = "#/$defs/";
/// Keys whose values are taken as they stand.
const AS_THEY_STAND: [&str; 5] = ["cases", "defaults", "setup", "teardown", "vars"];

/// Widens every value of a schema that would refuse an expression.
pub(crate) fn allow(root: &mut Value) {
    let known = root.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    descend(root, &known);
    let Some(definitions) = root.get_mut("$defs").and_then(Value::as_object_mut) else { return };
    definitions.values_mut().for_each(|definition| descend(definition, &known));
    let expression = json!({
        "description": "An expression, as in `{{ name }}`, whose value stands here with its own type.",
        "type": "string",
        "pattern": r"\{\{",
    });
    definitions.insert(EXPRESSION.to_owned(), expression);
}

/// Widens what is within a schema.
fn descend(schema: &mut Value, known: &Map<String, Value>) {
    let Value::Object(members) = schema else { return };
    if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
        for (key, property) in properties {
            if !AS_THEY_STAND.contains(&key.as_str()) {
                widen(property, known);
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(key) {
            widen(inner, known);
        }
    }
    if let Some(branches) = members.get_mut("anyOf").and_then(Value::as_array_mut) {
        branches.iter_mut().for_each(|branch| descend(branch, known));
    }
}

/// Widens a schema and what is within it.
fn widen(schema: &mut Value, known: &Map<String, Value>) {
    let accepts = accepts_expressions(schema, known);
    descend(schema, known);
    let Value::Object(members) = schema else { return };
    if accepts {
        return;
    }
    let expression = json!({ "$ref": format!("{DEFINITIONS}{EXPRESSION}") });
    if let Some(branches) = members.get_mut("anyOf").and_then(Value::as_array_mut) {
        return branches.push(expression);
    }
    let mut inner = std::mem::take(members);
    for note in ["description", "default"] {
        members.extend(inner.remove(note).map(|value| (note.to_owned(), value)));
    }
    members.insert("anyOf".to_owned(), json!([inner, expression]));
}

/// Whether a schema takes every text with braces anyway. `known` are the schemas that others name.
fn accepts_expressions(schema: &Value, known: &Map<String, Value>) -> bool {
    let Value::Object(members) = schema else { return schema == &Value::Bool(true) };
    if let Some(branches) = members.get("anyOf").and_then(Value::as_array) {
        return branches.iter().any(|branch| accepts_expressions(branch, known));
    }
    if let Some(name) = members.get("$ref").and_then(Value::as_str) {
        let named = name.strip_prefix(DEFINITIONS).and_then(|name| known.get(name));
        return named.is_some_and(|named| accepts_expressions(named, known));
    }
    if ["enum", "const"].iter().any(|key| members.contains_key(*key)) {
        return false;
    }
    // Not being blank is all that such a pattern asks for.
    let is_narrow = members.get("pattern").is_some_and(|pattern| pattern != r"\S");
    !is_narrow
        && match members.get("type") {
            None => true,
            Some(Value::Array(types)) => types.iter().any(|name| name == "string"),
            Some(name) => name == "string",
        }
}
