//! Lines compared with lines, with `...` for any number of them and `[..]` for anything within one.

use crate::assertion::diff;
use crate::assertion::wording::quote;

/// Stands for any number of lines.
pub(crate) const ANY_LINES: &str = "...";

/// Stands for anything within a line.
pub(crate) const ANY_TEXT: &str = "[..]";

/// The most comparisons of two lines; a machine makes them in a second or so.
pub(crate) const MOST_COMPARISONS: usize = 50_000_000;

/// Compares the lines of what the first argument names (the third) with patterns (the second).
pub(crate) type Comparison = fn(&str, &[&str], &[&str]) -> Result<(), Mismatch>;

/// Where lines cease to be as expected.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) message: String,
    pub(crate) detail: String,
    /// Whether it is known: what would take too long to compare is not.
    pub(crate) decided: bool,
}

impl Mismatch {
    /// Gives up, as more than [`MOST_COMPARISONS`] would be needed.
    pub(crate) fn undecided(name: &str) -> Self {
        let message = format!("{name}: there are too many lines to be compared with so many `...` or `[..]`");
        Self { message, detail: String::new(), decided: false }
    }
}

/// The lines of a text; a line feed ends a line, and the last one may lack it.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    match text {
        "" => Vec::new(),
        text => text.strip_suffix('\n').unwrap_or(text).split('\n').collect(),
    }
}

/// Whether a line is as a pattern says.
pub(crate) fn fits(pattern: &str, line: &str) -> bool {
    let Some((before, last)) = pattern.rsplit_once(ANY_TEXT) else { return pattern == line };
    let mut parts = before.split(ANY_TEXT);
    let first = parts.next().unwrap_or_default();
    let Some(rest) = line.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    // Each part as far to the left as it goes leaves the most for those that follow.
    parts.try_fold(rest, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..])).is_some()
}

/// How far a comparison came at best.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// How many patterns were satisfied.
    patterns: usize,
    /// How many lines they took.
    lines: usize,
}

/// Compares lines with patterns, in order.
pub(crate) fn in_order(name: &str, patterns: &[&str], found: &[&str]) -> Result<(), Mismatch> {
    within(MOST_COMPARISONS, name, patterns, found)
}

/// Compares lines with patterns, giving up after so many comparisons.
fn within(most: usize, name: &str, patterns: &[&str], found: &[&str]) -> Result<(), Mismatch> {
    let (mut at, mut best) = (Progress::default(), Progress::default());
    // The last `...`: what follows it, and the line from which on that is looked for.
    let mut gap: Option<Progress> = None;
    for _ in 0..most {
        if at.patterns > best.patterns {
            best = at;
        }
        match (patterns.get(at.patterns), found.get(at.lines)) {
            (None, None) => return Ok(()),
            (Some(&ANY_LINES), _) => {
                at.patterns += 1;
                gap = Some(at);
                if at.patterns == patterns.len() {
                    return Ok(());
                }
            }
            (Some(pattern), Some(line)) if fits(pattern, line) => {
                at = Progress { patterns: at.patterns + 1, lines: at.lines + 1 };
            }
            _ => match &mut gap {
                Some(gap) if gap.lines < found.len() => {
                    gap.lines += 1;
                    at = *gap;
                }
                _ => return Err(mismatch(name, patterns, found, best)),
            },
        }
    }
    Err(Mismatch::undecided(name))
}

fn mismatch(name: &str, patterns: &[&str], found: &[&str], best: Progress) -> Mismatch {
    let number = best.lines + 1;
    let line = found.get(best.lines).map(|line| quote(line.as_bytes()));
    let after_gap = best.patterns.checked_sub(1).is_some_and(|before| patterns[before] == ANY_LINES);
    let pattern = patterns.get(best.patterns).map(|pattern| quote(pattern.as_bytes()));
    let message = match (pattern, line) {
        (Some(pattern), _) if after_gap => format!("{name}: no line from line {number} on is {pattern}"),
        (Some(pattern), Some(line)) => format!("{name}: line {number}: expected {pattern}, found {line}"),
        (Some(pattern), None) => format!("{name}: line {number}: expected {pattern}, found the end"),
        (None, Some(line)) => format!("{name}: line {number}: expected the end, found {line}"),
        (None, None) => format!("{name}: the lines differ"),
    };
    // What fits is shown as it was found, so that the diff shows nothing but differences.
    let (rest, left) = (&patterns[best.patterns..], &found[best.lines..]);
    let same_end = rest
        .iter()
        .rev()
        .zip(left.iter().rev())
        .take_while(|(pattern, line)| **pattern != ANY_LINES && fits(pattern, line))
        .count();
    let expected: Vec<_> =
        [&found[..best.lines], &rest[..rest.len() - same_end], &found[found.len() - same_end..]].concat();
    let detail = diff::unified_if_long(joined(&expected).as_bytes(), joined(found).as_bytes());
    Mismatch { message, detail, decided: true }
}

fn joined(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::{fits, in_order, lines, within};

    fn compare(patterns: &str, found: &str) -> Result<(), String> {
        in_order("stdout", &lines(patterns), &lines(found)).map_err(|mismatch| mismatch.message)
    }

    #[test]
    fn a_line_may_hold_anything_in_places() {
        for (pattern, line) in
            [("a", "a"), ("[..]", ""), ("a[..]c", "abc"), ("a[..]b[..]c", "axbxbc"), ("[..]b[..]", "b")]
        {
            assert!(fits(pattern, line), "{pattern} {line}");
        }
        for (pattern, line) in [("a", "ab"), ("a[..]a", "a"), ("a[..]b[..]b", "ab"), ("[..]x", "xy")] {
            assert!(!fits(pattern, line), "{pattern} {line}");
        }
    }

    #[test]
    fn any_number_of_lines_may_be_left_out() {
        for (patterns, found) in [
            ("", ""),
            ("a\nb", "a\nb\n"),
            ("...", ""),
            ("...\nb", "a\nb"),
            ("a\n...\nb\nc", "a\nb\nx\nb\nc\n"),
            ("a\n...", "a"),
            ("...\na\n...\nb\n...", "x\na\nb"),
            ("\n", "\n"),
        ] {
            assert_eq!(compare(patterns, found), Ok(()), "{patterns:?} {found:?}");
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        for (patterns, found, message) in [
            ("a\nb", "a\nc", "stdout: line 2: expected \"b\", found \"c\""),
            ("a\nb", "a", "stdout: line 2: expected \"b\", found the end"),
            ("a", "a\nb", "stdout: line 2: expected the end, found \"b\""),
            ("a\n...\nz", "a\nb\nc", "stdout: no line from line 2 on is \"z\""),
            ("...\nb\nc", "a\nb\nd", "stdout: line 3: expected \"c\", found \"d\""),
            ("...\nb", "a\nb\nd", "stdout: line 3: expected the end, found \"d\""),
            ("a", "", "stdout: line 1: expected \"a\", found the end"),
        ] {
            assert_eq!(compare(patterns, found), Err(message.to_owned()));
        }
    }

    #[test]
    fn what_would_take_too_long_is_not_compared() {
        let found = vec!["a"; 200];
        let patterns = [&["..."], &*vec!["a"; 100], &["b"]].concat();
        let mismatch = within(1000, "stdout", &patterns, &found).expect_err("too much");
        assert!(!mismatch.decided && mismatch.message.contains("too many lines"), "{}", mismatch.message);
    }

    #[test]
    fn the_diff_shows_only_what_differs() {
        let found = lines("took 3 ms\none\ntoo\nsize 7");
        let mismatch = in_order("stdout", &lines("took [..] ms\n...\ntwo\nsize [..]"), &found);
        let detail = mismatch.expect_err("a mismatch").detail;
        assert!(detail.contains("\n-two\n") && detail.contains("\n+too\n"), "{detail}");
        assert!(!detail.contains("[..]") && !detail.contains("-size"), "{detail}");
    }

    proptest::proptest! {
        /// What a text was made into by leaving things out still fits it.
        #[test]
        fn patterns_made_of_a_text_fit_it(parts in proptest::collection::vec(("[ab]{0,3}", 0u8..3), 0..8)) {
            let found: Vec<&str> = parts.iter().map(|(line, _)| line.as_str()).collect();
            let patterns: Vec<&str> = parts.iter().map(|(line, how)| match how {
                0 => line.as_str(),
                1 => "[..]",
                _ => "...",
            }).collect();
            proptest::prop_assert!(in_order("", &patterns, &found).is_ok());
        }
    }
}
