//! Sockets whose waits somebody else ends: at a deadline, or when the run is stopped.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::process::Interest;

/// Waits until something can be done with a socket, or says why it waits no longer.
pub(super) type Wait<'a> = &'a dyn Fn(BorrowedFd<'_>, Interest) -> io::Result<()>;

/// The addresses of a host.
///
/// The system is asked in a thread, since it cannot be asked to stop. One that is left alone ends by itself.
pub(super) fn look_up(host: &str, port: u16, wait: Wait<'_>) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (answer, answered) = mpsc::sync_channel(1);
    let (done, other_end) = UnixStream::pair()?;
    let name = host.to_owned();
    thread::Builder::new().name("resolver".to_owned()).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        // Whoever asked may be gone.
        let _ = answer.send(found);
        drop(other_end);
    })?;
    // The other end is closed when the answer is there.
    wait(done.as_fd(), Interest::Read)?;
    answered.recv().unwrap_or_else(|_| Err(io::Error::other("the look-up of the name has ended")))
}

/// A connection to a host, which never blocks.
pub(super) fn connect_tcp(address: SocketAddr, wait: Wait<'_>) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = new_socket(family)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    let begun = connect(&socket, &address);
    finish_connect(socket, begun, wait)
}

/// A connection to a socket in the file system, which never blocks.
pub(super) fn connect_unix(path: &Path, wait: Wait<'_>) -> io::Result<OwnedFd> {
    let socket = new_socket(AddressFamily::UNIX)?;
    let begun = connect(&socket, &SocketAddrUnix::new(path)?);
    finish_connect(socket, begun, wait)
}

fn new_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(family, SocketType::STREAM, flags, None)?)
}

fn finish_connect(socket: OwnedFd, begun: rustix::io::Result<()>, wait: Wait<'_>) -> io::Result<OwnedFd> {
    match begun {
        Ok(()) => return Ok(socket),
        Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    wait(socket.as_fd(), Interest::Write)?;
    match sockopt::socket_error(&socket)? {
        Ok(()) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}
