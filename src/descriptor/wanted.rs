//! What to write where a value of another type stands.

use std::fmt::Display;

use serde::de::Unexpected;

/// What was expected, in the words of the language instead of Rust's.
pub(crate) fn in_words(expected: &impl Display) -> String {
    let expected = expected.to_string();
    let words = match expected.as_str() {
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        other => other,
    };
    words.to_owned()
}

/// What to write instead of what was found.
pub(crate) fn instead(expected: &str, found: &Unexpected<'_>) -> String {
    let takes = |word: &str| expected.split([' ', ',']).any(|part| part == word);
    let is_list = expected.starts_with("a list");
    let (is_text, is_number) = (takes("string") || takes("text"), takes("number"));
    // Where a decimal is refused, a number is a whole one.
    let is_whole = is_number || takes("code") || takes("count");
    match found {
        Unexpected::Str(text) if is_list => format!("write a list of one: [{}]", quoted(text)),
        Unexpected::Str(text) if is_number && text.parse::<f64>().is_ok() => {
            format!("write it without quotes: {text}")
        }
        Unexpected::Str(_) if expected == "true or false" => "write true or false, without quotes".to_owned(),
        Unexpected::Bool(value) if is_text => format!("write it as a string: \"{value}\""),
        // It may be written in another way, and then be another text.
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) if is_text => {
            "write it as a string, in quotes".to_owned()
        }
        Unexpected::Float(number) if number.fract() == 0.0 && is_whole => {
            format!("write it without a fraction: {number}")
        }
        Unexpected::Bool(value) if is_list => format!("write a list of one: [{value}]"),
        Unexpected::Unsigned(number) if is_list => format!("write a list of one: [{number}]"),
        Unexpected::Signed(number) if is_list => format!("write a list of one: [{number}]"),
        Unexpected::Float(number) if is_list => format!("write a list of one: [{number:?}]"),
        Unexpected::Unit | Unexpected::Option => format!("leave the key out, or write {expected}"),
        _ if expected == "an object" => {
            "write an object: in JSON { \"key\": value }, in TOML { key = value }, in YAML a line `key: value` below"
                .to_owned()
        }
        _ => format!("write {expected}"),
    }
}

/// The text as JSON and YAML write it, if it is short.
fn quoted(text: &str) -> String {
    match text.chars().count() {
        0..=60 => serde_json::Value::from(text).to_string(),
        _ => "…".to_owned(),
    }
}
