//! What a case does, one file per kind of step.
//!
//! Entry points: [`execute`], and [`program`] for what is run beside steps. A step never decides about the rest of its case: it says what it saw and what of
//! that was not as expected.

mod call;
mod carried;
mod file;
#[cfg(feature = "http")]
mod http;
mod judge;
mod leaks;
mod limits;
#[cfg(any(feature = "http", feature = "postgres"))]
mod net;
mod program;
mod retell;
mod rows;
mod run;
mod sleep;
mod sql;
#[cfg(any(feature = "http", feature = "postgres"))]
mod trust;
mod until;

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::assertion::{self, Setting};
use crate::model::{
    CallInput, Failure, FailureKind, Gauge, GoldenChange, HttpRequest, LateError, Outcome, Pending, Position,
    Skip, Step, StepAction, StepNumber, StepRecord, Subject, TestCase, WorkingDirectory,
};
use crate::process::{Cancellation, Spill};
use crate::text::redact::Redactor;
use crate::text::{Variables, is_template};
use crate::time::{Deadline, format_duration};

pub use call::{Callee, Departure, Heard, HeardEnd, quote, shortened};
pub use carried::Carried;
pub use program::program;

/// What surrounds a step: the same for all steps of an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The case it belongs to.
    pub case: &'a TestCase,
    /// The values that templates may name.
    pub variables: &'a Variables,
    /// The whole environment of processes.
    pub environment: &'a Arc<[(OsString, OsString)]>,
    /// Where processes start.
    pub directory: &'a Path,
    /// What marks every process of the attempt.
    pub token: &'a str,
    /// Where output goes that is too long for memory.
    pub spill: Option<&'a Spill>,
    /// What masks the case's secrets.
    pub redactor: Option<&'a Redactor>,
    /// What steps of the attempt carry from one to the next.
    pub carried: &'a Carried,
    /// Who knows the workers of the run.
    pub callee: &'a dyn Callee,
    /// What ends the step early when the run is stopped.
    pub cancellation: &'a Cancellation,
    /// What shows how far it has come.
    pub gauge: &'a Gauge,
    /// What a golden file that differs means.
    pub goldens: Goldens,
}

/// What a golden file that differs means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Goldens {
    /// A failure.
    #[default]
    Compare,
    /// A change to be made, and no failure.
    Update,
}

/// What came of a step.
#[derive(Debug)]
pub struct StepResult {
    /// What it did.
    pub record: StepRecord,
    /// What came of it.
    pub outcome: Outcome,
    /// What went wrong; empty when it passed.
    pub failures: Vec<Failure>,
    /// The golden files that are to be changed, and those that are to stay as they are.
    pub goldens: Vec<GoldenChange>,
    /// What it gives to later steps; nothing unless it passed.
    pub captured: Vec<(String, serde_json::Value)>,
    /// The command lines of processes that it left behind, and that were ended.
    pub leaked: Vec<String>,
}

impl<'a> Surroundings<'a> {
    /// What surrounds the things that a step looks at, for as long as `go_on` says.
    fn setting<'b>(&self, go_on: &'b (dyn Fn() -> bool + Sync)) -> Setting<'b>
    where
        'a: 'b,
    {
        let home = self.environment.iter().find(|(name, _)| name == "HOME");
        Setting {
            variables: self.variables,
            folder: &self.case.folder,
            home: home.map(|(_, path)| Path::new(path)),
            tells_matches: self.goldens == Goldens::Update,
            go_on,
        }
    }
}

/// Whether an attempt at the case may look into its private directory or put something there. Where it cannot,
/// there need not be one.
#[must_use]
pub fn needs_directory(case: &TestCase) -> bool {
    let names_it = |text: &str| is_template(text) && ["work", "tmp"].iter().any(|name| text.contains(name));
    let acts_there = |step: &Step| {
        let acts = match &step.action {
            StepAction::Sleep(_) => false,
            StepAction::Call(call) => match &call.input {
                CallInput::Fixed(_) => false,
                CallInput::Template(input) => input.texts().into_iter().any(names_it),
            },
            StepAction::Run(_) | StepAction::File(_) | StepAction::Sql(_) | StepAction::Download(_) => true,
            StepAction::Http(http) => http.request.has_template(names_it),
        };
        let is_file = |subject: &Subject| matches!(subject, Subject::File(_));
        acts || step.checks.iter().any(|check| is_file(&check.subject))
            || step.captures.iter().any(|capture| is_file(&capture.subject))
    };
    !case.inputs.is_empty()
        || !case.files.is_empty()
        || !case.outputs.is_empty()
        || case.cwd != WorkingDirectory::Private
        || case.environment.set.values().any(|value| names_it(value.source()))
        || case.steps.iter().any(acts_there)
}

/// What finds out whether a request is answered with a status from 200 to 399. It goes through no proxy.
///
/// # Errors
/// A message: there can be no such request.
#[cfg(feature = "http")]
pub fn probe(request: &HttpRequest, variables: &Variables, folder: &Path) -> Result<Box<Probe>, String> {
    http::probe(request, variables, folder)
}

/// What would find out whether a request is answered.
///
/// # Errors
/// Always: there are no requests without the feature.
#[cfg(not(feature = "http"))]
pub fn probe(_: &HttpRequest, _: &Variables, _: &Path) -> Result<Box<Probe>, String> {
    Err("this partest was built without the feature `http`".to_owned())
}

/// Asks once, within this time, unless it is cancelled. Its error says why the answer is not right.
pub type Probe = dyn Fn(Duration, &Cancellation) -> Result<(), String> + Send + Sync;

/// How many bytes of each stream go into reports and the journal, once the step has been judged.
const RECORDED: usize = 64 << 10;

/// Makes everything of a step that is known only when it begins, to see whether that is possible.
fn prepare(step: &Step, variables: &Variables) -> Result<(), LateError> {
    let times = step.timeout.iter().map(|timeout| timeout as &dyn Pending);
    let times = times.chain(step.until.iter().map(|until| &**until as &dyn Pending));
    times.chain(step.action.pending()).try_for_each(|pending| pending.attempt(variables))?;
    assertion::prepare(&step.checks, &step.captures, variables)
}

/// Executes a step, which must be over by `deadline` and within its own time.
#[must_use]
pub fn execute(step: &Step, deadline: Deadline, surroundings: &Surroundings<'_>) -> StepResult {
    if let Err(error) = prepare(step, surroundings.variables) {
        // What a message has cut cannot be masked any more.
        let masked = surroundings.redactor.map(|redactor| redactor.variables(surroundings.variables));
        let told = masked.and_then(|variables| prepare(step, &variables).err());
        let LateError { position, message } = told.unwrap_or(error);
        return StepResult::not_started(StepRecord::new(String::new()), &position, message);
    }
    let once = |deadline| match &step.action {
        StepAction::Run(run) => run::execute(step, run, deadline, surroundings),
        StepAction::Sleep(duration) => sleep::execute(step, duration, deadline, surroundings),
        StepAction::File(file) => file::execute(step, file, deadline, surroundings),
        #[cfg(feature = "http")]
        StepAction::Http(http) => http::execute(step, http, deadline, surroundings),
        #[cfg(feature = "http")]
        StepAction::Download(download) => http::download(step, download, deadline, surroundings),
        #[cfg(not(feature = "http"))]
        StepAction::Http(_) | StepAction::Download(_) => {
            let message = "this partest was built without the feature `http`".to_owned();
            StepResult::not_started(StepRecord::new(String::new()), &step.position, message)
        }
        StepAction::Sql(sql) => sql::execute(step, sql, deadline, surroundings),
        StepAction::Call(call) => call::execute(step, call, deadline, surroundings),
    };
    let mut result = match &step.until {
        None => once(deadline.earlier(Deadline::after(own_limit(step, surroundings)))),
        Some(until) => {
            let result = until::execute(step, until, deadline, surroundings, once);
            surroundings.spill.inspect(|spill| spill.forget_aside());
            result
        }
    };
    // Of a case of several steps a later one may fail, and then this one's output is wanted, too.
    if let Some(spill) = surroundings.spill
        && (result.outcome != Outcome::Passed || surroundings.case.steps.len() > 1)
    {
        spill.save([&result.record.stdout, &result.record.stderr], RECORDED);
    }
    result.record.stdout.shorten(RECORDED);
    result.record.stderr.shorten(RECORDED);
    result
}

/// The limit that the step has of its own, if it has one.
fn own_limit(step: &Step, around: &Surroundings<'_>) -> Option<Duration> {
    let limit = step.timeout.as_ref()?.value(around.variables).ok()?;
    Some(limit.into_owned())
}

/// How long the step may take, in words.
fn time_limit(step: &Step, around: &Surroundings<'_>) -> String {
    let of_case = around.case.time.timeout;
    format_duration(own_limit(step, around).map_or(of_case, |own| own.min(of_case)))
}

impl StepResult {
    fn new(record: StepRecord, outcome: Outcome) -> Self {
        Self {
            record,
            outcome,
            failures: Vec::new(),
            goldens: Vec::new(),
            captured: Vec::new(),
            leaked: Vec::new(),
        }
    }

    /// Says which step of its case this was, here and in everything that went wrong.
    pub fn is_step(&mut self, step: StepNumber) {
        self.record.step = Some(step);
        let changes = self.goldens.iter_mut().map(|change| &mut change.failure);
        self.failures.iter_mut().chain(changes).for_each(|failure| failure.step = Some(step));
    }

    /// A step that could not begin.
    fn not_started(record: StepRecord, position: &Position, message: String) -> Self {
        let failure = Failure::new(FailureKind::Start, position.clone(), message);
        Self { failures: vec![failure], ..Self::new(record, Outcome::Errored) }
    }

    /// A step that could not be started, since what it asks is not there yet.
    fn not_connected(record: StepRecord, position: &Position, message: String) -> Self {
        let failure = Failure::new(FailureKind::Connection, position.clone(), message);
        Self { failures: vec![failure], ..Self::new(record, Outcome::Errored) }
    }

    /// A step whose time is over.
    fn timed_out(step: &Step, record: StepRecord, around: &Surroundings<'_>) -> Self {
        let message = format!("timed out after {}", time_limit(step, around));
        let failure = Failure::new(FailureKind::Timeout, step.position.clone(), message);
        Self { failures: vec![failure], ..Self::new(record, Outcome::TimedOut) }
    }

    /// A step that was stopped together with the run.
    fn interrupted(record: StepRecord, leaked: Vec<String>) -> Self {
        Self { leaked, ..Self::new(record, Outcome::Skipped(Skip::Interrupted)) }
    }
}
