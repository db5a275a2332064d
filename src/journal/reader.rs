//! Reads a journal back.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::journal::VERSION;
use crate::journal::decode::{Decoder, halt, run_finished};
use crate::journal::line::{
    CaseFinishedLine, CaseStartedLine, HaltedLine, Head, InterruptedLine, RunFinishedLine, RunStartedLine,
    WarnedLine,
};
use crate::model::{Gauge, TestEvent};

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It cannot be read at all.
    #[error("the journal cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as a journal does.
    #[error("this is no journal of partest: its first line is not {{\"partest\":{VERSION},…}}")]
    NotAJournal,
    /// Another version of partest has written it.
    #[error("the journal has version {found} of the format, and this partest reads version {VERSION}")]
    Version {
        /// The version it names.
        found: u32,
    },
    /// It comes from elsewhere and names what is no file of its run.
    #[error("it names {name:?}, which is no file of its run")]
    Foreign {
        /// The name.
        name: String,
    },
    /// A line other than a last, unfinished one is broken.
    #[error("line {number} of the journal is broken: {message}")]
    Line {
        /// Which line, from 1.
        number: usize,
        /// What is wrong with it.
        message: String,
    },
}

/// Reads the events of a journal, in order.
///
/// A last line that was not written to its end is passed over. After an error nothing more comes.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    decoder: Decoder,
    line: Vec<u8>,
    number: usize,
    is_over: bool,
    is_truncated: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line and makes sure that it is one of a journal that can be read.
    ///
    /// # Errors
    /// [`JournalError`] when it is not.
    pub fn new(input: R) -> Result<Self, JournalError> {
        let mut reader = Self {
            input,
            decoder: Decoder::default(),
            line: Vec::new(),
            number: 0,
            is_over: false,
            is_truncated: false,
        };
        reader.read_line()?;
        // serde takes an array for an object's values in their order.
        if !reader.line.starts_with(b"{") {
            return Err(JournalError::NotAJournal);
        }
        let head: Head<'_> = serde_json::from_slice(&reader.line).map_err(|_| JournalError::NotAJournal)?;
        match head.partest {
            Some(VERSION) => Ok(reader),
            Some(found) => Err(JournalError::Version { found }),
            None => Err(JournalError::NotAJournal),
        }
    }

    /// Whether the last line was not written to its end; known once all events were read.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    fn read_line(&mut self) -> io::Result<()> {
        self.line.clear();
        self.number += 1;
        self.input.read_until(b'\n', &mut self.line).map(drop)
    }

    /// The event of the line that was read last; none when it is of a kind that is not known.
    fn event(&mut self) -> Result<Option<TestEvent>, serde_json::Error> {
        let line = &self.line;
        let head: Head<'_> = serde_json::from_slice(line)?;
        Ok(Some(match &*head.event {
            "run-started" => {
                TestEvent::RunStarted(self.decoder.run_started(read::<RunStartedLine<'_>>(line)?))
            }
            "case-started" => {
                let line = read::<CaseStartedLine<'_>>(line)?;
                TestEvent::CaseStarted {
                    info: Arc::new(self.decoder.info(line.case)),
                    attempt: line.attempt,
                    slow_after: Duration::from_nanos(line.slow_after_ns),
                    gauge: Gauge::default(),
                }
            }
            "case-finished" => {
                let line = read::<CaseFinishedLine<'_>>(line)?;
                TestEvent::CaseFinished(Arc::new(self.decoder.case_finished(line)))
            }
            "interrupted" => TestEvent::Interrupted { signal: read::<InterruptedLine>(line)?.signal },
            "halted" => TestEvent::Halted(halt(read::<HaltedLine>(line)?.reason)),
            "warned" => TestEvent::Warned { message: read::<WarnedLine<'_>>(line)?.message.into_owned() },
            "run-finished" => TestEvent::RunFinished(run_finished(read::<RunFinishedLine>(line)?)),
            _ => return Ok(None),
        }))
    }

    fn next_event(&mut self) -> Result<Option<TestEvent>, JournalError> {
        loop {
            // The first line has been read already.
            if self.line.is_empty() {
                self.read_line()?;
            }
            if self.line.is_empty() {
                return Ok(None);
            }
            let event = self.event();
            let is_whole = self.line.ends_with(b"\n");
            self.line.clear();
            match event {
                Ok(None) => {}
                Ok(event) => return Ok(event),
                Err(_) if !is_whole => {
                    self.is_truncated = true;
                    return Ok(None);
                }
                Err(error) => {
                    // To serde_json every line is the first.
                    let message = error.to_string().replace(" at line 1 column ", " at column ");
                    return Err(JournalError::Line { number: self.number, message });
                }
            }
        }
    }
}

fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(line)
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<TestEvent, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let event = self.next_event().transpose();
        self.is_over = !matches!(event, Some(Ok(_)));
        event
    }
}
