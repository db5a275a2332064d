//! What is done before the first and after the last case of a folder.
//!
//! Setup and teardown are jobs like others. This knows which they are, whose cases they surround, and when a
//! teardown is due.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::model::{CaseId, CaseInfo, Failure, FailureKind, SuiteHooks, TestCase};
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
    /// The teardowns that an earlier run has left, cases of their folders, which are due even where nothing of these
    /// begins this time. Each comes after the innermost setup of its folders, whatever becomes of that, and is behind
    /// a gate until then.
    left_over: BTreeMap<JobIndex, Option<(JobIndex, GateId)>>,
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
    /// It is its turn, as there is something to tear down from an earlier run; unless this one ends before the setup.
    LeftOver(JobIndex, GateId),
}

impl Due {
    /// The gate of a teardown whose turn it is.
    pub(super) fn gate(self) -> Option<GateId> {
        match self {
            Self::Now(_, gate) | Self::LeftOver(_, gate) => Some(gate),
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
            left_over: BTreeMap::new(),
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
        let hooks: HashMap<CaseId, usize> = all
            .suites
            .iter()
            .enumerate()
            .flat_map(|(index, suite)| {
                let hooks = [&suite.hooks.setup, &suite.hooks.teardown];
                hooks.into_iter().flatten().map(move |case| (case.info.id.clone(), index))
            })
            .collect();
        for (job, case) in cases.iter().enumerate() {
            let Some(index) = hooks.get(&case.info.id) else { continue };
            let suite = &mut all.suites[*index];
            if suite.hooks.setup.as_ref().is_some_and(|setup| setup.info.id == case.info.id) {
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
        all.find_left_over(cases, builder);
        all
    }

    /// Finds the teardowns among these cases that come with no case of their folder.
    fn find_left_over(&mut self, cases: &[Arc<TestCase>], builder: &mut Builder) {
        for (job, case) in (0..).map(JobIndex).zip(cases) {
            if !case.info.is_hook() || self.setups.contains(&job) || self.teardown_of.contains_key(&job) {
                continue;
            }
            let setup = self.innermost(job).and_then(|suite| suite.setup);
            let gated = setup.map(|setup| (setup, builder.gate()));
            gated.iter().for_each(|(_, gate)| builder.hold(job, *gate));
            self.left_over.insert(job, gated);
        }
    }

    /// The innermost folder of a job that has a setup.
    fn innermost(&self, job: JobIndex) -> Option<&Suite> {
        let mut suites = self.of_job[job.0].iter().rev().map(|suite| &self.suites[*suite]);
        suites.find(|suite| suite.setup.is_some())
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
        let left_over = self.left_over.values().flatten().map(|(_, gate)| *gate);
        self.suites.iter().filter_map(|suite| suite.gate).chain(left_over).collect()
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
        self.teardown_of.contains_key(&job) || self.left_over.contains_key(&job)
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
        let mut due = self.left_over_after(job);
        for index in std::mem::take(&mut self.of_job[job.0]) {
            let suite = &mut self.suites[index];
            suite.left -= 1;
            if let (0, Some(teardown), Some(gate)) = (suite.left, suite.teardown, suite.gate) {
                due.push(if suite.has_begun { Due::Now(teardown, gate) } else { Due::Never(teardown, gate) });
            }
        }
        due
    }

    /// The teardowns left of an earlier run that come after a job.
    fn left_over_after(&mut self, job: JobIndex) -> Vec<Due> {
        if !self.setups.contains(&job) {
            return Vec::new();
        }
        let has_begun = self.innermost(job).is_some_and(|suite| suite.has_begun);
        let due = if has_begun { Due::Now } else { Due::LeftOver };
        let left_over = self.left_over.iter_mut();
        let after = left_over.filter_map(|(teardown, gated)| {
            gated.take_if(|(setup, _)| *setup == job).map(|(_, gate)| due(*teardown, gate))
        });
        after.collect()
    }

    /// Whether all is over that a teardown comes after, and there is something to tear down.
    pub(super) fn is_due(&self, teardown: JobIndex) -> bool {
        if let Some(gated) = self.left_over.get(&teardown) {
            return gated.is_none();
        }
        let suite = self.teardown_of.get(&teardown).map(|suite| &self.suites[*suite]);
        suite.is_some_and(|suite| suite.left == 0 && suite.has_begun)
    }
}

/// What it means for a case that a setup has not passed.
pub(super) fn without_setup(case: &CaseInfo, setup: &CaseInfo) -> Failure {
    let message = format!("the setup \"{}\" did not pass", setup.id);
    Failure::new(FailureKind::Setup, case.position.clone(), message)
}
