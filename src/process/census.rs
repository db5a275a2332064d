//! Counts the processes of a case, where their number is limited.
//!
//! The kernel's own limit counts all processes of a user, whoever started them, and none of root's. So they are
//! counted here: those below the leader, and its orphans wherever they went.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::disk::look_turn;
use crate::process::orphans::Leader;
use crate::process::proc::{self, Stat};
use crate::process::sweep::Orphans;

/// How often they are counted.
const INTERVAL: Duration = Duration::from_millis(10);

/// How often orphans are looked for again that come while they are counted.
const LOOKS: usize = 100;

/// The census of a case whose processes cannot be made to ask first: a hundred times a second.
#[derive(Debug)]
pub(in crate::process) struct Census {
    most: u64,
    next: Instant,
    seen: u64,
}

impl Census {
    pub(in crate::process) fn new(most: u64, now: Instant) -> Self {
        Self { most, next: now, seen: 0 }
    }

    /// The time of the next count, if there will be one.
    pub(in crate::process) fn next(&self) -> Option<Instant> {
        self.excess().is_none().then_some(self.next)
    }

    /// Counts when it is time for it.
    pub(in crate::process) fn take(&mut self, now: Instant, leader: &Leader, token: &str) {
        if self.next().is_some_and(|next| now >= next) {
            self.next = now + INTERVAL;
            let _turn = look_turn();
            self.seen = members(leader, token).len() as u64;
        }
    }

    /// How many there were, if there were too many.
    pub(in crate::process) fn excess(&self) -> Option<u64> {
        (self.seen > self.most).then_some(self.seen)
    }
}

/// The processes of a leader: itself while it runs, and all below it and its orphans, those included that nobody has
/// waited for. None is left out that is there all the time, even when others above it go meanwhile.
pub(in crate::process) fn members(leader: &Leader, token: &str) -> HashSet<i32> {
    let pid = leader.pid().as_raw_nonzero().get();
    let mut seen = HashSet::new();
    if Stat::of(pid).is_some_and(|stat| !stat.is_zombie()) {
        seen.insert(pid);
    }
    descend(pid, &mut seen);
    // Orphans come from what has been looked at already, never the other way round.
    for _ in 0..LOOKS {
        let mut orphans = Orphans::of(leader, token).pids();
        orphans.retain(|orphan| seen.insert(*orphan));
        if orphans.is_empty() {
            break;
        }
        orphans.into_iter().for_each(|orphan| descend(orphan, &mut seen));
    }
    seen
}

/// Adds everything below a process.
fn descend(pid: i32, seen: &mut HashSet<i32>) {
    let mut open = vec![pid];
    while let Some(pid) = open.pop() {
        open.extend(proc::children(pid).into_iter().filter(|child| seen.insert(*child)));
    }
}
