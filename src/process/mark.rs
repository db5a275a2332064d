//! Marks: what tells the processes of one command from others when they have wiped their environment, are closed even
//! to their own user, or have just exited.
//!
//! A mark is the soft limit on file locks (`RLIMIT_LOCKS`), which the kernel keeps without any use for it since
//! Linux 2.4.25. Every descendant inherits it, whatever it executes, and `/proc/PID/limits` shows it of everybody,
//! zombies included. A process inherits it from this one, which has only one limit for all its threads: so they take
//! turns, which last until the new process is there, and not until it has its program.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::process::linux::thread_id;
use crate::process::proc;
use crate::process::token::{PREFIX_LENGTH, token_prefix};

/// How many bits tell the commands of a run apart.
const NUMBER_BITS: u32 = 24;

/// How many digits of the tokens' common beginning are in all marks of a run.
const DIGITS: usize = 9;

/// How long a thread waits before it looks again whether it is its turn.
const PAUSE: Duration = Duration::from_micros(50);

/// Whose turn it is.
static TURN: Mutex<Option<Turn>> = Mutex::new(None);

/// A thread that starts a process.
struct Turn {
    thread: i32,
    mark: Mark,
}

/// What a command's processes bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process) struct Mark(u64);

/// All marks of a run, which begin as its tokens do.
#[derive(Clone, Copy, Debug)]
pub(in crate::process) struct Marks(u64);

impl Marks {
    /// Those of this process.
    pub(in crate::process) fn own() -> Self {
        Self::of_prefix(token_prefix().as_bytes().first_chunk().unwrap_or(&[b'0'; PREFIX_LENGTH]))
    }

    /// Those of a run whose tokens begin so.
    pub(in crate::process) fn of_prefix(prefix: &[u8; PREFIX_LENGTH]) -> Self {
        let digits = str::from_utf8(&prefix[..DIGITS]).unwrap_or_default();
        Self(u64::from_str_radix(digits, 16).unwrap_or_default())
    }

    /// One that no other running command of this process has.
    fn next(self) -> Mark {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % (1 << NUMBER_BITS);
        Mark(self.0 << NUMBER_BITS | number)
    }

    /// The mark of a process, if it has one of these.
    pub(in crate::process) fn find(self, pid: i32) -> Option<Mark> {
        let mut text = [0; 4096];
        let length = File::open(format!("/proc/{pid}/limits")).ok()?.read(&mut text).ok()?;
        let mark = Mark(parse(&text[..length])?);
        (mark.0 >> NUMBER_BITS == self.0).then_some(mark)
    }
}

/// Starts a process that bears a new mark from its first moment on; gives the mark, unless there can be none.
pub(in crate::process) fn marked<T>(start: impl FnOnce() -> T) -> (T, Option<Mark>) {
    let taken = Taken::new(Marks::own().next());
    (start(), taken.as_ref().map(|taken| taken.0))
}

/// Whoever has this may start a process; it ends the turn, if no other has done so.
struct Taken(Mark);

impl Drop for Taken {
    fn drop(&mut self) {
        let mut turn = lock();
        if turn.as_ref().is_some_and(|turn| turn.mark == self.0) {
            set(own_limit());
            *turn = None;
        }
    }
}

impl Taken {
    /// Makes this mark that of what is started next, unless the limit may not be set.
    fn new(mark: Mark) -> Option<Self> {
        loop {
            let mut turn = lock();
            if turn.as_ref().is_none_or(Turn::is_over) {
                own_limit();
                let is_set = set(Some(mark.0));
                if is_set {
                    *turn = Some(Turn { thread: thread_id(), mark });
                }
                return is_set.then_some(Self(mark));
            }
            drop(turn);
            std::thread::sleep(PAUSE);
        }
    }
}

impl Turn {
    /// Whether its process is there and has inherited its mark, although it may not have its program yet.
    fn is_over(&self) -> bool {
        let Ok(list) = File::open(format!("/proc/self/task/{}/children", self.thread)) else { return false };
        let marks = Marks::own();
        proc::read_children(&list).into_iter().rev().any(|child| marks.find(child) == Some(self.mark))
    }
}

/// The soft limit that this process was started with.
fn own_limit() -> Option<u64> {
    static OWN: OnceLock<Option<u64>> = OnceLock::new();
    *OWN.get_or_init(|| getrlimit(Resource::Locks).current)
}

fn set(current: Option<u64>) -> bool {
    let maximum = getrlimit(Resource::Locks).maximum;
    setrlimit(Resource::Locks, Rlimit { current, maximum }).is_ok()
}

fn lock() -> MutexGuard<'static, Option<Turn>> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The soft limit on file locks in `/proc/PID/limits`.
fn parse(limits: &[u8]) -> Option<u64> {
    let line = str::from_utf8(limits).ok()?.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Marks, parse};

    #[test]
    fn a_limit_is_found_by_its_name() {
        let limits = b"Max address space  unlimited  unlimited  bytes\nMax file locks            99   unlimited  locks\n";
        assert_eq!(parse(limits), Some(99));
        assert_eq!(
            parse(b"Max file locks            unlimited            unlimited            locks\n"),
            None
        );
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn runs_have_marks_of_their_own() {
        let (one, other) = (Marks::of_prefix(&[b'a'; 32]), Marks::of_prefix(&[b'f'; 32]));
        let (first, second) = (one.next(), one.next());
        assert_ne!(first, second);
        assert_eq!(first.0 >> 24, second.0 >> 24);
        assert_ne!(first.0 >> 24, other.next().0 >> 24);
        assert_eq!(one.find(std::process::id().cast_signed()), None);
    }
}
