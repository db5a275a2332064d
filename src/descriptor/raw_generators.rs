//! The mirror of what makes many cases from one: `matrix`, `rows` and `foreach`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use crate::descriptor::mirror::{Literal, Spanned};
use crate::descriptor::raw::{List, Table, Text};
use crate::descriptor::raw_expect::OneOrMany;

/// Any value and its place.
pub(crate) type Datum = Spanned<Literal>;
/// Values by name.
pub(crate) type Record = Spanned<Table<Datum>>;

/// The keys of a case that make many of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawGenerators {
    /// Every combination of some values.
    pub(crate) matrix: Option<Spanned<RawMatrix>>,
    /// A table, one case for each row.
    pub(crate) rows: Option<Spanned<RawRows>>,
    /// Globs, one case for each file.
    pub(crate) foreach: Option<OneOrMany>,
}

/// Lists whose product is taken.
#[derive(Debug, Default)]
pub(crate) struct RawMatrix {
    /// The lists by the names of their variables.
    pub(crate) axes: Vec<(Text, Spanned<List<Datum>>)>,
    /// Combinations, or values for some of them, that are added.
    pub(crate) include: List<Record>,
    /// Combinations that are left out.
    pub(crate) exclude: List<Record>,
}

/// A table.
#[derive(Debug)]
pub(crate) enum RawRows {
    /// Rows that name their columns.
    Records(List<Record>),
    /// Names of columns, and rows in their order.
    Columns(List<Text>, List<Spanned<List<Datum>>>),
    /// The path of a CSV or JSON file.
    File(Text),
}

impl<'de> Deserialize<'de> for RawMatrix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MatrixVisitor;

        impl<'de> Visitor<'de> for MatrixVisitor {
            type Value = RawMatrix;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of lists")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawMatrix, A::Error> {
                let mut matrix = RawMatrix::default();
                while let Some(key) = map.next_key::<Text>()? {
                    match key.as_str() {
                        "include" => matrix.include = map.next_value()?,
                        "exclude" => matrix.exclude = map.next_value()?,
                        _ => matrix.axes.push((key, map.next_value()?)),
                    }
                }
                Ok(matrix)
            }
        }

        deserializer.deserialize_any(MatrixVisitor)
    }
}

impl<'de> Deserialize<'de> for RawRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            file: Option<Text>,
            columns: Option<List<Text>>,
            rows: Option<List<Spanned<List<Datum>>>>,
        }

        struct RowsVisitor;

        impl<'de> Visitor<'de> for RowsVisitor {
            type Value = RawRows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of rows, { \"columns\", \"rows\" } or { \"file\": path }")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawRows, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(RawRows::Records)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawRows, A::Error> {
                let full: Full = Deserialize::deserialize(value::MapAccessDeserializer::new(map))?;
                match (full.file, full.columns, full.rows) {
                    (Some(file), None, None) => Ok(RawRows::File(file)),
                    (None, Some(columns), Some(rows)) => Ok(RawRows::Columns(columns, rows)),
                    _ => Err(A::Error::custom(
                        "a table is a list of objects, { \"columns\", \"rows\" } or { \"file\": path }\n\
                         write `columns` with `rows`, or `file` alone",
                    )),
                }
            }
        }

        deserializer.deserialize_any(RowsVisitor)
    }
}
