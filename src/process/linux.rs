//! The system calls for which no safe wrapper exists: `posix_spawn`, `wait4`, `gettid`, `sigaction`,
//! `pthread_sigmask`, `close_range`, `raise`.
#![expect(
    unsafe_code,
    reason = "posix_spawn, wait4, gettid, sigaction, pthread_sigmask, close_range, raise: no safe wrapper"
)]

use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::io::{Errno, fcntl_getfd};
use rustix::process::Pid;

use crate::model::ExitStatus;

/// A list of C strings behind each other in one allocation.
#[derive(Debug, Default)]
pub(in crate::process) struct Strings {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Strings {
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
    fn pointers(&self) -> Vec<*mut c_char> {
        let pointers = self.starts.iter().map(|&start| self.bytes[start..].as_ptr().cast_mut().cast());
        pointers.chain([ptr::null_mut()]).collect()
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
    /// What becomes its descriptor 3, for a helper.
    pub(in crate::process) status: Option<BorrowedFd<'a>>,
}

/// Starts a process as the leader of a session of its own, with an empty signal mask and every signal at its
/// default. It runs when this returns, and is a child of the calling thread.
pub(in crate::process) fn spawn(image: &Image<'_>) -> Result<Pid, Errno> {
    let attributes = Attributes::new()?;
    let actions = Actions::new(image)?;
    let (args, env) = (image.args.pointers(), image.env.pointers());
    let mut pid = 0;
    // SAFETY: all pointers are to live, initialised objects: `actions` and `attributes` were initialised by
    // their constructors, `args` and `env` end with a null pointer and point into `Strings` that are borrowed
    // for the call and NUL-terminated. posix_spawn writes only to `pid`.
    check(unsafe {
        libc::posix_spawn(
            &raw mut pid,
            image.program.as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            args.as_ptr(),
            env.as_ptr(),
        )
    })?;
    Pid::from_raw(pid).ok_or(Errno::CHILD)
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> Result<Self, Errno> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: init initialises the object it is given.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: initialised by the call above, which succeeded.
        let mut attributes = Self(unsafe { attributes.assume_init() });
        let mut none = MaybeUninit::uninit();
        // SAFETY: sigemptyset initialises the set it is given and cannot fail.
        let none = unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            none.assume_init()
        };
        // Not by sigfillset: it leaves out the two signals that glibc uses itself, and posix_spawn would have
        // the process ignore those.
        // SAFETY: a sigset_t is an array of integers, for which all ones is a valid value.
        let all: libc::sigset_t = unsafe {
            let mut all = MaybeUninit::uninit();
            ptr::write_bytes(all.as_mut_ptr(), 0xff, 1);
            all.assume_init()
        };
        let flags = c_int::from(libc::POSIX_SPAWN_SETSID)
            | libc::POSIX_SPAWN_SETSIGMASK
            | libc::POSIX_SPAWN_SETSIGDEF;
        // SAFETY: the attributes and both sets are initialised, and only read or written during the calls.
        unsafe {
            check(libc::posix_spawnattr_setsigmask(&raw mut attributes.0, &raw const none))?;
            check(libc::posix_spawnattr_setsigdefault(&raw mut attributes.0, &raw const all))?;
            check(libc::posix_spawnattr_setflags(&raw mut attributes.0, flags as _))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised by `new`, and not used again.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new(image: &Image<'_>) -> Result<Self, Errno> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: init initialises the object it is given.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: initialised by the call above, which succeeded.
        let mut actions = Self(unsafe { actions.assume_init() });
        // SAFETY: the actions are initialised; the path is copied.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(&raw mut actions.0, image.cwd.as_ptr()) })?;
        for (fd, number) in image.stdio.iter().chain(&image.status).zip(0..) {
            // SAFETY: the actions are initialised; the descriptor is open while it is borrowed.
            check(unsafe {
                libc::posix_spawn_file_actions_adddup2(&raw mut actions.0, fd.as_raw_fd(), number)
            })?;
        }
        Ok(actions)
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised by `new`, and not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// The posix_spawn family returns the error's number instead of setting `errno`.
fn check(result: c_int) -> Result<(), Errno> {
    if result == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(result)) }
}

/// What a process came to and what it used.
#[derive(Clone, Copy, Debug)]
pub(in crate::process) struct Reaped {
    pub(in crate::process) status: ExitStatus,
    pub(in crate::process) cpu: Duration,
    pub(in crate::process) max_rss: u64,
}

/// Reaps the child `pid`, which has exited; its id is free for others afterwards.
pub(in crate::process) fn reap(pid: Pid) -> io::Result<Reaped> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to live objects that wait4 may write; all-zero is a valid rusage.
        let result =
            unsafe { libc::wait4(pid.as_raw_nonzero().get(), &raw mut status, 0, usage.as_mut_ptr()) };
        if result >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: zeroed above and perhaps written by wait4; every bit pattern is a valid rusage.
    let usage = unsafe { usage.assume_init() };
    let time = |t: libc::timeval| {
        Duration::new(t.tv_sec.try_into().unwrap_or(0), u32::try_from(t.tv_usec).unwrap_or(0) * 1000)
    };
    let status = if libc::WIFSIGNALED(status) {
        ExitStatus::Signaled(libc::WTERMSIG(status))
    } else {
        ExitStatus::Exited(libc::WEXITSTATUS(status))
    };
    Ok(Reaped {
        status,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        max_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024, // getrusage(2): in kilobytes
    })
}

/// Makes children wait to be reaped. A process may have been started with SIGCHLD ignored; then the kernel
/// reaps its children and their exit status is lost. A handler is left as it is.
pub(in crate::process) fn keep_exit_statuses() {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null action the call only writes the present one; all-zero is a valid sigaction, and
    // SIG_DFL with an empty mask is a valid action.
    unsafe {
        libc::sigaction(libc::SIGCHLD, ptr::null(), action.as_mut_ptr());
        let mut action = action.assume_init();
        if action.sa_sigaction == libc::SIG_IGN || action.sa_flags & libc::SA_NOCLDWAIT != 0 {
            action.sa_flags &= !libc::SA_NOCLDWAIT;
            if action.sa_sigaction == libc::SIG_IGN {
                action.sa_sigaction = libc::SIG_DFL;
            }
            libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut());
        }
    }
}

/// Makes sure that signals reach this thread, and those it starts, even if the process was started with them blocked, and
/// that a limit on the size of files is an error of writing instead of the end of this process. For the command line,
/// first thing. What this process starts has every signal at its default all the same.
pub fn hear_signals() {
    let mut none = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set it is given and cannot fail; the mask of this thread is only replaced;
    // SIG_IGN is a valid action for XFSZ.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// The id of the calling thread.
pub(in crate::process) fn thread_id() -> i32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }
}

/// Whether the calling thread is the process's first, to which the kernel gives orphans.
pub(in crate::process) fn is_main_thread() -> bool {
    thread_id() == rustix::process::getpid().as_raw_nonzero().get()
}

/// Stops this process; returns when somebody has continued it. The signal goes to the calling thread, so that it
/// cannot return before the stop.
pub(in crate::process) fn stop_this_process() {
    // SAFETY: raise has no preconditions, and no handler can run for STOP.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// The descriptor of this number that this process was started with, if it is open.
pub(in crate::process) fn inherited(number: u8) -> Option<OwnedFd> {
    // SAFETY: the descriptor is only borrowed, by a call that says whether it is open.
    fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number.into()) }).ok()?;
    // SAFETY: it is open, and whoever begins as a helper has opened nothing yet that could be it.
    Some(unsafe { OwnedFd::from_raw_fd(number.into()) })
}

/// Marks every descriptor above 2 that this process was started with as close-on-exec, so that no process it
/// starts sees them. For the command line, first thing; a library does not own the descriptors of its host.
///
/// # Errors
/// When the kernel is older than 5.11.
pub fn seal_descriptors() -> io::Result<()> {
    // SAFETY: setting the close-on-exec flag closes nothing and touches no memory.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(io::Error::new(error.kind(), format!("cannot close inherited files to cases (close_range): {error}")))
}
