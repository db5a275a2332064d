//! What an answer of HTTP has beside its body: a status, and the time it took.

use std::time::Duration;

use serde_json::Value;

use crate::assertion::content::Reading;
use crate::assertion::matcher::{Context, Problem};
use crate::assertion::wording;
use crate::model::{HttpStatus, Pace};
use crate::time::format_duration;

impl Context<'_> {
    /// Whether the status is one of these.
    pub(crate) fn status(&self, expected: &[HttpStatus]) -> Result<(), Problem> {
        let found = self.value()?.as_u64().unwrap_or_default();
        if expected.iter().any(|status| status.holds(found)) {
            return Ok(());
        }
        Err(Problem::decided(format!("status: expected {}, found {found}", wording::statuses(expected))))
    }

    /// Whether it took at least and at most as long as this.
    pub(crate) fn duration(&self, Pace { min, max }: Pace) -> Result<(), Problem> {
        let found = Duration::from_secs_f64(self.value()?.as_f64().unwrap_or_default());
        let (expected, limit) = match (min, max) {
            (Some(min), _) if found < min => ("at least", min),
            (_, Some(max)) if found > max => ("at most", max),
            _ => return Ok(()),
        };
        let (limit, found) = (format_duration(limit), format_duration(found));
        Err(Problem::decided(format!("duration: expected {expected} {limit}, found {found}")))
    }

    fn value(&self) -> Result<&Value, Problem> {
        match &self.reading {
            Reading::Value(value, _) => Ok(value),
            _ => Err(self.unseen()),
        }
    }
}
