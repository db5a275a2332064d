//! How a run ends before all is done: after too many failures, when its time is up, or when it is interrupted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{CaseResult, Halt, Outcome, Skip, TestEvent};
use crate::runner::coordinator::Coordinator;
use crate::runner::hands::Hands;
use crate::schedule::JobIndex;

/// How long teardowns may take together once the run is to stop.
const LAST_GRACE: Duration = Duration::from_secs(10);

impl Coordinator<'_> {
    /// Notices that the run is to end, for whatever reason.
    pub(super) fn notice_end(&mut self, hands: &impl Hands) {
        self.notice_failures(hands);
        if self.rounds.are_to_end() {
            self.end_rounds(hands);
        }
        if self.stopping.is_none() && self.deadline.has_passed() {
            self.expire(hands);
        }
        self.notice_interruption(hands);
    }

    /// Nothing is run once more; of what has not begun only that is left which must run yet.
    fn end_rounds(&mut self, hands: &impl Hands) {
        let ended = self.rounds.end();
        self.dissolve_reserve(hands);
        // What has been tried already keeps its retries.
        let is_meant = |job| self.rounds.is_needless(job) && !self.pauses.has(job);
        let cancelled = self.schedule.cancel_where(is_meant);
        ended.into_iter().chain(cancelled).for_each(|job| self.job_over(job, hands));
    }

    /// After too many failures no case is started; those that run come to their end, and so do teardowns.
    pub(super) fn notice_failures(&mut self, hands: &impl Hands) {
        let Some(most) = self.policy.max_fail else { return };
        if self.halt.is_some() || self.stopping.is_some() || self.stats.failures() < most.get() {
            return;
        }
        let halt = Halt::Failures(self.stats.failures());
        self.note_halt(halt);
        self.dissolve_reserve(hands);
        // What has been tried already keeps its retries.
        let is_meant = |job| !self.suites.is_teardown(job) && !self.pauses.has(job);
        let cancelled = self.schedule.cancel_where(is_meant);
        self.conclude_unstarted(cancelled, &Skip::Halted(halt), hands);
    }

    /// The time of the run is up: what runs is ended.
    fn expire(&mut self, hands: &impl Hands) {
        let halt = Halt::Timeout(self.policy.timeout.unwrap_or_default());
        self.note_halt(halt);
        self.control.expire();
        self.stop(&Skip::Halted(halt), hands);
    }

    fn note_halt(&mut self, halt: Halt) {
        // Reports tell the last reason, which is the graver one.
        self.halt = Some(halt);
        self.reporters.emit(&TestEvent::Halted(halt));
    }

    /// Once the run is to stop, every case that has not started has its result; teardowns have a short while.
    fn notice_interruption(&mut self, hands: &impl Hands) {
        if self.control.is_killing() {
            self.fixtures.kill();
        }
        if self.stopping.is_some_and(|since| since.elapsed() > LAST_GRACE) {
            self.control.stop_last();
        }
        let Some(signal) = self.control.signal().filter(|_| !self.is_interrupted) else { return };
        self.is_interrupted = true;
        self.reporters.emit(&TestEvent::Interrupted { signal });
        if self.stopping.is_none() {
            self.stop(&Skip::NotRun, hands);
        }
    }

    /// Starts nothing any more but the teardowns of what has begun.
    fn stop(&mut self, skip: &Skip, hands: &impl Hands) {
        self.stopping = Some(Instant::now());
        self.dissolve_reserve(hands);
        self.end_pauses(hands);
        let (last, cancelled): (Vec<_>, Vec<_>) =
            self.schedule.cancel_waiting().into_iter().partition(|job| self.suites.is_teardown(*job));
        self.last = last;
        self.conclude_unstarted(cancelled, skip, hands);
        // Those that waited for a slot only.
        for job in self.last.clone() {
            if self.suites.is_due(job) {
                self.begin_last(job, hands);
            }
        }
    }

    /// These jobs will not start; and nothing is run once more.
    fn conclude_unstarted(&mut self, jobs: Vec<JobIndex>, skip: &Skip, hands: &impl Hands) {
        let ended = self.rounds.end();
        for job in jobs {
            if self.rounds.is_news(job) {
                let info = Arc::clone(&self.infos[job.0]);
                let result = CaseResult::without_attempt(info, Outcome::Skipped(skip.clone()), Vec::new());
                self.conclude_one(job, result);
            }
            self.job_over(job, hands);
        }
        ended.into_iter().for_each(|job| self.job_over(job, hands));
    }
}
