//! Sockets below ureq that end their waits at a deadline and when the run is stopped.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use ureq::http::uri::Authority;
use ureq::unversioned::transport::time::Duration as Limit;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use crate::process::Interest;
use crate::step::http::line::{Line, Phase};
use crate::step::http::proxy::Proxy;
use crate::step::net::{connect_tcp, connect_unix};
use crate::time::Deadline;

/// The longest answer of a proxy that is asked for a connection.
const LONGEST_HEAD: usize = 16 << 10;

/// How much of an answer tells its status: `HTTP/1.1 413`.
pub(super) const STATUS_LINE: usize = 12;

/// Makes connections to hosts, or to the socket that the step names.
#[derive(Debug)]
pub(super) struct SocketConnector(pub(super) Line);

/// A connection.
pub(super) struct Socket {
    socket: OwnedFd,
    line: Line,
    buffers: LazyBuffers,
    /// What a proxy wants to read before the path: scheme, host and port. Gone once it has been sent.
    origin: Option<String>,
    /// Whether what comes can be read here, and not only by TLS.
    is_plain: bool,
    /// What becomes of the rest of the request.
    rest: Rest,
    /// What is held back until TLS has read what has come.
    held: Vec<u8>,
}

/// What becomes of the rest of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// It is sent.
    Sent,
    /// It is thrown away, as the host has answered without it.
    Answered,
    /// It is held back, as something has come.
    Held,
    /// It is thrown away, as it cannot be sent. Perhaps the host has said why.
    Broken(Errno),
}

impl<In: Transport> Connector<In> for SocketConnector {
    type Out = Socket;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<In>) -> Result<Option<Self::Out>, Error> {
        self.0.reach(Phase::Connecting);
        let socket = match self.0.unix() {
            Some(path) => connect_unix(&path, &|socket, interest| self.0.wait(socket, interest))?,
            None => connect_first(&details.addrs, &self.0)?,
        };
        let mut origin = None;
        if let (Some(proxy), Some(authority)) = (self.0.proxy(), details.uri.authority()) {
            match details.uri.scheme_str() {
                Some("https") => {
                    self.0.reach(Phase::Tunneling);
                    tunnel(&socket, &self.0, authority, &proxy)?;
                }
                _ => origin = Some(format!("http://{authority}")),
            }
        }
        self.0.reach(Phase::Agreeing);
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        let (line, is_plain, rest) = (self.0.clone(), !details.needs_tls(), Rest::Sent);
        let held = Vec::new();
        Ok(Some(Socket { socket, line, buffers, origin, is_plain, rest, held }))
    }
}

/// The first address that can be connected to; each is tried, as a host may have one of a kind that has no route here.
fn connect_first(addresses: &[SocketAddr], line: &Line) -> io::Result<OwnedFd> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match connect_tcp(*address, &|socket, interest| line.wait(socket, interest)) {
            Ok(socket) => return Ok(socket),
            Err(error) if line.stop().is_some() => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks a proxy for a connection to the host.
fn tunnel(socket: &OwnedFd, line: &Line, host: &Authority, proxy: &Proxy) -> Result<(), Error> {
    let host = if host.port().is_some() { host.to_string() } else { format!("{host}:443") };
    let mut request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    request.push_str("\r\n");
    send_all(socket, line, request.as_bytes(), Watch::Nothing)?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head is the host's.
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        line.wait(socket.as_fd(), Interest::Read)?;
        match recv(socket, &mut byte, RecvFlags::empty()) {
            Ok((0, _)) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(_) if head.len() < LONGEST_HEAD => head.push(byte[0]),
            Ok(_) => return Err(Error::ConnectProxyFailed("its answer is too long".to_owned())),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    let answer = String::from_utf8_lossy(&head);
    let status = answer.lines().next().unwrap_or_default();
    let is_open =
        status.starts_with("HTTP/1.") && status.split(' ').nth(1).is_some_and(|code| code.starts_with('2'));
    if is_open { Ok(()) } else { Err(Error::ConnectProxyFailed(format!("it answers {status:?}"))) }
}

/// What is looked for while the host takes nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    Nothing,
    /// An answer that refuses the request.
    Refusal,
    /// Whatever comes: only TLS can tell what it is.
    Anything,
}

/// Sends this, and says what becomes of what follows, and how much was sent.
fn send_all(socket: &OwnedFd, line: &Line, bytes: &[u8], watch: Watch) -> io::Result<(Rest, usize)> {
    let mut sent = 0;
    let mut interest = if watch == Watch::Nothing { Interest::Write } else { Interest::Either };
    while sent < bytes.len() {
        match send(socket, &bytes[sent..], SendFlags::NOSIGNAL) {
            Ok(count) => {
                sent += count;
                line.advance();
            }
            Err(Errno::AGAIN) => {
                line.wait(socket.as_fd(), interest)?;
                match peek(socket) {
                    Some(status) if watch == Watch::Refusal && is_refusal(&status) => {
                        return Ok((Rest::Answered, sent));
                    }
                    Some(_) if watch == Watch::Anything => return Ok((Rest::Held, sent)),
                    // It stays there, and would end each wait.
                    Some(_) => interest = Interest::Write,
                    None => {}
                }
            }
            Err(Errno::INTR) => {}
            Err(error @ (Errno::PIPE | Errno::CONNRESET)) => return Ok((Rest::Broken(error), sent)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((Rest::Sent, sent))
}

/// The beginning of what has come and nobody has read yet.
fn peek(socket: &OwnedFd) -> Option<[u8; STATUS_LINE]> {
    let mut begin = [0; STATUS_LINE];
    recv(socket, &mut begin, RecvFlags::PEEK).is_ok().then_some(begin)
}

/// Whether an answer says that the rest of the request is of no use. One that is no error or redirect may be made
/// while the request is read.
pub(super) fn is_refusal(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.") && matches!(answer.get(9), Some(b'3'..=b'5'))
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        if self.rest != Rest::Sent {
            return Ok(self.line.go_on()?);
        }
        if self.line.phase() == Phase::Waiting {
            // The host has said that it wants the body, or nothing for a while.
            self.line.reach(Phase::Sending);
        }
        let output = &self.buffers.output()[..amount];
        let whole = match self.origin.take() {
            None => Cow::Borrowed(output),
            Some(origin) => {
                // The method, and the space after it.
                let place = output.iter().position(|byte| *byte == b' ').map_or(0, |place| place + 1);
                let (method, rest) = output.split_at(place);
                Cow::Owned([method, origin.as_bytes(), rest].concat())
            }
        };
        let whole = match self.held.is_empty() {
            true => whole,
            false => Cow::Owned([&std::mem::take(&mut self.held), &*whole].concat()),
        };
        let watch = match self.is_plain {
            true => Watch::Refusal,
            false if self.line.is_watched() => Watch::Anything,
            false => Watch::Nothing,
        };
        let (rest, sent) = send_all(&self.socket, &self.line, &whole, watch)?;
        if rest == Rest::Held {
            self.held = whole[sent..].to_vec();
        } else {
            self.rest = rest;
        }
        self.line.hold(rest == Rest::Held);
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if self.line.phase() == Phase::Sending && !matches!(self.rest, Rest::Broken(_)) {
            self.line.reach(Phase::Waiting);
        }
        // Who does not say that it wants the body gets it nevertheless.
        let end = match (timeout.reason, timeout.after) {
            (Timeout::Await100, Limit::Exact(limit)) => Deadline::after(Some(limit)),
            _ => Deadline::NEVER,
        };
        loop {
            // Also where there are bytes already: a host that never stops sending must not outlive the deadline.
            if !self.line.wait_until(self.socket.as_fd(), Interest::Read, end)? {
                return Err(Error::Timeout(timeout.reason));
            }
            let received = recv(&self.socket, self.buffers.input_append_buf(), RecvFlags::empty());
            match (received, self.rest) {
                (Err(Errno::AGAIN | Errno::INTR), _) => {}
                (Ok((0, _)) | Err(_), Rest::Broken(error)) => return Err(io::Error::from(error).into()),
                (Ok((count, _)), rest) => {
                    if let Rest::Broken(_) = rest {
                        self.rest = Rest::Answered;
                    }
                    if count == 0 {
                        self.line.stop_watching();
                    }
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                (Err(error), _) => return Err(io::Error::from(error).into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Every request has a connection of its own.
        false
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("line", &self.line).finish()
    }
}
