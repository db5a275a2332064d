//! How generated cases are told apart in their names: `[x=1,y=a]`.

use std::collections::HashMap;

use serde_json::Value;

/// The longest label of a value, in characters.
const LONGEST: usize = 40;

/// A value as the name of a case shows it: a text as it stands, unless it could be mistaken for more than one
/// label, and all else as JSON; an object that has a `name` by that.
pub(crate) fn label(value: &Value) -> String {
    let text = match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Object(members) => match members.get("name") {
            Some(Value::String(name)) if is_plain(name) => name.clone(),
            _ => value.to_string(),
        },
        _ => value.to_string(),
    };
    shorten(text, LONGEST)
}

fn is_plain(text: &str) -> bool {
    let odd = |character: char| character.is_control() || ",=[]\"".contains(character);
    !text.is_empty() && text.trim() == text && !text.contains(odd)
}

/// The text, or its beginning and `…`.
pub(crate) fn shorten(text: String, longest: usize) -> String {
    // JSON escapes no control characters beyond U+001F, which reports must not see either.
    let clean = |character: char| if character.is_control() { '\u{FFFD}' } else { character };
    if text.chars().count() <= longest {
        return if text.contains(char::is_control) { text.chars().map(clean).collect() } else { text };
    }
    text.chars().take(longest - 1).map(clean).chain(['…']).collect()
}

/// Labels that were given, each with how many asked for it.
#[derive(Debug, Default)]
pub(crate) struct Labels(HashMap<String, usize>);

impl Labels {
    /// The label; from the second on that asks for it, with the number of those that did.
    pub(crate) fn unique(&mut self, label: String) -> String {
        let mut count = self.0.get(&label).copied().unwrap_or_default();
        let own = loop {
            count += 1;
            let own = if count == 1 { label.clone() } else { format!("{label}#{count}") };
            if count == 1 || !self.0.contains_key(&own) {
                break own;
            }
        };
        self.0.insert(own.clone(), 1);
        self.0.insert(label, count);
        own
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Labels, label};

    #[test]
    fn values_are_shown_as_they_are_written() {
        for (value, shown) in [
            (json!(1), "1"),
            (json!(1.5), "1.5"),
            (json!(true), "true"),
            (json!(null), "null"),
            (json!("a b"), "a b"),
            (json!(""), "\"\""),
            (json!(" a"), "\" a\""),
            (json!("a,y=b"), "\"a,y=b\""),
            (json!("a\nb"), "\"a\\nb\""),
            (json!("\u{85}"), "\"\u{FFFD}\""),
            (json!([1, "a"]), "[1,\"a\"]"),
            (json!({"name": "short", "x": [1, 2, 3]}), "short"),
            (json!({"x": 1}), "{\"x\":1}"),
            (json!("0123456789012345678901234567890123456789"), "0123456789012345678901234567890123456789"),
            (json!("01234567890123456789012345678901234567890"), "012345678901234567890123456789012345678…"),
        ] {
            assert_eq!(label(&value), shown, "{value}");
        }
    }

    #[test]
    fn a_label_that_is_taken_gets_a_number() {
        let mut labels = Labels::default();
        let given = ["1", "a", "1", "1#2", "1#4", "1", "1"].map(|label| labels.unique(label.to_owned()));
        assert_eq!(given, ["1", "a", "1#2", "1#2#2", "1#4", "1#3", "1#5"]);
    }
}
