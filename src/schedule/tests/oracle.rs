//! What must be true of a schedule at every moment, worked out in the most simple way.

use std::num::NonZeroU32;

use crate::schedule::{Access, Demand, LockId, PoolId, Slots};

/// Something that jobs take of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Lock(usize),
    Pool(usize),
    Machine,
    Cpu,
    Io,
}

impl Thing {
    pub(super) fn is_named(self) -> bool {
        matches!(self, Self::Lock(_) | Self::Pool(_))
    }
}

/// Of a lock or the machine, more than can ever be shared.
const ALL: u32 = 1 << 20;

/// A job as the test knows it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) exclusive: bool,
    /// CPU slots; 0 for an I/O slot.
    pub(super) weight: u32,
    pub(super) locks: Vec<(usize, Access)>,
    pub(super) pools: Vec<(usize, u32)>,
    pub(super) after: Vec<usize>,
    /// Whether it passes when it ends.
    pub(super) passes: bool,
    /// How often an attempt is tried again before it ends.
    pub(super) retries: u32,
    /// Whether it waits before each of them.
    pub(super) pauses: bool,
    /// Whether it is run once more when everything is over.
    pub(super) repeats: bool,
}

/// What there is.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) cpu: u32,
    pub(super) io: u32,
    pub(super) pools: Vec<u32>,
    pub(super) jobs: Vec<Job>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Running,
    Paused,
    Passed,
    NotPassed,
    Skipped,
    Cancelled,
}

pub(super) struct Oracle<'a> {
    pub(super) world: &'a World,
    pub(super) states: Vec<State>,
    /// How often a later job took of the one thing that a job could not have, since one before it started.
    overtaken: Vec<u32>,
}

impl<'a> Oracle<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        let count = world.jobs.len();
        Self { world, states: vec![State::Waiting; count], overtaken: vec![0; count] }
    }

    pub(super) fn needs(&self, job: usize) -> Vec<(Thing, u32)> {
        let job = &self.world.jobs[job];
        let all = |access| if access == Access::Exclusive { ALL } else { 1 };
        let mut needs: Vec<_> = job.locks.iter().map(|(lock, a)| (Thing::Lock(*lock), all(*a))).collect();
        needs.extend(job.pools.iter().map(|(pool, count)| (Thing::Pool(*pool), *count)));
        needs.push((Thing::Machine, if job.exclusive { ALL } else { 1 }));
        needs.push(match job.weight {
            0 => (Thing::Io, 1),
            weight => (Thing::Cpu, weight.min(self.world.cpu)),
        });
        needs
    }

    fn of(&self, job: usize, thing: Thing) -> u32 {
        self.needs(job).iter().filter(|(own, _)| *own == thing).map(|(_, amount)| amount).sum()
    }

    fn free(&self, thing: Thing) -> u32 {
        let capacity = match thing {
            Thing::Lock(_) | Thing::Machine => ALL,
            Thing::Pool(pool) => self.world.pools[pool],
            Thing::Cpu => self.world.cpu,
            Thing::Io => self.world.io,
        };
        let taken: u32 = self.all(State::Running).map(|job| self.of(job, thing)).sum();
        assert!(taken <= capacity, "{taken} of {capacity} of {thing:?} are taken");
        capacity - taken
    }

    fn lacks(&self, job: usize) -> Vec<Thing> {
        let needs = self.needs(job).into_iter();
        needs.filter(|(thing, amount)| self.free(*thing) < *amount).map(|(thing, _)| thing).collect()
    }

    pub(super) fn all(&self, state: State) -> impl Iterator<Item = usize> + '_ {
        self.states.iter().enumerate().filter(move |(_, own)| **own == state).map(|(job, _)| job)
    }

    /// The jobs that wait for nothing but their turn.
    fn ready(&self) -> Vec<usize> {
        let passed = |job: &usize| self.states[*job] == State::Passed;
        self.all(State::Waiting).filter(|job| self.world.jobs[*job].after.iter().all(passed)).collect()
    }

    /// A job starts.
    pub(super) fn start(&mut self, job: usize) {
        assert!(self.ready().contains(&job), "job {job} starts before its time, or twice");
        assert_eq!(self.lacks(job), [], "job {job} starts without all it needs");
        for earlier in self.ready().into_iter().filter(|earlier| *earlier < job) {
            let lacks = self.lacks(earlier);
            let overtakes = |thing: &&Thing| self.of(job, **thing) > 0 && **thing != Thing::Machine;
            let overtaken = lacks.iter().any(|thing| overtakes(&thing)) || self.is_next_for_machine(earlier);
            let needs_names = self.needs(earlier).iter().any(|(thing, _)| thing.is_named());
            assert!(needs_names || !overtaken, "job {job} takes the slots that job {earlier} waits for");
            // What lacks several things waits for one of them, and the others may be taken meanwhile: for as long as
            // whoever has that one runs, which may be as long as it likes.
            self.overtaken[earlier] += u32::from(overtaken && lacks.len() == 1);
            // One generation of running jobs for each thing it may have to wait for.
            let most = (self.world.cpu + self.world.io) * (self.needs(earlier).len() as u32);
            assert!(self.overtaken[earlier] <= most, "job {earlier} is overtaken again and again");
        }
        self.states[job] = State::Running;
        // It goes before those after it, also when it comes back to its place; what they had waited for they may have to
        // wait for once more.
        self.overtaken[job + 1..].fill(0);
        self.needs(job).iter().for_each(|(thing, _)| _ = self.free(*thing));
    }

    /// Whether a job waits for the machine, and no job before it for the same slots.
    fn is_next_for_machine(&self, job: usize) -> bool {
        let slots = |job: usize| self.needs(job).last().map(|(thing, _)| *thing);
        let mut before = self.ready().into_iter().filter(|before| *before < job);
        self.world.jobs[job].exclusive
            && self.lacks(job).contains(&Thing::Machine)
            && !before.any(|before| slots(before) == slots(job))
    }

    /// Nothing more starts: everything that waits must have a reason.
    pub(super) fn stands(&self) {
        let ready = self.ready();
        for job in &ready {
            let lacks = self.lacks(*job);
            let is_before = |earlier: &&usize| *earlier < job;
            let behind = ready.iter().filter(is_before).any(|earlier| self.is_behind(*job, *earlier));
            assert!(!lacks.is_empty() || behind, "job {job} could start");
        }
        let runs = [State::Running, State::Paused].iter().any(|state| self.all(*state).next().is_some());
        assert!(runs || self.all(State::Waiting).next().is_none(), "the schedule stands still");
    }

    /// Whether a job may have to wait since an earlier one does: both need the same lock or pool; or the same slots,
    /// or the earlier one the machine, and these are all that is missing to it.
    fn is_behind(&self, job: usize, earlier: usize) -> bool {
        let needs_too = |thing: Thing| self.of(job, thing) > 0;
        let mut needs = self.needs(earlier).into_iter();
        let waits_for_slots = !self.lacks(earlier).iter().any(|thing| thing.is_named());
        needs.any(|(thing, amount)| match thing {
            Thing::Lock(_) | Thing::Pool(_) => needs_too(thing),
            Thing::Machine => waits_for_slots && amount == ALL,
            Thing::Cpu | Thing::Io => waits_for_slots && needs_too(thing),
        })
    }

    /// A job gives back what it has, and waits for nothing of that.
    pub(super) fn pause(&mut self, job: usize) {
        assert_eq!(self.states[job], State::Running);
        self.states[job] = State::Paused;
    }

    /// It wants all of it once more.
    pub(super) fn resume(&mut self, job: usize) {
        assert_eq!(self.states[job], State::Paused);
        (self.states[job], self.overtaken[job]) = (State::Waiting, 0);
    }

    /// The jobs that are to be run once more, when everything is over: those that repeat, as far as all that depends on
    /// them does.
    pub(super) fn again(&mut self) -> Vec<usize> {
        let mut again: Vec<_> = (0..self.states.len()).filter(|job| self.world.jobs[*job].repeats).collect();
        loop {
            let depends = |job: usize, on: usize| self.world.jobs[job].after.contains(&on);
            let outside = |job: &usize| !again.contains(job);
            let is_free = |on: &usize| (0..self.states.len()).filter(outside).all(|job| !depends(job, *on));
            let fewer: Vec<_> = again.iter().copied().filter(is_free).collect();
            if fewer.len() == again.len() {
                break;
            }
            again = fewer;
        }
        for job in &again {
            (self.states[*job], self.overtaken[*job]) = (State::Waiting, 0);
        }
        // What is over for good has passed, as far as the others are concerned.
        let outside = (0..self.states.len()).filter(|job| !again.contains(job)).collect::<Vec<_>>();
        outside.into_iter().for_each(|job| self.states[job] = State::Passed);
        again
    }

    /// A job ends; gives the jobs that must be skipped.
    pub(super) fn finish(&mut self, job: usize) -> Vec<usize> {
        assert_eq!(self.states[job], State::Running);
        self.states[job] = if self.world.jobs[job].passes { State::Passed } else { State::NotPassed };
        let mut skipped = Vec::new();
        loop {
            let is_hopeless = |job: &usize| {
                let after = &self.world.jobs[*job].after;
                after.iter().any(|after| matches!(self.states[*after], State::NotPassed | State::Skipped))
            };
            let Some(next) = self.all(State::Waiting).find(is_hopeless) else { break };
            self.states[next] = State::Skipped;
            skipped.push(next);
        }
        skipped.sort_unstable();
        skipped
    }
}

/// The job as the schedule is told of it.
pub(super) fn demand(job: &Job, locks: &[LockId], pools: &[PoolId]) -> Demand {
    let count = |count: u32| NonZeroU32::new(count);
    Demand {
        slots: count(job.weight).map_or(Slots::Io, Slots::Cpu),
        machine: if job.exclusive { Access::Exclusive } else { Access::Shared },
        locks: job.locks.iter().map(|(lock, access)| (locks[*lock], *access)).collect(),
        pools: job.pools.iter().filter_map(|(pool, taken)| Some((pools[*pool], count(*taken)?))).collect(),
    }
}
