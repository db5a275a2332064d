//! The services of a run: which there are, who needs them, when each starts and ends.
//!
//! Like `schedule` this only decides: it is told what happened and says in an [`Outbox`] what is to be done.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Captured, Failure, FailureKind, Position, Service, ServiceScope, TestCase};
use crate::runner::beside::{Beside, Running};
use crate::schedule::{Builder, GateId, JobIndex};
use crate::service::Event;

/// How much of its output is told of a service that cannot be used, in bytes.
const TOLD: usize = 2 << 10;

/// Why a service cannot be used, and what it wrote last.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    reason: String,
    output: Captured,
}

/// What is to be done now.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Gates to open: their services are ready.
    pub(super) open: Vec<GateId>,
    /// Gates that will not open, and why.
    pub(super) close: Vec<(GateId, Refusal)>,
    /// Services to start, beside those that they need.
    pub(super) launch: Vec<(usize, Arc<Service>, Vec<Arc<Beside>>)>,
    /// Services of which no process is left.
    pub(super) remove: Vec<(usize, Running)>,
}

/// All services of a run but those that each attempt has for itself.
#[derive(Debug)]
pub(super) struct Fixtures {
    instances: Vec<Instance>,
    /// The instances that each job needs, in the order in which they start.
    of_job: Vec<Box<[usize]>>,
    /// How many may be starting at the same time, and how many files may have theirs running.
    most: usize,
    /// How many instances are left of each file that has its own, in the order of their first jobs; none once it
    /// may not start yet.
    files: Vec<FileGroup>,
}

/// The services that the cases of one file share among them.
#[derive(Debug)]
struct FileGroup {
    left: usize,
    is_active: bool,
}

/// One process of a service.
#[derive(Debug)]
struct Instance {
    service: Arc<Service>,
    gate: GateId,
    /// The instances that it needs.
    needs: Vec<usize>,
    /// The setups that must be over before it starts.
    setups: Vec<JobIndex>,
    /// How many jobs and instances still need it.
    users: usize,
    file: Option<usize>,
    state: State,
    beside: Option<Arc<Beside>>,
    failure: Option<Refusal>,
    is_ready: bool,
    /// Whether it has been started a second time, since it lost its port.
    is_second_try: bool,
    /// What was heard before it was known to have started.
    early: Vec<Event>,
}

#[derive(Debug)]
enum State {
    Waiting,
    Launching,
    Running(Running),
    Removing,
    Over,
}

impl Fixtures {
    /// The services of these cases, each behind a gate of the schedule that holds the jobs that need it. `setups`
    /// are the jobs that are done before the cases of a folder; at most `most` services start at the same time.
    pub(super) fn new(
        cases: &[Arc<TestCase>],
        setups: &[JobIndex],
        most: usize,
        builder: &mut Builder,
    ) -> Self {
        let mut all = Self { instances: Vec::new(), of_job: Vec::new(), most, files: Vec::new() };
        let mut known: HashMap<(*const Service, Option<&str>), usize> = HashMap::new();
        let mut files: HashMap<&str, usize> = HashMap::new();
        for (job, case) in cases.iter().enumerate() {
            let mut own = Vec::new();
            for service in Service::with_needs(&case.services) {
                let file = match service.scope {
                    ServiceScope::Case => continue,
                    ServiceScope::Suite => None,
                    ServiceScope::File => Some(&*case.info.position.file),
                };
                let key = (Arc::as_ptr(&service), file);
                let index = *known.entry(key).or_insert_with(|| {
                    let group = file.map(|file| *files.entry(file).or_insert_with(|| all.new_file()));
                    let needs: Vec<usize> =
                        own.iter().copied().filter(|need| all.is_need(&service, *need)).collect();
                    all.add(&service, group, needs, builder.gate())
                });
                own.push(index);
                all.instances[index].users += 1;
                builder.hold(JobIndex(job), all.instances[index].gate);
            }
            all.of_job.push(own.into());
        }
        for setup in setups {
            all.start_after(*setup, &cases[setup.0]);
        }
        all
    }

    fn new_file(&mut self) -> usize {
        self.files.push(FileGroup { left: 0, is_active: false });
        self.files.len() - 1
    }

    fn is_need(&self, service: &Service, candidate: usize) -> bool {
        service.needs.iter().any(|need| Arc::ptr_eq(need, &self.instances[candidate].service))
    }

    fn add(&mut self, service: &Arc<Service>, file: Option<usize>, needs: Vec<usize>, gate: GateId) -> usize {
        needs.iter().for_each(|need| self.instances[*need].users += 1);
        file.iter().for_each(|file| self.files[*file].left += 1);
        self.instances.push(Instance {
            service: Arc::clone(service),
            gate,
            needs,
            setups: Vec::new(),
            users: 0,
            file,
            state: State::Waiting,
            beside: None,
            failure: None,
            is_ready: false,
            is_second_try: false,
            early: Vec::new(),
        });
        self.instances.len() - 1
    }

    /// Lets the services of a folder, and of those below it, start after its setup, unless that needs them.
    fn start_after(&mut self, setup: JobIndex, case: &TestCase) {
        for (index, instance) in self.instances.iter_mut().enumerate() {
            let is_below = instance.service.folder.starts_with(&case.folder);
            if is_below && !self.of_job[setup.0].contains(&index) {
                instance.setups.push(setup);
            }
        }
    }

    /// Whether there is nothing to do any more.
    pub(super) fn is_over(&self) -> bool {
        self.instances.iter().all(|instance| matches!(instance.state, State::Over))
    }

    /// Whether something is going on that will be heard of.
    pub(super) fn is_busy(&self) -> bool {
        self.instances.iter().any(|instance| match &instance.state {
            State::Waiting | State::Over => false,
            State::Launching | State::Removing => true,
            State::Running(_) => !instance.is_ready || instance.users == 0 || instance.failure.is_some(),
        })
    }

    /// The services that a job runs beside, or why it cannot.
    pub(super) fn beside(&self, job: JobIndex) -> Result<Vec<Arc<Beside>>, Refusal> {
        let instances = || self.of_job[job.0].iter().map(|index| &self.instances[*index]);
        match instances().find(|instance| instance.failure.is_some()) {
            Some(Instance { failure: Some(refusal), beside, .. }) => {
                beside.iter().for_each(|beside| drop(beside.blame()));
                Err(refusal.clone())
            }
            _ => Ok(instances().filter_map(|instance| instance.beside.clone()).collect()),
        }
    }

    /// Whether all services of a job can be used now.
    pub(super) fn are_ready(&self, job: JobIndex) -> bool {
        let is_ready =
            |index: &usize| self.instances[*index].is_ready && self.instances[*index].failure.is_none();
        self.of_job[job.0].iter().all(is_ready)
    }

    /// A job needs its services no more.
    pub(super) fn job_over(&mut self, job: JobIndex, outbox: &mut Outbox) {
        let needed = std::mem::take(&mut self.of_job[job.0]);
        if !needed.is_empty() {
            needed.into_iter().for_each(|index| self.release(index));
            self.start_what_may(outbox);
        }
    }

    /// A setup has passed, or will not: then no case needs a service any more that comes after it.
    pub(super) fn setup_over(&mut self, setup: JobIndex, outbox: &mut Outbox) {
        self.instances.iter_mut().for_each(|instance| instance.setups.retain(|waited| *waited != setup));
        self.start_what_may(outbox);
    }

    /// Lets services start beyond what is usual, since nothing else goes on; says whether there was one.
    pub(super) fn unblock(&mut self, outbox: &mut Outbox) -> bool {
        let Some(file) = self.files.iter_mut().find(|file| !file.is_active && file.left > 0) else {
            return false;
        };
        file.is_active = true;
        self.start_what_may(outbox);
        true
    }

    /// Starts what can be started.
    pub(super) fn start_what_may(&mut self, outbox: &mut Outbox) {
        loop {
            let is_starting = |instance: &&Instance| match instance.state {
                State::Launching => true,
                State::Running(_) => !instance.is_ready && instance.failure.is_none(),
                _ => false,
            };
            let starting = self.instances.iter().filter(is_starting).count();
            if starting >= self.most {
                return;
            }
            let active = self.files.iter().filter(|file| file.is_active && file.left > 0).count();
            let next = self.files.iter_mut().filter(|file| !file.is_active && file.left > 0);
            next.take(self.most.saturating_sub(active)).for_each(|file| file.is_active = true);
            let Some(index) = (0..self.instances.len()).find(|index| self.may_start(*index)) else { return };
            self.instances[index].state = State::Launching;
            let instance = &self.instances[index];
            let needs = instance.needs.iter().filter_map(|need| self.instances[*need].beside.clone());
            outbox.launch.push((index, Arc::clone(&instance.service), needs.collect()));
        }
    }

    fn may_start(&self, index: usize) -> bool {
        let instance = &self.instances[index];
        matches!(instance.state, State::Waiting)
            && instance.users > 0
            && instance.failure.is_none()
            && instance.setups.is_empty()
            && instance.file.is_none_or(|file| self.files[file].is_active)
            && instance.needs.iter().all(|need| self.instances[*need].is_ready)
    }

    /// One user less.
    fn release(&mut self, index: usize) {
        let instance = &mut self.instances[index];
        instance.users -= 1;
        if instance.users > 0 {
            return;
        }
        match &instance.state {
            State::Waiting => self.end(index),
            State::Running(running) => running.stop(),
            _ => {}
        }
    }

    /// Nothing is left of an instance; what it needed may end, too.
    fn end(&mut self, index: usize) {
        let instance = &mut self.instances[index];
        instance.state = State::Over;
        if let Some(file) = instance.file {
            self.files[file].left -= 1;
        }
        for need in std::mem::take(&mut self.instances[index].needs) {
            self.release(need);
        }
    }

    /// A start has come to something.
    pub(super) fn launched(&mut self, index: usize, launched: Result<Running, String>, outbox: &mut Outbox) {
        let instance = &mut self.instances[index];
        match launched {
            Ok(running) => {
                instance.beside = Some(Arc::clone(running.beside()));
                if instance.users == 0 {
                    running.stop();
                }
                instance.state = State::Running(running);
                for event in std::mem::take(&mut instance.early) {
                    self.hear(index, event, outbox);
                }
            }
            Err(reason) => {
                self.fail(index, Refusal { reason, output: Captured::default() }, outbox);
                self.end(index);
            }
        }
        self.start_what_may(outbox);
    }

    /// Something has happened to a service.
    pub(super) fn hear(&mut self, index: usize, event: Event, outbox: &mut Outbox) {
        let instance = &mut self.instances[index];
        if matches!(instance.state, State::Launching) {
            instance.early.push(event);
            return;
        }
        match event {
            Event::Ready if instance.failure.is_none() => {
                instance.is_ready = true;
                outbox.open.push(instance.gate);
            }
            Event::Ready => {}
            Event::Failed(_) => self.note_failure(index, outbox),
            Event::Gone => {
                if let State::Running(running) = std::mem::replace(&mut instance.state, State::Removing) {
                    outbox.remove.push((index, running));
                }
            }
        }
        self.start_what_may(outbox);
    }

    fn note_failure(&mut self, index: usize, outbox: &mut Outbox) {
        let instance = &mut self.instances[index];
        let Some(beside) = &instance.beside else { return };
        if !instance.is_ready && !instance.is_second_try && instance.users > 0 && beside.lost_its_port() {
            instance.is_second_try = true;
            return;
        }
        let refusal =
            Refusal { reason: beside.failure().unwrap_or_default(), output: beside.last_output(TOLD) };
        self.fail(index, refusal, outbox);
    }

    /// Nobody can use it any more, nor what needs it and has not started.
    fn fail(&mut self, index: usize, refusal: Refusal, outbox: &mut Outbox) {
        let instance = &mut self.instances[index];
        if instance.failure.is_some() {
            return;
        }
        if !instance.is_ready {
            outbox.close.push((instance.gate, refusal.clone()));
        }
        instance.failure = Some(refusal.clone());
        let name = Arc::clone(&instance.service.name);
        for dependent in 0..self.instances.len() {
            let waits = matches!(self.instances[dependent].state, State::Waiting);
            if waits && self.instances[dependent].needs.contains(&index) {
                let own = &self.instances[dependent].service.name;
                let reason = format!("service \"{own}\" needs \"{name}\", and {}", refusal.reason);
                self.fail(dependent, Refusal { reason, output: refusal.output.clone() }, outbox);
            }
        }
    }

    /// A service is gone with its directory.
    pub(super) fn removed(&mut self, index: usize, outbox: &mut Outbox) {
        let instance = &mut self.instances[index];
        let again = instance.is_second_try && !instance.is_ready && instance.failure.is_none();
        if again && instance.users > 0 {
            instance.state = State::Waiting;
        } else {
            self.end(index);
        }
        self.start_what_may(outbox);
    }

    /// Why services have ended by themselves that no case tells of, since none that needed them ran any more.
    pub(super) fn untold(&self) -> impl Iterator<Item = &str> {
        let untold = self.instances.iter().filter(|instance| {
            instance.is_ready && instance.beside.as_ref().is_some_and(|beside| !beside.is_blamed())
        });
        untold.filter_map(|instance| instance.failure.as_ref()).map(|refusal| refusal.reason.as_str())
    }

    /// Ends all services at once.
    pub(super) fn kill(&self) {
        for instance in &self.instances {
            if let State::Running(running) = &instance.state {
                running.kill();
            }
        }
    }
}

impl Refusal {
    /// What it means for a case.
    pub(super) fn failure(&self, position: &Position) -> Failure {
        let detail = match self.output.written() {
            0 => String::new(),
            _ => format!("Its last output:\n{}", self.output.text()),
        };
        Failure { detail, ..Failure::new(FailureKind::Service, position.clone(), self.reason.clone()) }
    }
}
