//! Finding the files that an attempt has left in its working directory, and opening them.
//!
//! What the attempt has left is foreign: directories are entered and files opened by names below a directory that is
//! open, and no link is followed on the way. A link that was asked for is resolved first, and what it leads to must
//! lie in the working directory.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use crate::sandbox::inputs::is_wild;

/// How deep directories are entered.
const DEEPEST: usize = 200;

/// How many entries of directories are looked at for one pattern.
const MOST_ENTRIES: usize = 100_000;

/// What a search has found.
#[derive(Debug, Default)]
pub struct Outputs {
    /// The files, in the order of their paths, each once.
    pub files: Vec<OutputFile>,
    /// What cannot be had, in the order of the paths.
    pub faults: Vec<(PathBuf, OutputFault)>,
}

/// A file in the working directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutputFile {
    /// Its path, relative to the working directory.
    pub path: PathBuf,
    /// The same, free of links.
    real: PathBuf,
}

/// Why something cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OutputFault {
    /// A FIFO, a socket, a device.
    #[error("it is neither a file nor a directory")]
    Odd,
    /// A link leads out of the working directory, or nowhere.
    #[error("it is a link that leads to nothing in the working directory")]
    Link,
    /// Directories lie too deep.
    #[error("directories are nested too deeply there")]
    Deep,
    /// There is too much to look at.
    #[error("there are more than {MOST_ENTRIES} entries to look at")]
    TooMany,
    /// The operating system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for OutputFault {
    fn from(errno: Errno) -> Self {
        match errno {
            // Something was put in the place of a directory or of a file.
            Errno::LOOP | Errno::NOTDIR => Self::Link,
            errno => Self::Io(errno.into()),
        }
    }
}

/// An open working directory.
#[derive(Debug)]
pub struct WorkingDirectory<'a> {
    pub(in crate::sandbox) directory: OwnedFd,
    /// Its path, free of links.
    pub(in crate::sandbox) path: &'a Path,
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl WorkingDirectory<'_> {
    /// What patterns match. One without wildcards names a file, or a directory with everything in it; one with
    /// wildcards names files, hidden ones only where it says so with a dot. One that matches nothing is no fault.
    pub fn find<'p>(&self, patterns: impl Iterator<Item = &'p str>) -> Outputs {
        let mut found = Outputs::default();
        for pattern in patterns {
            let mut search =
                Search { directory: self, glob: None, hidden: true, left: MOST_ENTRIES, found: &mut found };
            if let Err(fault) = search.pattern(pattern) {
                found.faults.push((pattern.into(), fault));
            }
        }
        found.files.sort_unstable();
        found.files.dedup_by(|a, b| a.path == b.path);
        found.faults.sort_by(|(a, _), (b, _)| a.cmp(b));
        found.faults.dedup_by(|(a, _), (b, _)| a == b);
        found
    }

    /// Opens a file, which must be a regular one, to be read.
    ///
    /// # Errors
    /// [`OutputFault`] when it is none any more, or cannot be opened.
    pub fn open(&self, file: &OutputFile) -> Result<File, OutputFault> {
        let (Some(name), folder) = (file.real.file_name(), file.real.parent().unwrap_or(Path::new("")))
        else {
            return Err(OutputFault::Odd);
        };
        let folder = self.enter(folder)?;
        let is_regular = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile;
        // Opening a device can do something, so it is not even tried.
        if !is_regular(statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) {
            return Err(OutputFault::Odd);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = openat(&folder, name, flags, Mode::empty())?;
        match is_regular(fstat(&opened)?.st_mode) {
            true => Ok(opened.into()),
            false => Err(OutputFault::Odd),
        }
    }

    /// Opens a directory below, by a path free of links.
    fn enter(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let mut directory = openat(&self.directory, ".", DIRECTORY, Mode::empty())?;
        for name in path.components() {
            directory = openat(&directory, name.as_os_str(), DIRECTORY, Mode::empty())?;
        }
        Ok(directory)
    }

    /// What a link leads to, if that lies in the directory.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let real = self.path.join(path).canonicalize().ok()?;
        real.strip_prefix(self.path).ok().map(Path::to_owned)
    }
}

/// The search for what one pattern matches.
struct Search<'a> {
    directory: &'a WorkingDirectory<'a>,
    /// `None` when everything does.
    glob: Option<GlobMatcher>,
    /// Whether hidden files may match.
    hidden: bool,
    /// How many entries may yet be looked at.
    left: usize,
    found: &'a mut Outputs,
}

impl Search<'_> {
    fn pattern(&mut self, pattern: &str) -> Result<(), OutputFault> {
        let parts = Path::new(pattern).components().filter(|part| *part != Component::CurDir);
        let pattern: PathBuf = parts.collect();
        let fixed: PathBuf = pattern.components().take_while(|part| !is_wild(part.as_os_str())).collect();
        // Also a directory on the way may be a link.
        let Some(real) = self.directory.resolve(&fixed) else {
            // Nothing is there, or only something that leads nowhere.
            return match self.directory.path.join(&fixed).symlink_metadata() {
                Ok(_) => Err(OutputFault::Link),
                Err(_) => Ok(()),
            };
        };
        if fixed != pattern {
            let glob = GlobBuilder::new(&pattern.to_string_lossy()).literal_separator(true).build();
            self.glob = Some(glob.map_err(io::Error::other)?.compile_matcher());
            self.hidden =
                pattern.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."));
        }
        match self.directory.enter(&real) {
            Ok(_) => self.walk(real, fixed),
            Err(Errno::NOTDIR) if self.glob.is_none() => {
                self.found.files.push(OutputFile { path: fixed, real });
                Ok(())
            }
            // Nothing is below a file.
            Err(Errno::NOTDIR | Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Looks at what is in a directory and below it; `path` is what the pattern calls it. No links to directories are
    /// entered, and one directory is open at a time.
    fn walk(&mut self, real: PathBuf, path: PathBuf) -> Result<(), OutputFault> {
        let mut open = vec![(real, path, 0)];
        while let Some((real, path, depth)) = open.pop() {
            let looked = self.directory.enter(&real).map_err(OutputFault::from).and_then(|directory| {
                for name in self.names(&directory)? {
                    let (real, path) = (real.join(&name), path.join(&name));
                    let Ok(status) = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                    match FileType::from_raw_mode(status.st_mode) {
                        FileType::Directory if depth < DEEPEST => open.push((real, path, depth + 1)),
                        FileType::Directory => self.found.faults.push((path, OutputFault::Deep)),
                        kind => self.entry(kind, real, path),
                    }
                }
                Ok(())
            });
            match looked {
                Err(OutputFault::TooMany) => return Err(OutputFault::TooMany),
                Err(fault) => self.found.faults.push((path, fault)),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Takes what is no directory, if it is meant.
    fn entry(&mut self, kind: FileType, real: PathBuf, path: PathBuf) {
        match kind {
            _ if self.glob.as_ref().is_some_and(|glob| !glob.is_match(&path)) => {}
            FileType::RegularFile => self.found.files.push(OutputFile { path, real }),
            FileType::Symlink => self.link(path),
            _ => self.found.faults.push((path, OutputFault::Odd)),
        }
    }

    /// A link that matches: it counts as the file that it leads to.
    fn link(&mut self, path: PathBuf) {
        match self.directory.resolve(&path) {
            Some(real) if self.directory.path.join(&real).is_dir() => {}
            Some(real) => self.found.files.push(OutputFile { path, real }),
            None => self.found.faults.push((path, OutputFault::Link)),
        }
    }

    /// The names in a directory that may match.
    fn names(&mut self, directory: &OwnedFd) -> Result<Vec<OsString>, OutputFault> {
        let mut names = Vec::new();
        for entry in Dir::read_from(directory.as_fd())? {
            let name = entry?.file_name().to_bytes().to_vec();
            if matches!(&name[..], b"." | b"..") || !self.hidden && name.starts_with(b".") {
                continue;
            }
            self.left = self.left.checked_sub(1).ok_or(OutputFault::TooMany)?;
            names.push(OsString::from_vec(name));
        }
        Ok(names)
    }
}
