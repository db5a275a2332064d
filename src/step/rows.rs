//! The rows of a table, as far as they are kept.

use serde_json::{Map, Value};

/// The most rows that are kept.
pub(super) const MOST_ROWS: usize = 100_000;

/// The most bytes that rows may take, roughly, in memory.
pub(super) const MOST_BYTES: usize = 64 << 20;

/// What a value costs beside its text.
const OVERHEAD: usize = 48;

/// Rows within bounds.
#[derive(Debug)]
pub(super) struct Rows {
    columns: Vec<String>,
    rows: Vec<Value>,
    bytes: usize,
}

/// There are more than are kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "there are more rows than the {MOST_ROWS} rows or {} MiB that are kept of a table",
    MOST_BYTES >> 20
)]
pub(super) struct TooMany;

impl Rows {
    /// No rows yet.
    pub(super) fn new(columns: Vec<String>) -> Self {
        Self { columns, rows: Vec::new(), bytes: 0 }
    }

    /// Adds a row with a value for each column.
    pub(super) fn push(&mut self, values: impl Iterator<Item = Value>) -> Result<(), TooMany> {
        let mut row = Map::new();
        for (column, value) in self.columns.iter().zip(values) {
            self.bytes += column.len() + OVERHEAD + value.as_str().map_or(0, str::len);
            row.insert(column.clone(), value);
        }
        self.bytes += OVERHEAD;
        if self.rows.len() == MOST_ROWS || self.bytes > MOST_BYTES {
            return Err(TooMany);
        }
        self.rows.push(Value::Object(row));
        Ok(())
    }

    /// The rows, an object each.
    pub(super) fn into_values(self) -> Vec<Value> {
        self.rows
    }
}

/// The first name that stands twice, if one does.
pub(super) fn twice(columns: &[String]) -> Option<&str> {
    let is_again = |(index, name): (usize, &String)| columns[..index].contains(name);
    columns.iter().enumerate().find(|(index, name)| is_again((*index, name))).map(|(_, name)| name.as_str())
}
