//! The journal as a reporter: every event, as it happens.

use std::io::{self, Write};

use crate::journal::Writer;
use crate::model::TestEvent;
use crate::report::Reporter;

/// Writes every event as a line of JSON.
pub struct JournalReporter<W>(Writer<W>);

impl<W: Write> JournalReporter<W> {
    /// A journal that goes to `out`, line by line.
    pub fn new(out: W) -> Self {
        Self(Writer::new(out))
    }
}

impl<W: Write> Reporter for JournalReporter<W> {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        self.0.record(event)
    }

    /// While nothing else happens: so a run that is killed then has told what it had begun.
    fn tick(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
