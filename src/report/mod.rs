//! Tells people and other programs what happens in a run.
//!
//! Entry point: [`Reporter`], with one file or folder for each format. A reporter only reads events: it never
//! changes a verdict, never runs anything, and gives the same report for events from a run and from a journal.
//! What a case printed is foreign text: no reporter passes it on before it is harmless in its format.

mod bare;
pub mod console;
mod journal;
mod junit;
mod outlet;
mod reporters;

use std::io;

use crate::model::{Safeguards, TestEvent};

pub use bare::BareReporter;
pub use journal::JournalReporter;
pub use junit::{JunitError, JunitOptions, JunitReporter};
pub use outlet::Outlet;
pub use reporters::Reporters;

/// The names of safeguards as reports show them.
pub(crate) fn joined(safeguards: Safeguards) -> String {
    let names: Vec<_> = safeguards.names().collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Takes part in a run by reading its events, in order.
pub trait Reporter {
    /// Takes note of one event.
    ///
    /// # Errors
    /// When what is to be written cannot be written; the run goes on.
    fn handle(&mut self, event: &TestEvent) -> io::Result<()>;

    /// Is called every now and then while nothing happens, so that something can be shown of cases that run.
    ///
    /// # Errors
    /// As for [`Reporter::handle`].
    fn tick(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
