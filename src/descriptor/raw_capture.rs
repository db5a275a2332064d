//! The mirror of `capture` and `until`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor, value};

use crate::descriptor::mirror::{Later, Spanned};
use crate::descriptor::raw::{RawDuration, Text};

/// What is captured.
#[derive(Debug)]
pub(crate) enum RawCapture {
    /// The name of an output, all of which is captured.
    Whole(String),
    /// A part of an output or of a file.
    Part(Box<RawPart>),
}

/// How a step is tried again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Until")]
pub(crate) struct RawUntil {
    /// The wait between two tries.
    #[serde(default)]
    pub(crate) every: Option<Spanned<RawDuration>>,
    /// The time of all of them together.
    #[serde(rename = "for")]
    pub(crate) limit: Spanned<RawDuration>,
}

/// A part of what a step did.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Part")]
pub(crate) struct RawPart {
    /// A path into its JSON.
    pub(crate) jsonpath: Option<Text>,
    /// A regular expression, of which the first group counts.
    pub(crate) regex: Option<Text>,
    /// A header of an answer.
    pub(crate) header: Option<Text>,
    /// The number of a line.
    pub(crate) line: Option<Spanned<Later<i64>>>,
    /// The name of a column, of whose first row it is the value.
    pub(crate) column: Option<Text>,
    /// What it is a part of.
    pub(crate) from: Option<Spanned<RawFrom>>,
}

/// An output by name, or a file.
#[derive(Debug)]
pub(crate) enum RawFrom {
    Output(String),
    File(Text),
}

impl<'de> Deserialize<'de> for RawCapture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CaptureVisitor;

        impl<'de> Visitor<'de> for CaptureVisitor {
            type Value = RawCapture;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "the name of an output or { \"jsonpath\" / \"regex\" / \"line\" / \"column\", \"from\" }",
                )
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<RawCapture, E> {
                Ok(RawCapture::Whole(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawCapture, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(RawCapture::Part)
            }
        }

        deserializer.deserialize_any(CaptureVisitor)
    }
}

impl<'de> Deserialize<'de> for RawFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct FromFile {
            // The name is that of the key.
            file: Text,
        }

        struct FromVisitor;

        impl<'de> Visitor<'de> for FromVisitor {
            type Value = RawFrom;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an output or { \"file\": path }")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<RawFrom, E> {
                Ok(RawFrom::Output(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawFrom, A::Error> {
                let FromFile { file } = Deserialize::deserialize(value::MapAccessDeserializer::new(map))?;
                Ok(RawFrom::File(file))
            }
        }

        deserializer.deserialize_any(FromVisitor)
    }
}
