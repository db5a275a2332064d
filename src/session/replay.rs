//! How far a run of the past has come.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::model::{CaseId, CaseInfo, CaseResult, Halt, Outcome, RunFinished, RunStats, Skip, TestEvent};

/// What is known of a journal so far.
#[derive(Default)]
pub(super) struct Replay {
    pub(super) total: usize,
    started_at: Option<SystemTime>,
    last_seen: Option<SystemTime>,
    running: Vec<Arc<CaseInfo>>,
    pub(super) finished: HashSet<CaseId>,
    pub(super) stats: RunStats,
    pub(super) signal: Option<i32>,
    pub(super) halt: Option<Halt>,
    is_over: bool,
}

impl Replay {
    /// Takes note of one event.
    pub(super) fn note(&mut self, event: &TestEvent) {
        match event {
            TestEvent::RunStarted(started) => {
                self.total += started.total;
                self.started_at = self.started_at.or(Some(started.started_at));
                self.is_over = false;
            }
            TestEvent::CaseStarted { info, .. } => self.running.push(Arc::clone(info)),
            TestEvent::CaseFinished(result) => {
                self.stats.add(result);
                self.finished.insert(result.info.id.clone());
                let end = result.attempts.last().and_then(|last| last.started_at.checked_add(last.duration));
                self.last_seen = self.last_seen.max(end);
            }
            TestEvent::Interrupted { signal } => self.signal = Some(*signal),
            TestEvent::Halted(halt) => self.halt = Some(*halt),
            TestEvent::Warned { .. } => {}
            TestEvent::RunFinished(_) => self.is_over = true,
        }
    }

    /// The events that a killed run has not come to.
    pub(super) fn end(&mut self) -> Vec<TestEvent> {
        if self.is_over {
            return Vec::new();
        }
        let mut events = Vec::new();
        for info in std::mem::take(&mut self.running) {
            if self.finished.insert(info.id.clone()) {
                let outcome = Outcome::Skipped(Skip::Interrupted);
                let result = CaseResult::without_attempt(info, outcome, Vec::new());
                self.stats.add(&result);
                events.push(TestEvent::CaseFinished(Arc::new(result)));
            }
        }
        let duration = match (self.started_at, self.last_seen) {
            (Some(start), Some(end)) => end.duration_since(start).unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let stats = self.stats.clone();
        let (signal, halt) = (self.signal, self.halt);
        events.push(TestEvent::RunFinished(RunFinished { duration, stats, signal, halt }));
        events
    }
}
