//! Cases that are run again and again.
//!
//! Each copy of a case is a job that is run many times, so that what is known of the run does not grow with it. Once all
//! have begun, whatever slot is free is taken by the case that has run least often, of those that can start at once. What
//! cannot, since it waits for a lock or for several slots, is passed by until others are two rounds ahead, where a round
//! is as many runs as a case has copies; then they wait for it. Of a case whose copies all run, or wait for a retry,
//! nothing can be started, and others get ahead of it without end.
//!
//! Where cases run after others, each round ends before the next one begins.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::model::{Captured, CaseId, CaseResult, Outcome, TestCase};
use crate::runner::Files;
use crate::schedule::{JobIndex, Skipped};
use crate::time::Deadline;

/// That the copies of cases in a plan are run again and again.
#[derive(Clone, Debug)]
pub struct Repetition {
    /// For how long. What runs then comes to its end, and every case is run once at least.
    pub time: Duration,
    /// Who has a turn when.
    pub pace: Pace,
    /// Set when this is enough, before the time is over: then only what runs comes to its end.
    pub enough: Arc<AtomicBool>,
}

/// Who has a turn when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// All copies, one after the other.
    Turns,
    /// The first copy as soon as it has ended, and the others one after the other beside it.
    FirstAtOnce,
}

/// How far the repetition is.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    repetition: Option<Repetition>,
    deadline: Option<Deadline>,
    /// The cases of the jobs that are run again and again.
    jobs: HashMap<JobIndex, usize>,
    cases: Vec<Repeated>,
    /// The cases of which a copy has ended, those that have begun least often first.
    order: BTreeSet<(u32, usize)>,
    /// The job that never waits for its turn.
    first: Option<JobIndex>,
    /// Whether a round begins only when all jobs of the last one have ended.
    is_strict: bool,
    is_first_round: bool,
    /// The jobs that are to run and have not begun.
    waiting: BTreeSet<JobIndex>,
    /// How many have ended.
    resting: usize,
    /// What must run yet although the time is over.
    needed: HashSet<JobIndex>,
}

/// A case of which there are copies.
#[derive(Debug, Default)]
struct Repeated {
    /// How many have begun.
    begun: u32,
    /// How many jobs it has.
    copies: u32,
    /// Those of them that have ended.
    resting: BTreeSet<JobIndex>,
    /// Whether it has had a result without having begun.
    is_told: bool,
    /// Whether a copy of it has passed, and failed.
    has_passed: bool,
    has_failed: bool,
}

impl Rounds {
    /// The repetition of those of the cases that are copies; of none where nothing is repeated. `is_strict` says that
    /// some of them run after others.
    pub(super) fn new(repetition: Option<&Repetition>, cases: &[Arc<TestCase>], is_strict: bool) -> Self {
        let Some(repetition) = repetition else { return Self::default() };
        let mut known: HashMap<&CaseId, usize> = HashMap::new();
        let mut repeated: Vec<Repeated> = Vec::new();
        let mut jobs = HashMap::new();
        for (job, case) in (0..).map(JobIndex).zip(cases) {
            if let Some(id) = &case.info.copy_of {
                let case = *known.entry(id).or_insert(repeated.len());
                if case == repeated.len() {
                    repeated.push(Repeated::default());
                }
                repeated[case].copies += 1;
                jobs.insert(job, case);
            }
        }
        Self {
            deadline: Some(Deadline::after(Some(repetition.time))),
            repetition: Some(repetition.clone()),
            cases: repeated,
            first: jobs.keys().min().copied().filter(|_| repetition.pace == Pace::FirstAtOnce),
            waiting: jobs.keys().copied().collect(),
            jobs,
            is_strict,
            is_first_round: true,
            ..Self::default()
        }
    }

    /// Whether nothing is run again and again.
    pub(super) fn are_none(&self) -> bool {
        self.repetition.is_none()
    }

    /// A job begins. Gives the copy of its case that it is this time.
    pub(super) fn begin(&mut self, job: JobIndex, case: &Arc<TestCase>) -> Option<Arc<TestCase>> {
        let own = *self.jobs.get(&job)?;
        self.waiting.remove(&job);
        let repeated = &mut self.cases[own];
        let is_in_order = self.order.remove(&(repeated.begun, own));
        repeated.begun = repeated.begun.saturating_add(1);
        if is_in_order {
            self.order.insert((repeated.begun, own));
        }
        let info = Arc::new(case.info.numbered(repeated.begun));
        Some(Arc::new(TestCase { info, ..TestCase::clone(case) }))
    }

    /// A job has ended, or is left out this time. Says whether it is run again.
    pub(super) fn rest(&mut self, job: JobIndex) -> bool {
        if self.deadline.is_none() {
            return false;
        }
        let Some(own) = self.jobs.get(&job).copied() else { return false };
        self.waiting.remove(&job);
        let repeated = &mut self.cases[own];
        self.resting += usize::from(repeated.resting.insert(job));
        self.order.insert((repeated.begun, own));
        true
    }

    /// A job is over for good.
    pub(super) fn leave(&mut self, job: JobIndex) {
        if let Some(own) = self.jobs.remove(&job) {
            self.waiting.remove(&job);
            self.cases[own].copies -= 1;
        }
    }

    /// Of jobs that are left out this time, those are over for good that wait for what is.
    pub(super) fn leave_after(&mut self, skipped: &[Skipped]) {
        loop {
            let is_hopeless =
                |one: &&Skipped| self.jobs.contains_key(&one.job) && !self.jobs.contains_key(&one.after);
            let hopeless: Vec<_> = skipped.iter().filter(is_hopeless).map(|one| one.job).collect();
            if hopeless.is_empty() {
                return;
            }
            hopeless.into_iter().for_each(|job| self.leave(job));
        }
    }

    /// Whether nothing was told yet of the case of a job that has not begun. From now on it is.
    pub(super) fn is_news(&mut self, job: JobIndex) -> bool {
        let Some(own) = self.jobs.get(&job) else { return true };
        let repeated = &mut self.cases[*own];
        repeated.begun == 0 && !std::mem::replace(&mut repeated.is_told, true)
    }

    /// The jobs that are to run once more now: all at once where rounds are strict, else one after the other. `has_room`
    /// says whether a job could start at once.
    pub(super) fn next(&mut self, has_room: impl Fn(JobIndex) -> bool) -> Vec<JobIndex> {
        if self.deadline.is_none() || self.resting == 0 || self.is_enough() {
            return Vec::new();
        }
        let next = match self.is_strict {
            true if self.resting == self.jobs.len() => self.take_resting(),
            true => Vec::new(),
            false => self.turn(has_room).into_iter().collect(),
        };
        if !next.is_empty() {
            self.is_first_round = false;
        }
        self.waiting.extend(&next);
        next
    }

    /// The job whose turn it is; none while all have to wait.
    fn turn(&mut self, has_room: impl Fn(JobIndex) -> bool) -> Option<JobIndex> {
        let case = |job: &JobIndex| self.jobs.get(job).map(|case| &self.cases[*case]);
        if let Some(first) =
            self.first.filter(|first| case(first).is_some_and(|own| own.resting.contains(first)))
        {
            return self.take(first);
        }
        let others = || self.waiting.iter().filter(|job| Some(**job) != self.first);
        let least = others().filter_map(|job| Some(case(job)?.begun)).min();
        if least == Some(0) {
            return None;
        }
        let limit = |own: &Repeated, least: u32| least.saturating_add(own.copies.saturating_mul(2));
        let is_too_far = |own: &Repeated| least.is_some_and(|least| own.begun >= limit(own, least));
        let turns = self.order.iter().map(|(_, case)| &self.cases[*case]);
        let mut jobs = turns.filter(|own| !is_too_far(own)).filter_map(|own| own.resting.first().copied());
        let next = jobs.find(|job| has_room(*job));
        // It may be one that cannot start before others have ended: it keeps its place from now on.
        let next = next.or_else(|| {
            let (_, first) = self.order.first().filter(|_| least.is_none())?;
            self.cases[*first].resting.first().copied()
        });
        self.take(next?)
    }

    /// Takes a job from those that have ended.
    fn take(&mut self, job: JobIndex) -> Option<JobIndex> {
        let own = *self.jobs.get(&job)?;
        let repeated = &mut self.cases[own];
        self.resting -= usize::from(repeated.resting.remove(&job));
        if repeated.resting.is_empty() {
            self.order.remove(&(repeated.begun, own));
        }
        Some(job)
    }

    fn take_resting(&mut self) -> Vec<JobIndex> {
        self.order.clear();
        self.resting = 0;
        let mut all: Vec<_> =
            self.cases.iter_mut().flat_map(|own| std::mem::take(&mut own.resting)).collect();
        all.sort_unstable();
        all
    }

    /// What becomes of what a job leaves beside its result: of each case the first failure is kept.
    pub(super) fn files(&self, job: JobIndex) -> Files {
        let has_failed = self.jobs.get(&job).is_some_and(|own| self.cases[*own].has_failed);
        if has_failed { Files::Dropped } else { Files::Kept }
    }

    /// Leaves out of the result of a job what it printed, unless it is the first copy of its case that has passed, or that has
    /// failed.
    pub(super) fn shorten(&mut self, job: JobIndex, result: &mut CaseResult) {
        let Some(own) = self.jobs.get(&job) else { return };
        let repeated = &mut self.cases[*own];
        let is_known = match result.outcome {
            Outcome::Passed => &mut repeated.has_passed,
            _ => &mut repeated.has_failed,
        };
        if std::mem::replace(is_known, true) {
            for attempt in &mut result.attempts {
                attempt.services.clear();
                for step in &mut attempt.steps {
                    (step.stdout, step.stderr) = (Captured::default(), Captured::default());
                }
            }
        }
    }

    /// How long nothing more needs to be noticed of the time; none where there is none.
    pub(super) fn remaining(&self) -> Option<Duration> {
        self.deadline.and_then(Deadline::remaining)
    }

    /// Whether the time is over, and that was not noticed yet.
    pub(super) fn are_to_end(&self) -> bool {
        self.deadline.is_some_and(Deadline::has_passed) || self.deadline.is_some() && self.is_enough()
    }

    fn is_enough(&self) -> bool {
        self.repetition.as_ref().is_some_and(|repetition| repetition.enough.load(Ordering::Relaxed))
    }

    /// No job is run again. Gives those that have ended, which are over now.
    pub(super) fn end(&mut self) -> Vec<JobIndex> {
        let is_early = self.is_enough();
        if self.deadline.take().is_some() && !is_early {
            self.needed = self.needed();
        }
        self.take_resting()
    }

    /// The first copy of each case that has not begun; or all where one must have passed for others to begin.
    fn needed(&self) -> HashSet<JobIndex> {
        if self.is_strict && self.is_first_round {
            return self.waiting.iter().copied().collect();
        }
        let mut first: HashMap<usize, JobIndex> = HashMap::new();
        let waiting = self.waiting.iter().filter_map(|job| Some((*job, *self.jobs.get(job)?)));
        for (job, own) in waiting.filter(|(_, own)| self.cases[*own].begun == 0 && !self.is_strict) {
            first.entry(own).or_insert(job);
        }
        first.into_values().collect()
    }

    /// Whether a job that has not begun may as well not, now that the time is over.
    pub(super) fn is_needless(&self, job: JobIndex) -> bool {
        self.waiting.contains(&job) && !self.needed.contains(&job)
    }
}
