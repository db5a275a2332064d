//! Keeps a case to the number of processes that it may have at a time.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use crate::model::Excess;
use crate::process::admission::Admission;
use crate::process::census::Census;
use crate::process::orphans::Leader;
use crate::process::seccomp::Listener;

/// The limit of one leader.
#[derive(Debug)]
pub(in crate::process) struct Quota {
    means: Means,
    token: String,
    is_over: bool,
}

#[derive(Debug)]
enum Means {
    /// They ask first.
    Admission(Admission),
    /// They are counted, where the kernel cannot make them ask.
    Census(Census),
}

impl Quota {
    /// That of whoever bears a token, if it may not have as many as it likes.
    pub(in crate::process) fn of(
        most: Option<u64>,
        token: &str,
        listener: Option<Listener>,
        now: Instant,
    ) -> Option<Self> {
        let most = most?;
        let means = match listener {
            Some(listener) => Means::Admission(Admission::new(listener, most)),
            None => Means::Census(Census::new(most, now)),
        };
        Some(Self { means, token: token.to_owned(), is_over: false })
    }

    /// What becomes readable when there is something to do.
    pub(in crate::process) fn door(&self) -> Option<BorrowedFd<'_>> {
        match &self.means {
            Means::Admission(admission) => admission.door(),
            Means::Census(_) => None,
        }
    }

    /// When there is something to do in any case.
    pub(in crate::process) fn next(&self, now: Instant) -> Option<Instant> {
        match &self.means {
            Means::Admission(admission) => {
                let end = admission.end().filter(|_| !self.is_over);
                admission.next(now).into_iter().chain(end).min()
            }
            Means::Census(census) => census.next(),
        }
    }

    /// Does it; `is_asked` says whether the door is readable. One request at a time, so that there is time for other
    /// things while many ask.
    pub(in crate::process) fn attend(&mut self, is_asked: bool, now: Instant, leader: &Leader) {
        self.is_over |= match &mut self.means {
            Means::Admission(admission) => {
                admission.answer(is_asked, now, leader, &self.token);
                admission.end().is_some_and(|end| now >= end)
            }
            Means::Census(census) => {
                census.take(now, leader, &self.token);
                census.excess().is_some()
            }
        };
    }

    /// Whether its processes are to be ended for what they have done.
    pub(in crate::process) fn is_over(&self) -> bool {
        self.is_over
    }

    /// What they have done beyond the limit, if anything.
    pub(in crate::process) fn excess(&self) -> Option<Excess> {
        match &self.means {
            Means::Admission(admission) => {
                let count = admission.refused();
                (count > 0).then_some(Excess::Refused { count, is_ended: self.is_over })
            }
            Means::Census(census) => census.excess().map(Excess::Seen),
        }
    }
}
