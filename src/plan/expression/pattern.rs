//! What a predicate compares with.

use globset::{GlobBuilder, GlobMatcher};
use regex::Regex;

use crate::model::PatternError;
use crate::plan::expression::Field;
use crate::plan::expression::error::Mistake;
use crate::plan::expression::parse::Argument;
use crate::plan::selection::glob;

/// A way to match a text.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Part(String),
    Whole(String),
    Regex(Regex),
    PathGlob(GlobMatcher),
}

impl Pattern {
    /// Reads what stands between the parentheses of a predicate.
    pub(super) fn parse(argument: &Argument<'_>, field: Field) -> Result<Self, Mistake> {
        let text = argument.text.trim();
        let place = argument.place_of(text);
        let empty = || {
            let problem = Mistake::new(
                argument.start..argument.start + argument.text.len().max(1),
                "the pattern is empty",
            );
            problem.help(
                "write a glob as in `tag(smoke)` or `id(api/*)`, or a part of the text as in `id(~login)`",
            )
        };
        match text.chars().next() {
            None => Err(empty()),
            Some('~' | '=') if text.len() == 1 => Err(empty()),
            Some('~') => Ok(Self::Part(unescaped(&text[1..]))),
            Some('=') => Ok(Self::Whole(unescaped(&text[1..]))),
            Some('/') => {
                let Some(inner) = text[1..].strip_suffix('/').filter(|inner| !inner.is_empty()) else {
                    return Err(
                        Mistake::new(place, "the regular expression does not end").help("write it as `/…/`")
                    );
                };
                Regex::new(inner).map(Self::Regex).map_err(|error| {
                    let error = PatternError::of(inner, &error);
                    Mistake::new(place, format!("not a regular expression: {error}")).help(error.help)
                })
            }
            Some(_) if !has_wildcards(text, field) => Ok(Self::Whole(unescaped(text))),
            Some(_) if field.is_path() => {
                let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
                let glob = glob.map_err(|error| {
                    Mistake::new(place, format!("not a glob: {}", error.kind())).help(
                        "close every `[` and `{`; one that is meant as it stands is written `\\[` or `\\{`",
                    )
                })?;
                Ok(Self::PathGlob(glob.compile_matcher()))
            }
            Some(_) => glob(&unescaped(text)).map(Self::Regex).map_err(|_| {
                Mistake::new(place, "the glob is too large").help("write a shorter one, or several `-E`")
            }),
        }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Part(part) => text.contains(part.as_str()),
            Self::Whole(whole) => text == whole,
            Self::Regex(regex) => regex.is_match(text),
            Self::PathGlob(glob) => glob.is_match(text),
        }
    }
}

/// Whether a glob is more than a text for the whole.
fn has_wildcards(text: &str, field: Field) -> bool {
    text.contains(['*', '?']) || field.is_path() && text.contains(['[', '{'])
}

/// The text without the backslashes that keep parentheses from ending the pattern.
fn unescaped(text: &str) -> String {
    text.replace(r"\(", "(").replace(r"\)", ")")
}
