//! Lines compared with lines, in whatever order they stand.

use std::collections::{HashMap, HashSet};

use crate::assertion::lines::{ANY_LINES, ANY_TEXT, MOST_COMPARISONS, Mismatch, fits};
use crate::assertion::wording::quote;
use crate::text::terminal::visible;

/// The most lines of either kind that a failure lists.
const MOST_LISTED: usize = 50;

/// The most patterns with a wildcard, for which lines have to be shared out.
const MOST_OPEN: usize = 500;

/// Compares lines with patterns in any order. Each pattern takes one line, and no line may be left unless one
/// of the patterns is `...`.
pub(crate) fn in_any_order(name: &str, patterns: &[&str], found: &[&str]) -> Result<(), Mismatch> {
    let others_allowed = patterns.contains(&ANY_LINES);
    let mut free: HashMap<&str, Vec<usize>> = HashMap::with_capacity(found.len());
    for (index, line) in found.iter().enumerate().rev() {
        free.entry(line).or_default().push(index);
    }
    let mut taken = vec![false; found.len()];
    let mut missing = Vec::new();
    let mut open = Vec::new();
    for pattern in patterns.iter().filter(|pattern| **pattern != ANY_LINES) {
        if pattern.contains(ANY_TEXT) {
            open.push(*pattern);
            continue;
        }
        // Equal lines are as good as each other, so the first one will do.
        match free.get_mut(pattern).and_then(Vec::pop) {
            Some(index) => taken[index] = true,
            None => missing.push(*pattern),
        }
    }
    if open.len() > MOST_OPEN || open.len() * found.len() > MOST_COMPARISONS {
        return Err(Mismatch::undecided(name));
    }
    assign(&open, found, &mut taken, &mut missing);
    let left: Vec<usize> = match others_allowed {
        true => Vec::new(),
        false => (0..found.len()).filter(|index| !taken[*index]).collect(),
    };
    if missing.is_empty() && left.is_empty() {
        return Ok(());
    }
    Err(mismatch(name, found, &missing, &left))
}

/// Gives each pattern with a wildcard a line of its own, as many as can have one (Kuhn's augmenting paths).
fn assign<'a>(open: &[&'a str], found: &[&str], taken: &mut [bool], missing: &mut Vec<&'a str>) {
    // A pattern that fits as many lines as there are patterns gets one whatever the others take.
    let candidates: Vec<Vec<usize>> = open
        .iter()
        .map(|pattern| {
            let fitting = (0..found.len()).filter(|index| !taken[*index] && fits(pattern, found[*index]));
            fitting.take(open.len()).collect()
        })
        .collect();
    let mut owner: HashMap<usize, usize> = HashMap::new();
    for (pattern, source) in open.iter().enumerate() {
        let mut seen = HashSet::new();
        if !augment(pattern, &candidates, &mut owner, &mut seen) {
            missing.push(source);
        }
    }
    for line in owner.into_keys() {
        taken[line] = true;
    }
}

fn augment(
    pattern: usize,
    candidates: &[Vec<usize>],
    owner: &mut HashMap<usize, usize>,
    seen: &mut HashSet<usize>,
) -> bool {
    // A line that nobody has is found without asking others to give way.
    if let Some(line) = candidates[pattern].iter().find(|line| !owner.contains_key(line)) {
        owner.insert(*line, pattern);
        return true;
    }
    for line in &candidates[pattern] {
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

fn mismatch(name: &str, found: &[&str], missing: &[&str], left: &[usize]) -> Mismatch {
    let message = match (missing, left) {
        ([missing], []) => format!("{name}: the line {} is missing", quote(missing.as_bytes())),
        ([], [left]) => {
            format!("{name}: line {} is not expected: {}", left + 1, quote(found[*left].as_bytes()))
        }
        ([first, ..], left) => format!(
            "{name}: {} missing, the first is {}{}",
            lines(missing.len()),
            quote(first.as_bytes()),
            if left.is_empty() { String::new() } else { format!("; {} not expected", lines(left.len())) }
        ),
        ([], left) => format!(
            "{name}: {} not expected, the first is line {}: {}",
            lines(left.len()),
            left[0] + 1,
            quote(found[left[0]].as_bytes())
        ),
    };
    let mut detail = String::from("-expected +actual\n");
    let mut list = |sign: char, all: Vec<&str>| {
        for line in all.iter().take(MOST_LISTED) {
            detail.push(sign);
            detail.push_str(&visible(line.as_bytes()));
            detail.push('\n');
        }
        if all.len() > MOST_LISTED {
            detail.push_str(&format!("{sign}… {} more\n", all.len() - MOST_LISTED));
        }
    };
    list('-', missing.to_vec());
    list('+', left.iter().map(|index| found[*index]).collect());
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
