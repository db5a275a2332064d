//! Loops that do only what cannot be left out: the limit.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Runs `count` processes from `threads` threads, each isolated as partest's cases are at the least: a private
/// directory, a process group, two pipes that are read to their end, and a pidfd that says when it is over.
pub(crate) fn isolated(count: usize, threads: usize, program: &Path, arguments: &[&str]) -> io::Result<()> {
    isolated_each(count, threads, program, &|_| arguments.to_vec())
}

/// The same with arguments that depend on the number of the process.
pub(crate) fn isolated_each<'a>(
    count: usize,
    threads: usize,
    program: &Path,
    arguments: &(dyn Fn(usize) -> Vec<&'a str> + Sync),
) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let root = tempfile::TempDir::new()?;
    let each = || -> io::Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            let directory = root.path().join(number.to_string());
            fs::create_dir(&directory)?;
            let mut child = Command::new(program)
                .args(arguments(number))
                .current_dir(&directory)
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            let pid = Pid::from_raw(child.id().try_into().map_err(io::Error::other)?);
            let pidfd = pidfd_open(pid.ok_or(io::ErrorKind::InvalidData)?, PidfdFlags::empty())?;
            poll(&mut [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)], None)?;
            let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
            let mut bytes = Vec::new();
            out.as_mut().map_or(Ok(0), |stream| stream.read_to_end(&mut bytes))?;
            err.as_mut().map_or(Ok(0), |stream| stream.read_to_end(&mut bytes))?;
            child.wait()?;
            fs::remove_dir(&directory)?;
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(each)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| io::Error::other("panicked"))?)
    })
}

/// Walks a folder, reads every file and parses it as JSON, on two threads.
pub(crate) fn parse_all(folder: &Path) -> io::Result<()> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            files.push(path);
        }
    }
    files.sort();
    let parse = |files: &[PathBuf]| -> io::Result<()> {
        for file in files {
            serde_json::from_slice::<serde_json::Value>(&fs::read(file)?)?;
        }
        Ok(())
    };
    let (first, second) = files.split_at(files.len() / 2);
    thread::scope(|scope| {
        let other = scope.spawn(|| parse(second));
        parse(first)?;
        other.join().map_err(|_| io::Error::other("panicked"))?
    })
}

/// Runs a script and throws its output away.
pub(crate) fn shell(script: &str) -> io::Result<()> {
    Command::new("/bin/sh").args(["-c", script]).stdout(Stdio::null()).status().map(drop)
}
