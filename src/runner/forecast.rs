//! How long a plan may take, and what it waits for: its schedule, driven in simulated time.
//!
//! What would be gained by a change is found by making it and driving the schedule again, so that everything else that
//! would hold the run up then is in the answer.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{CaseId, LockAccess, Resources, TestCase};
use crate::plan::{After, Estimates, TestPlan};
use crate::runner::jobs::Jobs;
use crate::runner::suites::Due;
use crate::schedule::{Capacities, ScheduleError, simulate};

/// How many of each kind of change are tried.
const TRIED: usize = 3;

/// The part of the whole time that a change must gain to be of interest, as a divisor.
const WORTH: u32 = 50;

/// What a run would come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// How long it would take.
    pub wall: Duration,
    /// How long its cases take together.
    pub work: Duration,
    /// How many cases there are to run.
    pub cases: usize,
    /// What would make it shorter, the best first.
    pub gains: Vec<Gain>,
}

/// A change and what would come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gain {
    /// What is changed.
    pub change: Change,
    /// How long the run would take then.
    pub wall: Duration,
}

/// Something that makes a run shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A case is made two, of half the time each.
    Split {
        /// Which case.
        case: CaseId,
        /// How long it takes.
        duration: Duration,
    },
    /// The cases that hold a lock need it no more.
    Lock {
        /// Its name.
        name: String,
        /// For how long cases hold it that do so alone.
        held: Duration,
    },
    /// A pool has enough for everybody.
    Pool {
        /// Its name.
        name: String,
    },
    /// Cases that need the machine for themselves need it no more.
    Alone {
        /// How long they take.
        held: Duration,
    },
    /// No case waits for another to pass.
    After,
    /// There are twice as many CPU slots.
    Slots {
        /// So many.
        jobs: NonZeroUsize,
    },
}

/// How long the plan would take; none when no duration is known.
///
/// # Errors
/// [`ScheduleError`] when some case could never start.
pub fn predict(plan: &TestPlan, capacities: Capacities) -> Result<Option<Duration>, ScheduleError> {
    let Some(estimates) = &plan.estimates else { return Ok(None) };
    let durations: Vec<_> = plan.cases.iter().map(|case| estimates.of(&case.info.id)).collect();
    Ok(Some(wall(Jobs::new(&plan.cases, &plan.after, capacities, None)?, &durations)))
}

/// How long jobs would take. What they wait for besides is there at once: nobody knows how long services start.
fn wall(jobs: Jobs, durations: &[Duration]) -> Duration {
    let Jobs { schedule, mut suites, .. } = jobs;
    let teardowns = suites.gates();
    let opened_by = |job| {
        suites.begin(job);
        suites.job_over(job).into_iter().filter_map(Due::gate)
    };
    simulate(schedule, durations, &teardowns, opened_by).wall
}

/// What the plan would come to; none when no duration is known. What would make it shorter is not looked for.
///
/// # Errors
/// [`ScheduleError`] when some case could never start.
pub fn outlook(plan: &TestPlan, capacities: Capacities) -> Result<Option<Forecast>, ScheduleError> {
    let (Some(estimates), Some(wall)) = (&plan.estimates, predict(plan, capacities)?) else {
        return Ok(None);
    };
    let work = plan.cases.iter().map(|case| estimates.of(&case.info.id)).sum();
    Ok(Some(Forecast { wall, work, cases: plan.cases.len(), gains: Vec::new() }))
}

/// What the plan would come to, and what would make it shorter; none when no duration is known.
///
/// # Errors
/// [`ScheduleError`] when some case could never start.
pub fn forecast(plan: &TestPlan, capacities: Capacities) -> Result<Option<Forecast>, ScheduleError> {
    let (Some(estimates), Some(mut forecast)) = (&plan.estimates, outlook(plan, capacities)?) else {
        return Ok(None);
    };
    for change in candidates(plan, estimates, capacities) {
        let shorter = changed(plan, estimates, &change, capacities)?;
        if shorter + forecast.wall / WORTH < forecast.wall {
            forecast.gains.push(Gain { change, wall: shorter });
        }
    }
    forecast.gains.sort_by_key(|gain| gain.wall);
    Ok(Some(forecast))
}

/// The changes that may gain something, more than which there is no need to try.
fn candidates(plan: &TestPlan, estimates: &Estimates, capacities: Capacities) -> Vec<Change> {
    let time = |case: &TestCase| estimates.of(&case.info.id);
    let mut longest: Vec<_> = plan.cases.iter().filter(|case| !case.info.is_hook()).collect();
    longest.sort_by_key(|case| Reverse(time(case)));
    let split = |case: &Arc<TestCase>| Change::Split { case: case.info.id.clone(), duration: time(case) };
    let mut changes: Vec<Change> = longest.into_iter().take(TRIED).map(split).collect();
    let mut locks: HashMap<&str, Duration> = HashMap::new();
    let mut pools: HashMap<&str, Duration> = HashMap::new();
    for case in &plan.cases {
        for (name, access) in &case.resources.locks {
            let held = if *access == LockAccess::Exclusive { time(case) } else { Duration::ZERO };
            *locks.entry(name).or_default() += held;
        }
        for (pool, _) in &case.resources.pools {
            *pools.entry(&pool.name).or_default() += time(case);
        }
    }
    changes.extend(most(locks).into_iter().map(|(name, held)| Change::Lock { name, held }));
    changes.extend(most(pools).into_iter().map(|(name, _)| Change::Pool { name }));
    let held: Duration =
        plan.cases.iter().filter(|case| case.resources.exclusive).map(|case| time(case)).sum();
    if !held.is_zero() {
        changes.push(Change::Alone { held });
    }
    if !plan.after.is_empty() {
        changes.push(Change::After);
    }
    changes.push(Change::Slots { jobs: capacities.cpu.saturating_mul(TWO) });
    changes
}

const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// Those with the most time.
fn most(times: HashMap<&str, Duration>) -> Vec<(String, Duration)> {
    let mut times: Vec<_> = times.into_iter().map(|(name, held)| (name.to_owned(), held)).collect();
    times.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    times.truncate(TRIED);
    times
}

/// How long the plan would take with a change.
fn changed(
    plan: &TestPlan,
    estimates: &Estimates,
    change: &Change,
    mut capacities: Capacities,
) -> Result<Duration, ScheduleError> {
    let mut cases = Vec::new();
    let mut durations = Vec::new();
    for case in &plan.cases {
        let duration = estimates.of(&case.info.id);
        if matches!(change, Change::Split { case: split, .. } if *split == case.info.id) {
            cases.extend([Arc::clone(case), Arc::clone(case)]);
            durations.extend([duration / 2; 2]);
            continue;
        }
        cases.push(match without(change, &case.resources) {
            Some(resources) => Arc::new(TestCase { resources: Arc::new(resources), ..(**case).clone() }),
            None => Arc::clone(case),
        });
        durations.push(duration);
    }
    let nothing = After::new();
    let after = if *change == Change::After { &nothing } else { &plan.after };
    if let Change::Slots { jobs } = change {
        capacities.cpu = *jobs;
    }
    Ok(wall(Jobs::new(&cases, after, capacities, None)?, &durations))
}

/// What a case takes after a change; none when that is the same.
fn without(change: &Change, resources: &Resources) -> Option<Resources> {
    let mut left = resources.clone();
    match change {
        Change::Lock { name, .. } => drop(left.locks.remove(name)?),
        Change::Pool { name } => left.pools.retain(|(pool, _)| pool.name != *name),
        Change::Alone { .. } => left.exclusive = false,
        Change::Split { .. } | Change::After | Change::Slots { .. } => return None,
    }
    (left != *resources).then_some(left)
}
