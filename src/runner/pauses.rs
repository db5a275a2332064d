//! Cases that wait for their next attempt.
//!
//! Such a case has no slot, no lock and no share of a pool: nothing of it is going on, and the next attempt begins in a
//! new private directory. It keeps the services beside it, since they would have to be started again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use crate::runner::hands::Start;
use crate::schedule::JobIndex;
use crate::time::clock;

/// The cases that have been tried, and will be again.
#[derive(Default)]
pub(super) struct Pauses {
    /// When each of those may go on that still wait for that.
    due: BinaryHeap<Reverse<(Instant, JobIndex)>>,
    /// With what each of them goes on.
    starts: HashMap<JobIndex, Start>,
}

impl Pauses {
    /// A case waits for so long, and then for its turn.
    pub(super) fn add(&mut self, start: Start, wait: Duration) {
        let now = clock::now();
        // Nothing that can be named is that far away.
        let due = now.checked_add(wait).unwrap_or(now);
        self.due.push(Reverse((due, start.job)));
        self.starts.insert(start.job, start);
    }

    /// Whether some case has not waited long enough.
    pub(super) fn are_pending(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether no case has been tried that will be again.
    pub(super) fn are_none(&self) -> bool {
        self.starts.is_empty()
    }

    /// How long it is until the next case has waited long enough.
    pub(super) fn next(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((due, _))| due.saturating_duration_since(clock::now()))
    }

    /// A case that has waited long enough.
    pub(super) fn over(&mut self) -> Option<JobIndex> {
        self.next().filter(Duration::is_zero)?;
        self.due.pop().map(|Reverse((_, job))| job)
    }

    /// All cases that have not waited long enough, which wait no more.
    pub(super) fn end(&mut self) -> Vec<JobIndex> {
        std::mem::take(&mut self.due).into_iter().map(|Reverse((_, job))| job).collect()
    }

    /// Whether a case has been tried and will be again.
    pub(super) fn has(&self, job: JobIndex) -> bool {
        self.starts.contains_key(&job)
    }

    /// With what a case goes on, if it has been tried.
    pub(super) fn take(&mut self, job: JobIndex) -> Option<Start> {
        self.starts.remove(&job)
    }
}
