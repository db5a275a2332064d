//! The mirror of the step `file` and of the matcher `bytes`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor, value};

use crate::descriptor::mirror::{Later, Spanned};
use crate::descriptor::raw::Text;

/// A file to look at.
#[derive(Debug)]
pub(crate) struct RawFile {
    pub(crate) path: Text,
    pub(crate) delimiter: Option<Text>,
}

/// A file with more than its path.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FileTable")]
pub(crate) struct RawFileTable {
    /// Its path: a relative one starts at the working directory.
    path: Text,
    /// What separates the cells of `rows`: a comma, where nothing is said.
    #[serde(default)]
    delimiter: Option<Text>,
}

/// Bytes, as a hexadecimal text or as an object.
#[derive(Debug)]
pub(crate) struct RawBytes(pub(crate) RawBytesAt);

/// Bytes, and where they stand.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "BytesAt")]
pub(crate) struct RawBytesAt {
    /// The bytes as pairs of hexadecimal digits, with or without spaces.
    pub(crate) hex: Option<Text>,
    /// The bytes in Base64.
    pub(crate) base64: Option<Text>,
    /// Where they stand, from 0; without it they are all there is.
    pub(crate) at: Option<Spanned<Later<u64>>>,
}

impl<'de> Deserialize<'de> for RawFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        enum Either {
            Path(String),
            Table(RawFileTable),
        }

        struct FileVisitor;

        impl<'de> Visitor<'de> for FileVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the path of a file or { \"path\", \"delimiter\" }")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<Either, E> {
                Ok(Either::Path(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(Either::Table)
            }
        }

        impl<'de> Deserialize<'de> for Either {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(FileVisitor)
            }
        }

        let Spanned { value, span } = Deserialize::deserialize(deserializer)?;
        Ok(match value {
            Either::Path(path) => Self { path: Spanned { value: path, span }, delimiter: None },
            Either::Table(RawFileTable { path, delimiter }) => Self { path, delimiter },
        })
    }
}

impl<'de> Deserialize<'de> for RawBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        enum Either {
            Hex(String),
            Object(RawBytesAt),
        }

        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("hexadecimal digits or { \"hex\" / \"base64\", \"at\" }")
            }

            fn visit_str<E: Error>(self, digits: &str) -> Result<Either, E> {
                Ok(Either::Hex(digits.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(Either::Object)
            }
        }

        impl<'de> Deserialize<'de> for Either {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(BytesVisitor)
            }
        }

        let Spanned { value, span } = Deserialize::deserialize(deserializer)?;
        Ok(Self(match value {
            Either::Hex(digits) => {
                RawBytesAt { hex: Some(Spanned { value: digits, span }), ..RawBytesAt::default() }
            }
            Either::Object(object) => object,
        }))
    }
}
