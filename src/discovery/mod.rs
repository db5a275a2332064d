//! Finds the descriptors under the given paths and reads their cases.
//!
//! Entry functions: [`discover`] for all cases, [`discover_exact`] for the one with a given id, which reads
//! only the files that can hold it. Files are walked and read in parallel and come in the order of their paths.
//!
//! This module must never stop at something broken: what cannot be read is a result beside the cases of the
//! rest. It must never follow links to folders, nor wait for a file that is no regular one.

mod collect;
mod names;
mod outside;
mod suites;
mod walk;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::descriptor::{Defaults, Explanation};
use crate::model::{CaseResult, TestCase};
use crate::text::Variables;

/// What a search is told beside where to look.
#[derive(Clone, Debug, Default)]
pub struct DiscoverOptions {
    /// What every case inherits, below the suite files.
    pub defaults: Defaults,
    /// Variables that win over those that descriptors and suite files define under `vars`.
    pub variables: Arc<Variables>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// The cases, in the order of their files and within them in that of the text. Their ids are unique.
    pub cases: Vec<Arc<TestCase>>,
    /// Results for what cannot be executed: broken files and cases, paths that do not exist, folders that
    /// cannot be read. Those of paths and suite files come first.
    pub broken: Vec<CaseResult>,
}

/// Finds the cases in `paths`, files and folders that are relative to `root` or absolute.
///
/// `root` is the absolute folder of the project, the working directory: ids and positions are relative to it,
/// and suite files count from it downwards. What lies elsewhere is named relative to the folder that holds the
/// path it was found by.
#[must_use]
pub fn discover(paths: &[PathBuf], root: &Path, options: &DiscoverOptions) -> Discovery {
    let found = walk::walk(paths, root);
    collect::collect(found, options)
}

/// What is said of those of the paths at which there is nothing, a line each.
#[must_use]
pub fn nothing_at(paths: &[PathBuf], root: &Path) -> Vec<String> {
    let tell = |path: &PathBuf| {
        let place = root.join(path);
        let error = place.symlink_metadata().err().filter(|error| error.kind() == ErrorKind::NotFound)?;
        let (reason, help) = walk::absence(&place, &error);
        let help = help.map_or_else(String::new, |help| format!("; {help}"));
        Some(format!("{}: {reason}{help}", names::display(path)))
    };
    paths.iter().filter_map(tell).collect()
}

/// Finds the case whose id is exactly `id`, and fails over to all of `paths` only where the id does not tell the
/// file. What is broken is returned when it bears that id, or when it may be why the case was not found.
#[must_use]
pub fn discover_exact(id: &str, paths: &[PathBuf], root: &Path, options: &DiscoverOptions) -> Discovery {
    let near = collect::collect(walk::guess(id, paths, root), options);
    if near.cases.iter().any(|case| case.info.id.as_str() == id)
        || near.broken.iter().any(|result| result.info.id.as_str() == id)
    {
        return only(id, near);
    }
    let all = only(id, discover(paths, root, options));
    if all.cases.is_empty() && all.broken.is_empty() { Discovery { broken: near.broken, ..all } } else { all }
}

/// Whether a path, relative to `root` or absolute, lies in `root`, by its text alone. What does has the same id
/// however it is named.
#[must_use]
pub fn is_below(path: &Path, root: &Path) -> bool {
    names::absolute(path, root).starts_with(root)
}

/// Whether a file is a descriptor or a suite file by its name.
#[must_use]
pub fn is_read(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| names::descriptor_format(name).is_some() || names::is_suite_file(name))
}

/// Where each value of the case with this id comes from; `None` when there is no such case in `paths`, or when it
/// is broken.
#[must_use]
pub fn explain(id: &str, paths: &[PathBuf], root: &Path, options: &DiscoverOptions) -> Option<Explanation> {
    let near = collect::explain(&walk::guess(id, paths, root), id, options);
    near.or_else(|| collect::explain(&walk::walk(paths, root), id, options))
}

fn only(id: &str, mut discovery: Discovery) -> Discovery {
    discovery.cases.retain(|case| case.info.id.as_str() == id);
    discovery.broken.retain(|result| result.info.id.as_str() == id);
    discovery
}

#[cfg(test)]
mod tests;
