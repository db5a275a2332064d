//! Lines compared with lines, with `...` for any number of them and `[..]` for anything within one.

use std::ops::ControlFlow;

use crate::assertion::diff;
use crate::assertion::wording::{SHORT, quote};

/// Stands for any number of lines.
pub(crate) const ANY_LINES: &str = "...";

/// Stands for anything within a line.
pub(crate) const ANY_TEXT: &str = "[..]";

/// The most comparisons of two lines; a machine makes them in a second or so.
pub(crate) const MOST_COMPARISONS: usize = 50_000_000;

/// Looks at the lines of a content, one after the other, and keeps no more of them than a failure shows.
pub(crate) trait LineTest {
    /// Looks at the next line. The rest does not matter any more where it breaks.
    fn line(&mut self, line: &str) -> ControlFlow<()>;

    /// Says, of the content with this name, whether its lines were as expected.
    fn end(self, name: &str) -> Result<(), Mismatch>;
}

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

/// Compares lines with patterns, in order: all ways in which the patterns may have come to the lines so far are followed
/// at once. What was before a `...` is forgotten when it is reached, since it stands for all that may follow.
pub(crate) struct InOrder<'p> {
    patterns: &'p [&'p str],
    /// What may come next, as places in the patterns.
    active: Vec<usize>,
    /// What follows the last `...` that was reached.
    gap: Option<usize>,
    /// How many lines there were.
    lines: usize,
    best: Progress,
    /// The line after the best, or as much of it as is shown.
    after_best: Option<Vec<u8>>,
    /// How many comparisons of lines may still be made.
    left: usize,
}

impl<'p> InOrder<'p> {
    /// A comparison that is given up after `most` comparisons of two lines.
    pub(crate) fn new(patterns: &'p [&'p str], most: usize) -> Self {
        let (active, best) = (Vec::new(), Progress::default());
        let mut new = Self { patterns, active, gap: None, lines: 0, best, after_best: None, left: most };
        new.arrive(0);
        new.active.extend(new.gap);
        new
    }

    /// Notes that the pattern at this place may come next.
    fn arrive(&mut self, mut at: usize) {
        while self.patterns.get(at) == Some(&ANY_LINES) {
            at += 1;
            self.gap = Some(at);
            self.active.clear();
        }
        if self.gap != Some(at) {
            self.active.push(at);
        }
        if at > self.best.patterns {
            self.best = Progress { patterns: at, lines: self.lines };
            self.after_best = None;
        }
    }

    fn message(&self, name: &str) -> String {
        let (patterns, best) = (self.patterns, self.best);
        let number = best.lines + 1;
        let line = self.after_best.as_deref().map(quote);
        let after_gap = best.patterns.checked_sub(1).is_some_and(|before| patterns[before] == ANY_LINES);
        let pattern = patterns.get(best.patterns).map(|pattern| quote(pattern.as_bytes()));
        match (pattern, line) {
            (Some(pattern), _) if after_gap => format!("{name}: no line from line {number} on is {pattern}"),
            (Some(pattern), Some(line)) => format!("{name}: line {number}: expected {pattern}, found {line}"),
            (Some(pattern), None) => format!("{name}: line {number}: expected {pattern}, found the end"),
            (None, Some(line)) => format!("{name}: line {number}: expected the end, found {line}"),
            (None, None) => format!("{name}: the lines differ"),
        }
    }
}

impl LineTest for InOrder<'_> {
    fn line(&mut self, line: &str) -> ControlFlow<()> {
        if self.after_best.is_none() {
            self.after_best = Some(line.as_bytes()[..line.len().min(2 * SHORT)].to_vec());
        }
        self.lines += 1;
        for at in std::mem::take(&mut self.active) {
            // What is before the last `...` is not needed any more.
            let Some(pattern) = self.patterns.get(at).filter(|_| self.gap.is_none_or(|gap| gap <= at)) else {
                continue;
            };
            let Some(left) = self.left.checked_sub(1) else { return ControlFlow::Break(()) };
            self.left = left;
            if fits(pattern, line) {
                self.arrive(at + 1);
            }
        }
        self.active.extend(self.gap);
        let is_decided = self.active.is_empty() || self.gap == Some(self.patterns.len());
        if is_decided { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(self, name: &str) -> Result<(), Mismatch> {
        match self.active.contains(&self.patterns.len()) {
            _ if self.left == 0 => Err(Mismatch::undecided(name)),
            true => Ok(()),
            false => Err(Mismatch { message: self.message(name), detail: String::new(), decided: true }),
        }
    }
}

/// Compares lines with patterns, in order.
pub(crate) fn in_order(name: &str, patterns: &[&str], found: &[&str]) -> Result<(), Mismatch> {
    within(MOST_COMPARISONS, name, patterns, found)
}

/// Compares lines with patterns, giving up after so many comparisons.
fn within(most: usize, name: &str, patterns: &[&str], found: &[&str]) -> Result<(), Mismatch> {
    let mut test = InOrder::new(patterns, most);
    let _ = found.iter().try_for_each(|line| test.line(line));
    let best = test.best;
    test.end(name).map_err(|mismatch| match mismatch.decided {
        true => Mismatch { detail: difference(patterns, found, best), ..mismatch },
        false => mismatch,
    })
}

/// A diff of lines and patterns. What fits is shown as it was found, so that the diff shows nothing but differences.
fn difference(patterns: &[&str], found: &[&str], best: Progress) -> String {
    let (rest, left) = (&patterns[best.patterns..], &found[best.lines..]);
    let same_end = rest
        .iter()
        .rev()
        .zip(left.iter().rev())
        .take_while(|(pattern, line)| **pattern != ANY_LINES && fits(pattern, line))
        .count();
    let expected: Vec<_> =
        [&found[..best.lines], &rest[..rest.len() - same_end], &found[found.len() - same_end..]].concat();
    diff::unified_if_long(joined(&expected).as_bytes(), joined(found).as_bytes())
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

    /// Whether lines are as patterns say, by trying everything.
    fn holds(patterns: &[&str], found: &[&str]) -> bool {
        match (patterns, found) {
            ([], found) => found.is_empty(),
            ([super::ANY_LINES, rest @ ..], _) => (0..=found.len()).any(|at| holds(rest, &found[at..])),
            ([pattern, rest @ ..], [line, lines @ ..]) => fits(pattern, line) && holds(rest, lines),
            _ => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn every_way_to_fit_is_found_and_no_other(
            patterns in proptest::collection::vec(proptest::sample::select(&["...", "[..]", "a", "b", "a[..]"]), 0..7),
            found in proptest::collection::vec(proptest::sample::select(&["a", "b", "ab", ""]), 0..7),
        ) {
            proptest::prop_assert_eq!(in_order("", &patterns, &found).is_ok(), holds(&patterns, &found));
        }

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
