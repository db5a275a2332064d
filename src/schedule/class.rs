//! Jobs that need the same.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::schedule::demand::JobIndex;
use crate::schedule::resource::{CPU, ResourceId};

/// The number of a class.
pub(super) type ClassId = u32;

/// So much of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Need {
    pub(super) resource: ResourceId,
    pub(super) amount: u64,
}

/// Where a class is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: none of its jobs is ready.
    Nowhere,
    /// Among those whose first job was not looked at yet.
    Fresh,
    /// Among those to look at again, as some of this was given back.
    Woken(ResourceId),
    /// In the queue of this resource.
    Waiting(ResourceId),
}

/// Jobs that need the same. They start in the order of the list.
#[derive(Debug)]
pub(super) struct Class {
    /// Locks and pools by number, then the machine, then slots.
    pub(super) needs: Box<[Need]>,
    pub(super) place: Place,
    /// The resources to which its first job has a claim.
    pub(super) claims: Vec<ResourceId>,
    /// Jobs that are ready from the beginning, in order.
    ready: VecDeque<JobIndex>,
    /// Jobs that became ready when what they depend on had passed.
    released: BinaryHeap<Reverse<JobIndex>>,
}

impl Class {
    pub(super) fn new(needs: Box<[Need]>) -> Self {
        Self {
            needs,
            place: Place::Nowhere,
            claims: Vec::new(),
            ready: VecDeque::new(),
            released: BinaryHeap::new(),
        }
    }

    /// Locks and pools.
    pub(super) fn named(&self) -> &[Need] {
        &self.needs[..self.needs.len() - 2]
    }

    /// Which of the two queues of fresh classes it belongs to.
    pub(super) fn queue(&self) -> usize {
        let slots = self.needs.last().map_or(CPU, |need| need.resource);
        (slots - CPU) as usize
    }

    /// The job that is the next to start.
    pub(super) fn first(&self) -> Option<JobIndex> {
        let released = self.released.peek().map(|job| job.0);
        match (self.ready.front().copied(), released) {
            (Some(ready), Some(released)) => Some(ready.min(released)),
            (ready, released) => ready.or(released),
        }
    }

    /// Adds a job behind those there are.
    pub(super) fn append(&mut self, job: JobIndex) {
        self.ready.push_back(job);
    }

    /// Adds a job that has become ready.
    pub(super) fn release(&mut self, job: JobIndex) {
        self.released.push(Reverse(job));
    }

    /// Takes the first job out.
    pub(super) fn pop(&mut self) {
        let released = self.released.peek().map(|job| job.0);
        match (self.ready.front(), released) {
            (Some(ready), Some(released)) if *ready < released => drop(self.ready.pop_front()),
            (_, Some(_)) => drop(self.released.pop()),
            (_, None) => drop(self.ready.pop_front()),
        }
    }

    /// Forgets its jobs.
    pub(super) fn clear(&mut self) {
        self.place = Place::Nowhere;
        self.claims.clear();
        self.ready.clear();
        self.released.clear();
    }
}
