//! How a mistake in a file is shown: the message, its place, the source line with a caret, what to do about it.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

/// How much of a source line is shown before and after the place, in characters.
const BEFORE: usize = 70;
const AFTER: usize = 50;

/// The part of a source line around something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLine {
    text: Box<str>,
    range: Range<usize>,
}

impl SourceLine {
    /// The part of a line around the bytes from `start` to `end`. Control characters, which a terminal would obey, are
    /// shown as U+FFFD.
    #[must_use]
    pub fn around(line: &str, start: usize, end: usize) -> Self {
        let (text, range) = cut(line, start, end);
        Self { text: text.into(), range }
    }
}

/// The message, `file:line:column`, the line with a caret below, and the help, over several lines.
#[must_use]
pub fn render(
    message: &str,
    (file, line, column): (&str, u32, u32),
    source: Option<&SourceLine>,
    help: Option<&str>,
) -> String {
    let origin = Origin::path(file).line(line as usize).char_column(column as usize);
    let mut group = Level::ERROR.primary_title(message).element(origin);
    if let Some(SourceLine { text, range }) = source {
        let annotation = AnnotationKind::Primary.span(range.clone());
        let snippet = Snippet::source(&**text).line_start(line as usize).fold(false).annotation(annotation);
        group = group.element(snippet);
    }
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help));
    }
    let rendered = Renderer::plain().term_width(200).render(&[group]);
    // The place and the snippet are given apart, as a cut line would yield a wrong column; the renderer puts
    // an empty heading between them.
    let lines: Vec<_> = rendered.lines().filter(|line| line.trim() != ":::").collect();
    lines.join("\n")
}

/// The part of a line around a range, and the range within that part. Control characters, which a terminal
/// would obey, are shown as U+FFFD.
fn cut(line: &str, start: usize, end: usize) -> (String, Range<usize>) {
    let from = line[..start].char_indices().rev().take(BEFORE).last().map_or(start, |(at, _)| at);
    let to = line[start..].char_indices().nth(AFTER).map_or(line.len(), |(at, _)| start + at);
    let mut text = String::with_capacity(to - from + 8);
    if from > 0 {
        text.push('…');
    }
    let mut range = None;
    let mut range_end = None;
    for (at, character) in line[from..to].char_indices() {
        if from + at >= start && range.is_none() {
            range = Some(text.len());
        }
        if from + at >= end && range_end.is_none() {
            range_end = Some(text.len());
        }
        text.push(match character {
            '\t' => ' ',
            other if other.is_control() => '\u{FFFD}',
            other => other,
        });
    }
    let range_start = range.unwrap_or(text.len());
    let range_end = range_end.unwrap_or(text.len()).max(range_start);
    if to < line.len() {
        text.push('…');
    }
    (text, range_start..range_end)
}
