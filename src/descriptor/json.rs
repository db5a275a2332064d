//! JSON, read strictly by serde_json; a second pass over what is known to be JSON tells where everything stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::descriptor::diagnostic::Problem;
use crate::descriptor::node::{Entry, Node, OUT_OF_RANGE, SourceId, Span, Value, refuse_duplicates};
use crate::descriptor::source::Source;

/// Reads a whole document.
pub(crate) fn parse(source: &Source, id: SourceId) -> Result<Node, Problem> {
    let text = source.text.as_str();
    let located = |error: &serde_json::Error| {
        // serde_json counts the bytes of a line up to and including the one it stopped at.
        let offset = source.line_start(error.line()) + error.column().saturating_sub(1);
        let mut start = offset.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        Problem::new(Span::new(id, start, start + 1), reason(error)).help(help(error, &text[start..]))
    };
    // The first pass refuses what is no JSON, what is nested deeper than serde_json's 128 levels, and numbers
    // and escapes that no value has; the second can then cut the text into values without looking again.
    serde_json::from_str::<WellFormed>(text).map_err(|error| located(&error))?;
    Reader { text, id, at: 0 }.node()
}

fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = text.strip_suffix(&place).unwrap_or(&text);
    match reason {
        "recursion limit exceeded" => "nested too deeply: more than 128 levels".to_owned(),
        reason => format!("not valid JSON: {reason}"),
    }
}

/// What most often is the matter.
fn help(error: &serde_json::Error, from: &str) -> &'static str {
    let text = error.to_string();
    let is = |words: &str| text.starts_with(words);
    let is_word = |word: &str| from.starts_with(word);
    if is_word("//") || is_word("/*") || is_word("#") {
        "JSON has no comments: take it away, or write it as the value of a key that begins with `x-`"
    } else if ["NaN", "nan", "Infinity", "-Infinity", "inf"].into_iter().any(is_word) {
        "JSON has only finite numbers: write one, or put it in quotes"
    } else if is_word("'") {
        "put texts and keys in double quotes"
    } else if ["True", "False", "None", "undefined"].into_iter().any(is_word) {
        "write `true`, `false` or `null`; all other words stand in double quotes"
    } else if is("trailing comma") {
        "take the comma away"
    } else if is("trailing characters") {
        "one value is the whole file: take what follows it away, or list several cases under `cases`"
    } else if is("recursion limit") {
        "let the values be flatter"
    } else if is("EOF") {
        "something that was opened is not closed: a quote, a bracket or a brace"
    } else if is("key must be a string") {
        "put keys in double quotes"
    } else if is("control character") || is("invalid escape") {
        "write a line break as \\n, a tab as \\t, a backslash as \\\\"
    } else if is("number out of range") || is("invalid number") {
        "write it as JSON writes numbers, or in quotes"
    } else {
        "look for a comma, a colon or a quote that is missing here, or just before"
    }
}

/// Goes through a text of which serde_json has said that it is a document.
struct Reader<'a> {
    text: &'a str,
    id: SourceId,
    /// The byte that comes next.
    at: usize,
}

impl Reader<'_> {
    /// Reads the next value.
    fn node(&mut self) -> Result<Node, Problem> {
        let first = self.next_byte();
        let start = self.at;
        let value = match first {
            b'{' => {
                self.at += 1;
                let mut entries = Vec::new();
                while self.next_byte() != b'}' {
                    let (key, key_span) = self.string()?;
                    entries.push(Entry { key, key_span, value: self.node()? });
                }
                self.at += 1;
                refuse_duplicates(&entries)?;
                Value::Map(entries)
            }
            b'[' => {
                self.at += 1;
                let mut items = Vec::new();
                while self.next_byte() != b']' {
                    items.push(self.node()?);
                }
                self.at += 1;
                Value::List(items)
            }
            b'"' => Value::String(self.string()?.0),
            _ => self.word()?,
        };
        Ok(Node { span: Span::new(self.id, start, self.at), value })
    }

    /// Skips white space and what stands between values, which is where it may be, and gives the byte after it.
    fn next_byte(&mut self) -> u8 {
        let rest = &self.text.as_bytes()[self.at..];
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        self.at += rest.iter().position(|byte| !between(byte)).unwrap_or(rest.len());
        // A document does not end before its last bracket.
        self.text.as_bytes().get(self.at).copied().unwrap_or(b'}')
    }

    /// Reads a string and its place.
    fn string(&mut self) -> Result<(String, Span), Problem> {
        let rest = &self.text[self.at..];
        let (mut length, mut is_plain) = (1, true);
        loop {
            match rest.as_bytes().get(length) {
                Some(b'\\') => (length, is_plain) = (length + 2, false),
                Some(b'"') | None => break,
                Some(_) => length += 1,
            }
        }
        let span = Span::new(self.id, self.at, self.at + length + 1);
        self.at += length + 1;
        let text = match is_plain {
            true => rest[1..length].to_owned(),
            false => serde_json::from_str(&rest[..=length])
                .map_err(|error| Problem::new(span, reason(&error)).help(help(&error, "")))?,
        };
        Ok((text, span))
    }

    /// Reads a number, a truth value or `null`.
    fn word(&mut self) -> Result<Value, Problem> {
        let rest = &self.text[self.at..];
        let end = rest.find([',', '}', ']', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        let span = Span::new(self.id, self.at, self.at + end);
        self.at += end;
        match &rest[..end] {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            text => number(text, span),
        }
    }
}

fn number(text: &str, span: Span) -> Result<Value, Problem> {
    if text.contains(['.', 'e', 'E']) {
        return match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Float(number)),
            _ => Err(Problem::new(span, "the number is out of range")),
        };
    }
    let (message, help) = OUT_OF_RANGE;
    Value::whole(text).ok_or_else(|| Problem::new(span, message).help(help))
}

/// Any value; unlike with serde's `IgnoredAny`, serde_json counts the levels and decodes the strings.
struct WellFormed;

impl<'de> Deserialize<'de> for WellFormed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WellFormedVisitor;

        impl<'de> Visitor<'de> for WellFormedVisitor {
            type Value = WellFormed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<WellFormed, E> {
                Ok(WellFormed)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<WellFormed, E> {
                Ok(WellFormed)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<WellFormed, E> {
                Ok(WellFormed)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<WellFormed, E> {
                Ok(WellFormed)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<WellFormed, E> {
                Ok(WellFormed)
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<WellFormed, E> {
                Ok(WellFormed)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<WellFormed, A::Error> {
                while seq.next_element::<WellFormed>()?.is_some() {}
                Ok(WellFormed)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WellFormed, A::Error> {
                while map.next_entry::<WellFormed, WellFormed>()?.is_some() {}
                Ok(WellFormed)
            }
        }

        deserializer.deserialize_any(WellFormedVisitor)
    }
}
