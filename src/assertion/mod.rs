//! Compares what was seen of a step with what its descriptor expects.
//!
//! Entry points: [`prepare`], [`check`], and [`capture`] for what a step gives to later ones. Nothing here decides what a failed check means for a case, runs anything, or
//! writes; the only files it reads are those that a check names, golden files among them.
//!
//! Text is compared byte by byte; regular expressions and JSON look at the text with U+FFFD in place of what
//! is not UTF-8. Of an output that was cut, only what its kept head and tail prove holds; what they leave open
//! fails, and says so. A file that is too large for memory is read once for each test that can be told that way (`large`);
//! the others fail, and say so.

mod answer;
mod bytes;
mod capture;
mod content;
mod diff;
mod golden;
mod json;
mod jsonpath;
mod large;
mod lines;
mod matcher;
mod normalize;
mod number;
mod search;
mod unordered;
mod wording;

use std::fmt;
use std::path::Path;

use crate::assertion::content::{Files, Reading};
use crate::assertion::golden::Wanted;
use crate::assertion::matcher::{Context, Problem};
use crate::model::{Capture, Check, Fact, Failure, GoldenChange, LateError, Observation, Subject};
use crate::text::{Template, Variables};

pub use capture::capture;
pub(crate) use content::{leads_nowhere, open, read_file};

/// What surrounds the things that are looked at.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The values that templates may name.
    pub variables: &'a Variables,
    /// The folder of the descriptor, where golden files lie.
    pub folder: &'a Path,
    /// The private home directory of the attempt, if it has one.
    pub home: Option<&'a Path>,
    /// Whether golden files are told of that hold just what was seen, too: where some are rewritten, that is of
    /// interest.
    pub tells_matches: bool,
    /// Whether a long look at a large file may go on; where it may not, what was asked of it fails as
    /// a timeout.
    pub go_on: &'a (dyn Fn() -> bool + Sync),
}

impl fmt::Debug for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A check that does not hold, or holds because of a golden file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Something is not as expected.
    Failure(Failure),
    /// A golden file differs, or is just as it should be, and nothing else is wrong.
    Golden(GoldenChange),
}

impl Finding {
    /// What is wrong, or would be if the golden file differed.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Failure(failure) | Self::Golden(GoldenChange { failure, .. }) => failure,
        }
    }
}

/// Every check that does not hold, in the order of the checks, each with the place that asked for it; and the golden
/// files that match, if `setting` says so.
///
/// Templates are rendered with the variables of `setting`; one that cannot be rendered is a failure of its check.
#[must_use]
pub fn check(checks: &[Check], observation: &Observation, setting: &Setting<'_>) -> Vec<Finding> {
    let mut files = Files::new(&observation.directory);
    checks.iter().filter_map(|check| check_one(check, observation, setting, &mut files)).collect()
}

fn check_one(
    check: &Check,
    observation: &Observation,
    setting: &Setting<'_>,
    files: &mut Files<'_>,
) -> Option<Finding> {
    let test = &check.matcher.test;
    let looked = reading(&check.subject, observation, setting, files).and_then(|(name, reading)| {
        let context = Context { name: &name, reading, is_found: false, setting };
        context.apply(test)?;
        Ok(if setting.tells_matches { context.matched(test) } else { None })
    });
    let (problem, differs) = match looked {
        Ok(matched) => (matched?, false),
        Err(problem) => (problem, true),
    };
    let Problem { kind, mut message, detail, golden, .. } = problem;
    // Within another test, such as `not`, none is made.
    if golden.as_ref().is_some_and(|golden| golden.is_missing) {
        message.push_str("; `partest --update` creates it");
    }
    let failure = Failure { kind, position: check.matcher.position.clone(), step: None, message, detail };
    Some(match golden {
        None => Finding::Failure(failure),
        Some(Wanted { path, content, .. }) => {
            Finding::Golden(GoldenChange { path, content, differs, failure })
        }
    })
}

/// What a subject is called, and what there is to see of it.
fn reading<'a>(
    subject: &Subject,
    observation: &'a Observation,
    setting: &Setting<'_>,
    files: &mut Files<'_>,
) -> Result<(String, Reading<'a>), Problem> {
    let rendered = |what: &str, template: &Template| match template.render(setting.variables) {
        Ok(text) => Ok(text.into_owned()),
        Err(error) => Err(Problem::undecided(format!("{what} cannot be rendered: {error}"))),
    };
    Ok(match subject {
        Subject::File(path) => {
            let path = rendered("the path of a file", path)?;
            (format!("file {path}"), files.read(&path))
        }
        Subject::Header(name) => {
            let name = rendered("the name of a header", name)?.to_ascii_lowercase();
            let fact = observation.fact(&Subject::Header(Template::literal(&name)));
            // Headers are told when there are any.
            (format!("header {name}"), fact.map_or(Reading::Missing, |fact| Reading::of_fact(Some(fact))))
        }
        _ => match observation.fact(subject) {
            Some(Fact::File(path)) => (format!("file {path}"), files.read(path)),
            fact => (subject.to_string(), Reading::of_fact(fact)),
        },
    })
}

/// Makes everything in checks and captures that is known only when their step begins, to see whether that is possible.
///
/// # Errors
/// The first that has no value, or becomes what cannot stand there.
pub fn prepare(checks: &[Check], captures: &[Capture], variables: &Variables) -> Result<(), LateError> {
    checks.iter().try_for_each(|check| check.attempt(variables))?;
    let mut pending = captures.iter().filter_map(|capture| capture.part.pending());
    pending.try_for_each(|pending| pending.attempt(variables))
}

#[cfg(test)]
mod tests;
