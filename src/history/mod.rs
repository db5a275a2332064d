//! What came of cases in earlier runs: one SQLite file, `.partest/history.db`.
//!
//! Entry points: [`Recorder`] takes note of a run's events, and [`History`] keeps and tells them. The history is a
//! convenience: a file that is damaged is set aside, one that cannot be used is a warning, and no run ever fails for
//! it. Each use opens the file, does its work in one transaction and closes it, so that several runs can share it.

mod prune;
mod read;
mod record;
mod revision;
mod store;
mod tree;

pub use read::{CaseRun, Flaky, RecordedRun};
pub use record::Recorder;
pub use store::{History, HistoryError};

#[cfg(test)]
mod tests;
