//! Processes that run beside cases: started, waited for until they are ready, listened to, and stopped with
//! everything they have started.
//!
//! Entry points: [`Service::start`], whose [`Event`]s say how it goes, and [`Ports`] for what they listen at.
//! A service runs on threads of its own, never on those of the pool, and nobody waits for it but who wants to.
//!
//! It must never leave a process behind: whoever drops a [`Service`] waits until it is gone. It knows of no case.

mod log;
mod ports;
mod probe;
mod running;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::model::Pattern;
use crate::process::{Cancellation, Command};

pub use ports::{Port, Ports};
pub use running::{Service, Watched};

/// What is to be run, and how it is known to be ready.
#[derive(Debug)]
pub struct Launch {
    /// What messages call it.
    pub name: String,
    /// The process, which must stay in the foreground.
    pub command: Command,
    /// How it is known to be ready.
    pub ready: Readiness,
    /// How long it may take until it is.
    pub patience: Duration,
    /// How long it has between TERM and KILL.
    pub grace: Duration,
}

/// One look at a service, which is over after this time, or when it is cancelled. Its error says what is amiss.
pub struct Probe(pub Box<Look>);

/// What a [`Probe`] does.
pub type Look = dyn Fn(Duration, &Cancellation) -> Result<(), String> + Send + Sync;

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

/// How a service is known to be ready.
#[derive(Debug)]
pub enum Readiness {
    /// It is once its process has started.
    Started,
    /// Somebody accepts connections at this port of 127.0.0.1.
    Port(u16),
    /// This finds nothing amiss.
    Asked(Probe),
    /// A line of its output matches.
    Log(Pattern),
    /// This command exits with 0.
    Run(Box<Command>),
}

/// How a service goes. Each comes once at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It can be used.
    Ready,
    /// It cannot be used, or not any more, for this reason: a sentence that begins with its name.
    Failed(String),
    /// Nothing of it is left. Always the last.
    Gone,
}
