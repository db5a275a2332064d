//! The mirror of the step `sql`.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use crate::descriptor::mirror::{Later, Literal, Spanned};
use crate::descriptor::raw::{List, RawDuration, Table, Text};
use crate::descriptor::schema_values::Patience;

/// Statements for a database.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sql")]
pub(crate) struct RawSql {
    /// The database: `sqlite:path`, where a relative path starts at the working directory, `sqlite::memory:`, or
    /// `postgres://user:password@host:port/database?sslmode=prefer`.
    #[schemars(with = "Option<Text>")] // as it may be inherited
    pub(crate) url: Text,
    /// A statement, or several, each ended by `;`.
    #[serde(default)]
    pub(crate) query: Option<Text>,
    /// What is bound to the parameters of the statement: a list, or values by name.
    #[serde(default)]
    pub(crate) params: Option<Spanned<RawParams>>,
    /// Several statements, where some have parameters: texts, or objects with `query` and `params`.
    #[serde(default)]
    pub(crate) statements: Option<Spanned<List<Spanned<RawStatement>>>>,
    /// Whether all of it is one transaction.
    #[serde(default)]
    pub(crate) transaction: Option<Spanned<Later<bool>>>,
    /// How long it waits while others have locked what it wants; `0s` is not at all. Where nothing is said, 5s with
    /// SQLite, and with PostgreSQL as long as the server is set to.
    #[serde(default)]
    #[schemars(with = "Option<Patience>")]
    pub(crate) busy_timeout: Option<Spanned<RawDuration>>,
}

/// A statement, or one with parameters.
#[derive(Debug)]
pub(crate) struct RawStatement {
    pub(crate) query: Text,
    pub(crate) params: Option<Spanned<RawParams>>,
}

/// A statement with parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Statement")]
pub(crate) struct RawBoundStatement {
    /// The statement.
    query: Text,
    /// What is bound to its parameters.
    #[serde(default)]
    params: Option<Spanned<RawParams>>,
}

/// Values for parameters, in order or by name.
#[derive(Debug)]
pub(crate) enum RawParams {
    Positional(Vec<Spanned<Literal>>),
    Named(Table<Spanned<Literal>>),
}

impl<'de> Deserialize<'de> for RawStatement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        enum Either {
            Query(String),
            Bound(RawBoundStatement),
        }

        struct StatementVisitor;

        impl<'de> Visitor<'de> for StatementVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a statement or { \"query\", \"params\" }")
            }

            fn visit_str<E: Error>(self, query: &str) -> Result<Either, E> {
                Ok(Either::Query(query.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(Either::Bound)
            }
        }

        impl<'de> Deserialize<'de> for Either {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(StatementVisitor)
            }
        }

        let Spanned { value, span } = Deserialize::deserialize(deserializer)?;
        Ok(match value {
            Either::Query(query) => Self { query: Spanned { value: query, span }, params: None },
            Either::Bound(RawBoundStatement { query, params }) => Self { query, params },
        })
    }
}

impl<'de> Deserialize<'de> for RawParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ParamsVisitor;

        impl<'de> Visitor<'de> for ParamsVisitor {
            type Value = RawParams;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of values or an object of values by name")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawParams, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(RawParams::Positional)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawParams, A::Error> {
                Deserialize::deserialize(value::MapAccessDeserializer::new(map)).map(RawParams::Named)
            }
        }

        deserializer.deserialize_any(ParamsVisitor)
    }
}
