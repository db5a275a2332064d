//! Text that may stand in XML 1.0: <https://www.w3.org/TR/xml/#charsets>.

use std::borrow::Cow;

use crate::text::escape::{Piece, pieces};

/// Whether XML 1.0 allows a character.
#[must_use]
pub fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The text without the escape sequences of terminals, and with every character that XML forbids replaced by
/// U+FFFD. Markup such as `<` is left to whoever writes the XML.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !is_suspicious(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => {
                clean.extend(text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }));
            }
            Piece::Stray(c) => clean.push(if is_allowed(c) { c } else { '\u{fffd}' }),
            Piece::Attributes(_) | Piece::Sequence => {}
        }
    }
    Cow::Owned(clean)
}

/// Like [`clean`], for the inside of a CDATA section that is copied as it stands, so that it reads back as it was: `]]>`
/// is spread over two sections, and carriage returns stand between them as references, since parsers make line feeds of
/// bare ones.
#[must_use]
pub fn cdata(text: &str) -> Cow<'_, str> {
    let mut clean = clean(text);
    if clean.contains("]]>") {
        clean = Cow::Owned(clean.replace("]]>", "]]]]><![CDATA[>"));
    }
    if !clean.contains('\r') {
        return clean;
    }
    let mut safe = String::with_capacity(clean.len() + clean.len() / 4);
    let mut rest = &*clean;
    while let Some(at) = rest.find('\r') {
        let (before, returns) = rest.split_at(at);
        rest = returns.trim_start_matches('\r');
        safe.push_str(before);
        safe.push_str("]]>");
        // A carriage return that parsers keep, as many as stand together.
        safe.extend(std::iter::repeat_n("&#13;", returns.len() - rest.len()));
        safe.push_str("<![CDATA[");
    }
    safe.push_str(rest);
    Cow::Owned(safe)
}

/// Like [`clean`], in one line: line breaks and tabs become single blanks, since readers of XML lose them in
/// attributes.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    if all(text.as_bytes(), |byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let breaks = |c| matches!(c, '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let clean = clean(text);
    if !clean.contains(breaks) {
        return clean;
    }
    let words: Vec<&str> = clean.split(breaks).map(str::trim).filter(|part| !part.is_empty()).collect();
    Cow::Owned(words.join(" "))
}

/// Whether every character has to be looked at: a control character, or what may be the start of U+0080 to U+009F, U+FFFE
/// or U+FFFF, is there.
#[must_use]
pub fn is_suspicious(bytes: &[u8]) -> bool {
    if all(bytes, |byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')) {
        return false;
    }
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'\t' | b'\n' | b'\r' => false,
        0..=0x1f | 0xef => true,
        0xc2 => bytes.get(at + 1).is_some_and(|next| *next < 0xa0),
        _ => false,
    })
}

/// Whether something holds for all bytes. Blocks of them are looked at without a branch for each, which is faster.
fn all(bytes: &[u8], holds: impl Fn(u8) -> bool) -> bool {
    bytes.chunks(256).all(|block| block.iter().fold(true, |all, byte| all & holds(*byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{cdata, clean, is_allowed, one_line};

    #[test]
    fn forbidden_characters_become_visible_and_sequences_go() {
        assert_eq!(clean("a\0b\u{fffe}\u{ffff}\u{b}c\t\r\n\u{7f}"), "a�b���c\t\r\n\u{7f}");
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m \u{1b}]0;t\u{7}x \u{1b}"), "red x �");
        assert_eq!(clean("ünï\u{fffd}\u{10ffff}"), "ünï\u{fffd}\u{10ffff}");
        assert!(matches!(clean("plain <ü> ]]>"), std::borrow::Cow::Borrowed(_)));
    }

    #[test]
    fn the_end_of_a_section_is_split() {
        assert_eq!(cdata("a]]>b]]]>"), "a]]]]><![CDATA[>b]]]]]><![CDATA[>");
        assert_eq!(cdata("b\r\nc\r\r\rd"), "b]]>&#13;<![CDATA[\nc]]>&#13;&#13;&#13;<![CDATA[d");
        assert_eq!(cdata("\r]]>\r"), "]]>&#13;<![CDATA[]]]]><![CDATA[>]]>&#13;<![CDATA[");
        // A sequence between the characters must not hide them.
        assert_eq!(cdata("]\u{1b}[0m]>"), "]]]]><![CDATA[>");
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line("a\r\n  b\tc\u{2028}d\n"), "a b c d");
        assert_eq!(one_line(" kept  as is "), " kept  as is ");
    }

    /// What a parser makes of a section with this inside, by the rules of XML: bare carriage returns are lost.
    fn read_back(inside: &str) -> String {
        let document = format!("<![CDATA[{inside}]]>").replace("\r\n", "\n").replace('\r', "\n");
        let (mut rest, mut text) = (document.as_str(), String::new());
        while !rest.is_empty() {
            rest = match rest.strip_prefix("<![CDATA[") {
                Some(section) => {
                    let (inside, rest) = section.split_once("]]>").expect("closed");
                    text.push_str(inside);
                    rest
                }
                None => {
                    text.push('\r');
                    rest.strip_prefix("&#13;").expect("nothing else between sections")
                }
            };
        }
        text
    }

    proptest! {
        #[test]
        fn any_text_becomes_xml(text in any::<String>(), bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            for text in [text.as_str(), &String::from_utf8_lossy(&bytes)] {
                assert!(clean(text).chars().all(is_allowed));
                assert_eq!(read_back(&cdata(text)), clean(text));
                assert!(!one_line(text).contains(['\n', '\r', '\t']));
            }
        }
    }
}
