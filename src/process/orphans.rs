//! Processes that outlive the one that started them.
//!
//! A process that has called [`adopt_orphans`] is given every orphan below it as a child of its own: the kernel
//! hands them to the first live thread of the nearest subreaper (`find_new_reaper` in `kernel/exit.c`), which is
//! the main thread. So its list of children in `/proc` holds all orphans there are, and besides them only what
//! the main thread itself started.
//!
//! Nobody but the holder of [`STATE`] reaps or signals an orphan, so a process id read under the lock stays
//! what it was until the lock is given back, and the kernel's list, which is exact only while nothing vanishes
//! from it, leaves none out.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process_group, set_child_subreaper, waitid,
};

use crate::disk::look_turn;
use crate::process::linux::{is_main_thread, keep_exit_statuses};
use crate::process::mark::Mark;
use crate::process::proc::{self, Stat};
use crate::process::spawn::{Image, Spawned, spawn};
use crate::process::suspend::may_start;
use crate::process::watchdog::{Companion, is_alone, note_leader, note_orphans};

/// Set once orphans come to this process.
static ADOPTION: OnceLock<Adoption> = OnceLock::new();

/// How many processes are being run, from just before their start until they are reaped.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// What all running processes must know of each other.
static STATE: Mutex<State> =
    Mutex::new(State { leaders: Vec::new(), strangers: Vec::new(), immortals: Vec::new() });

struct Adoption {
    /// `/proc/self/task/MAIN/children`, to be read again and again.
    children: File,
    /// The session of this process as `/proc` tells it: 0 where it is outside of the PID namespace.
    session: i32,
}

/// What all running processes must know of each other.
#[derive(Debug)]
pub(in crate::process) struct State {
    /// The processes started by `run` that are not reaped.
    pub(in crate::process) leaders: Vec<i32>,
    /// Orphans that could not be attributed while several processes ran.
    pub(in crate::process) strangers: Vec<Identity>,
    /// Orphans that KILL does not end. Whoever found that out has told it, and nobody waits for them again.
    pub(in crate::process) immortals: Vec<Identity>,
}

/// A process id with the time it was given out, which together never come again.
pub(in crate::process) type Identity = (i32, u64);

/// Makes this process the parent of every orphan below it, so that [`run`](crate::process::run) finds daemons
/// and ends them. If SIGCHLD is ignored it becomes default, as children would lose their exit status. For a
/// program that owns its process; a library leaves its host alone.
///
/// # Errors
/// When the kernel has no subreapers or does not list children in `/proc`.
pub fn adopt_orphans() -> io::Result<()> {
    if ADOPTION.get().is_some() {
        return Ok(());
    }
    let list = format!("/proc/self/task/{}/children", getpid());
    let children = File::open(&list).map_err(|error| {
        let message = format!("cannot follow processes: {list}: {error} (is /proc mounted?)");
        io::Error::new(error.kind(), message)
    })?;
    // Not `getsid`: whose session began outside of this PID namespace, as in a container, is told 0 by the kernel.
    let me = getpid().as_raw_nonzero().get();
    let session =
        Stat::of(me).ok_or_else(|| io::Error::other("cannot follow processes: /proc/self/stat"))?.session;
    keep_exit_statuses();
    set_child_subreaper(Some(getpid()))?;
    let _ = ADOPTION.set(Adoption { children, session });
    Ok(())
}

/// Whether orphans come to this process.
#[must_use]
pub fn adopts_orphans() -> bool {
    ADOPTION.get().is_some()
}

/// How many processes are being run.
pub(in crate::process) fn running() -> usize {
    RUNNING.load(Ordering::Acquire)
}

/// A process started by `run`, known to all sweeps until this is dropped, after it was reaped.
#[derive(Debug)]
pub(in crate::process) struct Leader {
    pid: Pid,
    /// What its descendants bear, where orphans are followed.
    mark: Option<Mark>,
}

impl Leader {
    /// Starts a leader so that no sweep can take it for an orphan; gives what tells its exit as well.
    pub(in crate::process) fn spawn(image: &Image<'_>) -> Result<(Self, OwnedFd), Errno> {
        RUNNING.fetch_add(1, Ordering::AcqRel);
        let _gate = may_start();
        let mark = ADOPTION.get().and_then(|_| Mark::next());
        let limit = mark.map(Mark::limit);
        let spawned = if ADOPTION.get().is_none() {
            spawn(image, None)
        } else if is_main_thread() {
            // A child of this thread stands among the orphans from its first moment.
            let mut state = lock();
            spawn(image, limit).inspect(|spawned| state.add_leader(spawned.pid))
        } else {
            spawn(image, limit).inspect(|spawned| lock().add_leader(spawned.pid))
        };
        if spawned.is_err() {
            RUNNING.fetch_sub(1, Ordering::AcqRel);
        }
        spawned.map(|Spawned { pid, pidfd }| (Self { pid, mark }, pidfd))
    }

    pub(in crate::process) fn pid(&self) -> Pid {
        self.pid
    }

    /// What its descendants bear, if they bear anything.
    pub(in crate::process) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Gives up on it. It stays a leader to all sweeps, as it is neither reaped nor an orphan.
    pub(in crate::process) fn abandon(self) {
        if let Some(stat) = Stat::of(self.pid.as_raw_nonzero().get()) {
            lock().immortals.push((stat.pid, stat.start));
        }
        RUNNING.fetch_sub(1, Ordering::AcqRel);
        std::mem::forget(self);
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
        if ADOPTION.get().is_some() {
            let mut state = lock();
            // One entry only: the id may have been given to a new leader already.
            if let Some(place) =
                state.leaders.iter().position(|leader| *leader == self.pid.as_raw_nonzero().get())
            {
                state.remove_leader(place);
            }
        }
    }
}

impl State {
    fn add_leader(&mut self, pid: Pid) {
        let pid = pid.as_raw_nonzero().get();
        note_leader(self.leaders.len(), pid);
        self.leaders.push(pid);
    }

    fn remove_leader(&mut self, place: usize) {
        self.leaders.swap_remove(place);
        if let Some(moved) = self.leaders.get(place) {
            note_leader(place, *moved);
        }
        note_leader(self.leaders.len(), 0);
    }
}

/// Sends a signal to the group of every process that runs.
pub(in crate::process) fn signal_leaders(signal: Signal) {
    let state = lock();
    for leader in state.leaders.iter().filter_map(|leader| Pid::from_raw(*leader)) {
        // It may have been reaped a moment ago by one who waits for the lock to say so; ids come around much later.
        let _ = kill_process_group(leader, signal);
    }
}

/// Starts something that is no orphan, although it may stand among them from its first moment.
pub(in crate::process) fn unseen<T>(start: impl FnOnce() -> T) -> T {
    let _state = lock();
    start()
}

/// Reaps the orphans that have exited, and says how many. To be called whenever SIGCHLD comes, since a case may
/// make thousands of them.
pub fn reap_orphans() -> usize {
    each_orphan(|_, _| {}).reaped
}

/// What a pass over the orphans came to.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::process) struct Scan {
    /// How many had exited and were reaped.
    reaped: usize,
    /// How many could not be looked at any more.
    pub(in crate::process) vanished: usize,
}

/// Visits every orphan of this process under the lock, and reaps those that have exited.
pub(in crate::process) fn each_orphan(mut visit: impl FnMut(&Stat, &mut State)) -> Scan {
    let mut scan = Scan::default();
    let Some(adoption) = ADOPTION.get() else { return scan };
    let mut start = [0; 64];
    let companion = Companion::current();
    match adoption.children.read_at(&mut start, 0) {
        // Nothing there: the usual case costs this one system call and no lock.
        Ok(length) if is_alone(&start[..length], companion) => {
            note_orphans(&[]);
            return scan;
        }
        Err(_) => return scan,
        Ok(_) => {}
    }
    let _turn = look_turn();
    let mut state = lock();
    let me = getpid().as_raw_nonzero().get();
    let mut left = Vec::new();
    for pid in proc::read_children(&adoption.children) {
        if pid == companion || state.leaders.contains(&pid) {
            continue;
        }
        let Some(stat) = Stat::of(pid) else {
            scan.vanished += 1;
            continue;
        };
        // Whatever else this process starts is in its own session; what `run` starts never is.
        if stat.parent != me || stat.session == adoption.session {
            continue;
        }
        // One that is traced is left to its tracer, and is dead as well.
        let is_over = stat.is_zombie();
        if is_over && !has_exited(pid, WaitIdOptions::NOWAIT) {
            left.push(pid);
            continue;
        }
        let identity = (pid, stat.start);
        if !state.immortals.contains(&identity) {
            visit(&stat, &mut state);
        }
        if is_over && has_exited(pid, WaitIdOptions::empty()) {
            state.strangers.retain(|stranger| *stranger != identity);
            state.immortals.retain(|immortal| *immortal != identity);
            scan.reaped += 1;
        } else {
            left.push(pid);
        }
    }
    note_orphans(&left);
    scan
}

/// Whether an orphan can be reaped, and does so unless NOWAIT is given.
fn has_exited(pid: i32, how: WaitIdOptions) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return false };
    matches!(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | how), Ok(Some(_)))
}

/// The state, for as long as nothing is reaped.
pub(in crate::process) fn lock() -> MutexGuard<'static, State> {
    // The state is valid between any two statements, so a panic elsewhere does not spoil it.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
