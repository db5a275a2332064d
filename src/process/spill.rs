//! The whole of a long output on disk, while memory holds its head and its tail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustix::fs::OFlags;

use crate::disk;
use crate::model::Captured;
use crate::text::redact::{Masking, Redactor};

/// Where output goes that is longer than what is captured.
#[derive(Clone, Debug)]
pub struct Spill {
    paths: Arc<Paths>,
    most: u64,
    redactor: Option<Redactor>,
}

/// The paths of both files. Hardly any process needs them.
type Paths = LazyLock<[PathBuf; 2], Box<dyn FnOnce() -> [PathBuf; 2] + Send>>;

impl Spill {
    /// Into the files for the standard output and the standard error that `paths` gives, which are made when they are
    /// needed, with so many bytes of each at most; what follows is left out, and the file says so. `redactor` masks secrets
    /// on the way.
    #[must_use]
    pub fn new(
        paths: impl FnOnce() -> [PathBuf; 2] + Send + 'static,
        most: u64,
        redactor: Option<Redactor>,
    ) -> Self {
        Self { paths: Arc::new(LazyLock::new(Box::new(paths))), most, redactor }
    }

    /// Removes the files, if there are any.
    pub fn remove(&self) {
        self.paths.iter().for_each(|path| drop(fs::remove_file(path)));
    }

    /// Writes outputs that are longer than `most` bytes, where that has not been done while they came.
    pub fn save(&self, outputs: [&Captured; 2], most: usize) {
        for (number, output) in outputs.into_iter().enumerate() {
            if output.dropped == 0 && output.head.len() + output.tail.len() > most {
                let mut stream = self.stream(number);
                stream.push(&output.head);
                stream.push(&output.tail);
                stream.finish();
            }
        }
    }

    /// Puts the files of a try aside before the next one, in place of those of the try before it.
    pub fn set_aside(&self) {
        self.paths.iter().for_each(|path| replace(path, &aside(path)));
    }

    /// Makes what was set aside the files again, in place of those there are.
    pub fn take_back(&self) {
        self.paths.iter().for_each(|path| replace(&aside(path), path));
    }

    /// Removes what was set aside.
    pub fn forget_aside(&self) {
        for path in self.paths.iter() {
            // Mostly there is none.
            let _ = fs::remove_file(aside(path));
        }
    }

    /// What one stream needs of it.
    pub(in crate::process) fn stream(&self, number: usize) -> StreamSpill {
        StreamSpill {
            paths: Arc::clone(&self.paths),
            number,
            left: self.most,
            masking: self.redactor.clone().map(Masking::new),
            file: None,
            has_begun: false,
            is_over: false,
        }
    }
}

/// The file of one stream.
#[derive(Debug)]
pub(in crate::process) struct StreamSpill {
    paths: Arc<Paths>,
    /// Which of them is its own.
    number: usize,
    left: u64,
    masking: Option<Masking>,
    /// Its file while it is open. Where descriptors are scarce it is opened for each piece.
    file: Option<File>,
    has_begun: bool,
    is_over: bool,
}

impl StreamSpill {
    /// Whether it has begun.
    pub(in crate::process) fn has_begun(&self) -> bool {
        self.has_begun || self.is_over
    }

    /// Takes the next bytes. A disk that is full ends the file, not the case.
    pub(in crate::process) fn push(&mut self, bytes: &[u8]) {
        if self.is_over {
            return;
        }
        let written = match self.masking.as_mut().map(|masking| masking.push(bytes)) {
            Some(masked) => self.write(&masked),
            None => self.write(bytes),
        };
        self.is_over |= written.is_err();
    }

    /// Writes what was held back. Nothing, if it never began.
    pub(in crate::process) fn finish(mut self) {
        if let (Some(masking), true, false) = (self.masking.take(), self.has_begun, self.is_over) {
            let _ = self.write(&masking.finish());
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let _turn = disk::look_turn();
        let path = &self.paths[self.number];
        let mut file = match self.file.take() {
            Some(file) => file,
            None if self.has_begun => {
                let flags = OFlags::NOFOLLOW.bits().cast_signed();
                File::options().append(true).custom_flags(flags).open(path)?
            }
            None => create(path)?,
        };
        self.has_begun = true;
        let fits = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        file.write_all(&bytes[..fits])?;
        self.left -= fits as u64;
        if fits < bytes.len() {
            self.is_over = true;
            file.write_all(CAPPED)?;
        }
        self.file = Some(file).filter(|_| !disk::is_scarce());
        Ok(())
    }
}

/// Where the file of an earlier try waits.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".earlier");
    name.into()
}

/// Renames a file over another, which is gone even if there is none.
fn replace(from: &Path, to: &Path) {
    if fs::rename(from, to).is_err() {
        let _ = fs::remove_file(to);
    }
}

/// The last line of a file that could not take everything.
const CAPPED: &[u8] = b"\n[... the log ends here, the output did not ...]\n";

/// A new file that only this user can read, in a folder that is made for it.
fn create(path: &Path) -> io::Result<File> {
    match (disk::private_file(path), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            disk::private_folder(folder)?;
            disk::private_file(path)
        }
        (made, _) => made,
    }
}
