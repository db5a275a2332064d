//! The suite files above each descriptor.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::descriptor::{Defaults, DescriptorFile, Diagnostic, Format, SIZE_LIMIT, read_suite};
use crate::discovery::DiscoverOptions;
use crate::discovery::names::{self, SUITE_STEM};
use crate::disk;
use crate::model::Position;
use crate::text::Variables;

/// What the folders give to the descriptors in them.
#[derive(Debug)]
pub(crate) struct Suites {
    /// What lies below all of them.
    outermost: Arc<Defaults>,
    /// Variables that win over all of theirs.
    overrides: Arc<Variables>,
    /// `None` where a suite file in the folder or above it is broken.
    folders: HashMap<PathBuf, Option<Arc<Defaults>>>,
    /// What is wrong, by the file it is wrong in.
    pub(crate) broken: Vec<BrokenSuite>,
}

/// A suite file that cannot be used.
#[derive(Debug)]
pub(crate) struct BrokenSuite {
    /// The path as it is shown.
    pub(crate) path: Arc<str>,
    /// What is wrong, at least one thing.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Suites {
    /// No folder yet, and what every one of them inherits.
    pub(crate) fn new(options: &DiscoverOptions) -> Self {
        let (outermost, overrides) = (Arc::new(options.defaults.clone()), Arc::clone(&options.variables));
        Self { outermost, overrides, folders: HashMap::new(), broken: Vec::new() }
    }

    /// Reads the suite files from `base` down to `folder`, each once.
    pub(crate) fn add(&mut self, folder: &Path, base: &Arc<Path>) {
        if self.folders.contains_key(folder) {
            return;
        }
        let mut missing: Vec<&Path> = Vec::new();
        let mut inherited = Some(Arc::clone(&self.outermost));
        for above in folder.ancestors() {
            if let Some(known) = self.folders.get(above) {
                inherited.clone_from(known);
                break;
            }
            missing.push(above);
            if above == base.as_ref() {
                break;
            }
        }
        for folder in missing.into_iter().rev() {
            inherited = inherited.and_then(|inherited| self.read(folder, base, &inherited));
            self.folders.insert(folder.to_path_buf(), inherited.clone());
        }
    }

    /// What a folder gives, once it was added; `None` when a suite file is broken.
    pub(crate) fn get(&self, folder: &Path) -> Option<&Arc<Defaults>> {
        self.folders.get(folder).and_then(Option::as_ref)
    }

    fn read(&mut self, folder: &Path, base: &Arc<Path>, inherited: &Arc<Defaults>) -> Option<Arc<Defaults>> {
        let files: Vec<_> = Format::ENDINGS
            .into_iter()
            .map(|ending| folder.join(format!("{SUITE_STEM}.{ending}")))
            .filter(|file| file.symlink_metadata().is_ok())
            .collect();
        let Some(path) = files.first() else { return Some(Arc::clone(inherited)) };
        let shown: Arc<str> = names::display_below(path, base).into();
        let result = match files.get(1) {
            Some(second) => {
                let second = names::display_below(second, base);
                let message = format!("the folder has a second suite file: {second}");
                Err(vec![whole_file(&shown, message, Some("keep one of them".to_owned()))])
            }
            None => read_file(path, base, &shown, inherited, &self.overrides),
        };
        match result {
            Ok(defaults) => Some(Arc::new(defaults)),
            Err(diagnostics) => {
                self.broken.push(BrokenSuite { path: shown, diagnostics });
                None
            }
        }
    }
}

fn read_file(
    path: &Path,
    base: &Path,
    shown: &Arc<str>,
    inherited: &Defaults,
    overrides: &Arc<Variables>,
) -> Result<Defaults, Vec<Diagnostic>> {
    let bytes =
        disk::read(path, SIZE_LIMIT).map_err(|error| vec![whole_file(shown, error.to_string(), None)])?;
    let format = path.file_name().and_then(names::format).unwrap_or(Format::Json);
    let folder: Arc<Path> = path.parent().unwrap_or(base).into();
    let file =
        DescriptorFile { path: shown, suite: shown, folder: &folder, root: base, format, bytes: &bytes };
    read_suite(&file, inherited, overrides)
}

/// A diagnostic about a file as a whole.
pub(crate) fn whole_file(path: &Arc<str>, message: String, suggestion: Option<String>) -> Diagnostic {
    let position = Position { file: Arc::clone(path), line: 1, column: 1 };
    Diagnostic::without_source(position, message, suggestion)
}
