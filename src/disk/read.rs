//! Reads a file without ever waiting for it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The system refused.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// It is a folder, a FIFO, a socket or a device.
    #[error("not a regular file")]
    NotRegular,
    /// It is larger than it may be.
    #[error("the file is larger than {} MiB", .limit >> 20)]
    TooLarge {
        /// What it may have, in bytes.
        limit: usize,
    },
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            other => Self::other(other.to_string()),
        }
    }
}

/// Whether a path, with the links on its way, leads out of all of these folders. One that leads to nothing does not.
pub(crate) fn leads_out(path: &Path, folders: &[&Path]) -> bool {
    let is_in =
        |path: &Path, folder: &&Path| folder.canonicalize().is_ok_and(|folder| path.starts_with(folder));
    path.canonicalize().is_ok_and(|path| !folders.iter().any(|folder| is_in(&path, folder)))
}

/// A folder whose files are read: each is found by its name alone, however deep the folder lies.
#[derive(Debug)]
pub(crate) struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// The content of a regular file of it of at most `limit` bytes.
    pub(crate) fn read(&self, name: &OsStr, limit: usize) -> Result<Vec<u8>, ReadError> {
        content(measured(self.0.as_fd(), Path::new(name))?, limit)
    }
}

/// Opens a regular file to be read, and nothing else.
pub(crate) fn open(path: &Path) -> Result<File, ReadError> {
    measured(CWD, path).map(|(file, _)| file)
}

/// The content of a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, ReadError> {
    content(measured(CWD, path)?, limit)
}

/// Opens a regular file to be read, and finds its size.
fn measured(folder: BorrowedFd<'_>, path: &Path) -> Result<(File, usize), ReadError> {
    // Without NONBLOCK, opening a FIFO waits for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(openat(folder, path, flags, Mode::empty()).map_err(io::Error::from)?);
    let found = fstat(&file).map_err(io::Error::from)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(ReadError::NotRegular);
    }
    Ok((file, usize::try_from(found.st_size).unwrap_or(usize::MAX)))
}

fn content((file, size): (File, usize), limit: usize) -> Result<Vec<u8>, ReadError> {
    if size > limit {
        return Err(ReadError::TooLarge { limit });
    }
    let mut bytes = vec![0; size];
    // One call for a file that stays as it is. One that grows meanwhile is read as far as it was written; files of
    // `/proc`, which tell no size, to their end.
    match size {
        0 => drop(file.take(limit as u64 + 1).read_to_end(&mut bytes)?),
        _ => {
            let mut length = 0;
            while length < size {
                match (&file).read(&mut bytes[length..]) {
                    Ok(0) => break,
                    Ok(count) => length += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
            bytes.truncate(length);
        }
    }
    if bytes.len() > limit { Err(ReadError::TooLarge { limit }) } else { Ok(bytes) }
}
