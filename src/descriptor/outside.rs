//! What a descriptor may ask of the world around it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Files and variables beside a descriptor. This module reads none itself: who finds descriptors does.
pub trait Outside: fmt::Debug + Sync {
    /// The content of a file, and the path by which positions name it.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &Path) -> Result<(Vec<u8>, String), String>;

    /// The files below `folder` that match a glob, by their paths relative to `folder`.
    ///
    /// # Errors
    /// Why none can be named.
    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String>;

    /// A variable of partest's own environment.
    fn variable(&self, name: &str) -> Option<String>;
}
