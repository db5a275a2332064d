//! Lines compared with lines, in whatever order they stand.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::assertion::lines::{ANY_LINES, ANY_TEXT, LineTest, MOST_COMPARISONS, Mismatch, fits};
use crate::assertion::wording::quote;
use crate::text::excerpt::{Bounds, excerpt};
use crate::text::terminal::visible;

/// The most lines of either kind that a failure lists.
const MOST_LISTED: usize = 50;

/// How much of a line is kept that may be listed.
const SHOWN_OF_LINE: Bounds = Bounds::bytes(4096);

/// The most patterns with a wildcard, for which lines have to be shared out.
const MOST_OPEN: usize = 500;

/// Compares lines with patterns in any order. Each pattern takes one line, and no line may be left unless one
/// of the patterns is `...`.
pub(crate) struct AnyOrder<'p> {
    patterns: &'p [&'p str],
    /// How often each pattern without a wildcard still has to be found.
    wanted: HashMap<&'p str, usize>,
    /// The patterns with a wildcard, each with the lines that it fits and nobody else has. A pattern that fits as many
    /// lines as there are patterns gets one whatever the others take.
    open: Vec<(&'p str, Vec<usize>)>,
    others_allowed: bool,
    /// How many lines there were.
    lines: usize,
    /// The first lines that no pattern without a wildcard takes, as many as may be shown.
    left: Vec<(usize, String)>,
    /// How many of these there are.
    count_left: usize,
    /// How many comparisons of lines may still be made.
    comparisons: usize,
}

impl<'p> AnyOrder<'p> {
    /// A comparison that is given up after `most` comparisons of two lines.
    pub(crate) fn new(patterns: &'p [&'p str], most: usize) -> Self {
        let (mut wanted, mut open) = (HashMap::new(), Vec::new());
        for pattern in patterns.iter().filter(|pattern| **pattern != ANY_LINES) {
            match pattern.contains(ANY_TEXT) {
                true => open.push((*pattern, Vec::new())),
                false => *wanted.entry(*pattern).or_default() += 1,
            }
        }
        let comparisons = if open.len() > MOST_OPEN { 0 } else { most };
        let others_allowed = patterns.contains(&ANY_LINES);
        let (lines, left, count_left) = (0, Vec::new(), 0);
        Self { patterns, wanted, open, others_allowed, lines, left, count_left, comparisons }
    }

    /// Gives each pattern with a wildcard a line of its own, as many as can have one (Kuhn's augmenting paths): those that
    /// have none, and the lines that are taken.
    fn assign(&self) -> (Vec<&'p str>, HashSet<usize>) {
        let mut missing = Vec::new();
        let candidates: Vec<&[usize]> = self.open.iter().map(|(_, lines)| lines.as_slice()).collect();
        let mut owner: HashMap<usize, usize> = HashMap::new();
        for (pattern, (source, _)) in self.open.iter().enumerate() {
            let mut seen = HashSet::new();
            if !augment(pattern, &candidates, &mut owner, &mut seen) {
                missing.push(*source);
            }
        }
        (missing, owner.into_keys().collect())
    }
}

impl LineTest for AnyOrder<'_> {
    fn line(&mut self, line: &str) -> ControlFlow<()> {
        let index = self.lines;
        self.lines += 1;
        // Equal lines are as good as each other, so the first one will do.
        if let Some(count) = self.wanted.get_mut(line).filter(|count| **count > 0) {
            *count -= 1;
            return ControlFlow::Continue(());
        }
        let most = self.open.len();
        for (pattern, lines) in self.open.iter_mut().filter(|(_, lines)| lines.len() < most) {
            let Some(comparisons) = self.comparisons.checked_sub(1) else { return ControlFlow::Break(()) };
            self.comparisons = comparisons;
            if fits(pattern, line) {
                lines.push(index);
            }
        }
        self.count_left += 1;
        if !self.others_allowed && self.left.len() <= MOST_LISTED + most {
            self.left.push((index, excerpt(line, SHOWN_OF_LINE).into_owned()));
        }
        ControlFlow::Continue(())
    }

    fn end(self, name: &str) -> Result<(), Mismatch> {
        if self.comparisons == 0 && !self.open.is_empty() {
            return Err(Mismatch::undecided(name));
        }
        let (unfit, taken) = self.assign();
        let mut wanted = self.wanted;
        // Of equal patterns the last ones have found nothing.
        let mut missing: Vec<&str> = Vec::new();
        for pattern in self.patterns.iter().rev() {
            if let Some(count) = wanted.get_mut(pattern).filter(|count| **count > 0) {
                *count -= 1;
                missing.push(pattern);
            }
        }
        missing.reverse();
        missing.extend(unfit);
        let count_left = if self.others_allowed { 0 } else { self.count_left - taken.len() };
        if missing.is_empty() && count_left == 0 {
            return Ok(());
        }
        let left: Vec<_> = self.left.into_iter().filter(|(index, _)| !taken.contains(index)).collect();
        Err(mismatch(name, &missing, &left, count_left))
    }
}

/// Compares lines with patterns in any order.
pub(crate) fn in_any_order(name: &str, patterns: &[&str], found: &[&str]) -> Result<(), Mismatch> {
    let mut test = AnyOrder::new(patterns, MOST_COMPARISONS);
    let _ = found.iter().try_for_each(|line| test.line(line));
    test.end(name)
}

fn augment(
    pattern: usize,
    candidates: &[&[usize]],
    owner: &mut HashMap<usize, usize>,
    seen: &mut HashSet<usize>,
) -> bool {
    // A line that nobody has is found without asking others to give way.
    if let Some(line) = candidates[pattern].iter().find(|line| !owner.contains_key(line)) {
        owner.insert(*line, pattern);
        return true;
    }
    for line in candidates[pattern] {
        if !seen.insert(*line) {
            continue;
        }
        let other = owner.get(line).copied();
        if other.is_none_or(|other| augment(other, candidates, owner, seen)) {
            owner.insert(*line, pattern);
            return true;
        }
    }
    false
}

fn mismatch(name: &str, missing: &[&str], left: &[(usize, String)], count_left: usize) -> Mismatch {
    let first_left = left.first().map(|(index, line)| (index + 1, quote(line.as_bytes())));
    let message = match (missing, first_left) {
        ([missing], None) => format!("{name}: the line {} is missing", quote(missing.as_bytes())),
        ([], Some((number, line))) if count_left == 1 => {
            format!("{name}: line {number} is not expected: {line}")
        }
        ([], Some((number, line))) => {
            format!("{name}: {} not expected, the first is line {number}: {line}", lines(count_left))
        }
        (missing, _) => format!(
            "{name}: {} missing, the first is {}{}",
            lines(missing.len()),
            quote(missing.first().unwrap_or(&"").as_bytes()),
            if count_left == 0 { String::new() } else { format!("; {} not expected", lines(count_left)) }
        ),
    };
    let mut detail = String::from("-expected +actual\n");
    let mut list = |sign: char, all: &mut dyn Iterator<Item = &str>, count: usize| {
        for line in all.take(MOST_LISTED) {
            detail.push(sign);
            detail.push_str(&visible(line.as_bytes()));
            detail.push('\n');
        }
        if count > MOST_LISTED {
            detail.push_str(&format!("{sign}… {} more\n", count - MOST_LISTED));
        }
    };
    list('-', &mut missing.iter().copied(), missing.len());
    list('+', &mut left.iter().map(|(_, line)| line.as_str()), count_left);
    Mismatch { message, detail, decided: true }
}

fn lines(count: usize) -> String {
    format!("{count} line{}", if count == 1 { " is" } else { "s are" })
}

#[cfg(test)]
mod tests {
    use super::in_any_order;

    fn compare(patterns: &[&str], found: &[&str]) -> Result<(), String> {
        in_any_order("stdout", patterns, found).map_err(|mismatch| mismatch.message)
    }

    #[test]
    fn the_order_does_not_matter_and_the_number_does() {
        assert_eq!(compare(&["a", "b", "b"], &["b", "a", "b"]), Ok(()));
        let error = compare(&["a", "b"], &["b", "a", "b"]).expect_err("one too many");
        assert_eq!(error, "stdout: line 3 is not expected: \"b\"");
        let error = compare(&["a", "b", "b"], &["b", "a"]).expect_err("one too few");
        assert_eq!(error, "stdout: the line \"b\" is missing");
        let error = compare(&["a", "b"], &["c"]).expect_err("all wrong");
        assert_eq!(error, "stdout: 2 lines are missing, the first is \"a\"; 1 line is not expected");
        assert_eq!(compare(&["b", "..."], &["a", "b", "c"]), Ok(()));
    }

    #[test]
    fn wildcards_leave_each_other_a_line() {
        // The general pattern comes first and fits everything; the special ones still find theirs.
        assert_eq!(compare(&["[..]", "a[..]", "ab[..]", "abc"], &["abc", "abcd", "ax", "y"]), Ok(()));
        assert!(compare(&["a[..]", "a[..]"], &["ab", "b"]).is_err());
    }

    #[test]
    fn many_patterns_with_wildcards_are_shared_out_or_refused() {
        let found: Vec<String> = (0..500).map(|n| format!("line {n}")).collect();
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(compare(&vec!["line [..]"; 500], &found), Ok(()));
        assert!(compare(&vec!["line [..]"; 501], &found).is_err_and(|message| message.contains("too many")));
    }

    proptest::proptest! {
        #[test]
        fn any_permutation_fits(mut lines in proptest::collection::vec("[ab]{0,2}", 0..8)) {
            let patterns: Vec<String> = lines.clone();
            lines.sort();
            let found: Vec<&str> = lines.iter().map(String::as_str).collect();
            let patterns: Vec<&str> = patterns.iter().map(|line| if line == "a" { "[..]a" } else { line }).collect();
            proptest::prop_assert!(in_any_order("", &patterns, &found).is_ok());
        }
    }
}
