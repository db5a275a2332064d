//! Which files are read.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use ignore::{DirEntry, WalkBuilder};

use crate::descriptor::{Format, nearest, quote};
use crate::discovery::names;

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The descriptors, sorted by path, each once.
    pub(crate) files: Vec<Candidate>,
    /// Folders with a suite file, and the folder their names are relative to.
    pub(crate) suites: BTreeSet<(PathBuf, Arc<Path>)>,
    /// What could not be read.
    pub(crate) unreadable: Vec<Unreadable>,
}

/// A file that should hold cases.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Its absolute path.
    pub(crate) path: PathBuf,
    /// The folder its name is relative to.
    pub(crate) base: Arc<Path>,
    /// How it is spelled, if its name says so.
    pub(crate) format: Option<Format>,
}

/// A path that gives no file.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// The path as it is shown.
    pub(crate) path: String,
    /// Why.
    pub(crate) message: String,
    /// What may help.
    pub(crate) suggestion: Option<String>,
}

impl Found {
    fn refuse(&mut self, path: &Path, base: &Path, message: impl Into<String>, suggestion: Option<String>) {
        let path = match names::display_below(path, base) {
            // The folder itself.
            own if own.is_empty() => ".".to_owned(),
            below => below.into_owned(),
        };
        self.unreadable.push(Unreadable { path, message: message.into(), suggestion });
    }

    fn sort(mut self) -> Self {
        sort(&mut self.files);
        self.files.dedup_by(|a, b| a.path.as_os_str() == b.path.as_os_str());
        self.unreadable.sort_by(|a, b| a.path.cmp(&b.path));
        self.unreadable.dedup_by(|a, b| a.path == b.path);
        self
    }
}

/// Sorts files by their paths, part by part.
fn sort(files: &mut [Candidate]) {
    let Some(first) = files.first() else { return };
    let first = first.path.as_os_str().as_bytes();
    let alike = |file: &Candidate| {
        file.path.as_os_str().as_bytes().iter().zip(first).take_while(|(a, b)| a == b).count()
    };
    let alike = files.iter().map(alike).min().unwrap_or(0);
    // By the first bytes that tell some of them apart, which most often leaves nothing to do but to look once more.
    files.sort_by_cached_key(|file| {
        let rest = &file.path.as_os_str().as_bytes()[alike..];
        u64::from_be_bytes(std::array::from_fn(|at| rest.get(at).map_or(0, in_order)))
    });
    files.sort_by(|a, b| by_parts(&a.path, &b.path));
}

/// By what a byte of a path is compared: the end of a part comes before every byte that can stand in one.
fn in_order(byte: &u8) -> u8 {
    if *byte == b'/' { 0 } else { *byte }
}

/// Compares two paths part by part, several times faster than `Path` does itself.
fn by_parts(a: &Path, b: &Path) -> Ordering {
    let (a, b) = (a.as_os_str().as_bytes(), b.as_os_str().as_bytes());
    // Most paths begin alike, which is seen eight bytes at a time.
    let alike = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).take_while(|(a, b)| a == b).count() * 8;
    let (a, b) = (&a[alike..], &b[alike..]);
    match a.iter().zip(b).find(|(a, b)| a != b) {
        Some((a, b)) => in_order(a).cmp(&in_order(b)),
        None => a.len().cmp(&b.len()),
    }
}

/// What names below this path are relative to: the root, or the folder that holds the path.
fn base_of(path: &Path, root: &Arc<Path>) -> Arc<Path> {
    if path.starts_with(root) {
        return Arc::clone(root);
    }
    path.parent().map_or_else(|| Arc::clone(root), Arc::from)
}

/// Finds the descriptors in the paths that a user named.
pub(crate) fn walk(paths: &[PathBuf], root: &Path) -> Found {
    let root: Arc<Path> = names::absolute(root, Path::new("/")).into();
    let mut found = Found::default();
    let mut folders: Vec<(PathBuf, Arc<Path>)> = Vec::new();
    for named in paths {
        let path = names::absolute(named, &root);
        let base = base_of(&path, &root);
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => folders.push((path, base)),
            Ok(_) => {
                let format = path.file_name().and_then(names::format);
                found.files.push(Candidate { path, base, format });
            }
            Err(error) => {
                let (message, help) = absence(&path, &error);
                found.refuse(&path, &base, message, help);
            }
        }
    }
    let mut walked = BTreeSet::new();
    for (folder, base) in &folders {
        if walked.insert(folder) {
            walk_folder(folder, base, &mut found);
        }
    }
    found.sort()
}

/// What is said of a path that cannot be looked at, and what may have been meant by it.
pub(super) fn absence(path: &Path, error: &std::io::Error) -> (String, Option<String>) {
    if error.kind() != std::io::ErrorKind::NotFound {
        return (format!("cannot read it: {error}"), None);
    }
    let wanted = path.file_name().map(|name| names::display(Path::new(name))).unwrap_or_default();
    let beside: Vec<_> = path
        .parent()
        .and_then(|folder| folder.read_dir().ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    let help = nearest(&wanted, beside.iter().map(String::as_str))
        .map(|near| format!("did you mean {}?", quote(near)));
    ("no such file or folder".to_owned(), help)
}

/// What is said of a folder whose list of ignored files would never come to an end.
const ODD_IGNORE: &str = "the folder's .gitignore is not a regular file";

/// Whether there is a `.gitignore` in a folder that must not be opened: what reads it would wait for a pipe, and read a
/// device for ever.
fn has_odd_ignore(folder: &Path) -> bool {
    folder.join(".gitignore").metadata().is_ok_and(|file| !file.is_file() && !file.is_dir())
}

/// On one thread: others would spend more on waiting for each other than the walk takes. In no order: all that is
/// found is sorted in the end.
fn walk_folder(folder: &Path, base: &Arc<Path>, found: &mut Found) {
    // Those of the folders above are read as well, and by the real path.
    let real = folder.canonicalize();
    let above = real.as_deref().unwrap_or(folder).ancestors().skip(1);
    if let Some(odd) = [folder].into_iter().chain(above).find(|folder| has_odd_ignore(folder)) {
        return found.refuse(odd, base, ODD_IGNORE, None);
    }
    let refused = Arc::new(Mutex::new(Vec::new()));
    let odd = Arc::clone(&refused);
    let walk = WalkBuilder::new(folder)
        .standard_filters(false)
        .hidden(true)
        .parents(true)
        .filter_entry(move |entry| {
            let is_odd = entry.file_type().is_some_and(|kind| kind.is_dir()) && has_odd_ignore(entry.path());
            if is_odd && let Ok(mut odd) = odd.lock() {
                odd.push(entry.path().to_path_buf());
            }
            !is_odd
        })
        .git_ignore(true)
        .require_git(false)
        .follow_links(false)
        .build();
    for entry in walk {
        match entry {
            Ok(entry) if entry.depth() > 0 => visit(entry, base, found),
            Ok(_) => {}
            Err(error) => {
                let path = path_of(&error).unwrap_or(folder).to_path_buf();
                let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                found.refuse(&path, base, format!("cannot read the folder: {reason}"), None);
            }
        }
    }
    for folder in refused.lock().iter().flat_map(|refused| refused.iter()) {
        found.refuse(folder, base, ODD_IGNORE, None);
    }
}

fn visit(entry: DirEntry, base: &Arc<Path>, found: &mut Found) {
    let name = entry.file_name();
    if let Some(format) = names::descriptor_format(name) {
        found.files.push(Candidate { path: entry.into_path(), base: Arc::clone(base), format: Some(format) });
    } else if names::is_suite_file(name)
        && let Some(folder) = entry.path().parent()
    {
        found.suites.insert((folder.to_path_buf(), Arc::clone(base)));
    }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

/// How many threads read.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The files that can hold the case with this id, as far as the id tells.
pub(crate) fn guess(id: &str, paths: &[PathBuf], root: &Path) -> Found {
    let root: Arc<Path> = names::absolute(root, Path::new("/")).into();
    let named: Vec<_> = paths.iter().map(|path| names::absolute(path, &root)).collect();
    let mut found = Found::default();
    if names::may_be_escaped(id) {
        return found;
    }
    let splits = id.match_indices("::").map(|(at, _)| &id[..at]).chain([id]);
    for name in splits.flat_map(names::candidates) {
        let path = names::absolute(Path::new(&name), &root);
        let is_named = named.contains(&path);
        let may_hold = is_named || named.iter().any(|named| path.starts_with(named));
        let format = path.file_name().and_then(|name| match is_named {
            true => names::format(name),
            false => names::descriptor_format(name),
        });
        if (is_named || format.is_some())
            && may_hold
            && path.starts_with(&root)
            && path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir())
        {
            // A walk would not get there.
            match path.ancestors().skip(1).find(|folder| !is_named && has_odd_ignore(folder)) {
                Some(odd) => found.refuse(odd, &root, ODD_IGNORE, None),
                None => found.files.push(Candidate { path, base: Arc::clone(&root), format }),
            }
        }
    }
    found.sort()
}
