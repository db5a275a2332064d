//! Regular expressions, and what is wrong with them.

use std::ops::Range;

use regex_syntax::ast::ErrorKind;

/// A regular expression, compiled when the descriptor is read; `^` and `$` match at line ends.
#[derive(Clone, Debug)]
pub struct Pattern(regex::Regex);

/// Why a text is not a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PatternError {
    /// What is wrong, in one line.
    pub message: String,
    /// How to put it right.
    pub help: &'static str,
    /// Where, in bytes of the expression; of one that is too large, all of it.
    pub place: Range<usize>,
}

impl PatternError {
    /// What the crate `regex` finds wrong with an expression.
    #[must_use]
    pub fn of(source: &str, error: &regex::Error) -> Self {
        let parsed = regex_syntax::ParserBuilder::new().multi_line(true).build().parse(source);
        let (message, help, span) = match &parsed {
            Err(regex_syntax::Error::Parse(error)) => {
                (error.kind().to_string(), help(error.kind()), Some(*error.span()))
            }
            Err(regex_syntax::Error::Translate(error)) => {
                (error.kind().to_string(), "take it out, or write it in another way", Some(*error.span()))
            }
            _ => (
                format!("too large when it is compiled: more than {} MiB", Pattern::SIZE_LIMIT >> 20),
                "write smaller counts in braces, or `*` and `+` instead of them",
                None,
            ),
        };
        let message = match (&parsed, error) {
            (Err(_), _) | (_, regex::Error::CompiledTooBig(_)) => message,
            (_, other) => other.to_string(),
        };
        let place = span.map_or(0..source.len(), |span| span.start.offset..span.end.offset);
        Self { message, help, place }
    }
}

/// What to do about a mistake in a regular expression.
fn help(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::EscapeUnrecognized => {
            "take the backslash away; a backslash that is meant as it stands is written `\\\\`"
        }
        ErrorKind::EscapeUnexpectedEof => "a backslash that is meant as it stands is written `\\\\`",
        ErrorKind::UnsupportedBackreference => {
            "there are no references to groups: write out what is to follow, or compare in a program"
        }
        ErrorKind::UnsupportedLookAround => {
            "match what stands around it, too; what must not be there goes into a matcher of its own, as in \
             { \"not\": { \"matches\": … } }"
        }
        ErrorKind::ClassUnclosed | ErrorKind::ClassRangeInvalid | ErrorKind::ClassRangeLiteral => {
            "close it with `]` and write ranges upwards, as in `[a-z]`; a bracket that is meant as it stands is \
             written `\\[`"
        }
        ErrorKind::GroupUnclosed | ErrorKind::GroupUnopened => {
            "write the other parenthesis, too; one that is meant as it stands is written `\\(` or `\\)`, in JSON \
             and in double quotes `\\\\(`"
        }
        ErrorKind::RepetitionMissing => {
            "write before it what is repeated; a sign that is meant as it stands has a backslash before it, as in `\\*`"
        }
        ErrorKind::RepetitionCountInvalid
        | ErrorKind::RepetitionCountDecimalEmpty
        | ErrorKind::RepetitionCountUnclosed => {
            "write a count as in `{2}` or `{2,5}`; a brace that is meant as it stands is written `\\{`"
        }
        _ => {
            "write a character that is meant as it stands with a backslash before it, as in `\\(`; in JSON and in \
             double quotes with two"
        }
    }
}

impl Pattern {
    /// The largest compiled size in bytes; expressions such as `(a{1000}){1000}` exceed it.
    pub const SIZE_LIMIT: usize = 1 << 20;

    /// The longest expression, in bytes. What is longer hardly ever compiles within the limit, and takes long to read.
    pub const LONGEST: usize = 64 << 10;

    /// Compiles an expression in the syntax of the crate `regex`.
    ///
    /// # Errors
    /// [`PatternError`] when it is not valid, too long, or too large when compiled.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        if source.len() > Self::LONGEST {
            return Err(PatternError {
                message: format!("longer than {} KiB", Self::LONGEST >> 10),
                help: "look for a part of it, or compare with a file",
                place: 0..source.len(),
            });
        }
        regex::RegexBuilder::new(source)
            .multi_line(true)
            .size_limit(Self::SIZE_LIMIT)
            .dfa_size_limit(Self::SIZE_LIMIT)
            .build()
            .map(Self)
            .map_err(|error| PatternError::of(source, &error))
    }

    /// The first group of the first match in a text that takes part in it, or the whole match where the expression has no
    /// group.
    #[must_use]
    pub fn first_group<'t>(&self, text: &'t str) -> Option<&'t str> {
        let captures = self.0.captures(text)?;
        let found = match captures.len() {
            1 => captures.get(0),
            _ => captures.iter().skip(1).flatten().next(),
        };
        found.map(|found| found.as_str())
    }

    /// The compiled expression.
    #[must_use]
    pub fn regex(&self) -> &regex::Regex {
        &self.0
    }
}
