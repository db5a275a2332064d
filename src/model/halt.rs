//! Why a run ends early by itself.

use std::fmt;
use std::time::Duration;

use crate::time::format_duration;

/// Why a run ends early, other than by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// This many cases have failed, which is the most that was allowed; those that ran came to their end.
    Failures(usize),
    /// It took as long as it may take; those that ran were interrupted.
    Timeout(Duration),
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(1) => f.write_str("the run was ended after the first failure"),
            Self::Failures(count) => write!(f, "the run was ended after {count} failures"),
            Self::Timeout(limit) => {
                write!(f, "the run was ended after {}, its time limit", format_duration(*limit))
            }
        }
    }
}
