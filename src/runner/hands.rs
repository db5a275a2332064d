//! What the coordinator has done by others, and what they tell it.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{CaseResult, Gauge, Service, TestCase};
use crate::runner::Files;
use crate::runner::attempts::Tries;
use crate::runner::beside::{Beside, Running};
use crate::schedule::JobIndex;
use crate::service::Event;
use crate::text::Variables;

/// What others tell the coordinator.
pub(super) enum Message {
    /// A further attempt at a case begins.
    Retrying { case: Arc<TestCase>, attempt: u32, gauge: Gauge },
    /// A case is to be tried again, with this, after a time.
    Pausing { start: Box<Start>, wait: Duration },
    /// A case has its result.
    Finished { job: JobIndex, result: Box<CaseResult>, captured: Variables },
    /// A case has passed, and `by`, which stood by, runs in its place.
    Relieved { job: JobIndex, result: Box<CaseResult>, captured: Variables, by: JobIndex, gauge: Gauge },
    /// A service was started, or not.
    Launched { index: usize, launched: Result<Running, String> },
    /// Something has happened to a service.
    Heard { index: usize, event: Event },
    /// A service is gone with its directory, or with a complaint about it.
    Removed { index: usize, complaint: Option<String> },
}

/// What the coordinator has done by others, who answer by messages.
pub(super) trait Hands {
    /// Runs a case in the pool.
    fn start(&self, start: Start);
    /// Has a case stand by, which then runs as soon as one has passed that needs the same.
    fn stand_by(&self, start: Start);
    /// How many stand by.
    fn standing_by(&self) -> usize;
    /// Those that stood by, and do so no more.
    fn dissolve(&self) -> Vec<JobIndex>;
    /// Starts a service.
    fn launch(&self, index: usize, service: Arc<Service>, needs: Vec<Arc<Beside>>);
    /// Removes what is left of a service.
    fn remove(&self, index: usize, running: Running);
}

/// A case to run.
pub(super) struct Start {
    pub(super) job: JobIndex,
    pub(super) case: Arc<TestCase>,
    /// What runs beside it.
    pub(super) services: Vec<Arc<Beside>>,
    /// What the setups of its folders have captured.
    pub(super) captured: Variables,
    pub(super) role: Role,
    /// The number of its slot; that of the case that it relieves, if it stands by.
    pub(super) slot: usize,
    /// What it needs, as a number.
    pub(super) likeness: u32,
    /// What becomes of what it leaves beside its result.
    pub(super) files: Files,
    /// What shows how far it has come.
    pub(super) gauge: Gauge,
    /// What has come of it so far.
    pub(super) tries: Tries,
}

/// What a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It ends when the run is to stop.
    Case,
    /// It is carried out nevertheless.
    Teardown,
}
