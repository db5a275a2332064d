use std::time::Duration;

use super::{Deadline, DurationError, format_duration, from_seconds, parse_duration};

#[test]
fn durations_are_read_with_their_units() {
    for (text, milliseconds) in [
        ("500ms", 500),
        ("5s", 5_000),
        ("1.5s", 1_500),
        ("1m30s", 90_000),
        ("2h", 7_200_000),
        ("1d2h3m4s5ms", 93_784_005),
    ] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in ["", "5", "s", "5 s", "-5s", "5x", "1s2m", "1s1s", "1..5s", "nan", "infs", "1e3s"] {
        assert_eq!(parse_duration(text), Err(DurationError::Form), "{text}");
    }
    assert_eq!(parse_duration("0s"), Err(DurationError::Zero));
    assert_eq!(parse_duration("99999999999s"), Err(DurationError::TooLong));
    assert_eq!(from_seconds(f64::NAN), Err(DurationError::Form));
    assert_eq!(from_seconds(f64::INFINITY), Err(DurationError::TooLong));
    assert_eq!(from_seconds(-1.0), Err(DurationError::Zero));
}

#[test]
fn durations_are_written_with_useful_precision() {
    for (milliseconds, text) in [
        (4, "4ms"),
        (310, "0.31s"),
        (12_400, "12.4s"),
        (185_000, "3m05s"),
        (59_960, "1m00s"),
        (7_620_000, "2h07m"),
    ] {
        assert_eq!(format_duration(Duration::from_millis(milliseconds)), text);
    }
}

#[test]
fn the_earlier_deadline_wins() {
    let soon = Deadline::after(Some(Duration::ZERO));
    assert!(soon.has_passed());
    assert_eq!(soon.earlier(Deadline::NEVER), soon);
    assert_eq!(Deadline::NEVER.remaining(), None);
    assert!(!Deadline::NEVER.has_passed());
}
