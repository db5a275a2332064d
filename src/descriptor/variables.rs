//! The variables that users define: `vars`, `--var`, and what they may be called.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::mirror::Literal;
use crate::descriptor::node::Span;
use crate::descriptor::raw::{Table, Text};
use crate::descriptor::scope::{BUILT_IN, RESERVED};
use crate::text::{Variables, typed};

/// Variables and where each was defined.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defined {
    /// Their values.
    pub(crate) values: Arc<Variables>,
    /// Where each name stands.
    pub(crate) places: Arc<BTreeMap<String, Span>>,
}

impl Defined {
    /// These variables with those of a table over them, and what is wrong with the table.
    pub(crate) fn with(&self, table: Table<Literal>) -> (Self, Vec<Problem>) {
        let mut values = Variables::clone(&self.values);
        let mut places = BTreeMap::clone(&self.places);
        let mut problems = Vec::new();
        for (name, Literal(value)) in table.0 {
            match check_variable(&name, &value) {
                Err(problem) => problems.push(problem),
                Ok(()) if value.is_null() => {
                    values.remove(&name.value);
                    places.remove(&name.value);
                }
                Ok(()) => {
                    places.insert(name.value.clone(), name.span);
                    values.insert(name.value, value);
                }
            }
        }
        (Self { values: Arc::new(values), places: Arc::new(places) }, problems)
    }
}

/// Reads `NAME=VALUE`, as it is given on a command line. What looks like a number or a truth value is one.
///
/// # Errors
/// A message when there is no `=`, or when the name is none for a variable.
pub fn parse_variable(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    match refuse_name(name) {
        Some((message, help)) => Err(format!("{message}: {help}")),
        None => Ok((name.to_owned(), typed(value))),
    }
}

/// Why a name cannot be that of a variable, and what to do.
fn refuse_name(name: &str) -> Option<(String, &'static str)> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !begins || !characters.all(|other| other.is_ascii_alphanumeric() || other == '_') {
        let message = format!("{} is no name for a variable", quote(name));
        return Some((message, "use letters, digits and `_`, and begin with a letter"));
    }
    let reserved = BUILT_IN.contains(&name) || RESERVED.contains(&name);
    reserved.then(|| (format!("{} already has a meaning of its own", quote(name)), "choose another name"))
}

/// Refuses what cannot be the name of a variable.
pub(crate) fn check_name_of_variable(name: &str, span: Span) -> Result<(), Problem> {
    match refuse_name(name) {
        Some((message, help)) => Err(Problem::new(span, message).help(help)),
        None => Ok(()),
    }
}

/// Refuses what cannot be the name or the value of a variable in a descriptor.
pub(crate) fn check_variable(name: &Text, value: &Value) -> Result<(), Problem> {
    check_name_of_variable(name, name.span)?;
    if holds_template(value) {
        let message =
            format!("the value of {} holds `{{{{`, which is not replaced in variables", quote(name));
        return Err(Problem::new(name.span, message).help("use the template where the variable is used"));
    }
    Ok(())
}

/// Whether a text in a value looks like a template.
pub(crate) fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{"),
        Value::Array(items) => items.iter().any(holds_template),
        Value::Object(members) => members.values().any(holds_template),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse_variable;
    use crate::text::typed;

    #[test]
    fn a_text_is_a_number_only_where_nothing_is_lost() {
        for (text, value) in [
            ("1", json!(1)),
            ("-3", json!(-3)),
            ("1.5", json!(1.5)),
            ("true", json!(true)),
            ("007", json!("007")),
            ("1.50", json!("1.50")),
            ("1e3", json!("1e3")),
            (" 1", json!(" 1")),
            ("", json!("")),
            ("null", json!("null")),
            ("True", json!("True")),
            ("18446744073709551615", json!("18446744073709551615")),
        ] {
            assert_eq!(typed(text), value, "{text}");
        }
    }

    #[test]
    fn an_assignment_has_a_name_and_a_value() {
        assert_eq!(parse_variable("a=1=2"), Ok(("a".to_owned(), json!("1=2"))));
        assert_eq!(parse_variable("a="), Ok(("a".to_owned(), json!(""))));
        for wrong in ["a", "=1", "a b=1", "env=1", "work=x"] {
            assert!(parse_variable(wrong).is_err(), "{wrong}");
        }
    }
}
