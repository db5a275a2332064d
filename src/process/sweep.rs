//! Finding the orphans of one leader among all of them, and ending them.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::process::TOKEN_VARIABLE;
use crate::process::mark::{Mark, Marks};
use crate::process::orphans::{Identity, Leader, State, each_orphan, lock, running};
use crate::process::proc::{self, Lookup, Stat, kill_exactly};

/// How long a process may take to die of KILL.
pub(in crate::process) const LAST_WAIT: Duration = Duration::from_secs(5);

/// How often the orphans are looked at again when some exit meanwhile, before they count as still there.
const GLANCES: usize = 100;

/// How many command lines of processes left behind are told.
const LINES: usize = 16;

/// What is left once nothing runs any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// The command lines of those that were ended.
    pub ended: Vec<String>,
    /// Those that KILL does not end, of the whole run: their ids and command lines.
    pub unkillable: Vec<(i32, String)>,
}

/// Ends every orphan that is left once nothing runs any more: daemons that could not be attributed. Does nothing while
/// a process runs.
#[must_use]
pub fn end_orphans() -> Strays {
    if running() > 0 {
        return Strays::default();
    }
    let mut orphans = Orphans::of_anybody();
    orphans.collect();
    let _ = orphans.sweep();
    let immortals = lock().immortals.clone();
    let there = immortals.into_iter().filter_map(|(pid, start)| {
        let stat = Stat::of(pid).filter(|stat| stat.start == start && !stat.is_zombie())?;
        Some((pid, proc::command_line(&stat)))
    });
    let unkillable: Vec<_> = there.collect();
    let mut ended = orphans.into_lines();
    ended.retain(|line| unkillable.iter().all(|(_, immortal)| immortal != line));
    Strays { ended, unkillable }
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
    mark: Option<Mark>,
    /// `None` stands for whatever is there.
    token: Option<&'a str>,
    /// Orphans and descendants of orphans seen so far, which may have left every other trace behind.
    known: Vec<Identity>,
    lines: Vec<String>,
    more: usize,
}

/// What a look at the orphans has seen of those of one leader.
#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    /// How many of its live orphans.
    live: usize,
    /// How many that had exited: what they had started became orphans that the list perhaps did not have yet.
    exited: usize,
    /// How many that had exited or vanished of which it cannot be said any more whose they were.
    unknown: usize,
}

impl Sight {
    /// Whether it saw all there were.
    fn is_exact(self) -> bool {
        self.exited == 0 && self.unknown == 0
    }
}

impl<'a> Orphans<'a> {
    /// Those of a leader, which carry `token`.
    pub(in crate::process) fn of(leader: &Leader, token: &'a str) -> Self {
        let pid = leader.pid().as_raw_nonzero().get();
        Self { leader: pid, mark: leader.mark(), token: Some(token), ..Self::of_anybody() }
    }

    /// All there are.
    fn of_anybody() -> Self {
        Self { leader: 0, mark: None, token: None, known: Vec::new(), lines: Vec::new(), more: 0 }
    }

    /// Whether any of its orphans lives.
    pub(in crate::process) fn presence(&mut self) -> Presence {
        for _ in 0..GLANCES {
            let mut presence = Presence::None;
            let sight = self.look(|_, stat, is_own| match is_own {
                _ if stat.is_zombie() => {}
                Some(true) if !matches!(presence, Presence::Alive(_)) => {
                    let pid = Pid::from_raw(stat.pid);
                    presence = pid
                        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
                        .map_or(Presence::Unsure, Presence::Alive);
                }
                None if matches!(presence, Presence::None) => presence = Presence::Unsure,
                _ => {}
            });
            if sight.is_exact() || !matches!(presence, Presence::None) {
                return presence;
            }
        }
        Presence::Unsure
    }

    /// The ids of those that live.
    pub(in crate::process) fn pids(&mut self) -> Vec<i32> {
        let mut found = Vec::new();
        self.look(|_, stat, is_own| {
            if is_own == Some(true) && !stat.is_zombie() {
                found.push(stat.pid);
            }
        });
        found
    }

    /// Remembers the command lines of its orphans and of everything below them, before they are killed. Says
    /// whether there is any.
    pub(in crate::process) fn collect(&mut self) -> bool {
        for _ in 0..GLANCES {
            let sight = self.look(|orphans, stat, is_own| {
                if is_own == Some(true) && !stat.is_zombie() {
                    orphans.tell(stat);
                    orphans.descend(stat.pid, |orphans, below| orphans.tell(below));
                }
            });
            if sight.live > 0 || sight.exited == 0 {
                return sight.live > 0;
            }
        }
        // Each time some had just exited, and left others.
        true
    }

    /// Kills its orphans and reaps them until none is left.
    pub(in crate::process) fn sweep(&mut self) -> Sweep {
        let mut sweep = Sweep::default();
        let end = Instant::now() + LAST_WAIT;
        let mut pause = Duration::from_micros(100);
        let mut last = None;
        // Those of which it was not clear at first whose they are. Others may go on producing such ones.
        let mut doubtful: Option<Vec<Identity>> = None;
        for looks in 0.. {
            let (mut left, mut unsure) = (None, Vec::new());
            let sight = self.look(|orphans, stat, is_own| match is_own {
                Some(true) => {
                    // What has exited still pins its group, in which may be what it has just started.
                    orphans.kill(stat);
                    left = if stat.is_zombie() { left } else { Some((stat.pid, stat.start)) };
                }
                None if !stat.is_zombie() => unsure.push((stat.pid, stat.start)),
                _ => {}
            });
            let doubtful = doubtful.get_or_insert_with(|| unsure.clone());
            doubtful.retain(|identity| unsure.contains(identity));
            let is_calm = left.is_none() && doubtful.is_empty() && sight.exited == 0;
            if is_calm && (sight.unknown == 0 || looks > GLANCES) {
                break;
            }
            sweep.killed |= left.is_some();
            if Instant::now() >= end {
                sweep.killed = true;
                // Those that always leave others are not meant.
                sweep.unkillable = left.filter(|left| last == Some(*left)).and_then(give_up);
                break;
            }
            if left.is_some_and(|left| last == Some(left)) || !doubtful.is_empty() {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(20));
            }
            last = left;
        }
        sweep
    }

    /// Looks at all orphans, with what is known of each: whether it is one of its own. Those that have exited are
    /// reaped afterwards.
    fn look(&mut self, mut visit: impl FnMut(&mut Self, &Stat, Option<bool>)) -> Sight {
        let mut sight = Sight::default();
        let scan = each_orphan(|stat, state| {
            let is_own = self.owns(stat, state);
            match (is_own, stat.is_zombie()) {
                (Some(true), false) => sight.live += 1,
                (Some(true), true) => sight.exited += 1,
                (None, true) => sight.unknown += 1,
                (Some(false), _) | (None, false) => {}
            }
            visit(self, stat, is_own);
        });
        sight.unknown += scan.vanished;
        sight
    }

    /// The command lines collected, a long list cut short.
    pub(in crate::process) fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("… and {} more", self.more));
        }
        self.lines
    }

    /// Whether an orphan belongs to this leader; `None` while that cannot be told.
    fn owns(&mut self, stat: &Stat, state: &mut State) -> Option<bool> {
        let identity = (stat.pid, stat.start);
        let Some(token) = self.token else { return Some(true) };
        if stat.session == self.leader || self.known.contains(&identity) {
            return Some(true);
        }
        if state.leaders.contains(&stat.session) {
            return Some(false);
        }
        let mark = Marks::own().find(stat.pid);
        if mark.is_some() && mark == self.mark {
            return Some(true);
        }
        if state.strangers.contains(&identity) {
            return Some(false);
        }
        match proc::variable(stat.pid, TOKEN_VARIABLE) {
            Lookup::Value(value) if value == token.as_bytes() => {
                // While it dies it cannot be asked any more.
                self.known.push(identity);
                Some(true)
            }
            Lookup::Value(_) => Some(false),
            // It is another's.
            _ if mark.is_some() => Some(false),
            Lookup::Unsure => None,
            // Without either it can only be told by there being no other it could belong to.
            Lookup::Absent if running() <= 1 => Some(true),
            Lookup::Absent => {
                state.strangers.push(identity);
                Some(false)
            }
        }
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

/// Gives up on an orphan, and gives its id.
fn give_up(orphan: Identity) -> Option<u32> {
    lock().immortals.push(orphan);
    u32::try_from(orphan.0).ok()
}
