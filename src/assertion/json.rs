//! Compares JSON by value and lists the differences by path.

use std::cmp::Ordering;
use std::fmt::Write as _;

use serde_json::Value;

use crate::assertion::number;
use crate::model::member;
use crate::text::{Template, TemplateError, Variables, is_template, render_value};

/// The longest value, in characters, that is shown whole.
const LONGEST_VALUE: usize = 80;

/// The most differences that are listed; the rest is counted.
const MOST_LISTED: usize = 20;

/// The differences between an expected value and a found one.
pub(crate) struct Differences<'a> {
    variables: &'a Variables,
    exact: bool,
    /// Whether strings stand for themselves: what a variable holds is no template.
    literal: bool,
    path: String,
    listed: Vec<String>,
    count: usize,
}

impl<'a> Differences<'a> {
    /// Compares. Unless `exact`, objects may hold more keys than expected. Arrays have the same length, and
    /// numbers the same value however they are written.
    ///
    /// `path` is where the found value stands, or empty where that is said already.
    pub(crate) fn between(
        expected: &Value,
        found: &Value,
        exact: bool,
        path: &str,
        variables: &'a Variables,
    ) -> Self {
        let mut differences =
            Self { variables, exact, literal: false, path: path.to_owned(), listed: Vec::new(), count: 0 };
        differences.compare(expected, found);
        differences
    }

    /// Whether two values are the same, with numbers of the same value however they are written.
    pub(crate) fn are_none(one: &Value, other: &Value) -> bool {
        let variables = Variables::new();
        let mut differences = Differences {
            literal: true,
            ..Differences::between(&Value::Null, &Value::Null, true, "", &variables)
        };
        differences.compare(one, other);
        differences.count == 0
    }

    /// The first difference, or none.
    pub(crate) fn first(&self) -> Option<&str> {
        self.listed.first().map(String::as_str)
    }

    /// All differences but for very many, one a line; empty where there is but one.
    pub(crate) fn list(&self) -> String {
        if self.count < 2 {
            return String::new();
        }
        let mut list = self.listed.join("\n");
        if self.count > self.listed.len() {
            // Writing to a String cannot fail.
            let _ = write!(list, "\n… {} more", self.count - self.listed.len());
        }
        list.push('\n');
        list
    }

    fn compare(&mut self, expected: &Value, found: &Value) {
        match (expected, found) {
            (Value::Object(members), Value::Object(_))
                if !self.literal && members.keys().any(|key| is_template(key)) =>
            {
                self.compare_rendered("an object", render_value(expected, self.variables), found);
            }
            (Value::Object(expected), Value::Object(found)) => {
                for (key, value) in expected {
                    self.at(&member(key), |this| match found.get(key) {
                        Some(found) => this.compare(value, found),
                        None => this.report(&show_expected(value, this.variables), "nothing"),
                    });
                }
                if self.exact {
                    for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                        self.at(&member(key), |this| this.report("nothing", &show(value)));
                    }
                }
            }
            (Value::Array(expected), Value::Array(found)) => {
                if expected.len() != found.len() {
                    let items = |count| format!("{count} item{}", if count == 1 { "" } else { "s" });
                    self.report(&items(expected.len()), &items(found.len()));
                }
                for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                    self.at(&format!("[{index}]"), |this| this.compare(expected, found));
                }
            }
            (Value::Number(a), Value::Number(b)) if number::compare(a, b) == Some(Ordering::Equal) => {}
            (Value::String(source), found) if !self.literal && is_template(source) => {
                self.compare_rendered("a text", value(source, self.variables), found);
            }
            (expected, found) if expected == found => {}
            (expected, found) => self.report(&show_expected(expected, self.variables), &show(found)),
        }
    }

    /// Compares with what became of a template, in which braces mean nothing any more.
    fn compare_rendered(&mut self, what: &str, rendered: Result<Value, TemplateError>, found: &Value) {
        match rendered {
            Ok(expected) => {
                self.literal = true;
                self.compare(&expected, found);
                self.literal = false;
            }
            Err(error) => self.report(&format!("{what} that cannot be rendered ({error})"), &show(found)),
        }
    }

    fn at(&mut self, step: &str, compare: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(step);
        compare(self);
        self.path.truncate(length);
    }

    fn report(&mut self, expected: &str, found: &str) {
        self.count += 1;
        if self.listed.len() < MOST_LISTED {
            let place = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
            self.listed.push(format!("{place}expected {expected}, found {found}"));
        }
    }
}

/// What a string of an expected value stands for.
pub(crate) fn value(source: &str, variables: &Variables) -> Result<Value, TemplateError> {
    Template::parse(source)?.value(variables)
}

pub(crate) fn show_expected(expected: &Value, variables: &Variables) -> String {
    match expected {
        Value::String(source) if is_template(source) => {
            value(source, variables).map_or_else(|_| show(expected), |value| show(&value))
        }
        other => show(other),
    }
}

pub(crate) fn show(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
