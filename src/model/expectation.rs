//! What must hold after a step.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::model::golden::Golden;
use crate::model::http::HttpStatus;
use crate::model::late::{Late, LateError, Pending as _, attempt_json, attempt_text};
use crate::model::pattern::Pattern;
use crate::model::position::Position;
use crate::model::query::Query;
use crate::text::{Template, Variables};

/// One thing that must hold of one thing that was seen.
#[derive(Clone, Debug)]
pub struct Check {
    /// What is looked at.
    pub subject: Subject,
    /// What must hold of it.
    pub matcher: Matcher,
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// How the process ended.
    Exit,
    /// What it wrote to standard output.
    Stdout,
    /// What it wrote to standard error.
    Stderr,
    /// What a worker has returned.
    Output,
    /// A file, relative to the working directory of the process.
    File(Template),
    /// What the file holds that the step is about.
    Content,
    /// How many bytes it has.
    Size,
    /// Its SHA-256, in hexadecimal digits.
    Sha256,
    /// Its permissions, in four octal digits.
    Mode,
    /// The rows of a table, as a list of objects.
    Rows,
    /// How many rows there are.
    RowCount,
    /// The status of an answer.
    Status,
    /// A header of an answer, by its name; where it is a fact, that is in small letters.
    Header(Template),
    /// The body of an answer.
    Body,
    /// How long it took, in seconds.
    Duration,
    /// The names of the columns.
    Columns,
    /// How many rows were changed.
    RowsAffected,
    /// Why a statement could not be carried out.
    Error,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit => f.write_str("exit"),
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::Output => f.write_str("output"),
            Self::File(path) => write!(f, "file {}", path.source()),
            Self::Content => f.write_str("content"),
            Self::Size => f.write_str("size"),
            Self::Sha256 => f.write_str("sha256"),
            Self::Mode => f.write_str("mode"),
            Self::Rows => f.write_str("rows"),
            Self::Columns => f.write_str("columns"),
            Self::RowsAffected => f.write_str("rows affected"),
            Self::Error => f.write_str("error"),
            Self::RowCount => f.write_str("number of rows"),
            Self::Status => f.write_str("status"),
            Self::Header(name) => write!(f, "header {}", name.source()),
            Self::Body => f.write_str("body"),
            Self::Duration => f.write_str("duration"),
        }
    }
}

/// A test and the place in the descriptor that asks for it.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Where it stands.
    pub position: Position,
    /// What must hold.
    pub test: Test,
}

/// What must hold. Each names, in `descriptor`'s table of matchers, the key by which users write it.
#[derive(Clone, Debug)]
pub enum Test {
    /// The process exited with one of these codes.
    Exit(Late<ExitCodes>),
    /// The process was ended by this signal, by number.
    Signal(Late<i32>),
    /// The status is one of these.
    Status(Late<Vec<HttpStatus>>),
    /// It took as long as this.
    Duration(Late<Pace>),
    /// The file exists, or does not.
    Exists(Late<bool>),
    /// The content is exactly this text.
    Equals(Template),
    /// These are the digits of the digest, or of the permissions.
    Digits(Late<Box<str>>),
    /// The content holds this text.
    Contains(Template),
    /// The content begins with this text.
    StartsWith(Template),
    /// The content ends with this text.
    EndsWith(Template),
    /// The content is empty, or is not.
    Empty(Late<bool>),
    /// The content has a place that matches.
    Matches(Late<Pattern>),
    /// The content is JSON that holds, or equals, this value.
    Json {
        /// The value; strings in it may be templates.
        value: serde_json::Value,
        /// Whether more than the value's own keys is refused.
        exact: bool,
    },
    /// The content, a value within JSON, is this one.
    Value {
        /// The value; strings in it may be templates.
        value: serde_json::Value,
        /// Whether more than the keys of its objects is refused.
        exact: bool,
    },
    /// What the query finds in the JSON of the content is as expected.
    JsonPath {
        /// Where to look.
        query: Late<Query>,
        /// What must be there.
        expected: NodeTest,
    },
    /// The lines of the content are these, of which `...` stands for any number and `[..]` for anything within
    /// one.
    Lines(Vec<Template>),
    /// The same with the lines in any order; `...` allows for others.
    Unordered(Vec<Template>),
    /// The content is, or holds, a number in a range.
    Number(Box<Late<NumberTest>>),
    /// The content is that of this file.
    File(Golden),
    /// The content is these bytes, or has them at this place.
    Bytes(Box<Late<BytesTest>>),
    /// All of one of these hold.
    OneOf(Vec<Vec<Matcher>>),
    /// At least one of these does not hold.
    Not(Vec<Matcher>),
    /// The test holds of the content after it was normalized.
    Normalized {
        /// What is done to the content, in order.
        by: Arc<[Normalization]>,
        /// What must hold then.
        test: Box<Self>,
    },
}

/// How long it may take. What is not given does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// At least.
    pub min: Option<Duration>,
    /// At most.
    pub max: Option<Duration>,
}

/// Bytes that a content is, or has.
#[derive(Clone, Debug)]
pub struct BytesTest {
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// Where they stand, from 0; without it they are all there is.
    pub at: Option<u64>,
}

impl Check {
    /// Makes all of it that only the run knows, to see whether that is possible.
    ///
    /// # Errors
    /// [`LateError`] of the first that has no value, or becomes what cannot stand there.
    pub fn attempt(&self, variables: &Variables) -> Result<(), LateError> {
        if let Subject::File(name) | Subject::Header(name) = &self.subject {
            attempt_text(name, &self.matcher.position, variables)?;
        }
        self.matcher.attempt(variables)
    }
}

impl Matcher {
    fn attempt(&self, variables: &Variables) -> Result<(), LateError> {
        self.test.attempt(&self.position, variables)
    }
}

impl Test {
    fn attempt(&self, place: &Position, variables: &Variables) -> Result<(), LateError> {
        let text = |template: &Template| attempt_text(template, place, variables);
        let json = |value: &Value| attempt_json(value, place, variables);
        let all = |matchers: &[Matcher]| matchers.iter().try_for_each(|matcher| matcher.attempt(variables));
        match self {
            Self::Exit(codes) => codes.attempt(variables),
            Self::Signal(number) => number.attempt(variables),
            Self::Status(statuses) => statuses.attempt(variables),
            Self::Duration(pace) => pace.attempt(variables),
            Self::Exists(expected) | Self::Empty(expected) => expected.attempt(variables),
            Self::Matches(pattern) => pattern.attempt(variables),
            Self::Digits(digits) => digits.attempt(variables),
            Self::Number(number) => number.attempt(variables),
            Self::Bytes(bytes) => bytes.attempt(variables),
            Self::Equals(template)
            | Self::Contains(template)
            | Self::StartsWith(template)
            | Self::EndsWith(template) => text(template),
            Self::Lines(templates) | Self::Unordered(templates) => templates.iter().try_for_each(text),
            Self::Json { value, .. } | Self::Value { value, .. } => json(value),
            Self::File(golden) => golden
                .name(variables)
                .map(drop)
                .map_err(|error| LateError { position: place.clone(), message: error.to_string() }),
            Self::JsonPath { query, expected } => {
                query.attempt(variables)?;
                match expected {
                    NodeTest::Value(value) => json(value),
                    NodeTest::Matchers(matchers) => all(matchers),
                }
            }
            Self::OneOf(alternatives) => alternatives.iter().try_for_each(|matchers| all(matchers)),
            Self::Not(matchers) => all(matchers),
            Self::Normalized { by, test } => {
                for normalization in by.iter() {
                    if let Normalization::Replace { pattern, with } = normalization {
                        pattern.attempt(variables)?;
                        text(with)?;
                    }
                }
                test.attempt(place, variables)
            }
        }
    }
}

/// What must hold of what a query finds.
#[derive(Clone, Debug)]
pub enum NodeTest {
    /// It is this value; strings in it may be templates.
    Value(serde_json::Value),
    /// Its text (that of a string, else the JSON) is as these say.
    Matchers(Vec<Matcher>),
}

/// Which numbers are right. What is not given does not matter.
#[derive(Clone, Debug, Default)]
pub struct NumberTest {
    /// Where the number stands in the content: the first group of the first match, or the whole match. Without
    /// it the content is the number.
    pub from: Option<Pattern>,
    /// The number.
    pub equals: Option<serde_json::Number>,
    /// How far from `equals` it may be.
    pub tolerance: Option<serde_json::Number>,
    /// The least that is right.
    pub min: Option<serde_json::Number>,
    /// The most that is right.
    pub max: Option<serde_json::Number>,
}

/// One thing that is done to a content before it is looked at.
#[derive(Clone, Debug)]
pub enum Normalization {
    /// Escape sequences for terminals go.
    Ansi,
    /// A carriage return before a line feed goes.
    Crlf,
    /// The attempt's directories and the descriptor's folder become stable words.
    Paths,
    /// What matches becomes something else.
    Replace {
        /// What is looked for.
        pattern: Late<Pattern>,
        /// What stands for it; `$1` and `${name}` are groups of the pattern.
        with: Template,
    },
}

/// Exit codes that a process may end with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitCodes {
    /// One of these.
    OneOf(Vec<i32>),
    /// Any but zero.
    Nonzero,
}
