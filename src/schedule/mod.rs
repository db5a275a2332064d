//! Who may start now.
//!
//! [`Schedule`] is pure data: it holds which jobs wait and which run, and says which may start next. It has no
//! threads, no clock and does no I/O, so that a simulation and a property test drive the very code that a run
//! does. Entry points: [`Builder`] takes the jobs in the order of their priority; [`Schedule::start_next`] and
//! [`Schedule::finish`] drive them. The rules:
//!
//! - a job starts when everything that it needs can be taken at once: CPU slots or an I/O slot, locks, shares of
//!   pools, and the machine, which an exclusive job takes alone. So there is no deadlock, and never more is taken
//!   than there is;
//! - it starts after the jobs that it depends on have passed, and never when one of them has not; and once the gates
//!   are open that it is behind, which stand for what is no job;
//! - a job that waits for a time of its own ([`Schedule::pause`]) has nothing meanwhile, and comes back to its place in
//!   the list;
//! - of the jobs that can start, the first in the list does; it may stand by until another one passes whose place it
//!   takes;
//! - what a job waits for is taken by no later job, so that it waits only for those that run. A job that waits for
//!   a lock or a pool leaves slots to others meanwhile, and only those that need the same wait behind it.
//!
//! Each running job has a number of its own, the smallest that is free: the slot that its processes see.
//!
//! Jobs that need the same form a class, in which only the first can be the next to start; a class waits at one
//! resource at a time and is looked at again when some of that is given back. So a decision costs about the same
//! whether ten jobs wait or a million.

mod build;
mod class;
mod demand;
mod dependencies;
mod dispatch;
mod numbers;
mod resource;
mod simulate;

pub use build::{Builder, ScheduleError};
pub use demand::{Access, Capacities, Demand, Ending, GateId, JobIndex, LockId, PoolId, Skipped, Slots};
pub use dispatch::Schedule;
pub use simulate::{Simulation, simulate};

#[cfg(test)]
mod tests;
