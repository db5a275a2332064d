//! Foreign text on a console: it may not move the cursor, set titles, hide or reorder anything.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::text::escape::{Piece, is_introducer, pieces};

/// What happens to sequences that set colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// They stay, and all of them end with the text.
    Keep,
    /// They go.
    Remove,
}

/// Ends all colours and attributes.
const RESET: &str = "\u{1b}[0m";

/// The text as a console may show it.
///
/// Line feeds and tabs stay, a carriage return before a line feed goes. Complete escape sequences go, except
/// for those of colours where [`Colours::Keep`] says so. Every other control character, and every character
/// that changes the direction of writing, becomes visible.
#[must_use]
pub fn printable(text: &str, colours: Colours) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut coloured = false;
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => push_text(&mut shown, text),
            Piece::Stray(c) => push_visible(&mut shown, c),
            Piece::Attributes(sequence) if colours == Colours::Keep => {
                // The form of 8 bits is written as the one of 7, which every terminal knows.
                let body = sequence.trim_start_matches(['\u{1b}', '\u{9b}', '[']);
                shown.push_str("\u{1b}[");
                shown.push_str(body);
                coloured = true;
            }
            Piece::Attributes(_) | Piece::Sequence => {}
        }
    }
    if coloured {
        shown.push_str(RESET);
    }
    Cow::Owned(shown)
}

/// The text without complete escape sequences; all else stays as it is.
#[must_use]
pub fn without_sequences(text: &str) -> Cow<'_, str> {
    if !text.contains(is_introducer) {
        return Cow::Borrowed(text);
    }
    let mut rest = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => rest.push_str(text),
            Piece::Stray(c) => rest.push(c),
            Piece::Attributes(_) | Piece::Sequence => {}
        }
    }
    Cow::Owned(rest)
}

/// The bytes as text in which nothing is hidden: control characters but line feed and tab become visible,
/// escape sequences stay as visible characters, and bytes that are not UTF-8 become `\xNN`. For diffs.
#[must_use]
pub fn visible(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes)
        && !text.contains(is_unprintable)
    {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_unprintable(c) { push_visible(&mut shown, c) } else { shown.push(c) }
        }
        for byte in chunk.invalid() {
            push_formatted(&mut shown, format_args!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(shown)
}

/// Whether a character may not be shown as it is: it controls the terminal, or hides or reorders what is beside it.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Marks, embeddings, overrides and isolates of direction; separators; the byte order mark.
        '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => true,
        c => c.is_control(),
    }
}

fn push_text(shown: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(is_unprintable) {
        shown.push_str(&rest[..at]);
        let c = rest[at..].chars().next().unwrap_or_default();
        rest = &rest[at + c.len_utf8()..];
        if c != '\r' || !rest.starts_with('\n') {
            push_visible(shown, c);
        }
    }
    shown.push_str(rest);
}

/// Control characters as their pictures (U+2400 and on), others as `\u{202e}`.
fn push_visible(shown: &mut String, c: char) {
    match c {
        '\0'..='\u{1f}' => shown.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
        '\u{7f}' => shown.push('␡'),
        c => push_formatted(shown, format_args!("\\u{{{:x}}}", c as u32)),
    }
}

fn push_formatted(shown: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = shown.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Colours, RESET, is_unprintable, printable, visible};

    #[test]
    fn colours_may_stay_and_are_ended() {
        let text = "\u{1b}[31mred\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}1mx";
        assert_eq!(printable(text, Colours::Keep), "\u{1b}[31mred\u{1b}[1mx\u{1b}[0m");
        assert_eq!(printable(text, Colours::Remove), "redx");
    }

    #[test]
    fn what_is_hidden_becomes_visible() {
        assert_eq!(printable("a\u{7}b\u{8}c\r\nd\re\u{1b}", Colours::Keep), "a␇b␈c\nd␍e␛");
        assert_eq!(printable("\u{202e}\u{9b}", Colours::Remove), "\\u{202e}\\u{9b}");
        assert_eq!(visible(b"a\xffb\r\n\x1b[1m\tx"), "a\\xffb␍\n␛[1m\tx");
    }

    proptest! {
        #[test]
        fn no_control_reaches_the_console(bytes in proptest::collection::vec(any::<u8>(), 0..96), text in any::<String>()) {
            for text in [text.as_str(), &String::from_utf8_lossy(&bytes)] {
                assert!(!printable(text, Colours::Remove).contains(is_unprintable));
                assert!(!visible(text.as_bytes()).contains(is_unprintable));
                let kept = printable(text, Colours::Keep);
                if kept.contains('\u{1b}') {
                    assert!(kept.ends_with(RESET));
                }
            }
            assert!(!visible(&bytes).contains(is_unprintable));
        }

        #[test]
        fn colours_survive_and_nothing_else_does(parts in proptest::collection::vec("(\u{1b}\\[[0-9;]{0,4}[mJKH]|\u{1b}|a|\\[|\u{9b}|m|\u{7}|\u{1b}\\]0;)", 0..16)) {
            let kept = printable(&parts.concat(), Colours::Keep).into_owned();
            let mut rest = kept.as_str();
            while let Some(at) = rest.find('\u{1b}') {
                let body = rest[at + 1..].strip_prefix('[').expect("a sequence of attributes");
                rest = body.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').strip_prefix('m').expect("its end");
            }
        }
    }
}
