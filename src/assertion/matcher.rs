//! Applies one test to one subject.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::Value;

use crate::assertion::content::Reading;
use crate::assertion::golden::Wanted;
use crate::assertion::json::{Differences, show, show_expected};
use crate::assertion::lines::{self, InOrder, Mismatch};
use crate::assertion::normalize::normalize;
use crate::assertion::unordered::{AnyOrder, in_any_order};
use crate::assertion::{Setting, bytes, diff, number, wording};
use crate::model::{
    Captured, ExitCodes, ExitStatus, FailureKind, Late, LateError, Matcher, Normalization, NumberTest, Test,
};
use crate::text::excerpt::{Bounds, excerpt_bytes};
use crate::text::terminal::visible;
use crate::text::{Template, from_json};

/// How much of a file is shown that does not hold what it should; of a stream, reports show the end anyway.
pub(crate) const SHOWN_OF_FILE: Bounds = Bounds { first_lines: 10, last_lines: 10, bytes: 4096 };

/// SIGKILL, which the kernel sends when memory runs out.
const SIGKILL: i32 = 9;

/// Why a test does not hold.
pub(crate) struct Problem {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
    pub(crate) detail: String,
    /// Whether the test was decided: one that could not be looked at does not hold under `not`, either.
    pub(crate) decided: bool,
    /// The golden file that is asked for, where that alone decides.
    pub(crate) golden: Option<Wanted>,
}

impl Problem {
    pub(crate) fn decided(message: String) -> Self {
        Self { kind: FailureKind::Expectation, message, detail: String::new(), decided: true, golden: None }
    }

    pub(crate) fn undecided(message: String) -> Self {
        Self { decided: false, ..Self::decided(message) }
    }

    pub(crate) fn with_detail(self, detail: String) -> Self {
        Self { detail, ..self }
    }

    /// The same with what the golden file should hold instead.
    pub(crate) fn with_golden(self, golden: Wanted) -> Self {
        Self { golden: Some(golden), ..self }
    }
}

impl From<LateError> for Problem {
    fn from(error: LateError) -> Self {
        Self { kind: FailureKind::Start, ..Self::undecided(error.message) }
    }
}

/// What a test is applied to.
pub(crate) struct Context<'a> {
    /// What the subject is called in messages.
    pub(crate) name: &'a str,
    pub(crate) reading: Reading<'a>,
    /// Whether a JSONPath has found it, by which a list is its items and not its text.
    pub(crate) is_found: bool,
    pub(crate) setting: &'a Setting<'a>,
}

impl Context<'_> {
    /// Whether the test holds.
    pub(crate) fn apply(&self, test: &Test) -> Result<(), Problem> {
        if let Some(result) = self.reading.large().and_then(|large| self.of_large(large, test)) {
            return result;
        }
        match test {
            Test::Exit(codes) => self.exit(&*self.late(codes)?),
            Test::Signal(number) => self.signal(*self.late(number)?),
            Test::Status(expected) => self.status(&self.late(expected)?),
            Test::Duration(pace) => self.duration(*self.late(pace)?),
            Test::Exists(expected) => self.exists(*self.late(expected)?),
            Test::Not(matchers) => self.not(matchers),
            Test::Empty(expected) => self.empty(*self.late(expected)?),
            Test::Contains(template) => self.contains(&self.render(template)?),
            Test::StartsWith(template) => self.starts_with(&self.render(template)?),
            Test::EndsWith(template) => self.ends_with(&self.render(template)?),
            Test::Equals(template) => self.equals(&self.render(template)?),
            Test::Digits(digits) => self.equals(&self.late(digits)?),
            Test::OneOf(alternatives) => self.one_of(alternatives),
            Test::Matches(pattern) => {
                let pattern = self.late(pattern)?;
                let found = String::from_utf8_lossy(self.whole()?);
                let name = self.name;
                self.hold(self.is_match(&pattern, &found)?, || {
                    format!("{name} does not match {}", wording::quote(pattern.regex().as_str().as_bytes()))
                })
            }
            Test::Json { value, exact } => self.json(value, *exact),
            Test::Value { value, exact } => self.value_equals(value, *exact),
            Test::JsonPath { query, expected } => self.json_path(&*self.late(query)?, expected),
            Test::File(golden) => self.golden(golden),
            Test::Lines(templates) => self.lines(templates, true),
            Test::Unordered(templates) => self.lines(templates, false),
            Test::Number(test) => self.number(&*self.late(test)?),
            Test::Bytes(test) => {
                let test = self.late(test)?;
                bytes::compare(self.name, &test.bytes, test.at, self.whole()?)
            }
            Test::Normalized { by, test } => self.normalized(by, test),
        }
    }

    pub(crate) fn render<'t>(&self, template: &'t Template) -> Result<Cow<'t, str>, Problem> {
        template.render(self.setting.variables).map_err(|error| {
            Problem::undecided(format!("{}: the expected text cannot be rendered: {error}", self.name))
        })
    }

    /// A value that may be made only now.
    pub(crate) fn late<'t, T: Clone>(&self, late: &'t Late<T>) -> Result<Cow<'t, T>, Problem> {
        late.value(self.setting.variables).map_err(Problem::from)
    }

    fn exit(&self, expected: &ExitCodes) -> Result<(), Problem> {
        let found = match self.ended()? {
            ExitStatus::Exited(code) => code,
            ExitStatus::Signaled(number) => {
                let hint = if number == SIGKILL { ", possibly out of memory" } else { "" };
                let message = format!("ended by {}{hint}", wording::signal(number));
                return Err(Problem { kind: FailureKind::Signal, ..Problem::decided(message) });
            }
        };
        let holds = match expected {
            ExitCodes::OneOf(codes) => codes.contains(&found),
            ExitCodes::Nonzero => found != 0,
        };
        let message = || format!("exit: expected {}, found {found}", wording::codes(expected));
        if holds { Ok(()) } else { Err(Problem::decided(message())) }
    }

    fn signal(&self, expected: i32) -> Result<(), Problem> {
        match self.ended()? {
            ExitStatus::Signaled(found) if found == expected => Ok(()),
            ExitStatus::Signaled(found) => {
                let message =
                    format!("ended by {}, expected {}", wording::signal(found), wording::signal(expected));
                Err(Problem { kind: FailureKind::Signal, ..Problem::decided(message) })
            }
            found @ ExitStatus::Exited(_) => Err(Problem::decided(format!(
                "expected the end by {}, found {found}",
                wording::signal(expected)
            ))),
        }
    }

    /// How the process ended.
    fn ended(&self) -> Result<ExitStatus, Problem> {
        match self.reading {
            Reading::Ended(status) => Ok(status),
            _ => Err(self.unseen()),
        }
    }

    pub(crate) fn unseen(&self) -> Problem {
        let message = format!("nothing was seen of {}", self.name);
        Problem { kind: FailureKind::Internal, ..Problem::undecided(message) }
    }

    fn exists(&self, expected: bool) -> Result<(), Problem> {
        match (expected, &self.reading) {
            (_, Reading::Hidden(reason)) => {
                let message = format!("whether {} exists cannot be told: {reason}", self.name);
                Err(Problem::undecided(message))
            }
            (true, Reading::Missing) => Err(Problem::decided(format!("{} does not exist", self.name))),
            (true, _) | (false, Reading::Missing) => Ok(()),
            (false, _) => Err(Problem::decided(format!("{} exists, and should not", self.name))),
        }
    }

    /// Whether all of them hold. One that could not be looked at is told before others, whatever their order.
    fn all(&self, matchers: &[Matcher]) -> Result<(), Problem> {
        let mut first = Ok(());
        for matcher in matchers {
            match self.apply(&matcher.test) {
                Err(problem) if !problem.decided => return Err(problem),
                result => first = first.and(result),
            }
        }
        first
    }

    fn not(&self, matchers: &[Matcher]) -> Result<(), Problem> {
        match self.all(matchers) {
            Ok(()) => {}
            Err(problem) if problem.decided => return Ok(()),
            // No golden file is made to differ from.
            Err(problem) => return Err(Problem { golden: None, ..problem }),
        }
        let tests: Vec<_> = matchers.iter().map(|matcher| wording::describe(&matcher.test)).collect();
        let message = format!("{}: expected not: {}", self.name, tests.join(" and "));
        Err(Problem::decided(message).with_detail(self.shown()))
    }

    fn empty(&self, expected: bool) -> Result<(), Problem> {
        let name = self.name;
        if let Reading::Cut(captured) = &self.reading {
            let message = || format!("{name}: expected nothing, found {} bytes", captured.written());
            return if expected { Err(Problem::decided(message())) } else { Ok(()) };
        }
        let is_empty = match &self.reading {
            Reading::Value(Value::Array(items), _) => items.is_empty(),
            Reading::Value(Value::Object(members), _) => members.is_empty(),
            _ => self.whole()?.is_empty(),
        };
        let found = self.whole()?;
        self.hold(is_empty == expected, || match expected {
            true => format!("{name}: expected nothing, found {}", wording::sketch(found)),
            false => format!("{name} is empty, and should not be"),
        })
    }

    fn contains(&self, expected: &str) -> Result<(), Problem> {
        if let Reading::Cut(captured) = &self.reading {
            let holds = holds_text(&captured.head, expected) || holds_text(&captured.tail, expected);
            return if holds { Ok(()) } else { Err(self.cut(captured)) };
        }
        if let (Reading::Value(list @ Value::Array(items), _), true) = (&self.reading, self.is_found) {
            let value = from_json(expected).ok();
            let is_item = |item: &Value| match item {
                Value::String(text) => text == expected,
                other => value.as_ref().is_some_and(|value| Differences::are_none(value, other)),
            };
            return self.hold(items.iter().any(is_item), || {
                let item = wording::quote(expected.as_bytes());
                format!("{}: expected a list with the item {item}, found {}", self.name, show(list))
            });
        }
        let found = self.whole()?;
        self.hold(holds_text(found, expected), || {
            let expected = wording::quote(expected.as_bytes());
            match found.len() {
                0..=wording::SHORT => {
                    format!("{}: expected to contain {expected}, found {}", self.name, wording::sketch(found))
                }
                _ => format!("{} does not contain {expected}", self.name),
            }
        })
    }

    fn starts_with(&self, expected: &str) -> Result<(), Problem> {
        let found = match &self.reading {
            Reading::Cut(captured) if captured.head.len() < expected.len() => return Err(self.cut(captured)),
            Reading::Cut(captured) => Cow::Borrowed(captured.head.as_slice()),
            Reading::Large(large) => {
                Cow::Owned(self.edge(large, expected.len().max(wording::SHORT), false)?)
            }
            _ => Cow::Borrowed(self.whole()?),
        };
        self.hold(found.starts_with(expected.as_bytes()), || {
            let start = &found[..found.len().min(expected.len().max(wording::SHORT))];
            let expected = wording::quote(expected.as_bytes());
            format!("{}: expected to start with {expected}, found {}", self.name, wording::quote(start))
        })
    }

    fn ends_with(&self, expected: &str) -> Result<(), Problem> {
        let found = match &self.reading {
            Reading::Cut(captured) if captured.tail.len() < expected.len() => return Err(self.cut(captured)),
            Reading::Cut(captured) => Cow::Borrowed(captured.tail.as_slice()),
            Reading::Large(large) => {
                Cow::Owned(self.edge(large, expected.len().max(wording::SHORT + 1), true)?)
            }
            _ => Cow::Borrowed(self.whole()?),
        };
        self.hold(found.ends_with(expected.as_bytes()), || {
            let before = if found.len() > wording::SHORT { "…" } else { "" };
            let end = &found[found.len().saturating_sub(wording::SHORT)..];
            let expected = wording::quote(expected.as_bytes());
            format!("{}: expected to end with {expected}, found {before}{}", self.name, wording::quote(end))
        })
    }

    pub(crate) fn equals(&self, expected: &str) -> Result<(), Problem> {
        let expected = expected.as_bytes();
        if let Reading::Cut(captured) = &self.reading {
            let (length, written) = (expected.len(), captured.written());
            if length as u64 == written {
                return Err(self.cut(captured));
            }
            let message =
                format!("{}: expected {length} bytes, found {written} ({})", self.name, kept(captured));
            return Err(Problem::decided(message));
        }
        let found = self.whole()?;
        if found == expected {
            return Ok(());
        }
        let message = diff::first_difference(self.name, expected, found);
        Err(Problem::decided(message).with_detail(diff::unified_if_long(expected, found)))
    }

    fn one_of(&self, alternatives: &[Vec<Matcher>]) -> Result<(), Problem> {
        let mut texts = Vec::with_capacity(alternatives.len());
        let mut problems = Vec::with_capacity(alternatives.len());
        for alternative in alternatives {
            match self.all(alternative) {
                Ok(()) => return Ok(()),
                Err(problem) => problems.push(problem),
            }
            match alternative.as_slice() {
                [Matcher { test: Test::Equals(text), .. }] => {
                    texts.push(wording::quote(self.render(text)?.as_bytes()));
                }
                [Matcher { test: Test::Value { value, .. }, .. }] => {
                    texts.push(show_expected(value, self.setting.variables));
                }
                _ => {}
            }
        }
        // What is the fault of no alternative alone.
        let is_fault = |problem: &Problem| problem.kind != FailureKind::Expectation;
        if let Some(fault) = problems.iter().position(is_fault) {
            return Err(problems.swap_remove(fault));
        }
        let decided = problems.iter().all(|problem| problem.decided);
        if decided && texts.len() == alternatives.len() {
            let name = self.name;
            let found = match &self.reading {
                Reading::Value(value, _) => show(value),
                Reading::Large(large) => format!("{} bytes", large.length()),
                _ => wording::sketch(self.whole()?),
            };
            return self
                .hold(false, || format!("{name}: expected one of {}; found {found}", texts.join(", ")));
        }
        let message = format!("{}: none of {} alternatives holds", self.name, alternatives.len());
        let list = problems
            .iter()
            .enumerate()
            .map(|(index, problem)| format!("{}. {}\n", index + 1, problem.message));
        Err(Problem {
            decided,
            ..Problem::decided(message).with_detail(list.collect::<String>() + &self.shown())
        })
    }

    fn json(&self, expected: &serde_json::Value, exact: bool) -> Result<(), Problem> {
        let found = self.parsed_json()?;
        self.differences(Differences::between(expected, &found, exact, "$", self.setting.variables))
    }

    pub(crate) fn differences(&self, differences: Differences<'_>) -> Result<(), Problem> {
        match differences.first() {
            None => Ok(()),
            Some(first) => {
                Err(Problem::decided(format!("{}: {first}", self.name)).with_detail(differences.list()))
            }
        }
    }

    /// The content as JSON.
    pub(crate) fn parsed_json(&self) -> Result<Cow<'_, serde_json::Value>, Problem> {
        if let Reading::Value(value, _) = &self.reading {
            return Ok(Cow::Borrowed(value));
        }
        // That it is none says nothing of what was expected within.
        let none = |reason: &str| Problem::undecided(format!("{} is not JSON: {reason}", self.name));
        let text = str::from_utf8(self.whole()?).map_err(|error| {
            none(&format!("not UTF-8 at byte {}", error.valid_up_to())).with_detail(self.shown())
        })?;
        // Some programs begin every text with it.
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(none("it is empty"));
        }
        from_json(text).map(Cow::Owned).map_err(|error| none(&error.to_string()).with_detail(self.shown()))
    }

    fn lines(&self, templates: &[Template], in_order: bool) -> Result<(), Problem> {
        let rendered =
            templates.iter().map(|template| self.render(template)).collect::<Result<Vec<_>, _>>()?;
        // A value may bring several lines.
        let patterns: Vec<&str> =
            rendered.iter().flat_map(|text| text.strip_suffix('\n').unwrap_or(text).split('\n')).collect();
        let compared = match (self.reading.large(), in_order) {
            // The time limit ends what would take too long.
            (Some(large), true) => self.lines_of_large(large, InOrder::new(&patterns, usize::MAX))?,
            (Some(large), false) => self.lines_of_large(large, AnyOrder::new(&patterns, usize::MAX))?,
            (None, true) => lines::in_order(self.name, &patterns, &lines::lines(&self.text()?)),
            (None, false) => in_any_order(self.name, &patterns, &lines::lines(&self.text()?)),
        };
        compared.map_err(|Mismatch { message, detail, decided }| Problem {
            decided,
            ..Problem::decided(message).with_detail(detail)
        })
    }

    fn number(&self, test: &NumberTest) -> Result<(), Problem> {
        let text = String::from_utf8_lossy(self.whole()?);
        // Where there is no number, it is neither in nor out of bounds.
        let none =
            |reason: String| Problem::undecided(format!("{}{reason}", self.name)).with_detail(self.shown());
        let text = match &test.from {
            None => &*text,
            Some(pattern) => pattern.first_group(&text).ok_or_else(|| {
                none(format!(" {}, so there is no number", wording::without_group(pattern, &text)))
            })?,
        };
        let found = crate::text::number(text).ok_or_else(|| {
            none(format!(": expected a number, found {}", wording::sketch(text.as_bytes())))
        })?;
        match number::unmet(test, &found) {
            None => Ok(()),
            Some(expected) => {
                self.hold(false, || format!("{}: expected {expected}, found {}", self.name, found))
            }
        }
    }

    fn normalized(&self, by: &[Normalization], test: &Test) -> Result<(), Problem> {
        if let (Test::Exists(_), _) | (_, Reading::Missing | Reading::None) = (test, &self.reading) {
            return self.apply(test);
        }
        let reading = Reading::Normalized(normalize(self.whole()?, by, self.setting)?);
        Context { reading, ..*self }.apply(test)
    }

    pub(crate) fn hold(&self, holds: bool, message: impl FnOnce() -> String) -> Result<(), Problem> {
        if holds { Ok(()) } else { Err(Problem::decided(message()).with_detail(self.shown())) }
    }

    /// Every byte of the content.
    pub(crate) fn whole(&self) -> Result<&[u8], Problem> {
        match &self.reading {
            Reading::Stream(bytes) => Ok(bytes),
            Reading::File(bytes) => Ok(bytes),
            Reading::Large(large) => Err(self.too_large(large)),
            Reading::Value(_, text) => Ok(text),
            Reading::Normalized(text) => Ok(text.as_bytes()),
            Reading::Cut(captured) => Err(self.cut(captured)),
            Reading::Missing => Err(Problem::undecided(format!("{} does not exist", self.name))),
            Reading::Unreadable(reason) | Reading::Hidden(reason) => {
                Err(Problem::undecided(format!("{} cannot be compared: {reason}", self.name)))
            }
            Reading::None | Reading::Ended(_) => Err(self.unseen()),
        }
    }

    /// The content as text, with U+FFFD for what is not UTF-8.
    pub(crate) fn text(&self) -> Result<Cow<'_, str>, Problem> {
        self.whole().map(String::from_utf8_lossy)
    }

    /// A problem, together with the beginning and the end of the content.
    pub(crate) fn nothing(&self, message: String) -> Problem {
        if let Reading::Large(large) = &self.reading {
            return Problem::decided(message).with_detail(self.shown_of_large(large));
        }
        let excerpt = match self.whole() {
            Ok(bytes) if !bytes.is_empty() => excerpt_bytes(bytes, 0, &[], SHOWN_OF_FILE),
            _ => return Problem::decided(message),
        };
        Problem::decided(message).with_detail(format!(
            "{} holds:\n{}",
            self.name,
            visible(excerpt.as_bytes())
        ))
    }

    fn cut(&self, captured: &Captured) -> Problem {
        Problem::undecided(format!("{} is too long to be tested: {}", self.name, kept(captured)))
    }

    /// The content of a longer file, which no report shows otherwise.
    fn shown(&self) -> String {
        match &self.reading {
            Reading::Large(large) => self.shown_of_large(large),
            Reading::File(bytes) if bytes.len() > wording::SHORT => {
                let excerpt = excerpt_bytes(bytes, 0, &[], SHOWN_OF_FILE);
                format!("{} holds:\n{}", self.name, visible(excerpt.as_bytes()))
            }
            _ => String::new(),
        }
    }
}

fn kept(captured: &Captured) -> String {
    let kept = captured.head.len() + captured.tail.len();
    format!("{} bytes were written and {kept} kept", captured.written())
}

fn holds_text(bytes: &[u8], text: &str) -> bool {
    memmem::find(bytes, text.as_bytes()).is_some()
}
