//! Why a process could not be started.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why a process could not be started. Each message is one line with the path and the cause.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No absolute folder of `PATH` has a program of this name.
    #[error("program \"{name}\" not found in PATH ({searched})")]
    NotInPath {
        /// The name that was looked for.
        name: String,
        /// What was searched, and what to write if something else was meant.
        searched: String,
    },
    /// The program's file does not exist or cannot be reached.
    #[error("program not found: {program}: {cause}")]
    Missing {
        /// The path that was tried.
        program: PathBuf,
        /// The operating system's word.
        cause: io::Error,
    },
    /// The program is a directory, a FIFO, a device.
    #[error("not a program but {kind}: {program}")]
    NoFile {
        /// The path that was tried.
        program: PathBuf,
        /// What stands there.
        kind: &'static str,
    },
    /// The program's file may not be executed.
    #[error("program is not executable: {program} (chmod +x it, or name its interpreter first)")]
    NotExecutable {
        /// The path that was tried.
        program: PathBuf,
    },
    /// The first line of a script names an interpreter that cannot be run.
    #[error("bad interpreter \"{interpreter}\" in the first line of {program}: {cause}")]
    BadInterpreter {
        /// The script.
        program: PathBuf,
        /// What stands behind `#!`.
        interpreter: String,
        /// The operating system's word.
        cause: io::Error,
    },
    /// The program exists, but the dynamic loader it asks for does not.
    #[error("program cannot be loaded: {program} exists, but its dynamic loader does not")]
    MissingLoader {
        /// The program.
        program: PathBuf,
    },
    /// The file is neither a binary for this machine nor a script with a `#!` line.
    #[error("exec format error: {program} is no binary for this machine and has no \"#!\" line")]
    Format {
        /// The program.
        program: PathBuf,
    },
    /// The working directory cannot be entered.
    #[error("working directory cannot be entered: {cwd}: {cause}")]
    WorkingDirectory {
        /// The directory.
        cwd: PathBuf,
        /// The operating system's word.
        cause: io::Error,
    },
    /// Arguments and environment together, or one of them alone, are too long.
    #[error("argument list too long: {bytes} bytes of arguments and environment for {program}")]
    TooLong {
        /// The program.
        program: PathBuf,
        /// How many bytes there are.
        bytes: usize,
    },
    /// The file for the standard input cannot be read.
    #[error("file for stdin cannot be opened (its path is relative to the descriptor): {file}: {cause}")]
    Stdin {
        /// The file.
        file: PathBuf,
        /// The operating system's word.
        cause: io::Error,
    },
    /// A string that cannot be handed to a process.
    #[error("{what} holds a NUL byte: {text:?}")]
    Nul {
        /// Which string.
        what: &'static str,
        /// The string.
        text: String,
    },
    /// A path that has to be absolute is not.
    #[error("{what} must be an absolute path: {path}")]
    Relative {
        /// Which path.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// The machine or the limits of this user have no room for one more process; no fault of the program.
    #[error("no resources to start {program}: {cause}")]
    Resources {
        /// The program.
        program: PathBuf,
        /// The operating system's word.
        cause: io::Error,
    },
    /// The run was stopped before the process was started.
    #[error("not started, since the run was stopped: {program}")]
    Cancelled {
        /// The program.
        program: PathBuf,
    },
    /// Anything else the operating system says.
    #[error("cannot start {program}: {cause}")]
    Other {
        /// The program.
        program: PathBuf,
        /// The operating system's word.
        cause: io::Error,
    },
}

impl StartError {
    /// Whether the machine or partest is at fault rather than what was to be run.
    #[must_use]
    pub fn is_infrastructure(&self) -> bool {
        matches!(self, Self::Resources { .. })
    }
}

/// Whether waiting a little may help: no process or descriptor is free, or a script that was just written is
/// still open for writing in a process that another thread is starting.
pub(in crate::process) fn is_passing(cause: Errno) -> bool {
    is_shortage(cause) || cause == Errno::TXTBSY
}

/// Whether the machine or the limits of this user are exhausted.
pub(in crate::process) fn is_shortage(cause: Errno) -> bool {
    matches!(cause, Errno::AGAIN | Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}
