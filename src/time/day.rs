//! Days of the calendar, in UTC.

use std::fmt;
use std::time::{Duration, SystemTime};

const LENGTH: Duration = Duration::from_secs(86_400);

/// A day of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    begin: SystemTime,
}

impl Day {
    /// Reads a day such as `2027-01-31`; nothing where there is no such day, from 1970 on.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_form = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let begin = is_form.then(|| humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok())??;
        Some(Self { begin })
    }

    /// Whether it is over at this time.
    #[must_use]
    pub fn is_over(self, now: SystemTime) -> bool {
        now.duration_since(self.begin).is_ok_and(|since| since >= LENGTH)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = humantime::format_rfc3339_seconds(self.begin).to_string();
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::Day;

    #[test]
    fn days_are_read_and_written() {
        for text in ["1970-01-01", "2027-01-31", "2028-02-29", "9999-12-31"] {
            assert_eq!(Day::parse(text).map(|day| day.to_string()).as_deref(), Some(text));
        }
        for text in ["", "2027-1-31", "2027-02-29", "2027-13-01", "2027-00-10", "31.01.2027", "2027-01-3é"] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_over_when_the_next_begins() {
        let day = Day::parse("1970-01-02").expect("a day");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(
            [0, 86_400, 172_799, 172_800].map(|seconds| day.is_over(at(seconds))),
            [false, false, false, true]
        );
    }
}
