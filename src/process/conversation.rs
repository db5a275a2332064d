//! A process that is talked with: a line goes in, a line comes out, again and again.
//!
//! Between two lines nobody watches it. It has no work then; what it writes meanwhile is found before the next
//! line goes in, where it must ask before it starts a process it gets its answer then, and with its standard input it loses its reason to live, whoever closes that.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionread, read, write};

use crate::model::{Captured, Excess};
use crate::process::cancellation::{Cancellation, Urgency};
use crate::process::capture::Capture;
use crate::process::error::StartError;
use crate::process::quota::Quota;
use crate::process::run::see_out;
use crate::process::start::{Started, start};
use crate::process::watch::timespec;
use crate::process::{Command, Finished, Input, Limits, Listener, Output, Spill};
use crate::time::{Deadline, clock};

/// The longest line that is taken for an answer, in bytes.
const LONGEST: usize = 16 << 20;

/// How much of what it writes to its standard error for one line is kept, in bytes.
const KEPT: usize = 64 << 10;

/// How much is read at once.
const CHUNK: usize = 32 << 10;

/// How long processes may outlive it before they are ended.
const LEAK_TIMEOUT: Duration = Duration::from_millis(200);

/// A process that answers lines with lines. When it is dropped, it is killed.
#[derive(Debug)]
pub struct Conversation {
    /// `None` once it is being ended.
    pub(in crate::process) open: Option<Open>,
    command: Command,
    token: String,
    cancellation: Cancellation,
    begin: Instant,
}

#[derive(Debug)]
pub(in crate::process) struct Open {
    pub(in crate::process) started: Started<'static>,
    /// The way in, until nothing more is said.
    stdin: Option<OwnedFd>,
    /// How much of the last line has gone into it, in bytes; none before the first line.
    said: Option<usize>,
    /// Whether its standard error has been closed by all who could write to it.
    is_mute: bool,
    errors: Capture,
    buffer: Box<[u8]>,
}

/// Why a line has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It had written this before it read any of the line.
    #[error("it wrote something before it was asked")]
    Unasked(Vec<u8>),
    /// It is gone, or has closed its standard output, and has read nothing of the line and written nothing.
    #[error("it was gone before it was asked")]
    Unheard,
    /// It wrote more than the one line: this.
    #[error("it wrote more than one line")]
    More(Vec<u8>),
    /// The line is longer than 16 MiB.
    #[error("its line is longer than 16 MiB")]
    TooLong,
    /// It is gone, or has closed its standard output, and had written this much of a line.
    #[error("it is gone")]
    Gone(Vec<u8>),
    /// It wanted more processes than `limits.processes` allows, whatever else it did.
    #[error("it wanted more processes than it may have")]
    Crowd(Excess),
    /// The deadline has passed.
    #[error("it was not in time")]
    Late,
    /// The cancellation was used.
    #[error("it was interrupted")]
    Interrupted,
}

impl Conversation {
    /// Starts the process, whose standard input is the way in: that of `command` does not count. `token` is as
    /// for [`run`](crate::process::run).
    ///
    /// # Errors
    /// [`StartError`] when it cannot be started.
    pub fn start(command: Command, token: &str, cancellation: &Cancellation) -> Result<Self, StartError> {
        let begin = clock::now();
        let command = Command { stdin: Input::Lines, ..command };
        let (started, stdin) = start(&command, token, cancellation)?.with_way_in();
        let errors = Capture::new(KEPT, None);
        let buffer = vec![0; CHUNK].into_boxed_slice();
        let open = Some(Open { started, stdin, said: None, is_mute: false, errors, buffer });
        Ok(Self { open, command, token: token.to_owned(), cancellation: cancellation.clone(), begin })
    }

    /// Says a line, which must end with a line feed, and waits for the one that answers it, given without its end. What
    /// it writes to its standard error meanwhile goes to `spill` if it is more than is kept.
    ///
    /// # Errors
    /// [`Silence`]. Except for what it wrote unasked, it must be ended then.
    pub fn ask(
        &mut self,
        line: &[u8],
        deadline: Deadline,
        spill: Option<&Spill>,
    ) -> Result<Vec<u8>, Silence> {
        let answer = self.await_answer(line, deadline, spill);
        match self.open.as_ref().and_then(|open| open.started.quota.as_ref()?.excess()) {
            Some(excess) => Err(Silence::Crowd(excess)),
            None => answer,
        }
    }

    fn await_answer(
        &mut self,
        line: &[u8],
        deadline: Deadline,
        spill: Option<&Spill>,
    ) -> Result<Vec<u8>, Silence> {
        let Some(open) = &mut self.open else { return Err(Silence::Unheard) };
        let is_first = open.said.replace(0).is_none();
        if !is_first {
            // This belongs to no line. What it writes when it starts belongs to the first one.
            open.hear_errors();
        }
        let mut answer = Vec::new();
        match open.listen(&mut answer)? {
            true if !answer.is_empty() => return Err(Silence::Unasked(answer)),
            false if !is_first => return Err(open.gone(answer)),
            _ => open.errors = Capture::new(KEPT, spill.map(|spill| spill.stream(1))),
        }
        let mut rest = open.say(line);
        loop {
            let mut left = deadline.remaining();
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Silence::Late);
            }
            if let Some(quota) = &open.started.quota {
                if let Some(excess) = quota.excess().filter(|_| quota.is_over()) {
                    return Err(Silence::Crowd(excess));
                }
                let now = clock::now();
                let pause = quota.next(now).map(|next| next.saturating_duration_since(now));
                left = left.into_iter().chain(pause).min();
            }
            if self.cancellation.is_requested() {
                return Err(Silence::Interrupted);
            }
            open.wait(!rest.is_empty(), &self.cancellation, left);
            rest = open.say(rest);
            let searched = answer.len();
            let goes_on = open.listen(&mut answer)?;
            if let Some(at) = answer[searched..].iter().position(|byte| *byte == b'\n') {
                if open.has_heard_nothing() {
                    return Err(Silence::Unasked(answer));
                }
                let beyond = answer.split_off(searched + at + 1);
                answer.pop();
                open.hear_errors();
                return if beyond.is_empty() { Ok(answer) } else { Err(Silence::More(beyond)) };
            }
            if !goes_on {
                return Err(open.gone(answer));
            }
        }
    }

    /// What it has written to its standard error since it was asked.
    #[must_use]
    pub fn take_errors(&mut self) -> Captured {
        let new = Capture::new(KEPT, None);
        self.open.as_mut().map(|open| std::mem::replace(&mut open.errors, new).finish()).unwrap_or_default()
    }

    /// Closes its standard input, which tells a worker that is idle to go. Does not wait.
    pub fn hang_up(&mut self) {
        if let Some(open) = &mut self.open {
            open.stdin = None;
        }
    }

    /// Ends it: it has `patience` to go by itself when its input ends, then TERM follows, and after `grace` KILL.
    /// What it still writes is in the result, together with what [`Conversation::take_errors`] would have given.
    #[must_use]
    pub fn end(mut self, patience: Duration, grace: Duration) -> Option<Finished> {
        self.close(patience, grace)
    }

    fn close(&mut self, patience: Duration, grace: Duration) -> Option<Finished> {
        let Open { started, stdin, errors, .. } = self.open.take()?;
        let errors = LastErrors(Mutex::new(errors));
        drop(stdin);
        let limits = Limits {
            deadline: Deadline::after(Some(patience)),
            grace,
            leak_timeout: LEAK_TIMEOUT,
            capture: KEPT,
        };
        let listener: Option<&dyn Listener> = Some(&errors);
        let finished =
            see_out(started, (&self.command, &limits), &self.token, &self.cancellation, listener, self.begin);
        let stderr = errors.0.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
        Some(Finished { stderr, ..finished })
    }
}

/// Adds to what it has written to its standard error what it writes while it is ended.
#[derive(Debug)]
struct LastErrors(Mutex<Capture>);

impl Listener for LastErrors {
    fn started(&self) {}

    fn hear(&self, output: Output, bytes: &[u8]) {
        if output == Output::Stderr {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        let _ = self.close(Duration::ZERO, Duration::ZERO);
    }
}

impl Open {
    /// Says as much of a line as there is room for; gives the rest.
    fn say<'l>(&mut self, line: &'l [u8]) -> &'l [u8] {
        let Some(stdin) = self.stdin.as_ref().filter(|_| !line.is_empty()) else { return &[] };
        match write(stdin, line) {
            Ok(written) => {
                self.said = Some(self.said.unwrap_or(0) + written);
                &line[written..]
            }
            Err(Errno::AGAIN | Errno::INTR) => line,
            // Nobody reads any more. It may have answered already, and if not its silence says it.
            Err(_) => &[],
        }
    }

    /// Whether nothing of the last line has been read: as much as was said still lies in the pipe.
    fn has_heard_nothing(&self) -> bool {
        let said = self.said.unwrap_or(0) as u64;
        let lies_there = || ioctl_fionread(self.stdin.as_ref()?).ok();
        said == 0 || lies_there().is_some_and(|unread| unread >= said)
    }

    /// What it means that no answer will come, but for what has come of it.
    fn gone(&mut self, begun: Vec<u8>) -> Silence {
        self.hear_errors();
        if begun.is_empty() && self.has_heard_nothing() { Silence::Unheard } else { Silence::Gone(begun) }
    }

    /// Takes what has been written to standard output, without waiting. Says no when nothing more will come.
    fn listen(&mut self, answer: &mut Vec<u8>) -> Result<bool, Silence> {
        loop {
            match read(&self.started.stdout, &mut *self.buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => {
                    answer.extend_from_slice(&self.buffer[..length]);
                    if answer.len() > LONGEST {
                        return Err(Silence::TooLong);
                    }
                    if length < self.buffer.len() {
                        return Ok(true);
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => return Ok(true),
            }
        }
    }

    /// Takes what has been written to standard error, without waiting.
    fn hear_errors(&mut self) {
        // Not for ever: somebody may write faster than it is read.
        for _ in 0..64 {
            match read(&self.started.stderr, &mut *self.buffer) {
                Ok(0) => return self.is_mute = true,
                Ok(length) => {
                    self.errors.push(&self.buffer[..length]);
                    if length < self.buffer.len() {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Waits until something can be read, or written if there `is_more` to say, or the time is over.
    fn wait(&mut self, is_more: bool, cancellation: &Cancellation, left: Option<Duration>) {
        let (out, err) = (self.started.stdout.as_fd(), self.started.stderr.as_fd());
        let mut fds = Vec::with_capacity(5);
        fds.push(PollFd::from_borrowed_fd(out, PollFlags::IN));
        if let Some(cancelled) = cancellation.beyond(Urgency::None) {
            fds.push(PollFd::from_borrowed_fd(cancelled, PollFlags::IN));
        }
        if let Some(stdin) = self.stdin.as_ref().filter(|_| is_more) {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        let door = self.started.quota.as_ref().and_then(Quota::door);
        if let Some(door) = door {
            fds.push(PollFd::from_borrowed_fd(door, PollFlags::IN));
        }
        let place = fds.len();
        if !self.is_mute {
            fds.push(PollFd::from_borrowed_fd(err, PollFlags::IN));
        }
        // An interrupted poll is as good as a finished one: both lead to another look.
        let _ = poll(&mut fds, left.map(timespec).as_ref());
        let said = fds.get(place).is_some_and(|fd| !fd.revents().is_empty());
        let is_asked = door.is_some() && !fds[place - 1].revents().is_empty();
        drop(fds);
        if said {
            self.hear_errors();
        }
        if let Some(quota) = &mut self.started.quota {
            quota.attend(is_asked, clock::now(), &self.started.leader);
        }
    }
}
