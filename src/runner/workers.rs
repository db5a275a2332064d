//! Workers: processes that stay, and answer the calls of one case after the other.
//!
//! A case takes an idle worker that was started as it would start one, or starts it, and gives it back when it
//! has answered. So there are never more of a kind than cases that call it at the same time.

use std::ffi::{OsStr, OsString};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::disk;
use crate::model::{Captured, ExitStatus, ResourceLimits};
use crate::process::{self, Command, Conversation, Finished, Input, Silence, find_program};
use crate::runner::LocalExecutor;
use crate::sandbox::Workspace;
use crate::step::{self, Callee, Heard, HeardEnd, Surroundings};
use crate::time::Deadline;

/// How long an idle worker has to go by itself when its input ends, before it gets TERM.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many workers may be idle; when there are more, that which has been idle the longest ends.
const MOST_IDLE: usize = 64;

/// What differs from case to case in the environment, unless the case sets it.
const OF_ONE_CASE: [&str; 5] = ["HOME", "TMPDIR", "PARTEST_CASE", "PARTEST_ATTEMPT", "PARTEST_SLOT"];

/// The idle workers of a run, the last used at the end.
#[derive(Debug, Default)]
pub(super) struct Workers(Mutex<Vec<Worker>>);

#[derive(Debug)]
struct Worker {
    kind: Kind,
    conversation: Conversation,
    workspace: Workspace,
    has_answered: bool,
}

/// What two cases must have in common to use the same worker.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    limits: ResourceLimits,
    grace: Duration,
}

impl Kind {
    fn of(arguments: Vec<OsString>, around: &Surroundings<'_>) -> Self {
        let environment = of_all_cases(around).cloned().collect();
        let (limits, grace) = (around.case.precautions.limits, around.case.time.grace);
        Self { arguments, environment, limits, grace }
    }

    fn is_for(&self, arguments: &[OsString], around: &Surroundings<'_>) -> bool {
        self.arguments == arguments
            && self.limits == around.case.precautions.limits
            && self.grace == around.case.time.grace
            && self.environment.iter().eq(of_all_cases(around))
    }
}

/// The variables of a case that its worker has as well.
fn of_all_cases<'a>(around: &Surroundings<'a>) -> impl Iterator<Item = &'a (OsString, OsString)> {
    let set = &around.case.environment.set;
    let is_own = move |name: &OsStr| {
        let name = OF_ONE_CASE.iter().find(|own| name == **own);
        name.is_some_and(|name| !set.contains_key(*name))
    };
    around.environment.iter().filter(move |(name, _)| !is_own(name))
}

impl Workers {
    fn take(&self, arguments: &[OsString], around: &Surroundings<'_>) -> Option<Worker> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = idle.iter().rposition(|worker| worker.kind.is_for(arguments, around))?;
        Some(idle.remove(place))
    }

    /// Gives back a worker, and gives the one that is to end for it.
    fn give_back(&self, worker: Worker) -> Option<Worker> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(worker);
        // An idle one has descriptors that the cases which run are to have.
        let most = if disk::is_scarce() { 0 } else { MOST_IDLE };
        (idle.len() > most).then(|| idle.remove(0))
    }
}

impl Worker {
    /// Ends it, and removes its directory; a directory that stays goes with that of the run.
    fn end(self, patience: Duration) -> Option<Box<Finished>> {
        let finished = self.conversation.end(patience, self.kind.grace);
        let _ = self.workspace.remove();
        finished.map(Box::new)
    }

    /// Asks it. Without an answer it is ended, and what is known of that stands beside the reason.
    fn ask(
        mut self,
        question: &str,
        deadline: Deadline,
        is_answer: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(Self, Captured), Unanswered> {
        let silence = match self.conversation.ask(question.as_bytes(), deadline) {
            Ok(line) if is_answer(&line) => {
                self.has_answered = true;
                let errors = self.conversation.take_errors();
                return Ok((self, errors));
            }
            Ok(_) => {
                return Err(Unanswered { refusal: Refusal::NoAnswer, finished: self.end(Duration::ZERO) });
            }
            Err(silence) => silence,
        };
        let has_answered = self.has_answered;
        // One that has closed its output is about to go, and its own end tells more than ours.
        let patience = if matches!(silence, Silence::Gone(_)) { PATIENCE } else { Duration::ZERO };
        let refusal = Refusal::Silence { silence, has_answered };
        Err(Unanswered { refusal, finished: self.end(patience) })
    }
}

/// A worker that was ended, since there is no answer.
struct Unanswered {
    refusal: Refusal,
    finished: Option<Box<Finished>>,
}

/// Why there is no answer.
enum Refusal {
    NoAnswer,
    Silence { silence: Silence, has_answered: bool },
}

impl LocalExecutor {
    fn start_worker(&self, kind: Kind, around: &Surroundings<'_>) -> Result<Worker, String> {
        let workspace = Workspace::create(&self.directory)
            .map_err(|error| format!("cannot create the private directory of the worker: {error}"))?;
        let mut env = kind.environment.clone();
        for (name, path) in [("HOME", workspace.home()), ("TMPDIR", workspace.tmp())] {
            let is_wanted = around.environment.iter().any(|(known, _)| known == name);
            if is_wanted && env.iter().all(|(known, _)| known != name) {
                env.push((name.into(), path.into()));
            }
        }
        let path = env.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_os_str());
        let name = kind.arguments.first().map_or(OsStr::new(""), OsString::as_os_str);
        let program = find_program(name, path, workspace.work()).map_err(|error| error.to_string())?;
        let command = Command {
            program,
            args: kind.arguments.clone(),
            env: env.into(),
            cwd: workspace.work().to_owned(),
            stdin: Input::Lines,
            limits: kind.limits,
            spill: None,
        };
        let token = process::next_token();
        let conversation = Conversation::start(command, &token, around.cancellation)
            .map_err(|error| format!("the worker does not start: {error}"))?;
        Ok(Worker { kind, conversation, workspace, has_answered: false })
    }

    /// Ends all workers, and gives the command lines of processes that they have left behind. To be called when no
    /// case runs any more.
    #[must_use]
    pub fn end_workers(&self) -> Vec<String> {
        let mut idle = std::mem::take(&mut *self.workers.0.lock().unwrap_or_else(PoisonError::into_inner));
        idle.iter_mut().for_each(|worker| worker.conversation.hang_up());
        let finished = idle.into_iter().filter_map(|worker| worker.end(PATIENCE));
        finished.flat_map(|finished| finished.leaked).collect()
    }
}

impl Callee for LocalExecutor {
    fn ask(
        &self,
        arguments: Vec<OsString>,
        question: &str,
        deadline: Deadline,
        around: &Surroundings<'_>,
        is_answer: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Heard {
        let mut idle = self.workers.take(&arguments, around);
        loop {
            let worker = match idle.take() {
                Some(worker) => worker,
                None => {
                    let kind = Kind::of(arguments.clone(), around);
                    match self.start_worker(kind, around) {
                        Ok(worker) => worker,
                        Err(reason) => return heard(HeardEnd::NotStarted(reason), None),
                    }
                }
            };
            let Unanswered { refusal, finished } = match worker.ask(question, deadline, is_answer) {
                Ok((worker, stderr)) => {
                    self.workers.give_back(worker).map(|oldest| oldest.end(PATIENCE));
                    return Heard { end: HeardEnd::Line, stderr, leaked: Vec::new() };
                }
                Err(refused) => refused,
            };
            let status = finished.as_ref().map_or(ExitStatus::Signaled(9), |finished| finished.status);
            match refusal {
                // It had done its work, and went before it heard of this case: the next one is asked.
                Refusal::Silence { silence: Silence::Gone(begun), has_answered: true }
                    if begun.is_empty() && status == ExitStatus::Exited(0) => {}
                Refusal::Silence { silence, .. } => return heard(silent(silence, status), finished),
                Refusal::NoAnswer => return heard(HeardEnd::Line, finished),
            }
        }
    }
}

fn heard(end: HeardEnd, finished: Option<Box<Finished>>) -> Heard {
    let (stderr, leaked) = finished.map(|finished| (finished.stderr, finished.leaked)).unwrap_or_default();
    Heard { end, stderr, leaked }
}

fn silent(silence: Silence, status: ExitStatus) -> HeardEnd {
    match silence {
        Silence::Gone(begun) => HeardEnd::Gone(status, begun),
        Silence::Crowd(excess) => HeardEnd::Crowd(excess),
        Silence::Late => HeardEnd::Late,
        Silence::Interrupted => HeardEnd::Interrupted,
        Silence::Unasked(line) => HeardEnd::Disorder(format!(
            "the worker has written what nobody had asked for: {}",
            step::quote(&line)
        )),
        Silence::More(line) => HeardEnd::Disorder(format!(
            "the worker has written more than the line of its answer: {}",
            step::quote(&line)
        )),
        Silence::TooLong => HeardEnd::Disorder("the worker's answer is longer than 16 MiB".to_owned()),
    }
}
