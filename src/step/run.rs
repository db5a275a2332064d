//! The step `run`: a process, and what is expected of it.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::disk;
use crate::model::{
    End, Fact, Failure, FailureKind, Observation, Outcome, RunCommand, RunStep, Step, StepInput, StepRecord,
    StepStatus, Subject,
};
use crate::process::{self, Command, Finished, Input, Limits};
use crate::step::program::{arguments, process_of};
use crate::step::{StepResult, Surroundings, judge, leaks, limits, time_limit};
use crate::text::shell;
use crate::time::{Deadline, format_duration};

/// How long a process that has ended may keep its output open through processes it left behind.
const LEAK_TIMEOUT: Duration = Duration::from_millis(200);

/// How many bytes of each stream are kept; of more, the first and the last half.
const CAPTURE: usize = 8 << 20;

pub(super) fn execute(
    step: &Step,
    run: &RunStep,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    let mut record = StepRecord::new(String::new());
    let arguments = match arguments(&run.command, around.variables) {
        Ok(arguments) => arguments,
        Err(error) => return StepResult::not_started(record, &step.position, error.to_string()),
    };
    record.command = shown(&run.command, &arguments);
    let limits =
        Limits { deadline, grace: around.case.time.grace, leak_timeout: LEAK_TIMEOUT, capture: CAPTURE };
    let finished = command(arguments, &run.stdin, around).and_then(|command| {
        process::run(&command, &limits, around.token, around.cancellation).map_err(|error| error.to_string())
    });
    let finished = match finished {
        Ok(finished) => finished,
        Err(message) => return StepResult::not_started(record, &step.position, message),
    };
    conclude(step, record, finished, deadline, around)
}

/// The command as a shell reads it: a script as it stands, a program with its arguments quoted.
fn shown(command: &RunCommand, arguments: &[OsString]) -> String {
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    match (command, texts.last()) {
        (RunCommand::Shell(_), Some(script)) => script.trim_end().to_owned(),
        _ => shell::join(&texts),
    }
}

/// The process with what it reads and how it is bounded.
fn command(
    arguments: Vec<OsString>,
    stdin: &StepInput,
    around: &Surroundings<'_>,
) -> Result<Command, String> {
    let command = process_of(arguments, around.environment, around.directory)?;
    let stdin = match stdin {
        StepInput::Null => Input::Null,
        StepInput::Text(text) => {
            let text = text.render(around.variables).map_err(|error| error.to_string())?;
            Input::Bytes(text.into_owned().into_bytes())
        }
        StepInput::File { path, within } => {
            let path = path.render(around.variables).map_err(|error| error.to_string())?;
            let file = around.case.folder.join(Path::new(path.as_ref()));
            let run_dir = around.variables.get("run_dir").and_then(|path| path.as_str()).map(Path::new);
            let own = run_dir.and_then(Path::parent);
            let allowed: Vec<&Path> = within.as_deref().into_iter().chain(own).collect();
            if within.is_some() && disk::leads_out(&file, &allowed) {
                return Err(format!(
                    "`stdin` leads out of the project, without `allow_outside: true`: {path}"
                ));
            }
            Input::File(file)
        }
    };
    Ok(Command { stdin, limits: around.case.precautions.limits, spill: around.spill.cloned(), ..command })
}

/// What the end of the process and its output mean for the step.
fn conclude(
    step: &Step,
    mut record: StepRecord,
    mut finished: Finished,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    record.status = Some(StepStatus::Process(finished.status));
    record.duration = finished.duration;
    let leaked = std::mem::take(&mut finished.leaked);
    let unkillable = finished.unkillable;
    let limits = &around.case.precautions.limits;
    let failure = match finished.end {
        End::Own => {
            let limit = limits::exceeded(limits, &finished, &step.position);
            let facts = vec![
                (Subject::Exit, Fact::Ended(finished.status)),
                (Subject::Stdout, Fact::Content(finished.stdout)),
                (Subject::Stderr, Fact::Content(finished.stderr)),
            ];
            let mut observation = Observation { facts, directory: around.directory.to_owned() };
            let mut result = judge::compare(step, &observation, record, deadline, around);
            blame(&mut result.failures, limit, around);
            result.record.stdout = observation.take_content(&Subject::Stdout);
            result.record.stderr = observation.take_content(&Subject::Stderr);
            return mind_leaks(step, leaked, unkillable, result, around);
        }
        End::Interrupted => None,
        End::TimedOut { on_term } => {
            let message = timeout_message(step, on_term, unkillable, around);
            let failure = Failure::new(FailureKind::Timeout, step.position.clone(), message);
            Some((Outcome::TimedOut, failure))
        }
        End::TooManyProcesses(excess) => {
            Some((Outcome::Failed, limits::too_many(limits, excess, &step.position)))
        }
    };
    record.stdout = finished.stdout;
    record.stderr = finished.stderr;
    match failure {
        None => StepResult::interrupted(record, leaked),
        Some((outcome, failure)) => {
            let result = StepResult { failures: vec![failure], ..StepResult::new(record, outcome) };
            // A timeout has said it already.
            let unkillable = unkillable.filter(|_| result.outcome != Outcome::TimedOut);
            mind_leaks(step, leaked, unkillable, result, around)
        }
    }
}

/// What the case says about processes that were left behind.
fn mind_leaks(
    step: &Step,
    leaked: Vec<String>,
    unkillable: Option<u32>,
    mut result: StepResult,
    around: &Surroundings<'_>,
) -> StepResult {
    if let Some(pid) = unkillable {
        let message = format!("unkillable: process {pid}, left behind, is still there 5s after SIGKILL");
        result.failures.push(Failure::new(FailureKind::Leak, step.position.clone(), message));
        if result.outcome == Outcome::Passed {
            result.outcome = Outcome::Failed;
        }
    }
    leaks::mind(step, leaked, result, around)
}

/// Puts the limit that was run into before what came of it; or else names the limits there are.
fn blame(failures: &mut Vec<Failure>, limit: Option<Failure>, around: &Surroundings<'_>) {
    match (limit, failures.first_mut()) {
        (_, None) => {}
        (Some(limit), _) => failures.insert(0, limit),
        (None, Some(first)) => {
            if let Some(line) = limits::in_force(&around.case.precautions.limits) {
                if !first.detail.is_empty() && !first.detail.ends_with('\n') {
                    first.detail.push('\n');
                }
                first.detail.push_str(&line);
            }
        }
    }
}

fn timeout_message(step: &Step, on_term: bool, unkillable: Option<u32>, around: &Surroundings<'_>) -> String {
    let limit = time_limit(step, around);
    let grace = format_duration(around.case.time.grace);
    match (unkillable, on_term) {
        (Some(pid), _) => {
            format!("timed out after {limit}; unkillable: process {pid} is still there 5s after SIGKILL")
        }
        (None, true) => format!("timed out after {limit}; ended by SIGTERM"),
        (None, false) => {
            format!("timed out after {limit}; SIGTERM had no effect within {grace}, ended by SIGKILL")
        }
    }
}
