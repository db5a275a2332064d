//! Compares what was seen of a step with what is expected, whatever its kind.

use crate::assertion::{Finding, capture, check};
use crate::model::{Failure, FailureKind, GoldenChange, Observation, Outcome, Step, StepRecord};
use crate::step::{Goldens, StepResult, Surroundings, retell};
use crate::time::Deadline;

/// What of the observation is not as expected, and what it gives to later steps if all is. To find that out is a part of
/// the step, which must be over by the deadline, unless that has passed before.
pub(super) fn compare(
    step: &Step,
    observation: &Observation,
    record: StepRecord,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    let has_time = !deadline.has_passed();
    let result = judge(step, observation, record, deadline, around);
    match result.outcome {
        Outcome::Passed if has_time && deadline.has_passed() => {
            StepResult::timed_out(step, result.record, around)
        }
        _ => result,
    }
}

/// The same, whenever it is over. Large files are looked at until the deadline.
fn judge(
    step: &Step,
    observation: &Observation,
    record: StepRecord,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    let cancellation = around.cancellation;
    let go_on = || !deadline.has_passed() && !cancellation.is_requested();
    let setting = around.setting(&go_on);
    let mut findings = check(&step.checks, observation, &setting);
    if let (Some(redactor), false) = (around.redactor, findings.is_empty()) {
        findings = retell::findings(&step.checks, observation, &setting, redactor);
    }
    let (failures, goldens) = sort(findings, around.goldens);
    if !failures.is_empty() {
        return failed(step, failures, goldens, record, around);
    }
    match capture(&step.captures, observation, &setting) {
        Ok(captured) => StepResult { captured, goldens, ..StepResult::new(record, Outcome::Passed) },
        Err(failures) => {
            let failures = match around.redactor {
                Some(redactor) => retell::captures(&step.captures, observation, &setting, redactor),
                None => failures,
            };
            failed(step, failures, goldens, record, around)
        }
    }
}

/// What failures mean, of which one may be that there was no time for more.
fn failed(
    step: &Step,
    failures: Vec<Failure>,
    goldens: Vec<GoldenChange>,
    record: StepRecord,
    around: &Surroundings<'_>,
) -> StepResult {
    if !failures.iter().any(|failure| failure.kind == FailureKind::Timeout) {
        return StepResult { failures, goldens, ..StepResult::new(record, Outcome::Failed) };
    }
    match around.cancellation.is_requested() {
        true => StepResult::interrupted(record, Vec::new()),
        false => StepResult::timed_out(step, record, around),
    }
}

/// Takes failures and changes to golden files apart.
fn sort(findings: Vec<Finding>, goldens: Goldens) -> (Vec<Failure>, Vec<GoldenChange>) {
    let mut sorted = (Vec::new(), Vec::new());
    for finding in findings {
        match (finding, goldens) {
            (Finding::Golden(change), Goldens::Update) => sorted.1.push(change),
            (finding, _) => sorted.0.push(finding.into_failure()),
        }
    }
    sorted
}
