//! Reads a file without ever waiting for it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

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

/// Opens a regular file to be read, and nothing else.
pub(crate) fn open(path: &Path) -> Result<File, ReadError> {
    measured(path).map(|(file, _)| file)
}

/// The same, with its size.
fn measured(path: &Path) -> Result<(File, usize), ReadError> {
    // Without NONBLOCK, opening a FIFO waits for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NotRegular);
    }
    Ok((file, usize::try_from(metadata.len()).unwrap_or(usize::MAX)))
}

/// The content of a regular file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, ReadError> {
    let (file, size) = measured(path)?;
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
