//! Queries into JSON.

use std::fmt;

use serde_json::Value;
use serde_json_path::{JsonPath, NormalizedPath, PathElement};

/// A JSONPath of RFC 9535, read when the descriptor is.
#[derive(Clone, Debug)]
pub struct Query {
    source: String,
    path: JsonPath,
}

/// Why a text is no JSONPath.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It does not have the form.
    #[error("{message}, after {after:?}")]
    Form {
        /// What is wrong.
        message: String,
        /// What was understood.
        after: String,
    },
    /// It is longer or more deeply nested than any that is of use.
    #[error("it is longer than 1000 bytes, or nested more than 16 deep")]
    TooLarge,
    /// It was made of what a program has written, and looks everywhere more than once.
    #[error("a path that is made when a step begins has one `..` at most, and no `,` between names")]
    TooBroad,
}

/// A value that was found.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Where it stands, such as `$.users[0].name`.
    pub path: String,
    /// The value.
    pub value: &'a Value,
}

impl Query {
    /// The longest text that is read, in bytes; how deep its brackets may be nested. The parser is recursive.
    const LARGEST: (usize, usize) = (1000, 16);

    /// Reads a path such as `$.users[0].name`.
    ///
    /// # Errors
    /// [`QueryError`] when the text is no path or too large.
    pub fn parse(source: &str) -> Result<Self, QueryError> {
        if source.len() > Self::LARGEST.0 || nesting(source) > Self::LARGEST.1 {
            return Err(QueryError::TooLarge);
        }
        match JsonPath::parse(source) {
            Ok(path) => Ok(Self { source: source.to_owned(), path }),
            Err(error) => {
                let after = source.get(..error.position()).unwrap_or_default().to_owned();
                // The parser's word for whatever it has no other word for.
                let message = error.message().replace("parser error", "it is not understood");
                Err(QueryError::Form { message, after })
            }
        }
    }

    /// Reads a path that is made of what programs have written. What it finds of a text has no other limit than that
    /// there are so many values: each `..`, and each `,`, multiplies that.
    ///
    /// # Errors
    /// [`QueryError`] when the text is no path, too large, or finds a value more than once.
    pub fn parse_made(source: &str) -> Result<Self, QueryError> {
        let query = Self::parse(source)?;
        let plain = without_texts(source);
        let is_broad = plain.matches("..").count() > 1 || plain.contains(',');
        if is_broad { Err(QueryError::TooBroad) } else { Ok(query) }
    }

    /// What the user wrote.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it names one place, so that what it finds is one value or none: it has but names and indices.
    #[must_use]
    pub fn is_singular(&self) -> bool {
        let plain = without_texts(&self.source);
        !plain.contains(['*', '?', ':', ',']) && !plain.contains("..")
    }

    /// Everything it finds, in order.
    #[must_use]
    pub fn find<'a>(&'a self, value: &'a Value) -> Vec<Found<'a>> {
        let found = self.path.query_located(value).all();
        found.into_iter().map(|node| Found { path: readable(node.location()), value: node.node() }).collect()
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// The path less what stands in quotes.
fn without_texts(source: &str) -> String {
    let mut quoted = None;
    let mut characters = source.chars();
    let mut plain = String::with_capacity(source.len());
    while let Some(c) = characters.next() {
        match (quoted, c) {
            (Some(_), '\\') => drop(characters.next()),
            (Some(mark), c) if mark == c => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(c),
            (None, c) => plain.push(c),
        }
    }
    plain
}

/// How deep brackets of any kind are nested; those in quotes are counted, too, which only errs on the safe side.
fn nesting(source: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for c in source.chars() {
        match c {
            // A row of negations is nested as well.
            '(' | '[' | '!' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn readable(path: &NormalizedPath<'_>) -> String {
    let mut text = String::from("$");
    for element in path.iter() {
        match element {
            PathElement::Name(name) => text.push_str(&member(name)),
            PathElement::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// How a path names a member of an object: `.key`, or `["a key"]` where it is no plain word.
#[must_use]
pub fn member(key: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    if !key.is_empty() && key.chars().all(plain) { format!(".{key}") } else { format!("[{key:?}]") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Query, QueryError};

    #[test]
    fn queries_find_values_with_their_places() {
        let value = json!({ "users": [{ "name": "ada", "a b": 1 }, { "name": "eve" }] });
        let find = |path: &str| {
            let query = Query::parse(path).expect("a path");
            query.find(&value).into_iter().map(|found| (found.path, found.value.clone())).collect::<Vec<_>>()
        };
        assert_eq!(find("$.users[-1].name"), [("$.users[1].name".to_owned(), json!("eve"))]);
        assert_eq!(find("$..['a b']"), [("$.users[0][\"a b\"]".to_owned(), json!(1))]);
        assert_eq!(find("$.users[?@.name == 'ada'].name").len(), 1);
        assert_eq!(find("$.users[?search(@.name, 'e')].name").len(), 1);
        assert!(find("$.nobody").is_empty());
    }

    #[test]
    fn mistakes_say_how_far_the_path_was_understood() {
        for (path, part) in [("users", "after \"\""), ("$.users[", "$.users"), ("$.a b", "$.a"), ("", "")] {
            let error = Query::parse(path).expect_err(path).to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{path}: {error}");
        }
        let deep = |open: &str, close: &str| format!("$[?{}@.a{}]", open.repeat(300), close.repeat(300));
        for hostile in [deep("(", ")"), deep("!(", ")"), deep("@[?", "]"), "$.a".repeat(400)] {
            assert_eq!(Query::parse(&hostile).expect_err("too large"), QueryError::TooLarge);
        }
    }

    #[test]
    fn a_path_that_is_made_finds_nothing_twice() {
        for path in ["$.a[0]", "$..a[?@.b == 'x,y..z..']", "$[*].a[1:2]"] {
            assert!(Query::parse_made(path).is_ok(), "{path}");
        }
        for path in ["$..*..*", "$[0,0]", "$[?@..a].b..c"] {
            assert!(Query::parse(path).is_ok(), "{path}");
            assert_eq!(Query::parse_made(path).expect_err(path), QueryError::TooBroad);
        }
    }

    #[test]
    fn a_singular_query_has_names_and_indices_only() {
        let singular = |path: &str| Query::parse(path).expect("a path").is_singular();
        for path in ["$", "$.a", "$['a*,:?b'][0]", "$[-1]"] {
            assert!(singular(path), "{path}");
        }
        for path in ["$.*", "$..a", "$[0:2]", "$[0,1]", "$[?@.a]"] {
            assert!(!singular(path), "{path}");
        }
    }
}
