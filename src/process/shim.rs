//! This program between the start of a process and its program, to set what it may use.
//!
//! `posix_spawn` sets no limits, and setting them from outside would come after the program's first steps. So where
//! there are limits, this program is started first, as `partest --partest-limits LIMITS PROGRAM ARGV…`, sets them
//! and becomes the program: 1 ms, and only where it is needed. An error of `execve` goes back through descriptor 3, a
//! socket, as the number of the error; a program that was executed closes it. Where the number of processes is limited,
//! the other end of what the program asks through goes back first.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::model::ResourceLimits;
use crate::process::descriptors::original_soft_limit;
use crate::process::helper::is_initialised;
use crate::process::linux::{inherited, seal_descriptors};
use crate::process::seccomp::{Listener, ask_before_forks};
use crate::process::start::above_stdio;

/// The argument that makes this program a shim.
pub(in crate::process) const ARGUMENT: &str = "--partest-limits";

/// The word, beside the limits, for processes that ask before they start others.
const PROCESSES: &str = "processes";

/// The status of a shim that could not become the program; also said through descriptor 3.
const FAILED: u8 = 127;

/// The limits that have a number in the kernel, by name.
const RESOURCES: [(&str, Resource); 4] = [
    // Private writable memory, unlike RLIMIT_AS, which counts what is only reserved, too.
    ("data", Resource::Data),
    ("cpu", Resource::Cpu),
    ("fsize", Resource::Fsize),
    ("nofile", Resource::Nofile),
];

/// The limits as an argument, if a shim is needed for them: `name=soft:hard`, with commas between them.
pub(in crate::process) fn argument(limits: &ResourceLimits) -> Option<String> {
    let same = |limit: u64| (Some(limit), Some(limit));
    // The kernel counts whole seconds. At the soft limit it sends XCPU, at the hard one KILL.
    let cpu = limits.cpu.map(|time| time.as_secs() + u64::from(time.subsec_nanos() > 0));
    let files = limits.open_files.map(same).or(original_soft_limit().map(|soft| (Some(soft), None)));
    let wanted = [
        ("data", limits.memory.map(same)),
        ("cpu", cpu.map(|seconds| (Some(seconds), Some(seconds + 1)))),
        ("fsize", limits.file_size.map(same)),
        ("nofile", files),
    ];
    let number = |limit: Option<u64>| limit.map_or_else(String::new, |limit| limit.to_string());
    let wanted = wanted.into_iter().filter_map(|(name, limit)| {
        let (soft, hard) = limit?;
        Some(format!("{name}={}:{}", number(soft), number(hard)))
    });
    // Without a shim they are counted.
    let processes = limits.processes.filter(|_| is_initialised()).map(|_| PROCESSES.to_owned());
    let wanted: Vec<String> = wanted.chain(processes).collect();
    (!wanted.is_empty()).then(|| wanted.join(","))
}

/// The two ends of what a shim says its status through: ours, and its own.
pub(in crate::process) fn status() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((above_stdio(ours)?, above_stdio(theirs)?))
}

/// Waits until the shim has become the program; gives what it is asked through before it starts others, if it is.
pub(in crate::process) fn confirm(status: OwnedFd) -> Result<Option<Listener>, Errno> {
    let mut listener = None;
    loop {
        let mut number = [0; 4];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut buffers = [IoSliceMut::new(&mut number)];
        let length = match recvmsg(&status, &mut buffers, &mut rights, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => received.bytes,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        match length {
            // Closed: it is the program now. Or it was killed on the way, which its end tells.
            0 => return Ok(listener),
            1 => {
                let mut sent = rights.drain().filter_map(|message| match message {
                    RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
                    _ => None,
                });
                // It is lost where no descriptor is free.
                listener = Some(sent.next().ok_or(Errno::MFILE)?.into());
            }
            _ => return Err(Errno::from_raw_os_error(i32::from_ne_bytes(number))),
        }
    }
}

/// Is the shim.
pub(in crate::process) fn become_program(mut arguments: impl Iterator<Item = OsString>) -> u8 {
    let (Some(limits), Some(program), Some(name)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return 2;
    };
    let Some(status) = inherited(3) else { return 2 };
    let mut command = Command::new(program);
    command.arg0(name).args(arguments);
    let error = match seal_descriptors().and_then(|()| apply(&limits, &status)) {
        Ok(()) => command.exec(),
        Err(error) => error,
    };
    let number = error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
    let _ = say(&status, &number.to_ne_bytes(), None);
    FAILED
}

/// Tells the other end something, and gives it a descriptor.
fn say(status: &OwnedFd, bytes: &[u8], descriptor: Option<&OwnedFd>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = descriptor.into_iter().map(AsFd::as_fd).collect();
    if !descriptors.is_empty() {
        rights.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    sendmsg(status, &[IoSlice::new(bytes)], &mut rights, SendFlags::NOSIGNAL).map(drop)
}

fn apply(limits: &OsStr, status: &OwnedFd) -> io::Result<()> {
    let wrong = || io::Error::from(Errno::INVAL);
    for limit in limits.to_str().ok_or_else(wrong)?.split(',') {
        if limit == PROCESSES {
            // Where the kernel refuses, they are counted.
            if let Ok(listener) = ask_before_forks() {
                say(status, &[0], Some(&listener))?;
            }
            continue;
        }
        let (name, numbers) = limit.split_once('=').ok_or_else(wrong)?;
        let (soft, hard) = numbers.split_once(':').ok_or_else(wrong)?;
        let (_, resource) = RESOURCES.into_iter().find(|(known, _)| *known == name).ok_or_else(wrong)?;
        let known = getrlimit(resource);
        // The least of what is asked for and what there is.
        let least = |wanted: &str, known: Option<u64>| match wanted.parse() {
            Ok(wanted) => Some(known.map_or(wanted, |known| known.min(wanted))),
            Err(_) => known,
        };
        let maximum = least(hard, known.maximum);
        let current = match soft.parse::<u64>() {
            Ok(soft) => Some(maximum.map_or(soft, |maximum| maximum.min(soft))),
            Err(_) => known.current,
        };
        setrlimit(resource, Rlimit { current, maximum })?;
    }
    Ok(())
}
