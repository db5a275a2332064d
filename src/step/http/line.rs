//! How far a request has come, how long that may take, and what stopped it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;

use crate::process::{Cancellation, Interest, Readiness};
use crate::step::http::proxy::Proxy;
use crate::step::http::request::Timeouts;
use crate::time::Deadline;

use std::io;
use std::os::fd::BorrowedFd;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The name of the host is looked up.
    Resolving,
    /// The host is connected to.
    Connecting,
    /// A proxy is asked to connect.
    Tunneling,
    /// TLS is agreed upon.
    Agreeing,
    /// The request is sent.
    Sending,
    /// It was sent, and nothing is known of the answer.
    Waiting,
    /// The head of the answer is there.
    Receiving,
}

/// Why the wire gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The run is being stopped.
    Cancelled,
    /// The time of the step is over.
    Deadline,
    /// The time of the phase is over, which was this long.
    Phase(Duration),
}

/// How a connection came to its end, as far as what is received goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The other side closed it.
    Closed,
    /// It broke, in this way.
    Broken(io::ErrorKind),
}

/// What those who ask and those who wait on sockets know of a request. Clones are one.
#[derive(Clone)]
pub(super) struct Line {
    cancellation: Cancellation,
    state: Arc<Mutex<State>>,
}

struct State {
    deadline: Deadline,
    timeouts: Timeouts,
    phase: Phase,
    /// When the phase must be over, and how long it may take.
    limit: Option<(Deadline, Duration)>,
    stop: Option<Stop>,
    ending: Option<Ending>,
    is_held: bool,
    is_watched: bool,
    unix: Option<PathBuf>,
    proxy: Option<Proxy>,
    tls: Option<Arc<ClientConfig>>,
}

impl State {
    fn wait_for_host(&mut self) {
        self.limit = self.timeouts.first_byte.map(|limit| (Deadline::after(Some(limit)), limit));
    }
}

impl Line {
    pub(super) fn new(cancellation: Cancellation) -> Self {
        let state = State {
            deadline: Deadline::NEVER,
            timeouts: Timeouts::default(),
            phase: Phase::Resolving,
            limit: None,
            stop: None,
            ending: None,
            is_held: false,
            is_watched: false,
            unix: None,
            proxy: None,
            tls: None,
        };
        Self { cancellation, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step begins, which must be over by the deadline. `unix` is the socket it connects to, if it names one.
    pub(super) fn begin(&self, deadline: Deadline, timeouts: Timeouts, unix: Option<PathBuf>) {
        let mut state = self.state();
        state.deadline = deadline;
        state.timeouts = timeouts;
        state.unix = unix;
        state.stop = None;
    }

    /// The next request of the step begins, which goes through this proxy, and trusts so where it is encrypted.
    pub(super) fn begin_request(&self, proxy: Option<Proxy>, tls: Arc<ClientConfig>) {
        let mut state = self.state();
        state.proxy = proxy;
        state.tls = Some(tls);
        state.phase = Phase::Resolving;
        state.ending = None;
        state.is_held = false;
        state.is_watched = true;
        state.limit = state.timeouts.connect.map(|limit| (Deadline::after(Some(limit)), limit));
    }

    /// The request has come this far.
    pub(super) fn reach(&self, phase: Phase) {
        let mut state = self.state();
        if phase == state.phase {
            return;
        }
        state.phase = phase;
        match phase {
            Phase::Resolving | Phase::Connecting | Phase::Tunneling | Phase::Agreeing => {}
            Phase::Sending | Phase::Waiting => state.wait_for_host(),
            Phase::Receiving => state.limit = None,
        }
    }

    /// The host has taken some of the request, and has its time for the rest once more.
    pub(super) fn advance(&self) {
        let mut state = self.state();
        if state.phase == Phase::Sending {
            state.wait_for_host();
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.state().phase
    }

    pub(super) fn stop(&self) -> Option<Stop> {
        self.state().stop
    }

    /// Notes whether a part of the request is held back because there is something to be read first.
    pub(super) fn hold(&self, is_held: bool) {
        self.state().is_held = is_held;
    }

    /// Whether a part of the request is held back.
    pub(super) fn is_held(&self) -> bool {
        self.state().is_held
    }

    /// What comes need not be looked at before the request is sent: nothing can come, or it is known to be no refusal.
    pub(super) fn stop_watching(&self) {
        self.state().is_watched = false;
    }

    /// Whether what comes while the request is sent may be of interest.
    pub(super) fn is_watched(&self) -> bool {
        let state = self.state();
        state.is_watched && state.phase >= Phase::Sending
    }

    /// The connection of the request has ended.
    pub(super) fn end(&self, ending: Ending) {
        self.state().ending = Some(ending);
    }

    /// How the connection of the request has ended, if it has.
    pub(super) fn ending(&self) -> Option<Ending> {
        self.state().ending
    }

    /// How long the step may still take.
    pub(super) fn left(&self) -> Duration {
        self.state().deadline.remaining().unwrap_or(Duration::MAX)
    }

    pub(super) fn unix(&self) -> Option<PathBuf> {
        self.state().unix.clone()
    }

    pub(super) fn proxy(&self) -> Option<Proxy> {
        self.state().proxy.clone()
    }

    pub(super) fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.state().tls.clone()
    }

    /// Waits until something can be done with a socket. Where that is so already it is nevertheless an error when the
    /// time is over: a host that never stops sending must not outlive it.
    ///
    /// # Errors
    /// When the time is over or the run is being stopped, which is then known as the reason.
    pub(super) fn wait(&self, socket: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        self.wait_until(socket, interest, Deadline::NEVER).map(drop)
    }

    /// The same, until `end` at the latest: whether something can be done.
    ///
    /// # Errors
    /// As [`Line::wait`].
    pub(super) fn wait_until(
        &self,
        socket: BorrowedFd<'_>,
        interest: Interest,
        end: Deadline,
    ) -> io::Result<bool> {
        loop {
            self.go_on()?;
            let left = {
                let state = self.state();
                let of_phase = state.limit.map_or(Deadline::NEVER, |(end, _)| end);
                state.deadline.earlier(of_phase).earlier(end).remaining()
            };
            match self.cancellation.wait_ready(socket, interest, left)? {
                Readiness::Ready => return Ok(true),
                Readiness::TimedOut if end.has_passed() => return Ok(false),
                // The clock may have stood still while partest was suspended.
                Readiness::Cancelled | Readiness::TimedOut => {}
            }
        }
    }

    /// Whether there is still time.
    ///
    /// # Errors
    /// When the time is over or the run is being stopped, which is then known as the reason.
    pub(super) fn go_on(&self) -> io::Result<()> {
        let stop = if self.cancellation.is_requested() { Some(Stop::Cancelled) } else { self.passed() };
        match stop {
            None => Ok(()),
            stop => {
                self.state().stop = stop;
                Err(io::Error::new(io::ErrorKind::TimedOut, "stopped"))
            }
        }
    }

    /// Which time is over.
    fn passed(&self) -> Option<Stop> {
        let state = self.state();
        match state.limit {
            _ if state.deadline.has_passed() => Some(Stop::Deadline),
            Some((end, limit)) if end.has_passed() => Some(Stop::Phase(limit)),
            _ => None,
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("phase", &self.phase()).finish()
    }
}
