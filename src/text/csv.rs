//! Quotes in separated values (CSV), of which the crate `csv` takes more than RFC 4180 allows: what it makes of them is
//! rarely what was meant.

use std::ops::Range;

/// A quote that leaves open what its cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misquoted {
    /// The byte at which the quote stands that opens the cell.
    pub at: usize,
    /// What is wrong.
    pub message: &'static str,
}

/// Looks at every quote of a table, and says where the cells of its first line stand.
///
/// # Errors
/// [`Misquoted`] for the first quote that is not closed, or whose cell goes on after the closing one.
pub fn header_cells(text: &str, delimiter: u8) -> Result<Vec<Range<usize>>, Misquoted> {
    let bytes = text.as_bytes();
    let ends = |byte: &u8| *byte == delimiter || matches!(byte, b'\n' | b'\r');
    let mut header = Vec::new();
    let mut is_header = true;
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        if bytes[at] == b'"' {
            at = after_quotes(bytes, start)
                .ok_or(Misquoted { at: start, message: "the quote is not closed" })?;
            if bytes.get(at).is_some_and(|byte| !ends(byte)) {
                return Err(Misquoted { at: start, message: "the cell goes on after its closing quote" });
            }
        } else {
            at += bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at);
        }
        if is_header {
            header.push(start..at);
        }
        if is_header && bytes.get(at).is_some_and(|byte| *byte != delimiter) {
            // An empty line is no record.
            is_header = header.iter().all(Range::is_empty) && header.len() == 1;
            header.truncate(if is_header { 0 } else { header.len() });
        }
        at += 1;
    }
    Ok(header)
}

/// The byte after the quotes that begin at `start`, within which two of them stand for one.
fn after_quotes(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += bytes[at..].iter().position(|byte| *byte == b'"')? + 1;
        if bytes.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Misquoted, header_cells};

    #[test]
    fn cells_of_the_first_line_are_found() {
        for (text, cells) in [
            ("", &[][..]),
            ("a", &["a"]),
            ("a,b\n1,2\n", &["a", "b"]),
            ("\r\n\na,\"b \"\"c\"\"\"\r\n\"1\n2\",\n", &["a", "\"b \"\"c\"\"\""]),
            ("a\"b,c d\n", &["a\"b", "c d"]),
            ("\"\"\n\"\"\"\"", &["\"\""]),
        ] {
            let found = header_cells(text, b',').expect(text);
            let found: Vec<_> = found.into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, cells, "{text}");
        }
    }

    #[test]
    fn quotes_that_mean_nothing_are_found_where_they_open() {
        for (text, at) in
            [("x\n\"abc\ndef\n", 2), ("\"a\"b", 0), ("a;\"b\" \n", 2), ("a\n\"\"\"\n", 2), ("\"", 0)]
        {
            let found = header_cells(text, b';');
            assert!(matches!(found, Err(Misquoted { at: found, .. }) if found == at), "{text}: {found:?}");
        }
    }
}
