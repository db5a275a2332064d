//! Runs one process: starts it in a session of its own, captures what it writes, ends it with everything it
//! started at its deadline, and reaps it.
//!
//! Entry functions: [`run`], and [`run_heard`] with a [`Listener`]; a [`Conversation`] is a process that stays. [`find_program`] finds what to run,
//! [`Cancellation`] ends it early, [`adopt_orphans`] lets a program that owns its process follow daemons as
//! well, and its [`Watchdog`] ends everything should the program be killed.
//!
//! It must never start a thread, install a signal handler, wait for a child that is not its own, signal a
//! process whose id is not pinned, or know what a test case is. It works on Linux: pidfds, subreapers and
//! `/proc` are what makes sure that nothing is left behind.

#[cfg(not(target_os = "linux"))]
compile_error!("partest runs processes with pidfds, subreapers and /proc, which only Linux has");

mod admission;
mod cancellation;
mod capture;
mod census;
mod chunk;
mod conversation;
mod descriptors;
mod error;
mod find;
mod heap;
mod helper;
mod limits;
mod linux;
mod mark;
mod orphans;
mod proc;
mod quota;
mod run;
mod seccomp;
mod spawn;
mod spill;
mod start;
mod suspend;
mod sweep;
#[cfg(test)]
mod tests;
mod token;
mod watch;
mod watchdog;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use cancellation::{Cancellation, Interest, Readiness, Urgency};
pub use capture::Capture;
pub use conversation::{Conversation, Silence};
pub use descriptors::make_room;
pub use error::StartError;
pub use find::{find_program, is_program};
pub use heap::{narrow_heaps, widen_heaps};
pub use helper::{init, is_initialised};
pub(crate) use linux::own_descriptors;
pub use linux::{await_child, hear_signals, peak_memory, seal_descriptors};
pub use orphans::{adopt_orphans, adopts_orphans, reap_orphans};
pub use run::{run, run_heard};
pub use spawn::settle_signals;
pub use spill::Spill;
pub use suspend::{await_starts, suspend};
pub use sweep::{Strays, end_orphans};
pub use token::next_token;
pub use watchdog::{Watchdog, is_watched};

use crate::model::{Captured, End, ExitStatus, ResourceLimits};
use crate::time::Deadline;

/// The environment variable by which a process is known to belong to a command, wherever it went.
pub const TOKEN_VARIABLE: &str = "PARTEST_TOKEN";

/// What is run, and in which surroundings.
#[derive(Clone, Debug)]
pub struct Command {
    /// The absolute path of the program.
    pub program: PathBuf,
    /// Its arguments, from `argv[0]` on.
    pub args: Vec<OsString>,
    /// Its whole environment; [`run`] adds [`TOKEN_VARIABLE`].
    pub env: Arc<[(OsString, OsString)]>,
    /// The absolute path of its working directory.
    pub cwd: PathBuf,
    /// What it reads.
    pub stdin: Input,
    /// What it and its descendants may use.
    pub limits: ResourceLimits,
    /// Where output goes that is longer than what is captured.
    pub spill: Option<Spill>,
}

/// What a process reads from its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing: the end of the file at once.
    Null,
    /// These bytes, through a pipe. It need not read them.
    Bytes(Vec<u8>),
    /// A file, which becomes the standard input itself.
    File(PathBuf),
    /// The lines of a [`Conversation`]; without one, nothing.
    Lines,
}

/// How long a process may run and how much of its output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// When it is ended.
    pub deadline: Deadline,
    /// How long it has between TERM and KILL.
    pub grace: Duration,
    /// How long processes may outlive it before they count as left behind.
    pub leak_timeout: Duration,
    /// How many bytes are kept of each stream: half from its head, half from its tail.
    pub capture: usize,
}

/// Hears of a process while it runs, on the thread that runs it: it must be quick.
pub trait Listener: fmt::Debug + Sync {
    /// The process has started.
    fn started(&self);
    /// It has written these bytes.
    fn hear(&self, output: Output, bytes: &[u8]);
}

/// One of the two streams that a process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

impl Output {
    pub(in crate::process) const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

/// What is known of a process that is over.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Why it ended.
    pub end: End,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// The command lines of processes it left behind, which were killed. Filled only when it ended by itself:
    /// what is ended at a deadline has had no chance to clean up.
    pub leaked: Vec<String>,
    /// From the start to the exit of the process itself.
    pub duration: Duration,
    /// Processor time of it and of the descendants it waited for.
    pub cpu: Duration,
    /// The largest resident set, in bytes, of it or of a descendant it waited for, or else what this process itself had at
    /// most when it was started: it begins with that memory.
    pub max_rss: u64,
    /// A process that was still there five seconds after KILL.
    pub unkillable: Option<u32>,
}
