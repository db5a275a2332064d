//! What the watchdog does: wait, and when the run is gone, end what it has left.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, kill_process_group};

use crate::process::TOKEN_VARIABLE;
use crate::process::mark::Marks;
use crate::process::proc::{self, Lookup, Stat, kill_exactly};
use crate::process::token::PREFIX_LENGTH;
use crate::process::watchdog::ledger::{self, Noted};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// How many looks in a row must find nothing. A process that was just being started when the run was killed
/// shows no mark until it has its program.
const QUIET: u32 = 10;

/// When what does not die is given up on.
const PATIENCE: Duration = Duration::from_secs(30);

/// Is the watchdog: standard input is the pipe, standard output the ledger. Says no when it was not given a
/// prefix, as when somebody types the argument.
pub(in crate::process) fn guard() -> io::Result<bool> {
    let mut prefix = [0; PREFIX_LENGTH];
    let mut pipe = io::stdin().lock();
    if pipe.read_exact(&mut prefix).is_err() || !prefix.iter().all(u8::is_ascii_hexdigit) {
        return Ok(false);
    }
    // Nothing more is ever written: this ends when the last writing end is closed.
    io::copy(&mut pipe, &mut io::sink())?;
    let ledger = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let own = Stat::of(getpid().as_raw_nonzero().get()).ok_or(io::ErrorKind::NotFound)?;
    let marks = Marks::of_prefix(&prefix);
    Remains { prefix, marks, noted: ledger::read(&ledger), known: HashSet::new(), own }.end();
    Ok(true)
}

/// What tells the processes of the run from others.
struct Remains {
    prefix: [u8; PREFIX_LENGTH],
    marks: Marks,
    /// What the ledger names.
    noted: Noted,
    /// Those seen so far, with the time of their start.
    known: HashSet<(i32, u64)>,
    own: Stat,
}

impl Remains {
    /// Kills until nothing is found any more.
    fn end(mut self) {
        let end = Instant::now() + PATIENCE;
        let mut quiet = 0;
        while quiet < QUIET && Instant::now() < end {
            let victims = self.find();
            // By now an id in the ledger may be another's.
            self.noted.pids.clear();
            quiet = if victims.is_empty() { quiet + 1 } else { 0 };
            let groups: HashSet<i32> = victims.iter().map(|victim| victim.group).collect();
            // A whole group at once leaves no member the time to start another.
            for group in groups.into_iter().filter_map(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            victims.iter().for_each(kill_exactly);
            std::thread::sleep(PAUSE);
        }
    }

    /// The live processes with a mark, their sessions, and all that is below them.
    fn find(&mut self) -> Vec<Stat> {
        // What is older than the watchdog is none of the run's.
        let all: Vec<Stat> = processes()
            .filter(|stat| stat.start >= self.own.start && stat.session != self.own.session)
            .collect();
        let marked: Vec<bool> = all.iter().map(|stat| self.is_marked(stat)).collect();
        let mut found: HashSet<i32> = HashSet::new();
        let mut sessions: HashSet<i32> = HashSet::new();
        for (stat, _) in all.iter().zip(marked).filter(|(_, marked)| *marked) {
            found.insert(stat.pid);
            sessions.insert(stat.session);
        }
        loop {
            let before = found.len();
            for stat in &all {
                if sessions.contains(&stat.session) || found.contains(&stat.parent) {
                    found.insert(stat.pid);
                    sessions.insert(stat.session);
                }
            }
            if found.len() == before {
                break;
            }
        }
        let victims: Vec<Stat> = all.into_iter().filter(|stat| found.contains(&stat.pid)).collect();
        self.known.extend(victims.iter().map(|stat| (stat.pid, stat.start)));
        victims.into_iter().filter(|stat| !stat.is_zombie()).collect()
    }

    fn is_marked(&self, stat: &Stat) -> bool {
        self.noted.pids.contains(&stat.pid)
            || self.known.contains(&(stat.pid, stat.start))
            || self.marks.find(stat.pid).is_some()
            || matches!(proc::variable(stat.pid, TOKEN_VARIABLE),
                Lookup::Value(value) if value.starts_with(&self.prefix))
            || self.writes_to_the_run(stat.pid)
    }

    /// Whether its standard output or error is a pipe that the run has read from.
    fn writes_to_the_run(&self, pid: i32) -> bool {
        ["1", "2"].iter().any(|number| {
            let target = std::fs::read_link(format!("/proc/{pid}/fd/{number}"));
            target.is_ok_and(|target| target.to_str().is_some_and(|pipe| self.noted.pipes.contains(pipe)))
        })
    }
}

/// Every process that can be seen.
fn processes() -> impl Iterator<Item = Stat> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Stat::of(entry.file_name().to_str()?.parse().ok()?))
}
