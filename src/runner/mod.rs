//! Runs a plan: a private rayon pool works, a coordinator on the calling thread decides.
//!
//! Entry point: [`run`]. The coordinator asks `schedule` what may start, hands it to the pool, receives results
//! and emits events; it is the only one to speak to reporters. A worker runs whole cases and nothing else: it
//! never waits for another case, never uses the pool, and a panic in it becomes that case's result.

mod attempts;
mod beside;
mod control;
mod coordinator;
mod engine;
mod fixtures;
mod forecast;
mod hands;
mod jobs;
mod local;
mod logs;
mod mailbox;
mod outputs;
mod panics;
mod pauses;
mod policy;
mod pool;
mod relief;
mod rounds;
mod secrets;
mod suites;
mod surroundings;
#[cfg(test)]
mod tests;
mod workers;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::golden::Updater;
use crate::model::{Attempt, Gauge, GoldenChange, RunFinished, RunStarted, Service, TestCase, TestEvent};
use crate::plan::{Estimates, TestPlan};
use crate::process::Cancellation;
use crate::report::Reporters;
use crate::runner::coordinator::Coordinator;
use crate::runner::engine::Engine;
use crate::runner::jobs::Jobs;
use crate::runner::mailbox::Mailbox;
use crate::runner::policy::RetryBudget;
use crate::runner::pool::Pool;
use crate::runner::relief::Relief;
use crate::schedule::{Capacities, ScheduleError};
use crate::text::Variables;

pub use beside::{Beside, Notify, Running};
pub use control::Control;
pub use forecast::{Change, Forecast, Gain, forecast, outlook, predict};
pub use local::LocalExecutor;
pub use panics::remember_panics;
pub use policy::{FlakyVerdict, Policy};
pub use rounds::{Pace, Repetition};
pub use secrets::redactor;
pub use workers::WorkerNotes;

/// How a run is carried out.
#[derive(Debug)]
pub struct Options {
    /// The run's id.
    pub run_id: String,
    /// How many CPU slots there are: how many cases run at the same time that do not mostly wait.
    pub jobs: NonZeroUsize,
    /// How many I/O slots there are: how many cases run beside them that mostly wait.
    pub io_jobs: NonZeroUsize,
    /// What rewrites the golden files that an executor finds to be different.
    pub goldens: Option<Updater>,
    /// When it ends early.
    pub policy: Policy,
    /// That copies of cases are run again and again.
    pub repetition: Option<Repetition>,
    /// The slot of all cases, where each is run by a process of its own that was given one.
    pub slot: Option<usize>,
}

/// The folder of a run, in which files of its cases are kept: the whole output of those that fail, and what they ask
/// for with `outputs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    /// Its absolute path.
    pub path: PathBuf,
    /// What reports call it.
    pub shown: PathBuf,
}

/// Carries out attempts, here or elsewhere.
pub trait Executor: Sync {
    /// Carries out attempt `number` (from 1) at a case and leaves nothing behind; ends early when it is told to.
    fn attempt(&self, case: &TestCase, number: u32, given: &Given<'_>) -> Tried;

    /// Starts a service beside those that it needs; `notify` hears how it goes. Does not wait until it is ready.
    ///
    /// # Errors
    /// The reason, a sentence that begins with its name.
    fn start_service(
        &self,
        service: &Service,
        needs: &[Arc<Beside>],
        notify: Notify,
    ) -> Result<Running, String>;
}

/// What an attempt is given.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The services that run beside it.
    pub services: &'a [Arc<Beside>],
    /// What the setups of its folders have captured.
    pub captured: &'a Variables,
    /// The number of the slot in which it runs, which no other case has meanwhile.
    pub slot: usize,
    /// What becomes of its output, where that does not fit into its result.
    pub files: Files,
    /// What tells it to end early.
    pub cancellation: &'a Cancellation,
    /// What shows how far it has come.
    pub gauge: &'a Gauge,
}

/// What becomes of what an attempt leaves beside its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Files {
    /// It is kept where that is asked for, in files.
    #[default]
    Kept,
    /// It is dropped: there are enough of them.
    Dropped,
}

/// How a run went.
#[derive(Debug)]
pub struct Ran {
    /// What came of it.
    pub finished: RunFinished,
    /// What went wrong beside the cases, one line each.
    pub complaints: Vec<String>,
    /// The threads, which have nothing more to do.
    pub threads: ThreadPool,
}

/// What came of carrying out an attempt.
#[derive(Debug)]
pub struct Tried {
    /// The attempt.
    pub attempt: Attempt,
    /// Golden files that differ, where that is no failure but a change to be made; and those that are to stay as
    /// they are.
    pub goldens: Vec<GoldenChange>,
    /// What its steps have captured.
    pub captured: Variables,
}

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The system gives no threads.
    #[error("cannot start worker threads: {0}")]
    Threads(#[from] ThreadPoolBuildError),
    /// Some case could never start.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// A pool of this many threads, or of one where the system gives no more at the moment.
fn workers(count: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
    let build = |count: usize| {
        let name = |index| format!("worker-{index}");
        ThreadPoolBuilder::new().num_threads(count).thread_name(name).build()
    };
    build(count).or_else(|_| build(1))
}

/// Runs every case of the plan and tells `reporters` what happens.
///
/// # Errors
/// [`RunError`] when there are no worker threads, or a case of the plan could never start.
pub fn run(
    mut plan: TestPlan,
    options: &Options,
    executor: &dyn Executor,
    control: &Control,
    reporters: &mut Reporters,
) -> Result<Ran, RunError> {
    plan.settle();
    let (cpu, io) = plan.usable_slots(options.jobs, options.io_jobs);
    let rayon = workers((cpu + io).clamp(1, pool::MOST))?;
    let capacities = Capacities { cpu: options.jobs, io: options.io_jobs };
    let jobs = Jobs::new(&plan.cases, &plan.after, capacities, options.repetition.as_ref())?;
    // A prediction that is mostly guessed would only confuse.
    let is_founded = plan.estimates.as_ref().is_some_and(Estimates::are_founded);
    let begin = Instant::now();
    reporters.emit(&TestEvent::RunStarted(RunStarted {
        run_id: options.run_id.clone(),
        started_at: SystemTime::now(),
        safeguards: control.safeguards(),
        total: plan.total(),
        jobs: options.jobs.get(),
        suites: plan.suites(),
        predicted: if is_founded { forecast::predict(&plan, capacities)? } else { None },
        seed: plan.seed,
        shard: plan.shard.clone(),
        stress: options.repetition.as_ref().map(|repetition| repetition.time),
    }));
    let mut coordinator = Coordinator::new(jobs, plan.cases, &options.policy, control, reporters);
    for result in plan.resolved {
        coordinator.conclude(result);
    }
    let (goldens, policy, budget) =
        (options.goldens.as_ref(), &options.policy, &RetryBudget::new(&options.policy));
    thread::scope(|threads| {
        rayon.in_place_scope(|scope| {
            let (mailbox, relief) = (Arc::new(Mailbox::default()), Arc::new(Relief::default()));
            let pool = Pool::new(scope, rayon.current_num_threads(), threads);
            let slot = options.slot;
            coordinator.drive(
                &Arc::clone(&mailbox),
                &Engine { pool, threads, mailbox, relief, executor, control, goldens, policy, budget, slot },
            );
        });
    });
    let (stats, halt, complaints) = (coordinator.stats, coordinator.halt, coordinator.complaints);
    let finished = RunFinished { duration: begin.elapsed(), stats, signal: control.signal(), halt };
    reporters.emit(&TestEvent::RunFinished(finished.clone()));
    Ok(Ran { finished, complaints, threads: rayon })
}
