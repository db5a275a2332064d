//! What a check looks at: the bytes of a stream or of a file.

use std::borrow::Cow;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::assertion::large::Large;
use crate::model::{Captured, ExitStatus, Fact};

/// The largest file that is read as a whole, in bytes; of a larger one only what can be told while it is read.
pub(crate) const LARGEST_FILE: u64 = 16 << 20;

/// The content to be tested, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) enum Reading<'a> {
    /// Nothing was seen of the subject.
    None,
    /// How a process ended.
    Ended(ExitStatus),
    /// Every byte of a stream.
    Stream(Cow<'a, [u8]>),
    /// A stream whose middle was left out.
    Cut(&'a Captured),
    /// Every byte of a file.
    File(Arc<[u8]>),
    /// A file that is too large to be read as a whole.
    Large(Arc<Large>),
    /// A value within JSON, with its text: that of a string, else the JSON.
    Value(&'a serde_json::Value, Cow<'a, [u8]>),
    /// A content that was normalized.
    Normalized(String),
    /// There is no such file.
    Missing,
    /// There is something of that name, but its content cannot be compared, for this reason.
    Unreadable(String),
    /// Whether there is something of that name cannot be told, for this reason.
    Hidden(String),
}

impl<'a> Reading<'a> {
    pub(crate) fn of_fact(fact: Option<&'a Fact>) -> Self {
        match fact {
            None => Self::None,
            Some(Fact::Ended(status)) => Self::Ended(*status),
            Some(Fact::Content(captured)) => captured.whole().map_or(Self::Cut(captured), Self::Stream),
            Some(Fact::Value(value)) => Self::of_value(value),
            // Whoever knows the directory reads it.
            Some(Fact::File(_)) => Self::None,
            Some(Fact::Missing) => Self::Missing,
            Some(Fact::Unreadable(reason)) => Self::Unreadable(reason.clone()),
        }
    }

    pub(crate) fn of_value(value: &'a serde_json::Value) -> Self {
        let text = match value {
            serde_json::Value::String(text) => Cow::Borrowed(text.as_bytes()),
            other => Cow::Owned(other.to_string().into_bytes()),
        };
        Self::Value(value, text)
    }
}

/// The files below a directory; the one read last is kept, since a descriptor often tests one in several ways.
pub(crate) struct Files<'a> {
    directory: &'a Path,
    last: Option<(PathBuf, Reading<'static>)>,
}

impl<'a> Files<'a> {
    pub(crate) fn new(directory: &'a Path) -> Self {
        Self { directory, last: None }
    }

    pub(crate) fn read(&mut self, path: &str) -> Reading<'static> {
        let path = self.directory.join(path);
        if let Some((last, reading)) = &self.last
            && *last == path
        {
            return reading.clone();
        }
        let reading = read(&path);
        self.last = Some((path, reading.clone()));
        reading
    }
}

/// Opens a regular file; of anything else, what it is. Neither a pipe without a writer nor a terminal can make it
/// wait.
pub(crate) fn open(path: &Path) -> io::Result<Result<(File, Metadata), String>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "no regular file" };
        return Ok(Err(format!("it is {what}")));
    }
    Ok(Ok((file, metadata)))
}

/// Reads a regular file, unless it is too large for that.
pub(crate) fn read(path: &Path) -> Reading<'static> {
    match look(path) {
        Ok(reading) => reading,
        Err(error) if leads_nowhere(&error) => Reading::Missing,
        Err(error) if fs::metadata(path).is_err() => Reading::Hidden(error.to_string()),
        Err(error) => Reading::Unreadable(error.to_string()),
    }
}

/// Whether a path that fails so leads to nothing at all, such as one of links in a circle.
pub(crate) fn leads_nowhere(error: &io::Error) -> bool {
    let none = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::NAMETOOLONG];
    Errno::from_io_error(error).is_some_and(|error| none.contains(&error))
}

fn look(path: &Path) -> io::Result<Reading<'static>> {
    let (file, metadata) = match open(path)? {
        Ok(opened) => opened,
        Err(reason) => return Ok(Reading::Unreadable(reason)),
    };
    let mut length = metadata.len();
    if length <= LARGEST_FILE {
        let mut bytes = Vec::new();
        // One byte more tells a file that has grown since.
        (&file).take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= LARGEST_FILE {
            return Ok(Reading::File(bytes.into()));
        }
        length = file.metadata()?.len();
        if length <= LARGEST_FILE {
            let message = format!("it has more than {LARGEST_FILE} bytes, and does not say how many");
            return Ok(Reading::Unreadable(message));
        }
    }
    Ok(Reading::Large(Arc::new(Large::new(file, length))))
}

/// What a file holds that is not too large to be read as a whole, or why it cannot be read.
pub(crate) fn read_file(path: &Path) -> Result<Arc<[u8]>, String> {
    match read(path) {
        Reading::File(bytes) => Ok(bytes),
        Reading::Large(large) => {
            let length = large.length();
            Err(format!("it has {length} bytes, and no more than {LARGEST_FILE} are compared"))
        }
        Reading::Unreadable(reason) | Reading::Hidden(reason) => Err(reason),
        _ => Err("there is no such file".to_owned()),
    }
}
