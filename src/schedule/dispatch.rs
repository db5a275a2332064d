//! Starting and ending jobs.

mod relief;

use std::collections::{BTreeSet, HashSet};

use crate::schedule::class::{Class, ClassId, Place};
use crate::schedule::demand::{Ending, GateId, JobIndex, Skipped};
use crate::schedule::dependencies::Dependencies;
use crate::schedule::dispatch::relief::Reserve;
use crate::schedule::numbers::Numbers;
use crate::schedule::resource::{CPU, IO, MACHINE, NAMED, Resource, ResourceId};

/// What has become of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// Taken out of the list, to take over what another one has.
    StandingBy,
    Running,
    /// Begun, and taken out of the way until it is resumed.
    Paused,
    Over,
}

/// The waiting and the running jobs of one run.
#[derive(Debug)]
pub struct Schedule {
    resources: Vec<Resource>,
    classes: Vec<Class>,
    class_of: Vec<ClassId>,
    states: Vec<State>,
    dependencies: Dependencies,
    /// The classes whose first job was not looked at yet: of those that take CPU slots and of those that take I/O
    /// slots. They need no look while an earlier job waits for these slots.
    fresh: [BTreeSet<(JobIndex, ClassId)>; 2],
    /// The classes to look at again.
    woken: BTreeSet<(JobIndex, ClassId)>,
    running: usize,
    reserve: Option<Reserve>,
    numbers: Numbers,
}

impl Schedule {
    pub(super) fn new(
        resources: Vec<Resource>,
        mut classes: Vec<Class>,
        class_of: Vec<ClassId>,
        dependencies: Dependencies,
    ) -> Self {
        for (index, class) in class_of.iter().enumerate() {
            if !dependencies.is_pending(JobIndex(index)) {
                classes[*class as usize].append(JobIndex(index));
            }
        }
        let [cpu, io] = [CPU, IO].map(|slots| resources[slots as usize].capacity);
        let mut schedule = Self {
            numbers: Numbers::new(cpu, io),
            resources,
            states: vec![State::Waiting; class_of.len()],
            class_of,
            dependencies,
            fresh: [BTreeSet::new(), BTreeSet::new()],
            woken: BTreeSet::new(),
            running: 0,
            reserve: None,
            classes,
        };
        for class in 0..schedule.classes.len() {
            schedule.refresh(class as ClassId);
        }
        schedule
    }

    /// The next job that may start now. The caller must start it, and call [`finish`](Self::finish) at its end.
    pub fn start_next(&mut self) -> Option<JobIndex> {
        loop {
            let (job, class, woken_by) = self.next_candidate()?;
            let blocked_by = self.blocked_by(job, class);
            match blocked_by {
                None => self.start(job, class),
                Some(resource) => self.wait(job, class, resource),
            }
            // There may be more of it than this one has taken.
            if let Some(resource) = woken_by.filter(|resource| blocked_by != Some(*resource)) {
                self.wake(resource);
            }
            if blocked_by.is_none() {
                return Some(job);
            }
        }
    }

    /// A running job has ended. Gives the jobs that will not start since it has not passed, in order.
    ///
    /// # Panics
    /// When the job does not run: the caller has lost count.
    pub fn finish(&mut self, job: JobIndex, ending: Ending) -> Vec<Skipped> {
        self.give_back(job, State::Over);
        self.numbers.give_back(job);
        match ending {
            Ending::NotPassed => self.skip_dependents(job),
            Ending::Passed => {
                for ready in self.dependencies.pass(job) {
                    if self.states[ready.0] == State::Waiting {
                        self.release(ready);
                    }
                }
                Vec::new()
            }
        }
    }

    /// A running job has something to wait for that is none of what it has taken: it gives all of that back. What depends
    /// on it goes on waiting.
    ///
    /// # Panics
    /// When the job does not run.
    pub fn pause(&mut self, job: JobIndex) {
        self.give_back(job, State::Paused);
        self.numbers.pause(job);
    }

    /// A paused job has waited long enough. It starts again in its place of the list, as soon as it can have all that it
    /// needs.
    ///
    /// # Panics
    /// When the job is not paused.
    pub fn resume(&mut self, job: JobIndex) {
        assert_eq!(self.states[job.0], State::Paused, "a job is resumed that is not paused");
        self.states[job.0] = State::Waiting;
        self.release(job);
    }

    /// Lets jobs that are over run once more, each after those of them that it depends on. What depends on one of them
    /// must be among them, or be over for good.
    ///
    /// # Panics
    /// When one of them is not over.
    pub fn again(&mut self, jobs: &[JobIndex]) {
        for job in jobs {
            assert_eq!(self.states[job.0], State::Over, "a job is to run again that is not over");
            self.states[job.0] = State::Waiting;
        }
        self.dependencies.renew(jobs);
        for job in jobs.iter().filter(|job| !self.dependencies.is_pending(**job)).copied().collect::<Vec<_>>()
        {
            self.release(job);
        }
    }

    /// Whether a job that is over could start at once, were it to run once more now.
    #[must_use]
    pub fn has_room(&self, job: JobIndex) -> bool {
        let class = self.class_of[job.0];
        let slots = [CPU, IO][self.classes[class as usize].queue()];
        let is_kept = |resource: ResourceId| self.resources[resource as usize].is_waited_for_before(job);
        !is_kept(MACHINE) && !is_kept(slots) && self.blocked_by(job, class).is_none()
    }

    /// A running job gives back what it has taken.
    fn give_back(&mut self, job: JobIndex, state: State) {
        assert_eq!(self.states[job.0], State::Running, "a job ends that does not run");
        self.states[job.0] = state;
        self.running -= 1;
        let class = self.class_of[job.0] as usize;
        for at in 0..self.classes[class].needs.len() {
            let need = self.classes[class].needs[at];
            self.resources[need.resource as usize].give_back(need.amount);
            self.wake(need.resource);
        }
    }

    /// Opens a gate: what was behind it, and waits for nothing else, may start. To be called once at most.
    pub fn open(&mut self, gate: GateId) {
        for ready in self.dependencies.pass(self.node(gate)) {
            if self.states[ready.0] == State::Waiting {
                self.release(ready);
            }
        }
    }

    /// Opens all gates but these; none may have been opened or closed.
    pub(super) fn open_all_but(&mut self, closed: &HashSet<GateId>) {
        let gates = self.dependencies.nodes().saturating_sub(self.states.len());
        let gates = (0..gates).filter_map(|gate| u32::try_from(gate).ok()).map(GateId);
        gates.filter(|gate| !closed.contains(gate)).for_each(|gate| self.open(gate));
    }

    /// How many jobs there are, whatever has become of them.
    pub(super) fn jobs(&self) -> usize {
        self.states.len()
    }

    /// Says that a gate will not open. Gives the jobs behind it, which will not start, and then those that will not
    /// since they depend on one of these; each in order.
    pub fn close(&mut self, gate: GateId) -> (Vec<JobIndex>, Vec<Skipped>) {
        let node = self.node(gate);
        let (behind, others): (Vec<_>, Vec<_>) =
            self.skip_dependents(node).into_iter().partition(|skipped| skipped.after == node);
        (behind.into_iter().map(|skipped| skipped.job).collect(), others)
    }

    fn node(&self, GateId(gate): GateId) -> JobIndex {
        JobIndex(self.states.len() + gate as usize)
    }

    /// The number of the slot in which a job runs: no other that runs has the same. Those that take CPU slots have numbers
    /// from 0, less than there are CPU slots; those that take an I/O slot have those behind. A job that was paused has its
    /// old number again unless another one has that.
    #[must_use]
    pub fn slot(&self, job: JobIndex) -> usize {
        self.numbers.of(job).unwrap_or_default()
    }

    /// Gives a number to a job that runs although it was cancelled, until [`end_beside`](Self::end_beside).
    pub fn run_beside(&mut self, job: JobIndex) {
        self.numbers.take_beside(job);
    }

    /// A job that ran although it was cancelled has ended.
    pub fn end_beside(&mut self, job: JobIndex) {
        self.numbers.give_back(job);
    }

    /// How many jobs run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running
    }

    /// Takes away every job that still waits, in order: the run ends early.
    pub fn cancel_waiting(&mut self) -> Vec<JobIndex> {
        self.cancel_where(|_| true)
    }

    /// Takes away those of the waiting jobs that `is_meant` names, in order. Jobs that depend on one of them never
    /// start.
    pub fn cancel_where(&mut self, is_meant: impl Fn(JobIndex) -> bool) -> Vec<JobIndex> {
        self.classes.iter_mut().for_each(Class::clear);
        self.resources.iter_mut().for_each(Resource::clear);
        self.fresh.iter_mut().for_each(BTreeSet::clear);
        self.woken.clear();
        let mut cancelled = Vec::new();
        for (index, state) in self.states.iter_mut().enumerate() {
            let job = JobIndex(index);
            if *state != State::Waiting {
                continue;
            }
            if is_meant(job) {
                *state = State::Over;
                cancelled.push(job);
            } else if !self.dependencies.is_pending(job) {
                self.classes[self.class_of[index] as usize].append(job);
            }
        }
        for class in 0..self.classes.len() {
            self.refresh(class as ClassId);
        }
        cancelled
    }

    /// The first job that is worth a look, and what was given back that makes it so.
    fn next_candidate(&mut self) -> Option<(JobIndex, ClassId, Option<ResourceId>)> {
        let machine = &self.resources[MACHINE as usize];
        let fresh = [CPU, IO].into_iter().zip(&self.fresh).filter_map(|(slots, queue)| {
            let first = queue.first()?;
            let slots = &self.resources[slots as usize];
            (!machine.is_waited_for_before(first.0) && !slots.is_waited_for_before(first.0)).then_some(*first)
        });
        let (job, class) = fresh.chain(self.woken.first().copied()).min()?;
        let entry = &mut self.classes[class as usize];
        let woken_by = match entry.place {
            Place::Woken(resource) => {
                self.woken.remove(&(job, class));
                Some(resource)
            }
            _ => {
                self.fresh[entry.queue()].remove(&(job, class));
                None
            }
        };
        entry.place = Place::Nowhere;
        Some((job, class, woken_by))
    }

    /// The first thing that a job needs and cannot have.
    fn blocked_by(&self, job: JobIndex, class: ClassId) -> Option<ResourceId> {
        let needs = self.classes[class as usize].needs.iter();
        needs
            .map(|need| (need.resource, self.resources[need.resource as usize].has_room(job, need.amount)))
            .find_map(|(resource, has_room)| (!has_room).then_some(resource))
    }

    fn start(&mut self, job: JobIndex, class: ClassId) {
        let entry = &mut self.classes[class as usize];
        for resource in entry.claims.drain(..) {
            self.resources[resource as usize].drop_claim(job);
        }
        for need in &entry.needs {
            self.resources[need.resource as usize].take(need.amount);
        }
        entry.pop();
        self.numbers.take(job, entry.queue());
        self.states[job.0] = State::Running;
        self.running += 1;
        self.reconsider_claims(class);
        self.refresh(class);
    }

    /// An earlier job may take what a later one has a claim to. If that one waits for slots, it must not keep others
    /// from them any more.
    fn reconsider_claims(&mut self, started: ClassId) {
        let named = self.classes[started as usize].named().iter();
        let disappointed: Vec<_> =
            named.flat_map(|need| self.resources[need.resource as usize].disappointed()).collect();
        for job in disappointed {
            let class = self.class_of[job.0];
            if let Place::Waiting(slots) = self.classes[class as usize].place {
                self.resources[slots as usize].leave(job, class);
                self.look_again(job, class, slots);
            }
        }
    }

    /// Puts a class that has left the queue of a resource among those to look at.
    fn look_again(&mut self, job: JobIndex, class: ClassId, resource: ResourceId) {
        let entry = &mut self.classes[class as usize];
        entry.place = Place::Woken(resource);
        if resource < NAMED {
            for claim in &entry.claims {
                self.resources[*claim as usize].expect_no_more(job);
            }
        }
        self.woken.insert((job, class));
    }

    /// Puts a class into the queue of what its first job cannot have. From now on no later job takes that, nor,
    /// where only slots are missing to the first in their queue, the locks and pools that are free now.
    fn wait(&mut self, job: JobIndex, class: ClassId, resource: ResourceId) {
        let entry = &mut self.classes[class as usize];
        let is_first = !self.resources[resource as usize].is_waited_for_before(job);
        let is_claimed = |named: ResourceId| if resource < NAMED { is_first } else { named == resource };
        let new: Vec<_> = entry.named().iter().filter(|need| is_claimed(need.resource)).copied().collect();
        for need in new {
            if !entry.claims.contains(&need.resource) {
                entry.claims.push(need.resource);
                self.resources[need.resource as usize].claim(job, need.amount);
            }
        }
        entry.place = Place::Waiting(resource);
        if resource < NAMED {
            for claim in &entry.claims {
                self.resources[*claim as usize].expect(job);
            }
        }
        self.resources[resource as usize].queue(job, class);
    }

    /// Has a look at the first class that waits for this resource, as soon as it is its turn.
    fn wake(&mut self, resource: ResourceId) {
        if let Some((job, class)) = self.resources[resource as usize].wake() {
            self.look_again(job, class, resource);
        }
    }

    /// Puts a class that is nowhere among the fresh ones, if it has a job.
    fn refresh(&mut self, class: ClassId) {
        let entry = &mut self.classes[class as usize];
        if let Some(first) = entry.first() {
            entry.place = Place::Fresh;
            self.fresh[entry.queue()].insert((first, class));
        }
    }

    /// Makes a job ready that waited for others.
    fn release(&mut self, job: JobIndex) {
        let class = self.class_of[job.0];
        let entry = &mut self.classes[class as usize];
        let first = entry.first();
        entry.release(job);
        let Some(first) = first else { return self.refresh(class) };
        if first < job {
            return;
        }
        let place = entry.place;
        match place {
            Place::Nowhere => {}
            Place::Fresh => _ = self.fresh[entry.queue()].remove(&(first, class)),
            Place::Woken(_) => _ = self.woken.remove(&(first, class)),
            Place::Waiting(resource) => {
                self.resources[resource as usize].leave(first, class);
                self.look_again(first, class, resource);
                self.woken.remove(&(first, class));
            }
        }
        // It takes the place of the job that was the first of its class, with its claims.
        let entry = &mut self.classes[class as usize];
        for at in 0..entry.claims.len() {
            let resource = entry.claims[at];
            let amount = entry.needs.iter().find(|need| need.resource == resource).map(|need| need.amount);
            let resource = &mut self.resources[resource as usize];
            resource.drop_claim(first);
            resource.claim(job, amount.unwrap_or_default());
        }
        match place {
            Place::Fresh | Place::Nowhere => _ = self.fresh[entry.queue()].insert((job, class)),
            Place::Woken(_) | Place::Waiting(_) => _ = self.woken.insert((job, class)),
        }
    }

    /// Takes away the jobs that depend on one that has not passed, and those that depend on them.
    fn skip_dependents(&mut self, job: JobIndex) -> Vec<Skipped> {
        let mut skipped = Vec::new();
        let mut not_passed = vec![job];
        while let Some(after) = not_passed.pop() {
            for job in self.dependencies.dependents(after) {
                if self.states[job.0] == State::Waiting {
                    self.states[job.0] = State::Over;
                    skipped.push(Skipped { job, after });
                    not_passed.push(job);
                }
            }
        }
        skipped.sort_unstable();
        skipped
    }
}
