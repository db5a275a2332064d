//! Reads a file without ever waiting for it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::descriptor::SIZE_LIMIT;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The system refused.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// It is a folder, a FIFO, a socket or a device.
    #[error("not a regular file")]
    NotRegular,
    /// It is larger than any descriptor may be.
    #[error("the file is larger than {} MiB", SIZE_LIMIT >> 20)]
    TooLarge,
}

/// The content of a regular file of at most [`SIZE_LIMIT`] bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    // Without NONBLOCK, opening a FIFO waits for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NotRegular);
    }
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if size > SIZE_LIMIT {
        return Err(ReadError::TooLarge);
    }
    let mut bytes = vec![0; size];
    // One call for a file that stays as it is. One that grows meanwhile is read as far as it was written; files of
    // `/proc`, which tell no size, to their end.
    match size {
        0 => drop(file.take(SIZE_LIMIT as u64 + 1).read_to_end(&mut bytes)?),
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
    if bytes.len() > SIZE_LIMIT { Err(ReadError::TooLarge) } else { Ok(bytes) }
}
