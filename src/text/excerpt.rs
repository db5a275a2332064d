//! The beginning and the end of a long text.

use std::borrow::Cow;

/// How much of a text is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Lines kept from the beginning.
    pub first_lines: usize,
    /// Lines kept from the end.
    pub last_lines: usize,
    /// Bytes kept in all, without the mark; half of them from either end, or all of them from the only end
    /// of which lines are kept.
    pub bytes: usize,
}

impl Bounds {
    /// Bounds by bytes alone.
    #[must_use]
    pub const fn bytes(bytes: usize) -> Self {
        Self { first_lines: usize::MAX, last_lines: usize::MAX, bytes }
    }
}

/// The text within the bounds, with a line such as `… 12 lines left out …` in place of the rest. Cuts at line
/// ends where the bounds leave any.
#[must_use]
pub fn excerpt(text: &str, bounds: Bounds) -> Cow<'_, str> {
    let (head, tail) = cuts(text.as_bytes(), text.as_bytes(), bounds);
    if head >= tail {
        return Cow::Borrowed(text);
    }
    // Both places are moved to characters' edges, outwards.
    let head = (0..=head).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let tail = (tail..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let mark = mark(&text.as_bytes()[head..tail], 0, head, text.as_bytes());
    Cow::Owned(join(&text[..head], &mark, &text[tail..]))
}

/// Like [`excerpt`] for bytes of which `dropped` between `head` and `tail` are gone already; what is not UTF-8
/// becomes U+FFFD. Looks at no more than the bounds ask for.
#[must_use]
pub fn excerpt_bytes(head: &[u8], dropped: u64, tail: &[u8], bounds: Bounds) -> String {
    if dropped == 0 {
        let whole = if tail.is_empty() { Cow::Borrowed(head) } else { Cow::Owned([head, tail].concat()) };
        let (first, last) = cuts(&whole, &whole, bounds);
        if first >= last {
            return String::from_utf8_lossy(&whole).into_owned();
        }
        let (first, last) = (whole_characters(&whole, first), next_character(&whole, last));
        let mark = mark(&whole[first..last], 0, first, &whole);
        return join(
            &String::from_utf8_lossy(&whole[..first]),
            &mark,
            &String::from_utf8_lossy(&whole[last..]),
        );
    }
    let (first, last) = cuts(head, tail, bounds);
    let (first, last) = (whole_characters(head, first), next_character(tail, last));
    let gone = (head.len() - first) as u64 + dropped + last as u64;
    join(
        &String::from_utf8_lossy(&head[..first]),
        &format!("… {gone} bytes left out …"),
        &String::from_utf8_lossy(&tail[last..]),
    )
}

/// Where the kept beginning of `head` ends, and where the kept end of `tail` begins.
fn cuts(head: &[u8], tail: &[u8], bounds: Bounds) -> (usize, usize) {
    let same = std::ptr::eq(head, tail);
    let (mut first, mut last) =
        (end_of_lines(head, bounds.first_lines), start_of_lines(tail, bounds.last_lines));
    if same && first >= last && head.len() <= bounds.bytes {
        return (head.len(), 0);
    }
    let share =
        if bounds.first_lines == 0 || bounds.last_lines == 0 { bounds.bytes } else { bounds.bytes / 2 };
    if first > share {
        // A cut at a line end, unless that costs more than half of the share.
        let line = head[..share].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        first = if line * 2 > share { line } else { share };
    }
    if tail.len() - last > share {
        last = tail.len() - share;
        let line = tail[last..].iter().position(|byte| *byte == b'\n').map_or(share, |at| at + 1);
        if line * 2 < share {
            last += line;
        }
    }
    (first, last)
}

fn end_of_lines(text: &[u8], lines: usize) -> usize {
    match lines {
        0 => 0,
        usize::MAX => text.len(),
        lines => memchr_iter(text).nth(lines - 1).map_or(text.len(), |at| at + 1),
    }
}

fn start_of_lines(text: &[u8], lines: usize) -> usize {
    // The last line may or may not end with a line feed.
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    match lines {
        0 => text.len(),
        usize::MAX => 0,
        lines => body
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(lines - 1)
            .map_or(0, |(at, _)| at + 1),
    }
}

fn memchr_iter(text: &[u8]) -> impl Iterator<Item = usize> {
    text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at)
}

/// `at`, or up to three bytes before, so that no character of UTF-8 is cut.
fn whole_characters(text: &[u8], at: usize) -> usize {
    let continues = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at.saturating_sub(3)..=at).rev().find(|at| !continues(at)).unwrap_or(at)
}

/// `at`, or up to three bytes after, so that no character of UTF-8 is cut.
fn next_character(text: &[u8], at: usize) -> usize {
    let continues = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at..=(at + 3).min(text.len())).find(|at| !continues(at)).unwrap_or(at)
}

/// The words for what is left out: in lines where whole lines are missing, else in bytes.
fn mark(gone: &[u8], dropped: u64, start: usize, text: &[u8]) -> String {
    let whole_lines = dropped == 0 && (start == 0 || text[start - 1] == b'\n') && gone.ends_with(b"\n");
    let lines = || gone.split_inclusive(|byte| *byte == b'\n').map(lines_of).sum();
    let (count, unit) = if whole_lines { (lines(), "line") } else { (gone.len(), "byte") };
    format!("… {count} {unit}{} left out …", if count == 1 { "" } else { "s" })
}

/// How many lines a line stands for: one, unless it is the mark of an excerpt of which this one is made.
fn lines_of(line: &[u8]) -> usize {
    let marked = || {
        let text =
            std::str::from_utf8(line).ok()?.trim_end().strip_prefix("… ")?.strip_suffix(" left out …")?;
        text.strip_suffix(" lines").or(text.strip_suffix(" line"))?.parse().ok()
    };
    marked().unwrap_or(1)
}

/// The parts with the mark on a line of its own.
fn join(head: &str, mark: &str, tail: &str) -> String {
    let before = if head.is_empty() || head.ends_with('\n') { "" } else { "\n" };
    [head, before, mark, "\n", tail].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Bounds, excerpt, excerpt_bytes};

    #[test]
    fn short_texts_stay() {
        let bounds = Bounds { first_lines: 1, last_lines: 2, bytes: 100 };
        for text in ["", "a", "a\nb\nc\n", "a\nb\nc", "\n\n\n"] {
            assert_eq!(excerpt(text, bounds), text);
            assert_eq!(excerpt_bytes(text.as_bytes(), 0, b"", bounds), text);
        }
    }

    #[test]
    fn the_middle_is_left_out() {
        let bounds = Bounds { first_lines: 1, last_lines: 2, bytes: 100 };
        assert_eq!(excerpt("a\nb\nc\nd\n", bounds), "a\n… 1 line left out …\nc\nd\n");
        assert_eq!(excerpt("a\nb\nc\nd\ne", bounds), "a\n… 2 lines left out …\nd\ne");
        let last = Bounds { first_lines: 0, ..bounds };
        assert_eq!(excerpt("a\nb\nc\n", last), "… 1 line left out …\nb\nc\n");
        let twice = excerpt("a\nb\n… 12 lines left out …\nc\nd\ne\n", bounds);
        assert_eq!(twice, "a\n… 14 lines left out …\nd\ne\n");
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let text = "é".repeat(50);
        let short = excerpt(&text, Bounds::bytes(21));
        assert_eq!(short, "ééééé\n… 80 bytes left out …\nééééé");
        assert_eq!(excerpt_bytes(text.as_bytes(), 0, b"", Bounds::bytes(21)), short);
    }

    #[test]
    fn lost_bytes_are_counted() {
        let bounds = Bounds::bytes(8);
        assert_eq!(excerpt_bytes(b"abcdef", 10, b"uvwxyz", bounds), "abcd\n… 14 bytes left out …\nwxyz");
        assert_eq!(excerpt_bytes(b"ab", 10, b"yz", bounds), "ab\n… 10 bytes left out …\nyz");
    }

    proptest! {
        #[test]
        fn bounds_hold(text in "(a|é|€|😀|\n){0,80}", bytes in 4_usize..64, first in 0_usize..5, last in 0_usize..5) {
            let bounds = Bounds { first_lines: first, last_lines: last, bytes };
            let short = excerpt(&text, bounds);
            if let Some((head, tail)) = short.split_once('…').map(|(head, rest)| (head, rest.split_once("…\n").expect("mark").1)) {
                assert!(head.len() + tail.len() <= bytes + 1, "{short:?}");
                assert!(head.lines().count() <= first && tail.lines().count() <= last, "{short:?}");
                assert!(text.starts_with(head.trim_end_matches('\n')) && text.ends_with(tail));
            } else {
                assert_eq!(short, text);
            }
            assert_eq!(excerpt_bytes(text.as_bytes(), 0, b"", bounds), short);
        }

        #[test]
        fn any_bytes_are_taken(head in proptest::collection::vec(any::<u8>(), 0..40), tail in proptest::collection::vec(any::<u8>(), 0..40), dropped in 0_u64..3, bytes in 0_usize..50) {
            let short = excerpt_bytes(&head, dropped, &tail, Bounds::bytes(bytes));
            let cut = dropped > 0 || head.len() + tail.len() > bytes;
            assert_eq!(short.contains("left out"), cut);
        }
    }
}
