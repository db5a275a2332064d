//! The rows of a file of separated values, the first line of which names the columns.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use crate::assertion;
use crate::step::rows::{Rows, twice};
use crate::text::csv::{Misquoted, header_cells};
use crate::text::typed;

/// The most bytes of a row of a table that is only counted.
const LONGEST_ROW: usize = 16 << 20;

/// How many rows are counted between two looks at the time.
const BETWEEN_LOOKS: u64 = 1024;

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
    let mut rows = Rows::new(columns(&mut reader)?);
    for record in reader.records() {
        let record = record.map_err(|error| describe(&error))?;
        rows.push(record.iter().map(typed)).map_err(|error| error.to_string())?;
    }
    Ok(rows.into_values())
}

fn columns(reader: &mut csv::Reader<impl Read>) -> Result<Vec<String>, String> {
    let header = reader.headers().map_err(|error| describe(&error))?;
    let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    match twice(&columns) {
        Some(name) => Err(format!("its first line names the column {name:?} twice")),
        None => Ok(columns),
    }
}

/// How many rows there are, however large the file is, or why that cannot be told. Now and then `go_on` may
/// stop it.
pub(super) fn count<E>(
    file: impl Read,
    delimiter: u8,
    mut go_on: impl FnMut() -> Result<(), E>,
) -> Result<Result<u64, String>, E> {
    let left = Cell::new(LONGEST_ROW);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).from_reader(Bounded { file, left: &left });
    if let Err(reason) = columns(&mut reader) {
        return Ok(Err(reason));
    }
    let (mut record, mut count) = (csv::StringRecord::new(), 0);
    loop {
        if count % BETWEEN_LOOKS == 0 {
            go_on()?;
        }
        left.set(LONGEST_ROW);
        match reader.read_record(&mut record) {
            Ok(true) => count += 1,
            Ok(false) => return Ok(Ok(count)),
            Err(error) => return Ok(Err(describe(&error))),
        }
    }
}

/// A file of which no more is read at once than a row may have.
struct Bounded<'a, R> {
    file: R,
    left: &'a Cell<usize>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left.get());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other(format!("a row has more than {} MiB", LONGEST_ROW >> 20)));
        }
        let length = self.file.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - length);
        Ok(length)
    }
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

    use std::convert::Infallible;
    use std::io::{self, Read as _};

    use super::{count, parse};

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

    fn counted(file: impl io::Read) -> Result<u64, String> {
        count(file, b',', || Ok::<_, Infallible>(())).unwrap_or_else(|never| match never {})
    }

    #[test]
    fn rows_are_counted_however_many_there_are() {
        let many = format!("\u{FEFF}a,b\n{}", "1,\"x\ny\"\n".repeat(crate::step::rows::MOST_ROWS + 1));
        assert_eq!(counted(many.as_bytes()), Ok(crate::step::rows::MOST_ROWS as u64 + 1));
        assert_eq!(counted(&b""[..]), Ok(0));
        assert_eq!(counted(&b"a\n1"[..]), Ok(1));
        for (text, part) in [
            (&b"a,b\n1\n"[..], "line 2 has 1 cells, and the first line 2"),
            (b"a,a\n1,2\n", "the column \"a\" twice"),
            (b"a\n\xff\n", "UTF-8"),
        ] {
            let reason = counted(text).expect_err("broken");
            assert!(reason.contains(part), "{reason}");
        }
        let endless = counted(b"a\n\"".chain(io::repeat(b'x'))).expect_err("endless");
        assert!(endless.contains("a row has more than 16 MiB"), "{endless}");
        assert_eq!(count(&b"a\n1\n"[..], b',', || Err(())), Err(()));
    }
}
