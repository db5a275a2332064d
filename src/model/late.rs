//! Values that are known when the descriptor is read, or only when their step begins.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::model::position::Position;
use crate::text::{Template, TemplateError, Variables, is_template, render_value};

/// The longest text that a message repeats, in characters.
const SHOWN: usize = 72;

/// A value that is known, or is made of what only the run knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Late<T> {
    /// It stood in the descriptor, or was made of variables that were known there.
    Known(T),
    /// It is made when its step begins.
    Made(Box<Recipe<T>>),
}

/// How a value is made: the texts of `template` are rendered, and the result is read as the descriptor would be.
#[derive(Clone)]
pub struct Recipe<T> {
    template: Value,
    position: Position,
    read: fn(&Value) -> Result<T, String>,
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LateError {
    /// Where the template stands.
    pub position: Position,
    /// What it became, and what was expected.
    pub message: String,
}

impl<T> Late<T> {
    /// A value that is made of a template, or of a list or an object with templates in it.
    #[must_use]
    pub fn made(template: Value, position: Position, read: fn(&Value) -> Result<T, String>) -> Self {
        Self::Made(Box::new(Recipe { template, position, read }))
    }

    /// The value, if it is known.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Made(_) => None,
        }
    }

    /// The value in words, or the template that it is made of.
    pub fn words(&self, words: impl FnOnce(&T) -> String) -> String {
        match self {
            Self::Known(value) => words(value),
            Self::Made(recipe) => recipe.source(),
        }
    }
}

impl<T: Clone> Late<T> {
    /// The value, with these variables.
    ///
    /// # Errors
    /// [`LateError`] when a name has no value, or what comes out is not what can stand there.
    pub fn value(&self, variables: &Variables) -> Result<Cow<'_, T>, LateError> {
        match self {
            Self::Known(value) => Ok(Cow::Borrowed(value)),
            Self::Made(recipe) => recipe.make(variables).map(Cow::Owned),
        }
    }
}

impl<T> From<T> for Late<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T> Recipe<T> {
    fn make(&self, variables: &Variables) -> Result<T, LateError> {
        let value = render_value(&self.template, variables)
            .map_err(|cause| unmade(&self.template, &self.position, &cause))?;
        (self.read)(&value).map_err(|problem| LateError {
            position: self.position.clone(),
            message: format!("{} is {} here: {problem}", self.source(), shown(&value)),
        })
    }

    fn source(&self) -> String {
        shown(&self.template)
    }
}

impl<T> PartialEq for Recipe<T> {
    fn eq(&self, other: &Self) -> bool {
        self.template == other.template && self.position == other.position
    }
}

impl<T> fmt::Debug for Recipe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recipe").field(&self.template).finish()
    }
}

/// Something that may be made only when its step begins, whatever its type.
pub trait Pending {
    /// Makes it, to see whether that is possible.
    ///
    /// # Errors
    /// [`LateError`] as of [`Late::value`].
    fn attempt(&self, variables: &Variables) -> Result<(), LateError>;
}

impl<T: Clone> Pending for Late<T> {
    fn attempt(&self, variables: &Variables) -> Result<(), LateError> {
        self.value(variables).map(drop)
    }
}

/// Renders a text, to see whether that is possible.
pub(in crate::model) fn attempt_text(
    template: &Template,
    place: &Position,
    variables: &Variables,
) -> Result<(), LateError> {
    let rendered = template.render(variables).map(drop);
    rendered.map_err(|cause| unmade(&template.source().into(), place, &cause))
}

/// Renders the texts of a value, to see whether that is possible.
pub(in crate::model) fn attempt_json(
    value: &Value,
    place: &Position,
    variables: &Variables,
) -> Result<(), LateError> {
    if !holds_template(value) {
        return Ok(());
    }
    render_value(value, variables).map(drop).map_err(|cause| unmade(value, place, &cause))
}

fn unmade(template: &Value, place: &Position, cause: &TemplateError) -> LateError {
    LateError { position: place.clone(), message: format!("{} cannot be rendered: {cause}", shown(template)) }
}

fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(items) => items.iter().any(holds_template),
        Value::Object(members) => {
            members.iter().any(|(key, member)| is_template(key) || holds_template(member))
        }
        _ => false,
    }
}

/// The beginning of a value.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
