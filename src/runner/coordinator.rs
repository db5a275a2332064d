//! The coordinator of a run: it decides what starts, takes what comes back, and speaks to the reporters.

mod ending;
mod reserve;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::model::{
    CaseInfo, CaseResult, Failure, FailureKind, Gauge, Halt, Outcome, Quarantine, RunStats, Skip, TestCase,
    TestEvent,
};
use crate::report::Reporters;
use crate::runner::attempts::Tries;
use crate::runner::beside::Beside;
use crate::runner::fixtures::{Fixtures, Outbox, Refusal};
use crate::runner::hands::{Hands, Message, Role, Start};
use crate::runner::jobs::Jobs;
use crate::runner::mailbox::Mailbox;
use crate::runner::pauses::Pauses;
use crate::runner::rounds::Rounds;
use crate::runner::suites::{Due, Suites, without_setup};
use crate::runner::{Control, Policy, attempts};
use crate::schedule::{Ending, GateId, JobIndex, Schedule, Skipped};
use crate::time::Deadline;

/// How often reporters may redraw while nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// The state of the run between two events. It lives on the calling thread.
pub(super) struct Coordinator<'a> {
    schedule: Schedule,
    suites: Suites,
    fixtures: Fixtures,
    pauses: Pauses,
    rounds: Rounds,
    infos: Vec<Arc<CaseInfo>>,
    /// The cases that may still run: of a million, most are soon needed no more.
    cases: Vec<Option<Arc<TestCase>>>,
    pub(super) stats: RunStats,
    /// What went wrong beside the cases, one line each.
    pub(super) complaints: Vec<String>,
    /// Why it ends early by itself.
    pub(super) halt: Option<Halt>,
    policy: &'a Policy,
    deadline: Deadline,
    control: &'a Control,
    is_interrupted: bool,
    /// Since when the run is to stop.
    stopping: Option<Instant>,
    /// Teardowns that wait for the last cases of a run that is to stop, or run then.
    last: Vec<JobIndex>,
    last_running: Vec<JobIndex>,
    reporters: &'a mut Reporters,
}

impl<'a> Coordinator<'a> {
    pub(super) fn new(
        jobs: Jobs,
        cases: Vec<Arc<TestCase>>,
        policy: &'a Policy,
        control: &'a Control,
        reporters: &'a mut Reporters,
    ) -> Self {
        let Jobs { schedule, suites, fixtures, rounds } = jobs;
        Self {
            schedule,
            suites,
            fixtures,
            pauses: Pauses::default(),
            rounds,
            infos: cases.iter().map(|case| Arc::clone(&case.info)).collect(),
            cases: cases.into_iter().map(Some).collect(),
            stats: RunStats::default(),
            complaints: Vec::new(),
            halt: None,
            deadline: Deadline::after(policy.timeout),
            policy,
            control,
            is_interrupted: false,
            stopping: None,
            last: Vec::new(),
            last_running: Vec::new(),
            reporters,
        }
    }

    /// Starts what may start and takes what comes back, until nothing runs and nothing waits.
    pub(super) fn drive(&mut self, mailbox: &Mailbox, hands: &impl Hands) {
        let mut outbox = Outbox::default();
        self.fixtures.start_what_may(&mut outbox);
        self.carry_out(outbox, hands);
        self.notice_end(hands);
        loop {
            while let Some(job) = self.pauses.over() {
                self.dissolve_reserve(hands);
                self.schedule.resume(job);
            }
            self.start_what_may(hands);
            self.fill_reserve(hands);
            let is_idle = self.schedule.running() == 0 && !self.pauses.are_pending();
            if is_idle && self.last_running.is_empty() {
                if self.fixtures.is_over() {
                    return self.warn_of_services();
                }
                let mut outbox = Outbox::default();
                if !self.fixtures.is_busy() && self.fixtures.unblock(&mut outbox) {
                    self.carry_out(outbox, hands);
                    continue;
                }
                if !self.fixtures.is_busy() && self.give_up(hands) {
                    continue;
                }
            }
            let next = [self.deadline.remaining(), self.pauses.next(), self.rounds.remaining()];
            let next = next.into_iter().flatten().min();
            let message = mailbox.receive(next.map_or(TICK, |next| next.min(TICK)));
            // First, so that reports say why cases end before they say how.
            self.notice_end(hands);
            match message {
                Some(message) => self.take(message, hands),
                None => self.reporters.tick(),
            }
        }
    }

    /// Starts what may start, and what is run again and again as long as there is room for it.
    fn start_what_may(&mut self, hands: &impl Hands) {
        loop {
            while let Some(job) = self.schedule.start_next() {
                self.begin(job, hands);
            }
            let again = self.rounds.next(|job| self.schedule.has_room(job));
            if again.is_empty() {
                return;
            }
            self.schedule.again(&again);
        }
    }

    fn take(&mut self, message: Message, hands: &impl Hands) {
        if !matches!(message, Message::Relieved { .. }) {
            self.dissolve_reserve(hands);
        }
        let mut outbox = Outbox::default();
        match message {
            Message::Relieved { job, result, captured, by, gauge } => {
                self.suites.keep(job, captured);
                return self.relieve(job, *result, (by, gauge), hands);
            }
            Message::Finished { job, result, captured } => {
                self.suites.keep(job, captured);
                return self.finish(job, *result, hands);
            }
            Message::Pausing { start, wait } => return self.pause(*start, wait, hands),
            Message::Retrying { case, attempt, gauge } => self.announce(&case, attempt, gauge),
            Message::Launched { index, launched } => self.fixtures.launched(index, launched, &mut outbox),
            Message::Heard { index, event } => self.fixtures.hear(index, event, &mut outbox),
            Message::Removed { index, complaint } => {
                self.complaints.extend(complaint);
                self.fixtures.removed(index, &mut outbox);
            }
        }
        self.carry_out(outbox, hands);
    }

    /// Starts a job that has its turn, unless a service that it needs is gone.
    fn begin(&mut self, job: JobIndex, hands: &impl Hands) {
        if let Some(start) = self.pauses.take(job) {
            self.announce(&start.case, start.tries.next(), start.gauge.clone());
            return hands.start(Start { slot: self.schedule.slot(job), ..start });
        }
        match self.fixtures.beside(job) {
            Ok(services) => {
                self.hand_over(job, services, hands);
            }
            Err(refusal) => {
                let result = self.refused(job, &refusal);
                self.rounds.leave(job);
                self.finish(job, result, hands);
            }
        }
    }

    fn hand_over(&mut self, job: JobIndex, services: Vec<Arc<Beside>>, hands: &impl Hands) {
        let start = self.prepare(job, services);
        let (started, shown) = (Arc::clone(&start.case), start.gauge.clone());
        hands.start(start);
        // Whatever it says comes back to this thread, and so after this.
        self.announce(&started, 1, shown);
    }

    fn prepare(&mut self, job: JobIndex, services: Vec<Arc<Beside>>) -> Start {
        let Some(mut case) = self.cases[job.0].clone() else {
            unreachable!("a job that is over does not start")
        };
        if let Some(copy) = self.rounds.begin(job, &case) {
            self.infos[job.0] = Arc::clone(&copy.info);
            self.cases[job.0] = Some(Arc::clone(&copy));
            case = copy;
        }
        self.suites.begin(job);
        let gauge = Gauge::default();
        let role = if self.suites.is_teardown(job) { Role::Teardown } else { Role::Case };
        let captured = self.suites.captured(job);
        let (slot, likeness) = (self.schedule.slot(job), self.schedule.likeness(job));
        let (files, tries) = (self.rounds.files(job), Tries::default());
        Start { job, case, services, captured, role, gauge, slot, likeness, files, tries }
    }

    /// A case that runs waits for its next attempt, and leaves what it has taken to others meanwhile.
    fn pause(&mut self, start: Start, wait: Duration, hands: &impl Hands) {
        let job = start.job;
        self.schedule.pause(job);
        self.pauses.add(start, wait);
        if self.stopping.is_some() {
            self.end_pauses(hands);
        }
    }

    /// Ends what waits for its next attempt, as the run is to stop.
    fn end_pauses(&mut self, hands: &impl Hands) {
        self.pauses.end().into_iter().for_each(|job| self.schedule.resume(job));
        let tried = self.schedule.cancel_where(|job| self.pauses.has(job));
        for job in tried {
            if let Some(Start { case, tries, .. }) = self.pauses.take(job) {
                self.conclude_job(job, attempts::interrupted(&case, tries), hands);
            }
        }
    }

    /// A job that was started has its result.
    fn finish(&mut self, job: JobIndex, result: CaseResult, hands: &impl Hands) {
        let passed = result.outcome == Outcome::Passed;
        let ending = if result.has_passed() { Ending::Passed } else { Ending::NotPassed };
        let skipped = match self.last_running.iter().position(|last| *last == job) {
            Some(place) => {
                self.last_running.swap_remove(place);
                self.schedule.end_beside(job);
                Vec::new()
            }
            None => self.schedule.finish(job, ending),
        };
        if passed {
            self.setups_over(&[job], hands);
        }
        if self.rounds.rest(job) {
            self.conclude_one(job, result);
        } else {
            self.conclude_job(job, result, hands);
        }
        self.skip(skipped, hands);
        if !passed {
            self.setups_over(&[job], hands);
        }
        self.notice_failures(hands);
    }

    /// Lets services start that come after those of the jobs that are setups. Where these have not passed, the cases that
    /// need them have their results already, and services start for teardowns alone.
    fn setups_over(&mut self, jobs: &[JobIndex], hands: &impl Hands) {
        for job in jobs.iter().filter(|job| self.suites.is_setup(**job)).copied().collect::<Vec<_>>() {
            let mut outbox = Outbox::default();
            self.fixtures.setup_over(job, &mut outbox);
            self.carry_out(outbox, hands);
        }
    }

    /// Gives jobs their results that will not start, since others have not passed.
    fn skip(&mut self, skipped: Vec<Skipped>, hands: &impl Hands) {
        self.rounds.leave_after(&skipped);
        let jobs: Vec<_> = skipped.iter().map(|skipped| skipped.job).collect();
        for Skipped { job, after } in skipped {
            let (info, before) = (Arc::clone(&self.infos[job.0]), &self.infos[after.0]);
            let result = if self.suites.is_setup(after) {
                let failure = without_setup(&info, before);
                CaseResult::without_attempt(info, Outcome::Errored, vec![failure])
            } else {
                let skip = Outcome::Skipped(Skip::After(before.id.clone()));
                CaseResult::without_attempt(info, skip, Vec::new())
            };
            if self.rounds.rest(job) {
                // Those after it in later rounds are left out without a word.
                if self.rounds.is_news(job) {
                    self.conclude_one(job, result);
                }
            } else {
                self.conclude_job(job, result, hands);
            }
        }
        self.setups_over(&jobs, hands);
    }

    /// Ends jobs that wait although nothing goes on that they could wait for; says whether there were any.
    fn give_up(&mut self, hands: &impl Hands) -> bool {
        let mut waiting = self.schedule.cancel_waiting();
        // A teardown whose cases have not begun has its result with the last of them.
        waiting.sort_by_key(|job| self.suites.is_teardown(*job));
        for job in &waiting {
            if self.suites.is_teardown(*job) && !self.suites.is_due(*job) {
                continue;
            }
            let info = Arc::clone(&self.infos[job.0]);
            let message = "internal error: what this case waits for never comes".to_owned();
            let failure = Failure::new(FailureKind::Internal, info.position.clone(), message);
            let result = CaseResult::without_attempt(info, Outcome::Errored, vec![failure]);
            self.conclude_job(*job, result, hands);
        }
        !waiting.is_empty()
    }

    /// Does what the services ask for.
    fn carry_out(&mut self, outbox: Outbox, hands: &impl Hands) {
        let Outbox { open, close, launch, remove } = outbox;
        for (index, service, needs) in launch {
            hands.launch(index, service, needs);
        }
        for (index, running) in remove {
            hands.remove(index, running);
        }
        open.into_iter().for_each(|gate| self.schedule.open(gate));
        for (gate, refusal) in close {
            let (behind, others) = self.schedule.close(gate);
            for job in &behind {
                let result = self.refused(*job, &refusal);
                self.conclude_job(*job, result, hands);
            }
            self.skip(others, hands);
            self.setups_over(&behind, hands);
        }
    }

    /// The result of a job that cannot have a service.
    fn refused(&self, job: JobIndex, refusal: &Refusal) -> CaseResult {
        let info = Arc::clone(&self.infos[job.0]);
        let failure = refusal.failure(&info.position);
        CaseResult::without_attempt(info, Outcome::Errored, vec![failure])
    }

    /// A job has its result: whatever was there for it alone may end.
    fn conclude_job(&mut self, job: JobIndex, result: CaseResult, hands: &impl Hands) {
        self.conclude_one(job, result);
        self.job_over(job, hands);
    }

    fn conclude_one(&mut self, job: JobIndex, mut result: CaseResult) {
        if let Some(case) = &self.cases[job.0] {
            forgive(case, &mut result);
        }
        self.rounds.shorten(job, &mut result);
        self.conclude(result);
    }

    /// A job will not run any more.
    fn job_over(&mut self, job: JobIndex, hands: &impl Hands) {
        self.rounds.leave(job);
        self.cases[job.0] = None;
        let mut outbox = Outbox::default();
        self.fixtures.job_over(job, &mut outbox);
        self.carry_out(outbox, hands);
        for due in self.suites.job_over(job) {
            match due {
                Due::Now(_, gate) if self.stopping.is_none() => self.schedule.open(gate),
                Due::Now(teardown, _) => self.begin_last(teardown, hands),
                Due::LeftOver(_, gate) if self.stopping.is_none() && self.halt.is_none() => {
                    self.schedule.open(gate);
                }
                Due::LeftOver(teardown, gate) => self.leave(teardown, gate, Skip::NotRun, hands),
                Due::Never(teardown, gate) => {
                    let skip = match self.stopping {
                        Some(_) => Skip::NotRun,
                        None => Skip::Declared("nothing of its folder has begun".to_owned()),
                    };
                    self.leave(teardown, gate, skip, hands);
                }
            }
        }
    }

    /// Gives a teardown its result that does not start.
    fn leave(&mut self, teardown: JobIndex, gate: GateId, skip: Skip, hands: &impl Hands) {
        self.last.retain(|last| *last != teardown);
        if self.stopping.is_none() {
            self.schedule.close(gate);
        }
        let info = Arc::clone(&self.infos[teardown.0]);
        let result = CaseResult::without_attempt(info, Outcome::Skipped(skip), Vec::new());
        self.conclude_job(teardown, result, hands);
    }

    /// Starts a teardown of a run that is to stop, where what it needs is there.
    fn begin_last(&mut self, job: JobIndex, hands: &impl Hands) {
        let Some(place) = self.last.iter().position(|last| *last == job) else { return };
        self.last.swap_remove(place);
        match self.fixtures.beside(job) {
            Ok(services) if self.fixtures.are_ready(job) => {
                self.last_running.push(job);
                self.schedule.run_beside(job);
                self.hand_over(job, services, hands);
            }
            Ok(_) => {
                let info = Arc::clone(&self.infos[job.0]);
                let result = CaseResult::without_attempt(info, Outcome::Skipped(Skip::NotRun), Vec::new());
                self.conclude_job(job, result, hands);
            }
            Err(refusal) => {
                let result = self.refused(job, &refusal);
                self.conclude_job(job, result, hands);
            }
        }
    }

    fn announce(&mut self, case: &TestCase, attempt: u32, gauge: Gauge) {
        let (info, slow_after) = (Arc::clone(&case.info), case.time.slow_after);
        self.reporters.emit(&TestEvent::CaseStarted { info, attempt, slow_after, gauge });
    }

    /// Tells of a result.
    pub(super) fn conclude(&mut self, result: CaseResult) {
        self.stats.add(&result);
        self.reporters.emit(&TestEvent::CaseFinished(Arc::new(result)));
    }

    /// Tells of services that have ended by themselves when nobody used them.
    fn warn_of_services(&mut self) {
        for reason in self.fixtures.untold() {
            self.reporters.emit(&TestEvent::Warned { message: reason.to_owned() });
        }
    }
}

/// Puts a case into the quarantine that its descriptor asks for; once that is over, its failure says so.
fn forgive(case: &TestCase, result: &mut CaseResult) {
    let Some(quarantine) = case.quarantine.as_deref() else { return };
    let ended = quarantine.until.filter(|until| until.is_over(SystemTime::now()));
    let Some(until) = ended else {
        result.quarantine = Some(quarantine.clone());
        return;
    };
    let attempt = result.attempts.last_mut().and_then(|attempt| attempt.failures.first_mut());
    if let Some(failure) = attempt.or(result.failures.first_mut()) {
        let Quarantine { owner, .. } = quarantine;
        failure.message.push_str(&format!(" (its quarantine, {owner}, ended with {until})"));
    }
}
