//! What is wrong with a descriptor, shown at its place.

use std::ops::Range;

use crate::descriptor::node::Span;
use crate::descriptor::source::{Source, Sources};
use crate::descriptor::{kinds, synonyms};
use crate::model::{Failure, FailureKind, Position};
use crate::text::mistake::{self, SourceLine};
use crate::text::terminal::{Colours, printable};

/// The longest part of a user's text that a message repeats, in characters.
const QUOTED: usize = 60;

/// One mistake in a descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where it stands.
    pub position: Position,
    /// What is wrong, in one line.
    pub message: String,
    /// How to put it right.
    pub suggestion: Option<String>,
    /// All of it over several lines: the message, `file:line:column`, the source line with a caret below, and
    /// the suggestion. No more than 2 kB.
    pub rendered: String,
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            kind: FailureKind::Descriptor,
            position: diagnostic.position,
            step: None,
            message: diagnostic.message,
            detail: diagnostic.rendered,
        }
    }
}

impl Diagnostic {
    /// A mistake that has no source line, such as a file that is too large.
    #[must_use]
    pub fn without_source(position: Position, message: String, suggestion: Option<String>) -> Self {
        let rendered = mistake::render(&message, place(&position), None, suggestion.as_deref());
        Self { position, message, suggestion, rendered }
    }

    /// A mistake at a place in this text of the file.
    #[must_use]
    pub(crate) fn within(
        text: &Source,
        position: Position,
        message: String,
        suggestion: Option<String>,
    ) -> Self {
        let start = text.line_start(position.line as usize);
        let line = text.text[start..].lines().next().unwrap_or_default();
        let byte = |column: u32| line.char_indices().nth(column as usize).map_or(line.len(), |(at, _)| at);
        let source = SourceLine::around(line, byte(position.column.saturating_sub(1)), byte(position.column));
        let rendered = mistake::render(&message, place(&position), Some(&source), suggestion.as_deref());
        Self { position, message, suggestion, rendered }
    }
}

/// A mistake before its place is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
    first: Option<Span>,
    nearer: Option<Box<Nearer>>,
}

/// What a mistake is about, nearer than its place says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Nearer {
    Part(Part),
    /// The key whose value stands at the place.
    Key(&'static str),
}

/// A part of the text at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    text: String,
    range: Range<usize>,
}

impl Part {
    /// Where it stands in what was written for the text, if it stands there as it is: line by line, since a format may
    /// indent the lines of a text; else a template by itself, which is hardly written twice.
    fn find(&self, written: &str) -> Option<Range<usize>> {
        self.find_by_lines(written).or_else(|| self.find_template(written))
    }

    fn find_template(&self, written: &str) -> Option<Range<usize>> {
        let part = self.text.get(self.range.clone()).filter(|part| part.starts_with("{{"))?;
        written.find(part).map(|start| start..start + part.len())
    }

    fn find_by_lines(&self, written: &str) -> Option<Range<usize>> {
        let (mut from, mut begin) = (0, 0);
        for line in self.text.split('\n') {
            let at = from + written.get(from..)?.find(line)?;
            let end = begin + line.len();
            if self.range.start <= end {
                let start = at + self.range.start.checked_sub(begin)?;
                return Some(start..start + self.range.end.min(end) - self.range.start);
            }
            (from, begin) = (at + line.len(), end + 1);
        }
        None
    }
}

impl Problem {
    /// A mistake at a place.
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), suggestion: None, first: None, nearer: None }
    }

    /// Something of a feature that this program or test target was built without.
    pub(crate) fn not_built(span: Span, feature: &str) -> Self {
        Self::new(span, format!("this partest was built without the feature `{feature}`")).help(format!(
            "add `{feature}` to the features of partest: in Cargo.toml, or behind `--features` of `cargo install`"
        ))
    }

    /// Says how to put it right.
    pub(crate) fn help(mut self, suggestion: impl Into<String>) -> Self {
        // It may repeat what was written.
        self.suggestion = Some(printable(&suggestion.into(), Colours::Remove).into_owned());
        self
    }

    /// Names the place where the same thing stood first.
    pub(crate) fn first_at(mut self, span: Span) -> Self {
        self.first = Some(span);
        self
    }

    /// Says which part it is about of the text that is the value at the place.
    pub(crate) fn about(mut self, text: &str, range: Range<usize>) -> Self {
        self.nearer = Some(Box::new(Nearer::Part(Part { text: text.to_owned(), range })));
        self
    }

    /// Says that it is about the key whose value stands at the place.
    pub(crate) fn at_key(mut self, key: &'static str) -> Self {
        self.nearer = Some(Box::new(Nearer::Key(key)));
        self
    }

    /// The place of the key or part that it is about, if that is found.
    fn nearer(&self, text: &str) -> Option<Span> {
        let (start, end) = (self.span.start as usize, self.span.end as usize);
        match self.nearer.as_deref()? {
            Nearer::Key(key) => {
                let before = text.get(..start)?;
                let at = before.rfind(key)?;
                let between = &before[at + key.len()..];
                let is_value = !between.contains(|other: char| !"\"':=|>-+ \t\r\n".contains(other));
                is_value.then(|| Span::new(self.span.source, at, at + key.len()))
            }
            Nearer::Part(part) => {
                // The place of an object is in YAML only its beginning.
                let found =
                    part.find(text.get(start..end)?).or_else(|| part.find_template(text.get(start..)?))?;
                Some(Span::new(self.span.source, start + found.start, start + found.end))
            }
        }
    }

    /// Looks the places up and renders it.
    pub(crate) fn diagnose(self, sources: &Sources) -> Diagnostic {
        let source = sources.get(self.span.source);
        let span = self.nearer(&source.text).unwrap_or(self.span);
        let position = source.position(span.start);
        let message = match self.first {
            None => self.message,
            Some(first) => format!("{}; the first is at {}", self.message, sources.position(first)),
        };
        let line = source.source_line(span);
        let rendered = mistake::render(&message, place(&position), Some(&line), self.suggestion.as_deref());
        Diagnostic { position, message, suggestion: self.suggestion, rendered }
    }
}

fn place(position: &Position) -> (&str, u32, u32) {
    (&position.file, position.line, position.column)
}

/// A user's text as a message repeats it: on one line and not too long.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("`");
    for (index, character) in text.chars().enumerate() {
        if index == QUOTED {
            quoted.push('…');
            break;
        }
        match character {
            control if control.is_control() => quoted.extend(control.escape_default()),
            other => quoted.push(other),
        }
    }
    quoted.push('`');
    quoted
}

/// The known word that a user most likely meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > QUOTED {
        return None;
    }
    let tolerance = match word.chars().count() {
        0..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= tolerance && *distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// The same for a key, which may also be one of another tool; what is known must be valid in its place.
pub(crate) fn suggest_key(word: &str, known: &[&str]) -> Option<String> {
    match synonyms::meant(word, known) {
        Some(key) => Some(format!("did you mean `{key}`?")),
        None if ["args", "argv", "arguments"].contains(&word) => {
            Some("arguments stand in `run`, behind the program: [\"program\", \"argument\"]".to_owned())
        }
        // A case or a step.
        None if known.contains(&"capture")
            && let Some(key) = kinds::expected(word) =>
        {
            Some(format!("what is expected stands under `expect`: `{key}`"))
        }
        None => match synonyms::usual(word) {
            Some("cases") => Some("the list of the cases of a file is `cases`".to_owned()),
            Some(key) => Some(format!("if `{key}` is meant, it has no place here, or stands here already")),
            None => suggest(word, "known keys", known),
        },
    }
}

/// "did you mean" when something known is near, and else what is known.
pub(crate) fn suggest(word: &str, what: &str, known: &[&str]) -> Option<String> {
    match nearest(word, known.iter().copied()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None if known.is_empty() => None,
        None => {
            let list: Vec<_> = known.iter().take(40).map(|name| quote(name)).collect();
            let more = if known.len() > list.len() { ", …" } else { "" };
            Some(format!("{what}: {}{more}", list.join(", ")))
        }
    }
}
