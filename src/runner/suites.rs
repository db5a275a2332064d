//! What is done before the first and after the last case of a folder.
//!
//! Setup and teardown are jobs like others. This knows which they are, whose cases they surround, and when a
//! teardown is due.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::model::{CaseInfo, Failure, FailureKind, SuiteHooks, TestCase};
use crate::schedule::{Builder, GateId, JobIndex};
use crate::text::Variables;

/// The folders that do something before or after their cases.
#[derive(Debug)]
pub(super) struct Suites {
    suites: Vec<Suite>,
    /// The folders that each job belongs to, the outermost first.
    of_job: Vec<Box<[usize]>>,
    setups: BTreeSet<JobIndex>,
    /// The folder whose teardown a job is.
    teardown_of: HashMap<JobIndex, usize>,
}

#[derive(Debug)]
struct Suite {
    hooks: Arc<SuiteHooks>,
    setup: Option<JobIndex>,
    teardown: Option<JobIndex>,
    gate: Option<GateId>,
    /// How many of its jobs are not over.
    left: usize,
    /// Whether one of them was started.
    has_begun: bool,
    /// What its setup has captured.
    captured: Variables,
}

/// What is to become of a teardown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is its turn.
    Now(JobIndex, GateId),
    /// There is nothing to tear down.
    Never(JobIndex, GateId),
}

impl Due {
    /// The gate of a teardown whose turn it is.
    pub(super) fn gate(self) -> Option<GateId> {
        match self {
            Self::Now(_, gate) => Some(gate),
            Self::Never(..) => None,
        }
    }
}

impl Suites {
    /// Those of these cases, among which are setups and teardowns; a teardown is behind a gate.
    pub(super) fn new(cases: &[Arc<TestCase>], builder: &mut Builder) -> Self {
        let mut all = Self {
            suites: Vec::new(),
            of_job: Vec::new(),
            setups: BTreeSet::new(),
            teardown_of: HashMap::new(),
        };
        let mut known: HashMap<*const SuiteHooks, usize> = HashMap::new();
        for case in cases {
            let own = case
                .hooks
                .iter()
                .map(|hooks| *known.entry(Arc::as_ptr(hooks)).or_insert_with(|| all.add(hooks)));
            let own: Box<[usize]> = own.collect();
            all.of_job.push(own);
        }
        let hooks: HashMap<*const TestCase, usize> = all
            .suites
            .iter()
            .enumerate()
            .flat_map(|(index, suite)| {
                let hooks = [&suite.hooks.setup, &suite.hooks.teardown];
                hooks.into_iter().flatten().map(move |case| (Arc::as_ptr(case), index))
            })
            .collect();
        for (job, case) in cases.iter().enumerate() {
            let Some(index) = hooks.get(&Arc::as_ptr(case)) else { continue };
            let suite = &mut all.suites[*index];
            if suite.hooks.setup.as_ref().is_some_and(|setup| Arc::ptr_eq(setup, case)) {
                suite.setup = Some(JobIndex(job));
                all.setups.insert(JobIndex(job));
                all.of_job[job] = all.of_job[job].iter().copied().chain([*index]).collect();
            } else {
                let gate = builder.gate();
                builder.hold(JobIndex(job), gate);
                (suite.teardown, suite.gate) = (Some(JobIndex(job)), Some(gate));
                all.teardown_of.insert(JobIndex(job), *index);
            }
        }
        for index in all.of_job.iter().flatten() {
            all.suites[*index].left += 1;
        }
        all
    }

    fn add(&mut self, hooks: &Arc<SuiteHooks>) -> usize {
        self.suites.push(Suite {
            hooks: Arc::clone(hooks),
            setup: None,
            teardown: None,
            gate: None,
            left: 0,
            has_begun: false,
            captured: Variables::new(),
        });
        self.suites.len() - 1
    }

    /// The jobs that are setups.
    pub(super) fn setups(&self) -> Vec<JobIndex> {
        self.setups.iter().copied().collect()
    }

    /// The gates of the teardowns.
    pub(super) fn gates(&self) -> HashSet<GateId> {
        self.suites.iter().filter_map(|suite| suite.gate).collect()
    }

    /// The setups that must have passed before a job starts. A teardown has its gate instead.
    pub(super) fn before(&self, job: JobIndex) -> impl Iterator<Item = JobIndex> {
        let setups = self.of_job[job.0].iter().filter_map(|suite| self.suites[*suite].setup);
        setups.filter(move |setup| *setup != job && !self.is_teardown(job))
    }

    /// Whether a job is a setup.
    pub(super) fn is_setup(&self, job: JobIndex) -> bool {
        self.setups.contains(&job)
    }

    /// Whether a job is a teardown.
    pub(super) fn is_teardown(&self, job: JobIndex) -> bool {
        self.teardown_of.contains_key(&job)
    }

    /// A job starts.
    pub(super) fn begin(&mut self, job: JobIndex) {
        for suite in &self.of_job[job.0] {
            self.suites[*suite].has_begun = true;
        }
    }

    /// Keeps what a setup has captured; of no other job.
    pub(super) fn keep(&mut self, job: JobIndex, captured: Variables) {
        if self.setups.contains(&job)
            && let Some(suite) = self.suites.iter_mut().find(|suite| suite.setup == Some(job))
        {
            suite.captured = captured;
        }
    }

    /// What the setups of the folders of a job have captured; those of inner folders go before others.
    pub(super) fn captured(&self, job: JobIndex) -> Variables {
        let suites = self.of_job[job.0].iter().chain(self.teardown_of.get(&job));
        suites.flat_map(|suite| self.suites[*suite].captured.clone()).collect()
    }

    /// A job has its result. Gives the teardowns whose turn it is now.
    pub(super) fn job_over(&mut self, job: JobIndex) -> Vec<Due> {
        let mut due = Vec::new();
        for index in std::mem::take(&mut self.of_job[job.0]) {
            let suite = &mut self.suites[index];
            suite.left -= 1;
            if let (0, Some(teardown), Some(gate)) = (suite.left, suite.teardown, suite.gate) {
                due.push(if suite.has_begun { Due::Now(teardown, gate) } else { Due::Never(teardown, gate) });
            }
        }
        due
    }

    /// Whether all is over that a teardown comes after, and there is something to tear down.
    pub(super) fn is_due(&self, teardown: JobIndex) -> bool {
        let suite = self.teardown_of.get(&teardown).map(|suite| &self.suites[*suite]);
        suite.is_some_and(|suite| suite.left == 0 && suite.has_begun)
    }
}

/// What it means for a case that a setup has not passed.
pub(super) fn without_setup(case: &CaseInfo, setup: &CaseInfo) -> Failure {
    let message = format!("the setup \"{}\" did not pass", setup.id);
    Failure::new(FailureKind::Setup, case.position.clone(), message)
}
