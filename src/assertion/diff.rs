//! Where two texts differ, in one line and as a unified diff.

use std::time::{Duration, Instant};

use similar::{Algorithm, ChangeTag, DiffOp};

use crate::assertion::wording::{SHORT, quote, sketch};
use crate::text::excerpt::{Bounds, excerpt};
use crate::text::terminal::visible;

/// The time after which a diff is finished with less care.
const TIME_LIMIT: Duration = Duration::from_millis(200);

/// The size of both texts together from which on no diff is made, in bytes.
const SIZE_LIMIT: usize = 5 << 20;

/// Lines shown before and after a change.
const CONTEXT: usize = 3;

/// The most lines of either text that are compared, from the first difference on. The crate's recursion can be
/// as deep as there are lines, so without a bound a diff could exhaust the stack of its thread.
const WINDOW: usize = 1500;

/// How much of a diff is kept.
const BOUNDS: Bounds = Bounds { first_lines: 160, last_lines: 40, bytes: 32 << 10 };

/// What differs, in one line that begins with the name of what was looked at.
pub(crate) fn first_difference(name: &str, expected: &[u8], found: &[u8]) -> String {
    if found.strip_suffix(b"\n") == Some(expected) && !expected.is_empty() {
        return format!("{name}: expected no newline at the end, found one");
    }
    if expected.strip_suffix(b"\n") == Some(found) && !found.is_empty() {
        return format!("{name}: expected a newline at the end, found none");
    }
    let hint = if expected.is_empty() || found.is_empty() { "" } else { hint(expected, found) };
    if expected.len() <= SHORT && found.len() <= SHORT {
        return format!("{name}: expected {}, found {}{hint}", quote(expected), quote(found));
    }
    if expected.is_empty() || found.is_empty() {
        return format!("{name}: expected {}, found {}", sketch(expected), sketch(found));
    }
    let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let line = 1 + expected[..same].iter().filter(|byte| **byte == b'\n').count();
    format!("{name} differs from line {line} on{hint}")
}

/// What is easily overlooked about a difference.
fn hint(expected: &[u8], found: &[u8]) -> &'static str {
    let words = |bytes| <[u8]>::split(bytes, u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let has_cr = |bytes: &[u8]| bytes.contains(&b'\r');
    match (has_cr(expected), has_cr(found), words(expected).eq(words(found))) {
        (false, true, true) => " (only in white space: found carriage returns)",
        (true, false, true) => " (only in white space: found no carriage returns)",
        (_, _, true) => " (only in white space)",
        _ => "",
    }
}

/// A [unified] diff, or nothing where both texts are one short line, since [`first_difference`] shows them.
pub(crate) fn unified_if_long(expected: &[u8], found: &[u8]) -> String {
    match [expected, found].iter().all(|text| text.len() <= SHORT && is_one_line(text)) {
        true => String::new(),
        false => unified(expected, found),
    }
}

/// A unified diff of two texts that differ, with everything in it visible.
///
/// Of texts that differ over more than [`WINDOW`] lines, only so many are compared.
pub(crate) fn unified(expected: &[u8], found: &[u8]) -> String {
    if expected.len() + found.len() > SIZE_LIMIT {
        return format!("outputs differ, {} and {} bytes", expected.len(), found.len());
    }
    let (old, new) = (lines(expected), lines(found));
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let start = same.saturating_sub(CONTEXT);
    let same_end = old[same..].iter().rev().zip(new[same..].iter().rev()).take_while(|(a, b)| a == b).count();
    let window = |lines: &[&[u8]]| (lines.len() - same_end.saturating_sub(CONTEXT)).min(start + WINDOW);
    let beyond = |lines: &[&[u8]]| (lines.len() - same_end).saturating_sub(start + WINDOW);
    let beyond = (beyond(&old), beyond(&new));
    let (old, new) = (&old[start..window(&old)], &new[start..window(&new)]);

    let deadline = Instant::now() + TIME_LIMIT;
    let operations = similar::capture_diff_slices_deadline(Algorithm::Myers, old, new, Some(deadline));
    let mut text = String::from("-expected +actual\n");
    for hunk in similar::group_diff_ops(operations, CONTEXT) {
        push_hunk(&mut text, &hunk, old, new, start);
        if text.len() > 4 * BOUNDS.bytes {
            break;
        }
    }
    if let (expected @ 1.., found) | (expected, found @ 1..) = beyond {
        text.push_str(&format!(
            "… {expected} expected and {found} actual lines that follow were not compared …\n"
        ));
    }
    excerpt(&text, BOUNDS).into_owned()
}

fn push_hunk(text: &mut String, hunk: &[DiffOp], old: &[&[u8]], new: &[&[u8]], start: usize) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let range = |from: usize, to: usize| match to - from {
        // The place after which nothing stands or stood, as diff(1) writes it.
        0 => format!("{},0", start + from),
        1 => format!("{}", start + from + 1),
        count => format!("{},{count}", start + from + 1),
    };
    text.push_str(&format!(
        "@@ -{} +{} @@\n",
        range(first.old_range().start, last.old_range().end),
        range(first.new_range().start, last.new_range().end)
    ));
    for change in hunk.iter().flat_map(|operation| operation.iter_changes(old, new)) {
        text.push(match change.tag() {
            ChangeTag::Equal => ' ',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        });
        let line = change.value();
        text.push_str(&visible(line));
        if !line.ends_with(b"\n") {
            text.push_str("\n\\ no newline at the end\n");
        }
    }
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn is_one_line(text: &[u8]) -> bool {
    !text.strip_suffix(b"\n").unwrap_or(text).contains(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn what_was_not_compared_is_told() {
        let many: String = (1..=5000).map(|number| format!("{number}\n")).collect();
        let end = |expected: &str, found: &str| {
            unified(expected.as_bytes(), found.as_bytes()).lines().last().map(str::to_owned)
        };
        let told = |counts: &str| Some(format!("… {counts} lines that follow were not compared …"));
        assert_eq!(end("1\n", &many), told("0 expected and 3500 actual"));
        assert_eq!(end(&many, "x\n"), told("3500 expected and 0 actual"));
        let short: String = many.lines().take(100).map(|line| format!("{line}\n")).collect();
        assert_eq!(end("1\n", &short).as_deref(), Some("+100"));
    }
}
