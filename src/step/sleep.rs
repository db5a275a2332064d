//! The step `sleep`: a wait.

use std::time::Duration;

use crate::model::{Failure, FailureKind, Late, Observation, Outcome, Step, StepRecord, StepStatus};
use crate::step::{StepResult, Surroundings, judge, time_limit};
use crate::time::{Deadline, clock, format_duration};

/// The longest wait before the clock is asked again, which stands still while partest is suspended.
const NAP: Duration = Duration::from_millis(100);

pub(super) fn execute(
    step: &Step,
    duration: &Late<Duration>,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    let duration = match duration.value(around.variables) {
        Ok(duration) => duration.into_owned(),
        Err(error) => {
            let record = StepRecord::new("sleep".to_owned());
            return StepResult::not_started(record, &error.position, error.message);
        }
    };
    let mut record = StepRecord::new(format!("sleep {}", format_duration(duration)));
    let begin = clock::now();
    let end = Deadline::after(Some(duration));
    while let Some(left) = end.earlier(deadline).remaining().filter(|left| !left.is_zero()) {
        if around.cancellation.wait(left.min(NAP)) {
            record.duration = clock::now() - begin;
            return StepResult::interrupted(record, Vec::new());
        }
    }
    record.duration = clock::now() - begin;
    if !end.has_passed() {
        let message = format!("timed out after {}", time_limit(step, around));
        let failure = Failure::new(FailureKind::Timeout, step.position.clone(), message);
        return StepResult { failures: vec![failure], ..StepResult::new(record, Outcome::TimedOut) };
    }
    record.status = Some(StepStatus::Done("waited".to_owned()));
    let observation = Observation { facts: Vec::new(), directory: around.directory.to_owned() };
    judge::compare(step, &observation, record, deadline, around)
}
