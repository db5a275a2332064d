//! The kinds of steps: by which keys they are written, and what can be expected and captured of each.

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::lower::start_of;
use crate::descriptor::node::{Entry, Node, Span, Value};
use crate::descriptor::synonyms::meant;
use crate::model::Subject;

/// A kind of step.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The key that says what is done.
    pub(crate) key: &'static str,
    /// Keys beside it that no other kind has.
    beside: &'static [&'static str],
    /// The keys of `expect` that it knows.
    expect: &'static [&'static str],
    /// What it gives out and can be captured, by name; the first where nothing is said.
    pub(crate) outputs: &'static [(&'static str, Subject)],
}

/// All of them: the table that a new kind of step begins with.
pub(crate) const KINDS: [Kind; 7] = [
    Kind {
        key: "run",
        beside: &["stdin"],
        expect: &["exit", "signal", "stdout", "stderr", "files"],
        outputs: &[("stdout", Subject::Stdout), ("stderr", Subject::Stderr)],
    },
    Kind { key: "sleep", beside: &[], expect: &[], outputs: &[] },
    Kind {
        key: "file",
        beside: &[],
        expect: &["exists", "size", "sha256", "mode", "content", "rows"],
        outputs: &[
            ("content", Subject::Content),
            ("size", Subject::Size),
            ("sha256", Subject::Sha256),
            ("mode", Subject::Mode),
            ("rows", Subject::Rows),
        ],
    },
    Kind {
        key: "http",
        beside: &[],
        expect: &["status", "headers", "body", "json", "jsonpath", "duration"],
        outputs: &[("body", Subject::Body), ("status", Subject::Status)],
    },
    Kind {
        key: "download",
        beside: &[],
        expect: &["status", "headers", "size", "sha256", "duration", "files"],
        outputs: &[("sha256", Subject::Sha256), ("size", Subject::Size), ("status", Subject::Status)],
    },
    Kind {
        key: "sql",
        beside: &[],
        expect: &["rows", "columns", "rows_affected", "jsonpath", "error"],
        outputs: &[
            ("rows", Subject::Rows),
            ("columns", Subject::Columns),
            ("rows_affected", Subject::RowsAffected),
            ("error", Subject::Error),
        ],
    },
    Kind { key: "call", beside: &["worker"], expect: &["output"], outputs: &[("output", Subject::Output)] },
];

/// The key of `expect` that a word is, or means elsewhere, of whatever kind of step.
pub(crate) fn expected(word: &str) -> Option<&'static str> {
    let keys: Vec<_> = KINDS.iter().flat_map(|kind| kind.expect).copied().collect();
    keys.iter().find(|key| **key == word).copied().or_else(|| meant(word, &keys))
}

/// Keys that steps of every kind have.
const OF_ALL: [&str; 3] = ["expect", "capture", "until"];

/// The names of all that steps give out, each once.
pub(crate) fn output_names() -> Vec<&'static str> {
    let mut names: Vec<_> = KINDS.iter().flat_map(|kind| kind.outputs).map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether a key of a case belongs to its only step.
pub(crate) fn is_of_step(key: &str) -> bool {
    OF_ALL.contains(&key) || KINDS.iter().any(|kind| kind.owns(key))
}

impl Kind {
    fn owns(&self, key: &str) -> bool {
        self.key == key || self.beside.contains(&key)
    }

    /// Whether headers can be captured of it.
    pub(crate) fn has_headers(&self) -> bool {
        self.expect.contains(&"headers")
    }

    /// The one kind among the keys that a step has, each with its place; `what` is to do something.
    pub(crate) fn of(
        given: &[(&'static str, Option<Span>)],
        what: &str,
        span: Span,
    ) -> Result<&'static Self, Problem> {
        let mut found = KINDS.iter().filter_map(|kind| {
            let (_, place) = given.iter().find(|(key, place)| place.is_some() && *key == kind.key)?;
            place.map(|place| (kind, place))
        });
        let Some((kind, _)) = found.next() else {
            let others: Vec<_> = KINDS[1..].iter().map(|kind| format!("`{}`", kind.key)).collect();
            let steps = if what == "the case" { ", or several `steps`" } else { "" };
            let help = format!(
                "add `run` with a list of arguments or a string for the shell, or else {}{steps}",
                others.join(", ")
            );
            return Err(Problem::new(start_of(span), format!("{what} does nothing")).help(help));
        };
        match found.next() {
            None => Ok(kind),
            Some((second, place)) => {
                let message = format!("a step does one thing, not both `{}` and `{}`", kind.key, second.key);
                Err(Problem::new(place, message).at_key(second.key).help("make them two of the `steps`"))
            }
        }
    }

    /// Refuses keys of other kinds, and keys of `expect` that it does not know.
    pub(crate) fn refuse_others(
        &self,
        given: &[(&'static str, Option<Span>)],
        expected: &[(&'static str, Option<Span>)],
    ) -> Vec<Problem> {
        let is_foreign = |key: &str| KINDS.iter().any(|kind| kind.beside.contains(&key)) && !self.owns(key);
        let foreign = given.iter().filter_map(|(key, place)| {
            let place = place.filter(|_| is_foreign(key))?;
            let owner = KINDS.iter().find(|kind| kind.owns(key)).map_or("run", |kind| kind.key);
            let problem = Problem::new(place, format!("{} does not belong to `{}`", quote(key), self.key));
            Some(problem.at_key(key).help(format!("take it out: it belongs to `{owner}`")))
        });
        let unknown = expected.iter().filter_map(|(key, place)| {
            let place = place.filter(|_| !self.expect.contains(key))?;
            let problem = Problem::new(place, format!("{} cannot be expected of `{}`", quote(key), self.key));
            let problem = problem.at_key(key);
            Some(match (self.expect, meant(key, self.expect)) {
                ([], _) => problem.help(format!("take it out: nothing can be expected of `{}`", self.key)),
                (_, Some(meant)) => problem.help(format!("did you mean `{meant}`?")),
                (known, None) => {
                    problem.help(format!("of `{}` can be expected: {}", self.key, known.join(", ")))
                }
            })
        });
        foreign.chain(unknown).collect()
    }
}

/// Of the keys that are known where a key stands in a case, those that could stand there instead: that are not there
/// yet, and belong to the kind of the step.
pub(crate) fn possible(case: &Node, key_span: Span, known: &[&'static str]) -> Vec<&'static str> {
    let steps = match case.get("steps").map(|steps| &steps.value) {
        Some(Value::List(steps)) => steps.as_slice(),
        _ => &[],
    };
    let mut possible = known.to_vec();
    if let Some(entries) = entries_with(case, key_span) {
        possible.retain(|key| !entries.iter().any(|entry| entry.key == *key));
    }
    for step in steps.iter().chain([case]) {
        let Some(kind) = KINDS.iter().find(|kind| step.get(kind.key).is_some()) else { continue };
        if has_key(step, key_span) {
            let is_foreign = |key: &str| KINDS.iter().any(|other| other.owns(key)) && !kind.owns(key);
            possible.retain(|key| !is_foreign(key));
        } else if step.get("expect").is_some_and(|expect| has_key(expect, key_span)) {
            possible.retain(|key| kind.expect.contains(key));
        }
    }
    possible
}

fn has_key(node: &Node, key_span: Span) -> bool {
    matches!(&node.value, Value::Map(entries) if entries.iter().any(|entry| entry.key_span == key_span))
}

/// The entries of the object that has a key at this place.
fn entries_with(node: &Node, key_span: Span) -> Option<&[Entry]> {
    match &node.value {
        Value::Map(entries) if has_key(node, key_span) => Some(entries),
        Value::Map(entries) => entries.iter().find_map(|entry| entries_with(&entry.value, key_span)),
        Value::List(items) => items.iter().find_map(|item| entries_with(item, key_span)),
        _ => None,
    }
}

/// Writes out what is short in a case and its steps: a request that is only an address.
pub(crate) fn write_out(own: &mut Node) {
    let Value::Map(entries) = &mut own.value else { return };
    for Entry { key, value, .. } in entries {
        match (key.as_str(), &mut value.value) {
            ("http", Value::String(_)) => {
                let (span, key) = (value.span, "url".to_owned());
                let address = std::mem::replace(&mut value.value, Value::Null);
                let url = Entry { key, key_span: span, value: Node { span, value: address } };
                value.value = Value::Map(vec![url]);
            }
            ("steps", Value::List(steps)) => steps.iter_mut().for_each(write_out),
            _ => {}
        }
    }
}

/// What a step inherits: of the defaults only what belongs to its own kind, where it names one.
pub(crate) fn fitting(defaults: &Node, own: &Node) -> Node {
    let names = |kind: &&Kind| own.get(kind.key).is_some_and(|value| value.value != Value::Null);
    let (Some(kind), Value::Map(entries)) = (KINDS.iter().find(names), &defaults.value) else {
        return defaults.clone();
    };
    let mut entries = entries.clone();
    entries.retain(|entry| {
        !is_of_step(&entry.key) || OF_ALL.contains(&entry.key.as_str()) || kind.owns(&entry.key)
    });
    for entry in entries.iter_mut().filter(|entry| entry.key == "expect") {
        if let Value::Map(expected) = &mut entry.value.value {
            let is_known_elsewhere = |key: &str| KINDS.iter().any(|kind| kind.expect.contains(&key));
            expected
                .retain(|entry| kind.expect.contains(&entry.key.as_str()) || !is_known_elsewhere(&entry.key));
        }
    }
    Node { span: defaults.span, value: Value::Map(entries) }
}
