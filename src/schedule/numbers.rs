//! The number of the slot in which a job runs.

use std::collections::{BTreeSet, HashMap};

use crate::schedule::demand::JobIndex;

/// The number of the queue of jobs that run beside the schedule.
const BESIDE: usize = 2;

/// Gives each job that runs a number that no other running job has: the smallest that is free of its kind. Jobs that take CPU
/// slots have those from 0, jobs that take an I/O slot those behind, and what runs beside the schedule those behind
/// all. So a job that computes always has a smaller one than there are CPU slots.
#[derive(Debug)]
pub(super) struct Numbers {
    kinds: [Kind; 3],
    /// What each running job has, and its kind.
    held: HashMap<JobIndex, (usize, usize)>,
    /// What each paused job had.
    left: HashMap<JobIndex, usize>,
}

/// The numbers of one kind.
#[derive(Debug)]
struct Kind {
    /// Those that were given back.
    free: BTreeSet<usize>,
    /// The first that nobody ever had.
    next: usize,
}

impl Numbers {
    pub(super) fn new(cpu: u64, io: u64) -> Self {
        let count = |slots: u64| usize::try_from(slots).unwrap_or(usize::MAX);
        let firsts = [0, count(cpu), count(cpu).saturating_add(count(io))];
        let kinds = firsts.map(|next| Kind { free: BTreeSet::new(), next });
        Self { kinds, held: HashMap::new(), left: HashMap::new() }
    }

    /// Gives a job of this queue a number; one that was paused its old one, if that is free.
    pub(super) fn take(&mut self, job: JobIndex, queue: usize) {
        let kind = &mut self.kinds[queue];
        let old = self.left.remove(&job).filter(|old| kind.free.remove(old));
        let number = old.or_else(|| kind.free.pop_first()).unwrap_or_else(|| {
            kind.next += 1;
            kind.next - 1
        });
        self.held.insert(job, (queue, number));
    }

    /// Gives a job that runs beside the schedule a number.
    pub(super) fn take_beside(&mut self, job: JobIndex) {
        self.take(job, BESIDE);
    }

    /// A job runs no more.
    pub(super) fn give_back(&mut self, job: JobIndex) {
        if let Some((queue, number)) = self.held.remove(&job) {
            self.kinds[queue].free.insert(number);
        }
    }

    /// A job runs no more for now.
    pub(super) fn pause(&mut self, job: JobIndex) {
        if let Some((_, number)) = self.held.get(&job) {
            self.left.insert(job, *number);
        }
        self.give_back(job);
    }

    /// A job runs no more, and another one does in its place.
    pub(super) fn pass_on(&mut self, done: JobIndex, by: JobIndex) {
        if let Some(number) = self.held.remove(&done) {
            self.held.insert(by, number);
            self.left.remove(&by);
        }
    }

    /// The number of a running job.
    pub(super) fn of(&self, job: JobIndex) -> Option<usize> {
        self.held.get(&job).map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::{JobIndex, Numbers};

    #[test]
    fn the_smallest_that_is_free_is_given() {
        let mut numbers = Numbers::new(2, 3);
        let mut take = |job, queue| {
            numbers.take(JobIndex(job), queue);
            numbers.of(JobIndex(job)).expect("it runs")
        };
        assert_eq!([take(10, 0), take(11, 0), take(12, 1), take(13, 1)], [0, 1, 2, 3]);
        numbers.take_beside(JobIndex(14));
        assert_eq!(numbers.of(JobIndex(14)), Some(5));
        numbers.pause(JobIndex(10));
        numbers.give_back(JobIndex(12));
        assert_eq!([numbers.of(JobIndex(10)), numbers.of(JobIndex(12))], [None, None]);
        numbers.take(JobIndex(15), 1);
        numbers.take(JobIndex(10), 0);
        assert_eq!([15, 10].map(|job| numbers.of(JobIndex(job))), [Some(2), Some(0)]);
        numbers.pause(JobIndex(11));
        numbers.take(JobIndex(16), 0);
        numbers.give_back(JobIndex(10));
        numbers.take(JobIndex(11), 0);
        assert_eq!([16, 11].map(|job| numbers.of(JobIndex(job))), [Some(1), Some(0)]);
    }
}
