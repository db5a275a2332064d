//! What came of a case.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::model::case::{CaseId, CaseInfo};
use crate::model::golden::UpdatedGolden;
use crate::model::halt::Halt;
use crate::model::leniency::Quarantine;
use crate::model::observation::{Captured, ExitStatus};
use crate::model::position::Position;

/// What came of an attempt or of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every expectation held.
    Passed,
    /// An expectation did not hold.
    Failed,
    /// It was not over in time.
    TimedOut,
    /// partest could not run it: a broken descriptor, a program that does not start, an internal error.
    Errored,
    /// It did not run, or not to its end.
    Skipped(Skip),
}

/// Why a case has no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The descriptor says so, with this reason.
    Declared(String),
    /// A program it requires does not exist.
    Missing(String),
    /// A case that it runs after has not passed.
    After(CaseId),
    /// It was running when the run was interrupted.
    Interrupted,
    /// The run ended before it could start.
    NotRun,
    /// The run ended by itself before it could start.
    Halted(Halt),
}

impl Skip {
    /// The reason in words, as every report shows it.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Declared(reason) => reason.clone(),
            Self::Missing(program) if program.contains('/') => {
                format!("requires the program \"{program}\", and there is no file that can be executed")
            }
            Self::Missing(program) => format!("requires the program \"{program}\", which was not found"),
            Self::After(before) => format!("runs after {before}, which has not passed"),
            Self::Interrupted => "interrupted: the run was stopped while this case ran".to_owned(),
            Self::NotRun => "not run: the run was stopped before this case could start".to_owned(),
            Self::Halted(halt) => format!("not run: {halt}"),
        }
    }
}

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind, JUnit's `type`.
    pub kind: FailureKind,
    /// The place in the descriptor that asked for it.
    pub position: Position,
    /// Which step it belongs to, in a case of several.
    pub step: Option<StepNumber>,
    /// What is wrong, in one line.
    pub message: String,
    /// The rest, over several lines: a diff, a source line with a caret. May be empty.
    pub detail: String,
}

impl Failure {
    /// A failure with a message of one line, of no step in particular.
    #[must_use]
    pub fn new(kind: FailureKind, position: Position, message: String) -> Self {
        Self { kind, position, step: None, message, detail: String::new() }
    }

    /// The message, after the step it belongs to.
    #[must_use]
    pub fn headline(&self) -> Cow<'_, str> {
        match self.step {
            Some(step) => Cow::Owned(format!("{step}: {}", self.message)),
            None => Cow::Borrowed(&self.message),
        }
    }
}

/// One of the steps of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepNumber {
    /// Its number, from 1.
    pub number: usize,
    /// How many steps the case has.
    pub of: usize,
}

impl fmt::Display for StepNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} of {}", self.number, self.of)
    }
}

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// An expectation did not hold.
    Expectation,
    /// A limit of time was exceeded.
    Timeout,
    /// A limit on what processes may use was exceeded.
    Limit,
    /// The process was ended by a signal that was not expected.
    Signal,
    /// A connection could not be made, broke, or said what it should not.
    Connection,
    /// The case could not be started.
    Start,
    /// A service that the case needs cannot be used.
    Service,
    /// A worker was asked and gave no answer.
    Worker,
    /// What is done before the cases of its folder did not pass.
    Setup,
    /// The descriptor is broken.
    Descriptor,
    /// A case that was expected to fail passed.
    UnexpectedPass,
    /// A case passed only when it was tried again, where that counts as a failure.
    Flaky,
    /// Processes of the case were still there after its end, where that counts as a failure.
    Leak,
    /// partest itself is at fault.
    Internal,
}

impl FailureKind {
    /// The word for it in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expectation => "expectation",
            Self::Timeout => "timeout",
            Self::Limit => "limit",
            Self::Signal => "signal",
            Self::Connection => "connection",
            Self::Start => "start",
            Self::Service => "service",
            Self::Worker => "worker",
            Self::Setup => "setup",
            Self::Descriptor => "descriptor",
            Self::UnexpectedPass => "unexpected-pass",
            Self::Flaky => "flaky",
            Self::Leak => "leak",
            Self::Internal => "internal",
        }
    }
}

/// What one step of an attempt did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// Which step it was, in a case of several.
    pub step: Option<StepNumber>,
    /// The command as a shell would read it.
    pub command: String,
    /// How it ended, if it began.
    pub status: Option<StepStatus>,
    /// How long it took.
    pub duration: Duration,
    /// Its standard output; of a step without a process what it received.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepStatus {
    /// It ran a process, which ended so.
    Process(ExitStatus),
    /// What came of a step without a process, in a few words such as `status 200`.
    Done(String),
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(status) => status.fmt(f),
            Self::Done(words) => f.write_str(words),
        }
    }
}

impl StepRecord {
    /// A step that has done nothing yet; `command` says what it will do.
    #[must_use]
    pub fn new(command: String) -> Self {
        Self {
            step: None,
            command,
            status: None,
            duration: Duration::ZERO,
            stdout: Captured::default(),
            stderr: Captured::default(),
        }
    }

    /// What it gave out, each with its name.
    #[must_use]
    pub fn outputs(&self) -> [(&'static str, &Captured); 2] {
        let stdout = match self.status {
            Some(StepStatus::Done(_)) => "output",
            Some(StepStatus::Process(_)) | None => "stdout",
        };
        [(stdout, &self.stdout), ("stderr", &self.stderr)]
    }
}

/// One try at a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// When it began, by the wall clock.
    pub started_at: SystemTime,
    /// How long it took, without waiting for its turn.
    pub duration: Duration,
    /// What came of it.
    pub outcome: Outcome,
    /// What went wrong; empty when it passed.
    pub failures: Vec<Failure>,
    /// What its steps did, in order.
    pub steps: Vec<StepRecord>,
    /// The command lines of processes that were still there when a step had ended, and were killed.
    pub leaked: Vec<String>,
    /// The services that ran beside it. Only of attempts that did not pass.
    pub services: Vec<ServiceRecord>,
    /// Files with the whole output of its steps and services, as reports name them. Only of attempts that did not
    /// pass.
    pub logs: Vec<String>,
    /// The files that it has left and that are kept.
    pub kept: KeptFiles,
}

/// The files of an attempt that are kept because its case says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptFiles {
    /// The copies, as reports name them, in the order of their paths.
    pub files: Vec<String>,
    /// What was to be kept and is not, with the reason, a line each.
    pub left_out: Vec<String>,
}

/// What a service did while an attempt went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRecord {
    /// Its name.
    pub name: String,
    /// Why it cannot be used any more.
    pub failure: Option<String>,
    /// The last of what it wrote meanwhile, or before when that is nothing; both streams in one.
    pub output: Captured,
}

/// What came of a case, with all its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    /// Which case.
    pub info: Arc<CaseInfo>,
    /// What counts.
    pub outcome: Outcome,
    /// Every attempt, in order. Empty when the case did not run.
    pub attempts: Vec<Attempt>,
    /// What went wrong beyond the last attempt: a broken descriptor, an unexpected pass.
    pub failures: Vec<Failure>,
    /// Why it was expected to fail, when it did fail as expected.
    pub expected_failure: Option<String>,
    /// Set when it breaks no run, whatever came of it.
    pub quarantine: Option<Quarantine>,
    /// Whether it would have been tried again, had the run had a retry left.
    pub has_denied_retries: bool,
    /// The golden files that were rewritten, since that was asked for.
    pub updated: Vec<UpdatedGolden>,
}

/// The outcome together with what is said beside it, as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Passed at the first attempt.
    Passed,
    /// Passed after a failed attempt.
    Flaky,
    /// Failed, as was expected.
    ExpectedFailure,
    /// Failed.
    Failed,
    /// Not over in time.
    TimedOut,
    /// Could not be run.
    Errored,
    /// Not run, for a reason the descriptor gives.
    Skipped,
    /// Failed in whatever way, and breaks no run, as it is in quarantine.
    Quarantined,
    /// Stopped in the middle, or never begun, because the run ended early.
    NotRun,
}

impl CaseResult {
    /// A result for a case that did not run.
    #[must_use]
    pub fn without_attempt(info: Arc<CaseInfo>, outcome: Outcome, failures: Vec<Failure>) -> Self {
        Self {
            info,
            outcome,
            attempts: Vec::new(),
            failures,
            expected_failure: None,
            quarantine: None,
            has_denied_retries: false,
            updated: Vec::new(),
        }
    }

    /// The outcome together with what is said beside it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.outcome {
            Outcome::Passed if self.expected_failure.is_some() => Standing::ExpectedFailure,
            Outcome::Passed if self.attempts.len() > 1 => Standing::Flaky,
            Outcome::Passed => Standing::Passed,
            Outcome::Failed | Outcome::TimedOut | Outcome::Errored if self.is_forgiven() => {
                Standing::Quarantined
            }
            Outcome::Failed => Standing::Failed,
            Outcome::TimedOut => Standing::TimedOut,
            Outcome::Errored => Standing::Errored,
            Outcome::Skipped(Skip::Interrupted | Skip::NotRun | Skip::Halted(_)) => Standing::NotRun,
            Outcome::Skipped(_) => Standing::Skipped,
        }
    }

    /// Whether it did what a case that runs after it needs.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        matches!(self.standing(), Standing::Passed | Standing::Flaky)
    }

    /// Whether a failure of it breaks no run. A fault of partest itself always does.
    fn is_forgiven(&self) -> bool {
        self.quarantine.is_some() && !self.all_failures().any(|failure| failure.kind == FailureKind::Internal)
    }

    /// How long its attempts took together.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.attempts.iter().map(|attempt| attempt.duration).sum()
    }

    /// Everything that went wrong in the last attempt and beyond.
    pub fn all_failures(&self) -> impl Iterator<Item = &Failure> {
        self.attempts.last().into_iter().flat_map(|attempt| &attempt.failures).chain(&self.failures)
    }

    /// Whether processes of it were still there after a step.
    #[must_use]
    pub fn has_leaked(&self) -> bool {
        self.attempts.iter().any(|attempt| !attempt.leaked.is_empty())
    }
}
