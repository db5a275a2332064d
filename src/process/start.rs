//! Starting a process: its pipes, its strings, and what an error means.

use std::ffi::CString;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::fs::{Access, OFlags, access, fcntl_setfl};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group};

use crate::disk::{is_scarce, start_turn};
use crate::process::cancellation::Cancellation;
use crate::process::error::{StartError, is_passing, is_shortage};
use crate::process::limits::rlimits;
use crate::process::linux::reap;
use crate::process::orphans::Leader;
use crate::process::quota::Quota;
use crate::process::seccomp::{Filter, Inbox};
use crate::process::spawn::{Image, Strings};
use crate::process::watchdog::note_pipes;
use crate::process::{Command, Input, TOKEN_VARIABLE};
use crate::time::clock;

/// How long a start is tried again when the cause may pass.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long when the cause is a descriptor that others have.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// How many bytes of arguments, and of an environment, there is room for at once.
const ROOM: usize = 1024;

/// A process that has just been started.
#[derive(Debug)]
pub(in crate::process) struct Started<'a> {
    pub(in crate::process) leader: Leader,
    /// What tells its end. `None` where it would be one descriptor too many as long as there is something to write.
    pub(in crate::process) pidfd: Option<OwnedFd>,
    pub(in crate::process) stdout: OwnedFd,
    pub(in crate::process) stderr: OwnedFd,
    /// The pipe to its standard input, and what is still to be written to it.
    pub(in crate::process) stdin: Option<(OwnedFd, &'a [u8])>,
    /// Where the number of its processes is limited.
    pub(in crate::process) quota: Option<Quota>,
}

impl Started<'_> {
    /// The same with its standard input taken out, if that is a pipe that is still open.
    pub(in crate::process) fn with_way_in(self) -> (Started<'static>, Option<OwnedFd>) {
        let Self { leader, pidfd, stdout, stderr, stdin, quota } = self;
        (Started { leader, pidfd, stdout, stderr, stdin: None, quota }, stdin.map(|(ours, _)| ours))
    }
}

/// Starts `command`, again for a short while when the cause of an error may pass.
pub(in crate::process) fn start<'a>(
    command: &'a Command,
    token: &str,
    cancellation: &Cancellation,
) -> Result<Started<'a>, StartError> {
    let strings = Prepared::new(command, token)?;
    let first = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if cancellation.is_requested() {
            return Err(StartError::Cancelled { program: command.program.clone() });
        }
        let turn = start_turn();
        let attempted = attempt(command, &strings);
        drop(turn);
        match attempted? {
            Ok(started) => return Ok(started),
            Err(cause) if is_passing(cause) && first.elapsed() < patience(cause) => {
                let _ = cancellation.wait(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            Err(cause) => return Err(diagnose(command, &strings, cause)),
        }
    }
}

/// How long this is waited for to pass. Where descriptors are scarce, other cases have them and will give them back.
fn patience(cause: Errno) -> Duration {
    if cause == Errno::MFILE && is_scarce() { LONG_PATIENCE } else { PATIENCE }
}

/// The strings of a command as the kernel takes them.
struct Prepared {
    program: CString,
    limits: Vec<(Resource, Rlimit)>,
    /// What goes with the limit on processes.
    token: String,
    most: Option<u64>,
    cwd: CString,
    args: Strings,
    env: Strings,
}

impl Prepared {
    fn new(command: &Command, token: &str) -> Result<Self, StartError> {
        let nul =
            |what, text: &[u8]| StartError::Nul { what, text: String::from_utf8_lossy(text).into_owned() };
        let path = |what, path: &Path| {
            if !path.is_absolute() {
                return Err(StartError::Relative { what, path: path.to_owned() });
            }
            let bytes = path.as_os_str().as_bytes();
            CString::new(bytes).map_err(|_| nul(what, bytes))
        };
        let mut args = Strings::with_capacity(command.args.len(), ROOM);
        let mut env = Strings::with_capacity(command.env.len() + 1, ROOM);
        let program = path("the program", &command.program)?;
        for arg in &command.args {
            if !args.push(&[arg.as_bytes()]) {
                return Err(nul("an argument", arg.as_bytes()));
            }
        }
        // First, so that it is found quickly; never twice.
        let _ = env.push(&[TOKEN_VARIABLE.as_bytes(), b"=", token.as_bytes()]);
        for (name, value) in command.env.iter().filter(|(name, _)| name != TOKEN_VARIABLE) {
            if !env.push(&[name.as_bytes(), b"=", value.as_bytes()]) {
                return Err(nul("an environment variable", name.as_bytes()));
            }
        }
        Ok(Self {
            program,
            limits: rlimits(&command.limits),
            token: token.to_owned(),
            most: command.limits.processes,
            cwd: path("the working directory", &command.cwd)?,
            args,
            env,
        })
    }
}

/// One attempt. The outer error is final, the inner one is the kernel's.
fn attempt<'a>(command: &'a Command, strings: &Prepared) -> Result<Result<Started<'a>, Errno>, StartError> {
    let stdin = match open_stdin(&command.stdin) {
        Ok(stdin) => stdin,
        Err((_, cause)) if Errno::from_io_error(&cause).is_some_and(is_shortage) => {
            return Ok(Err(Errno::from_io_error(&cause).unwrap_or(Errno::MFILE)));
        }
        Err((file, cause)) => return Err(StartError::Stdin { file: file.to_owned(), cause }),
    };
    Ok(connect(stdin, strings))
}

/// Makes the pipes and starts the process.
fn connect<'a>(stdin: Stdin<'a>, strings: &Prepared) -> Result<Started<'a>, Errno> {
    let (stdout, stdout_of_child) = output_pipe()?;
    let (stderr, stderr_of_child) = output_pipe()?;
    let (filter, inbox) = match strings.most {
        Some(_) => Filter::new()?.unzip(),
        None => (None, None),
    };
    let image = Image {
        program: &strings.program,
        args: &strings.args,
        env: &strings.env,
        cwd: &strings.cwd,
        stdio: [stdin.of_child.as_fd()?, stdout_of_child.as_fd(), stderr_of_child.as_fd()],
        limits: &strings.limits,
        filter: filter.as_ref(),
    };
    let begin = clock::now();
    note_pipes([&stdout_of_child, &stderr_of_child]);
    let (leader, pidfd) = Leader::spawn(&image)?;
    drop((stdout_of_child, stderr_of_child, stdin.of_child, filter));
    match inbox.map_or(Ok(None), Inbox::open) {
        Ok(listener) => {
            let is_full = is_scarce() && listener.is_some() && stdin.rest.is_some();
            let pidfd = Some(pidfd).filter(|_| !is_full);
            let quota = Quota::of(strings.most, &strings.token, listener, begin);
            Ok(Started { leader, pidfd, stdout, stderr, stdin: stdin.rest, quota })
        }
        Err(cause) => {
            abandon(leader.pid());
            Err(cause)
        }
    }
}

/// Ends a process that cannot be watched.
fn abandon(pid: Pid) {
    let _ = kill_process_group(pid, Signal::KILL);
    let _ = reap(pid);
}

/// A pipe whose reading end does not block. Both ends are close-on-exec and none is 0, 1 or 2.
fn output_pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    let (ours, theirs) = (above_stdio(ours)?, above_stdio(theirs)?);
    fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

/// The same descriptor, or a copy of it that does not stand where those of the child will.
pub(in crate::process) fn above_stdio(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    use std::os::fd::AsRawFd;
    if fd.as_raw_fd() > 2 { Ok(fd) } else { fcntl_dupfd_cloexec(&fd, 3) }
}

/// The standard input: the child's end, and what is still to be written to ours.
struct Stdin<'a> {
    of_child: ChildStdin,
    rest: Option<(OwnedFd, &'a [u8])>,
}

enum ChildStdin {
    Null,
    Own(OwnedFd),
}

impl ChildStdin {
    fn as_fd(&self) -> Result<std::os::fd::BorrowedFd<'_>, Errno> {
        match self {
            Self::Own(fd) => Ok(fd.as_fd()),
            Self::Null => null().map(AsFd::as_fd),
        }
    }
}

/// `/dev/null`, opened once for all processes.
pub(in crate::process) fn null() -> Result<&'static OwnedFd, Errno> {
    static NULL: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(fd) = NULL.get() {
        return Ok(fd);
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = above_stdio(rustix::fs::open(c"/dev/null", flags, rustix::fs::Mode::empty())?)?;
    Ok(NULL.get_or_init(|| fd))
}

fn open_stdin(input: &Input) -> Result<Stdin<'_>, (&Path, io::Error)> {
    match input {
        Input::Null => Ok(Stdin { of_child: ChildStdin::Null, rest: None }),
        Input::Bytes(bytes) if bytes.is_empty() => Ok(Stdin { of_child: ChildStdin::Null, rest: None }),
        Input::Bytes(bytes) => stdin_pipe(bytes).map_err(|cause| (Path::new("a pipe"), cause.into())),
        Input::Lines => {
            let pipe = pipe_with(PipeFlags::CLOEXEC).and_then(|(theirs, ours)| {
                fcntl_setfl(&ours, OFlags::NONBLOCK)?;
                Ok(Stdin {
                    of_child: ChildStdin::Own(above_stdio(theirs)?),
                    rest: Some((above_stdio(ours)?, &[][..])),
                })
            });
            pipe.map_err(|cause| (Path::new("a pipe"), cause.into()))
        }
        Input::File(file) => {
            let fd = open_file(file).map_err(|cause| (file.as_path(), cause))?;
            Ok(Stdin { of_child: ChildStdin::Own(fd), rest: None })
        }
    }
}

/// A pipe already filled with as much as it takes; what fits into it whole needs no further care.
fn stdin_pipe(bytes: &[u8]) -> Result<Stdin<'_>, Errno> {
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
    let (theirs, ours) = (above_stdio(theirs)?, above_stdio(ours)?);
    fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    let written = rustix::io::write(&ours, bytes)?;
    let rest = (written < bytes.len()).then(|| (ours, &bytes[written..]));
    Ok(Stdin { of_child: ChildStdin::Own(theirs), rest })
}

/// Opens a file without being caught by a FIFO that nobody writes to, or by a terminal.
fn open_file(file: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(file)?;
    if let Some(kind) = odd_kind(&opened.metadata()?).filter(|kind| *kind != "a device") {
        return Err(io::Error::other(format!("it is {kind}, not a file")));
    }
    fcntl_setfl(&opened, OFlags::empty())?;
    Ok(above_stdio(opened.into())?)
}

/// What something is that is no regular file.
fn odd_kind(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    match kind {
        _ if kind.is_file() => None,
        _ if kind.is_dir() => Some("a directory"),
        _ if kind.is_fifo() => Some("a FIFO"),
        _ if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}

/// Says what an error of the start means. The kernel has one `ENOENT` for a missing working directory, a
/// missing program and a missing interpreter.
fn diagnose(command: &Command, strings: &Prepared, cause: Errno) -> StartError {
    let program = command.program.clone();
    if is_shortage(cause) {
        return StartError::Resources { program, cause: cause.into() };
    }
    if cause == Errno::TOOBIG {
        return StartError::TooLong { program, bytes: strings.args.size() + strings.env.size() };
    }
    if let Err(cause) = enterable(&command.cwd) {
        return StartError::WorkingDirectory { cwd: command.cwd.clone(), cause };
    }
    let metadata = match std::fs::metadata(&program) {
        Ok(metadata) => metadata,
        Err(cause) => return StartError::Missing { program, cause },
    };
    if let Some(kind) = odd_kind(&metadata) {
        return StartError::NoFile { program, kind };
    }
    match cause {
        Errno::ACCESS if access(&program, Access::EXEC_OK).is_err() => StartError::NotExecutable { program },
        Errno::NOEXEC => StartError::Format { program },
        Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP => match interpreter(&program) {
            Some(interpreter) => StartError::BadInterpreter { program, interpreter, cause: cause.into() },
            None if cause == Errno::NOENT => StartError::MissingLoader { program },
            None => StartError::Other { program, cause: cause.into() },
        },
        _ => StartError::Other { program, cause: cause.into() },
    }
}

/// Whether a process could change to this directory.
fn enterable(cwd: &Path) -> io::Result<()> {
    if !std::fs::metadata(cwd)?.is_dir() {
        return Err(Errno::NOTDIR.into());
    }
    Ok(access(cwd, Access::EXEC_OK)?)
}

/// What stands behind `#!` in the first line of a script, without its argument. The kernel looks at the first
/// 256 bytes (`BINPRM_BUF_SIZE`). A carriage return shows as `\r`: it is what makes such a line fail.
fn interpreter(program: &Path) -> Option<String> {
    let mut start = Vec::with_capacity(256);
    File::open(program).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let name = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())?;
    Some(name.escape_ascii().to_string())
}
