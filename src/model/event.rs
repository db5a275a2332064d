//! What happens in a run, as reporters and the journal learn of it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::model::case::CaseInfo;
use crate::model::gauge::Gauge;
use crate::model::halt::Halt;
use crate::model::outcome::{CaseResult, FailureKind, Outcome, Standing};

/// One thing that happened. Events are the only way out of a run.
#[derive(Clone, Debug)]
pub enum TestEvent {
    /// The run begins.
    RunStarted(RunStarted),
    /// An attempt at a case begins.
    CaseStarted {
        /// Which case.
        info: Arc<CaseInfo>,
        /// Which attempt, from 1.
        attempt: u32,
        /// After how long the case counts as slow.
        slow_after: Duration,
        /// What shows how far it has come, while it runs.
        gauge: Gauge,
    },
    /// A case has its result.
    CaseFinished(Arc<CaseResult>),
    /// A signal asked the run to stop; running cases are being ended.
    Interrupted {
        /// The signal's number.
        signal: i32,
    },
    /// The run ends early by itself.
    Halted(Halt),
    /// Something that should not have happened, and that no result tells of.
    Warned {
        /// What, in one line.
        message: String,
    },
    /// The run is over.
    RunFinished(RunFinished),
}

/// What is known when a run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStarted {
    /// The run's id, unique among the runs kept.
    pub run_id: String,
    /// When, by the wall clock.
    pub started_at: SystemTime,
    /// What keeps processes from escaping.
    pub safeguards: Safeguards,
    /// How many cases have or will have a result.
    pub total: usize,
    /// How many cases may run at the same time.
    pub jobs: usize,
    /// How many of the results belong to each suite, in the order of the plan.
    pub suites: Vec<(Arc<str>, usize)>,
    /// How long it may take, from earlier runs.
    pub predicted: Option<Duration>,
    /// What the order of its cases was made from, where that is random.
    pub seed: Option<u64>,
    /// The part of a larger run that it is.
    pub shard: Option<Shard>,
    /// For how long its cases are run again and again; then the counts say nothing of how many results there will be.
    pub stress: Option<Duration>,
}

/// What is in force in a run so that no process escapes, even when the run is ended from outside. Without any of it
/// only the process group of a case is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Safeguards {
    /// Daemons of a case are found and ended with it.
    pub orphans: bool,
    /// All cases are ended should the run be killed.
    pub watchdog: bool,
    /// Signals to the run end its cases.
    pub signals: bool,
}

impl Safeguards {
    /// The names of those in force.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [(self.orphans, "orphans"), (self.watchdog, "watchdog"), (self.signals, "signals")];
        all.into_iter().filter_map(|(is_on, name)| is_on.then_some(name))
    }

    /// Those of these names; other names are passed over.
    #[must_use]
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for name in names {
            match name {
                "orphans" => found.orphans = true,
                "watchdog" => found.watchdog = true,
                "signals" => found.signals = true,
                _ => {}
            }
        }
        found
    }
}

/// What is known when a run is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFinished {
    /// How long it took.
    pub duration: Duration,
    /// The counts.
    pub stats: RunStats,
    /// The signal that ended it early, by number.
    pub signal: Option<i32>,
    /// Why it ended early by itself.
    pub halt: Option<Halt>,
}

/// How many cases came to what. Every case is counted in exactly one of the first nine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunStats {
    /// Passed at the first attempt.
    pub passed: usize,
    /// Passed after a failed attempt.
    pub flaky: usize,
    /// Failed, as was expected.
    pub expected_failures: usize,
    /// Failed.
    pub failed: usize,
    /// Not over in time.
    pub timed_out: usize,
    /// Could not be run.
    pub errored: usize,
    /// Not run, for a reason the descriptor gives.
    pub skipped: usize,
    /// Interrupted or never begun.
    pub not_run: usize,
    /// Failed in whatever way, and in quarantine.
    pub quarantined: usize,
    /// Of the errored ones: broken descriptors.
    pub broken: usize,
    /// Of the errored ones: faults of partest itself.
    pub internal: usize,
    /// Cases that left processes behind, whatever came of them.
    pub leaked: usize,
    /// Cases that were not tried again since the run had no retries left.
    pub denied_retries: usize,
}

impl RunStats {
    /// Counts one more result.
    pub fn add(&mut self, result: &CaseResult) {
        let counter = match result.standing() {
            Standing::Passed => &mut self.passed,
            Standing::Flaky => &mut self.flaky,
            Standing::ExpectedFailure => &mut self.expected_failures,
            Standing::Failed => &mut self.failed,
            Standing::TimedOut => &mut self.timed_out,
            Standing::Errored => &mut self.errored,
            Standing::Skipped => &mut self.skipped,
            Standing::Quarantined => &mut self.quarantined,
            Standing::NotRun => &mut self.not_run,
        };
        *counter += 1;
        if result.outcome == Outcome::Errored {
            let has = |kind| usize::from(result.all_failures().any(|failure| failure.kind == kind));
            self.broken += has(FailureKind::Descriptor);
            self.internal += has(FailureKind::Internal);
        }
        self.leaked += usize::from(result.has_leaked());
        self.denied_retries += usize::from(result.has_denied_retries);
    }

    /// How many results were counted.
    #[must_use]
    pub fn total(&self) -> usize {
        self.passed
            + self.flaky
            + self.expected_failures
            + self.failed
            + self.timed_out
            + self.errored
            + self.skipped
            + self.not_run
            + self.quarantined
    }

    /// How many of them break the run.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.failed + self.timed_out + self.errored
    }
}

/// The part of a larger run that this one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub number: u32,
    /// How many parts there are.
    pub of: u32,
    /// How many results all parts have together.
    pub cases: usize,
    /// A hash of the sorted ids of all parts: where it differs, they are not parts of the same run.
    pub list: String,
    /// A hash of what belongs to which part: where it differs, cases are lost, or run twice.
    pub split: String,
    /// A hash of what all cases are: of the texts that they were read from, and of `variables`. None where it is not
    /// known, as in a journal of before.
    pub definitions: Option<String>,
    /// A hash of the variables that were given from outside.
    pub variables: Option<String>,
    /// How many times each case is run.
    pub repeat: Option<NonZeroU32>,
}
