//! The texts that spans point into, and the lines and columns of a place in them.

use std::borrow::Cow;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock};

use siphasher::sip::SipHasher13;

use crate::descriptor::node::{SourceId, Span};
use crate::model::Position;
use crate::text::Variables;
use crate::text::mistake::SourceLine;

/// The text of one file.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path by which positions name the file.
    pub(crate) path: Arc<str>,
    /// The text, without a byte order mark.
    pub(crate) text: String,
    index: OnceLock<Index>,
}

/// What makes a position cheap to find, even on one line of megabytes.
#[derive(Debug)]
struct Index {
    /// Where each line begins.
    lines: Vec<u32>,
    /// How many characters stand before each block of [`BLOCK`] bytes.
    characters: Vec<u32>,
}

const BLOCK: usize = 128;

/// How long a text may be that has no index, in bytes: to look takes less time.
const SHORT: usize = 1024;

/// Bytes that begin a character, in UTF-8.
fn count_characters(bytes: &[u8]) -> u32 {
    let count = bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Source {
    /// A text and the path that names it.
    pub(crate) fn new(path: Arc<str>, text: String) -> Self {
        Self { path, text, index: OnceLock::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let line_ends = bytes.iter().zip(1_u32..).filter(|(byte, _)| **byte == b'\n');
            let lines = std::iter::once(0).chain(line_ends.map(|(_, next)| next)).collect();
            let mut before = 0;
            let mut characters = Vec::with_capacity(bytes.len() / BLOCK + 1);
            for block in bytes.chunks(BLOCK) {
                characters.push(before);
                before += count_characters(block);
            }
            Index { lines, characters }
        })
    }

    /// How many characters stand before a byte.
    fn characters_before(&self, offset: usize) -> u32 {
        if offset < SHORT {
            return count_characters(&self.text.as_bytes()[..offset]);
        }
        let block = (offset / BLOCK).min(self.index().characters.len().saturating_sub(1));
        let before = self.index().characters.get(block).copied().unwrap_or(0);
        before + count_characters(&self.text.as_bytes()[block * BLOCK..offset])
    }

    /// The line, from 1, and the byte at which it begins.
    fn line_of(&self, offset: usize) -> (u32, usize) {
        if self.text.len() <= SHORT {
            let before = &self.text.as_bytes()[..offset];
            let ends = before.iter().filter(|byte| **byte == b'\n').count();
            let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            return (u32::try_from(ends + 1).unwrap_or(u32::MAX), start);
        }
        let lines = &self.index().lines;
        let line = lines.partition_point(|start| *start as usize <= offset).max(1);
        (u32::try_from(line).unwrap_or(u32::MAX), lines[line - 1] as usize)
    }

    /// The byte at which a line, from 1, begins.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        let lines = &self.index().lines;
        lines.get(line.saturating_sub(1)).map_or(self.text.len(), |start| *start as usize)
    }

    /// The line and column of a byte; a place beyond the end is the end.
    pub(crate) fn position(&self, offset: u32) -> Position {
        let offset = (offset as usize).min(self.text.len());
        let (line, line_start) = self.line_of(offset);
        let column = self.characters_before(offset).saturating_sub(self.characters_before(line_start)) + 1;
        Position { file: Arc::clone(&self.path), line, column }
    }

    /// The line that holds a byte, without its end, and where it begins.
    fn line_text(&self, offset: u32) -> (&str, usize) {
        let offset = (offset as usize).min(self.text.len());
        let (_, start) = self.line_of(offset);
        let rest = &self.text[start..];
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        (line.strip_suffix('\r').unwrap_or(line), start)
    }
}

impl Source {
    /// The line of a place, as messages show it.
    pub(crate) fn source_line(&self, span: Span) -> SourceLine {
        let (line, line_start) = self.line_text(span.start);
        let start = (span.start as usize).saturating_sub(line_start).min(line.len());
        let end = (span.end as usize).saturating_sub(line_start).clamp(start, line.len());
        SourceLine::around(line, start, end)
    }
}

/// The texts that a merged tree may point into.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Vec<Arc<Source>>);

impl Sources {
    /// The id that the next text gets.
    pub(crate) fn next_id(&self) -> SourceId {
        SourceId(u32::try_from(self.0.len()).unwrap_or(u32::MAX))
    }

    /// These texts and one more.
    pub(crate) fn with(&self, source: Arc<Source>) -> Self {
        Self(self.0.iter().cloned().chain([source]).collect())
    }

    /// The text a span points into.
    pub(crate) fn get(&self, id: SourceId) -> &Source {
        &self.0[id.0 as usize]
    }

    /// The number that stands at a place, as it is written but for the underscores that TOML has between digits; none
    /// where something else does, such as a template.
    pub(crate) fn number(&self, span: Span) -> Option<Cow<'_, str>> {
        match span.number(&self.get(span.source).text) {
            "" => None,
            number if number.contains('_') => Some(number.replace('_', "").into()),
            number => Some(number.into()),
        }
    }

    /// A hash of all texts, and of the values that replace some of theirs.
    pub(crate) fn digest(&self, overrides: &Variables) -> u32 {
        let mut hasher = SipHasher13::new();
        for source in &self.0 {
            source.text.hash(&mut hasher);
        }
        for (name, value) in overrides {
            (name, value.to_string()).hash(&mut hasher);
        }
        // Half of the bits are enough to tell versions of one case from each other.
        u32::try_from(hasher.finish() >> 32).unwrap_or_default()
    }

    /// Where a span begins.
    pub(crate) fn position(&self, span: Span) -> Position {
        self.get(span.source).position(span.start)
    }
}
