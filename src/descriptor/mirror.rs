//! A serde deserializer over the tree, whose errors know their place.
//!
//! Three names are understood: [`Spanned`] asks for the place beside the value, [`Literal`] takes a value as it
//! stands, and [`Later`] a text with braces in place of the value. Elsewhere keys that begin with `x-` are left out of what the language defines, as a user's own
//! notes; tables whose keys are the user's, such as `env`, keep them.

use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::descriptor::diagnostic::{Problem, quote, suggest, suggest_key};
use crate::descriptor::kinds::possible;
use crate::descriptor::node::{Entry, Node, SourceId, Span, Value};
use crate::descriptor::wanted;
use crate::text::is_template;

/// The beginning of keys that are left to the user.
const NOTES: &str = "x-";
const SPANNED: &str = "partest::Spanned";
pub(crate) const LITERAL: &str = "partest::Literal";
const LATER: &str = "partest::Later";

/// Keys of the language that this version does not know how to carry out.
const PLANNED: [&str; 1] = ["network"];

/// Reads a value of the mirror from a tree.
pub(crate) fn read<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, Problem> {
    read_without(node, &[])
}

/// The same where some keys have no place, and are not suggested.
pub(crate) fn read_without<'de, T: Deserialize<'de>>(node: &'de Node, keys: &[&str]) -> Result<T, Problem> {
    let reader = Reader { node, literal: false };
    T::deserialize(reader).map_err(|mut error| {
        if let (Some((key, known)), Some(span)) = (error.0.unknown.take(), error.0.span) {
            let mut possible = possible(node, span, known);
            possible.retain(|key| !keys.contains(key));
            error.0.suggestion = suggest_key(&key, &possible);
        }
        error.into_problem(node.span)
    })
}

/// What is wrong with a key that no struct has.
pub(crate) fn unknown_key(span: Span, key: &str, known: &[&str]) -> Problem {
    unknown(key, known).into_problem(span)
}

fn unknown(field: &str, known: &[&str]) -> MirrorError {
    if PLANNED.contains(&field) {
        let help = "take it out: nothing in its place would be kept".to_owned();
        return MirrorError::new(format!("`{field}` is not supported by this version yet"), Some(help));
    }
    MirrorError::new(format!("unknown key {}", quote(field)), suggest_key(field, known))
}

/// Why a tree is not what the mirror expects; small, as many frames of the stack hold one.
#[derive(Debug)]
pub(crate) struct MirrorError(Box<Fault>);

#[derive(Debug)]
struct Fault {
    message: String,
    suggestion: Option<String>,
    span: Option<Span>,
    /// A key that is not among those that are known.
    unknown: Option<(String, &'static [&'static str])>,
}

impl MirrorError {
    fn new(message: String, suggestion: Option<String>) -> Self {
        Self(Box::new(Fault { message, suggestion, span: None, unknown: None }))
    }

    /// Gives it a place, unless it already has a nearer one.
    fn at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    fn into_problem(self, span: Span) -> Problem {
        let Fault { message, suggestion, span: own, .. } = *self.0;
        let problem = Problem::new(own.unwrap_or(span), message);
        match suggestion {
            Some(suggestion) => problem.help(suggestion),
            None => problem,
        }
    }
}

impl fmt::Display for MirrorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for MirrorError {}

impl serde::de::Error for MirrorError {
    /// A message; what follows a line break is the suggestion.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        match text.split_once('\n') {
            Some((message, suggestion)) => Self::new(message.to_owned(), Some(suggestion.to_owned())),
            None => Self::new(text, None),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = wanted::in_words(&expected);
        let instead = wanted::instead(&expected, &found);
        let found = match found {
            Unexpected::Bool(value) => format!("the truth value {value}"),
            Unexpected::Unsigned(number) => format!("the number {number}"),
            Unexpected::Signed(number) => format!("the number {number}"),
            // `3.0` stays told from `3`.
            Unexpected::Float(number) => format!("the number {number:?}"),
            Unexpected::Str(text) => format!("the string {}", quote(text)),
            Unexpected::Unit | Unexpected::Option => "null".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "an object".to_owned(),
            other => other.to_string(),
        };
        Self::new(format!("expected {expected}, found {found}"), Some(instead))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let mut error = unknown(field, known);
        error.0.unknown = (!PLANNED.contains(&field)).then(|| (field.to_owned(), known));
        error
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing"), Some(format!("add `{field}` to this object")))
    }
}

#[derive(Clone, Copy)]
struct Reader<'de> {
    node: &'de Node,
    literal: bool,
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = MirrorError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, MirrorError> {
        let result = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(number) => visitor.visit_i64(*number),
            Value::Large(number) => visitor.visit_u64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items { rest: items.iter(), literal: self.literal }),
            Value::Map(entries) => visitor.visit_map(Members::new(entries, self.literal, !self.literal)),
        };
        result.map_err(|error| error.at(self.node.span))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, MirrorError> {
        match &self.node.value {
            Value::Map(entries) => visitor
                .visit_map(Members::new(entries, self.literal, false))
                .map_err(|error| error.at(self.node.span)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, MirrorError> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, MirrorError> {
        match &self.node.value {
            Value::String(text) if name == LATER && is_template(text) => visitor.visit_borrowed_str(text),
            _ => visitor.visit_newtype_struct(Self { literal: self.literal || name == LITERAL, ..self }),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, MirrorError> {
        if name == SPANNED {
            return visitor.visit_seq(SpannedParts::new(self.node.span, self));
        }
        match self.node.value {
            Value::Map(_) => self.deserialize_any(visitor),
            // A visitor that serde derives would take a list for the fields in their order.
            _ => match self.deserialize_any(NoObject) {
                Ok(never) => match never {},
                Err(mut error) => {
                    error.0.suggestion = suggest("", "its keys", fields);
                    Err(error)
                }
            },
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct enum identifier ignored_any
    }
}

/// Says that an object was expected.
struct NoObject;

impl Visitor<'_> for NoObject {
    type Value = Infallible;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
}

struct Items<'de> {
    rest: std::slice::Iter<'de, Node>,
    literal: bool,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = MirrorError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, MirrorError> {
        let Some(node) = self.rest.next() else { return Ok(None) };
        let reader = Reader { node, literal: self.literal };
        seed.deserialize(reader).map(Some).map_err(|error| error.at(node.span))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Members<'de> {
    rest: std::slice::Iter<'de, Entry>,
    literal: bool,
    without_notes: bool,
    value: Option<&'de Node>,
}

impl<'de> Members<'de> {
    fn new(entries: &'de [Entry], literal: bool, without_notes: bool) -> Self {
        Self { rest: entries.iter(), literal, without_notes, value: None }
    }
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = MirrorError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, MirrorError> {
        let without_notes = self.without_notes;
        let Some(entry) = self.rest.find(|entry| !(without_notes && entry.key.starts_with(NOTES))) else {
            return Ok(None);
        };
        self.value = Some(&entry.value);
        seed.deserialize(Key { entry }).map(Some).map_err(|error| error.at(entry.key_span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, MirrorError> {
        let Some(node) = self.value.take() else {
            return Err(MirrorError::custom("a value was read before its key"));
        };
        let reader = Reader { node, literal: self.literal };
        seed.deserialize(reader).map_err(|error| error.at(node.span))
    }
}

#[derive(Clone, Copy)]
struct Key<'de> {
    entry: &'de Entry,
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = MirrorError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, MirrorError> {
        visitor.visit_borrowed_str(&self.entry.key)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, MirrorError> {
        if name == SPANNED {
            return visitor.visit_seq(SpannedParts::new(self.entry.key_span, self));
        }
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct identifier ignored_any option newtype_struct map enum
    }
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spanned<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) span: Span,
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Hands a [`Spanned`] the numbers of its place and its value.
struct SpannedParts<D> {
    numbers: [u32; 4],
    given: usize,
    value: Option<D>,
}

impl<D> SpannedParts<D> {
    fn new(span: Span, value: D) -> Self {
        Self { numbers: [span.source.0, span.start, span.end, span.written], given: 0, value: Some(value) }
    }
}

impl<'de, D: Deserializer<'de, Error = MirrorError>> SeqAccess<'de> for SpannedParts<D> {
    type Error = MirrorError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, MirrorError> {
        if let Some(number) = self.numbers.get(self.given) {
            self.given += 1;
            return seed.deserialize(number.into_deserializer()).map(Some);
        }
        self.value.take().map(|value| seed.deserialize(value)).transpose()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpannedVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut number = || seq.next_element::<u32>().map(Option::unwrap_or_default);
                let source = SourceId(number()?);
                let span = Span { source, start: number()?, end: number()?, written: number()? };
                let value = seq.next_element()?.ok_or_else(|| A::Error::missing_field("value"))?;
                Ok(Spanned { value, span })
            }
        }

        deserializer.deserialize_struct(SPANNED, &[], SpannedVisitor(std::marker::PhantomData))
    }
}

/// Any value, every key of it kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Literal(pub(crate) serde_json::Value);

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LiteralVisitor;

        impl<'de> Visitor<'de> for LiteralVisitor {
            type Value = Literal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Literal, D::Error> {
                serde_json::Value::deserialize(deserializer).map(Literal)
            }
        }

        deserializer.deserialize_newtype_struct(LITERAL, LiteralVisitor)
    }
}

/// A value, or a template that only the run knows the value of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Later<T> {
    /// The value.
    Now(T),
    /// The template.
    Text(String),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Later<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LaterVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for LaterVisitor<T> {
            type Value = Later<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a template")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Later<T>, E> {
                Ok(Later::Text(text.to_owned()))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Later<T>, D::Error> {
                T::deserialize(deserializer).map(Later::Now)
            }
        }

        deserializer.deserialize_newtype_struct(LATER, LaterVisitor(std::marker::PhantomData))
    }
}

/// Whether the struct `T` has a field of this name.
pub(crate) fn has_field<T: for<'de> Deserialize<'de>>(name: &str) -> bool {
    let [span, key_span] = [0, 1].map(|at| Span::new(SourceId(0), at, at));
    let value = Node { span, value: Value::Null };
    let node = Node { span, value: Value::Map(vec![Entry { key: name.to_owned(), key_span, value }]) };
    // No error but that of an unknown field is located at a key.
    match T::deserialize(Reader { node: &node, literal: false }) {
        Ok(_) => true,
        Err(error) => error.0.span != Some(key_span),
    }
}
