//! JSON that others have made, and its numbers.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// The fewest digits of a whole number that 64 bits may not hold.
const MANY_DIGITS: usize = 19;

/// Reads JSON. A whole number that 64 bits cannot hold becomes a text of its digits: as a number it would be another one.
///
/// # Errors
/// That of serde_json, when it is no JSON or not what is wanted.
pub fn from_json<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let value = serde_json::from_str(text)?;
    match with_large_numbers_quoted(text) {
        Cow::Borrowed(_) => Ok(value),
        Cow::Owned(quoted) => serde_json::from_str(&quoted),
    }
}

/// Puts quotes around each whole number in JSON that 64 bits cannot hold.
fn with_large_numbers_quoted(json: &str) -> Cow<'_, str> {
    if !json.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).any(is_long) {
        return Cow::Borrowed(json);
    }
    let mut quoted = String::with_capacity(json.len() + 2);
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        quoted.push_str(&rest[..at]);
        rest = &rest[at..];
        let (token, after) = rest.split_at(end_of_token(rest));
        let is_whole = token.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
        let fits = token.parse::<i64>().is_ok() || token.parse::<u64>().is_ok();
        match is_whole && !fits {
            true => quoted.extend(["\"", token, "\""]),
            false => quoted.push_str(token),
        }
        rest = after;
    }
    quoted.push_str(rest);
    Cow::Owned(quoted)
}

fn is_long(run: &[u8]) -> bool {
    run.len() >= MANY_DIGITS && run[0].is_ascii_digit()
}

/// Where the string or the number ends that the rest of some JSON begins with.
fn end_of_token(json: &str) -> usize {
    if !json.starts_with('"') {
        let ends = |c: char| !(c.is_ascii_digit() || "+-.eE".contains(c));
        return json.find(ends).unwrap_or(json.len());
    }
    let mut is_escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::from_json;

    #[test]
    fn whole_numbers_that_64_bits_cannot_hold_are_texts() {
        for (text, expected) in [
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551616", json!("18446744073709551616")),
            ("-9223372036854775809", json!("-9223372036854775809")),
            (
                r#"{"99999999999999999999":[1,99999999999999999999 ]}"#,
                json!({ "99999999999999999999": [1, "99999999999999999999"] }),
            ),
            (
                r#"["\"99999999999999999999\\",99999999999999999999]"#,
                json!(["\"99999999999999999999\\", "99999999999999999999"]),
            ),
            ("[99999999999999999999.5, 1e20, 1.99999999999999999999]", json!([1e20, 1e20, 2.0])),
            ("0.12345678901234567890123", json!(0.123_456_789_012_345_68)),
        ] {
            assert_eq!(from_json::<Value>(text).expect("JSON"), expected, "{text}");
        }
        for text in ["{99999999999999999999: 1}", "099999999999999999999", "--99999999999999999999", "1e400"]
        {
            assert!(from_json::<Value>(text).is_err(), "{text}");
        }
    }
}
