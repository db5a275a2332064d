//! Stopping this process together with everything it runs, as a shell's Ctrl-Z asks for.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use rustix::process::Signal;

use crate::process::linux::stop_this_process;
use crate::process::orphans::signal_leaders;
use crate::time::clock;

/// Held for reading while a process is being started, for writing while nothing may start.
static GATE: RwLock<()> = RwLock::new(());

/// Stops all that runs, and then this process, until somebody continues it; then all that was stopped goes on, and
/// no clock of a run has moved. No process is caught between its birth and its program: those that are being started
/// are waited for. Knows of running processes only once [`adopt_orphans`](crate::process::adopt_orphans) was called.
///
/// Their process groups get STOP, since TSTP does nothing in a session without a terminal; daemons that left
/// them run on.
pub fn suspend() {
    let gate = GATE.write().unwrap_or_else(PoisonError::into_inner);
    clock::pause();
    signal_leaders(Signal::STOP);
    stop_this_process();
    signal_leaders(Signal::CONT);
    clock::resume();
    drop(gate);
}

/// Waits until every process that is being started right now has let go of what is not its own. Until then it holds
/// copies of whatever was open at its birth: the pipes of others, and files that were open to be written, which nobody can
/// run.
pub fn await_starts() {
    drop(GATE.write().unwrap_or_else(PoisonError::into_inner));
}

/// To be held while a process is started.
pub(in crate::process) fn may_start() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}
