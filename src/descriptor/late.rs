//! Values that only the run knows: their templates are checked here, and what becomes of them is read, when their step
//! begins, by the same mirror and the same rules as what stands in a descriptor.

use serde::Deserialize;
use serde_json::{Number, Value};

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::lower::Lowering;
use crate::descriptor::lower_matchers::check_json;
use crate::descriptor::mirror::{self, Later, Spanned};
use crate::descriptor::node::{self, Entry, Node, SourceId, Span};
use crate::model::Late;
use crate::text::number;

/// How many values of one template may be taken in another type than they have.
const MOST_TURNED: usize = 64;

impl Lowering<'_> {
    /// What is made of a template, or of a value with templates in it, when its step begins.
    pub(crate) fn late<T>(
        &mut self,
        template: impl Into<Value>,
        span: Span,
        read: fn(&Value) -> Result<T, String>,
    ) -> Option<Late<T>> {
        let template = template.into();
        let checked = check_json(self, &template, span);
        self.note(checked)?;
        Some(Late::made(template, self.sources.position(span), read))
    }

    /// A value that stands in the descriptor, or what is made of a template in its place.
    pub(crate) fn now_or_late<T: Copy + for<'de> Deserialize<'de>>(
        &mut self,
        value: &Spanned<Later<T>>,
    ) -> Option<Late<T>> {
        match &value.value {
            Later::Now(value) => Some(Late::Known(*value)),
            Later::Text(template) => self.late(template.as_str(), value.span, |value| read(value, now::<T>)),
        }
    }
}

/// The value, of which the run has made what it is; a text with braces in its place is no template any more.
pub(crate) fn now<T: Copy>(value: &Spanned<Later<T>>) -> Result<T, Problem> {
    known(value).copied()
}

/// The same of a value that is not copied.
pub(crate) fn known<T>(value: &Spanned<Later<T>>) -> Result<&T, Problem> {
    match &value.value {
        Later::Now(value) => Ok(value),
        Later::Text(text) => {
            Err(Problem::new(value.span, format!("expected no text, found the string {}", quote(text))))
        }
    }
}

/// Reads a value that a template has become, as the descriptor would be. A text is taken as the number or truth value
/// that it spells, where one is wanted, and these as texts.
pub(crate) fn read<R: for<'de> Deserialize<'de>, T>(
    value: &Value,
    lower: impl Fn(&Spanned<R>) -> Result<T, Problem>,
) -> Result<T, String> {
    let mut count = 0;
    let mut tree = numbered(value, &mut count);
    let mut turned: Vec<(Span, Problem)> = Vec::new();
    loop {
        let problem = match mirror::read::<Spanned<R>>(&tree).and_then(|raw| lower(&raw)) {
            Ok(value) => return Ok(value),
            Err(problem) => problem,
        };
        let place = problem.span;
        if let Some((_, first)) = turned.iter().find(|(known, _)| *known == place) {
            // Neither the value nor its text will do; a number has come further than the text that spells it.
            return Err(if is_text(&tree, place) { first.message.clone() } else { problem.message });
        }
        if turned.len() == MOST_TURNED || !turn(&mut tree, place) {
            return Err(problem.message);
        }
        turned.push((place, problem));
    }
}

fn is_text(node: &Node, place: Span) -> bool {
    match &node.value {
        node::Value::String(_) => node.span == place,
        node::Value::List(items) => items.iter().any(|item| is_text(item, place)),
        node::Value::Map(entries) => entries.iter().any(|entry| is_text(&entry.value, place)),
        _ => false,
    }
}

/// A tree in which every value has a place of its own.
fn numbered(value: &Value, count: &mut usize) -> Node {
    let span = Span::new(SourceId(0), *count, *count);
    *count += 1;
    let value = match value {
        Value::Null => node::Value::Null,
        Value::Bool(value) => node::Value::Bool(*value),
        Value::Number(number) => of_number(number),
        Value::String(text) => node::Value::String(text.clone()),
        Value::Array(items) => node::Value::List(items.iter().map(|item| numbered(item, count)).collect()),
        Value::Object(members) => node::Value::Map(
            members
                .iter()
                .map(|(key, value)| Entry { key: key.clone(), key_span: span, value: numbered(value, count) })
                .collect(),
        ),
    };
    Node { span, value }
}

/// A number as a tree has it.
pub(crate) fn of_number(number: &Number) -> node::Value {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), ..) => node::Value::Int(whole),
        (None, Some(large), _) => node::Value::Large(large),
        (None, None, decimal) => node::Value::Float(decimal.unwrap_or_default()),
    }
}

/// Takes the value at a place in its other type, if it has one.
fn turn(node: &mut Node, place: Span) -> bool {
    if node.span != place {
        return match &mut node.value {
            node::Value::List(items) => items.iter_mut().any(|item| turn(item, place)),
            node::Value::Map(entries) => entries.iter_mut().any(|entry| turn(&mut entry.value, place)),
            _ => false,
        };
    }
    let other = match &node.value {
        node::Value::String(text) => match (text.trim(), number(text)) {
            ("true", _) => Some(node::Value::Bool(true)),
            ("false", _) => Some(node::Value::Bool(false)),
            (_, number) => number.as_ref().map(of_number),
        },
        node::Value::Bool(_) | node::Value::Int(_) | node::Value::Large(_) | node::Value::Float(_) => {
            Some(node::Value::String(node.to_json().to_string()))
        }
        _ => None,
    };
    let Some(other) = other else { return false };
    node.value = other;
    true
}
