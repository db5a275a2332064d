//! From the attempts at a case to its result: retries, expected failures, panics.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::golden::Updater;
use crate::model::{
    Attempt, CaseResult, Failure, FailureKind, GoldenChange, KeptFiles, Outcome, Skip, Standing, TestCase,
    UpdatedGolden,
};
use crate::runner::hands::Role;
use crate::runner::policy::RetryBudget;
use crate::runner::{Executor, FlakyVerdict, Given, Policy, Tried, panics};
use crate::text::Variables;

/// With what a case is tried.
pub(super) struct Trying<'a> {
    pub(super) executor: &'a dyn Executor,
    pub(super) given: Given<'a>,
    pub(super) goldens: Option<&'a Updater>,
    pub(super) policy: &'a Policy,
    pub(super) budget: &'a RetryBudget,
    pub(super) role: Role,
}

/// What has come of a case so far.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// Every attempt, with the golden files that differed or matched in it.
    attempts: Vec<(Attempt, Vec<GoldenChange>)>,
}

impl Tries {
    /// The number of the attempt that comes next, from 1.
    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// What has come of trying a case.
pub(super) enum Came {
    /// It has its result; and what its last attempt has captured.
    Over(Box<CaseResult>, Variables),
    /// It is to be tried again after this time.
    Pause(Tries, Duration),
}

/// Why there was no further attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// None was needed, or allowed by the case.
    Settled,
    /// The run has no retries left.
    Denied,
    /// The run is to stop.
    Interrupted,
}

/// Tries a case until it passes, its retries are used up, or it has to wait for the next one; `retrying` hears the number of
/// each further attempt.
pub(super) fn run(case: &TestCase, trying: &Trying<'_>, mut tries: Tries, retrying: impl Fn(u32)) -> Came {
    let most = most_retries(case, trying.policy);
    let (ended, values) = loop {
        let number = tries.next();
        let Tried { attempt, goldens, captured } = guarded(case, trying, number);
        // A golden file is a failure that is forgiven at the end only: the next attempt may find it right.
        let differs = goldens.iter().any(|golden| golden.differs);
        let has_failed = is_failure(&attempt.outcome) || attempt.outcome == Outcome::Passed && differs;
        tries.attempts.push((attempt, goldens));
        if !has_failed || number > most {
            break (Ended::Settled, captured);
        }
        if !trying.budget.take() {
            break (Ended::Denied, captured);
        }
        let wait = case.retries.wait(number, chance());
        if !wait.is_zero() && trying.role == Role::Case {
            return Came::Pause(tries, wait);
        }
        // A teardown may be all that is left of its run, which has no schedule any more.
        if trying.given.cancellation.wait(wait) {
            break (Ended::Interrupted, captured);
        }
        retrying(tries.next());
    };
    let (attempts, updated) = settle(case, tries, trying.goldens.filter(|_| ended != Ended::Interrupted));
    let mut result = CaseResult { updated, ..conclude(case, attempts, trying.policy.flaky) };
    match ended {
        Ended::Settled => {}
        Ended::Denied => result.has_denied_retries = true,
        // It might have passed yet.
        Ended::Interrupted => result.outcome = Outcome::Skipped(Skip::Interrupted),
    }
    Came::Over(Box::new(result), values)
}

/// The result of a case that would have been tried again, had the run not been stopped.
pub(super) fn interrupted(case: &TestCase, tries: Tries) -> CaseResult {
    let (attempts, _) = settle(case, tries, None);
    let result = conclude(case, attempts, FlakyVerdict::Pass);
    CaseResult { outcome: Outcome::Skipped(Skip::Interrupted), ..result }
}

fn is_failure(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Errored)
}

/// How many attempts there may be beyond the first.
fn most_retries(case: &TestCase, policy: &Policy) -> u32 {
    // A case that is known to fail gains nothing from another try.
    if case.expected_failure.is_some() { 0 } else { policy.retries.unwrap_or(case.retries.count) }
}

/// A random number from 0 to 1.
fn chance() -> f64 {
    let random = RandomState::new().hash_one(());
    random as f64 / u64::MAX as f64
}

/// Makes the changes to golden files that the last attempt asks for. To those before it theirs were failures; but one
/// that saw just what is now written would have passed, and is not told of: the case is not flaky.
fn settle(case: &TestCase, tries: Tries, goldens: Option<&Updater>) -> (Vec<Attempt>, Vec<UpdatedGolden>) {
    let mut earlier = tries.attempts;
    let Some((mut last, changes)) = earlier.pop() else { return (Vec::new(), Vec::new()) };
    let updated = update(case, &mut last, &changes, goldens);
    if last.outcome == Outcome::Passed && !updated.is_empty() {
        earlier.retain(|(attempt, seen)| attempt.outcome != Outcome::Passed || !is_same(seen, &changes));
    }
    let failed = earlier.into_iter().map(|(mut attempt, changes)| {
        update(case, &mut attempt, &changes, None);
        attempt
    });
    (failed.chain([last]).collect(), updated)
}

/// Whether both would make the same of the golden files.
fn is_same(some: &[GoldenChange], others: &[GoldenChange]) -> bool {
    let alike = |(one, other): (&GoldenChange, &GoldenChange)| {
        (&one.path, &one.content) == (&other.path, &other.content)
    };
    some.len() == others.len() && some.iter().zip(others).all(alike)
}

/// Makes the changes to golden files that an attempt asks for, unless the same attempt needs one as it is; those
/// that cannot be made are failures, and so are the files that do not stay as they should.
fn update(
    case: &TestCase,
    attempt: &mut Attempt,
    changes: &[GoldenChange],
    goldens: Option<&Updater>,
) -> Vec<UpdatedGolden> {
    let mut updated = Vec::new();
    let (differing, matching): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.differs);
    for change in matching.into_iter().chain(differing) {
        // What a case that is known to fail prints must not become what is expected of it, nor what one printed
        // that did not come to its end.
        let is_of_use =
            matches!(attempt.outcome, Outcome::Passed | Outcome::Failed) && case.expected_failure.is_none();
        let applied = match goldens.filter(|_| is_of_use) {
            None if !change.differs => Ok(None),
            None => Err(None),
            Some(updater) => updater.apply(change).map_err(|error| Some(error.to_string())),
        };
        match applied {
            Ok(done) => updated.extend(done),
            Err(reason) => {
                let mut failure = change.failure.clone();
                if let Some(reason) = reason {
                    failure.message.push_str(&format!("; {reason}"));
                }
                attempt.failures.push(failure);
                if attempt.outcome == Outcome::Passed {
                    attempt.outcome = Outcome::Failed;
                }
            }
        }
    }
    updated
}

/// One attempt, with a panic turned into its result.
fn guarded(case: &TestCase, trying: &Trying<'_>, number: u32) -> Tried {
    let started_at = SystemTime::now();
    let attempt = catch_unwind(AssertUnwindSafe(|| trying.executor.attempt(case, number, &trying.given)));
    attempt.unwrap_or_else(|payload| {
        let attempt = Attempt {
            number,
            started_at,
            duration: Duration::ZERO,
            outcome: Outcome::Errored,
            failures: vec![failure(case, FailureKind::Internal, panics::describe(&*payload))],
            steps: Vec::new(),
            leaked: Vec::new(),
            services: Vec::new(),
            logs: Vec::new(),
            kept: KeptFiles::default(),
        };
        Tried { attempt, goldens: Vec::new(), captured: Variables::new() }
    })
}

fn conclude(case: &TestCase, attempts: Vec<Attempt>, flaky: FlakyVerdict) -> CaseResult {
    let last = attempts.last().map_or(Outcome::Errored, |attempt| attempt.outcome.clone());
    let mut result = CaseResult {
        info: Arc::clone(&case.info),
        outcome: last,
        attempts,
        failures: Vec::new(),
        expected_failure: None,
        quarantine: None,
        has_denied_retries: false,
        updated: Vec::new(),
    };
    if flaky == FlakyVerdict::Fail && result.standing() == Standing::Flaky {
        let count = result.attempts.len();
        let message = format!("passed at attempt {count} only, and flaky cases fail this run");
        result.outcome = Outcome::Failed;
        result.failures.push(failure(case, FailureKind::Flaky, message));
    }
    if let Some(expected) = &case.expected_failure {
        match result.outcome {
            Outcome::Failed | Outcome::TimedOut => {
                result.outcome = Outcome::Passed;
                result.expected_failure = Some(expected.reason.clone());
            }
            Outcome::Passed if expected.strict => {
                let message = format!("passed, but was expected to fail: {}", expected.reason);
                result.outcome = Outcome::Failed;
                result.failures.push(failure(case, FailureKind::UnexpectedPass, message));
            }
            _ => {}
        }
    }
    result
}

fn failure(case: &TestCase, kind: FailureKind, message: String) -> Failure {
    Failure::new(kind, case.info.position.clone(), message)
}
