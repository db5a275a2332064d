//! Writes events as they come.

use std::io::{self, Write};

use serde::Serialize;

use crate::journal::VERSION;
use crate::journal::encode::nanoseconds;
use crate::journal::line::{
    CaseFinishedLine, CaseStartedLine, HaltedLine, InterruptedLine, RunFinishedLine, RunStartedLine,
    WarnedLine,
};
use crate::model::TestEvent;

/// Writes a journal.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A journal that goes to `out`, which needs no buffer of its own.
    pub fn new(out: W) -> Self {
        Self { out, buffer: Vec::new() }
    }

    /// Writes one event. Lines about cases that begin wait for the next other event, or for [`flush`](Self::flush); they
    /// and its line go out in one call.
    ///
    /// # Errors
    /// Those of the writer; what was to be written then is lost, and later events may still be recorded.
    pub fn record(&mut self, event: &TestEvent) -> io::Result<()> {
        match event {
            TestEvent::RunStarted(started) => {
                let start = format!("{{\"partest\":{VERSION},\"event\":\"run-started\"");
                self.push(&start, &RunStartedLine::from(started))?;
            }
            TestEvent::CaseStarted { info, attempt, slow_after, gauge: _ } => {
                let line = CaseStartedLine {
                    case: (&**info).into(),
                    attempt: *attempt,
                    slow_after_ns: nanoseconds(*slow_after),
                };
                return self.push("{\"event\":\"case-started\"", &line);
            }
            TestEvent::CaseFinished(result) => {
                self.push("{\"event\":\"case-finished\"", &CaseFinishedLine::from(&**result))?;
            }
            TestEvent::Interrupted { signal } => {
                self.push("{\"event\":\"interrupted\"", &InterruptedLine { signal: *signal })?;
            }
            TestEvent::Halted(halt) => {
                self.push("{\"event\":\"halted\"", &HaltedLine { reason: (*halt).into() })?;
            }
            TestEvent::Warned { message } => {
                self.push("{\"event\":\"warned\"", &WarnedLine { message: message.into() })?;
            }
            TestEvent::RunFinished(finished) => {
                self.push("{\"event\":\"run-finished\"", &RunFinishedLine::from(finished))?;
            }
        }
        self.flush()
    }

    /// Writes the lines that wait.
    ///
    /// # Errors
    /// Those of the writer; what was to be written then is lost.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.buffer.clear();
        written
    }

    /// The writer that was given; lines that wait are gone.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Adds a line that begins with `start` and goes on with the keys of `content`, of which there are some.
    fn push(&mut self, start: &str, content: &impl Serialize) -> io::Result<()> {
        self.buffer.extend_from_slice(start.as_bytes());
        let brace = self.buffer.len();
        serde_json::to_writer(&mut self.buffer, content)?;
        self.buffer[brace] = b',';
        self.buffer.push(b'\n');
        Ok(())
    }
}
