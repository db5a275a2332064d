//! A long output on disk, while memory holds its head and its tail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
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
    /// At least one.
    most: u64,
    redactor: Option<Redactor>,
}

/// The paths of both files. Hardly any process needs them.
type Paths = LazyLock<[PathBuf; 2], Box<dyn FnOnce() -> [PathBuf; 2] + Send>>;

impl Spill {
    /// Into the files for the standard output and the standard error that `paths` gives, which are made when they are
    /// needed. Of each, `most` bytes are written as they come; of what follows, what memory still holds when the stream is
    /// over is added then, and the file says how much is left out before it. `redactor` masks secrets on the way.
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
                let taken = stream.push(&output.head);
                stream.finish(0, [&output.head[taken..], &output.tail]);
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
            fault: None,
        }
    }
}

/// The file of one stream.
#[derive(Debug)]
pub(in crate::process) struct StreamSpill {
    paths: Arc<Paths>,
    /// Which of them is its own.
    number: usize,
    /// How many more bytes it takes as they come.
    left: u64,
    masking: Option<Masking>,
    /// Its file while it is open. Where descriptors are scarce it is opened for each piece.
    file: Option<File>,
    has_begun: bool,
    /// Why nothing more can be written.
    fault: Option<io::Error>,
}

impl StreamSpill {
    /// Whether it has begun.
    pub(in crate::process) fn has_begun(&self) -> bool {
        self.has_begun || self.fault.is_some()
    }

    /// Whether it takes no more before the stream is over.
    pub(in crate::process) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// Takes the next bytes, and says how many of them: it may get full. A disk that is full ends the file, not the case.
    pub(in crate::process) fn push(&mut self, bytes: &[u8]) -> usize {
        let fits = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.left -= fits as u64;
        let bytes = &bytes[..fits];
        if fits > 0 && self.fault.is_none() {
            let written = match self.masking.as_mut().map(|masking| masking.push(bytes)) {
                Some(masked) => self.write(&masked),
                None => self.write(bytes),
            };
            self.fault = written.err();
        }
        fits
    }

    /// Takes the last bytes, before which so many are missing. Does nothing if it never began.
    pub(in crate::process) fn finish(mut self, missing: u64, last: [&[u8]; 2]) {
        if !self.has_begun {
            return;
        }
        if self.fault.is_none() {
            self.fault = self.write_last(missing, last).err();
        }
        if let Some(fault) = &self.fault
            && self.break_off(fault).is_err()
        {
            // There is not even room to say so.
            let _ = fs::remove_file(&self.paths[self.number]);
        }
    }

    /// Says at the end of the file, in place of its last bytes, why it is not whole: there may be no room for more.
    fn break_off(&self, fault: &io::Error) -> io::Result<()> {
        let flags = OFlags::NOFOLLOW.bits().cast_signed();
        let file = File::options().write(true).custom_flags(flags).open(&self.paths[self.number])?;
        let mark = format!("\n[... the log breaks off here: {fault} ...]\n");
        let place = file.metadata()?.len().checked_sub(mark.len() as u64);
        file.write_all_at(mark.as_bytes(), place.ok_or(io::ErrorKind::StorageFull)?)
    }

    fn write_last(&mut self, missing: u64, last: [&[u8]; 2]) -> io::Result<()> {
        let gap = if missing > 0 {
            format!("\n[... {missing} bytes are left out here ...]\n")
        } else {
            String::new()
        };
        let Some(mut masking) = self.masking.take() else {
            return [gap.as_bytes(), last[0], last[1]].iter().try_for_each(|bytes| self.write(bytes));
        };
        if missing == 0 {
            self.write(&masking.push(&last.concat()))?;
            return self.write(&masking.finish());
        }
        let (before, after) = masking.finish_around_gap(&last.concat());
        self.write(&[&before, gap.as_bytes(), &after].concat())
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
        file.write_all(bytes)?;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Spill;
    use crate::model::Captured;

    #[test]
    fn a_file_that_is_there_already_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let foreign = "of somebody else ".repeat(20);
        fs::write(&path, &foreign).expect("written");
        let paths = [path.clone(), folder.path().join("err")];
        let output = Captured { head: vec![b'x'; 1000], tail: Vec::new(), dropped: 0 };
        let nothing = Captured { head: Vec::new(), tail: Vec::new(), dropped: 0 };
        Spill::new(move || paths, 1 << 20, None).save([&output, &nothing], 10);
        assert_eq!(fs::read_to_string(path).expect("there"), foreign);
    }
}
