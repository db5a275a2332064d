//! Reads descriptors: text in JSON, TOML or YAML becomes [`TestCase`](crate::model::TestCase)s.
//!
//! Entry functions: [`read`] for the cases of a file, [`read_suite`] for what a folder gives to the files below it,
//! and [`explain`] for where the values of a case come from. On the way a text is parsed into one tree for the three
//! formats, whose nodes know their place; the defaults that are inherited are laid under it; `matrix`, `rows` and
//! `foreach` make several cases of it, and their variables are put in; each tree is read into a mirror of the
//! language by serde; and the mirror is lowered to a case with every value checked. What is wrong is a [`Diagnostic`] with its place, and
//! the cases beside it are read nevertheless.
//!
//! This module must never touch the file system, and never let a key pass that it does not understand.

mod conditions;
mod diagnostic;
mod divide;
mod entry;
mod expand;
mod explain;
mod format;
mod hooks;
mod json;
mod kinds;
mod labels;
mod late;
mod leniency;
mod load;
mod lower;
mod lower_capture;
mod lower_expect;
mod lower_file;
mod lower_http;
mod lower_matchers;
mod lower_sql;
mod lower_step;
mod matrix;
mod mirror;
mod node;
mod outputs;
mod outside;
mod paths;
mod precautions;
mod raw;
mod raw_capture;
mod raw_expect;
mod raw_file;
mod raw_generators;
mod raw_http;
mod raw_matchers;
mod raw_services;
mod raw_sql;
mod raw_values;
mod resources;
mod schema;
mod schema_expressions;
mod schema_http;
mod schema_values;
mod scope;
mod services;
mod source;
mod substitute;
mod synonyms;
mod table;
mod toml;
mod variables;
mod wanted;
mod written;
mod yaml;

pub use diagnostic::Diagnostic;
pub(crate) use diagnostic::{Problem, nearest, quote, suggest};
pub use expand::CASE_LIMIT;
pub use explain::{Explained, Explanation, Origin, explain};
pub(crate) use format::read_tree;
pub use format::{Format, SIZE_LIMIT};
pub use load::{Around, Broken, Defaults, DescriptorFile, Loaded, read, read_suite};
pub(crate) use load::{POOLS, STACK};
pub use lower::{DEFAULT_GRACE, DEFAULT_SLOW_AFTER, DEFAULT_TIMEOUT};
pub(crate) use mirror::unknown_key;
pub(crate) use node::{Entry, Node, SourceId, Span, Value};
pub use outside::Outside;
pub(crate) use paths::below;
pub use paths::climbs;
pub use schema::{descriptor_schema, suite_schema};
pub use scope::BUILT_IN;
pub(crate) use source::{Source, Sources};
pub use variables::parse_variable;

#[cfg(test)]
mod tests;
