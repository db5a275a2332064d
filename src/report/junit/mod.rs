//! JUnit XML, written when the run is over, by the crate `junit-report` and one pass over what it renders.
//!
//! The crate knows suites, cases, one outcome each and outputs. It cleans nothing, so every string is cleaned
//! before it gets it; what it has no words for (`line`, `skipped` counts, wall time, properties, retries) is
//! added afterwards by [`annotate`]. What readers of such files expect differs; in short:
//!
//! - `classname` is the suite, `folder/file`, and `name` the case. Jenkins splits `classname` at its last dot
//!   into package and class; `/` is kept all the same, since every other reader shows the suite as it stands
//!   and a path with dots in place of slashes could not be found again.
//! - Retries are no cases of their own (GitLab drops the second of a name, Jenkins counts both) but the
//!   elements `flakyFailure` and `rerunFailure` of Maven Surefire's schema.
//! - Carriage returns are written as they stand; XML makes line feeds of them. A reference would keep them, but
//!   not every reader knows it (quick-junit 0.8 refuses the file).
//! - `classname.name` is unique, since GitLab shows only the first of a name: where two cases come to the same one, their
//!   place is added to the second.
//! - A file is named by a line `[[ATTACHMENT|path]]`, which only partest itself can write.
//! - The first line of a failure is its `message`; all of it stands in the element, after `file:line:`.

mod annotate;
mod case;
mod copies;
mod document;
mod file;
mod limits;
mod output;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::model::{CaseResult, Outcome, TestEvent};
use crate::report::junit::case::Record;
use crate::report::junit::copies::{Copies, Place};
use crate::report::junit::document::Run;
use crate::report::junit::limits::Limits;
use crate::report::{Reporter, joined};

pub use file::JunitError;

/// What a JUnit file says beyond the results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JunitOptions {
    /// The name of the whole, at the root.
    pub name: String,
    /// The name of the machine; its own when `None`.
    pub hostname: Option<String>,
}

impl Default for JunitOptions {
    fn default() -> Self {
        Self { name: "partest".to_owned(), hostname: None }
    }
}

/// Collects the results and writes them as JUnit XML when the run is over.
#[derive(Debug)]
pub struct JunitReporter {
    paths: Vec<PathBuf>,
    options: JunitOptions,
    started_at: SystemTime,
    safeguards: String,
    records: Vec<Record>,
    /// What came of the copies of cases, where nobody knows how many there will be.
    copies: Option<Copies>,
    /// When the first case of each suite began, and when the last one ended.
    spans: HashMap<Arc<str>, (SystemTime, SystemTime)>,
    /// How many bytes of text the records hold.
    kept: usize,
    /// How many there is room for.
    room: usize,
}

impl JunitReporter {
    /// A reporter that writes the same report to each of the paths.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>, options: JunitOptions) -> Self {
        Self {
            paths,
            options,
            started_at: SystemTime::UNIX_EPOCH,
            safeguards: String::new(),
            records: Vec::new(),
            copies: None,
            spans: HashMap::new(),
            kept: 0,
            room: limits::room(0),
        }
    }

    /// Takes note of a result. Of the copies of a stress run one is kept for each case.
    fn add(&mut self, result: &CaseResult) {
        self.note_span(result);
        let place =
            self.copies.as_mut().map_or(Place::New, |copies| copies.place(result, self.records.len()));
        let has_passed = result.outcome == Outcome::Passed && result.expected_failure.is_none();
        let record = || Record::new(result, Limits::at(self.kept, self.room, has_passed));
        match place {
            Place::None => {}
            Place::New => {
                let record = record();
                self.kept += record.size();
                self.records.push(record);
            }
            Place::Of(index) => {
                let record = record();
                self.kept += record.size();
                let before = std::mem::replace(&mut self.records[index], record);
                self.kept -= before.size();
            }
        }
    }

    /// Takes note of when a case ran, of which nothing else may be kept.
    fn note_span(&mut self, result: &CaseResult) {
        let (Some(first), Some(last)) = (result.attempts.first(), result.attempts.last()) else { return };
        let (began, ended) =
            (first.started_at, last.started_at.checked_add(last.duration).unwrap_or(last.started_at));
        let span = self.spans.entry(Arc::clone(&result.info.suite)).or_insert((began, ended));
        *span = (span.0.min(began), span.1.max(ended));
    }

    /// Makes sure before a run that its report can be written: creates missing parent folders and tries the
    /// folder. An existing report is left as it is.
    ///
    /// # Errors
    /// [`JunitError`] when there is a folder of that name, or the place is not writable.
    pub fn check_writable(path: &Path) -> Result<(), JunitError> {
        file::check_writable(path)
    }

    /// Whether a path names something that is open already, as `/dev/stdout` does, so that it has other writers.
    #[must_use]
    pub fn is_shared(path: &Path) -> bool {
        file::is_descriptor(path)
    }

    /// Writes the report. Every path is tried, the first error is returned.
    fn write(&mut self, duration: Duration) -> Result<(), JunitError> {
        let run = Run {
            options: &self.options,
            started_at: self.started_at,
            duration,
            spans: &self.spans,
            safeguards: &self.safeguards,
        };
        if let Some(copies) = &self.copies {
            copies.tell(&mut self.records);
        }
        let document = document::render(&run, &mut self.records);
        let mut result = Ok(());
        for path in &self.paths {
            let written = match &document {
                Ok(document) => file::write(path, document),
                Err(reason) => Err(JunitError::new(path, io::Error::other(reason.clone()))),
            };
            result = result.and(written);
        }
        result
    }
}

impl Reporter for JunitReporter {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        match event {
            TestEvent::RunStarted(started) => {
                self.started_at = started.started_at;
                self.safeguards = joined(started.safeguards);
                self.records = Vec::with_capacity(started.total);
                self.copies = started.stress.map(|_| Copies::default());
                self.spans.clear();
                self.kept = 0;
                self.room = limits::room(started.total);
                Ok(())
            }
            TestEvent::CaseFinished(result) => {
                self.add(result);
                Ok(())
            }
            TestEvent::RunFinished(finished) => self.write(finished.duration).map_err(io::Error::from),
            TestEvent::CaseStarted { .. }
            | TestEvent::Interrupted { .. }
            | TestEvent::Halted(_)
            | TestEvent::Warned { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
