//! What lets a case fail: further attempts, and a quarantine.

use std::fmt;
use std::time::Duration;

use crate::time::{Day, LONGEST};

/// How often a failed attempt is tried again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retries {
    /// Attempts beyond the first.
    pub count: u32,
    /// The wait before each of them.
    pub delay: Duration,
    /// How the wait grows.
    pub backoff: Backoff,
    /// The share of the wait, from 0 to 1, that is left to chance.
    pub jitter: f64,
}

/// How the wait before further attempts grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// It does not.
    #[default]
    Fixed,
    /// It doubles each time.
    Exponential,
}

impl Retries {
    /// The wait before the retry of this number, from 1; `chance` is a random number from 0 to 1.
    #[must_use]
    pub fn wait(&self, retry: u32, chance: f64) -> Duration {
        let factor = match self.backoff {
            Backoff::Fixed => 1.0,
            Backoff::Exponential => 2_f64.powf(f64::from(retry.saturating_sub(1))),
        };
        let seconds = self.delay.as_secs_f64() * factor * (1.0 - self.jitter * chance);
        Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST)
    }
}

/// A case that runs, is reported, and breaks no run when it fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Who takes care of it.
    pub owner: String,
    /// Why it is there.
    pub reason: String,
    /// Its last day.
    pub until: Option<Day>,
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "quarantined, {}: {}", self.owner, self.reason)?;
        self.until.map_or(Ok(()), |until| write!(f, ", until {until}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, Retries};
    use crate::time::LONGEST;

    #[test]
    fn waits_grow_and_are_left_to_chance_in_part() {
        let ms = Duration::from_millis;
        let fixed = Retries { count: 3, delay: ms(100), ..Retries::default() };
        assert_eq!([1, 2, 3].map(|retry| fixed.wait(retry, 0.9)), [ms(100); 3]);
        let growing = Retries { backoff: Backoff::Exponential, ..fixed.clone() };
        assert_eq!([1, 2, 3].map(|retry| growing.wait(retry, 0.9)), [ms(100), ms(200), ms(400)]);
        assert_eq!(growing.wait(u32::MAX, 0.0), LONGEST);
        let random = Retries { jitter: 0.5, ..growing };
        assert_eq!([0.0, 0.5, 1.0].map(|chance| random.wait(2, chance)), [ms(200), ms(150), ms(100)]);
    }
}
