//! Cases that are run again and again.
//!
//! Each copy of a case is a job that is run many times. A round is over when each of its jobs has begun: those that have
//! ended are then taken up once more. So no case is ahead of the others by more than a round, no slot stands idle, and
//! what is known of the run does not grow with it. Where cases run after others, a round is over when all of its jobs
//! have ended.

use std::collections::{HashMap, HashSet};
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
    /// The jobs that are run again and again, by their index.
    jobs: HashMap<JobIndex, Job>,
    cases: Vec<Repeated>,
    /// The job that never waits for a round.
    first: Option<JobIndex>,
    /// Whether a round is over only when all of its jobs have ended.
    is_strict: bool,
    is_first_round: bool,
    /// How many jobs of this round have not begun.
    waiting: usize,
    /// What has ended in this round.
    resting: Vec<JobIndex>,
    /// What must run yet although the time is over.
    needed: HashSet<JobIndex>,
}

#[derive(Debug)]
struct Job {
    case: usize,
    is_waiting: bool,
}

/// A case of which there are copies.
#[derive(Debug, Default)]
struct Repeated {
    /// How many have begun.
    begun: u32,
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
        let mut jobs = HashMap::new();
        for (job, case) in (0..).map(JobIndex).zip(cases) {
            if let Some(id) = &case.info.copy_of {
                let next = known.len();
                let case = *known.entry(id).or_insert(next);
                jobs.insert(job, Job { case, is_waiting: true });
            }
        }
        let first = jobs.keys().min().copied().filter(|_| repetition.pace == Pace::FirstAtOnce);
        Self {
            deadline: Some(Deadline::after(Some(repetition.time))),
            repetition: Some(repetition.clone()),
            cases: known.iter().map(|_| Repeated::default()).collect(),
            waiting: jobs.len() - usize::from(first.is_some()),
            jobs,
            first,
            is_strict,
            is_first_round: true,
            resting: Vec::new(),
            needed: HashSet::new(),
        }
    }

    /// A job begins. Gives the copy of its case that it is this time.
    pub(super) fn begin(&mut self, job: JobIndex, case: &Arc<TestCase>) -> Option<Arc<TestCase>> {
        let own = self.jobs.get_mut(&job)?;
        if std::mem::take(&mut own.is_waiting) && self.first != Some(job) {
            self.waiting -= 1;
        }
        let repeated = &mut self.cases[own.case];
        repeated.begun = repeated.begun.saturating_add(1);
        let info = Arc::new(case.info.numbered(repeated.begun));
        Some(Arc::new(TestCase { info, ..TestCase::clone(case) }))
    }

    /// A job has ended, or is left out this time. Says whether it is run again.
    pub(super) fn rest(&mut self, job: JobIndex) -> bool {
        if self.deadline.is_none() {
            return false;
        }
        let Some(own) = self.jobs.get_mut(&job) else { return false };
        if std::mem::take(&mut own.is_waiting) && self.first != Some(job) {
            self.waiting -= 1;
        }
        self.resting.push(job);
        true
    }

    /// A job is over for good.
    pub(super) fn leave(&mut self, job: JobIndex) {
        if let Some(own) = self.jobs.remove(&job)
            && own.is_waiting
            && self.first != Some(job)
        {
            self.waiting -= 1;
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
        let repeated = &mut self.cases[own.case];
        repeated.begun == 0 && !std::mem::replace(&mut repeated.is_told, true)
    }

    /// The jobs that are to run once more now.
    pub(super) fn next(&mut self) -> Vec<JobIndex> {
        if self.deadline.is_none() || self.is_enough() {
            return Vec::new();
        }
        let is_over = match self.is_strict {
            true => self.resting.len() == self.jobs.len(),
            false => self.waiting == 0,
        };
        let next: Vec<_> = if is_over {
            self.is_first_round = false;
            std::mem::take(&mut self.resting)
        } else {
            let first = |job: &JobIndex| Some(*job) == self.first;
            let (next, resting) = std::mem::take(&mut self.resting).into_iter().partition(first);
            self.resting = resting;
            next
        };
        for job in &next {
            if let Some(own) = self.jobs.get_mut(job) {
                own.is_waiting = true;
            }
            self.waiting += usize::from(self.first != Some(*job));
        }
        next
    }

    /// What becomes of what a job leaves beside its result: of each case the first failure is kept.
    pub(super) fn files(&self, job: JobIndex) -> Files {
        let has_failed = self.jobs.get(&job).is_some_and(|own| self.cases[own.case].has_failed);
        if has_failed { Files::Dropped } else { Files::Kept }
    }

    /// Leaves out of the result of a job what it printed, unless it is the first copy of its case that has passed, or that has
    /// failed.
    pub(super) fn shorten(&mut self, job: JobIndex, result: &mut CaseResult) {
        let Some(own) = self.jobs.get(&job) else { return };
        let repeated = &mut self.cases[own.case];
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
        std::mem::take(&mut self.resting)
    }

    /// The first copy of each case that has not begun; or all where one must have passed for others to begin.
    fn needed(&self) -> HashSet<JobIndex> {
        let waiting = self.jobs.iter().filter(|(_, own)| own.is_waiting);
        if self.is_strict && self.is_first_round {
            return waiting.map(|(job, _)| *job).collect();
        }
        let mut first: HashMap<usize, JobIndex> = HashMap::new();
        for (job, own) in waiting.filter(|(_, own)| self.cases[own.case].begun == 0 && !self.is_strict) {
            let first = first.entry(own.case).or_insert(*job);
            *first = (*first).min(*job);
        }
        first.into_values().collect()
    }

    /// Whether a job that has not begun may as well not, now that the time is over.
    pub(super) fn is_needless(&self, job: JobIndex) -> bool {
        self.jobs.get(&job).is_some_and(|own| own.is_waiting) && !self.needed.contains(&job)
    }
}
