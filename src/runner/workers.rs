//! Workers: processes that stay, and answer the calls of one case after the other.
//!
//! A case takes an idle worker that was started as it would start one, or starts it, and gives it back when it
//! has answered. So there are never more of a kind than cases that call it at the same time.

use std::ffi::{OsStr, OsString};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::disk;
use crate::model::{Captured, End, ExitStatus, LeakPolicy, ResourceLimits};
use crate::process::{self, Command, Conversation, Finished, Input, Silence, Spill, find_program};
use crate::runner::LocalExecutor;
use crate::sandbox::Workspace;
use crate::step::{self, Callee, Departure, Heard, HeardEnd, Surroundings};
use crate::text::shell;
use crate::time::Deadline;

/// How long an idle worker has to go by itself when its input ends, before it gets TERM.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many workers may be idle; when there are more, that which has been idle the longest ends.
const MOST_IDLE: usize = 64;

/// What differs from case to case in the environment, unless the case sets it.
const OF_ONE_CASE: [&str; 5] = ["HOME", "TMPDIR", "PARTEST_CASE", "PARTEST_ATTEMPT", "PARTEST_SLOT"];

/// The workers of a run that no case has.
#[derive(Debug, Default)]
pub(super) struct Workers {
    /// Those that are idle, the last used at the end.
    idle: Mutex<Vec<Worker>>,
    /// What is to be told of those that have ended.
    notes: Mutex<WorkerNotes>,
}

/// What is to be told of workers that ended when no case had them.
#[derive(Debug, Default)]
pub struct WorkerNotes {
    /// What casts doubt on the results of cases, a line each.
    pub complaints: Vec<String>,
    /// What a user should know besides, a line each.
    pub warnings: Vec<String>,
    /// The command lines of processes that they have left behind.
    pub strays: Vec<String>,
}

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
    leak: LeakPolicy,
}

impl Kind {
    fn of(arguments: Vec<OsString>, around: &Surroundings<'_>) -> Self {
        let environment = of_all_cases(around).cloned().collect();
        let (precautions, grace) = (&around.case.precautions, around.case.time.grace);
        Self { arguments, environment, limits: precautions.limits, grace, leak: precautions.leak }
    }

    fn is_for(&self, arguments: &[OsString], around: &Surroundings<'_>) -> bool {
        self.arguments == arguments
            && self.limits == around.case.precautions.limits
            && self.grace == around.case.time.grace
            && self.leak == around.case.precautions.leak
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

impl WorkerNotes {
    /// Notes what a worker has left behind, as its cases ask.
    fn mind_leaks(&mut self, worker: &str, policy: LeakPolicy, leaked: Vec<String>) {
        match policy {
            LeakPolicy::Allow => {}
            LeakPolicy::Warn => self.strays.extend(leaked),
            LeakPolicy::Fail => self.complaints.extend(leaked.into_iter().map(|process| {
                format!("the worker `{worker}` left a process behind, which was killed: {process}")
            })),
        }
    }
}

impl Workers {
    fn take(&self, arguments: &[OsString], around: &Surroundings<'_>) -> Option<Worker> {
        let mut idle = lock(&self.idle);
        let place = idle.iter().rposition(|worker| worker.kind.is_for(arguments, around))?;
        Some(idle.remove(place))
    }

    /// Gives back a worker, and ends another one if there are too many then.
    fn give_back(&self, worker: Worker) {
        let mut idle = lock(&self.idle);
        idle.push(worker);
        // An idle one has descriptors that the cases which run are to have.
        let most = if disk::is_scarce() { 0 } else { MOST_IDLE };
        let oldest = (idle.len() > most).then(|| idle.remove(0));
        drop(idle);
        oldest.into_iter().for_each(|oldest| self.end(oldest));
    }

    /// Ends an idle worker. What it has written since its last answer, and writes now, is a line too much, or the answer in
    /// place of which one was taken before.
    fn end(&self, worker: Worker) {
        let (name, leak) = (name(&worker.kind.arguments), worker.kind.leak);
        let Some(finished) = worker.end(PATIENCE) else { return };
        let mut notes = lock(&self.notes);
        if finished.stdout.written() > 0 {
            notes.complaints.push(format!(
                "the worker `{name}` has written more than it was asked for: {}; it may have answered for the wrong cases",
                step::quote(&finished.stdout.head)
            ));
        }
        notes.mind_leaks(&name, leak, finished.leaked);
    }

    /// Notes how a worker went that had nothing to answer.
    fn note(&self, arguments: &[OsString], leak: LeakPolicy, finished: Finished) {
        let name = name(arguments);
        let departure = departure(Some(&finished));
        let mut notes = lock(&self.notes);
        if finished.end != End::Interrupted && departure != Departure::Ended(ExitStatus::Exited(0)) {
            let words =
                last_line(&finished.stderr).map(|line| format!("; its last words: {}", step::quote(line)));
            let words = words.unwrap_or_default();
            notes.warnings.push(format!(
                "warning: the worker `{name}` {departure} when it had nothing to answer{words}"
            ));
        }
        notes.mind_leaks(&name, leak, finished.leaked);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The command of a worker, in one line.
fn name(arguments: &[OsString]) -> String {
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    step::shortened(&shell::join(&arguments)).replace('\n', " ")
}

/// The last line that is not empty.
fn last_line(output: &Captured) -> Option<&[u8]> {
    let end = if output.tail.is_empty() { &output.head } else { &output.tail };
    end.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty())
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
        spill: Option<&Spill>,
        is_answer: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(Self, Captured), Unanswered> {
        let silence = match self.conversation.ask(question.as_bytes(), deadline, spill) {
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
        let is_going = matches!(silence, Silence::Gone(_) | Silence::Unheard);
        let patience = if is_going { PATIENCE } else { Duration::ZERO };
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

    /// Ends all workers, and gives what is to be told of those of the run. To be called when no case runs any more.
    #[must_use]
    pub fn end_workers(&self) -> WorkerNotes {
        let mut idle = std::mem::take(&mut *lock(&self.workers.idle));
        idle.iter_mut().for_each(|worker| worker.conversation.hang_up());
        idle.into_iter().for_each(|worker| self.workers.end(worker));
        let mut notes = std::mem::take(&mut *lock(&self.workers.notes));
        let WorkerNotes { complaints, warnings, strays } = &mut notes;
        for text in [complaints, warnings, strays].into_iter().flatten() {
            self.mask(text);
        }
        notes
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
            let Unanswered { refusal, finished } =
                match worker.ask(question, deadline, around.spill, is_answer) {
                    Ok((worker, stderr)) => {
                        self.workers.give_back(worker);
                        return Heard { end: HeardEnd::Line, stderr, leaked: Vec::new() };
                    }
                    Err(refused) => refused,
                };
            match refusal {
                // It had done its work, and went before it read of this case: another one is asked.
                Refusal::Silence { silence: Silence::Unheard, has_answered: true } => {
                    let leak = around.case.precautions.leak;
                    finished.into_iter().for_each(|finished| self.workers.note(&arguments, leak, *finished));
                }
                Refusal::Silence { silence, .. } => {
                    return heard(silent(silence, departure(finished.as_deref())), finished);
                }
                Refusal::NoAnswer => return heard(HeardEnd::Line, finished),
            }
        }
    }
}

fn heard(end: HeardEnd, finished: Option<Box<Finished>>) -> Heard {
    let (stderr, leaked) = finished.map(|finished| (finished.stderr, finished.leaked)).unwrap_or_default();
    Heard { end, stderr, leaked }
}

/// How a worker went whose output has come to its end.
fn departure(finished: Option<&Finished>) -> Departure {
    match finished {
        Some(Finished { end: End::TimedOut { .. }, .. }) => Departure::Closed,
        Some(finished) => Departure::Ended(finished.status),
        None => Departure::Ended(ExitStatus::Signaled(9)),
    }
}

fn silent(silence: Silence, departure: Departure) -> HeardEnd {
    match silence {
        Silence::Unheard => HeardEnd::Gone(departure, Vec::new()),
        Silence::Gone(begun) => HeardEnd::Gone(departure, begun),
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
