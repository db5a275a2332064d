//! What each key may say.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::descriptor::{Node, Problem, Value, quote, suggest};
use crate::time::parse_duration;

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless a variable such as `NO_COLOR` says otherwise.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much the console shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Failures and the summary.
    Quiet,
    /// As fits the place: every case, or on a terminal a line for each file.
    Normal,
    /// Every case.
    Verbose,
    /// And the output of those that pass.
    Outputs,
}

/// In which order cases start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// That of the files.
    Path,
    /// Those first that took longest in earlier runs.
    Longest,
    /// Another one each time.
    Random,
}

/// What a case comes to that passes only when it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaky {
    /// It has passed.
    Pass,
    /// It has failed.
    Fail,
}

pub(super) const FLAKY: [(&str, Flaky); 2] = [("pass", Flaky::Pass), ("fail", Flaky::Fail)];

pub(super) const COLORS: [(&str, Color); 3] =
    [("auto", Color::Auto), ("always", Color::Always), ("never", Color::Never)];

pub(super) const ORDERS: [(&str, Order); 3] =
    [("path", Order::Path), ("longest", Order::Longest), ("random", Order::Random)];

pub(super) const VERBOSITIES: [(&str, Verbosity); 4] = [
    ("quiet", Verbosity::Quiet),
    ("normal", Verbosity::Normal),
    ("verbose", Verbosity::Verbose),
    ("outputs", Verbosity::Outputs),
];

impl Color {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word(&COLORS, self)
    }
}

impl Flaky {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word(&FLAKY, self)
    }
}

impl Order {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word(&ORDERS, self)
    }
}

impl Verbosity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        word(&VERBOSITIES, self)
    }
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

fn choice<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, Problem> {
    let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    let text = text(node).map_err(|problem| problem.help(format!("choices: {}", known.join(", "))))?;
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let problem = Problem::new(node.span, format!("{} is none of the choices", quote(text)));
        match suggest(text, "choices", &known) {
            Some(help) => problem.help(help),
            None => problem,
        }
    })
}

/// A text that is not empty.
pub(super) fn text(node: &Node) -> Result<&str, Problem> {
    match &node.value {
        Value::String(text) if text.trim().is_empty() => Err(Problem::new(node.span, "the text is empty")),
        Value::String(text) => Ok(text),
        other => Err(Problem::new(node.span, format!("expected a string, found {}", other.kind()))),
    }
}

pub(super) fn jobs(node: &Node) -> Result<NonZeroUsize, Problem> {
    let number = match &node.value {
        Value::Int(number) => usize::try_from(*number).ok().and_then(NonZeroUsize::new),
        other => {
            let message = format!("expected how many cases run at the same time, found {}", other.kind());
            return Err(Problem::new(node.span, message).help("write a number, as in 4"));
        }
    };
    number.ok_or_else(|| {
        let problem = Problem::new(node.span, "at least one case must run at a time");
        problem.help("write 1 or more, or take the key out")
    })
}

/// A count of at least one, of what `what` says.
fn count(node: &Node, what: &str) -> Result<NonZeroUsize, Problem> {
    let number = match &node.value {
        Value::Int(number) => usize::try_from(*number).ok().and_then(NonZeroUsize::new),
        other => {
            let message = format!("expected {what}, found {}", other.kind());
            return Err(Problem::new(node.span, message).help("write a number, as in 4"));
        }
    };
    number.ok_or_else(|| {
        let problem = Problem::new(node.span, format!("it must be at least 1, {what}"));
        problem.help("write 1 or more, or take the key out")
    })
}

pub(super) fn max_fail(node: &Node) -> Result<NonZeroUsize, Problem> {
    count(node, "after how many failed cases the run ends")
}

pub(super) fn retry_budget(node: &Node) -> Result<u32, Problem> {
    let message = || format!("expected how many retries a run may make, found {}", node.value.kind());
    match &node.value {
        Value::Int(number) => u32::try_from(*number).map_err(|_| {
            let problem = Problem::new(node.span, format!("{number} is no count of retries"));
            problem.help(format!("write a number from 0 to {}", u32::MAX))
        }),
        _ => Err(Problem::new(node.span, message()).help("write a number, as in 20")),
    }
}

pub(super) fn flaky(node: &Node) -> Result<Flaky, Problem> {
    choice(node, &FLAKY)
}

pub(super) fn duration(node: &Node) -> Result<Duration, Problem> {
    let text = match &node.value {
        Value::String(text) => text,
        other => {
            let message = format!("expected a duration, found {}", other.kind());
            return Err(Problem::new(node.span, message).help("write a string such as \"10m\""));
        }
    };
    parse_duration(text).map_err(|error| {
        Problem::new(node.span, format!("{} is no duration", quote(text))).help(error.to_string())
    })
}

pub(super) fn color(node: &Node) -> Result<Color, Problem> {
    choice(node, &COLORS)
}

pub(super) fn verbosity(node: &Node) -> Result<Verbosity, Problem> {
    choice(node, &VERBOSITIES)
}

pub(super) fn order(node: &Node) -> Result<Order, Problem> {
    choice(node, &ORDERS)
}

pub(super) fn switch(node: &Node) -> Result<bool, Problem> {
    match &node.value {
        Value::Bool(value) => Ok(*value),
        other => {
            let problem = Problem::new(node.span, format!("expected true or false, found {}", other.kind()));
            Err(problem.help("write true or false"))
        }
    }
}

pub(super) fn path(node: &Node) -> Result<PathBuf, Problem> {
    match text(node)? {
        text if text.contains('\0') => Err(Problem::new(node.span, "the path holds a NUL byte")),
        text => Ok(PathBuf::from(text)),
    }
}

pub(super) fn paths(node: &Node) -> Result<Vec<PathBuf>, Problem> {
    match &node.value {
        Value::List(items) if items.is_empty() => Err(Problem::new(node.span, "the list is empty")),
        Value::List(items) => items.iter().map(path).collect(),
        Value::String(_) => path(node).map(|path| vec![path]),
        other => Err(Problem::new(node.span, format!("expected a list of paths, found {}", other.kind()))),
    }
}
