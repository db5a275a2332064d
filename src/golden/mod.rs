//! Golden files: rewrites those that differ from what was seen.
//!
//! Entry point: [`Updater::apply`]. What differs is found by `assertion`, which reads goldens and never writes;
//! the runner brings each difference here after the last attempt of its case. Nothing outside of the project's
//! folder is ever written, not even through a link, and no file is ever half written.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::model::{GoldenChange, UpdatedGolden};

/// The mode of a new file, before the process's own mask.
const NEW_FILE: u32 = 0o666;

/// Rewrites golden files below one folder.
#[derive(Debug)]
pub struct Updater {
    root: PathBuf,
    /// Whether a file is one that partest itself reads, by its name.
    is_read: fn(&Path) -> bool,
    /// What each file holds that a case has written or matched, as a hash of the content: two cases may share a
    /// golden, but not disagree about it.
    settled: Mutex<HashMap<PathBuf, u64>>,
}

/// Why a golden file is not rewritten.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// It lies elsewhere, perhaps through a link.
    #[error("it is not rewritten, since it lies outside of the project: {0}")]
    Outside(PathBuf),
    /// It says what is run.
    #[error("it is not rewritten, since partest reads it itself: {0}")]
    Read(PathBuf),
    /// Something else has given it another content in the same run, or has found it right.
    #[error("it is not rewritten, since another case or step of this run has another content for it: {0}")]
    Disputed(PathBuf),
    /// It was right, and something else has given it another content in the same run.
    #[error("it has just been given another content by another case or step: {0}")]
    Taken(PathBuf),
    /// The operating system refuses.
    #[error("it cannot be rewritten: {path}: {cause}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The operating system's word.
        cause: io::Error,
    },
}

impl Updater {
    /// An updater of goldens below `root`, an absolute path. A file of which `is_read` says that partest itself reads
    /// it, and a descriptor that names itself, is never rewritten.
    #[must_use]
    pub fn new(root: PathBuf, is_read: fn(&Path) -> bool) -> Self {
        Self { root, is_read, settled: Mutex::new(HashMap::new()) }
    }

    /// Gives a golden file that differs its new content, making it and its folders where they do not exist, and
    /// says so. The mode is kept. Of one that does not differ it is noted that it has to stay so.
    ///
    /// # Errors
    /// [`UpdateError`]; the file is then as it was.
    pub fn apply(&self, change: &GoldenChange) -> Result<Option<UpdatedGolden>, UpdateError> {
        if change.differs { self.rewrite(change).map(Some) } else { self.keep(change).map(|()| None) }
    }

    fn keep(&self, golden: &GoldenChange) -> Result<(), UpdateError> {
        // One that has gone meanwhile cannot be rewritten, either.
        let Ok(target) = golden.path.canonicalize() else { return Ok(()) };
        let hash = hash(&golden.content);
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if *settled.entry(target).or_insert(hash) == hash {
            return Ok(());
        }
        Err(UpdateError::Taken(golden.path.clone()))
    }

    fn rewrite(&self, change: &GoldenChange) -> Result<UpdatedGolden, UpdateError> {
        let io = |cause| UpdateError::Io { path: change.path.clone(), cause };
        let root = self.root.canonicalize().map_err(io)?;
        let existing = nearest_existing(&change.path);
        if !existing.canonicalize().map_err(io)?.starts_with(&root) {
            return Err(UpdateError::Outside(change.path.clone()));
        }
        let created = existing != change.path;
        let descriptor = self.root.join(&*change.failure.position.file).canonicalize().ok();
        let is_read = |path: &Path| (self.is_read)(path) || descriptor.as_deref() == Some(path);
        if is_read(&change.path) {
            return Err(UpdateError::Read(change.path.clone()));
        }
        let target = if created {
            let parent = change.path.parent().unwrap_or(&root);
            fs::create_dir_all(parent).map_err(io)?;
            parent.canonicalize().map_err(io)?.join(change.path.file_name().unwrap_or_default())
        } else {
            // A link stays one: what it leads to is rewritten.
            existing.canonicalize().map_err(io)?
        };
        if is_read(&target) {
            return Err(UpdateError::Read(change.path.clone()));
        }
        let hash = hash(&change.content);
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        match settled.get(&target) {
            Some(earlier) if *earlier != hash => return Err(UpdateError::Disputed(change.path.clone())),
            Some(_) => {}
            None => {
                replace(&target, &change.content).map_err(io)?;
                settled.insert(target.clone(), hash);
            }
        }
        let shown = target.strip_prefix(&root).unwrap_or(&target).to_string_lossy().into_owned();
        Ok(UpdatedGolden { path: shown, created, detail: change.failure.detail.clone() })
    }
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// The path itself if there is something, else the nearest folder above it.
fn nearest_existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(path)
}

/// Writes beside the file, and renames.
fn replace(target: &Path, content: &[u8]) -> io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("/"));
    let mode = match target.metadata() {
        Ok(metadata) => Some(metadata.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".partest-golden-")
        .permissions(Permissions::from_mode(NEW_FILE))
        .tempfile_in(folder)?;
    file.write_all(content)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.persist(target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    use super::{UpdateError, Updater};
    use crate::model::{Failure, FailureKind, GoldenChange, Position};

    fn updater(root: &Path) -> Updater {
        Updater::new(root.to_owned(), |path| path.ends_with("suite.toml"))
    }

    fn change(path: &Path, content: &str) -> GoldenChange {
        let position = Position { file: "a.test.json".into(), line: 1, column: 1 };
        let failure = Failure::new(FailureKind::Expectation, position, "stdout differs".to_owned());
        GoldenChange { path: path.to_owned(), content: content.into(), differs: true, failure }
    }

    #[test]
    fn files_are_made_and_rewritten_and_keep_their_mode() {
        let root = tempfile::tempdir().expect("a folder");
        let updater = updater(root.path());
        let new = root.path().join("a/b/new.txt");
        let updated = updater.apply(&change(&new, "one")).expect("updated").expect("written");
        assert_eq!((updated.path.as_str(), updated.created), ("a/b/new.txt", true));
        let old = root.path().join("old.txt");
        fs::write(&old, "two").expect("written");
        fs::set_permissions(&old, Permissions::from_mode(0o750)).expect("allowed");
        let updated = updater.apply(&change(&old, "three")).expect("updated").expect("written");
        assert!(!updated.created);
        assert_eq!(fs::read_to_string(&old).expect("readable"), "three");
        assert_eq!(old.metadata().expect("there").permissions().mode() & 0o777, 0o750);
        assert_eq!(fs::read_dir(root.path()).expect("readable").count(), 2, "a temporary file is left");
    }

    #[test]
    fn nothing_outside_is_written_even_through_a_link() {
        let outside = tempfile::tempdir().expect("a folder");
        let root = tempfile::tempdir().expect("a folder");
        let updater = updater(root.path());
        fs::write(outside.path().join("file"), "mine").expect("written");
        symlink(outside.path(), root.path().join("folder")).expect("linked");
        symlink(outside.path().join("file"), root.path().join("link")).expect("linked");
        symlink(outside.path().join("nothing"), root.path().join("dangling")).expect("linked");
        for name in ["folder/file", "folder/new", "folder/new/deep", "link", "dangling"] {
            updater.apply(&change(&root.path().join(name), "x")).expect_err(name);
        }
        assert!(matches!(
            updater.apply(&change(&outside.path().join("file"), "x")),
            Err(UpdateError::Outside(_))
        ));
        assert_eq!(fs::read_to_string(outside.path().join("file")).expect("readable"), "mine");
        assert_eq!(fs::read_dir(outside.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_link_within_the_project_stays_a_link() {
        let root = tempfile::tempdir().expect("a folder");
        fs::write(root.path().join("file"), "old").expect("written");
        symlink("file", root.path().join("link")).expect("linked");
        let updater = updater(root.path());
        updater.apply(&change(&root.path().join("link"), "new")).expect("updated").expect("written");
        assert!(root.path().join("link").symlink_metadata().expect("there").is_symlink());
        assert_eq!(fs::read_to_string(root.path().join("file")).expect("readable"), "new");
    }

    #[test]
    fn two_cases_may_share_a_golden_but_not_disagree() {
        let root = tempfile::tempdir().expect("a folder");
        let updater = updater(root.path());
        let path = root.path().join("shared");
        updater.apply(&change(&path, "a")).expect("updated");
        updater.apply(&change(&path, "a")).expect("the same");
        assert!(matches!(updater.apply(&change(&path, "b")), Err(UpdateError::Disputed(_))));
        assert_eq!(fs::read_to_string(&path).expect("readable"), "a");
    }

    #[test]
    fn what_has_matched_is_kept_and_what_was_rewritten_has_not_matched() {
        let root = tempfile::tempdir().expect("a folder");
        let updater = updater(root.path());
        let [kept, taken] = ["kept", "taken"].map(|name| root.path().join(name));
        for path in [&kept, &taken] {
            fs::write(path, "a").expect("written");
        }
        let matched = |path: &Path| GoldenChange { differs: false, ..change(path, "a") };
        for _ in 0..2 {
            assert_eq!(updater.apply(&matched(&kept)).expect("as it was"), None);
        }
        assert!(matches!(updater.apply(&change(&kept, "b")), Err(UpdateError::Disputed(_))));
        updater.apply(&change(&taken, "b")).expect("updated");
        assert!(matches!(updater.apply(&matched(&taken)), Err(UpdateError::Taken(_))));
        assert_eq!([kept, taken].map(|path| fs::read_to_string(path).expect("readable")), ["a", "b"]);
    }

    #[test]
    fn what_says_what_is_run_is_never_written() {
        let root = tempfile::tempdir().expect("a folder");
        let updater = updater(root.path());
        fs::write(root.path().join("a.test.json"), "{}").expect("written");
        symlink("a.test.json", root.path().join("link")).expect("linked");
        for name in ["a.test.json", "link", "suite.toml", "sub/suite.toml"] {
            let refused = updater.apply(&change(&root.path().join(name), "x"));
            assert!(matches!(refused, Err(UpdateError::Read(_))), "{name}");
        }
        assert_eq!(fs::read_to_string(root.path().join("a.test.json")).expect("readable"), "{}");
        assert!(!root.path().join("suite.toml").exists());
    }
}
