//! The step `file`.

use crate::model::late::Late;
use crate::text::Template;

/// A step that looks at a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileStep {
    /// Its path; a relative one starts at the working directory of the case.
    pub path: Template,
    /// What separates the cells of its rows, where it is a table.
    pub delimiter: Late<u8>,
}
