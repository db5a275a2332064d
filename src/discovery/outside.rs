//! What descriptors are told of the files and variables around them.

use std::path::{Path, PathBuf};

use crate::descriptor::{Outside, SIZE_LIMIT};
use crate::discovery::names;
use crate::disk;
use crate::sandbox::matching_files;

/// The file system and the environment of this process.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The folder that names are relative to.
    pub(crate) base: &'a Path,
}

impl Outside for Surroundings<'_> {
    fn read(&self, path: &Path) -> Result<(Vec<u8>, String), String> {
        let path = names::absolute(path, self.base);
        let shown = names::display_below(&path, self.base).into_owned();
        disk::read(&path, SIZE_LIMIT).map(|bytes| (bytes, shown)).map_err(|error| error.to_string())
    }

    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        matching_files(folder, pattern).map_err(|fault| fault.to_string())
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }
}
