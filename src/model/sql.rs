//! The step `sql`.

use std::time::Duration;

use crate::model::late::Late;
use crate::text::Template;

/// A step that asks a database.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlStep {
    /// Which one: `sqlite:path`, `sqlite::memory:`, `postgres://…`.
    pub url: Template,
    /// What is carried out, in order. Never empty.
    pub statements: Vec<SqlStatement>,
    /// Whether all of it is one transaction.
    pub transaction: Late<bool>,
    /// How long it waits while others have locked what it wants, where that was said.
    pub busy_timeout: Option<Late<Duration>>,
}

impl SqlStep {
    /// Whether somebody else does the work, and the step only waits for it.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.url.source().starts_with("postgres")
    }
}

/// A statement, or several in one text.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlStatement {
    /// The text.
    pub text: Template,
    /// What is bound to the parameters of the statement; where there are any, the text has but one statement.
    pub parameters: SqlParameters,
}

/// What is bound to parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlParameters {
    /// In the order of the parameters.
    Positional(Vec<SqlParameter>),
    /// By their names, without what marks them as such.
    Named(Vec<(String, SqlParameter)>),
}

/// A value for a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlParameter {
    /// Nothing, a truth value, a number or a text.
    Value(serde_json::Value),
    /// What this stands for, with its type.
    Template(Template),
    /// A list.
    List(Vec<SqlParameter>),
    /// An object.
    Object(Vec<(String, SqlParameter)>),
    /// Bytes.
    Blob(Late<Vec<u8>>),
}
