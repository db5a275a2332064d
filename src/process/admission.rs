//! Admits new processes to a case whose number of them is limited, before they are there.
//!
//! Whoever of the case is about to start a process asks, and waits for the answer. So their number is known: nobody
//! else adds to it meanwhile, and when some go it only becomes smaller. What was granted a moment ago may not be there
//! yet; where it would be one too many with that, the answer waits until it is known what has become of it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::disk::look_turn;
use crate::process::census::members;
use crate::process::orphans::Leader;
use crate::process::proc::{self, Stat};
use crate::process::seccomp::{Listener, Request, Wish};

/// The pause before a request is looked at again that cannot be answered yet.
const PAUSE: Duration = Duration::from_millis(1);

/// How long something that was granted may take until it is there.
const BIRTH: Duration = Duration::from_secs(1);

/// How long a case may go on after it was refused something: what tries again and again has no other end. What tries a
/// hundred times and then says so must come to that, also where every answer takes 20 ms because others are busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the flags stand in the kernel's `struct sigaction`, behind the address of the handler.
const FLAGS: u64 = size_of::<libc::c_ulong>() as u64;

/// The doorkeeper of one case.
#[derive(Debug)]
pub(in crate::process) struct Admission {
    /// `None` once nobody is left to ask.
    listener: Option<Listener>,
    most: u64,
    /// How many may come before they have to be counted again.
    room: u64,
    granted: Vec<Grant>,
    /// Those that wait for an answer, the first of which cannot be given one yet when it `is_unclear`.
    waiting: VecDeque<Request>,
    is_unclear: bool,
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
        Self {
            listener: Some(listener),
            most,
            room: 0,
            granted: Vec::new(),
            waiting: VecDeque::new(),
            is_unclear: false,
            refused: None,
        }
    }

    /// What becomes readable when somebody asks.
    pub(in crate::process) fn door(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    /// When there is something to do although nobody else asks.
    pub(in crate::process) fn next(&self, now: Instant) -> Option<Instant> {
        let pause = if self.is_unclear { PAUSE } else { Duration::ZERO };
        (!self.waiting.is_empty()).then(|| now + pause)
    }

    /// Reads a request, if there is one, and answers that which has waited longest.
    pub(in crate::process) fn answer(&mut self, is_asked: bool, now: Instant, leader: &Leader, token: &str) {
        if is_asked {
            self.receive();
        }
        let Some(request) = self.waiting.front().copied() else { return };
        let _turn = look_turn();
        let answer = self.decide(now, leader, token);
        self.is_unclear = matches!(answer, Answer::NotYet);
        let Some(listener) = self.listener.as_ref().filter(|_| !self.is_unclear) else { return };
        self.waiting.pop_front();
        if let Answer::Yes = answer {
            let children = proc::children_of_thread(request.thread);
            if listener.grant(request) {
                self.granted.push(Grant { thread: request.thread, children, at: now });
                self.room -= 1;
            }
        } else if listener.refuse(request) {
            self.refused.get_or_insert(Refused { count: 0, first: now }).count += 1;
        }
    }

    /// Reads a request at once, since until then any signal takes it back.
    fn receive(&mut self) {
        let Some(listener) = &self.listener else { return };
        match listener.receive() {
            Ok(request) => {
                // What it was granted before has come to its end: a thread does one thing at a time.
                self.granted.retain(|grant| grant.thread != request.thread);
                match request.wish {
                    Wish::Fork => self.waiting.push_back(request),
                    Wish::Handler(place) => {
                        let _ = restart_calls(request.thread, place);
                        listener.grant(request);
                    }
                }
            }
            // Taken back before it was read.
            Err(Errno::NOENT | Errno::INTR) => {}
            // Nobody is left who could ask.
            Err(_) => {
                self.listener = None;
                self.waiting.clear();
            }
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
            && proc::children_of_thread(self.thread).iter().all(|child| self.children.contains(child))
    }
}

/// Makes the handler of a signal that a thread is about to set, by the structure at this place in its memory, one after
/// which interrupted calls are made again.
fn restart_calls(thread: i32, place: u64) -> io::Result<()> {
    let Some(flags) = place.checked_add(FLAGS).filter(|_| place != 0) else { return Ok(()) };
    let _turn = look_turn();
    let memory = File::options().read(true).write(true).open(format!("/proc/{thread}/mem"))?;
    let mut word = [0; size_of::<libc::c_ulong>()];
    memory.read_exact_at(&mut word, flags)?;
    let restarting = libc::c_ulong::from_ne_bytes(word) | libc::SA_RESTART as libc::c_ulong;
    memory.write_all_at(&restarting.to_ne_bytes(), flags)
}
