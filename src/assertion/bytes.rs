//! Compares bytes, and shows them as hexadecimal digits.

use std::fmt::Write as _;

use crate::assertion::matcher::Problem;

/// How many bytes are shown on a line.
const LINE: usize = 16;

/// Whether `found` is these bytes or, with a place, has them there.
pub(crate) fn compare(name: &str, expected: &[u8], at: Option<u64>, found: &[u8]) -> Result<(), Problem> {
    let start = usize::try_from(at.unwrap_or(0)).unwrap_or(usize::MAX).min(found.len());
    let found = match at {
        None => found,
        Some(_) => &found[start..found.len().min(start.saturating_add(expected.len()))],
    };
    compare_from(name, expected, start as u64, found)
}

/// The same where `found` begins at this place.
pub(crate) fn compare_from(name: &str, expected: &[u8], start: u64, found: &[u8]) -> Result<(), Problem> {
    if found == expected {
        return Ok(());
    }
    let same = expected.iter().zip(found).take_while(|(expected, found)| expected == found).count();
    let show = |byte: Option<&u8>| byte.map_or("the end".to_owned(), |byte| format!("{byte:02x}"));
    let message = format!(
        "{name}: byte {} differs: expected {}, found {}",
        start + same as u64,
        show(expected.get(same)),
        show(found.get(same))
    );
    let line = same - same % LINE;
    let detail = format!("expected {}\nfound    {}\n", dump(expected, line, start), dump(found, line, start));
    Err(Problem::decided(message).with_detail(detail))
}

/// One line of bytes, with the place of the first of them.
fn dump(bytes: &[u8], line: usize, start: u64) -> String {
    let mut shown = format!("{:08x}:", start + line as u64);
    for byte in bytes.iter().skip(line).take(LINE) {
        // Writing to a String cannot fail.
        let _ = write!(shown, " {byte:02x}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn the_first_byte_that_differs_is_named_with_its_line() {
        let long: Vec<u8> = (0..40).collect();
        let mut other = long.clone();
        other[20] = 0xff;
        assert!(compare("content", &long, None, &long).is_ok());
        let problem = compare("content", &long, None, &other).expect_err("it differs");
        assert_eq!(problem.message, "content: byte 20 differs: expected 14, found ff");
        assert!(problem.detail.starts_with("expected 00000010: 10 11 12 13 14"), "{}", problem.detail);
        let problem = compare("content", &long, None, &long[..20]).expect_err("it is shorter");
        assert_eq!(problem.message, "content: byte 20 differs: expected 14, found the end");
    }

    #[test]
    fn with_a_place_the_rest_does_not_matter() {
        assert!(compare("content", b"PNG", Some(1), b"\x89PNG\r\n").is_ok());
        assert!(compare("content", b"", Some(2), b"abc").is_ok());
        for (at, found) in [(1, &b"\x89PN"[..]), (0, b"\x89PNG"), (u64::MAX, b"PNG"), (4, b"PNG")] {
            assert!(compare("content", b"PNG", Some(at), found).is_err(), "{at} {found:?}");
        }
    }
}
