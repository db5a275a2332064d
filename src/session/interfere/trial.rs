//! One experiment: a case is run again and again, and beside it others.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::interference::Span;
use crate::model::{CaseId, CaseResult, LockAccess, Outcome, Skip, SlotDemand, TestCase, TestEvent};
use crate::plan::{After, TestPlan};
use crate::report::{Reporter, Reporters};
use crate::runner::{Control, Options, Pace, Policy, Repetition};
use crate::session::{Ended, SessionError, run_with};
use crate::time::{Deadline, LONGEST};

/// The most copies of a suspect beside each other.
const MOST_COPIES: u32 = 3;

/// Where experiments are made.
pub(super) struct Laboratory<'a> {
    cases: HashMap<CaseId, Arc<TestCase>>,
    after: After,
    jobs: NonZeroUsize,
    io_jobs: NonZeroUsize,
    control: &'a Control,
    deadline: Deadline,
    /// What went wrong beside the cases, one line each.
    pub(super) complaints: Vec<String>,
    /// The commands that cases ran, as a shell would read them.
    pub(super) commands: BTreeMap<CaseId, Vec<String>>,
    /// The cases that pass only once in a run, and what came of those that ran more often in one.
    pub(super) used_up: HashMap<CaseId, Tally>,
}

/// When an experiment has told enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enough {
    /// After so many failures of the case.
    pub(super) failures: usize,
    /// Or when it has run so often, and each case beside it, too.
    pub(super) tries: usize,
    /// But not before it has run so often itself.
    pub(super) runs: usize,
}

/// What came of the runs of a case.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) ran: usize,
    pub(super) failed: usize,
    /// How often it passed before it failed.
    passed_before: usize,
    /// The first result that was a failure.
    pub(super) failure: Option<Arc<CaseResult>>,
    /// Why it was left out.
    pub(super) left_out: Option<Skip>,
}

impl Tally {
    /// Whether it passed at first, and never again once it had failed.
    pub(super) fn is_used_up(&self) -> bool {
        self.failed > 0 && self.passed_before > 0 && self.passed_before + self.failed == self.ran
    }

    /// Adds what came of further runs.
    pub(super) fn add(&mut self, other: Self) {
        self.passed_before += if self.failed == 0 { other.passed_before } else { 0 };
        self.ran += other.ran;
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
        self.left_out = self.left_out.take().or(other.left_out);
    }
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// Of each case, those beside the first among them.
    pub(super) tallies: BTreeMap<CaseId, Tally>,
    /// When all of it went on.
    pub(super) spans: Vec<Span>,
    /// The cases that cannot run, since what they need did not pass.
    out: HashSet<CaseId>,
    /// The commands that the cases ran.
    commands: BTreeMap<CaseId, Vec<String>>,
}

impl Observed {
    /// What came of a case.
    pub(super) fn of(&self, case: &CaseId) -> Tally {
        self.tallies.get(case).cloned().unwrap_or_default()
    }

    /// Adds what was seen later.
    fn add(&mut self, other: Self) {
        for (case, tally) in other.tallies {
            self.tallies.entry(case).or_default().add(tally);
        }
        self.spans.extend(other.spans);
        self.out.extend(other.out);
    }

    fn note(&mut self, result: &Arc<CaseResult>) {
        let case = result.info.lasting_id();
        if result.attempts.is_empty() {
            self.out.insert(case.clone());
        }
        let tally = self.tallies.entry(case.clone()).or_default();
        // One that was interrupted says nothing.
        if let Outcome::Skipped(skip) = &result.outcome {
            tally.left_out.get_or_insert_with(|| skip.clone());
            return;
        }
        tally.ran += 1;
        if matches!(result.outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Errored) {
            tally.failed += 1;
            tally.failure.get_or_insert_with(|| Arc::clone(result));
        } else if tally.failed == 0 {
            tally.passed_before += 1;
        }
        self.spans.extend(Span::of(result));
        if !self.commands.contains_key(case) {
            let steps = result.attempts.iter().flat_map(|attempt| &attempt.steps);
            self.commands.insert(case.clone(), steps.map(|step| step.command.clone()).collect());
        }
    }
}

impl<'a> Laboratory<'a> {
    /// One for the cases of a plan, in which so many run at the same time.
    pub(super) fn new(
        plan: &TestPlan,
        jobs: NonZeroUsize,
        io_jobs: NonZeroUsize,
        control: &'a Control,
        deadline: Deadline,
    ) -> Self {
        // What a case is expected to come to is not asked here, but what it does come to.
        let plain = |case: &Arc<TestCase>| {
            let case = TestCase { expected_failure: None, quarantine: None, ..TestCase::clone(case) };
            (case.info.id.clone(), Arc::new(case))
        };
        let cases = plan.cases.iter().map(plain).collect();
        Self {
            cases,
            after: plan.after.clone(),
            jobs,
            io_jobs,
            control,
            deadline,
            complaints: Vec::new(),
            commands: BTreeMap::new(),
            used_up: HashMap::new(),
        }
    }

    /// A case.
    pub(super) fn case(&self, id: &CaseId) -> Option<&Arc<TestCase>> {
        self.cases.get(id)
    }

    /// Whether nothing more can be tried.
    pub(super) fn is_closed(&self) -> bool {
        self.control.signal().is_some() || self.deadline.has_passed()
    }

    /// Whether two cases can run at the same time.
    pub(super) fn may_overlap(&self, one: &CaseId, other: &CaseId) -> bool {
        if self.runs_after(one, other) || self.runs_after(other, one) {
            return false;
        }
        let (Some(one), Some(other)) = (self.case(one), self.case(other)) else { return false };
        let (one, other) = (&one.resources, &other.resources);
        let is_held = |(name, access): (&String, &LockAccess)| {
            let second = other.locks.get(name);
            second.is_some_and(|second| [*access, *second].contains(&LockAccess::Exclusive))
        };
        let is_scarce = other.pools.iter().any(|(pool, count)| {
            let own = one.pools.iter().filter(|(own, _)| own == pool).map(|(_, count)| count.get());
            let own = own.sum::<u32>();
            own > 0 && own + count.get() > pool.capacity.get()
        });
        !one.exclusive && !other.exclusive && !one.locks.iter().any(is_held) && !is_scarce
    }

    /// Whether a case begins only when another one has passed.
    pub(super) fn runs_after(&self, case: &CaseId, other: &CaseId) -> bool {
        self.prerequisites(std::slice::from_ref(case)).contains(other)
    }

    /// Runs `case` again and again, and beside it the others in turn, until that is enough: all in one run, unless the case
    /// passes only once in a run.
    ///
    /// # Errors
    /// When the engine does not start.
    pub(super) fn observe(
        &mut self,
        case: &CaseId,
        company: &[CaseId],
        enough: Enough,
    ) -> Result<Observed, SessionError> {
        if self.used_up.contains_key(case) {
            return self.observe_anew(case, company, enough);
        }
        let together: Vec<CaseId> = [case].into_iter().chain(company).cloned().collect();
        let mut plan = self.plan(&together);
        // Where there are few suspects, several copies of each keep the slots busy.
        let beside = self.slots(&plan).get().saturating_sub(1).div_ceil(company.len().max(1)).max(1);
        let beside = u32::try_from(beside).unwrap_or(u32::MAX).min(MOST_COPIES);
        let mut is_first = true;
        plan.run_again(|id| if *id == *case && std::mem::take(&mut is_first) { 1 } else { beside });
        self.put_before(&mut plan, &together);
        let is_enough = Arc::new(AtomicBool::new(false));
        let repetition =
            Repetition { time: LONGEST, pace: Pace::FirstAtOnce, enough: Arc::clone(&is_enough) };
        let seen = Rc::new(RefCell::new(Observed::default()));
        let observer = Observer { seen: Rc::clone(&seen), together, enough, is_enough };
        self.carry_out(plan, Some(repetition), observer)?;
        Ok(self.keep(&seen))
    }

    /// The same, with a run for each time that the case runs. Others begin before it and with it, one after the other.
    ///
    /// # Errors
    /// As for [`Laboratory::observe`].
    pub(super) fn observe_anew(
        &mut self,
        case: &CaseId,
        company: &[CaseId],
        Enough { failures, tries, runs }: Enough,
    ) -> Result<Observed, SessionError> {
        // So many begin at the same time, and only some of them are beside the case.
        let slots = self.slots(&self.plan(&[std::slice::from_ref(case), company].concat())).get();
        let runs = runs.max(tries.saturating_mul(company.len().div_ceil(slots).max(1)));
        let mut company = company.to_vec();
        let mut all = Observed::default();
        for run in 0..runs {
            let mut together = company.clone();
            together.insert(run % (company.len() + 1), case.clone());
            let seen = self.once(&together)?;
            let has_run = seen.of(case).ran > 0;
            all.add(seen);
            if !has_run || all.of(case).failed >= failures {
                break;
            }
            let next = slots.checked_rem(company.len()).unwrap_or_default();
            company.rotate_left(next);
        }
        Ok(all)
    }

    /// Runs these cases once, at the same time as far as they can.
    ///
    /// # Errors
    /// As for [`Laboratory::observe`].
    pub(super) fn once(&mut self, cases: &[CaseId]) -> Result<Observed, SessionError> {
        self.run_once(cases, After::new())
    }

    /// Runs a case once, after these in the same run. It does not run where one of them has not passed, or runs after it.
    ///
    /// # Errors
    /// As for [`Laboratory::observe`].
    pub(super) fn in_turn(&mut self, before: &[CaseId], case: &CaseId) -> Result<Tally, SessionError> {
        if before.iter().any(|one| one == case || self.runs_after(one, case)) {
            return Ok(Tally::default());
        }
        let together: Vec<CaseId> = before.iter().chain([case]).cloned().collect();
        Ok(self.run_once(&together, After::from([(case.clone(), before.into())]))?.of(case))
    }

    fn run_once(&mut self, cases: &[CaseId], after: After) -> Result<Observed, SessionError> {
        let mut plan = TestPlan { after, ..self.plan(cases) };
        plan.run_again(|_| 1);
        self.put_before(&mut plan, cases);
        let seen = Rc::new(RefCell::new(Observed::default()));
        let enough = Enough { failures: usize::MAX, tries: usize::MAX, runs: usize::MAX };
        let (together, is_enough) = (cases.to_vec(), Arc::default());
        self.carry_out(plan, None, Observer { seen: Rc::clone(&seen), together, enough, is_enough })?;
        Ok(self.keep(&seen))
    }

    fn keep(&mut self, seen: &RefCell<Observed>) -> Observed {
        let mut seen = seen.take();
        self.commands.append(&mut seen.commands);
        seen
    }

    fn carry_out(
        &mut self,
        plan: TestPlan,
        repetition: Option<Repetition>,
        observer: Observer,
    ) -> Result<(), SessionError> {
        let policy = Policy { retries: Some(0), timeout: self.deadline.remaining(), ..Policy::default() };
        let options = Options {
            run_id: String::new(),
            jobs: self.slots(&plan),
            io_jobs: self.io_jobs,
            goldens: None,
            policy,
            repetition,
            slot: None,
        };
        let reporters = Reporters::new().with("the experiment", Box::new(observer));
        let Ended { complaints, strays, .. } = run_with(plan, options, None, self.control, reporters)?;
        self.complaints.extend(complaints);
        let stray = |command: &String| format!("some case left a process behind, which was ended: {command}");
        self.complaints.extend(strays.iter().map(stray));
        Ok(())
    }

    /// As many slots as are wanted, and at least so many that the first case and the heaviest beside it have room.
    fn slots(&self, plan: &TestPlan) -> NonZeroUsize {
        let weight = |case: &Arc<TestCase>| match case.resources.slots {
            SlotDemand::Cpu(weight) => weight.get() as usize,
            SlotDemand::Io => 0,
        };
        let first = plan.cases.first().map_or(0, weight);
        let beside = plan.cases.iter().skip(1).map(weight).max().unwrap_or(0);
        self.jobs.max(NonZeroUsize::new(first.saturating_add(beside)).unwrap_or(NonZeroUsize::MIN))
    }

    /// These cases, the first of them first.
    fn plan(&self, together: &[CaseId]) -> TestPlan {
        let cases = together.iter().filter_map(|id| self.cases.get(id).cloned()).collect();
        TestPlan { cases, ..TestPlan::default() }
    }

    /// Puts once into a plan of copies what must have passed before these cases, and lets all copies wait for it: it is no
    /// company of theirs, not even where it is a suspect as well, of which there are copies then.
    fn put_before(&self, plan: &mut TestPlan, together: &[CaseId]) {
        let wanted = self.prerequisites(together);
        if wanted.is_empty() {
            return;
        }
        for copy in &plan.cases {
            let before = plan.after.entry(copy.info.id.clone()).or_default();
            *before = before.iter().chain(&wanted).cloned().collect();
        }
        for id in wanted {
            plan.cases.extend(self.cases.get(&id).cloned());
            if let Some(before) = self.after.get(&id) {
                plan.after.insert(id, Arc::clone(before));
            }
        }
    }

    /// What must have passed before these cases, and before that.
    fn prerequisites(&self, of: &[CaseId]) -> Vec<CaseId> {
        let mut found: Vec<CaseId> = Vec::new();
        let mut known: HashSet<&CaseId> = HashSet::new();
        let mut open: Vec<&CaseId> = of.iter().collect();
        while let Some(id) = open.pop() {
            for before in self.after.get(id).into_iter().flat_map(|before| before.iter()) {
                if known.insert(before) {
                    found.push(before.clone());
                    open.push(before);
                }
            }
        }
        found
    }
}

/// Takes note of what happens, and says when that is enough.
struct Observer {
    seen: Rc<RefCell<Observed>>,
    /// The cases that are watched, of which the first is the one that it is about.
    together: Vec<CaseId>,
    enough: Enough,
    is_enough: Arc<AtomicBool>,
}

impl Reporter for Observer {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        let TestEvent::CaseFinished(result) = event else { return Ok(()) };
        if !self.together.contains(result.info.lasting_id()) {
            return Ok(());
        }
        let mut seen = self.seen.borrow_mut();
        seen.note(result);
        let ran = |id: &CaseId| seen.tallies.get(id).map_or(0, |tally| tally.ran);
        let own = self.together.first().map(|id| seen.of(id)).unwrap_or_default();
        let Enough { failures, tries, runs } = self.enough;
        let is_tried = own.ran >= runs.max(tries)
            && self.together.iter().all(|id| ran(id) >= tries || seen.out.contains(id));
        if own.failed >= failures || is_tried {
            self.is_enough.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
