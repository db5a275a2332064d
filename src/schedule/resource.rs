//! One thing that jobs share: how much of it is free, who waits for it and who has a claim to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::schedule::class::ClassId;
use crate::schedule::demand::JobIndex;

/// The number of a resource.
pub(super) type ResourceId = u32;

/// The machine: a lock that every job shares and an exclusive one has alone.
pub(super) const MACHINE: ResourceId = 0;
/// The CPU slots.
pub(super) const CPU: ResourceId = 1;
/// The I/O slots.
pub(super) const IO: ResourceId = 2;
/// The first number of those with names.
pub(super) const NAMED: ResourceId = 3;

/// What there is of a lock: who has it alone has all of it, and who shares it has one.
pub(super) const LOCK: u64 = u64::MAX;

/// A lock, a pool, or slots.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) capacity: u64,
    free: u64,
    /// The classes that wait at it, by the first job of each. None of them can have it now.
    waiting: BTreeSet<(JobIndex, ClassId)>,
    /// The jobs for which all of it is kept from later ones: they waited for it, and wait for something else now.
    whole: BTreeSet<JobIndex>,
    /// The jobs for which a part is kept.
    parts: BTreeMap<JobIndex, u64>,
    /// Those of them that wait for nothing but slots.
    expected: BTreeSet<JobIndex>,
}

impl Resource {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            free: capacity,
            waiting: BTreeSet::new(),
            whole: BTreeSet::new(),
            parts: BTreeMap::new(),
            expected: BTreeSet::new(),
        }
    }

    /// Whether a job may take so much: it is free, no earlier job waits for it, and enough is left for the claims of
    /// earlier jobs.
    pub(super) fn has_room(&self, job: JobIndex, amount: u64) -> bool {
        if self.free < amount || self.is_waited_for_before(job) {
            return false;
        }
        if self.whole.first().is_some_and(|first| *first < job) {
            return false;
        }
        if amount == self.capacity {
            return self.parts.first_key_value().is_none_or(|(first, _)| *first > job);
        }
        if self.capacity == LOCK {
            return true;
        }
        let mut room = self.free - amount;
        for claim in self.parts.range(..job).map(|(_, claim)| *claim) {
            match room.checked_sub(claim) {
                Some(rest) => room = rest,
                None => return false,
            }
        }
        true
    }

    /// Whether a job before this one waits here, so that this one cannot have it.
    pub(super) fn is_waited_for_before(&self, job: JobIndex) -> bool {
        self.waiting.first().is_some_and(|(first, _)| *first < job)
    }

    /// The first that waits here.
    pub(super) fn first_waiting(&self) -> Option<(JobIndex, ClassId)> {
        self.waiting.first().copied()
    }

    pub(super) fn take(&mut self, amount: u64) {
        self.free -= amount;
    }

    pub(super) fn give_back(&mut self, amount: u64) {
        self.free += amount;
    }

    pub(super) fn claim(&mut self, job: JobIndex, amount: u64) {
        if amount == self.capacity {
            self.whole.insert(job);
        } else {
            self.parts.insert(job, amount);
        }
    }

    pub(super) fn drop_claim(&mut self, job: JobIndex) {
        if !self.whole.remove(&job) {
            self.parts.remove(&job);
        }
    }

    /// Notes a job that has a claim and waits for nothing but slots.
    pub(super) fn expect(&mut self, job: JobIndex) {
        self.expected.insert(job);
    }

    /// It does so no more.
    pub(super) fn expect_no_more(&mut self, job: JobIndex) {
        self.expected.remove(&job);
    }

    /// The jobs that wait for nothing but slots although less is left than they have a claim to.
    pub(super) fn disappointed(&self) -> impl Iterator<Item = JobIndex> + '_ {
        let claim = |job: &JobIndex| self.parts.get(job).copied().unwrap_or(self.capacity);
        self.expected.iter().filter(move |job| self.free < claim(job)).copied()
    }

    pub(super) fn queue(&mut self, job: JobIndex, class: ClassId) {
        self.waiting.insert((job, class));
    }

    pub(super) fn leave(&mut self, job: JobIndex, class: ClassId) {
        self.waiting.remove(&(job, class));
    }

    /// Takes the first class that waits out of the queue.
    pub(super) fn wake(&mut self) -> Option<(JobIndex, ClassId)> {
        self.waiting.pop_first()
    }

    /// Forgets who waits and who has a claim.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.whole.clear();
        self.parts.clear();
        self.expected.clear();
    }
}
