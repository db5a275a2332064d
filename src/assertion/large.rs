//! Files that are too large to be read as a whole: each test reads one as far as it needs to, in little memory.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;

use crate::assertion::content::{LARGEST_FILE, Reading};
use crate::assertion::lines::{LineTest, Mismatch};
use crate::assertion::matcher::{Context, Problem, SHOWN_OF_FILE};
use crate::assertion::search::{self, Place};
use crate::assertion::{bytes, wording};
use crate::model::{BytesTest, FailureKind, Pattern, Test};
use crate::text::excerpt::excerpt_bytes;
use crate::text::terminal::visible;

/// How many bytes are read at once.
const PIECE: usize = 256 << 10;

/// How many are read at once to be matched: some expressions take microseconds for each.
const PIECE_TO_MATCH: usize = 16 << 10;

/// The longest text that is matched at once.
const AT_ONCE: usize = 64 << 10;

/// How many bytes are shown before and from a difference on.
const SHOWN: (u64, u64) = (60, 240);

/// How many lines are shown from a difference on.
const SHOWN_LINES: usize = 3;

/// A file that is too large to be read as a whole.
#[derive(Debug)]
pub(crate) struct Large {
    file: File,
    length: u64,
}

impl Large {
    pub(crate) fn new(file: File, length: u64) -> Self {
        Self { file, length }
    }

    /// How many bytes it had when it was opened; what comes later is not looked at.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    fn pass<'a>(&'a self, from: u64, go_on: &'a dyn Fn() -> bool) -> Pass<'a> {
        Pass { large: self, at: from, go_on }
    }

    /// As many bytes from this place on, or those there are.
    fn part(&self, from: u64, count: usize, go_on: &dyn Fn() -> bool) -> io::Result<Vec<u8>> {
        let mut part = Vec::new();
        self.pass(from.min(self.length), go_on).take(count as u64).read_to_end(&mut part)?;
        Ok(part)
    }

    /// Gives each line to `look`, without its line feed, until that breaks.
    fn lines(
        &self,
        go_on: &dyn Fn() -> bool,
        mut look: impl FnMut(&str) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(PIECE, self.pass(0, go_on));
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            (&mut reader).take(LARGEST_FILE + 1).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                break;
            }
            if line.pop_if(|last| *last == b'\n').is_none() && line.len() as u64 > LARGEST_FILE {
                let message = format!("its line {number} has more than {LARGEST_FILE} bytes");
                return Err(io::Error::other(message));
            }
            if look(&String::from_utf8_lossy(&line)).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// One reading of a large file, from a place on.
struct Pass<'a> {
    large: &'a Large,
    at: u64,
    go_on: &'a dyn Fn() -> bool,
}

/// It takes too long.
#[derive(Debug, thiserror::Error)]
#[error("the time is over")]
struct Stopped;

impl Read for Pass<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !(self.go_on)() {
            return Err(io::Error::other(Stopped));
        }
        let left = usize::try_from(self.large.length - self.at).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let count = self.large.file.read_at(&mut buffer[..most], self.at)?;
        if count == 0 && most > 0 {
            return Err(io::Error::other("it has become shorter meanwhile"));
        }
        self.at += count as u64;
        Ok(count)
    }
}

/// One reading of a text.
struct TextPass<'a> {
    rest: &'a [u8],
    go_on: &'a dyn Fn() -> bool,
}

impl Read for TextPass<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.go_on)() { self.rest.read(buffer) } else { Err(io::Error::other(Stopped)) }
    }
}

/// One of two contents that are compared.
#[derive(Clone, Copy)]
pub(crate) enum Side<'a> {
    Whole(&'a [u8]),
    Large(&'a Large),
}

impl<'a> Side<'a> {
    fn length(self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Large(large) => large.length,
        }
    }

    fn pass(self, from: u64, go_on: &'a dyn Fn() -> bool) -> Box<dyn Read + 'a> {
        match self {
            Self::Whole(bytes) => {
                Box::new(&bytes[usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len())..])
            }
            Self::Large(large) => Box::new(large.pass(from.min(large.length), go_on)),
        }
    }

    /// The first lines from this place on, each with a sign before it.
    fn lines_from(self, from: u64, sign: char, go_on: &'a dyn Fn() -> bool) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.pass(from, go_on).take(SHOWN.0 + SHOWN.1).read_to_end(&mut bytes)?;
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').take(SHOWN_LINES);
        Ok(lines.map(|line| format!("{sign}{}\n", visible(line).trim_end_matches('\n'))).collect())
    }
}

impl Context<'_> {
    /// Whether the test holds of the large file; none where it is not told of one as such.
    pub(crate) fn of_large(&self, large: &Large, test: &Test) -> Option<Result<(), Problem>> {
        Some(match test {
            Test::Empty(expected) => self.late(expected).and_then(|expected| {
                let found = || format!("{}: expected nothing, found {} bytes", self.name, large.length);
                self.hold(!*expected, found)
            }),
            Test::Contains(text) => self.render(text).and_then(|text| self.large_contains(large, &text)),
            Test::Equals(text) => {
                self.render(text).and_then(|text| self.same(Side::Whole(text.as_bytes()), Side::Large(large)))
            }
            Test::Matches(pattern) => {
                self.late(pattern).and_then(|pattern| self.large_matches(large, &pattern))
            }
            Test::Bytes(test) => self.late(test).and_then(|test| self.large_bytes(large, &test)),
            _ => return None,
        })
    }

    fn large_contains(&self, large: &Large, text: &str) -> Result<(), Problem> {
        let holds = search::contains(large.pass(0, self.setting.go_on), PIECE, text.as_bytes())
            .map_err(|error| self.broken(&error))?;
        self.hold(holds, || format!("{} does not contain {}", self.name, wording::quote(text.as_bytes())))
    }

    fn large_bytes(&self, large: &Large, test: &BytesTest) -> Result<(), Problem> {
        // One byte more tells whether there are more.
        let count = test.bytes.len() + usize::from(test.at.is_none());
        let start = test.at.unwrap_or(0).min(large.length);
        let part = large.part(start, count, self.setting.go_on).map_err(|error| self.broken(&error))?;
        bytes::compare_from(self.name, &test.bytes, start, &part)
    }

    /// Whether a text matches. A long one is looked at piece by piece, as a search at once, which takes minutes with some
    /// expressions, could not be ended.
    pub(crate) fn is_match(&self, pattern: &Pattern, text: &str) -> Result<bool, Problem> {
        if text.len() > AT_ONCE {
            let pass = TextPass { rest: text.as_bytes(), go_on: self.setting.go_on };
            match search::matches(pass, PIECE_TO_MATCH, pattern) {
                Ok(holds) => return Ok(holds),
                Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Stopped>()) => {
                    return Err(self.broken(&error));
                }
                // There are expressions of which only a search at once can tell.
                Err(_) => {}
            }
        }
        Ok(pattern.regex().is_match(text))
    }

    fn large_matches(&self, large: &Large, pattern: &Pattern) -> Result<(), Problem> {
        let holds = search::matches(large.pass(0, self.setting.go_on), PIECE_TO_MATCH, pattern)
            .map_err(|error| self.broken(&error))?;
        let source = pattern.regex().as_str().as_bytes();
        self.hold(holds, || format!("{} does not match {}", self.name, wording::quote(source)))
    }

    /// Whether two contents, one of which is a large file, are the same.
    pub(crate) fn same(&self, expected: Side<'_>, found: Side<'_>) -> Result<(), Problem> {
        let go_on = self.setting.go_on;
        let difference = || -> io::Result<Option<(Place, String)>> {
            let passes = (expected.pass(0, go_on), found.pass(0, go_on));
            let Some(place) = search::first_difference(passes.0, passes.1, PIECE)? else { return Ok(None) };
            let from = place.line_start.max(place.byte.saturating_sub(SHOWN.0));
            let lines = expected.lines_from(from, '-', go_on)? + &found.lines_from(from, '+', go_on)?;
            Ok(Some((place, format!("-expected +actual, from byte {from} on\n{lines}"))))
        };
        match difference().map_err(|error| self.broken(&error))? {
            None => Ok(()),
            Some((Place { byte, line, .. }, detail)) => {
                let (name, expected, found) = (self.name, expected.length(), found.length());
                let lengths = match expected == found {
                    true => String::new(),
                    false => format!("; expected {expected} bytes, found {found}"),
                };
                let message = format!("{name} differs from line {line} on (byte {byte}{lengths})");
                Err(Problem::decided(message).with_detail(detail))
            }
        }
    }

    /// Gives the lines of the large file to a test, and says what came of it.
    pub(crate) fn lines_of_large(
        &self,
        large: &Large,
        mut test: impl LineTest,
    ) -> Result<Result<(), Mismatch>, Problem> {
        large.lines(self.setting.go_on, |line| test.line(line)).map_err(|error| self.broken(&error))?;
        Ok(test.end(self.name))
    }

    /// The line of this number, from 1, or from the end where it is negative; or how many there are.
    pub(crate) fn line_of_large(&self, large: &Large, number: i64) -> Result<Result<String, u64>, Problem> {
        let mut wanted = u64::try_from(number).ok();
        loop {
            let (mut count, mut line) = (0, None);
            let look = |text: &str| {
                count += 1;
                if wanted == Some(count) {
                    line = Some(text.to_owned());
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            large.lines(self.setting.go_on, look).map_err(|error| self.broken(&error))?;
            match (line, wanted) {
                (Some(line), _) => return Ok(Ok(line)),
                // Now it is known how many there are.
                (None, None) if number.unsigned_abs() <= count => {
                    wanted = Some(count - number.unsigned_abs() + 1);
                }
                (None, _) => return Ok(Err(count)),
            }
        }
    }

    /// The beginning of the large file, or its end.
    pub(crate) fn edge(&self, large: &Large, count: usize, is_end: bool) -> Result<Vec<u8>, Problem> {
        let from = if is_end { large.length.saturating_sub(count as u64) } else { 0 };
        large.part(from, count, self.setting.go_on).map_err(|error| self.broken(&error))
    }

    /// The beginning and the end of the large file.
    pub(crate) fn shown_of_large(&self, large: &Large) -> String {
        let bounds = SHOWN_OF_FILE;
        let share = bounds.bytes / 2;
        let [Ok(head), Ok(tail)] = [false, true].map(|is_end| self.edge(large, share, is_end)) else {
            return String::new();
        };
        let dropped = large.length - (head.len() + tail.len()) as u64;
        let excerpt = excerpt_bytes(&head, dropped, &tail, bounds);
        format!("{} holds:\n{}", self.name, visible(excerpt.as_bytes()))
    }

    /// Why more than is told of a large file cannot be told.
    pub(crate) fn too_large(&self, large: &Large) -> Problem {
        Problem::undecided(format!(
            "{} has {} bytes, more than the {LARGEST_FILE} that are looked at as a whole: of it only `equals`, `file`, \
             `bytes`, `contains`, `starts_with`, `ends_with`, `empty`, `matches`, `lines` and `unordered` can be told, \
             and a `line` captured; a step `run` can take out the rest",
            self.name, large.length
        ))
    }

    fn broken(&self, error: &io::Error) -> Problem {
        let problem = Problem::undecided(format!("{} cannot be compared: {error}", self.name));
        match error.get_ref() {
            Some(inner) if inner.is::<Stopped>() => Problem { kind: FailureKind::Timeout, ..problem },
            _ => problem,
        }
    }
}

impl Reading<'_> {
    /// The large file that it is.
    pub(crate) fn large(&self) -> Option<&Large> {
        match self {
            Self::Large(large) => Some(large),
            _ => None,
        }
    }
}
