//! The variables that users define: `vars`, `--var`, and what they may be called.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::mirror::{Literal, Spanned};
use crate::descriptor::node::Span;
use crate::descriptor::raw::{Table, Text};
use crate::descriptor::raw_generators::Datum;
use crate::descriptor::scope::{
    BUILT_IN, RESERVED, about_name, broken, check_variable_of, is_of_the_run, split, too_late,
};
use crate::descriptor::substitute::without_value;
use crate::text::{Compiled, Layers, Variables, is_template, typed};

/// Variables and where each was defined.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defined {
    /// Their values.
    pub(crate) values: Arc<Variables>,
    /// Where each name stands.
    pub(crate) places: Arc<BTreeMap<String, Span>>,
}

impl Defined {
    /// These variables with those of a table over them, and what is wrong with the table. Its values may name these,
    /// each other, and `overrides`, which win over both.
    pub(crate) fn with(&self, table: Table<Datum>, overrides: &Arc<Variables>) -> (Self, Vec<Problem>) {
        let mut values = Variables::clone(&self.values);
        let mut places = BTreeMap::clone(&self.places);
        let mut problems = Vec::new();
        let mut open = Vec::new();
        for (name, Spanned { value: Literal(value), span }) in table.0 {
            if let Err(problem) = check_name_of_variable(&name, name.span) {
                problems.push(problem);
            } else if value.is_null() {
                values.remove(&name.value);
                places.remove(&name.value);
            } else {
                places.insert(name.value.clone(), name.span);
                match holds_template(&value) {
                    true => open.push((name, value, span)),
                    false => drop(values.insert(name.value, value)),
                }
            }
        }
        while !open.is_empty() && problems.is_empty() {
            let waits = |value: &Value| {
                let is_open = |head: &str| open.iter().any(|(name, ..)| name.value == head);
                heads(value).iter().any(|head| is_open(head) && !overrides.contains_key(head))
            };
            let waiting: Vec<_> = open.iter().map(|(_, value, _)| waits(value)).collect();
            if let (Some((name, ..)), false) = (open.first(), waiting.contains(&false)) {
                let message = format!("{} is made of itself", quote(name));
                let help = "variables may name each other, but not in a circle";
                problems.push(Problem::new(name.span, message).help(help));
                break;
            }
            let layers = Layers::new(vec![Arc::new(values.clone()), Arc::clone(overrides)]);
            let mut later = Vec::new();
            for ((name, value, span), waits) in open.into_iter().zip(waiting) {
                match waits {
                    true => later.push((name, value, span)),
                    false => match put_in(&value, &layers, span) {
                        Ok(value) => drop(values.insert(name.value, value)),
                        Err(problem) => problems.push(problem),
                    },
                }
            }
            open = later;
        }
        (Self { values: Arc::new(values), places: Arc::new(places) }, problems)
    }
}

/// The variables that the templates in a value name.
fn heads(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if is_template(text) => {
            let compiled = Compiled::parse(text);
            let names = compiled.iter().flat_map(Compiled::names);
            names.map(|name| split(name).0.to_owned()).collect()
        }
        Value::Array(items) => items.iter().flat_map(heads).collect(),
        Value::Object(members) => members.values().flat_map(heads).collect(),
        _ => Vec::new(),
    }
}

/// The value with its templates replaced by what they stand for.
fn put_in(value: &Value, layers: &Layers, span: Span) -> Result<Value, Problem> {
    match value {
        Value::String(text) if is_template(text) => {
            let compiled = Compiled::parse(text).map_err(|error| broken(&error, text, span))?;
            for name in compiled.names() {
                let about = |problem| about_name(problem, text, name);
                if is_of_the_run(name) {
                    let problem = too_late(name, span).help("use the template where the variable is used");
                    return Err(about(problem));
                }
                check_variable_of(name, layers, span).map_err(about)?;
            }
            let value =
                compiled.value(layers).map_err(|error| without_value(&compiled, error, layers, span))?;
            match holds_template(&value) {
                true => Err(Problem::new(
                    span,
                    "the value holds `{{`, which has a meaning of its own where it is used",
                )),
                false => Ok(value),
            }
        }
        Value::Array(items) => items.iter().map(|item| put_in(item, layers, span)).collect(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| Ok((key.clone(), put_in(value, layers, span)?));
            members.iter().map(member).collect::<Result<_, _>>().map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

/// Reads `NAME=VALUE`, as it is given on a command line. What looks like a number or a truth value is one.
///
/// # Errors
/// A message when there is no `=`, or when the name is none for a variable.
pub fn parse_variable(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    match refuse_name("variable", name) {
        Some((message, help)) => Err(format!("{message}: {help}")),
        None => Ok((name.to_owned(), typed(value))),
    }
}

/// Why a name cannot be that of a variable, or of something else that templates name, and what to do.
fn refuse_name(what: &str, name: &str) -> Option<(String, &'static str)> {
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if !begins || !characters.all(|other| other.is_ascii_alphanumeric() || other == '_') {
        let message = format!("{} is no name for a {what}", quote(name));
        return Some((message, "use letters, digits and `_`, and begin with a letter"));
    }
    let reserved = BUILT_IN.contains(&name) || RESERVED.contains(&name);
    reserved.then(|| (format!("{} already has a meaning of its own", quote(name)), "choose another name"))
}

/// Refuses what cannot be the name of a variable.
pub(crate) fn check_name_of_variable(name: &str, span: Span) -> Result<(), Problem> {
    check_name_of("variable", name, span)
}

/// Refuses what cannot be the name of something that templates name.
pub(crate) fn check_name_of(what: &str, name: &str, span: Span) -> Result<(), Problem> {
    match refuse_name(what, name) {
        Some((message, help)) => Err(Problem::new(span, message).help(help)),
        None => Ok(()),
    }
}

/// Refuses what cannot be the name or the value of a variable of a generated case.
pub(crate) fn check_variable(name: &Text, value: &Value) -> Result<(), Problem> {
    check_name_of_variable(name, name.span)?;
    if holds_template(value) {
        let message = format!("the value of {} holds `{{{{`, which is replaced in `vars` alone", quote(name));
        return Err(Problem::new(name.span, message).help("use the template where the variable is used"));
    }
    Ok(())
}

/// Whether a text in a value looks like a template.
pub(crate) fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
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
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("18446744073709551616", json!("18446744073709551616")),
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
