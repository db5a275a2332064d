//! Starting a process by `clone(2)`: what stands between its birth and its program.
//!
//! The new process shares the memory of this one, whose calling thread waits until the program is there (`vfork`): so it
//! costs the same however much memory this process has, and what it says about an error needs no pipe. Unlike
//! `posix_spawn`, it can set limits and bear a mark, is known by a descriptor from its birth on, and borrows its stack.
#![expect(unsafe_code, reason = "clone, execve, sigaction and sigprocmask in the child: no safe wrapper")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, chdir, kill_process, setrlimit, setsid};

use crate::process::chunk::with_chunk;
use crate::process::linux::reap;
use crate::process::seccomp::Filter;

/// The highest signal.
const LAST_SIGNAL: c_int = 64;

/// The default as the kernel's `struct sigaction`, which has four words at most and begins with the handler. It is used
/// without the function of libc, which leaves out the two signals that it uses itself.
const DEFAULT: [u64; 4] = [0; 4];

/// The signals of this process that may not be at their defaults, a bit for each.
static ODD_SIGNALS: AtomicU64 = AtomicU64::new(u64::MAX);

/// A list of C strings behind each other in one allocation.
#[derive(Debug, Default)]
pub(in crate::process) struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Strings {
    /// None, with room for some of so many bytes together.
    pub(in crate::process) fn with_capacity(count: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), starts: Vec::with_capacity(count) }
    }

    /// Adds the string made of `parts`, which hold no NUL byte; says whether that is so.
    #[must_use]
    pub(in crate::process) fn push(&mut self, parts: &[&[u8]]) -> bool {
        let start = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        let clean = !self.bytes[start..].contains(&0);
        self.starts.push(start);
        self.bytes.push(0);
        clean
    }

    /// How many bytes they take.
    pub(in crate::process) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The array of pointers, with a null pointer at its end, that `execve` takes.
    fn pointers(&self) -> Vec<*const c_char> {
        let pointers = self.starts.iter().map(|&start| self.bytes[start..].as_ptr().cast());
        pointers.chain([ptr::null()]).collect()
    }
}

/// What a process is started with.
#[derive(Debug)]
pub(in crate::process) struct Image<'a> {
    /// The absolute path of the program.
    pub(in crate::process) program: &'a CStr,
    /// Its arguments.
    pub(in crate::process) args: &'a Strings,
    /// Its environment.
    pub(in crate::process) env: &'a Strings,
    /// Its working directory.
    pub(in crate::process) cwd: &'a CStr,
    /// What becomes its descriptors 0, 1 and 2; each of them is 3 or above.
    pub(in crate::process) stdio: [BorrowedFd<'a>; 3],
    /// What it and its descendants may use.
    pub(in crate::process) limits: &'a [(Resource, Rlimit)],
    /// What makes it ask before it starts others.
    pub(in crate::process) filter: Option<&'a Filter>,
}

/// A process that has just been started.
#[derive(Debug)]
pub(in crate::process) struct Spawned {
    pub(in crate::process) pid: Pid,
    /// Becomes readable when it exits.
    pub(in crate::process) pidfd: OwnedFd,
}

/// What the new process is to do, and what becomes of it.
struct Errand<'a> {
    image: &'a Image<'a>,
    /// What it bears from its birth on.
    mark: Option<(Resource, Rlimit)>,
    args: *const *const c_char,
    env: *const *const c_char,
    /// The signals that may not be at their defaults.
    odd_signals: u64,
    /// Written by the new process when it could not become its program.
    error: Option<Errno>,
}

/// Starts a process as the leader of a session of its own, with an empty signal mask and every signal at its
/// default. It has its program when this returns, and is a child of the calling thread. `mark` is a limit that it has
/// before anything else.
pub(in crate::process) fn spawn(
    image: &Image<'_>,
    mark: Option<(Resource, Rlimit)>,
) -> Result<Spawned, Errno> {
    let (args, env) = (image.args.pointers(), image.env.pointers());
    let (args, env) = (args.as_ptr(), env.as_ptr());
    let odd_signals = ODD_SIGNALS.load(Ordering::Relaxed);
    let mut errand = Errand { image, mark, args, env, odd_signals, error: None };
    // No handler of this process may run in the new one, as they share their memory.
    let blocked = set_mask(u64::MAX);
    let born = give_birth(&mut errand);
    set_mask(blocked);
    let spawned = born?;
    match errand.error {
        None => Ok(spawned),
        Some(error) => {
            let _ = reap(spawned.pid);
            Err(error)
        }
    }
}

/// Makes the new process, and waits until it has its program or has ended.
fn give_birth(errand: &mut Errand<'_>) -> Result<Spawned, Errno> {
    let mut pidfd: c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // It needs less than two thousand bytes of stack. On that of this thread they would be kept by each thread that waits.
    let pid = with_chunk(|stack| {
        // SAFETY: any bytes are as good as others to stacks, and a `u128` is aligned as they are.
        let (_, stack, _) = unsafe { stack.align_to_mut::<MaybeUninit<u128>>() };
        let top = stack.as_mut_ptr_range().end.cast::<c_void>();
        // SAFETY: the stack grows downwards from the end of memory that nobody else uses until the new process has its own
        // or has ended, nor does the errand go: with CLONE_VFORK this thread waits for that. `become_program` fits the
        // signature and never returns. With CLONE_PIDFD the kernel writes a descriptor to the place that is given as the
        // id's.
        check(unsafe { libc::clone(become_program, top, flags, (&raw mut *errand).cast(), &raw mut pidfd) })
    })?;
    let pid = Pid::from_raw(pid).ok_or(Errno::CHILD)?;
    if pidfd < 0 {
        // Linux before 5.2 knows nothing of it.
        let _ = kill_process(pid, Signal::KILL);
        let _ = reap(pid);
        return Err(Errno::NOSYS);
    }
    // SAFETY: the kernel has just made it, and nobody else knows it.
    Ok(Spawned { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// What the new process does. It may take no lock and no memory, as another thread may have stopped in the midst of that.
extern "C" fn become_program(errand: *mut c_void) -> c_int {
    // SAFETY: `give_birth` passes an errand that lives on and that nobody else uses meanwhile.
    let errand = unsafe { &mut *errand.cast::<Errand<'_>>() };
    let Err(error) = try_to_become(errand);
    errand.error = Some(error);
    // SAFETY: ends this process at once. What is shared with the other is left as it is.
    unsafe { libc::_exit(127) }
}

fn try_to_become(errand: &Errand<'_>) -> Result<std::convert::Infallible, Errno> {
    let Image { program, cwd, stdio, limits, filter, .. } = errand.image;
    if let Some((resource, mark)) = errand.mark {
        setrlimit(resource, mark)?;
    }
    setsid()?;
    chdir(*cwd)?;
    for (fd, number) in stdio.iter().zip(0..) {
        // SAFETY: replaces one of this process's own descriptors, which nobody else has, by a copy of an open one.
        check(unsafe { libc::dup2(fd.as_raw_fd(), number) })?;
    }
    reset_signals(errand.odd_signals);
    if let Some(filter) = filter {
        // Before the limits: it takes a descriptor for a moment, beside those of this program that are still there.
        filter.install()?;
    }
    for (resource, limit) in *limits {
        setrlimit(*resource, *limit)?;
    }
    // The kernel wakes this process's parent before it closes what is close-on-exec: others would be held open a while
    // longer, which is a leak to them. Linux before 5.9 knows no such call.
    // SAFETY: the table of descriptors is a copy of this process alone, and nothing above 2 is used any more.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
    set_mask(0);
    // SAFETY: the program is NUL-terminated; both arrays end with a null pointer, and their strings are NUL-terminated
    // and live until this process has its own memory.
    check(unsafe { libc::execve(program.as_ptr(), errand.args, errand.env) })?;
    Err(Errno::INVAL)
}

/// Says that the signals of this process that are at their defaults now stay so: what it starts need not reset them.
pub fn settle_signals() {
    let is_odd = |signal: &c_int| {
        let mut action = DEFAULT;
        // SAFETY: there is no new action, and room for the present one.
        unsafe {
            let action = action.as_mut_ptr();
            libc::syscall(libc::SYS_rt_sigaction, *signal, ptr::null::<c_void>(), action, 8usize)
        };
        action[0] != DEFAULT[0]
    };
    let odd = (1..=LAST_SIGNAL).filter(is_odd).fold(0, |set, signal| set | 1 << (signal - 1));
    ODD_SIGNALS.store(odd, Ordering::Relaxed);
}

/// Sets these signals to their defaults, as far as they can be set.
fn reset_signals(mut set: u64) {
    while set != 0 {
        let signal = set.trailing_zeros() + 1;
        set &= set - 1;
        // SAFETY: the structure lives during the call, which only reads it; there is no place for the former one.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), ptr::null_mut::<c_void>(), 8usize)
        };
    }
}

/// Sets which signals are blocked in the calling thread, a bit for each; gives those that were before.
fn set_mask(mask: u64) -> u64 {
    let mut before = 0u64;
    // Not by the function of libc, which leaves out the two signals that it uses itself.
    // SAFETY: both sets have the eight bytes that are told; the call fails only where they have not.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            size_of::<u64>(),
        )
    };
    before
}

/// What a call says, or its error when that is -1.
fn check(result: c_int) -> Result<c_int, Errno> {
    if result >= 0 {
        return Ok(result);
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
