//! Puts a report in its place, whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::disk;

/// A report that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the report \"{}\" cannot be written: {source}", path.display())]
pub struct JunitError {
    /// Where it should have been.
    pub path: PathBuf,
    /// Why it is not there.
    pub source: io::Error,
}

impl JunitError {
    pub(crate) fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

impl From<JunitError> for io::Error {
    fn from(error: JunitError) -> Self {
        Self::new(error.source.kind(), error)
    }
}

/// See [`super::JunitReporter::check_writable`].
pub(crate) fn check_writable(path: &Path) -> Result<(), JunitError> {
    let check = || {
        fs::create_dir_all(folder(path))?;
        match place(path)? {
            Place::Device(path) => open(&path).map(drop),
            // To ask is not enough: to root everything seems writable, `/proc` too.
            Place::Regular(path) => temporary(&path).map(drop),
        }
    };
    check().map_err(|error| JunitError::new(path, error))
}

/// Writes the report beside its place and moves it there, so that readers see the old one or the new one.
pub(crate) fn write(path: &Path, document: &[u8]) -> Result<(), JunitError> {
    let write = || {
        fs::create_dir_all(folder(path))?;
        match place(path)? {
            Place::Device(path) => open(&path)?.write_all(document),
            Place::Regular(path) => {
                let mut file = temporary(&path)?;
                file.write_all(document)?;
                file.persist(&path).map(drop).map_err(|error| error.error)
            }
        }
    };
    write().map_err(|error| JunitError::new(path, error))
}

/// Where a report goes.
enum Place {
    /// A file that is replaced; links to it stay.
    Regular(PathBuf),
    /// `/dev/null` and other devices, and what is open already, as `/dev/stdout`: they must not be replaced.
    Device(PathBuf),
}

fn place(path: &Path) -> io::Result<Place> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::Regular(target(path))),
        Err(error) => return Err(error),
    };
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")),
        () if kind.is_char_device() || is_descriptor(path) => Ok(Place::Device(path.to_owned())),
        () if kind.is_file() => Ok(Place::Regular(path.canonicalize()?)),
        () => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

/// What a link to nothing leads to; another path as it stands.
fn target(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many links as the kernel follows. More of them are no dangling link, but a loop.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = folder(&path).join(target),
            Err(_) => break,
        }
    }
    path
}

/// Whether this names something that is open already, of whatever kind: standard output, or the pipe that a shell
/// makes of `>(…)`.
pub(super) fn is_descriptor(path: &Path) -> bool {
    let names = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"];
    names.into_iter().any(|name| path.starts_with(name))
}

/// Opens what must not be replaced. Its end is written to: where standard output is a file, that already has lines.
fn open(path: &Path) -> io::Result<File> {
    File::options().append(true).open(path)
}

/// The folder of a file; the working directory for a bare name.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file in the same folder, with the permissions that the umask leaves of 0666, and at least those of its owner.
fn temporary(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let file = tempfile::Builder::new()
        .prefix(".partest-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder(path))?;
    disk::let_owner(file.path(), 0o600)?;
    Ok(file)
}
