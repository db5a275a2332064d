//! Files that an attempt has left and that its case keeps: copied beside the reports before the private directory goes.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use crate::disk;
use crate::model::{CaseId, KeepWhen, KeptFiles, Outcome, OutputFiles, TestCase};
use crate::runner::logs::file_name;
use crate::sandbox::{OutputFault, OutputFile, WorkingDirectory, Workspace};
use crate::text::redact::{Masking, Redactor};

/// The most bytes of a file.
const LARGEST: u64 = 64 << 20;

/// The most bytes of all files of an attempt.
const ALL: u64 = 256 << 20;

/// The most files of an attempt.
const MOST: usize = 1000;

/// How many reasons are told of an attempt.
const REASONS: usize = 20;

/// How many bytes are read at a time.
const CHUNK: usize = 64 << 10;

/// The folder for the files that the cases of a run keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutputFolder {
    /// Its absolute path; it is made when the first file is.
    pub(super) path: PathBuf,
    /// What reports call it.
    pub(super) shown: PathBuf,
}

/// An attempt whose files are looked for.
pub(super) struct Left<'a> {
    pub(super) case: &'a TestCase,
    pub(super) number: u32,
    pub(super) outcome: &'a Outcome,
    pub(super) workspace: &'a Workspace,
    /// What masks its secrets.
    pub(super) redactor: Option<&'a Redactor>,
}

impl OutputFolder {
    /// Copies what the case keeps of an attempt, of which nothing runs any more.
    pub(super) fn keep(&self, left: &Left<'_>) -> KeptFiles {
        let has_failed = matches!(left.outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Errored);
        let is_wanted = |files: &&OutputFiles| files.when == KeepWhen::Always || has_failed;
        let mut patterns =
            left.case.outputs.iter().filter(is_wanted).map(|files| files.pattern.as_str()).peekable();
        let mut keeping = Keeping::new(left, self.of_attempt(&left.case.info.id, left.number));
        if patterns.peek().is_some() {
            match left.workspace.open_work() {
                Ok(work) => keeping.all(&work, patterns),
                // The case has removed it, and with it what there was to keep.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => keeping.refuse(Path::new("the working directory"), &error.to_string()),
            }
        }
        keeping.kept()
    }

    /// The folder of an attempt, and what reports call it.
    fn of_attempt(&self, id: &CaseId, number: u32) -> [PathBuf; 2] {
        let name = format!("{}.{number}", file_name(id.as_str()));
        [self.path.join(&name), self.shown.join(&name)]
    }
}

/// Why a file is not kept.
#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("it has {size} bytes, and no file of more than {} MiB is kept", LARGEST >> 20)]
    TooLarge { size: u64 },
    #[error("all files of an attempt together may have {} MiB", ALL >> 20)]
    TooMuch,
    #[error("it cannot be copied: {0}")]
    Copy(#[from] io::Error),
    #[error(transparent)]
    Fault(#[from] OutputFault),
}

/// The files of one attempt.
struct Keeping<'a> {
    redactor: Option<&'a Redactor>,
    folder: PathBuf,
    shown: PathBuf,
    /// How many bytes may yet be kept.
    left: u64,
    files: Vec<String>,
    reasons: Vec<String>,
    /// How many more files are not kept.
    untold: usize,
}

impl<'a> Keeping<'a> {
    fn new(left: &Left<'a>, [folder, shown]: [PathBuf; 2]) -> Self {
        let redactor = left.redactor;
        Self { redactor, folder, shown, left: ALL, files: Vec::new(), reasons: Vec::new(), untold: 0 }
    }

    fn all<'p>(&mut self, work: &WorkingDirectory<'_>, patterns: impl Iterator<Item = &'p str>) {
        let found = work.find(patterns);
        for (path, fault) in &found.faults {
            self.refuse(path, &fault.to_string());
        }
        for (index, file) in found.files.iter().enumerate() {
            if index >= MOST {
                let more = found.files.len() - MOST;
                self.reasons.push(format!("{more} more files: no more than {MOST} of an attempt are kept"));
                break;
            }
            match self.file(work, file) {
                Ok(place) => self.files.push(self.shown.join(place).to_string_lossy().into_owned()),
                Err(reason) => self.refuse(&file.path, &reason.to_string()),
            }
        }
    }

    /// Copies a file; gives its place in the folder.
    fn file(&mut self, work: &WorkingDirectory<'_>, file: &OutputFile) -> Result<PathBuf, Reason> {
        let source = work.open(file)?;
        let size = source.metadata()?.len();
        if size > LARGEST {
            return Err(Reason::TooLarge { size });
        }
        let Some(left) = self.left.checked_sub(size) else { return Err(Reason::TooMuch) };
        let (mut target, place) = self.create(&safe(&file.path, self.redactor))?;
        // No more than there was, should it still grow.
        copy(source.take(size), &mut target, self.redactor)?;
        self.left = left;
        Ok(place)
    }

    /// Makes a file that is not there yet, under this name or one much like it.
    fn create(&self, place: &Path) -> io::Result<(File, PathBuf)> {
        let parent = self.folder.join(place.parent().unwrap_or(Path::new("")));
        disk::private_folder(&parent)?;
        let mut place = place.to_owned();
        for number in 2.. {
            match disk::private_file(&self.folder.join(&place)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let name = name.strip_suffix(&format!("-{}", number - 1)).unwrap_or(&name);
                    place.set_file_name(format!("{name}-{number}"));
                }
                target => return target.map(|target| (target, place)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Notes that something is not kept.
    fn refuse(&mut self, path: &Path, reason: &str) {
        if self.reasons.len() >= REASONS {
            self.untold += 1;
            return;
        }
        let mut text = format!("{}: {reason}", path.display());
        self.redactor.iter().for_each(|redactor| redactor.excerpts(&mut text));
        self.reasons.push(text);
    }

    fn kept(self) -> KeptFiles {
        let untold = (self.untold > 0).then(|| format!("and {} more", self.untold));
        KeptFiles { files: self.files, left_out: self.reasons.into_iter().chain(untold).collect() }
    }
}

/// Copies the bytes, with every secret masked.
fn copy(mut source: impl io::Read, target: &mut File, redactor: Option<&Redactor>) -> io::Result<()> {
    let Some(redactor) = redactor else { return io::copy(&mut source, target).map(drop) };
    let mut masking = Masking::new(redactor.clone());
    let mut chunk = vec![0; CHUNK];
    loop {
        match source.read(&mut chunk)? {
            0 => return target.write_all(&masking.finish()),
            length => target.write_all(&masking.push(&chunk[..length]))?,
        }
    }
}

/// The path with what not every system takes as a name, and what would end an attachment's line in a report, replaced;
/// and without secrets.
fn safe(path: &Path, redactor: Option<&Redactor>) -> PathBuf {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.as_encoded_bytes()),
        _ => None,
    });
    let name = |name: &[u8]| -> String {
        let masked = redactor.map_or(name.into(), |redactor| redactor.bytes(name));
        let text = String::from_utf8_lossy(&masked);
        text.chars().map(|c| if is_safe(c) { c } else { '_' }).collect()
    };
    names.map(name).collect()
}

fn is_safe(c: char) -> bool {
    c.is_alphanumeric() || c.is_ascii_punctuation() && !"\"<>|*?:\\[]'`$&;".contains(c) || c == ' '
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    use super::safe;
    use crate::text::redact::Redactor;

    #[test]
    fn names_are_safe_for_reports_and_other_systems() {
        let redactor = Redactor::new(["hunter22"]).expect("small");
        for (path, expected) in [
            (&b"a/b c.txt"[..], "a/b c.txt"),
            (b"gr\xc3\xbc\xc3\x9fe/\xff\n.log", "grüße/__.log"),
            (b"a]]|[x/..hidden/-f", "a____x/..hidden/-f"),
            (b"x-hunter22/hunter22.txt", "x-___/___.txt"),
            ("a\u{202e}b\u{7f}".as_bytes(), "a_b_"),
        ] {
            let path = Path::new(OsStr::from_bytes(path));
            assert_eq!(safe(path, redactor.as_ref()), Path::new(expected));
        }
    }
}
