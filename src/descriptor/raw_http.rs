//! The mirror of the steps `http` and `download`, and of what is expected of them.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IntoDeserializer as _, MapAccess, SeqAccess, Visitor, value};

use crate::descriptor::mirror::{Later, Spanned};
use crate::descriptor::raw::{RawDuration, RawScalar, RawStdin, Table, Text};
use crate::descriptor::written::Verbatim;

/// Names with values; `null` takes one away that is inherited.
pub(crate) type Pairs = Table<Option<Spanned<RawScalars>>>;

/// Names with what is sent under them; `null` takes one away that is inherited.
pub(crate) type Fields = Table<Option<Spanned<RawFields>>>;

/// A request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Http")]
pub(crate) struct RawHttp {
    /// The address, with `http://` or `https://`.
    pub(crate) url: Option<Text>,
    /// The method: `GET`, or `POST` where something is sent.
    pub(crate) method: Option<Text>,
    /// What is added to the address after its `?`.
    pub(crate) query: Option<Pairs>,
    /// Headers.
    pub(crate) headers: Option<Pairs>,
    /// A value that is sent as JSON.
    pub(crate) json: Option<Spanned<Verbatim>>,
    /// A text, or the file that holds it, that is sent as it stands.
    pub(crate) body: Option<Spanned<RawStdin>>,
    /// Fields that are sent as `application/x-www-form-urlencoded`.
    pub(crate) form: Option<Spanned<Pairs>>,
    /// Fields and files that are sent as `multipart/form-data`.
    pub(crate) multipart: Option<Spanned<Fields>>,
    /// Who asks.
    pub(crate) auth: Option<Spanned<RawAuth>>,
    /// How many redirects are followed: none, or with `true` ten.
    pub(crate) follow: Option<Spanned<Later<RawFollow>>>,
    /// How long its phases may take.
    pub(crate) timeouts: Option<RawTimeouts>,
    /// Certificates.
    pub(crate) tls: Option<RawTls>,
    /// The socket to connect to in place of the host.
    pub(crate) unix: Option<Text>,
}

/// A file to fetch.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Download")]
pub(crate) struct RawDownload {
    /// The address, with `http://` or `https://`.
    pub(crate) url: Option<Text>,
    /// Where the file is put: a path in the working directory.
    pub(crate) to: Option<Text>,
    /// What is added to the address after its `?`.
    pub(crate) query: Option<Pairs>,
    /// Headers.
    pub(crate) headers: Option<Pairs>,
    /// Who asks.
    pub(crate) auth: Option<Spanned<RawAuth>>,
    /// How many redirects are followed: ten, or with `false` none.
    pub(crate) follow: Option<Spanned<Later<RawFollow>>>,
    /// How long its phases may take.
    pub(crate) timeouts: Option<RawTimeouts>,
    /// Certificates.
    pub(crate) tls: Option<RawTls>,
    /// The socket to connect to in place of the host.
    pub(crate) unix: Option<Text>,
}

/// A text, number or truth value, or a list of them.
#[derive(Debug)]
pub(crate) struct RawScalars(pub(crate) Vec<Spanned<RawScalar>>);

/// A text or file, or a list of them.
#[derive(Debug)]
pub(crate) struct RawFields(pub(crate) Vec<Spanned<RawField>>);

/// A text, or a file.
#[derive(Debug)]
pub(crate) enum RawField {
    Text(RawScalar),
    File(RawUpload),
}

/// A file that is sent as a part.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Upload")]
pub(crate) struct RawUpload {
    /// The file, relative to the descriptor.
    pub(crate) file: Text,
    /// Its `Content-Type`.
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<Text>,
}

/// Who asks: by name and password, or by a token.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Auth")]
pub(crate) struct RawAuth {
    /// Name and password.
    pub(crate) basic: Option<RawBasic>,
    /// A token.
    pub(crate) bearer: Option<Text>,
}

/// Name and password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Basic")]
pub(crate) struct RawBasic {
    /// The name.
    pub(crate) user: Text,
    /// The password.
    pub(crate) password: Text,
}

/// How many redirects are followed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RawFollow {
    All(bool),
    Count(u32),
}

/// How long the phases of a request may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "HttpTimeouts")]
pub(crate) struct RawTimeouts {
    /// Until the host is connected to, including the handshake of TLS.
    pub(crate) connect: Option<Spanned<RawDuration>>,
    /// From then until the head of the answer is there.
    pub(crate) first_byte: Option<Spanned<RawDuration>>,
}

/// Certificates, as PEM files relative to the descriptor.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tls")]
pub(crate) struct RawTls {
    /// What is trusted in place of the usual certificates.
    pub(crate) ca: Option<Text>,
    /// The client's certificate.
    pub(crate) cert: Option<Text>,
    /// Its key.
    pub(crate) key: Option<Text>,
    /// Whether any certificate will do.
    pub(crate) insecure: Option<Spanned<Later<bool>>>,
}

/// A status code, a class of them such as `2xx`, or a list of these.
#[derive(Debug)]
pub(crate) struct RawStatus(pub(crate) Vec<Spanned<RawCode>>);

/// A status code or a class of them.
#[derive(Clone, Debug)]
pub(crate) enum RawCode {
    Number(i64),
    Class(String),
}

/// The most time it may take, or more about it.
#[derive(Debug)]
pub(crate) enum RawPace {
    Most(String),
    Range(RawRange),
}

/// The least and the most time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Pace")]
pub(crate) struct RawRange {
    /// The least.
    pub(crate) min: Option<Spanned<RawDuration>>,
    /// The most.
    pub(crate) max: Option<Spanned<RawDuration>>,
}

/// One of these, or several.
enum Either<T> {
    One(T),
    Many(Vec<Spanned<T>>),
}

/// What can also stand in a list.
trait Listed {
    /// What is expected, in words.
    const EXPECTED: &'static str;
}

impl Listed for RawScalar {
    const EXPECTED: &'static str = "a string, a number, a truth value or a list of them";
}

impl Listed for RawField {
    const EXPECTED: &'static str = "a string, { \"file\": path, \"type\": its type } or a list of them";
}

impl Listed for RawCode {
    const EXPECTED: &'static str = "a status code, a class of them such as \"2xx\", or a list of these";
}

impl<'de, T: Listed + Deserialize<'de>> Deserialize<'de> for Either<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor<T>(PhantomData<T>);

        impl<'de, T: Listed + Deserialize<'de>> Visitor<'de> for EitherVisitor<T> {
            type Value = Either<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Either<T>, E> {
                T::deserialize(text.into_deserializer()).map(Either::One)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Either<T>, E> {
                T::deserialize(number.into_deserializer()).map(Either::One)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Either<T>, E> {
                T::deserialize(number.into_deserializer()).map(Either::One)
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Either<T>, E> {
                T::deserialize(number.into_deserializer()).map(Either::One)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Either<T>, E> {
                T::deserialize(value.into_deserializer()).map(Either::One)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either<T>, A::Error> {
                T::deserialize(value::MapAccessDeserializer::new(map)).map(Either::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Either<T>, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(Either::Many)
            }
        }

        deserializer.deserialize_any(EitherVisitor(PhantomData))
    }
}

/// A list, also where one stands alone.
fn listed<'de, T: Listed + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Spanned<T>>, D::Error> {
    let Spanned { value, span } = Deserialize::deserialize(deserializer)?;
    Ok(match value {
        Either::One(value) => vec![Spanned { value, span }],
        Either::Many(values) => values,
    })
}

impl<'de> Deserialize<'de> for RawScalars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        listed(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        listed(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        listed(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;

        impl<'de> Visitor<'de> for FieldVisitor {
            type Value = RawField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or { \"file\": path, \"type\": its type }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawField, E> {
                Ok(RawField::Text(RawScalar::Text(text.to_owned())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawField, E> {
                Ok(RawField::Text(RawScalar::Number(number.to_string())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<RawField, E> {
                Ok(RawField::Text(RawScalar::Number(number.to_string())))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawField, E> {
                Ok(RawField::Text(RawScalar::Number(number.to_string())))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<RawField, E> {
                Ok(RawField::Text(RawScalar::Text(value.to_string())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawField, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(RawField::File)
            }
        }

        deserializer.deserialize_any(FieldVisitor)
    }
}

impl<'de> Deserialize<'de> for RawFollow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FollowVisitor;

        impl Visitor<'_> for FollowVisitor {
            type Value = RawFollow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or how many redirects are followed")
            }

            fn visit_bool<E: Error>(self, all: bool) -> Result<RawFollow, E> {
                Ok(RawFollow::All(all))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawFollow, E> {
                match u32::try_from(number) {
                    Ok(count) if count <= 100 => Ok(RawFollow::Count(count)),
                    _ => Err(E::custom(format_args!("{number} redirects: from 0 to 100 can be followed"))),
                }
            }
        }

        deserializer.deserialize_any(FollowVisitor)
    }
}

impl<'de> Deserialize<'de> for RawCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CodeVisitor;

        impl Visitor<'_> for CodeVisitor {
            type Value = RawCode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status code or a class of them such as \"2xx\"")
            }

            fn visit_str<E: Error>(self, class: &str) -> Result<RawCode, E> {
                Ok(RawCode::Class(class.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawCode, E> {
                Ok(RawCode::Number(number))
            }
        }

        deserializer.deserialize_any(CodeVisitor)
    }
}

impl<'de> Deserialize<'de> for RawPace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PaceVisitor;

        impl<'de> Visitor<'de> for PaceVisitor {
            type Value = RawPace;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"500ms\" or { \"max\", \"min\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawPace, E> {
                Ok(RawPace::Most(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawPace, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(RawPace::Range)
            }
        }

        deserializer.deserialize_any(PaceVisitor)
    }
}
