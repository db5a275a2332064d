//! The one tree that the three formats are read into: values that know where they stand.

use std::collections::HashMap;

use crate::descriptor::diagnostic::Problem;

/// Which text of a [`Sources`](crate::descriptor::source::Sources) table a span belongs to. A merged tree
/// holds parts of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SourceId(pub(crate) u32);

/// A range of bytes in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    /// Which text.
    pub(crate) source: SourceId,
    /// The first byte.
    pub(crate) start: u32,
    /// The byte after the last.
    pub(crate) end: u32,
    /// Where the number is written that is the value here: the same as `start`, unless an alias of YAML repeats it.
    pub(crate) written: u32,
}

impl Span {
    /// The range `start..end`; texts are smaller than 4 GiB, as their size is capped.
    pub(crate) fn new(source: SourceId, start: usize, end: usize) -> Self {
        let limited = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { source, start: limited(start), end: limited(end.max(start)), written: limited(start) }
    }

    /// The number that is the value here, as it stands in the text; nothing where something else does, such as a
    /// template.
    pub(crate) fn number(self, text: &str) -> &str {
        let from = text.get(self.written as usize..).unwrap_or_default();
        let is_part = |other: char| other.is_ascii_alphanumeric() || "+-._".contains(other);
        let number = &from[..from.find(|other| !is_part(other)).unwrap_or(from.len())];
        let digits = number.trim_start_matches(['+', '-', '.']);
        if digits.starts_with(|first: char| first.is_ascii_digit()) { number } else { "" }
    }
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where it stands.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) value: Value,
}

/// What all three formats can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing; TOML has no word for it.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is larger than those.
    Large(u64),
    /// A finite number that is not whole.
    Float(f64),
    /// Text.
    String(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values by key, in the order of the text; no key stands twice.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) key_span: Span,
    /// Its value.
    pub(crate) value: Node,
}

/// What to say of a whole number that no value can be, and what to do about it.
pub(crate) const OUT_OF_RANGE: (&str, &str) = (
    "the whole number is out of range",
    "they go from -9223372036854775808 to 18446744073709551615; put it in quotes to make it a string",
);

impl Value {
    /// A whole number, as digits say it.
    pub(crate) fn whole(digits: &str) -> Option<Self> {
        digits.parse().map(Self::Int).or_else(|_| digits.parse().map(Self::Large)).ok()
    }

    /// The kind in words, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Large(_) => "a whole number",
            Self::Float(_) => "a decimal number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

impl Node {
    /// Says that the whole tree belongs to this text.
    pub(crate) fn set_source(&mut self, source: SourceId) {
        self.span.source = source;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.set_source(source)),
            Value::Map(entries) => {
                for entry in entries {
                    entry.key_span.source = source;
                    entry.value.set_source(source);
                }
            }
            _ => {}
        }
    }

    /// The value alone.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(number) => (*number).into(),
            Value::Large(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::String(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
        }
    }

    /// The value of a key, when this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }
}

/// Below this size, comparing all pairs is faster than hashing.
const SMALL_MAP: usize = 12;

/// Refuses a key that stands twice.
pub(crate) fn refuse_duplicates(entries: &[Entry]) -> Result<(), Problem> {
    let duplicate = if entries.len() <= SMALL_MAP {
        entries.iter().enumerate().find_map(|(index, entry)| {
            entries[..index].iter().find(|earlier| earlier.key == entry.key).map(|earlier| (earlier, entry))
        })
    } else {
        let mut seen = HashMap::with_capacity(entries.len());
        entries
            .iter()
            .find_map(|entry| seen.insert(entry.key.as_str(), entry).map(|earlier| (earlier, entry)))
    };
    match duplicate {
        None => Ok(()),
        Some((earlier, entry)) => {
            let message =
                format!("the key {} stands twice", crate::descriptor::diagnostic::quote(&entry.key));
            Err(Problem::new(entry.key_span, message).first_at(earlier.key_span).help("keep one of them"))
        }
    }
}

/// Whether a map holds keys of the language or data of the user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Language,
    /// Inside `expect`, where `json` and `jsonpath` hold values that are taken whole.
    Expectation,
}

/// Lays `over` upon what is inherited: maps are merged key by key, all else replaces; `null` removes what is
/// inherited.
pub(crate) fn merge(base: &Node, over: Node) -> Node {
    merge_at(base, over, Place::Language)
}

fn merge_at(base: &Node, mut over: Node, place: Place) -> Node {
    let (Value::Map(inherited), Value::Map(entries)) = (&base.value, &mut over.value) else {
        return over;
    };
    let mut merged = Vec::with_capacity(inherited.len() + entries.len());
    for entry in inherited {
        let Some(own) = entries.iter().position(|own| own.key == entry.key) else {
            merged.push(entry.clone());
            continue;
        };
        let own = entries.remove(own);
        let whole = place == Place::Expectation && ["json", "jsonpath"].contains(&own.key.as_str());
        if own.value.value == Value::Null && !whole {
            continue;
        }
        let place = if own.key == "expect" { Place::Expectation } else { place };
        let value = if whole { own.value } else { merge_at(&entry.value, own.value, place) };
        merged.push(Entry { key: own.key, key_span: own.key_span, value });
    }
    merged.append(entries);
    over.value = Value::Map(merged);
    over
}
