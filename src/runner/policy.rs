//! What holds for a run as a whole: when it ends early, and how often it tries again.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What holds for a run as a whole; nothing unless it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// After how many failed cases no more are started.
    pub max_fail: Option<NonZeroUsize>,
    /// How long the run may take; then the cases that run are ended, and no more are started.
    pub timeout: Option<Duration>,
    /// How often every case is tried again, whatever it says itself.
    pub retries: Option<u32>,
    /// How many further attempts there may be in the whole run.
    pub retry_budget: Option<u32>,
    /// What a case comes to that passes only when it is tried again.
    pub flaky: FlakyVerdict,
}

/// What a case comes to that passes only when it is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlakyVerdict {
    /// It has passed, and is reported as flaky.
    #[default]
    Pass,
    /// It has failed.
    Fail,
}

/// The further attempts that a run may still make.
#[derive(Debug)]
pub(super) struct RetryBudget {
    left: Option<AtomicU32>,
}

impl RetryBudget {
    /// The budget of a run.
    pub(super) fn new(policy: &Policy) -> Self {
        Self { left: policy.retry_budget.map(AtomicU32::new) }
    }

    /// Takes one attempt; says whether there was one left.
    pub(super) fn take(&self) -> bool {
        let Some(left) = &self.left else { return true };
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Policy, RetryBudget};

    #[test]
    fn a_budget_is_spent_once() {
        let budget = |retry_budget| RetryBudget::new(&Policy { retry_budget, ..Policy::default() });
        let two = budget(Some(2));
        assert_eq!([0; 4].map(|_| two.take()), [true, true, false, false]);
        assert!(!budget(Some(0)).take());
        assert!((0..1000).all(|_| budget(None).take()));
    }
}
