//! Mistakes in expressions, shown at their place.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Why a text is no expression. Shown over several lines: what is wrong, the expression with a caret under the
/// place, and a way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rendered}")]
pub struct ExpressionError {
    /// What is wrong, in one line.
    pub message: String,
    /// Where, in bytes of the expression.
    pub place: Range<usize>,
    /// How to put it right.
    pub suggestion: Option<String>,
    rendered: String,
}

/// A mistake before it is rendered.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) place: Range<usize>,
    pub(super) suggestion: Option<String>,
}

impl Mistake {
    pub(super) fn new(place: Range<usize>, message: impl Into<String>) -> Self {
        // The end of the text is a place, too.
        let place = place.start..place.end.max(place.start + 1);
        Self { message: message.into(), place, suggestion: None }
    }

    pub(super) fn help(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Shows it in the text that it was found in.
    pub(super) fn in_text(self, text: &str) -> ExpressionError {
        // A line of its own for each line break, or a control character, would move the caret.
        let shown: String = text.chars().map(harmless).collect();
        let place = moved(text, self.place.start)..moved(text, self.place.end);
        let snippet = Snippet::source(shown).annotation(AnnotationKind::Primary.span(place));
        let group = Level::ERROR.primary_title(self.message.as_str()).element(snippet);
        let group = match &self.suggestion {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        };
        let rendered = Renderer::plain().term_width(200).render(&[group]);
        ExpressionError { rendered, message: self.message, place: self.place, suggestion: self.suggestion }
    }
}

fn harmless(character: char) -> char {
    match character {
        '\t' | '\n' | '\r' => ' ',
        other if other.is_control() => '\u{FFFD}',
        other => other,
    }
}

/// Where a byte of the text stands once every character is harmless.
fn moved(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or(text);
    before.chars().map(|character| harmless(character).len_utf8()).sum()
}
