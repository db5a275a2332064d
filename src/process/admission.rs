//! Admits new processes to a case whose number of them is limited, before they are there.
//!
//! Whoever of the case is about to start a process asks, and waits for the answer. So their number is known: nobody
//! else adds to it meanwhile, and when some go it only becomes smaller. What was granted a moment ago may not be there
//! yet; where it would be one too many with that, the answer waits until it is known what has become of it.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::process::census::members;
use crate::process::orphans::Leader;
use crate::process::proc::{self, Stat};
use crate::process::seccomp::{Listener, Request};

/// The pause before a request is looked at again that cannot be answered yet.
const PAUSE: Duration = Duration::from_millis(1);

/// How long something that was granted may take until it is there.
const BIRTH: Duration = Duration::from_secs(1);

/// How long a case may go on after it was refused something: what tries again and again has no other end.
const PATIENCE: Duration = Duration::from_secs(1);

/// The doorkeeper of one case.
#[derive(Debug)]
pub(in crate::process) struct Admission {
    /// `None` once nobody is left to ask.
    listener: Option<Listener>,
    most: u64,
    /// How many may come before they have to be counted again.
    room: u64,
    granted: Vec<Grant>,
    /// What cannot be answered yet.
    waiting: Option<Request>,
    refused: Option<Refused>,
}

/// What a thread was granted last.
#[derive(Debug)]
struct Grant {
    thread: i32,
    /// The children that it had already.
    children: Vec<i32>,
    at: Instant,
}

/// What was refused so far.
#[derive(Clone, Copy, Debug)]
struct Refused {
    count: u64,
    first: Instant,
}

enum Answer {
    Yes,
    No,
    NotYet,
}

impl Admission {
    pub(in crate::process) fn new(listener: Listener, most: u64) -> Self {
        Self { listener: Some(listener), most, room: 0, granted: Vec::new(), waiting: None, refused: None }
    }

    /// What becomes readable when somebody asks.
    pub(in crate::process) fn door(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().filter(|_| self.waiting.is_none()).map(AsFd::as_fd)
    }

    /// When there is something to do although nobody asks.
    pub(in crate::process) fn next(&self, now: Instant) -> Option<Instant> {
        self.waiting.map(|_| now + PAUSE)
    }

    /// Answers the request that waits, or the one that has just come.
    pub(in crate::process) fn answer(&mut self, is_asked: bool, now: Instant, leader: &Leader, token: &str) {
        let Some(listener) = &self.listener else { return };
        let request = match self.waiting.take() {
            Some(request) => request,
            None if is_asked => match listener.receive() {
                Ok(request) => request,
                // Taken back before it was read.
                Err(Errno::NOENT | Errno::INTR) => return,
                Err(_) => return self.listener = None,
            },
            None => return,
        };
        // What it was granted before has come to its end: a thread does one thing at a time.
        self.granted.retain(|grant| grant.thread != request.thread);
        match self.decide(now, leader, token) {
            Answer::Yes => {
                let grant = Grant { thread: request.thread, children: own_children(request.thread), at: now };
                if self.listener.as_ref().is_some_and(|listener| listener.grant(request)) {
                    self.granted.push(grant);
                    self.room -= 1;
                }
            }
            Answer::No => {
                if self.listener.as_ref().is_some_and(|listener| listener.refuse(request)) {
                    let refused = self.refused.get_or_insert(Refused { count: 0, first: now });
                    refused.count += 1;
                }
            }
            Answer::NotYet => self.waiting = Some(request),
        }
    }

    fn decide(&mut self, now: Instant, leader: &Leader, token: &str) -> Answer {
        if self.room > 0 {
            return Answer::Yes;
        }
        // Before they are counted, so that none is in neither number.
        self.granted.retain(|grant| grant.is_open(now));
        let open = self.granted.len() as u64;
        let mut seen = members(leader, token);
        if (seen.len() as u64 + open) < self.most {
            // Once more, since the kernel's lists leave out some while others are going.
            seen.extend(members(leader, token));
        }
        self.room = self.most.saturating_sub(seen.len() as u64 + open);
        match (self.room, open) {
            (1.., _) => Answer::Yes,
            (0, 0) => Answer::No,
            (0, _) => Answer::NotYet,
        }
    }

    /// How many were refused.
    pub(in crate::process) fn refused(&self) -> u64 {
        self.refused.map_or(0, |refused| refused.count)
    }

    /// When a case that goes on all the same is to be ended.
    pub(in crate::process) fn end(&self) -> Option<Instant> {
        self.refused.map(|refused| refused.first + PATIENCE)
    }
}

impl Grant {
    /// Whether its process may still come.
    fn is_open(&self, now: Instant) -> bool {
        now < self.at + BIRTH
            && Stat::of(self.thread).is_some_and(|stat| stat.is_busy())
            && own_children(self.thread).iter().all(|child| self.children.contains(child))
    }
}

/// What a thread itself has started.
fn own_children(thread: i32) -> Vec<i32> {
    proc::children_of_thread(thread)
}
