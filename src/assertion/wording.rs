//! How expected and found values are put into words.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::assertion::json::show;
use crate::model::{ExitCodes, ExitStatus, HttpStatus, Pattern, Test, signal_name};

/// The longest text, in bytes, that is quoted whole in a message.
pub(crate) const SHORT: usize = 72;

/// What is said of a text in which an expression has found nothing.
pub(crate) fn without_group(pattern: &Pattern, text: &str) -> String {
    let quoted = quote(pattern.regex().as_str().as_bytes());
    match pattern.regex().is_match(text) {
        true => format!("matches {quoted}, but no group of it takes part"),
        false => format!("does not match {quoted}"),
    }
}

/// The bytes in quotes with escapes, on one line, cut after [`SHORT`] bytes.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::from("\"");
    let kept = if bytes.len() > SHORT { &bytes[..SHORT] } else { bytes };
    for chunk in kept.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\'' { quoted.push(c) } else { quoted.extend(c.escape_debug()) }
        }
        // A character that the cut divides is left out rather than shown as broken.
        if chunk.invalid().len() < 4 && bytes.len() > SHORT && kept.ends_with(chunk.invalid()) {
            continue;
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push_str(if bytes.len() > SHORT { "…\"" } else { "\"" });
    quoted
}

/// The bytes quoted when they are few, else how many there are.
pub(crate) fn sketch(bytes: &[u8]) -> String {
    match bytes.len() {
        0 => "nothing".to_owned(),
        length if length <= SHORT => quote(bytes),
        length => {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n').count();
            format!("{lines} line{} ({length} bytes)", if lines == 1 { "" } else { "s" })
        }
    }
}

/// The signal by number and name.
pub(crate) fn signal(number: i32) -> String {
    ExitStatus::Signaled(number).to_string()
}

/// The codes as a sentence names them.
pub(crate) fn codes(codes: &ExitCodes) -> String {
    match codes {
        ExitCodes::Nonzero => "a code other than 0".to_owned(),
        ExitCodes::OneOf(codes) => codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
    }
}

/// The status codes as a sentence names them.
pub(crate) fn statuses(statuses: &[HttpStatus]) -> String {
    statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// A test in the words of a descriptor, to be put after "not".
pub(crate) fn describe(test: &Test) -> Cow<'static, str> {
    let with = |key: &str, text: &str| Cow::Owned(format!("{key} {}", quote(text.as_bytes())));
    match test {
        Test::Exit(expected) => Cow::Owned(format!("exit {}", expected.words(codes))),
        Test::Signal(number) => {
            let name = |number: &i32| signal_name(*number).map_or(number.to_string(), str::to_owned);
            Cow::Owned(format!("signal {}", number.words(name)))
        }
        Test::Status(expected) => Cow::Owned(format!("status {}", expected.words(|all| statuses(all)))),
        Test::Duration(_) => Cow::Borrowed("takes this long"),
        Test::Exists(expected) => Cow::Borrowed(match expected.known() {
            Some(true) => "exists",
            Some(false) => "does not exist",
            None => "exists, or does not",
        }),
        Test::Empty(expected) => Cow::Borrowed(match expected.known() {
            Some(true) => "is empty",
            Some(false) => "is not empty",
            None => "is empty, or is not",
        }),
        Test::Equals(text) => with("equals", text.source()),
        Test::Digits(digits) => {
            Cow::Owned(format!("equals {}", digits.words(|known| quote(known.as_bytes()))))
        }
        Test::Contains(text) => with("contains", text.source()),
        Test::StartsWith(text) => with("starts with", text.source()),
        Test::EndsWith(text) => with("ends with", text.source()),
        Test::Matches(pattern) => {
            Cow::Owned(format!("matches {}", pattern.words(|known| quote(known.regex().as_str().as_bytes()))))
        }
        Test::Json { exact: true, .. } => Cow::Borrowed("equals the JSON"),
        Test::Json { exact: false, .. } => Cow::Borrowed("holds the JSON"),
        Test::Value { value, .. } => Cow::Owned(format!("equals {}", show(value))),
        Test::JsonPath { query, .. } => Cow::Owned(format!(
            "has the expected at {}",
            query.words(|known| quote(known.source().as_bytes()))
        )),
        Test::File(golden) => with("equals the file", golden.path.source()),
        Test::Lines(_) => Cow::Borrowed("has these lines"),
        Test::Unordered(_) => Cow::Borrowed("has these lines in any order"),
        Test::Number(_) => Cow::Borrowed("is such a number"),
        Test::Bytes(test) if test.known().is_none_or(|test| test.at.is_none()) => {
            Cow::Borrowed("is these bytes")
        }
        Test::Bytes(_) => Cow::Borrowed("has these bytes"),
        Test::OneOf(_) => Cow::Borrowed("is one of these"),
        Test::Normalized { test, .. } => describe(test),
        Test::Not(tests) => {
            let tests: Vec<_> = tests.iter().map(|matcher| describe(&matcher.test)).collect();
            Cow::Owned(format!("not ({})", tests.join(" and ")))
        }
    }
}
