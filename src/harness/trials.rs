//! Cases as trials of libtest-mimic.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use libtest_mimic::{Completion, Failed, Trial};

use crate::discovery::Discovery;
use crate::harness::arguments::HarnessArguments;
use crate::model::{CaseId, CaseResult, FailureKind, Outcome, Skip, Standing, TestCase, TestEvent};
use crate::report::Reporter;
use crate::report::console::failure_text;
use crate::session::missing_program;

/// The trials of a suite, and the cases that have to run for them.
pub(super) struct Trials {
    pub(super) trials: Vec<Trial>,
    /// What runs.
    pub(super) cases: Vec<Arc<TestCase>>,
    /// The others, after which some of them run.
    pub(super) others: Vec<Arc<TestCase>>,
    /// What could not be read, of which trials tell that wait for nothing.
    pub(super) broken: Vec<CaseResult>,
    /// Brings results to the trials that wait for them.
    pub(super) delivery: Delivery,
    /// What went wrong before and after the cases of folders, which are no trials.
    pub(super) hooks: Receiver<String>,
}

/// A reporter that brings each result to the trial that waits for it.
#[derive(Debug)]
pub(super) struct Delivery {
    waiting: HashMap<CaseId, SyncSender<Arc<CaseResult>>>,
    /// Hears what went wrong that no trial waits for.
    hooks: Sender<String>,
}

impl Trials {
    /// A trial for each case and for each broken file.
    ///
    /// # Errors
    /// A message when a name would be taken for a flag by whoever starts single tests.
    pub(super) fn new(found: Discovery, arguments: &HarnessArguments) -> Result<Self, String> {
        let (sender, hooks) = channel();
        let delivery = Delivery { waiting: HashMap::new(), hooks: sender };
        let (trials, cases, others) = (Vec::new(), Vec::new(), Vec::new());
        let mut all = Self { trials, cases, others, broken: found.broken.clone(), delivery, hooks };
        for result in found.broken {
            all.push(result.info.id.clone(), arguments, move || completion(&result))?;
        }
        for mut case in found.cases {
            let id = case.info.id.clone();
            let (sender, receiver) = sync_channel(1);
            let ignored = case.skip.is_some() || missing_program(&case).is_some();
            let trial = trial(&id, move || wait(&receiver))?.with_ignored_flag(ignored);
            if !arguments.several_filters_match(id.as_str()) {
                all.others.push(case);
                continue;
            }
            if arguments.will_run(&trial) {
                // `--ignored` asks for what is skipped otherwise.
                if case.skip.is_some() {
                    Arc::make_mut(&mut case).skip = None;
                }
                all.delivery.waiting.insert(id, sender);
                all.cases.push(case);
            } else {
                all.others.push(case);
            }
            all.trials.push(trial);
        }
        Ok(all)
    }

    fn push(
        &mut self,
        id: CaseId,
        arguments: &HarnessArguments,
        runner: impl FnOnce() -> Result<Completion, Failed> + Send + 'static,
    ) -> Result<(), String> {
        if arguments.several_filters_match(id.as_str()) {
            self.trials.push(trial(&id, runner)?);
        }
        Ok(())
    }
}

fn trial(
    id: &CaseId,
    runner: impl FnOnce() -> Result<Completion, Failed> + Send + 'static,
) -> Result<Trial, String> {
    let name = id.as_str();
    if name.starts_with('-') {
        return Err(format!(
            "the name of the test {name:?} begins with \"-\": cargo nextest would take it for a flag"
        ));
    }
    Ok(Trial::ignorable_test(name, runner))
}

/// Waits for the result of a case. The engine drops the sender when it stops early.
fn wait(result: &Receiver<Arc<CaseResult>>) -> Result<Completion, Failed> {
    match result.recv() {
        Ok(result) => completion(&result),
        Err(_) => Err(Failed::from("not run: the engine stopped")),
    }
}

fn completion(result: &CaseResult) -> Result<Completion, Failed> {
    if let (Standing::Quarantined, Some(quarantine)) = (result.standing(), &result.quarantine) {
        return Ok(Completion::ignored_with(quarantine.to_string()));
    }
    match &result.outcome {
        Outcome::Passed => Ok(Completion::Completed),
        Outcome::Skipped(skip @ (Skip::Declared(_) | Skip::Missing(_) | Skip::After(_))) => {
            Ok(Completion::ignored_with(skip.reason()))
        }
        // Neither passed nor to be ignored: the run was stopped.
        Outcome::Skipped(skip @ (Skip::Interrupted | Skip::NotRun | Skip::Halted(_))) => {
            Err(Failed::from(skip.reason()))
        }
        Outcome::Failed | Outcome::TimedOut | Outcome::Errored => Err(Failed::from(failure_text(result))),
    }
}

/// Whether it is a failure that no trial tells of. A case without a trial is one that another runs after: then that one
/// is skipped, and more is not to be said of it, unless it is partest that is at fault.
fn breaks_the_run(result: &CaseResult) -> bool {
    let is_failure = matches!(result.standing(), Standing::Failed | Standing::TimedOut | Standing::Errored);
    let is_internal = || result.all_failures().any(|failure| failure.kind == FailureKind::Internal);
    is_failure && (result.info.is_hook() || is_internal())
}

impl Reporter for Delivery {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        let TestEvent::CaseFinished(result) = event else { return Ok(()) };
        match self.waiting.remove(&result.info.id) {
            // A trial that is gone has nobody to tell.
            Some(waiting) => drop(waiting.send(Arc::clone(result))),
            None if breaks_the_run(result) => {
                drop(self.hooks.send(format!("{}: {}", result.info.id, failure_text(result))));
            }
            None => {}
        }
        Ok(())
    }
}
