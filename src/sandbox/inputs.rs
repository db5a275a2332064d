//! Copying the inputs of a case into its working directory.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::model::{Input, Position};

/// How deep a directory that is copied may be.
const DEEPEST: usize = 200;

/// An input that cannot be placed.
#[derive(Debug, thiserror::Error)]
#[error("input \"{pattern}\": {fault}")]
pub struct InputError {
    /// The pattern.
    pub pattern: String,
    /// Where it stands.
    pub position: Position,
    /// What is wrong.
    pub fault: InputFault,
}

/// What is wrong with an input.
#[derive(Debug, thiserror::Error)]
pub enum InputFault {
    /// The pattern is empty, absolute, or has `..` behind its beginning.
    #[error("must be a relative path, with \"..\" at its beginning only")]
    Path,
    /// The pattern is no glob.
    #[error("not a pattern: {0}")]
    Glob(String),
    /// Nothing is there.
    #[error("matches no file below {0}")]
    Nothing(PathBuf),
    /// A link leads out of the tree, or nowhere.
    #[error("the link {link} leads to nothing inside {root}")]
    Link {
        /// The link.
        link: PathBuf,
        /// The tree.
        root: PathBuf,
    },
    /// A link leads back to a directory above it, or directories lie too deep.
    #[error("directories without end at {0}")]
    Endless(PathBuf),
    /// A FIFO, a socket, a device.
    #[error("neither a file nor a directory: {0}")]
    Odd(PathBuf),
    /// Two patterns place different files at the same path.
    #[error("{first} and {second} would both become {place}")]
    Twice {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Their place in the working directory.
        place: PathBuf,
    },
    /// The operating system refuses.
    #[error("{path}: {cause}")]
    Io {
        /// What it refuses.
        path: PathBuf,
        /// Its word.
        cause: io::Error,
    },
}

/// Copies `inputs` from `folder` into `work`; says whether there is a program among them.
pub(in crate::sandbox) fn place(folder: &Path, inputs: &[Input], work: &Path) -> Result<bool, InputError> {
    let mut placed = BTreeMap::new();
    for input in inputs {
        place_one(folder, &input.pattern, work, &mut placed).map_err(|fault| InputError {
            pattern: input.pattern.clone(),
            position: input.position.clone(),
            fault,
        })?;
    }
    let is_program = |place: &PathBuf| {
        work.join(place).metadata().is_ok_and(|copy| copy.permissions().mode() & 0o111 != 0)
    };
    Ok(placed.keys().any(is_program))
}

/// The files placed so far: where they are, and where they came from.
type Placed = BTreeMap<PathBuf, PathBuf>;

/// The regular files below `folder` that a glob matches, by their paths relative to `folder`. A pattern without
/// wildcards names one file.
///
/// # Errors
/// [`InputFault`] when the pattern is none, a directory cannot be read, or nothing matches.
pub fn matching_files(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, InputFault> {
    let (base, rest) = split_pattern(folder, pattern)?;
    let up = base.strip_prefix(folder).unwrap_or(Path::new(""));
    let root = base.canonicalize().map_err(|cause| refused(&base, cause))?;
    let found: Vec<_> =
        search(&root, &rest)?.into_iter().filter(|place| root.join(place).is_file()).collect();
    match found.is_empty() {
        true => Err(InputFault::Nothing(root)),
        false => Ok(found.into_iter().map(|place| up.join(place)).collect()),
    }
}

/// What a pattern matches below `root`; one without wildcards, itself.
fn search(root: &Path, pattern: &Path) -> Result<Vec<PathBuf>, InputFault> {
    // Everything before the first wildcard is a path as it stands.
    let fixed: PathBuf = pattern.components().take_while(|part| !is_wild(part.as_os_str())).collect();
    if fixed == pattern {
        return Ok(vec![fixed]);
    }
    let glob =
        GlobBuilder::new(&pattern.to_string_lossy()).literal_separator(true).backslash_escape(true).build();
    let glob = glob.map_err(|error| InputFault::Glob(error.kind().to_string()))?.compile_matcher();
    let hidden = pattern.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."));
    let mut search = Search { glob, hidden, found: Vec::new() };
    search.walk(&root.join(&fixed), &fixed, 0)?;
    match search.found.is_empty() {
        true => Err(InputFault::Nothing(root.to_owned())),
        false => Ok(search.found),
    }
}

fn place_one(folder: &Path, pattern: &str, work: &Path, placed: &mut Placed) -> Result<(), InputFault> {
    let (base, rest) = split_pattern(folder, pattern)?;
    let root = base.canonicalize().map_err(|cause| refused(&base, cause))?;
    let mut copy = Copy { root: &root, work, placed, open: Vec::new() };
    search(&root, &rest)?.iter().try_for_each(|place| copy.entry(&root.join(place), place))
}

/// The folder that a pattern's leading `..`s lead to, and what follows them.
fn split_pattern(folder: &Path, pattern: &str) -> Result<(PathBuf, PathBuf), InputFault> {
    let (mut base, mut rest) = (folder.to_owned(), PathBuf::new());
    for part in Path::new(pattern).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if rest.as_os_str().is_empty() => base.push(".."),
            Component::Normal(name) => rest.push(name),
            _ => return Err(InputFault::Path),
        }
    }
    if rest.as_os_str().is_empty() { Err(InputFault::Path) } else { Ok((base, rest)) }
}

/// Whether a part of a pattern holds wildcards.
pub(in crate::sandbox) fn is_wild(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().iter().any(|byte| b"*?[]{}\\".contains(byte))
}

/// A walk for what a glob matches.
struct Search {
    glob: GlobMatcher,
    /// Whether hidden files may match.
    hidden: bool,
    found: Vec<PathBuf>,
}

impl Search {
    /// Walks the directory at `path`, which is `place` to the glob, in the order of names. It enters no links.
    fn walk(&mut self, path: &Path, place: &Path, depth: usize) -> Result<(), InputFault> {
        if depth > DEEPEST {
            return Err(InputFault::Endless(path.to_owned()));
        }
        for name in names(path)? {
            if !self.hidden && name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let (path, place) = (path.join(&name), place.join(&name));
            let kind = path.symlink_metadata().map_err(|cause| refused(&path, cause))?.file_type();
            if kind.is_dir() {
                self.walk(&path, &place, depth + 1)?;
            } else if self.glob.is_match(&place) && !(kind.is_symlink() && path.is_dir()) {
                self.found.push(place);
            }
        }
        Ok(())
    }
}

/// A copy of files and directories.
struct Copy<'a> {
    /// The tree, free of links, that no link may leave.
    root: &'a Path,
    work: &'a Path,
    placed: &'a mut Placed,
    /// The directories being copied, free of links.
    open: Vec<PathBuf>,
}

impl Copy<'_> {
    /// Copies what is at `source` to `place` in the working directory.
    fn entry(&mut self, source: &Path, place: &Path) -> Result<(), InputFault> {
        let metadata = match source.symlink_metadata() {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(InputFault::Nothing(self.root.to_owned()));
            }
            metadata => metadata.map_err(|cause| refused(source, cause))?,
        };
        // Also the directories on the way to it may be links.
        let real = source.canonicalize().ok().filter(|real| real.starts_with(self.root));
        let Some(real) = real else {
            return Err(InputFault::Link { link: source.to_owned(), root: self.root.to_owned() });
        };
        let metadata = if metadata.is_symlink() {
            real.metadata().map_err(|cause| refused(source, cause))?
        } else {
            metadata
        };
        if metadata.is_dir() { self.directory(&real, place) } else { self.file(&real, &metadata, place) }
    }

    fn directory(&mut self, real: &Path, place: &Path) -> Result<(), InputFault> {
        if self.open.len() >= DEEPEST || self.open.iter().any(|open| open == real) {
            return Err(InputFault::Endless(real.to_owned()));
        }
        self.make(place)?;
        self.open.push(real.to_owned());
        for name in names(real)? {
            self.entry(&real.join(&name), &place.join(&name))?;
        }
        self.open.pop();
        Ok(())
    }

    fn file(&mut self, real: &Path, metadata: &Metadata, place: &Path) -> Result<(), InputFault> {
        if !metadata.is_file() {
            return Err(InputFault::Odd(real.to_owned()));
        }
        match self.placed.get(place) {
            Some(first) if first == real => return Ok(()),
            Some(first) => {
                return Err(InputFault::Twice {
                    first: first.clone(),
                    second: real.to_owned(),
                    place: place.to_owned(),
                });
            }
            None => {}
        }
        if let Some(parent) = place.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.make(parent)?;
        }
        // It copies the mode as well, and shares the blocks where the file system can.
        fs::copy(real, self.work.join(place)).map_err(|cause| refused(real, cause))?;
        self.placed.insert(place.to_owned(), real.to_owned());
        Ok(())
    }

    fn make(&self, place: &Path) -> Result<(), InputFault> {
        let path = self.work.join(place);
        fs::create_dir_all(&path).map_err(|cause| refused(&path, cause))
    }
}

/// The names in a directory, sorted.
fn names(directory: &Path) -> Result<Vec<std::ffi::OsString>, InputFault> {
    let read =
        || fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>();
    let mut names = match read() {
        // Where the fixed part of a pattern leads to nothing, nothing matches.
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Vec::new()
        }
        names => names.map_err(|cause| refused(directory, cause))?,
    };
    names.sort_unstable();
    Ok(names)
}

fn refused(path: &Path, cause: io::Error) -> InputFault {
    InputFault::Io { path: path.to_owned(), cause }
}
