//! What a run's end says to the shell.

use crate::model::{Halt, RunFinished};

/// The exit codes of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Every case passed, was skipped or failed as expected.
    Success,
    /// Some case failed or was left without a verdict, or the run took longer than it may.
    Failed,
    /// The usage was wrong, or a descriptor is broken.
    Usage,
    /// partest itself failed: a report could not be written, a worker panicked.
    Internal,
    /// Nothing matched.
    NothingMatched,
    /// A signal of this number ended the run.
    Signal(i32),
}

impl ExitStatus {
    /// What a finished run comes to; `reports_failed` says that some report is not what it should be.
    #[must_use]
    pub fn of(finished: &RunFinished, reports_failed: bool) -> Self {
        let stats = &finished.stats;
        match finished.signal {
            Some(signal) => Self::Signal(signal),
            None if reports_failed || stats.internal > 0 => Self::Internal,
            None if stats.broken > 0 => Self::Usage,
            None if stats.failures() + stats.not_run > 0 => Self::Failed,
            None if matches!(finished.halt, Some(Halt::Timeout(_))) => Self::Failed,
            None if stats.total() == 0 => Self::NothingMatched,
            None => Self::Success,
        }
    }

    /// The number: 0 success, 1 failures, 2 usage or broken descriptors, 3 partest itself, 4 nothing matched,
    /// 128 + n ended by signal n.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Internal => 3,
            Self::NothingMatched => 4,
            Self::Signal(number) => 128_u8.saturating_add(u8::try_from(number).unwrap_or(u8::MAX)),
        }
    }
}
