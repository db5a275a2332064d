//! A step that is tried again until its expectations hold.

use std::time::{Duration, Instant};

use crate::model::{Failure, FailureKind, Late, Outcome, Step, StepRecord, Until};
use crate::step::{StepResult, Surroundings, own_limit};
use crate::time::{Deadline, format_duration};

/// Tries until a try passes and no golden file is to be changed for it, cannot start at all, or the time is over: that
/// of `until`, or before it `deadline`. `once` makes one try, which must be over by the deadline it is given.
pub(super) fn execute(
    step: &Step,
    until: &Late<Until>,
    deadline: Deadline,
    around: &Surroundings<'_>,
    once: impl Fn(Deadline) -> StepResult,
) -> StepResult {
    let until = match until.value(around.variables) {
        Ok(until) => until,
        Err(error) => {
            let record = StepRecord::new(String::new());
            return StepResult::not_started(record, &error.position, error.message);
        }
    };
    let own_limit = own_limit(step, around);
    let begin = Instant::now();
    let window = Deadline::after(Some(until.limit));
    let both = deadline.earlier(window);
    let mut leaked = Vec::new();
    let mut before: Option<StepResult> = None;
    let mut tries = 0u32;
    loop {
        tries += 1;
        let mut result = once(both.earlier(Deadline::after(own_limit)));
        leaked.append(&mut result.leaked);
        if !may_come_true(&result) {
            return StepResult { leaked, ..result };
        }
        // What a try that ran into the end would have said is not known; the one before it said something.
        let is_cut = result.outcome == Outcome::TimedOut && both.has_passed();
        let (last, is_cut) = match before.take() {
            Some(before) if is_cut => {
                around.spill.inspect(|spill| spill.take_back());
                (before, false)
            }
            _ => (result, is_cut),
        };
        if around.cancellation.is_requested() {
            return StepResult::interrupted(last.record, leaked);
        }
        // The next try could not even begin, and would say nothing.
        if both.remaining().is_some_and(|left| left <= until.every) {
            let end = if both == deadline { End::OfCase } else { End::OfUntil };
            let effort = Effort { tries, took: begin.elapsed(), is_cut };
            return StepResult { leaked, ..conclude(last, end, &effort, (step, &until), around) };
        }
        if around.cancellation.wait(until.every) {
            return StepResult::interrupted(last.record, leaked);
        }
        around.spill.inspect(|spill| spill.set_aside());
        before = Some(last);
    }
}

/// Whether a try has not come to what is waited for, but a later one may: what it asks may not be there yet, and a golden
/// file that differs may hold just what the next try gives; that of the last is written.
fn may_come_true(result: &StepResult) -> bool {
    match result.outcome {
        Outcome::Passed => result.goldens.iter().any(|golden| golden.differs),
        Outcome::Failed | Outcome::TimedOut => true,
        Outcome::Errored => {
            result.failures.first().is_some_and(|failure| failure.kind == FailureKind::Connection)
        }
        Outcome::Skipped(_) => false,
    }
}

/// Whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    OfCase,
    OfUntil,
}

/// What was done in vain.
struct Effort {
    tries: u32,
    took: Duration,
    /// Whether the only try ran into the end.
    is_cut: bool,
}

/// The last try's result, together with how often it was tried.
fn conclude(
    mut last: StepResult,
    end: End,
    effort: &Effort,
    (step, until): (&Step, &Until),
    around: &Surroundings<'_>,
) -> StepResult {
    let is_timeout = last.outcome == Outcome::TimedOut && own_limit(step, around).is_none();
    match (end, last.failures.first_mut()) {
        (End::OfUntil, Some(failure)) if is_timeout && effort.is_cut => {
            let found =
                failure.message.split_once(": ").map_or(String::new(), |(_, found)| format!(": {found}"));
            failure.message =
                format!("timed out after {}, the time of `until`{found}", format_duration(until.limit));
        }
        (End::OfCase, _) if !is_timeout => {
            let limit = format_duration(around.case.time.timeout);
            let message = format!("timed out after {limit}, before what `until` waits for came true");
            let position = step.position.clone();
            let failure = Failure::new(FailureKind::Timeout, position, message);
            last.failures.insert(0, failure);
            last.outcome = Outcome::TimedOut;
        }
        _ => {}
    }
    if let Some(first) = last.failures.first_mut() {
        let times = if effort.tries == 1 { "once".to_owned() } else { format!("{} times", effort.tries) };
        first.message.push_str(&format!(" (tried {times} in {})", format_duration(effort.took)));
    }
    last
}
