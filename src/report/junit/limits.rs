//! How much of what cases say is kept, so that a CI takes the file.

/// The most bytes kept of a stream of a case that passed: half from its beginning, half from its end.
pub(crate) const OUTPUT_OF_PASSED: usize = 8 << 10;

/// The most bytes kept of a stream of a case that did not pass.
pub(crate) const OUTPUT_OF_FAILED: usize = 64 << 10;

/// The most bytes kept of each text of a case when there are many.
pub(crate) const OUTPUT_OF_MANY: usize = 2 << 10;

/// How many bytes a file has at most, as far as outputs are the reason for its size. GitLab refuses one of 30 MB.
pub(crate) const FILE: usize = 30_000_000;

/// About what is said of a case that passed and printed nothing.
const MARKUP: usize = 400;

/// There is room for so many bytes of texts, however many cases there are.
const LEAST_ROOM: usize = 8_000_000;

/// How many bytes of texts a file has room for.
pub(crate) fn room(cases: usize) -> usize {
    FILE.saturating_sub(cases.saturating_mul(MARKUP)).max(LEAST_ROOM)
}

/// How many bytes are kept of each text of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of a stream.
    pub(crate) output: usize,
    /// Of what its failures say together.
    pub(crate) text: usize,
    /// Of what those of an earlier attempt say, and of each of its streams.
    pub(crate) rerun: usize,
    /// How many files are named.
    pub(crate) attachments: usize,
}

impl Limits {
    const MANY: Self =
        Self { output: OUTPUT_OF_MANY, text: OUTPUT_OF_MANY, rerun: OUTPUT_OF_MANY / 4, attachments: 10 };
    const NO_OUTPUT: Self = Self { output: 0, text: OUTPUT_OF_MANY / 8, rerun: 0, attachments: 2 };

    /// When `kept` bytes of the room are used. Whoever has thousands of failures reads the first ones; and what has passed
    /// leaves room for what fails later.
    pub(crate) fn at(kept: usize, room: usize, has_passed: bool) -> Self {
        let output = if has_passed { OUTPUT_OF_PASSED } else { OUTPUT_OF_FAILED };
        let usual = Self { output, text: 64 << 10, rerun: 8 << 10, attachments: 100 };
        match (kept.saturating_mul(12) / room.max(1), has_passed) {
            (0..4, true) | (0..8, false) => usual,
            (4..7, true) | (8..11, false) => Self::MANY,
            _ => Self::NO_OUTPUT,
        }
    }
}
