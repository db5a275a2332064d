//! Finds the escape sequences of terminals in a text, after ECMA-48 (5th edition, sections 5.4 and 5.6).

/// The longest control string (a title, a link) that is taken for one; a longer one is text after a stray ESC.
const LONGEST_STRING: usize = 4096;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Characters that are no part of an escape sequence; may hold control characters other than ESC.
    Text(&'a str),
    /// A complete sequence that sets colours or other attributes of characters (`ESC [ … m`).
    Attributes(&'a str),
    /// Any other complete sequence.
    Sequence,
    /// ESC, or a C1 control, that begins no complete sequence.
    Stray(char),
}

/// Splits a text into pieces. A sequence that does not end is no sequence, so nothing after it is lost.
pub(crate) fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text }
}

/// See [`pieces`].
pub(crate) struct Pieces<'a> {
    rest: &'a str,
}

/// Whether a character can begin an escape sequence.
pub(crate) fn is_introducer(c: char) -> bool {
    matches!(c, '\u{1b}' | '\u{80}'..='\u{9f}')
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let first = self.rest.chars().next()?;
        if !is_introducer(first) {
            let end = self.rest.find(is_introducer).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(Piece::Text(text));
        }
        let (length, piece) = match sequence(self.rest, first) {
            Some((length, true)) => (length, Piece::Attributes(&self.rest[..length])),
            Some((length, false)) => (length, Piece::Sequence),
            None => (first.len_utf8(), Piece::Stray(first)),
        };
        self.rest = &self.rest[length..];
        Some(piece)
    }
}

/// The length of the sequence at the start of `text`, and whether it sets attributes.
fn sequence(text: &str, first: char) -> Option<(usize, bool)> {
    let after = &text[first.len_utf8()..];
    let (kind, skip) = match first {
        '\u{1b}' => {
            let kind = after.chars().next()?;
            (kind, 1 + kind.len_utf8())
        }
        // The C1 control of 8 bits is the same as ESC and the character 0x40 below it.
        c1 => (char::from_u32(c1 as u32 - 0x40)?, first.len_utf8()),
    };
    let body = &text[skip..];
    match kind {
        '[' => {
            let parameters = body.bytes().take_while(|byte| (0x30..=0x3f).contains(byte)).count();
            let between = body[parameters..].bytes().take_while(|byte| (0x20..=0x2f).contains(byte)).count();
            let last = body.as_bytes().get(parameters + between)?;
            let plain = body[..parameters].bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':'));
            (0x40..=0x7e)
                .contains(last)
                .then_some((skip + parameters + between + 1, *last == b'm' && between == 0 && plain))
        }
        ']' | 'P' | 'X' | '^' | '_' => Some((skip + control_string(body)?, false)),
        ' '..='/' if first == '\u{1b}' => {
            let between = body.bytes().take_while(|byte| (0x20..=0x2f).contains(byte)).count();
            let last = body.as_bytes().get(between)?;
            (0x30..=0x7e).contains(last).then_some((skip + between + 1, false))
        }
        '0'..='~' if first == '\u{1b}' => Some((skip, false)),
        _ => None,
    }
}

/// The length of a control string with its terminator: BEL, ESC `\`, or ST.
fn control_string(body: &str) -> Option<usize> {
    for (at, c) in body.char_indices().take(LONGEST_STRING) {
        match c {
            '\u{7}' | '\u{9c}' => return Some(at + c.len_utf8()),
            '\u{1b}' => return body[at + 1..].starts_with('\\').then_some(at + 2),
            '\n' | '\r' | '\0' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces};

    #[test]
    fn sequences_are_found_whole() {
        use Piece::{Attributes, Sequence, Stray, Text};
        let all = |text| pieces(text).collect::<Vec<_>>();
        assert_eq!(
            all("a\u{1b}[1;31mb\u{1b}[0m"),
            [Text("a"), Attributes("\u{1b}[1;31m"), Text("b"), Attributes("\u{1b}[0m")]
        );
        assert_eq!(all("\u{1b}[2Jx"), [Sequence, Text("x")]);
        assert_eq!(all("\u{1b}]0;title\u{7}x"), [Sequence, Text("x")]);
        assert_eq!(
            all("\u{1b}]8;;http://a\u{1b}\\link\u{1b}]8;;\u{1b}\\"),
            [Sequence, Text("link"), Sequence]
        );
        assert_eq!(all("\u{1b}P$qm\u{1b}\\x"), [Sequence, Text("x")]);
        assert_eq!(all("\u{9b}31mx"), [Attributes("\u{9b}31m"), Text("x")]);
        assert_eq!(all("\u{1b}(Bx\u{1b}7"), [Sequence, Text("x"), Sequence]);
        assert_eq!(all("\u{1b}[>4;1mx"), [Sequence, Text("x")]);
        assert_eq!(all("\u{1b}]unterminated\nx"), [Stray('\u{1b}'), Text("]unterminated\nx")]);
        assert_eq!(all("\u{1b}[1é"), [Stray('\u{1b}'), Text("[1é")]);
        assert_eq!(all("\u{85}\u{1b}"), [Stray('\u{85}'), Stray('\u{1b}')]);
    }
}
