//! The words and signs of a text of SQL, as PostgreSQL reads it, without what is quoted and noted.

use std::ops::Range;

/// A part of a text that means something by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword or a plain name.
    Word,
    /// A sign.
    Sign(char),
    /// Anything else: a quoted text or name, a number.
    Other,
}

/// The tokens of a text with their places.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Goes behind the first `end`, or to the end.
    fn skip_behind(&mut self, end: &str) {
        self.at = self.rest().find(end).map_or(self.text.len(), |found| self.at + found + end.len());
    }

    fn skip_while(&mut self, belongs: impl Fn(char) -> bool) {
        self.at = self.rest().find(|c| !belongs(c)).map_or(self.text.len(), |found| self.at + found);
    }

    /// Goes behind space and notes.
    fn skip_space(&mut self) {
        loop {
            self.skip_while(char::is_whitespace);
            if self.rest().starts_with("--") {
                self.skip_behind("\n");
            } else if self.rest().starts_with("/*") {
                self.skip_note();
            } else {
                return;
            }
        }
    }

    /// Goes behind a note, in which others may stand.
    fn skip_note(&mut self) {
        let mut depth = 0_u32;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else if let Some(c) = rest.chars().next() {
                self.at += c.len_utf8();
            } else {
                return;
            }
        }
    }

    /// Goes behind what is quoted; a doubled quote belongs to it, and with `escapes` what stands behind a backslash.
    fn skip_quoted(&mut self, quote: char, escapes: Escapes) {
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            if c == '\\' && escapes == Escapes::Yes {
                chars.next();
            } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
                self.at += at + c.len_utf8();
                return;
            }
        }
        self.at = self.text.len();
    }

    /// Goes behind `$$ … $$` or `$tag$ … $tag$`; says whether one begins here.
    fn skip_dollars(&mut self) -> bool {
        let rest = self.rest();
        let tag = rest[1..].find(|c| !is_of_name(c) || c == '$').map(|end| &rest[..end + 2]);
        let Some(tag) =
            tag.filter(|tag| tag.ends_with('$') && !tag[1..].starts_with(|c: char| c.is_ascii_digit()))
        else {
            return false;
        };
        self.at += tag.len();
        self.skip_behind(tag);
        true
    }
}

/// Whether a backslash means something in a quoted text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Yes,
    No,
}

/// Whether a name can begin so.
pub(super) fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

/// Whether it can go on so.
pub(super) fn is_of_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit() || c == '$'
}

impl Iterator for Lexer<'_> {
    type Item = (Token, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_space();
        let start = self.at;
        let first = self.rest().chars().next()?;
        let token = match first {
            '\'' => {
                self.skip_quoted('\'', Escapes::No);
                Token::Other
            }
            '"' => {
                self.skip_quoted('"', Escapes::No);
                Token::Other
            }
            'e' | 'E' if self.rest()[1..].starts_with('\'') => {
                self.at += 1;
                self.skip_quoted('\'', Escapes::Yes);
                Token::Other
            }
            '$' if self.skip_dollars() => Token::Other,
            c if begins_name(c) => {
                self.skip_while(is_of_name);
                Token::Word
            }
            c if c.is_ascii_digit() => {
                self.skip_while(|c| is_of_name(c) || c == '.');
                Token::Other
            }
            c => {
                self.at += c.len_utf8();
                Token::Sign(c)
            }
        };
        Some((token, start..self.at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::{Lexer, Token};

    fn words(text: &str) -> Vec<&str> {
        Lexer::new(text).filter(|(token, _)| *token == Token::Word).map(|(_, range)| &text[range]).collect()
    }

    #[test]
    fn what_is_quoted_or_noted_is_no_word() {
        for (text, expected) in [
            ("a 'b; ''c' d", vec!["a", "d"]),
            (r"a 'b\' c 'd'", vec!["a", "c"]),
            (r"a E'b\' c' d", vec!["a", "d"]),
            ("a \"b\"\"c\" d", vec!["a", "d"]),
            ("a -- b\nc /* d /* e */ f */ g", vec!["a", "c", "g"]),
            ("a $$ b $x$ c $$ d", vec!["a", "d"]),
            ("a $x$ b $$ c $x$ d $1 e", vec!["a", "d", "e"]),
            ("a$1 b1e $ä$ c $ä$ 1e5 d", vec!["a$1", "b1e", "d"]),
            ("a 'b", vec!["a"]),
            ("a $$ b", vec!["a"]),
            ("a /* b", vec!["a"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn tokens_follow_each_other(text in "[a$'\"E1/*\\- ;:\nä\\\\]{0,20}") {
            let mut end = 0;
            for (_, range) in Lexer::new(&text) {
                assert!(range.start >= end && range.end > range.start && text.is_char_boundary(range.end));
                end = range.end;
            }
        }
    }
}
