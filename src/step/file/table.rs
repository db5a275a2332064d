//! The rows of a file of separated values, the first line of which names the columns.

use std::path::Path;

use serde_json::Value;

use crate::assertion;
use crate::step::rows::{Rows, twice};
use crate::text::csv::{Misquoted, header_cells};
use crate::text::typed;

/// The rows, or why there are none to be had. Cells that are written as numbers or truth values become those.
pub(super) fn read(path: &Path, delimiter: u8) -> Result<Vec<Value>, String> {
    parse(&assertion::read_file(path)?, delimiter)
}

fn parse(bytes: &[u8], delimiter: u8) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("it is no text in UTF-8 (byte {})", error.valid_up_to()))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    header_cells(text, delimiter).map_err(|Misquoted { at, message }| {
        let before = &text[..at];
        let column = before[before.rfind('\n').map_or(0, |end| end + 1)..].chars().count() + 1;
        format!("line {}, column {column}: {message}", before.matches('\n').count() + 1)
    })?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| describe(&error))?;
    let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    if let Some(name) = twice(&columns) {
        return Err(format!("its first line names the column {name:?} twice"));
    }
    let mut rows = Rows::new(columns);
    for record in reader.records() {
        let record = record.map_err(|error| describe(&error))?;
        rows.push(record.iter().map(typed)).map_err(|error| error.to_string())?;
    }
    Ok(rows.into_values())
}

fn describe(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line} has {len} cells, and the first line {expected_len}")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn rows_are_objects_whose_numbers_are_numbers() {
        let rows = parse("\u{FEFF}id; name;ok\r\n1;\"a;\nb\";true\r\n007;1.50;\r\n".as_bytes(), b';');
        let expected = [
            json!({ "id": 1, "name": "a;\nb", "ok": true }),
            json!({ "id": "007", "name": "1.50", "ok": "" }),
        ];
        assert_eq!(rows.expect("rows"), expected);
        assert_eq!(parse(b"", b',').expect("no rows"), [json!(null); 0]);
        assert_eq!(parse(b"id\n", b',').expect("no rows"), [json!(null); 0]);
    }

    #[test]
    fn broken_tables_say_where() {
        for (text, part) in [
            (&b"a,b\n1\n"[..], "line 2 has 1 cells, and the first line 2"),
            (b"a,a\n1,2\n", "the column \"a\" twice"),
            (b"a\n\xff\n", "no text in UTF-8 (byte 2)"),
            (b"a\n1\n \xc3\xa4,\"b\n2\n", "line 3, column 4: the quote is not closed"),
            (b"a\n\"1\"2\n", "line 2, column 1: the cell goes on"),
        ] {
            let reason = parse(text, b',').expect_err("broken");
            assert!(reason.contains(part), "{reason}");
        }
        let many = format!("a\n{}", "1\n".repeat(crate::step::rows::MOST_ROWS + 1));
        assert!(parse(many.as_bytes(), b',').expect_err("too many").contains("100000 rows"));
    }
}
