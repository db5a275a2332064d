//! Ending running processes early, from any thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::process::Signal;

use crate::process::watch::timespec;

/// How urgently processes are to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Not at all.
    None,
    /// TERM, or the signal that stops the run, then KILL after the grace period.
    Stop,
    /// KILL at once.
    Kill,
}

/// What is to be done with a descriptor that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Reading or writing, whichever can be done first.
    Either,
}

/// How a wait for a descriptor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can be done, or would fail.
    Ready,
    /// The time is over.
    TimedOut,
    /// The switch was used.
    Cancelled,
}

/// A switch shared by all processes of a run. It only ever becomes more urgent.
///
/// Two eventfds, written once and never read, wake every poll loop there is and will be.
#[derive(Clone, Debug)]
pub struct Cancellation(Arc<Switch>);

#[derive(Debug)]
struct Switch {
    urgency: AtomicU8,
    /// The number of the signal that processes are asked to end by, 0 for TERM.
    signal: AtomicI32,
    stop: OwnedFd,
    kill: OwnedFd,
}

impl Cancellation {
    /// A switch that is off.
    ///
    /// # Errors
    /// When no file descriptor is left.
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let (stop, kill) = (eventfd(0, flags)?, eventfd(0, flags)?);
        Ok(Self(Arc::new(Switch { urgency: AtomicU8::new(0), signal: AtomicI32::new(0), stop, kill })))
    }

    /// Asks all processes to end: TERM, and KILL after their grace period.
    pub fn stop(&self) {
        self.stop_by(Signal::TERM.as_raw());
    }

    /// Asks all processes to end by the signal of this number: after half of their grace period TERM follows, and KILL
    /// after all of it. The first to ask chooses the signal.
    pub fn stop_by(&self, signal: i32) {
        let _ = self.0.signal.compare_exchange(0, signal, Ordering::AcqRel, Ordering::Relaxed);
        self.raise(Urgency::Stop);
    }

    /// Ends all processes at once.
    pub fn kill(&self) {
        self.raise(Urgency::Kill);
    }

    /// How urgent it is now.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        match self.0.urgency.load(Ordering::Acquire) {
            0 => Urgency::None,
            1 => Urgency::Stop,
            _ => Urgency::Kill,
        }
    }

    /// Whether anything was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.urgency() > Urgency::None
    }

    /// The signal by which processes are asked to end.
    pub(in crate::process) fn signal(&self) -> Signal {
        Signal::from_named_raw(self.0.signal.load(Ordering::Acquire)).unwrap_or(Signal::TERM)
    }

    /// Waits for `duration`, or until the switch is used; says whether it was.
    #[must_use]
    pub fn wait(&self, duration: Duration) -> bool {
        let end = Instant::now().checked_add(duration);
        while !self.is_requested() {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            let mut fds = [PollFd::from_borrowed_fd(self.0.stop.as_fd(), PollFlags::IN)];
            // An interrupted poll is as good as a finished one: both lead to another look.
            let _ = poll(&mut fds, left.map(timespec).as_ref());
        }
        true
    }

    /// Waits until something can be done with a descriptor, for at most `limit`, or until the switch is used.
    ///
    /// # Errors
    /// When the descriptor cannot be waited for.
    pub fn wait_ready(
        &self,
        descriptor: BorrowedFd<'_>,
        interest: Interest,
        limit: Option<Duration>,
    ) -> io::Result<Readiness> {
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        let flags = match interest {
            Interest::Read => PollFlags::IN,
            Interest::Write => PollFlags::OUT,
            Interest::Either => PollFlags::IN | PollFlags::OUT,
        };
        loop {
            if self.is_requested() {
                return Ok(Readiness::Cancelled);
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let mut fds = [
                PollFd::from_borrowed_fd(descriptor, flags),
                PollFd::from_borrowed_fd(self.0.stop.as_fd(), PollFlags::IN),
            ];
            match poll(&mut fds, left.map(timespec).as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
                Ok(_) => {}
            }
            if !fds[0].revents().is_empty() {
                return Ok(Readiness::Ready);
            }
            if left == Some(Duration::ZERO) {
                return Ok(Readiness::TimedOut);
            }
        }
    }

    /// The descriptor that becomes readable when it gets more urgent than `seen`.
    pub(in crate::process) fn beyond(&self, seen: Urgency) -> Option<BorrowedFd<'_>> {
        match seen {
            Urgency::None => Some(self.0.stop.as_fd()),
            Urgency::Stop => Some(self.0.kill.as_fd()),
            Urgency::Kill => None,
        }
    }

    fn raise(&self, urgency: Urgency) {
        self.0.urgency.fetch_max(urgency as u8, Ordering::AcqRel);
        // Writing 1 fails only when the counter is full, and then it is readable anyway.
        let _ = rustix::io::write(&self.0.stop, &1u64.to_ne_bytes());
        if urgency == Urgency::Kill {
            let _ = rustix::io::write(&self.0.kill, &1u64.to_ne_bytes());
        }
    }
}
