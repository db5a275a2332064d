//! Lines without any layout: what is left to tell people when the console fails.

use std::io::{self, Write};

use crate::model::{Standing, TestEvent};
use crate::report::Reporter;
use crate::text::terminal::{Colours, printable};

/// Writes a line for each case that does not pass, and one for the whole run.
pub struct BareReporter<W>(W);

impl<W: Write> BareReporter<W> {
    /// A reporter that writes to `out`.
    #[must_use]
    pub fn new(out: W) -> Self {
        Self(out)
    }
}

impl<W: Write> Reporter for BareReporter<W> {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        match event {
            TestEvent::CaseFinished(result)
                if matches!(result.standing(), Standing::Failed | Standing::TimedOut | Standing::Errored) =>
            {
                let word = match result.standing() {
                    Standing::TimedOut => "TIMEOUT",
                    Standing::Errored => "ERROR",
                    _ => "FAIL",
                };
                let said = result.all_failures().next().map_or("", |failure| failure.message.as_str());
                let line = format!("{word} {}: {said}", result.info.id).replace('\n', " ");
                writeln!(self.0, "{}", printable(&line, Colours::Remove))?;
            }
            TestEvent::RunFinished(finished) => {
                let (stats, total) = (&finished.stats, finished.stats.total());
                writeln!(self.0, "{} of {total} cases did not pass", stats.failures())?;
            }
            _ => return Ok(()),
        }
        self.0.flush()
    }
}
