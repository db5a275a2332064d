//! Sockets below ureq that end their waits at a deadline and when the run is stopped.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use ureq::Error;
use ureq::http::uri::Authority;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::process::Interest;
use crate::step::http::line::{Line, Phase};
use crate::step::http::proxy::Proxy;
use crate::step::net::{connect_tcp, connect_unix};

/// The longest answer of a proxy that is asked for a connection.
const LONGEST_HEAD: usize = 16 << 10;

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
}

impl<In: Transport> Connector<In> for SocketConnector {
    type Out = Socket;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<In>) -> Result<Option<Self::Out>, Error> {
        self.0.reach(Phase::Connecting);
        let socket = match self.0.unix() {
            Some(path) => connect_unix(&path, &|socket, interest| self.0.wait(socket, interest))?,
            None => connect_first(&details.addrs, &self.0)?,
        };
        self.0.reach(Phase::Agreeing);
        let mut origin = None;
        if let (Some(proxy), Some(authority)) = (self.0.proxy(), details.uri.authority()) {
            match details.uri.scheme_str() {
                Some("https") => tunnel(&socket, &self.0, authority, &proxy)?,
                _ => origin = Some(format!("http://{authority}")),
            }
        }
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Socket { socket, line: self.0.clone(), buffers, origin }))
    }
}

/// Says that the connection is there, with TLS where that is wanted.
#[derive(Debug)]
pub(super) struct Connected(pub(super) Line);

impl<In: Transport> Connector<In> for Connected {
    type Out = In;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<In>, Error> {
        self.0.reach(Phase::Sending);
        Ok(chained)
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
    send_all(socket, line, request.as_bytes())?;
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

fn send_all(socket: &OwnedFd, line: &Line, bytes: &[u8]) -> io::Result<()> {
    let mut sent = 0;
    while sent < bytes.len() {
        match send(socket, &bytes[sent..], SendFlags::NOSIGNAL) {
            Ok(count) => sent += count,
            Err(Errno::AGAIN) => line.wait(socket.as_fd(), Interest::Write)?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        if self.line.phase() == Phase::Waiting {
            // The host has said that it wants the body.
            self.line.reach(Phase::Sending);
        }
        let mut output = &self.buffers.output()[..amount];
        if let Some(origin) = self.origin.take() {
            // The method, and the space after it.
            let place = output.iter().position(|byte| *byte == b' ').map_or(0, |place| place + 1);
            let (method, rest) = output.split_at(place);
            send_all(&self.socket, &self.line, &[method, origin.as_bytes()].concat())?;
            output = rest;
        }
        Ok(send_all(&self.socket, &self.line, output)?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        if self.line.phase() == Phase::Sending {
            self.line.reach(Phase::Waiting);
        }
        loop {
            // Also where there are bytes already: a host that never stops sending must not outlive the deadline.
            self.line.wait(self.socket.as_fd(), Interest::Read)?;
            match recv(&self.socket, self.buffers.input_append_buf(), RecvFlags::empty()) {
                Ok((count, _)) => {
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
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
