//! Finds and reads `partest.toml`.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::geteuid;

use crate::config::{FILE, SettingsError};
use crate::descriptor::{Format, Node, SIZE_LIMIT, Source, SourceId, Sources, Span, Value, read_tree};
use crate::disk;

/// The file, read but not yet understood.
#[derive(Debug)]
pub(super) struct ConfigFile {
    /// The folder that holds it.
    pub(super) folder: PathBuf,
    /// Its text, which places point into.
    pub(super) sources: Sources,
    /// What it holds: an object.
    pub(super) tree: Node,
}

/// Reads the nearest file in `folder` and the folders above it.
pub(super) fn find(folder: &Path) -> Result<Option<ConfigFile>, SettingsError> {
    let holds_file = |folder: &&Path| folder.join(FILE).symlink_metadata().is_ok();
    let Some(folder) = folder.ancestors().find(holds_file) else { return Ok(None) };
    let path = folder.join(FILE);
    let unreadable = |reason: String| SettingsError::Unreadable { path: path.clone(), reason };
    let metadata = path.metadata().map_err(|error| unreadable(error.to_string()))?;
    // Anybody may put a file into `/tmp`, and what it names would be run.
    let open_to_all = folder.metadata().is_ok_and(|folder| folder.mode() & 0o002 != 0);
    if open_to_all && !is_trusted(metadata.uid(), geteuid().as_raw()) {
        return Err(unreadable(
            "it belongs to another user, in a folder that is open to everybody".to_owned(),
        ));
    }
    let bytes = disk::read(&path, SIZE_LIMIT).map_err(|error| unreadable(error.to_string()))?;
    let shown: Arc<str> = FILE.into();
    // An empty file is in order: it marks the root of the project.
    let (sources, tree) = if bytes.trim_ascii().is_empty() {
        let sources = Sources::default().with(Arc::new(Source::new(shown, String::new())));
        let span = Span::new(SourceId(0), 0, 0);
        (sources, Node { span, value: Value::Map(Vec::new()) })
    } else {
        read_tree(&shown, &bytes, Format::Toml, &Sources::default())
            .map_err(|diagnostic| SettingsError::Wrong(vec![diagnostic]))?
    };
    Ok(Some(ConfigFile { folder: folder.to_owned(), sources, tree }))
}

/// Whether a file of `owner` may say what `user` runs: one's own, and root's.
fn is_trusted(owner: u32, user: u32) -> bool {
    owner == user || owner == 0
}

#[cfg(test)]
mod tests {
    use super::is_trusted;

    #[test]
    fn files_of_other_users_are_not_trusted() {
        assert!(is_trusted(1000, 1000) && is_trusted(0, 1000) && is_trusted(0, 0));
        assert!(!is_trusted(1001, 1000) && !is_trusted(1000, 0));
    }
}
