//! The system calls for which no safe wrapper exists: `wait4`, `gettid`, `sigaction`, `pthread_sigmask`, `sigtimedwait`,
//! `close_range`, `raise`.
#![expect(unsafe_code, reason = "no safe wrapper: see above")]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use rustix::process::Pid;

use crate::model::ExitStatus;
use crate::process::watch::timespec;

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

/// The largest resident set, in bytes, that this process has had.
#[must_use]
pub fn peak_memory() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a live object that getrusage may write; all-zero is a valid rusage.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024 // getrusage(2): in kilobytes
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
/// that a limit on the size of files is an error of writing instead of the end of this process. CHLD is left to
/// [`await_child`]: a handler would interrupt some thread for every case that ends. For a program that owns its process,
/// before it starts a thread. What this process starts has every signal at its default all the same.
pub fn hear_signals() {
    let child = child_signal();
    // SAFETY: the mask of this thread is only replaced, by an initialised set; SIG_IGN is a valid action for XFSZ.
    unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const child, ptr::null_mut());
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Waits until a child exits, or has since the last call, but no longer than this; a thread that does not leave CHLD alone
/// may take the sign away.
pub fn await_child(longest: Duration) {
    let (child, longest) = (child_signal(), timespec(longest));
    let longest = libc::timespec { tv_sec: longest.tv_sec as _, tv_nsec: longest.tv_nsec as _ };
    // SAFETY: the set and the time are initialised and only read; there is no place for what is told of the signal.
    unsafe { libc::sigtimedwait(&raw const child, ptr::null_mut(), &raw const longest) };
}

/// The set of CHLD alone.
fn child_signal() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set it is given; neither call can fail with these arguments.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        set.assume_init()
    }
}

/// Whether the calling thread is the process's first, to which the kernel gives orphans.
pub(in crate::process) fn is_main_thread() -> bool {
    thread_local! {
        // SAFETY: gettid has no preconditions.
        static THREAD: i32 = unsafe { libc::gettid() };
    }
    THREAD.with(|thread| *thread == rustix::process::getpid().as_raw_nonzero().get())
}

/// Stops this process; returns when somebody has continued it. The signal goes to the calling thread, so that it
/// cannot return before the stop.
pub(in crate::process) fn stop_this_process() {
    // SAFETY: raise has no preconditions, and no handler can run for STOP.
    unsafe { libc::raise(libc::SIGSTOP) };
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

/// Gives the calling thread a table of descriptors of its own, with nothing in it beyond 2: threads that open files from
/// one table wait for each other. For a thread that uses no descriptor but those that it opens itself. What the kernel
/// refuses is left as it is.
pub(crate) fn own_descriptors() {
    // SAFETY: nothing is closed for any other thread, and this one knows of no descriptor above 2.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_UNSHARE) };
}
