//! Attempts on this machine: a private directory, the steps one after the other, and the directory is gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::model::{
    Attempt, Failure, FailureKind, GoldenChange, KeptFiles, Outcome, Position, Service, ServiceRecord,
    ServiceScope, Skip, StepNumber, StepRecord, TestCase,
};
use crate::process::{self, Cancellation};
use crate::runner::beside::{self, Beside, Notify, Running};
use crate::runner::logs::LogFolder;
use crate::runner::outputs::{Left, OutputFolder};
use crate::runner::surroundings::{Subject, Unready, not_started};
use crate::runner::workers::Workers;
use crate::runner::{Executor, Files, Given, RunFolder, Tried, secrets};
use crate::sandbox::{CleanEnvironment, RunDirectory, Workspace};
use crate::service::{Port, Ports};
use crate::step::{self, Carried, Goldens, StepResult, Surroundings};
use crate::text::Variables;
use crate::text::redact::Redactor;
use crate::time::{Deadline, clock, format_duration};

/// How long the end of a service is waited for after a connection broke beside it.
const LAST_MOMENTS: Duration = Duration::from_millis(500);

/// The same after another failure, perhaps that of a program whose connection broke.
const LAST_MOMENT: Duration = Duration::from_millis(20);

/// Carries out attempts as processes of this machine.
#[derive(Debug)]
pub struct LocalExecutor {
    pub(super) directory: RunDirectory,
    pub(super) environment: CleanEnvironment,
    goldens: Goldens,
    pub(super) logs: Option<LogFolder>,
    outputs: Option<OutputFolder>,
    pub(super) ports: Ports,
    pub(super) workers: Workers,
    /// What masked the secrets of the cases so far.
    redactors: Mutex<Vec<Redactor>>,
}

impl LocalExecutor {
    /// An executor whose private directories live in `directory`, and whose cases start from `environment`.
    #[must_use]
    pub fn new(directory: RunDirectory, environment: CleanEnvironment) -> Self {
        Self {
            directory,
            environment,
            goldens: Goldens::Compare,
            logs: None,
            outputs: None,
            ports: Ports::default(),
            workers: Workers::default(),
            redactors: Mutex::default(),
        }
    }

    /// The same, with golden files that differ as changes to be made and no failures.
    #[must_use]
    pub fn updating_goldens(self) -> Self {
        Self { goldens: Goldens::Update, ..self }
    }

    /// The same, which keeps files: the whole output of what does not pass, and what cases ask for with `outputs`.
    #[must_use]
    pub fn keeping(self, folder: Option<RunFolder>) -> Self {
        let Some(RunFolder { path, shown }) = folder else { return self };
        let logs = LogFolder { path: path.join("logs"), shown: shown.join("logs") };
        let outputs = OutputFolder { path: path.join("outputs"), shown: shown.join("outputs") };
        Self { logs: Some(logs), outputs: Some(outputs), ..self }
    }

    /// Masks the secrets of all cases so far in a text that is of none of them in particular.
    pub fn mask(&self, text: &mut String) {
        let redactors = self.redactors.lock().unwrap_or_else(PoisonError::into_inner);
        redactors.iter().for_each(|redactor| redactor.excerpts(text));
    }

    pub(super) fn remember(&self, redactor: &Redactor) {
        let mut redactors = self.redactors.lock().unwrap_or_else(PoisonError::into_inner);
        if !redactors.contains(redactor) {
            redactors.push(redactor.clone());
        }
    }

    /// Removes what is left of the private directories.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn close(self) -> std::io::Result<()> {
        self.directory.remove()
    }

    fn attempt_in(&self, workspace: &Workspace, case: &TestCase, number: u32, given: &Given<'_>) -> Progress {
        let failed = |failure| Progress::not_started(failure);
        let position = &case.info.position;
        if let Some(reason) = given.services.iter().find_map(|service| service.blame()) {
            return failed(Failure::new(FailureKind::Service, position.clone(), reason));
        }
        // Beside each service, what it had written before.
        let mut services: Vec<_> =
            given.services.iter().map(|service| (Arc::clone(service), service.place())).collect();
        let own = match self.start_own(case, given, &mut services) {
            Ok(own) => own,
            Err(Stopped { reason: None, .. }) => return Progress::interrupted(),
            Err(Stopped { reason: Some(reason), records }) => {
                let failure = Failure::new(FailureKind::Service, position.clone(), reason);
                return Progress { services: records, ..failed(failure) };
            }
        };
        let mut progress = self.execute(workspace, case, number, given, &services);
        progress.tell_services(&services, position);
        for service in own.into_iter().rev() {
            let beside = Arc::clone(service.beside());
            let finished = service.finish();
            // It may have ended by itself so late that nobody has noticed.
            let untold = beside.failure().filter(|_| !beside.is_blamed());
            if let Some(reason) = untold.filter(|_| !matches!(progress.outcome, Outcome::Skipped(_))) {
                let failure = Failure::new(FailureKind::Service, position.clone(), reason);
                progress.fail(Outcome::Errored, failure);
            }
            if let Err(error) = finished {
                let message = format!("the private directory of a service cannot be removed: {error}");
                progress.fail(Outcome::Errored, *not_started(position, message));
            }
        }
        progress
    }

    /// Starts the services that this attempt has for itself, one after the other.
    fn start_own(
        &self,
        case: &TestCase,
        given: &Given<'_>,
        services: &mut Vec<(Arc<Beside>, u64)>,
    ) -> Result<Vec<Running>, Stopped> {
        let mut own = Vec::new();
        let all = Service::with_needs(&case.services);
        for service in all.iter().filter(|service| service.scope == ServiceScope::Case) {
            let beside: Vec<_> = services.iter().map(|(service, _)| Arc::clone(service)).collect();
            let running = self
                .launch(service, &beside, Box::new(|_| {}))
                .map_err(|reason| Stopped { reason: Some(reason), records: Vec::new() })?;
            let beside = Arc::clone(running.beside());
            let ready = beside.watched().wait_ready(given.cancellation);
            own.push(running);
            if let Err(reason) = ready {
                let reason = reason.map(|_| beside.failure().unwrap_or_default());
                let records = reason.iter().map(|_| beside.record(0)).collect();
                return Err(Stopped { reason, records });
            }
            services.push((beside, 0));
        }
        Ok(own)
    }

    /// Executes the steps, once everything is there.
    fn execute(
        &self,
        workspace: &Workspace,
        case: &TestCase,
        number: u32,
        given: &Given<'_>,
        services: &[(Arc<Beside>, u64)],
    ) -> Progress {
        let subject = Subject::of_case(case, number, given.slot);
        let mut variables = Variables::clone(&case.variables);
        for (name, value) in given.captured {
            variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
        subject.tell_places(workspace, &mut variables);
        variables.insert("case".to_owned(), case.info.lasting_name().into());
        variables.insert("attempt".to_owned(), number.into());
        variables.insert("slot".to_owned(), given.slot.into());
        if !services.is_empty() {
            let services: Vec<_> = services.iter().map(|(service, _)| Arc::clone(service)).collect();
            variables
                .insert("services".to_owned(), beside::variable(beside::named(&services, &case.services)));
        }
        // Nobody else is given them until the attempt is over.
        let ports: Vec<Port> = match case.ports.iter().map(|_| self.ports.take()).collect() {
            Ok(ports) => ports,
            Err(error) => {
                let message = format!("no free port: {error}");
                return Progress::not_started(*not_started(&case.info.position, message));
            }
        };
        if !ports.is_empty() {
            let values = case.ports.iter().cloned().zip(ports.iter().map(|port| port.number().into()));
            variables.insert("port".to_owned(), serde_json::Value::Object(values.collect()));
        }
        let (place, redactor) = match subject.prepare(workspace, &self.environment, &mut variables) {
            Ok(prepared) => prepared,
            Err(Unready { failure, redactor }) => {
                redactor.iter().for_each(|redactor| self.remember(redactor));
                return Progress { redactor, ..Progress::not_started(*failure) };
            }
        };
        redactor.iter().for_each(|redactor| self.remember(redactor));
        let token = process::next_token();
        let carried = Carried::default();
        let progress =
            Progress::of(case, given.cancellation, &mut variables, |index, deadline, variables| {
                let logs = self.logs.as_ref().filter(|_| given.files == Files::Kept);
                let spill = logs.map(|logs| logs.spill(&case.info.id, number, index + 1, redactor.as_ref()));
                let surroundings = Surroundings {
                    case,
                    variables,
                    environment: &place.environment,
                    directory: &place.directory,
                    token: &token,
                    spill: spill.as_ref(),
                    redactor: redactor.as_ref(),
                    carried: &carried,
                    callee: self,
                    cancellation: given.cancellation,
                    gauge: given.gauge,
                    goldens: self.goldens,
                };
                step::execute(&case.steps[index], deadline, &surroundings)
            });
        Progress { redactor, ..progress }
    }
}

/// That there was no time left for a step.
fn too_late(case: &TestCase, position: &Position, step: StepNumber) -> Failure {
    let message = format!("timed out after {}, before its turn came", format_duration(case.time.timeout));
    Failure { step: Some(step), ..Failure::new(FailureKind::Timeout, position.clone(), message) }
}

/// Why an attempt has not all the services that it needs; no reason when the run is being stopped.
struct Stopped {
    reason: Option<String>,
    records: Vec<ServiceRecord>,
}

impl Executor for LocalExecutor {
    fn start_service(
        &self,
        service: &Service,
        needs: &[Arc<Beside>],
        notify: Notify,
    ) -> Result<Running, String> {
        self.launch(service, needs, notify)
    }

    fn attempt(&self, case: &TestCase, number: u32, given: &Given<'_>) -> Tried {
        let started_at = SystemTime::now();
        let begin = clock::now();
        let workspace = match step::needs_directory(case) {
            true => Workspace::create(&self.directory),
            false => Workspace::unmade(&self.directory),
        };
        let mut progress = match workspace {
            Ok(workspace) => {
                let mut progress = self.attempt_in(&workspace, case, number, given);
                let keeps_outputs = given.files == Files::Kept && !case.outputs.is_empty();
                if let Some(outputs) = self.outputs.as_ref().filter(|_| keeps_outputs) {
                    let (outcome, redactor) = (&progress.outcome, progress.redactor.as_ref());
                    progress.kept =
                        outputs.keep(&Left { case, number, outcome, workspace: &workspace, redactor });
                }
                let calm = progress.outcome == Outcome::Passed && progress.leaked.is_empty();
                let done = if calm { workspace.give_back() } else { workspace.remove() };
                if let Err(error) = done {
                    let message = format!("the private directory cannot be removed: {error}");
                    progress.fail(Outcome::Errored, *not_started(&case.info.position, message));
                }
                progress
            }
            Err(error) => {
                let message = format!("cannot create the private directory: {error}");
                Progress::not_started(*not_started(&case.info.position, message))
            }
        };
        if given.cancellation.is_requested() && progress.outcome == Outcome::Errored {
            progress.outcome = Outcome::Skipped(Skip::Interrupted);
            progress.failures.clear();
            progress.goldens.clear();
        }
        let attempt = Attempt {
            number,
            started_at,
            duration: clock::now().duration_since(begin),
            outcome: progress.outcome,
            failures: progress.failures,
            steps: progress.steps,
            leaked: progress.leaked,
            services: progress.services,
            logs: Vec::new(),
            kept: progress.kept,
        };
        let mut tried = Tried { attempt, goldens: progress.goldens, captured: progress.captured };
        if let Some(redactor) = &progress.redactor {
            secrets::mask(redactor, &mut tried);
        }
        if let Some(logs) = self.logs.as_ref().filter(|_| given.files == Files::Kept) {
            tried.attempt.logs = logs.keep(&case.info.id, &tried.attempt);
            tried.attempt.logs.append(&mut progress.logs);
        }
        tried
    }
}

/// What an attempt has come to so far.
struct Progress {
    outcome: Outcome,
    failures: Vec<Failure>,
    goldens: Vec<GoldenChange>,
    steps: Vec<StepRecord>,
    leaked: Vec<String>,
    services: Vec<ServiceRecord>,
    captured: Variables,
    /// The files with the output of services.
    logs: Vec<String>,
    kept: KeptFiles,
    redactor: Option<Redactor>,
}

impl Progress {
    fn new() -> Self {
        Self {
            outcome: Outcome::Passed,
            failures: Vec::new(),
            goldens: Vec::new(),
            steps: Vec::new(),
            leaked: Vec::new(),
            services: Vec::new(),
            captured: Variables::new(),
            logs: Vec::new(),
            kept: KeptFiles::default(),
            redactor: None,
        }
    }

    fn not_started(failure: Failure) -> Self {
        let mut progress = Self::new();
        progress.fail(Outcome::Errored, failure);
        progress
    }

    fn interrupted() -> Self {
        Self { outcome: Outcome::Skipped(Skip::Interrupted), ..Self::new() }
    }

    /// Adds what services did meanwhile, if that is of interest. One that cannot be used any more is to blame, also
    /// for a pass: what the case has seen may not be what it was to see.
    fn tell_services(&mut self, services: &[(Arc<Beside>, u64)], position: &Position) {
        let is_of_interest = match self.outcome {
            Outcome::Failed | Outcome::TimedOut | Outcome::Errored => true,
            Outcome::Passed => services.iter().any(|(service, _)| service.failure().is_some()),
            Outcome::Skipped(_) => false,
        };
        if !is_of_interest {
            return;
        }
        // Of a service that breaks down its clients hear first.
        let is_cut_off = self.failures.iter().any(|failure| failure.kind == FailureKind::Connection);
        let patience = Deadline::after(Some(if is_cut_off { LAST_MOMENTS } else { LAST_MOMENT }));
        for (service, _) in services {
            service.watched().wait_for_end(patience.remaining().unwrap_or_default());
        }
        for (service, place) in services {
            let record = service.record(*place);
            if let Some(reason) = record.failure.clone() {
                self.failures.insert(0, Failure::new(FailureKind::Service, position.clone(), reason));
                self.outcome = Outcome::Errored;
            }
            self.services.push(record);
            self.logs.extend(service.logs());
        }
    }

    /// The first thing that goes wrong decides.
    fn fail(&mut self, outcome: Outcome, failure: Failure) {
        if self.outcome == Outcome::Passed {
            self.outcome = outcome;
        }
        self.failures.push(failure);
    }

    /// Executes the steps, of which `execute` takes the index. After one that does not pass only those that always run do, with the case's time
    /// once more if it was used up; when the run is being stopped not even they.
    fn of(
        case: &TestCase,
        cancellation: &Cancellation,
        variables: &mut Variables,
        execute: impl Fn(usize, Deadline, &Variables) -> StepResult,
    ) -> Self {
        let mut progress = Self::new();
        let mut deadline = Deadline::after(Some(case.time.timeout));
        for (index, step) in case.steps.iter().enumerate() {
            let goes_on = progress.outcome == Outcome::Passed || step.always;
            if !goes_on || cancellation.is_requested() && !progress.steps.is_empty() {
                continue;
            }
            // What was never made needs no cleaning up: the step that would have captured its name has failed.
            if !step.needs.iter().all(|name| variables.contains_key(name)) {
                continue;
            }
            let number = StepNumber { number: index + 1, of: case.steps.len() };
            // The first is always begun: to prepare it takes no time of its own.
            if progress.outcome == Outcome::Passed && index > 0 && deadline.has_passed() {
                progress.fail(Outcome::TimedOut, too_late(case, &step.position, number));
                if !step.always {
                    continue;
                }
            }
            if progress.outcome != Outcome::Passed && deadline.has_passed() {
                deadline = Deadline::after(Some(case.time.timeout));
            }
            let mut result = execute(index, deadline, variables);
            let captured = std::mem::take(&mut result.captured);
            progress.captured.extend(captured.iter().cloned());
            variables.extend(captured);
            if case.steps.len() > 1 {
                result.is_step(number);
            }
            progress.take(result);
        }
        if cancellation.is_requested() && progress.steps.len() < case.steps.len() {
            progress.interrupt();
        }
        progress
    }

    fn take(&mut self, result: StepResult) {
        if self.outcome == Outcome::Passed {
            self.outcome = result.outcome;
        }
        self.failures.extend(result.failures);
        self.goldens.extend(result.goldens);
        self.steps.push(result.record);
        self.leaked.extend(result.leaked);
    }

    /// Steps are missing because the run is being stopped: a pass would say too much.
    fn interrupt(&mut self) {
        if self.outcome == Outcome::Passed {
            self.outcome = Outcome::Skipped(Skip::Interrupted);
        }
    }
}
