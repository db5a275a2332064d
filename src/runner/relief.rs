//! The cases that stand by: a worker whose case has passed goes on with one of them at once.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::runner::hands::Start;

/// How many stand by at most.
pub(super) const MOST: usize = 32;

/// How many are left when it is time for others.
const FEW: usize = 8;

/// The cases that stand by, in order.
#[derive(Default)]
pub(super) struct Relief(Mutex<VecDeque<Start>>);

/// A case that takes over, and whether few are left.
pub(super) struct Successor {
    pub(super) start: Start,
    pub(super) is_one_of_the_last: bool,
}

impl Relief {
    /// Adds a case behind the others.
    pub(super) fn add(&self, start: Start) {
        self.lock().push_back(start);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The first, if it needs the same as the one that has ended.
    pub(super) fn take(&self, likeness: u32) -> Option<Successor> {
        let mut starts = self.lock();
        starts.front().filter(|start| start.likeness == likeness)?;
        let start = starts.pop_front()?;
        Some(Successor { start, is_one_of_the_last: starts.len() < FEW })
    }

    /// Those that no worker has taken, which stand by no more.
    pub(super) fn dissolve(&self) -> VecDeque<Start> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Start>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
