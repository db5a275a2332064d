//! What does not hold, told as if every secret were `***`.
//!
//! Messages quote, cut and compare; masking them afterwards would leave parts of a secret. So what has been found is
//! looked for once more where there is no secret. The verdict stays that of the real output.

use std::slice;

use crate::assertion::{Finding, Setting, capture, check};
use crate::model::{Capture, Check, Fact, Failure, FailureKind, GoldenChange, Observation, Subject};
use crate::text::Variables;
use crate::text::redact::Redactor;

/// Every check that does not hold, as [`check`] gives them. What only the real output shows is told as it is.
pub(super) fn findings(
    checks: &[Check],
    observation: &Observation,
    setting: &Setting<'_>,
    redactor: &Redactor,
) -> Vec<Finding> {
    let masked = Masked::of(observation, setting, redactor);
    let one = |check_one: &Check| {
        let alone = slice::from_ref(check_one);
        let finding = check(alone, observation, setting).pop()?;
        if matches!(&finding, Finding::Golden(golden) if !golden.differs) {
            return Some(finding);
        }
        // That a masked content matches would say nothing of the real one.
        let shown = Setting { tells_matches: false, ..masked.setting(&check_one.subject, setting) };
        let told = check(alone, &masked.observation, &shown).pop();
        // A mask is not always what can stand in place of a secret, in a regular expression for example.
        let told = told.map(Finding::into_failure).filter(|failure| failure.kind != FailureKind::Start);
        let Some(failure) = told else { return Some(finding) };
        Some(match finding {
            Finding::Failure(_) => Finding::Failure(failure),
            Finding::Golden(change) => Finding::Golden(GoldenChange { failure, ..change }),
        })
    };
    checks.iter().filter_map(one).collect()
}

/// A failure for every capture that finds nothing, as [`capture`] gives them.
pub(super) fn captures(
    captures: &[Capture],
    observation: &Observation,
    setting: &Setting<'_>,
    redactor: &Redactor,
) -> Vec<Failure> {
    let masked = Masked::of(observation, setting, redactor);
    let one = |wanted: &Capture| {
        let alone = slice::from_ref(wanted);
        let failures = capture(alone, observation, setting).err()?;
        let told = capture(alone, &masked.observation, &masked.setting(&wanted.subject, setting));
        let is_of_use = |told: &Vec<Failure>| told.iter().all(|failure| failure.kind != FailureKind::Start);
        Some(told.err().filter(is_of_use).unwrap_or(failures))
    };
    captures.iter().filter_map(one).flatten().collect()
}

/// What was seen and what is known, without secrets.
struct Masked {
    observation: Observation,
    variables: Variables,
}

impl Masked {
    fn of(observation: &Observation, setting: &Setting<'_>, redactor: &Redactor) -> Self {
        Self { observation: observation.masked(redactor), variables: redactor.variables(setting.variables) }
    }

    /// Files are on disk as they are, and so are their names.
    fn setting<'a>(&'a self, subject: &Subject, real: &Setting<'a>) -> Setting<'a> {
        match (subject, self.observation.fact(subject)) {
            (Subject::File(_), _) | (_, Some(Fact::File(_))) => *real,
            _ => Setting { variables: &self.variables, ..*real },
        }
    }
}
