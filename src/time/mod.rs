//! Deadlines and durations as people write and read them.
//!
//! Entry points: [`Deadline`], [`parse_duration`], [`format_duration`], [`clock::now`]. Nothing here sleeps or reads
//! the wall clock: deadlines stand on the monotonic clock alone, so a stepped clock moves nothing, and pauses of the
//! whole program do not count.

pub mod clock;
mod day;

use std::time::{Duration, Instant};

pub use day::Day;

/// The longest duration a descriptor may name: 10⁹ seconds, about 31 years.
pub const LONGEST: Duration = Duration::from_secs(1_000_000_000);

/// A point in time by which something must have ended, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// A deadline that never comes.
    pub const NEVER: Self = Self(None);

    /// The deadline `limit` from now; `None` never comes.
    #[must_use]
    pub fn after(limit: Option<Duration>) -> Self {
        Self(limit.and_then(|limit| clock::now().checked_add(limit)))
    }

    /// The earlier of the two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }

    /// The time left, zero once it has passed, `None` when it never comes.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(clock::now()))
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|at| clock::now() >= at)
    }
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It does not have the form `1h2m3s4ms`.
    #[error("write a number with a unit, as in \"500ms\", \"5s\", \"1m30s\" or \"2h\"")]
    Form,
    /// It is zero or less.
    #[error("a duration must be longer than zero")]
    Zero,
    /// It is longer than [`LONGEST`].
    #[error("the longest duration is 1000000000s")]
    TooLong,
}

/// The units of a duration, largest first; each may stand once and in this order.
const UNITS: [(&str, f64); 5] = [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001)];

/// Reads a duration such as `500ms`, `5s`, `1.5s`, `1m30s`, `2h`, `1d`.
///
/// # Errors
/// [`DurationError`] when the text has another form, is not longer than zero or exceeds [`LONGEST`].
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    let mut next_unit = 0;
    if rest.is_empty() {
        return Err(DurationError::Form);
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(DurationError::Form)?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let place = UNITS.iter().position(|(name, _)| *name == unit).ok_or(DurationError::Form)?;
        if place < next_unit {
            return Err(DurationError::Form);
        }
        let number: f64 = number.parse().map_err(|_| DurationError::Form)?;
        seconds += number * UNITS[place].1;
        next_unit = place + 1;
        rest = tail;
    }
    from_seconds(seconds)
}

/// A duration of so many seconds, within what a descriptor may name.
///
/// # Errors
/// [`DurationError`] when the number is not a number, not longer than zero or exceeds [`LONGEST`].
pub fn from_seconds(seconds: f64) -> Result<Duration, DurationError> {
    if seconds.is_nan() {
        return Err(DurationError::Form);
    }
    if seconds > LONGEST.as_secs_f64() {
        return Err(DurationError::TooLong);
    }
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| DurationError::Zero)?;
    if duration.is_zero() { Err(DurationError::Zero) } else { Ok(duration) }
}

/// Writes a duration for people, with the precision that is of use: `4ms`, `0.31s`, `12.4s`, `3m05s`, `2h07m`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 0.0995 => format!("{}ms", (s * 1000.0).round()),
        s if s < 9.995 => format!("{s:.2}s"),
        s if s < 59.95 => format!("{s:.1}s"),
        s if s < 3600.0 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests;
