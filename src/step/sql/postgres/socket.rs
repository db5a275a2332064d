//! The socket below the client, and the loop that drives the client.
//!
//! The client is made of futures and needs no runtime: all it ever waits for is its socket. So its futures are polled
//! here, and between two polls the socket is waited for, until the deadline or until the run is stopped.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Error;

use crate::process::{Cancellation, Interest, Readiness};
use crate::step::sql::postgres::tls::TlsStream;
use crate::time::Deadline;

/// The client's side of a connection.
type Connection = tokio_postgres::Connection<Socket, TlsStream>;

/// A connected socket, as the client reads from it and writes to it.
pub(super) struct Socket(Arc<Shared>);

/// A socket, and what the client could not do with it.
struct Shared {
    socket: OwnedFd,
    wants_read: AtomicBool,
    wants_write: AtomicBool,
}

/// Until when something is waited for.
#[derive(Clone)]
pub(super) struct Limits {
    /// When the time is over.
    pub(super) deadline: Deadline,
    /// Stops the run.
    pub(super) cancellation: Cancellation,
}

/// The time is over, or the run is being stopped.
#[derive(Debug)]
pub(super) struct Stopped;

/// Drives futures that wait for one socket.
pub(super) struct Wire {
    /// Until when it waits.
    pub(super) limits: Limits,
    shared: Arc<Shared>,
    woken: Arc<Woken>,
    connection: Option<Connection>,
    failure: Option<Error>,
}

/// Whether a future can go on without the socket.
struct Woken(AtomicBool);

impl Limits {
    /// Waits until something can be done with a socket.
    pub(super) fn wait(&self, socket: BorrowedFd<'_>, interest: Interest) -> Result<(), Stopped> {
        loop {
            match self.cancellation.wait_ready(socket, interest, self.deadline.remaining()) {
                Ok(Readiness::Ready) => return Ok(()),
                // The clock stood still while partest was suspended.
                Ok(Readiness::TimedOut) if !self.deadline.has_passed() => {}
                Ok(Readiness::TimedOut | Readiness::Cancelled) | Err(_) => return Err(Stopped),
            }
        }
    }

    /// Whether there is time left.
    pub(super) fn check(&self) -> Result<(), Stopped> {
        match self.cancellation.is_requested() || self.deadline.has_passed() {
            true => Err(Stopped),
            false => Ok(()),
        }
    }
}

impl Wire {
    /// A wire over a connected socket that does not block, and the socket as the client wants it.
    pub(super) fn new(socket: OwnedFd, limits: Limits) -> (Self, Socket) {
        let (wants_read, wants_write) = (AtomicBool::new(false), AtomicBool::new(false));
        let shared = Arc::new(Shared { socket, wants_read, wants_write });
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let socket = Socket(Arc::clone(&shared));
        (Self { limits, shared, woken, connection: None, failure: None }, socket)
    }

    /// From now on, the connection does its part whenever something is driven.
    pub(super) fn connected(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    /// Why the connection has ended, if it did with a mistake. Told once.
    pub(super) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Carries a future out.
    pub(super) fn drive<F: Future>(&mut self, future: F) -> Result<F::Output, Stopped> {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        loop {
            // Also where nothing is waited for: a server that never stops sending must not outlive the deadline.
            self.limits.check()?;
            self.begin_round();
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
            self.advance(&mut context);
            self.end_round()?;
        }
    }

    /// Sends what is left to be sent and says goodbye. Nobody may have the client any more.
    pub(super) fn finish(&mut self) -> Result<(), Stopped> {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        loop {
            self.limits.check()?;
            self.begin_round();
            self.advance(&mut context);
            if self.connection.is_none() {
                return Ok(());
            }
            self.end_round()?;
        }
    }

    /// Lets the connection do what it can.
    fn advance(&mut self, context: &mut Context<'_>) {
        while let Some(connection) = &mut self.connection {
            match connection.poll_message(context) {
                Poll::Pending => return,
                // Notices are not told.
                Poll::Ready(Some(Ok(_))) if self.limits.check().is_ok() => {}
                Poll::Ready(Some(Ok(_))) => return,
                Poll::Ready(Some(Err(error))) => {
                    self.failure = Some(error);
                    self.connection = None;
                }
                Poll::Ready(None) => self.connection = None,
            }
        }
    }

    fn begin_round(&self) {
        self.woken.0.store(false, Ordering::Relaxed);
        self.shared.wants_read.store(false, Ordering::Relaxed);
        self.shared.wants_write.store(false, Ordering::Relaxed);
    }

    /// Waits until there is something to do.
    fn end_round(&self) -> Result<(), Stopped> {
        if self.woken.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        let wants = |what: &AtomicBool| what.load(Ordering::Relaxed);
        let interest = match (wants(&self.shared.wants_read), wants(&self.shared.wants_write)) {
            (true, true) => Interest::Either,
            (true, false) => Interest::Read,
            (false, true) => Interest::Write,
            (false, false) => return Err(Stopped),
        };
        self.limits.wait(self.shared.socket.as_fd(), interest)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match recv(&self.0.socket, buffer.initialize_unfilled(), RecvFlags::empty()) {
                Ok((count, _)) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.0.wants_read.store(true, Ordering::Relaxed);
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match send(&self.0.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.0.wants_write.store(true, Ordering::Relaxed);
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(&self.0.socket, Shutdown::Write).map_err(io::Error::from))
    }
}
