//! Turns with descriptors, where so few may be open that what is opened only for a moment must wait for its turn.
//!
//! Each case has four of its own. What is beyond that, while a process is started, while `/proc` is looked into, or while
//! a log is written to, comes from a common stock, which is enough for one start and one look at a time.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether they are.
static SCARCE: AtomicBool = AtomicBool::new(false);

static STARTS: Mutex<()> = Mutex::new(());
static LOOKS: Mutex<()> = Mutex::new(());

thread_local! {
    /// Whether this thread has a look's turn.
    static LOOKING: Cell<bool> = const { Cell::new(false) };
}

/// From now on turns are taken.
pub(crate) fn make_scarce() {
    SCARCE.store(true, Ordering::Release);
}

/// Whether descriptors are scarce.
pub(crate) fn is_scarce() -> bool {
    SCARCE.load(Ordering::Acquire)
}

/// The turn to open up to six more for a start.
#[derive(Debug)]
pub(crate) struct StartTurn {
    _turn: Option<MutexGuard<'static, ()>>,
}

/// The turn to open up to two more for a look.
#[derive(Debug)]
pub(crate) struct LookTurn(Option<MutexGuard<'static, ()>>);

/// Waits for it, unless there are enough. Not to be asked for by whoever has a look's turn.
pub(crate) fn start_turn() -> StartTurn {
    StartTurn { _turn: is_scarce().then(|| STARTS.lock().unwrap_or_else(PoisonError::into_inner)) }
}

/// Waits for it, unless there are enough or this thread has it already.
pub(crate) fn look_turn() -> LookTurn {
    let is_needed = is_scarce() && !LOOKING.get();
    LookTurn(is_needed.then(|| {
        let turn = LOOKS.lock().unwrap_or_else(PoisonError::into_inner);
        LOOKING.set(true);
        turn
    }))
}

impl Drop for LookTurn {
    fn drop(&mut self) {
        if self.0.is_some() {
            LOOKING.set(false);
        }
    }
}
