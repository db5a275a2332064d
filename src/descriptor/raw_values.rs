//! How the values of the mirror are read that have more than one spelling.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use crate::descriptor::mirror::Spanned;
use crate::descriptor::raw::{RawDuration, RawRun, RawScalar, RawStdin, RawXfail, Reason, Text};

impl<'de> Deserialize<'de> for RawRun {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RunVisitor;

        impl<'de> Visitor<'de> for RunVisitor {
            type Value = RawRun;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of arguments or a string for the shell")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawRun, E> {
                Ok(RawRun::Shell(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawRun, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(RawRun::Program)
            }
        }

        deserializer.deserialize_any(RunVisitor)
    }
}

impl<'de> Deserialize<'de> for RawStdin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct FromFile {
            // The name is that of the key.
            file: Text,
        }

        struct StdinVisitor;

        impl<'de> Visitor<'de> for StdinVisitor {
            type Value = (Option<String>, Option<Text>);

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or { \"file\": path }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok((Some(text.to_owned()), None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let FromFile { file } = Deserialize::deserialize(value::MapAccessDeserializer::new(map))?;
                Ok((None, Some(file)))
            }
        }

        struct TextOrFile((Option<String>, Option<Text>));

        impl<'de> Deserialize<'de> for TextOrFile {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(StdinVisitor).map(TextOrFile)
            }
        }

        let Spanned { value: TextOrFile(read), span } = Deserialize::deserialize(deserializer)?;
        match read {
            (_, Some(file)) => Ok(Self::File(file)),
            (text, None) => Ok(Self::Text(Spanned { value: text.unwrap_or_default(), span })),
        }
    }
}

impl<'de> Deserialize<'de> for RawScalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = RawScalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number, a truth value or null")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawScalar, E> {
                Ok(RawScalar::Text(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawScalar, E> {
                Ok(RawScalar::Number(number.to_string()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RawScalar, E> {
                Ok(RawScalar::Number(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawScalar, E> {
                Ok(RawScalar::Number(number.to_string()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<RawScalar, E> {
                Ok(RawScalar::Text(value.to_string()))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl<'de> Deserialize<'de> for RawDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DurationVisitor;

        impl DurationVisitor {
            fn without_unit<T, E: Error>(number: impl fmt::Display) -> Result<T, E> {
                Err(E::custom(format_args!(
                    "a duration needs a unit\nwrite it as a string, as in \"{number}s\""
                )))
            }
        }

        impl Visitor<'_> for DurationVisitor {
            type Value = RawDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"5s\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawDuration, E> {
                Ok(RawDuration(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawDuration, E> {
                Self::without_unit(number)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawDuration, E> {
                Self::without_unit(number)
            }
        }

        deserializer.deserialize_any(DurationVisitor)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ReasonVisitor;

        impl Visitor<'_> for ReasonVisitor {
            type Value = Reason;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reason in words")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Reason, E> {
                match text.trim() {
                    "" => Err(E::custom("the reason is empty\nsay why, as every report shows it")),
                    reason => Ok(Reason(reason.to_owned())),
                }
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Reason, E> {
                Err(E::custom("expected a reason in words\nsay why, as every report shows it"))
            }
        }

        deserializer.deserialize_any(ReasonVisitor)
    }
}

impl<'de> Deserialize<'de> for RawXfail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            reason: Spanned<Reason>,
            #[serde(default = "yes")]
            strict: bool,
        }

        fn yes() -> bool {
            true
        }

        struct XfailVisitor;

        /// Either spelling; the short one gets its place from outside.
        enum Either {
            Short(Reason),
            Full(Full),
        }

        impl<'de> Visitor<'de> for XfailVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reason in words or { \"reason\", \"strict\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Either, E> {
                Reason::deserialize(value::StrDeserializer::new(text)).map(Either::Short)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Either, E> {
                Reason::deserialize(value::BoolDeserializer::new(value)).map(Either::Short)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(Either::Full)
            }
        }

        impl<'de> Deserialize<'de> for Either {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(XfailVisitor)
            }
        }

        let Spanned { value, span } = Deserialize::deserialize(deserializer)?;
        Ok(match value {
            Either::Short(reason) => Self { reason: Spanned { value: reason, span }, strict: true },
            Either::Full(Full { reason, strict }) => Self { reason, strict },
        })
    }
}
