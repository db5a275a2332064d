//! Counts the processes of a case, where their number is limited.
//!
//! The kernel's own limit counts all processes of a user, whoever started them, and none of root's. So they are
//! counted here, a hundred times a second: those below the leader, and its orphans wherever
//! they went.

use std::time::{Duration, Instant};

use crate::model::End;
use crate::process::orphans::Leader;
use crate::process::sweep::Orphans;
use crate::process::{Command, proc};

/// How often they are counted.
const INTERVAL: Duration = Duration::from_millis(10);

/// The census of one leader.
#[derive(Debug)]
pub(in crate::process) struct Census {
    most: u64,
    token: String,
    next: Instant,
}

impl Census {
    /// That of a command, if it may not have as many as it likes.
    pub(in crate::process) fn of(command: &Command, token: &str, now: Instant) -> Option<Self> {
        command.limits.processes.map(|most| Self { most, token: token.to_owned(), next: now })
    }

    /// The time of the next count.
    pub(in crate::process) fn next(&self) -> Instant {
        self.next
    }

    /// Counts when it is time for it. Gives the reason to end the leader, if there are too many.
    pub(in crate::process) fn take(&mut self, now: Instant, leader: &Leader) -> Option<End> {
        if now < self.next {
            return None;
        }
        self.next = now + INTERVAL;
        let mut open = Orphans::of(leader, &self.token).pids();
        open.push(leader.pid().as_raw_nonzero().get());
        let mut seen = 0;
        while let Some(pid) = open.pop() {
            seen += 1;
            open.extend(proc::children(pid));
        }
        (seen > self.most).then_some(End::TooManyProcesses { seen })
    }
}
