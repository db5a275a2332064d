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
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, kill_process_group, pidfd_open,
    set_child_subreaper, waitid,
};

use crate::process::TOKEN_VARIABLE;
use crate::process::linux::{is_main_thread, keep_exit_statuses};
use crate::process::proc::{self, Lookup, Stat, kill_exactly};
use crate::process::suspend::may_start;
use crate::process::watchdog::{Companion, is_alone, note_leader, note_orphans};

/// How long a process may take to die of KILL.
pub(in crate::process) const LAST_WAIT: Duration = Duration::from_secs(5);

/// How often the orphans are looked at again when some exit meanwhile, before they count as still there.
const GLANCES: usize = 100;

/// How many command lines of processes left behind are told.
const LINES: usize = 16;

/// Set once orphans come to this process.
static ADOPTION: OnceLock<Adoption> = OnceLock::new();

/// How many processes are being run, from just before their start until they are reaped.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// What all running processes must know of each other.
static STATE: Mutex<State> = Mutex::new(State { leaders: Vec::new(), strangers: Vec::new() });

struct Adoption {
    /// `/proc/self/task/MAIN/children`, to be read again and again.
    children: File,
    /// The session of this process as `/proc` tells it: 0 where it is outside of the PID namespace.
    session: i32,
}

struct State {
    /// The processes started by `run` that are not reaped.
    leaders: Vec<i32>,
    /// Orphans that could not be attributed while several processes ran.
    strangers: Vec<Identity>,
}

/// A process id with the time it was given out, which together never come again.
type Identity = (i32, u64);

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

/// Ends every orphan that is left once nothing runs any more, and gives their command lines: daemons that had
/// wiped their environment and could not be attributed. Does nothing while a process runs.
#[must_use]
pub fn end_orphans() -> Vec<String> {
    if RUNNING.load(Ordering::Acquire) > 0 {
        return Vec::new();
    }
    let mut orphans = Orphans::of(0, None);
    orphans.collect();
    let _ = orphans.sweep();
    orphans.into_lines()
}

/// A process started by `run`, known to all sweeps until this is dropped, after it was reaped.
#[derive(Debug)]
pub(in crate::process) struct Leader(Pid);

impl Leader {
    /// Starts a leader so that no sweep can take it for an orphan.
    pub(in crate::process) fn spawn(start: impl FnOnce() -> Result<Pid, Errno>) -> Result<Self, Errno> {
        RUNNING.fetch_add(1, Ordering::AcqRel);
        let _gate = may_start();
        let spawned = if ADOPTION.get().is_none() {
            start()
        } else if is_main_thread() {
            // A child of this thread stands among the orphans from its first moment.
            let mut state = lock();
            start().inspect(|pid| state.add_leader(*pid))
        } else {
            start().inspect(|pid| lock().add_leader(*pid))
        };
        if spawned.is_err() {
            RUNNING.fetch_sub(1, Ordering::AcqRel);
        }
        spawned.map(Self)
    }

    pub(in crate::process) fn pid(&self) -> Pid {
        self.0
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
        if ADOPTION.get().is_some() {
            let mut state = lock();
            // One entry only: the id may have been given to a new leader already.
            if let Some(place) =
                state.leaders.iter().position(|leader| *leader == self.0.as_raw_nonzero().get())
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

/// The live orphans in the session of a leader.
pub(in crate::process) fn orphans_in_session(leader: i32) -> Vec<i32> {
    let mut found = Vec::new();
    each_orphan(|stat, _| {
        if stat.session == leader {
            found.push(stat.pid);
        }
    });
    found
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

/// Whether a leader has live orphans.
#[derive(Debug)]
pub(in crate::process) enum Presence {
    /// It has none.
    None,
    /// At least one; the descriptor becomes readable when it exits.
    Alive(OwnedFd),
    /// There is something of which it cannot be said yet whose it is, or which cannot be watched.
    Unsure,
}

/// What a sweep came to.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::process) struct Sweep {
    /// Whether there was anything to kill.
    pub(in crate::process) killed: bool,
    /// A process that does not die.
    pub(in crate::process) unkillable: Option<u32>,
}

/// The orphans of one leader.
#[derive(Debug)]
pub(in crate::process) struct Orphans<'a> {
    leader: i32,
    /// `None` stands for whatever is there.
    token: Option<&'a str>,
    /// A folder that only its processes have any business in.
    home: Option<&'a Path>,
    /// Orphans and descendants of orphans seen so far, which may have left every other trace behind.
    known: Vec<Identity>,
    lines: Vec<String>,
    more: usize,
}

impl<'a> Orphans<'a> {
    /// Those of the process `leader`, which carry `token`.
    pub(in crate::process) fn of(leader: i32, token: Option<&'a str>) -> Self {
        Self { leader, token, home: None, known: Vec::new(), lines: Vec::new(), more: 0 }
    }

    /// Also those without any token that are in this folder.
    pub(in crate::process) fn at_home(self, home: Option<&'a Path>) -> Self {
        Self { home, ..self }
    }

    /// Whether any of its orphans lives.
    pub(in crate::process) fn presence(&mut self) -> Presence {
        let mut presence = Presence::None;
        for _ in 0..GLANCES {
            let scan = each_orphan(|stat, state| match self.owns(stat, state) {
                Some(true) if !matches!(presence, Presence::Alive(_)) => {
                    let pid = Pid::from_raw(stat.pid);
                    presence = pid
                        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
                        .map_or(Presence::Unsure, Presence::Alive);
                }
                None if matches!(presence, Presence::None) => presence = Presence::Unsure,
                _ => {}
            });
            if scan.is_exact() || !matches!(presence, Presence::None) {
                return presence;
            }
        }
        Presence::Unsure
    }

    /// Remembers the command lines of its orphans and of everything below them, before they are killed. Says
    /// whether there is any.
    pub(in crate::process) fn collect(&mut self) -> bool {
        each_orphan(|stat, state| {
            if self.owns(stat, state) == Some(true) {
                self.tell(stat);
                self.descend(stat.pid, |orphans, below| orphans.tell(below));
            }
        });
        !self.lines.is_empty()
    }

    /// Kills its orphans and reaps them until none is left.
    pub(in crate::process) fn sweep(&mut self) -> Sweep {
        let mut sweep = Sweep::default();
        let end = Instant::now() + LAST_WAIT;
        let mut pause = Duration::from_micros(100);
        // Those of which it was not clear at first whose they are. Others may go on producing such ones.
        let mut doubtful: Option<Vec<Identity>> = None;
        for looks in 0.. {
            let (mut left, mut unsure) = (None, Vec::new());
            let scan = each_orphan(|stat, state| match self.owns(stat, state) {
                Some(true) => {
                    left = Some(stat.pid);
                    self.kill(stat);
                }
                Some(false) => {}
                None => unsure.push((stat.pid, stat.start)),
            });
            let doubtful = doubtful.get_or_insert_with(|| unsure.clone());
            doubtful.retain(|identity| unsure.contains(identity));
            if left.is_none() && doubtful.is_empty() && (scan.is_exact() || looks > GLANCES) {
                break;
            }
            sweep.killed |= left.is_some();
            if Instant::now() >= end {
                sweep.unkillable = left.and_then(|pid| u32::try_from(pid).ok());
                break;
            }
            if left.is_some() || !doubtful.is_empty() {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
        }
        sweep
    }

    /// The command lines collected, a long list cut short.
    pub(in crate::process) fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("… and {} more", self.more));
        }
        self.lines
    }

    /// Whether a live orphan belongs to this leader; `None` while that cannot be told.
    fn owns(&mut self, stat: &Stat, state: &mut State) -> Option<bool> {
        let identity = (stat.pid, stat.start);
        let Some(token) = self.token else { return Some(true) };
        if stat.session == self.leader || self.known.contains(&identity) {
            return Some(true);
        }
        if state.leaders.contains(&stat.session) {
            return Some(false);
        }
        if state.strangers.contains(&identity) {
            return Some(self.houses(stat));
        }
        match proc::variable(stat.pid, TOKEN_VARIABLE) {
            Lookup::Value(value) if value == token.as_bytes() => {
                // While it dies it cannot be asked any more.
                self.known.push(identity);
                Some(true)
            }
            Lookup::Value(_) => Some(false),
            Lookup::Unsure => None,
            // Without a token it can only be told by there being no other it could belong to.
            Lookup::Absent if RUNNING.load(Ordering::Acquire) <= 1 || self.houses(stat) => Some(true),
            Lookup::Absent => {
                state.strangers.push(identity);
                Some(false)
            }
        }
    }

    /// Whether a process is in the folder that belongs to this leader alone.
    fn houses(&self, stat: &Stat) -> bool {
        let Some(home) = self.home else { return false };
        proc::working_directory(stat.pid).is_some_and(|folder| folder.starts_with(home))
    }

    fn tell(&mut self, stat: &Stat) {
        if self.lines.len() < LINES {
            self.lines.push(proc::command_line(stat));
        } else {
            self.more += 1;
        }
    }

    /// Kills an orphan, its process group, and what is below it. The orphan is our own unreaped child, which
    /// pins its id and that of its group.
    fn kill(&mut self, stat: &Stat) {
        self.descend(stat.pid, |_, below| kill_exactly(below));
        if let Some(group) = Pid::from_raw(stat.group) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Visits every process below `pid` and remembers it.
    fn descend(&mut self, pid: i32, mut visit: impl FnMut(&mut Self, &Stat)) {
        let mut open = vec![pid];
        while let Some(pid) = open.pop() {
            for child in proc::children(pid) {
                let Some(stat) = Stat::of(child) else { continue };
                if !self.known.contains(&(stat.pid, stat.start)) {
                    self.known.push((stat.pid, stat.start));
                }
                visit(self, &stat);
                open.push(child);
            }
        }
    }
}

/// What a look at the orphans came to.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    /// How many had exited and were reaped.
    reaped: usize,
    /// How many could not be looked at any more.
    vanished: usize,
}

impl Scan {
    /// Whether it saw all there were. What exits during a scan leaves its children as orphans that the list
    /// did not have yet.
    fn is_exact(self) -> bool {
        self.reaped == 0 && self.vanished == 0
    }
}

/// Visits every live orphan of this process under the lock, and reaps those that have exited.
fn each_orphan(mut visit: impl FnMut(&Stat, &mut State)) -> Scan {
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
        if stat.is_zombie() && reap_orphan(pid) {
            state.strangers.retain(|stranger| *stranger != (pid, stat.start));
            scan.reaped += 1;
        } else {
            left.push(pid);
            visit(&stat, &mut state);
        }
    }
    note_orphans(&left);
    scan
}

/// Reaps one orphan by its id. Says no for a process whose first thread has ended but not its others.
fn reap_orphan(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else { return false };
    matches!(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG), Ok(Some(_)))
}

fn lock() -> MutexGuard<'static, State> {
    // The state is valid between any two statements, so a panic elsewhere does not spoil it.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
