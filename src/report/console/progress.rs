//! How far a run is: what runs, and what is over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{CaseId, CaseInfo, Gauge, TestEvent};

/// How far a run is.
#[derive(Debug)]
pub struct Progress {
    /// When it began, by the clock of this process.
    pub started: Instant,
    /// How many results it will have.
    pub total: usize,
    /// How many it has.
    pub finished: usize,
    /// How many of them break the run.
    pub failures: usize,
    /// For how long its cases are run again and again; then the total says nothing.
    pub stress: Option<Duration>,
    running: HashMap<CaseId, Running>,
}

/// A case that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// Which case.
    pub info: Arc<CaseInfo>,
    /// When its attempt began.
    pub since: Instant,
    /// After how long it counts as slow.
    pub slow_after: Duration,
    /// What shows how far it has come.
    pub gauge: Gauge,
    reported: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            total: 0,
            finished: 0,
            failures: 0,
            stress: None,
            running: HashMap::new(),
        }
    }
}

impl Progress {
    /// Takes note of an event.
    pub(crate) fn handle(&mut self, event: &TestEvent) {
        match event {
            TestEvent::RunStarted(started) => {
                *self = Self { total: started.total, stress: started.stress, ..Self::default() }
            }
            TestEvent::CaseStarted { info, slow_after, gauge, .. } => {
                let running = Running {
                    info: info.clone(),
                    since: Instant::now(),
                    slow_after: *slow_after,
                    gauge: gauge.clone(),
                    reported: false,
                };
                self.running.insert(info.id.clone(), running);
            }
            TestEvent::CaseFinished(result) => {
                self.running.remove(&result.info.id);
                self.finished += 1;
                self.failures += usize::from(crate::report::console::page::is_bad(result.standing()));
            }
            TestEvent::Interrupted { .. }
            | TestEvent::Halted(_)
            | TestEvent::Warned { .. }
            | TestEvent::RunFinished(_) => {}
        }
    }

    /// The cases that run, the longest first.
    #[must_use]
    pub fn running(&self) -> Vec<&Running> {
        let mut running: Vec<&Running> = self.running.values().collect();
        running.sort_by_key(|running| running.since);
        running
    }

    /// The cases that have become slow since the last call.
    pub(crate) fn newly_slow(&mut self) -> Vec<Running> {
        let mut slow = Vec::new();
        for running in self.running.values_mut() {
            if !running.reported && running.is_slow() {
                running.reported = true;
                slow.push(running.clone());
            }
        }
        slow.sort_by_key(|running| running.since);
        slow
    }
}

impl Running {
    /// Whether it has been running for longer than it should.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.since.elapsed() >= self.slow_after
    }
}
