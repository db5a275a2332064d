//! The mirror of `expect`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use crate::descriptor::mirror::{Later, Literal, Spanned};
use crate::descriptor::node::Span;
use crate::descriptor::raw::{List, Table, Text};
use crate::descriptor::raw_file::RawBytes;
use crate::descriptor::raw_http::{RawPace, RawStatus};
use crate::descriptor::raw_matchers::{RawNode, RawNormalizations, RawNumber};
use crate::descriptor::schema_values::{Lines, whole};

/// What must hold after a step.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Expect")]
pub(crate) struct RawExpect {
    /// The exit code.
    pub(crate) exit: Option<Spanned<Later<RawExit>>>,
    /// The signal that ends it.
    pub(crate) signal: Option<Spanned<RawSignal>>,
    /// What it writes to standard output.
    pub(crate) stdout: Option<Spanned<RawContent>>,
    /// What it writes to standard error.
    pub(crate) stderr: Option<Spanned<RawContent>>,
    /// What a worker returns.
    pub(crate) output: Option<Spanned<RawContent>>,
    /// Files it leaves, by their path in the working directory.
    pub(crate) files: Option<Spanned<Table<Option<Spanned<RawContent>>>>>,
    /// Whether the file exists.
    pub(crate) exists: Option<Spanned<Later<bool>>>,
    /// How many bytes it has.
    pub(crate) size: Option<Spanned<Later<RawNumber>>>,
    /// Its SHA-256, in hexadecimal digits.
    pub(crate) sha256: Option<Text>,
    /// Its permissions, in octal digits.
    pub(crate) mode: Option<Text>,
    /// What it holds.
    pub(crate) content: Option<Spanned<RawContent>>,
    /// The rows of a table: a list of objects, their number, or matchers.
    pub(crate) rows: Option<Spanned<RawNode>>,
    /// The status of the answer.
    pub(crate) status: Option<Spanned<RawStatus>>,
    /// Headers of the answer.
    pub(crate) headers: Option<Spanned<Table<Option<Spanned<RawContent>>>>>,
    /// The body of the answer.
    pub(crate) body: Option<Spanned<RawContent>>,
    /// The body is JSON that holds this value.
    #[serde(deserialize_with = "present")]
    pub(crate) json: Option<Spanned<Literal>>,
    /// Values within the body of the answer, or within the rows, by their JSONPath.
    #[schemars(transform = whole)]
    pub(crate) jsonpath: Option<Spanned<Table<Spanned<RawNode>>>>,
    /// How long it takes.
    pub(crate) duration: Option<Spanned<RawPace>>,
    /// The names of the columns, in order.
    pub(crate) columns: Option<Spanned<List<Text>>>,
    /// How many rows were changed.
    pub(crate) rows_affected: Option<Spanned<Later<RawNumber>>>,
    /// Why a statement cannot be carried out.
    pub(crate) error: Option<Spanned<RawContent>>,
}

impl RawExpect {
    /// Its keys, each with its place where it is given.
    pub(crate) fn given(&self) -> [(&'static str, Option<Span>); 21] {
        [
            ("exit", self.exit.as_ref().map(|exit| exit.span)),
            ("signal", self.signal.as_ref().map(|signal| signal.span)),
            ("stdout", self.stdout.as_ref().map(|stdout| stdout.span)),
            ("stderr", self.stderr.as_ref().map(|stderr| stderr.span)),
            ("output", self.output.as_ref().map(|output| output.span)),
            ("files", self.files.as_ref().map(|files| files.span)),
            ("exists", self.exists.as_ref().map(|exists| exists.span)),
            ("size", self.size.as_ref().map(|size| size.span)),
            ("sha256", self.sha256.as_ref().map(|sha256| sha256.span)),
            ("mode", self.mode.as_ref().map(|mode| mode.span)),
            ("content", self.content.as_ref().map(|content| content.span)),
            ("rows", self.rows.as_ref().map(|rows| rows.span)),
            ("status", self.status.as_ref().map(|status| status.span)),
            ("headers", self.headers.as_ref().map(|headers| headers.span)),
            ("body", self.body.as_ref().map(|body| body.span)),
            ("json", self.json.as_ref().map(|json| json.span)),
            ("jsonpath", self.jsonpath.as_ref().map(|jsonpath| jsonpath.span)),
            ("duration", self.duration.as_ref().map(|duration| duration.span)),
            ("columns", self.columns.as_ref().map(|columns| columns.span)),
            ("rows_affected", self.rows_affected.as_ref().map(|affected| affected.span)),
            ("error", self.error.as_ref().map(|error| error.span)),
        ]
    }
}

/// What must hold of a content: the table of matchers. All that are given must hold.
///
/// A content is compared with texts, and what a JSONPath finds with values.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    bound(deserialize = "C: Deserialize<'de> + Default + Operand, E: Deserialize<'de> + Default + Operand")
)]
#[schemars(rename = "{C}Matchers", bound = "C: JsonSchema + Default, E: JsonSchema + Default")]
pub(crate) struct RawMatchers<C = RawContent, E = String> {
    /// It is exactly this.
    #[serde(deserialize_with = "operand")]
    pub(crate) equals: Option<Spanned<E>>,
    /// It holds each of these texts.
    pub(crate) contains: Option<OneOrMany>,
    /// It holds none of these texts.
    pub(crate) not_contains: Option<OneOrMany>,
    /// It has a place that matches each of these regular expressions.
    pub(crate) matches: Option<OneOrMany>,
    /// It begins with this text.
    pub(crate) starts_with: Option<Text>,
    /// It ends with this text.
    pub(crate) ends_with: Option<Text>,
    /// It is empty, or is not.
    pub(crate) empty: Option<Spanned<Later<bool>>>,
    /// It is what this file holds.
    pub(crate) file: Option<Text>,
    /// Its lines are these, with `...` for any number of them and `[..]` for anything within one.
    #[schemars(with = "Option<Lines>")]
    pub(crate) lines: Option<OneOrMany>,
    /// The same in any order.
    #[schemars(with = "Option<Lines>")]
    pub(crate) unordered: Option<OneOrMany>,
    /// It is these bytes, or has them at a place.
    pub(crate) bytes: Option<Spanned<Box<RawBytes>>>,
    /// It is a number, or holds one.
    pub(crate) number: Option<Box<Spanned<Later<RawNumber>>>>,
    /// It is as one of these says.
    #[schemars(length(min = 1), transform = whole)]
    pub(crate) one_of: Option<Box<Spanned<List<Spanned<C>>>>>,
    /// These matchers do not all hold.
    #[serde(deserialize_with = "operand")]
    pub(crate) not: Option<Box<Spanned<C>>>,
    /// It is JSON that holds this value.
    #[serde(deserialize_with = "present")]
    pub(crate) json: Option<Box<Spanned<Literal>>>,
    /// Whether `json` refuses what its value does not name.
    pub(crate) exact: Option<Spanned<bool>>,
    /// Values within JSON, by their JSONPath.
    #[schemars(transform = whole)]
    pub(crate) jsonpath: Option<Table<Spanned<RawNode>>>,
    /// Whether the file exists; for files and for what a JSONPath finds.
    pub(crate) exists: Option<Spanned<Later<bool>>>,
    /// What is done to the content before the others look at it.
    pub(crate) normalize: Option<Spanned<RawNormalizations>>,
}

/// What a matcher compares with.
pub(crate) trait Operand {
    /// Whether `null` is one, and does not just remove what is inherited.
    const HAS_NULL: bool;
}

impl Operand for String {
    const HAS_NULL: bool = false;
}

impl Operand for RawContent {
    const HAS_NULL: bool = false;
}

impl Operand for Literal {
    const HAS_NULL: bool = true;
}

impl Operand for RawNode {
    const HAS_NULL: bool = true;
}

impl<T: Operand> Operand for Spanned<T> {
    const HAS_NULL: bool = T::HAS_NULL;
}

impl<T: Operand> Operand for Box<T> {
    const HAS_NULL: bool = T::HAS_NULL;
}

fn operand<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de> + Operand,
    D: Deserializer<'de>,
{
    if T::HAS_NULL { present(deserializer) } else { Deserialize::deserialize(deserializer) }
}

/// Reads a value of which `null` is one, too.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An exit code, several of them, or any but zero.
#[derive(Debug)]
pub(crate) enum RawExit {
    Codes(Vec<Spanned<Later<ExitCode>>>),
    Nonzero,
}

/// A code that a process can exit with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExitCode(pub(crate) i32);

/// A signal by name or number.
#[derive(Debug)]
pub(crate) enum RawSignal {
    Name(String),
    Number(i64),
}

/// What must hold of a content.
#[derive(Debug)]
pub(crate) enum RawContent {
    /// A string: it is exactly this.
    Text(String),
    /// An object: matchers.
    Matchers(Box<RawMatchers>),
    /// A list: each of these.
    All(Vec<Spanned<Self>>),
}

/// A text or a list of texts.
#[derive(Debug)]
pub(crate) struct OneOrMany {
    /// The texts.
    pub(crate) texts: Vec<Text>,
    /// Where they stand.
    pub(crate) span: Span,
}

impl Default for RawContent {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl<'de> Deserialize<'de> for ExitCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CodeVisitor;

        impl Visitor<'_> for CodeVisitor {
            type Value = ExitCode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an exit code from 0 to 255")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<ExitCode, E> {
                match u8::try_from(number) {
                    Ok(code) => Ok(ExitCode(code.into())),
                    Err(_) => Err(E::custom(format_args!("{number} is no exit code\nthey go from 0 to 255"))),
                }
            }
        }

        deserializer.deserialize_any(CodeVisitor)
    }
}

impl<'de> Deserialize<'de> for RawExit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExitVisitor;

        enum Either {
            One(ExitCode),
            Other(RawExit),
        }

        impl<'de> Visitor<'de> for ExitVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an exit code, a list of them or \"nonzero\"")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Either, E> {
                ExitCode::deserialize(value::I64Deserializer::new(number)).map(Either::One)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Either, E> {
                match text {
                    "nonzero" => Ok(Either::Other(RawExit::Nonzero)),
                    _ => Err(E::custom(
                        "expected an exit code, a list of them or \"nonzero\"\nwrite a number without quotes, or \"nonzero\"",
                    )),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Either, A::Error> {
                let codes: Vec<_> = Deserialize::deserialize(value::SeqAccessDeserializer::new(seq))?;
                if codes.is_empty() {
                    return Err(A::Error::custom(
                        "the list of exit codes is empty\nname one, or take the key out",
                    ));
                }
                Ok(Either::Other(RawExit::Codes(codes)))
            }
        }

        impl<'de> Deserialize<'de> for Either {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(ExitVisitor)
            }
        }

        let Spanned { value, span } = Deserialize::deserialize(deserializer)?;
        Ok(match value {
            Either::One(code) => Self::Codes(vec![Spanned { value: Later::Now(code), span }]),
            Either::Other(other) => other,
        })
    }
}

impl<'de> Deserialize<'de> for RawSignal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SignalVisitor;

        impl Visitor<'_> for SignalVisitor {
            type Value = RawSignal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name or number of a signal")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawSignal, E> {
                Ok(RawSignal::Number(number))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<RawSignal, E> {
                Ok(RawSignal::Name(name.to_owned()))
            }
        }

        deserializer.deserialize_any(SignalVisitor)
    }
}

impl<'de> Deserialize<'de> for RawContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;

        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = RawContent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, an object of matchers or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawContent, E> {
                Ok(RawContent::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawContent, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(RawContent::Matchers)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawContent, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(RawContent::All)
            }
        }

        deserializer.deserialize_any(ContentVisitor)
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        enum Either {
            One(String),
            Many(Vec<Text>),
        }

        struct EitherVisitor;

        impl<'de> Visitor<'de> for EitherVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Either, E> {
                Ok(Either::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Either, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(Either::Many)
            }
        }

        impl<'de> Deserialize<'de> for Either {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(EitherVisitor)
            }
        }

        let Spanned { value, span } = Deserialize::deserialize(deserializer)?;
        let texts = match value {
            Either::One(text) => vec![Spanned { value: text, span }],
            Either::Many(texts) => texts,
        };
        Ok(Self { texts, span })
    }
}
