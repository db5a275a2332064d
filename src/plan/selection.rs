//! Which cases a user asks for.

use std::collections::HashSet;
use std::sync::Arc;

use regex::Regex;

use crate::model::{CaseId, CaseInfo, CaseResult, TestCase, is_suite_file};
use crate::plan::expression::Expression;
use crate::text::is_template;

/// Which cases a user asks for: all, those whose id matches one of some patterns, or those with one of some ids;
/// of these, the ones for which every expression holds.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    patterns: Vec<Pattern>,
    exact: Vec<String>,
    expressions: Vec<Expression>,
}

#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Substring(String),
    Glob(Regex),
}

impl Selection {
    /// The cases whose id matches one of `patterns` or is one of `exact`; all when both are empty.
    ///
    /// A pattern with `*` or `?` must match the whole id, where `*` stands for any text and `?` for one
    /// character; any other is searched for in the id. Brackets mean themselves, since ids hold them.
    #[must_use]
    pub fn new(patterns: &[String], exact: &[String]) -> Self {
        let patterns = patterns.iter().map(|text| Pattern::new(text)).collect();
        Self { patterns, exact: exact.to_vec(), expressions: Vec::new() }
    }

    /// Of these, the cases for which the expression holds.
    #[must_use]
    pub fn and(mut self, expression: Expression) -> Self {
        self.expressions.push(expression);
        self
    }

    /// Whether nothing is left out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.names_nothing() && self.expressions.is_empty()
    }

    fn names_nothing(&self) -> bool {
        self.patterns.is_empty() && self.exact.is_empty()
    }

    /// Whether the case is asked for.
    #[must_use]
    pub fn selects(&self, info: &CaseInfo) -> bool {
        self.names(&info.id) && self.expressions.iter().all(|expression| expression.holds(info))
    }

    fn names(&self, id: &CaseId) -> bool {
        let id = id.as_str();
        self.names_nothing()
            || self.exact.iter().any(|exact| exact == id)
            || self.patterns.iter().any(|pattern| pattern.matches(id))
    }

    /// The ids that are asked for and that none of these cases has.
    pub(super) fn missing(&self, cases: &[Arc<TestCase>]) -> Vec<&str> {
        let mut missing: Vec<_> = self.exact.iter().map(String::as_str).collect();
        if !missing.is_empty() {
            let known: HashSet<_> = cases.iter().map(|case| case.info.id.as_str()).collect();
            missing.retain(|id| !known.contains(id));
        }
        missing
    }

    /// The same without those that something broken is, or may be.
    #[must_use]
    pub fn unknown(&self, cases: &[Arc<TestCase>], broken: &[CaseResult]) -> Vec<&str> {
        let mut unknown = self.missing(cases);
        let is_or_hides = |info: &CaseInfo, id: &str| id == info.id.as_str() || hides(info, id);
        unknown.retain(|id| !broken.iter().any(|result| is_or_hides(&result.info, id)));
        unknown
    }

    /// What is broken and is, or may hold, a case that is asked for; `missing` are those that no other is.
    pub(super) fn of_broken(&self, broken: Vec<CaseResult>, missing: &[&str]) -> Vec<CaseResult> {
        let is_known = |id: &&&str| broken.iter().any(|result| result.info.id.as_str() == **id);
        let missing: Vec<&str> = missing.iter().filter(|id| !is_known(id)).copied().collect();
        let is_in_broken_file =
            |id: &&&str| broken.iter().any(|result| result.info.is_file() && hides(&result.info, id));
        let hidden: Vec<&str> = missing.iter().filter(is_in_broken_file).copied().collect();
        let is_wanted = |info: &CaseInfo| {
            let named = self.names(&info.id)
                || info.is_file() && !self.patterns.is_empty()
                || missing.iter().any(|id| hides(info, id))
                // Where some cases of a file are not known, mistakes of those that are may be theirs, too.
                || hidden.iter().any(|id| is_in_suite(id, info));
            named && self.expressions.iter().all(|expression| expression.may_hold_for_broken(info))
        };
        broken.into_iter().filter(|result| is_wanted(&result.info)).collect()
    }
}

/// Whether what is broken may hold the case with this id besides the one that it is.
fn hides(info: &CaseInfo, id: &str) -> bool {
    let is_made_of_it = || id.strip_prefix(info.id.as_str()).is_some_and(|rest| rest.starts_with('['));
    match info.is_file() {
        true => is_in_suite(id, info) || is_below(id, info),
        // An entry of which no case could be made has the name that it gives itself.
        false => is_made_of_it() || is_template(&info.name) && is_in_suite(id, info),
    }
}

/// Whether the id is one of the file that a result is of.
fn is_in_suite(id: &str, info: &CaseInfo) -> bool {
    id.strip_prefix(&*info.suite).is_some_and(|rest| rest.starts_with("::"))
}

/// Whether the case of this id inherits from the suite file that a result stands for, or lies in the folder.
fn is_below(id: &str, info: &CaseInfo) -> bool {
    let file = &*info.position.file;
    let folder = match is_suite_file(file) {
        true => file.rsplit_once('/').map_or(".", |(folder, _)| folder),
        false => file,
    };
    folder == "." || id.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        if !text.contains(['*', '?']) {
            return Self::Substring(text.to_owned());
        }
        match glob(text) {
            Ok(regex) => Self::Glob(regex),
            // Only an expression larger than the size limit gets here; it cannot match an id either way.
            Err(_) => Self::Substring(text.to_owned()),
        }
    }

    pub(super) fn matches(&self, id: &str) -> bool {
        match self {
            Self::Substring(text) => id.contains(text.as_str()),
            Self::Glob(regex) => regex.is_match(id),
        }
    }
}

/// A glob for a whole text: `*` stands for any text and `?` for one character, and all else for itself.
pub(super) fn glob(text: &str) -> Result<Regex, regex::Error> {
    let mut expression = String::from("(?s)^");
    for character in text.chars() {
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            other => expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    Regex::new(&expression)
}
