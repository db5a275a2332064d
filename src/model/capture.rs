//! Values that a step gives to those after it.

use crate::model::expectation::Subject;
use crate::model::late::{Late, Pending};
use crate::model::pattern::Pattern;
use crate::model::position::Position;
use crate::model::query::Query;
use crate::text::Template;

/// A value that is taken out of what a step did, for `{{ name }}` in later steps.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub position: Position,
    /// What is looked at: an output or a file.
    pub subject: Subject,
    /// What of it is taken.
    pub part: Part,
}

/// A part of a text.
#[derive(Clone, Debug)]
pub enum Part {
    /// All of it but the line feed at its end.
    Whole,
    /// The line of this number, from 1, or from the end with -1 for the last.
    Line(Late<i64>),
    /// The first group of the first match, or the whole match where there is no group.
    Match(Late<Pattern>),
    /// The value of this column in the first row of a table.
    Column(Template),
    /// What the query finds in it as JSON: the value with its type, or a list when there are several.
    Query(Late<Query>),
}

impl Part {
    /// The value in it that may be made only when its step begins, if there is one.
    #[must_use]
    pub fn pending(&self) -> Option<&dyn Pending> {
        match self {
            Self::Line(number) => Some(number),
            Self::Match(pattern) => Some(pattern),
            Self::Query(query) => Some(query),
            Self::Whole | Self::Column(_) => None,
        }
    }
}
