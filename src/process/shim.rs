//! This program between the start of a process and its program, to set what it may use.
//!
//! `posix_spawn` sets no limits, and setting them from outside would come after the program's first steps. So where
//! there are limits, this program is started first, as `partest --partest-limits LIMITS PROGRAM ARGV…`, sets them
//! and becomes the program: 1 ms, and only where it is needed. An error of `execve` goes back through descriptor 3
//! as the number of the error; a program that was executed closes it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::model::ResourceLimits;
use crate::process::descriptors::original_soft_limit;
use crate::process::linux::seal_descriptors;

/// The argument that makes this program a shim.
pub(in crate::process) const ARGUMENT: &str = "--partest-limits";

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
    let wanted: Vec<String> = wanted.collect();
    (!wanted.is_empty()).then(|| wanted.join(","))
}

/// Waits until the shim has become the program.
pub(in crate::process) fn confirm(status: OwnedFd) -> Result<(), Errno> {
    let mut number = [0; 4];
    match File::from(status).read_exact(&mut number) {
        Ok(()) => Err(Errno::from_raw_os_error(i32::from_ne_bytes(number))),
        // Closed: it is the program now. Or it was killed on the way, which its end tells.
        Err(_) => Ok(()),
    }
}

/// Is the shim.
pub(in crate::process) fn become_program(mut arguments: impl Iterator<Item = OsString>) -> u8 {
    let (Some(limits), Some(program), Some(name)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return 2;
    };
    let mut command = Command::new(program);
    command.arg0(name).args(arguments);
    let error = match seal_descriptors().and_then(|()| apply(&limits)) {
        Ok(()) => command.exec(),
        Err(error) => error,
    };
    // Opened anew, since a descriptor cannot be had safely by its number.
    if let Ok(mut status) = File::options().write(true).open("/proc/self/fd/3") {
        let number = error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
        let _ = status.write_all(&number.to_ne_bytes());
    }
    FAILED
}

fn apply(limits: &OsStr) -> io::Result<()> {
    let wrong = || io::Error::from(Errno::INVAL);
    for limit in limits.to_str().ok_or_else(wrong)?.split(',') {
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
