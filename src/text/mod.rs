//! Text as such: templates, and what makes foreign text safe to show.
//!
//! Entry points: [`Template`], [`Compiled`], [`xml::clean`], [`terminal::printable`], [`excerpt::excerpt`],
//! [`redact::Redactor`], [`shell::quote`].
//! This module must never know what a test case is, and never lose text without saying so.

mod budget;
pub mod csv;
mod escape;
mod evaluate;
pub mod excerpt;
mod json;
mod language;
pub mod mistake;
pub mod redact;
mod repetition;
pub mod shell;
mod slices;
mod template;
pub mod terminal;
mod typed;
pub mod xml;

pub use evaluate::{Compiled, Layers};
pub use json::from_json;
pub use language::{FILTERS, TESTS};
pub use template::{
    Template, TemplateError, Variables, is_template, place_of_mistake, place_of_name, render_value,
};
pub use typed::{number, typed};
