//! Compares what was seen of a step with what is expected, whatever its kind.

use crate::assertion::{Finding, capture, check};
use crate::model::{Failure, GoldenChange, Observation, Outcome, Step, StepRecord};
use crate::step::{Goldens, StepResult, Surroundings, retell};

/// What of the observation is not as expected, and what it gives to later steps if all is.
pub(super) fn compare(
    step: &Step,
    observation: &Observation,
    record: StepRecord,
    around: &Surroundings<'_>,
) -> StepResult {
    let setting = around.setting();
    let mut findings = check(&step.checks, observation, &setting);
    if let (Some(redactor), false) = (around.redactor, findings.is_empty()) {
        findings = retell::findings(&step.checks, observation, &setting, redactor);
    }
    let (failures, goldens) = sort(findings, around.goldens);
    if !failures.is_empty() {
        return StepResult { failures, goldens, ..StepResult::new(record, Outcome::Failed) };
    }
    match capture(&step.captures, observation, &setting) {
        Ok(captured) => StepResult { captured, goldens, ..StepResult::new(record, Outcome::Passed) },
        Err(failures) => {
            let failures = match around.redactor {
                Some(redactor) => retell::captures(&step.captures, observation, &setting, redactor),
                None => failures,
            };
            StepResult { failures, goldens, ..StepResult::new(record, Outcome::Failed) }
        }
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
