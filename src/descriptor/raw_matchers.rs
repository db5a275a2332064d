//! The mirror of matchers that have a form of their own.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value};
use serde_json::{Number, Value};

use crate::descriptor::mirror::{Later, Literal, Spanned};
use crate::descriptor::raw::Text;
use crate::descriptor::raw_expect::RawMatchers;

/// A number, or what is known of it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "NumberTest")]
pub(crate) struct RawNumberTest {
    /// A regular expression that finds it in the content.
    pub(crate) from: Option<Text>,
    /// The number.
    pub(crate) equals: Option<Spanned<Later<Number>>>,
    /// How far from it is right as well.
    pub(crate) tolerance: Option<Spanned<Later<Number>>>,
    /// The least.
    pub(crate) min: Option<Spanned<Later<Number>>>,
    /// The most.
    pub(crate) max: Option<Spanned<Later<Number>>>,
}

/// See [`RawNumberTest`].
#[derive(Debug)]
pub(crate) enum RawNumber {
    Exactly(Number),
    Test(Box<RawNumberTest>),
}

/// What is expected of what a JSONPath finds.
#[derive(Debug)]
pub(crate) enum RawNode {
    /// Anything but an object: the value.
    Value(Value),
    /// An object: matchers.
    Matchers(Box<RawMatchers<Self, Literal>>),
}

/// One normalization, or several in order.
#[derive(Debug)]
pub(crate) struct RawNormalizations(pub(crate) Vec<Spanned<RawNormalization>>);

/// One thing that is done to a content.
#[derive(Debug)]
pub(crate) enum RawNormalization {
    /// One that has a name.
    Named(String),
    /// A replacement.
    Replace(RawReplace),
}

/// A regular expression and what stands for its matches.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Replace")]
pub(crate) struct RawReplace {
    /// What is looked for, a regular expression.
    pub(crate) replace: Text,
    /// What stands in its place.
    pub(crate) with: Text,
}

impl Default for RawNode {
    fn default() -> Self {
        Self::Value(Value::Null)
    }
}

impl<'de> Deserialize<'de> for RawNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl<'de> Visitor<'de> for NumberVisitor {
            type Value = RawNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or { \"from\", \"equals\", \"tolerance\", \"min\", \"max\" }")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawNumber, E> {
                Ok(RawNumber::Exactly(number.into()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RawNumber, E> {
                Ok(RawNumber::Exactly(number.into()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawNumber, E> {
                let number = Number::from_f64(number);
                number.map(RawNumber::Exactly).ok_or_else(|| E::custom("the number is not finite"))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawNumber, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(RawNumber::Test)
            }
        }

        deserializer.deserialize_any(NumberVisitor)
    }
}

impl<'de> Deserialize<'de> for RawNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;

        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = RawNode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or an object of matchers")
            }

            fn visit_unit<E: Error>(self) -> Result<RawNode, E> {
                Ok(RawNode::Value(Value::Null))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<RawNode, E> {
                Ok(RawNode::Value(value.into()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawNode, E> {
                Ok(RawNode::Value(number.into()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RawNode, E> {
                Ok(RawNode::Value(number.into()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawNode, E> {
                Ok(RawNode::Value(number.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawNode, E> {
                Ok(RawNode::Value(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawNode, A::Error> {
                let mut items = Vec::new();
                while let Some(Literal(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(RawNode::Value(items.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawNode, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(RawNode::Matchers)
            }
        }

        deserializer.deserialize_any(NodeVisitor)
    }
}

impl<'de> Deserialize<'de> for RawNormalization {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NormalizationVisitor;

        impl<'de> Visitor<'de> for NormalizationVisitor {
            type Value = RawNormalization;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a normalization or { \"replace\", \"with\" }")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<RawNormalization, E> {
                Ok(RawNormalization::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawNormalization, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map))
                    .map(RawNormalization::Replace)
            }
        }

        deserializer.deserialize_any(NormalizationVisitor)
    }
}

impl<'de> Deserialize<'de> for RawNormalizations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        enum Either {
            One(RawNormalization),
            Many(Vec<Spanned<RawNormalization>>),
        }

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a normalization or a list of them")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Either, E> {
                Ok(Either::One(RawNormalization::Named(name.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
                let replace = Deserialize::deserialize(value::MapAccessDeserializer::new(map))?;
                Ok(Either::One(RawNormalization::Replace(replace)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Either, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(Either::Many)
            }
        }

        impl<'de> Deserialize<'de> for Either {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(OneOrMany)
            }
        }

        let Spanned { value, span } = Deserialize::deserialize(deserializer)?;
        Ok(match value {
            Either::One(one) => Self(vec![Spanned { value: one, span }]),
            Either::Many(many) => Self(many),
        })
    }
}
