//! Numbers, compared exactly where they are whole.

use std::cmp::Ordering;

use serde_json::Number;

use crate::model::NumberTest;

/// From here on decimals are not compared as whole numbers; the difference of two of those is one, too.
const MOST_WHOLE: f64 = 1e30;

/// What the number should be, if it is not.
pub(crate) fn unmet(test: &NumberTest, found: &Number) -> Option<String> {
    if let Some(expected) = &test.equals {
        let holds = match &test.tolerance {
            None => compare(found, expected) == Some(Ordering::Equal),
            Some(tolerance) => is_near(found, expected, tolerance),
        };
        if !holds {
            return Some(match &test.tolerance {
                None => expected.to_string(),
                Some(tolerance) => format!("{expected} ± {tolerance}"),
            });
        }
    }
    let below = |min: &Number| !matches!(compare(found, min), Some(Ordering::Greater | Ordering::Equal));
    let above = |max: &Number| !matches!(compare(found, max), Some(Ordering::Less | Ordering::Equal));
    match (&test.min, &test.max) {
        (Some(min), Some(max)) if below(min) || above(max) => Some(format!("from {min} to {max}")),
        (Some(min), None) if below(min) => Some(format!("at least {min}")),
        (None, Some(max)) if above(max) => Some(format!("at most {max}")),
        _ => None,
    }
}

/// Compares by value: `1` and `1.0` are the same number, and 9007199254740993 is another one than 9007199254740992.0.
pub(crate) fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// The number where it is whole, also if it is written as a decimal.
fn whole(number: &Number) -> Option<i128> {
    number.as_i128().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < MOST_WHOLE)?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
        Some(float as i128)
    })
}

fn is_near(found: &Number, expected: &Number, tolerance: &Number) -> bool {
    if let (Some(found), Some(expected), Some(tolerance)) = (whole(found), whole(expected), whole(tolerance))
    {
        return (found - expected).abs() <= tolerance;
    }
    let [Some(found), Some(expected), Some(tolerance)] =
        [found, expected, tolerance].map(|number| number.as_f64())
    else {
        return false;
    };
    // The bounds belong to the range as they are written in decimals: 1.1 is 1.0 ± 0.1.
    let rounding = 4.0 * f64::EPSILON * found.abs().max(expected.abs());
    (found - expected).abs() <= tolerance + rounding
}

#[cfg(test)]
mod tests {
    use serde_json::Number;

    use super::unmet;
    use crate::model::NumberTest;
    use crate::text::number as parse;

    fn number(text: &str) -> Option<Number> {
        Some(parse(text).unwrap_or_else(|| panic!("{text} is a number")))
    }

    #[test]
    fn whole_numbers_are_exact_and_decimals_near() {
        let equals = |found, equals, tolerance: &str| {
            let tolerance = if tolerance.is_empty() { None } else { number(tolerance) };
            let test = NumberTest { equals: number(equals), tolerance, ..NumberTest::default() };
            unmet(&test, &number(found).expect("a number"))
        };
        assert_eq!(equals("9007199254740993", "9007199254740993", ""), None);
        assert_eq!(equals("9007199254740992", "9007199254740993", ""), Some("9007199254740993".to_owned()));
        assert_eq!(equals("1.0", "1", ""), None);
        assert_eq!(
            equals("9007199254740993", "9007199254740992.0", ""),
            Some("9007199254740992.0".to_owned())
        );
        assert_eq!(equals("9007199254740992", "9007199254740992.0", ""), None);
        assert_eq!(equals("1e300", "1e300", "1"), None);
        assert_eq!(equals("-1e29", "1e29", "1"), Some("1e+29 ± 1".to_owned()));
        assert_eq!(equals("1.1", "1.0", "0.1"), None);
        assert_eq!(equals("3.15", "3.14", "0.01"), None);
        assert_eq!(equals("3.16", "3.14", "0.01"), Some("3.14 ± 0.01".to_owned()));
        assert_eq!(
            equals("-9223372036854775808", "9223372036854775807", "1"),
            Some("9223372036854775807 ± 1".to_owned())
        );
    }

    #[test]
    fn ranges_hold_their_ends() {
        let range = |found, min: &str, max: &str| {
            let bound = |text: &str| if text.is_empty() { None } else { number(text) };
            let test = NumberTest { min: bound(min), max: bound(max), ..NumberTest::default() };
            unmet(&test, &number(found).expect("a number"))
        };
        assert_eq!(range("1", "1", "2"), None);
        assert_eq!(range("2.0", "1", "2"), None);
        assert_eq!(range("2.5", "1", "2"), Some("from 1 to 2".to_owned()));
        assert_eq!(range("0", "1", ""), Some("at least 1".to_owned()));
        assert_eq!(range("3", "", "2"), Some("at most 2".to_owned()));
    }
}
