//! What a step has left behind.

use crate::model::{Failure, FailureKind, LeakPolicy, Outcome, Position, Step};
use crate::step::{StepResult, Surroundings};

/// The result with what the case says about these processes, which were left behind.
pub(super) fn mind(
    step: &Step,
    leaked: Vec<String>,
    mut result: StepResult,
    around: &Surroundings<'_>,
) -> StepResult {
    match around.case.precautions.leak {
        LeakPolicy::Allow => return result,
        LeakPolicy::Fail if !leaked.is_empty() => {
            result.failures.push(leak(&leaked, &step.position));
            if result.outcome == Outcome::Passed {
                result.outcome = Outcome::Failed;
            }
        }
        LeakPolicy::Fail | LeakPolicy::Warn => {}
    }
    StepResult { leaked, ..result }
}

fn leak(leaked: &[String], position: &Position) -> Failure {
    let count = leaked.len();
    let message = format!("left {count} process{} behind, killed", if count == 1 { "" } else { "es" });
    let detail = leaked.join("\n") + "\n";
    Failure { detail, ..Failure::new(FailureKind::Leak, position.clone(), message) }
}
