//! A helper that ends everything a run has started, should the run itself be killed.
//!
//! It holds the reading end of a pipe that only the run can write to, so the kernel tells it when the run is
//! gone, however it went. It knows what to end by the ledger, in which the run keeps its children and their pipes;
//! by the prefix of the run's tokens and the marks that go with it; and by the sessions and descendants of what has
//! any of these.

mod companion;
mod guard;
mod ledger;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, kill_process};

use crate::process::TOKEN_VARIABLE;
use crate::process::linux::reap;
use crate::process::mark::Mark;
use crate::process::spawn::{Image, Strings, spawn};
use crate::process::start::{above_stdio, null};
use crate::process::token::token_prefix;

pub(in crate::process) use companion::{Companion, is_alone};
pub(in crate::process) use guard::guard;
pub(in crate::process) use ledger::{note_leader, note_orphans, note_pipes};

/// The argument that makes this program a watchdog.
pub(in crate::process) const ARGUMENT: &str = "--partest-watchdog";

/// The watchdog of this process, ended and reaped when it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    companion: Companion,
    /// Closed by the kernel when this process ends.
    _pipe: OwnedFd,
}

impl Watchdog {
    /// Starts the watchdog, which must come before the first case. The program must begin its `main` with
    /// [`init`](crate::init), since it is started once more.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start() -> io::Result<Self> {
        let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
        let (theirs, ours) = (above_stdio(theirs)?, above_stdio(ours)?);
        let ledger = above_stdio(ledger::open()?)?;
        rustix::io::write(&ours, token_prefix().as_bytes())?;
        let (mut args, mut env) = (Strings::default(), Strings::default());
        // A token of its own, and a mark: should this run be a case of another one, that one leaves it time for its work.
        let mark = [TOKEN_VARIABLE.as_bytes(), b"=", token_prefix().as_bytes(), b"-watchdog"];
        if !args.push(&[b"partest"]) || !args.push(&[ARGUMENT.as_bytes()]) || !env.push(&mark) {
            return Err(Errno::INVAL.into());
        }
        let image = Image {
            program: &CString::from(c"/proc/self/exe"),
            args: &args,
            env: &env,
            cwd: c"/",
            stdio: [theirs.as_fd(), ledger.as_fd(), null()?.as_fd()],
            limits: &[],
            filter: None,
        };
        let mark = Mark::next().map(Mark::limit);
        let companion = Companion::spawn(|| spawn(&image, mark).map(|spawned| spawned.pid))?;
        Ok(Self { companion, _pipe: ours })
    }
}

/// Whether this process has a watchdog.
#[must_use]
pub fn is_watched() -> bool {
    Companion::current() != 0
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // It is our child and not reaped, so the id is its own.
        let _ = kill_process(self.companion.pid(), Signal::KILL);
        let _ = reap(self.companion.pid());
    }
}
