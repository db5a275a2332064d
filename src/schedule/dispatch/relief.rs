//! Jobs that stand by: they are the next to start, and take over what a running job that needs the same has, in the
//! moment in which that passes. So whoever runs jobs need not ask after each of them what comes next.

use crate::schedule::class::{ClassId, Place};
use crate::schedule::demand::JobIndex;
use crate::schedule::dispatch::{Schedule, State};
use crate::schedule::resource::{CPU, MACHINE, NAMED};

/// The jobs that stand by, all of one class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserve {
    class: ClassId,
    count: usize,
}

impl Schedule {
    /// Takes the job out of the list that is the next to start and waits for nothing but a CPU slot. Each is to
    /// [`relieve`](Self::relieve) another, or [`stand_down`](Self::stand_down) before anything else happens to a job: else
    /// a later one could start before it.
    /// There is none that needs anything else than those that stand by, and none at all where jobs depend on others, since
    /// what becomes ready may come before it.
    pub fn stand_by(&mut self) -> Option<JobIndex> {
        let (job, class) = self.resources[CPU as usize].first_waiting()?;
        let count = match self.reserve {
            Some(reserve) if reserve.class != class => return None,
            reserve => reserve.map_or(0, |reserve| reserve.count),
        };
        let entry = &mut self.classes[class as usize];
        let is_plain = entry.needs.iter().all(|need| need.resource < NAMED && need.amount == 1);
        // Classes that were not looked at yet are fresh.
        let is_first = self.fresh[entry.queue()].first().is_none_or(|(first, _)| *first > job);
        let is_next =
            is_first && self.woken.is_empty() && self.resources[MACHINE as usize].first_waiting().is_none();
        if !is_plain || !is_next || self.dependencies.nodes() > 0 {
            return None;
        }
        self.resources[CPU as usize].leave(job, class);
        entry.pop();
        entry.place = Place::Nowhere;
        if let Some(next) = entry.first() {
            entry.place = Place::Waiting(CPU);
            self.resources[CPU as usize].queue(next, class);
        }
        self.states[job.0] = State::StandingBy;
        self.reserve = Some(Reserve { class, count: count + 1 });
        Some(job)
    }

    /// What a job needs, as a number: those that stand by relieve jobs with the same one.
    #[must_use]
    pub fn likeness(&self, job: JobIndex) -> u32 {
        self.class_of[job.0]
    }

    /// A running job has passed, and one that stands by and needs the same runs in its place, in its slot.
    ///
    /// # Panics
    /// When this is not so: the caller has lost count.
    pub fn relieve(&mut self, done: JobIndex, by: JobIndex) {
        assert_eq!(self.states[done.0], State::Running, "a job ends that does not run");
        assert_eq!(self.class_of[done.0], self.class_of[by.0], "they need the same");
        self.leave_reserve(by);
        self.states[done.0] = State::Over;
        self.states[by.0] = State::Running;
        self.numbers.pass_on(done, by);
    }

    /// A job that stands by comes back to its place in the list.
    ///
    /// # Panics
    /// When it does not stand by.
    pub fn stand_down(&mut self, job: JobIndex) {
        self.leave_reserve(job);
        self.states[job.0] = State::Waiting;
        self.release(job);
    }

    fn leave_reserve(&mut self, job: JobIndex) {
        assert_eq!(self.states[job.0], State::StandingBy, "a job takes over that does not stand by");
        self.reserve = self
            .reserve
            .and_then(|Reserve { class, count }| (count > 1).then(|| Reserve { class, count: count - 1 }));
    }
}
