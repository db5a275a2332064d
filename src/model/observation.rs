//! What was seen of a step.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use crate::model::expectation::Subject;
use crate::text::redact::Redactor;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code.
    Exited(i32),
    /// It was ended by the signal of this number.
    Signaled(i32),
}

/// Why a process ended, as partest saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Own,
    /// It was ended at its deadline.
    TimedOut {
        /// Whether it ended after TERM alone, before the grace period was over.
        on_term: bool,
    },
    /// It wanted more processes than it may have. It may have ended by itself all the same.
    TooManyProcesses(Excess),
    /// It was ended because the run was interrupted.
    Interrupted,
}

/// How the number of processes that something may have was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// There were so many when they were counted, and all were ended.
    Seen(u64),
    /// They asked before they came.
    Refused {
        /// How many were refused.
        count: u64,
        /// Whether it was ended, as it went on.
        is_ended: bool,
    },
}

/// The bytes of a stream: all of them, or its head and tail with the middle left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes.
    pub head: Vec<u8>,
    /// The last bytes that do not stand in `head`.
    pub tail: Vec<u8>,
    /// How many bytes between them were left out.
    pub dropped: u64,
}

impl Captured {
    /// Every byte, when none was left out.
    #[must_use]
    pub fn whole(&self) -> Option<Cow<'_, [u8]>> {
        match (self.dropped, self.tail.is_empty()) {
            (0, true) => Some(Cow::Borrowed(&self.head)),
            (0, false) => Some(Cow::Owned([self.head.as_slice(), &self.tail].concat())),
            _ => None,
        }
    }

    /// How many bytes were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.head.len() as u64 + self.dropped + self.tail.len() as u64
    }

    /// Leaves out more of the middle, so that at most `most` bytes are kept.
    pub fn shorten(&mut self, most: usize) {
        let kept = self.head.len() + self.tail.len();
        if kept <= most {
            return;
        }
        if self.tail.is_empty() && self.dropped == 0 {
            self.tail = self.head.split_off(self.head.len() - most / 2);
        }
        self.head.truncate(most - self.tail.len().min(most / 2));
        self.tail.drain(..(self.head.len() + self.tail.len()).saturating_sub(most));
        self.dropped += (kept - self.head.len() - self.tail.len()) as u64;
        self.head.shrink_to_fit();
        self.tail.shrink_to_fit();
    }

    /// The same with every secret masked, also those that a gap has cut in two.
    #[must_use]
    pub fn masked(&self, redactor: &Redactor) -> Self {
        match self.whole() {
            Some(whole) => Self { head: redactor.bytes(&whole).into_owned(), tail: Vec::new(), dropped: 0 },
            None => Self {
                head: redactor.before_gap(&self.head),
                tail: redactor.after_gap(&self.tail),
                dropped: self.dropped,
            },
        }
    }

    /// The text with its middle marked where it was left out; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self.whole() {
            Some(Cow::Borrowed(bytes)) => String::from_utf8_lossy(bytes),
            Some(Cow::Owned(bytes)) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
            None => Cow::Owned(format!(
                "{}\n[… {} bytes dropped …]\n{}",
                String::from_utf8_lossy(&self.head),
                self.dropped,
                String::from_utf8_lossy(&self.tail)
            )),
        }
    }
}

/// What was seen of a step.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Each thing that was seen, by what it is. Files are not among them: they are looked at when they are asked for.
    pub facts: Vec<(Subject, Fact)>,
    /// The working directory, for files.
    pub directory: PathBuf,
}

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// How a process ended.
    Ended(ExitStatus),
    /// Bytes, such as a stream.
    Content(Captured),
    /// A number, a text or JSON.
    Value(serde_json::Value),
    /// What the file of this path holds, which is looked at when it is asked for.
    File(String),
    /// It is not there.
    Missing,
    /// It is there, but cannot be looked at, for this reason.
    Unreadable(String),
}

impl Observation {
    /// What was seen of `subject`, if anything was.
    #[must_use]
    pub fn fact(&self, subject: &Subject) -> Option<&Fact> {
        self.facts.iter().find(|(known, _)| known == subject).map(|(_, fact)| fact)
    }

    /// Takes the bytes that were seen of `subject`; none when it has no bytes.
    #[must_use]
    pub fn take_content(&mut self, subject: &Subject) -> Captured {
        match self.facts.iter_mut().find(|(known, _)| known == subject) {
            Some((_, Fact::Content(content))) => std::mem::take(content),
            _ => Captured::default(),
        }
    }

    /// The same with every secret masked. Files are on disk as they are.
    #[must_use]
    pub fn masked(&self, redactor: &Redactor) -> Self {
        let mask = |fact: &Fact| match fact {
            Fact::Content(content) => Fact::Content(content.masked(redactor)),
            Fact::Value(value) => Fact::Value(redactor.value(value)),
            Fact::Ended(_) | Fact::File(_) | Fact::Missing | Fact::Unreadable(_) => fact.clone(),
        };
        let facts = self.facts.iter().map(|(subject, fact)| (subject.clone(), mask(fact))).collect();
        Self { facts, directory: self.directory.clone() }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signaled(number) => match signal_name(*number) {
                Some(name) => write!(f, "signal {number} ({name})"),
                None => write!(f, "signal {number}"),
            },
        }
    }
}

/// The signals of Linux by number (`signal(7)`, x86 and ARM), which descriptors may name.
const SIGNALS: [(i32, &str); 31] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (16, "SIGSTKFLT"),
    (17, "SIGCHLD"),
    (18, "SIGCONT"),
    (19, "SIGSTOP"),
    (20, "SIGTSTP"),
    (21, "SIGTTIN"),
    (22, "SIGTTOU"),
    (23, "SIGURG"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (26, "SIGVTALRM"),
    (27, "SIGPROF"),
    (28, "SIGWINCH"),
    (29, "SIGIO"),
    (30, "SIGPWR"),
    (31, "SIGSYS"),
];

/// The name of a signal, such as `SIGTERM`.
#[must_use]
pub fn signal_name(number: i32) -> Option<&'static str> {
    SIGNALS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// The number of a signal named `SIGTERM` or `TERM`.
#[must_use]
pub fn signal_number(name: &str) -> Option<i32> {
    SIGNALS.iter().find(|(_, known)| *known == name || known[3..] == *name).map(|(number, _)| *number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::Captured;

    proptest! {
        #[test]
        fn a_shortened_stream_keeps_its_ends_and_its_length(
            head in prop::collection::vec(any::<u8>(), 0..60),
            tail in prop::collection::vec(any::<u8>(), 0..60),
            dropped in 0_u64..3,
            most in 0_usize..80,
        ) {
            let before = Captured { head, tail, dropped };
            let mut after = before.clone();
            after.shorten(most);
            assert_eq!(after.written(), before.written());
            let kept = before.head.len() + before.tail.len();
            assert_eq!(after.head.len() + after.tail.len(), kept.min(most));
            let ends = [before.head.as_slice(), &before.tail].concat();
            assert!(ends.starts_with(&after.head) && ends.ends_with(&after.tail));
        }
    }
}
