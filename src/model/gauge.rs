//! How far something has come, for whoever looks while it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes of a download have come. The step writes it, the console reads it when it draws; it tells nobody,
/// and nothing of it is kept. Clones are one.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<State>);

#[derive(Debug)]
struct State {
    done: AtomicU64,
    of: AtomicU64,
}

/// Nothing goes on.
const NOTHING: u64 = u64::MAX;

/// It is not known how many there will be.
const UNKNOWN: u64 = u64::MAX;

/// What a gauge shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// How many bytes are there.
    pub done: u64,
    /// How many there will be, where that is known.
    pub of: Option<u64>,
}

impl Default for Gauge {
    fn default() -> Self {
        Self(Arc::new(State { done: AtomicU64::new(NOTHING), of: AtomicU64::new(UNKNOWN) }))
    }
}

impl Gauge {
    /// Shows that so many bytes are there.
    pub fn show(&self, amount: Amount) {
        self.0.of.store(amount.of.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.0.done.store(amount.done, Ordering::Relaxed);
    }

    /// Shows nothing any more.
    pub fn clear(&self) {
        self.0.done.store(NOTHING, Ordering::Relaxed);
    }

    /// What it shows, if something goes on.
    #[must_use]
    pub fn read(&self) -> Option<Amount> {
        let done = Some(self.0.done.load(Ordering::Relaxed)).filter(|done| *done != NOTHING)?;
        let of = Some(self.0.of.load(Ordering::Relaxed)).filter(|of| *of != UNKNOWN);
        Some(Amount { done, of })
    }
}

#[cfg(test)]
mod tests {
    use super::{Amount, Gauge};

    #[test]
    fn a_gauge_shows_what_goes_on() {
        let gauge = Gauge::default();
        let seen = gauge.clone();
        assert_eq!(seen.read(), None);
        for amount in [Amount { done: 0, of: Some(7) }, Amount { done: 7, of: None }] {
            gauge.show(amount);
            assert_eq!(seen.read(), Some(amount));
        }
        gauge.clear();
        assert_eq!(seen.read(), None);
    }
}
