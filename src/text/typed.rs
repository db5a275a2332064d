//! Values that are written without their types.

use serde_json::Value;

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
