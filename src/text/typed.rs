//! Values that are written without their types.

use serde_json::{Number, Value};

/// The value of a text that has no types: a number or truth value where it is written just as that would be,
/// so that nothing is lost where a text is wanted (`007` and `1.50` stay texts).
#[must_use]
pub fn typed(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match serde_json::from_str::<serde_json::Number>(text) {
            Ok(number) if number.to_string() == text => Value::Number(number),
            _ => Value::String(text.to_owned()),
        },
    }
}

/// Reads a number as programs print it: `12`, `-3.5`, `1e3`, `+7`, `.5`.
#[must_use]
pub fn number(text: &str) -> Option<Number> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    // Words such as "inf" and "nan" are no numbers here.
    let looks_like_one = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    looks_like_one.then(|| text.parse().ok().and_then(Number::from_f64)).flatten()
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_read_as_programs_print_them() {
        for text in ["0", " 12\n", "-3.5", "+7", ".5", "1e3", "18446744073709551615", "123456789012345678901"]
        {
            assert!(number(text).is_some(), "{text}");
        }
        for text in ["", "12 ms", "0x10", "inf", "NaN", "1_000", "1,5", "--1", "e", "1e999"] {
            assert!(number(text).is_none(), "{text}");
        }
    }
}
