//! Filter expressions: which cases are asked for, in a small language.
//!
//! ```text
//! expression := and { ("|" | "or") and }
//! and        := not { ("&" | "and") not }
//! not        := { "!" | "not" } ( "(" expression ")" | predicate )
//! predicate  := ("id" | "name" | "path" | "suite" | "tag") "(" pattern ")"
//! pattern    := "~" part of the text | "=" the whole text | "/" regular expression "/" | glob for the whole text
//! ```
//! A parenthesis in a pattern is either paired or escaped as `\(`.

mod error;
mod parse;
mod pattern;

use crate::model::CaseInfo;
use crate::plan::expression::pattern::Pattern;

pub use error::ExpressionError;

/// A filter expression, read and checked.
#[derive(Clone, Debug)]
pub struct Expression(Term);

#[derive(Clone, Debug)]
enum Term {
    Any(Vec<Term>),
    All(Vec<Term>),
    Not(Box<Term>),
    Has(Field, Pattern),
}

/// What a predicate looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Id,
    Name,
    Path,
    Suite,
    Tag,
}

impl Field {
    /// Every predicate by its name.
    const NAMES: [(&'static str, Self); 5] = [
        ("id", Self::Id),
        ("name", Self::Name),
        ("path", Self::Path),
        ("suite", Self::Suite),
        ("tag", Self::Tag),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    /// Whether `*` in a glob stops at a `/`.
    fn is_path(self) -> bool {
        matches!(self, Self::Path | Self::Suite)
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`ExpressionError`] with the place of the mistake.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        parse::parse(text).map(Self)
    }

    /// The expression for cases with a tag that matches one of `patterns`, each written as inside `tag(…)`.
    ///
    /// # Errors
    /// [`ExpressionError`] when one of them is no pattern.
    pub fn tagged(patterns: &[String]) -> Result<Self, ExpressionError> {
        let terms = patterns.iter().map(|text| {
            let whole = parse::Argument { text, start: 0 };
            let pattern = Pattern::parse(&whole, Field::Tag).map_err(|mistake| mistake.in_text(text))?;
            Ok(Term::Has(Field::Tag, pattern))
        });
        terms.collect::<Result<_, _>>().map(|terms| Self(Term::Any(terms)))
    }

    /// One that holds when any of these does.
    #[must_use]
    pub fn any(expressions: Vec<Self>) -> Self {
        Self(Term::Any(expressions.into_iter().map(|expression| expression.0).collect()))
    }

    /// Whether it holds for a case.
    #[must_use]
    pub fn holds(&self, info: &CaseInfo) -> bool {
        self.0.holds(info, true) == Some(true)
    }

    /// Whether it may hold for a case that is broken, so that its tags are not known, or for one of the cases of a
    /// file that is broken, of which nothing is known.
    #[must_use]
    pub(super) fn may_hold_for_broken(&self, info: &CaseInfo) -> bool {
        info.is_file() || self.0.holds(info, false) != Some(false)
    }
}

impl Term {
    /// Whether it holds; `None` when that hangs on tags which are not known.
    fn holds(&self, info: &CaseInfo, tags_are_known: bool) -> Option<bool> {
        match self {
            Self::Any(terms) => decide(terms, true, |term| term.holds(info, tags_are_known)),
            Self::All(terms) => decide(terms, false, |term| term.holds(info, tags_are_known)),
            Self::Not(term) => term.holds(info, tags_are_known).map(|holds| !holds),
            Self::Has(Field::Tag, _) if !tags_are_known => None,
            Self::Has(field, pattern) => Some(match field {
                Field::Id => pattern.matches(info.id.as_str()),
                Field::Name => pattern.matches(&info.name),
                Field::Path => pattern.matches(&info.position.file),
                Field::Suite => pattern.matches(&info.suite),
                Field::Tag => info.tags.iter().any(|tag| pattern.matches(tag)),
            }),
        }
    }
}

/// `decisive` as soon as one term is; else unknown as soon as one term is.
fn decide(terms: &[Term], decisive: bool, holds: impl Fn(&Term) -> Option<bool>) -> Option<bool> {
    let mut result = Some(!decisive);
    for term in terms {
        match holds(term) {
            Some(value) if value == decisive => return Some(decisive),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

#[cfg(test)]
mod tests;
