//! Marks: what tells the processes of one command from others when they have wiped their environment, are closed even
//! to their own user, or have just exited.
//!
//! A mark is the soft limit on file locks (`RLIMIT_LOCKS`), which the kernel keeps without any use for it since
//! Linux 2.4.25. Every descendant inherits it, whatever it executes, and `/proc/PID/limits` shows it of everybody,
//! zombies included. A process sets it first thing, before it becomes its program.

use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::process::token::{PREFIX_LENGTH, token_prefix};

/// How many bits tell the commands of a run apart.
const NUMBER_BITS: u32 = 24;

/// How many digits of the tokens' common beginning are in all marks of a run.
const DIGITS: usize = 9;

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

impl Mark {
    /// One that no other running command of this process has, unless this user may not set it.
    pub(in crate::process) fn next() -> Option<Self> {
        let mark = Marks::own().next();
        own()?.maximum.is_none_or(|maximum| mark.0 <= maximum).then_some(mark)
    }

    /// The limit that a process bears it by.
    pub(in crate::process) fn limit(self) -> (Resource, Rlimit) {
        let maximum = own().and_then(|own| own.maximum);
        (Resource::Locks, Rlimit { current: Some(self.0), maximum })
    }
}

/// The limit of this process, if limits can be set at all.
fn own() -> Option<&'static Rlimit> {
    static OWN: OnceLock<Option<Rlimit>> = OnceLock::new();
    let own = OWN.get_or_init(|| {
        let own = getrlimit(Resource::Locks);
        setrlimit(Resource::Locks, own).is_ok().then_some(own)
    });
    own.as_ref()
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
