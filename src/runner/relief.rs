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
pub(super) struct Relief(Mutex<Reserve>);

#[derive(Default)]
struct Reserve {
    starts: VecDeque<Start>,
    /// Whether none is given until the coordinator has dissolved it.
    is_held: bool,
}

/// A case that takes over, and whether few are left.
pub(super) struct Successor {
    pub(super) start: Start,
    pub(super) is_one_of_the_last: bool,
}

impl Relief {
    /// Adds a case behind the others.
    pub(super) fn add(&self, start: Start) {
        self.lock().starts.push_back(start);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().starts.len()
    }

    /// The first, if it needs the same as the one that has ended.
    pub(super) fn take(&self, likeness: u32) -> Option<Successor> {
        let mut reserve = self.lock();
        let Reserve { starts, is_held: false } = &mut *reserve else { return None };
        starts.front().filter(|start| start.likeness == likeness)?;
        let start = starts.pop_front()?;
        Some(Successor { start, is_one_of_the_last: starts.len() < FEW })
    }

    /// A case has not passed, which may be one too many: nothing more begins until the coordinator knows of it.
    pub(super) fn hold(&self) {
        self.lock().is_held = true;
    }

    /// Those that no worker has taken, which stand by no more.
    pub(super) fn dissolve(&self) -> VecDeque<Start> {
        std::mem::take(&mut *self.lock()).starts
    }

    fn lock(&self) -> MutexGuard<'_, Reserve> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
