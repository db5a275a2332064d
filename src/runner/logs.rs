//! The whole output of what did not pass, in files.
//!
//! Output that fits into memory is written when it is known that the attempt did not pass; longer output goes to its
//! file while it comes, and the file is removed if the attempt passes. Of a very long one the file has the beginning and
//! the end.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::disk;
use crate::model::{Attempt, Captured, CaseId, Outcome};
use crate::process::Spill;
use crate::text::redact::Redactor;

/// How many bytes go to a file while they come. Of what follows it gets the end, as much of it as is kept in memory.
const FIRST: u64 = 16 << 20;

/// The most characters of an id in the name of a file.
const NAME: usize = 80;

/// The folder for the files of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogFolder {
    /// Its absolute path; it is made when the first file is.
    pub(super) path: PathBuf,
    /// What reports call it.
    pub(super) shown: PathBuf,
}

impl LogFolder {
    /// Where the output of a step goes that is too long for memory. Steps count from 1.
    pub(super) fn spill(&self, id: &CaseId, attempt: u32, step: usize, redactor: Option<&Redactor>) -> Spill {
        let (folder, id) = (self.path.clone(), id.clone());
        let paths =
            move || ["out", "err"].map(|stream| folder.join(name(id.as_str(), attempt, step, stream)));
        Spill::new(paths, FIRST, redactor.cloned())
    }

    /// Where the output of a service goes that is too long for memory, and what reports call the files. `number` is
    /// another one for each process.
    pub(super) fn of_service(
        &self,
        id: &str,
        number: &str,
        redactor: Option<&Redactor>,
    ) -> (Spill, [String; 2]) {
        let names = ["out", "err"].map(|stream| format!("{}.{number}.{stream}", file_name(id)));
        let shown = names.each_ref().map(|name| self.shown.join(name).to_string_lossy().into_owned());
        let paths = names.map(|name| self.path.join(name));
        (Spill::new(|| paths, FIRST, redactor.cloned()), shown)
    }

    /// Writes or removes the files of an attempt, whose outputs are masked already; gives the names of those there are.
    pub(super) fn keep(&self, id: &CaseId, attempt: &Attempt) -> Vec<String> {
        let is_kept = matches!(attempt.outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Errored);
        let mut kept = Vec::new();
        for step in &attempt.steps {
            let number = step.step.map_or(1, |step| step.number);
            for (stream, captured) in [("out", &step.stdout), ("err", &step.stderr)] {
                if captured.dropped == 0 && (!is_kept || captured.written() == 0) {
                    continue;
                }
                let name = name(id.as_str(), attempt.number, number, stream);
                let path = self.path.join(&name);
                let is_there = match captured.dropped {
                    0 => self.write(&path, captured).is_ok(),
                    _ => path.exists(),
                };
                if !is_kept {
                    let _ = fs::remove_file(&path);
                } else if is_there {
                    kept.push(self.shown.join(&name).to_string_lossy().into_owned());
                }
            }
        }
        kept
    }

    fn write(&self, path: &Path, captured: &Captured) -> io::Result<()> {
        disk::private_folder(&self.path)?;
        let mut file = disk::private_file(path)?;
        file.write_all(&captured.head)?;
        file.write_all(&captured.tail)
    }
}

/// The same for a stream of a step.
fn name(id: &str, attempt: u32, step: usize, stream: &str) -> String {
    format!("{}.{attempt}.{step}.{stream}", file_name(id))
}

/// A name that is safe as a file's and the same for no other id: letters, digits and dashes of it, and a number made
/// of all of it.
pub(super) fn file_name(id: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' };
    let readable: String = id.chars().take(NAME).map(safe).collect();
    let readable = readable.trim_start_matches(['.', '-']);
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    format!("{readable}-{:016x}", hasher.finish())
}
