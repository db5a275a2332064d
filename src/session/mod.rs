//! The whole pipeline: discover, plan, run, report.
//!
//! Entry points: [`plan`] says what a run would do, [`run`] does it. Nothing here parses arguments or decides
//! about colours: whoever asks does.

mod carried;
#[cfg(any(feature = "cli", feature = "harness"))]
mod charge;
mod exit;
mod exposure;
mod interfere;
mod listing;
#[cfg(feature = "sqlite")]
mod memory;
mod merge;
mod past;
mod preparation;
mod replay;
mod room;
#[cfg(any(feature = "cli", feature = "harness"))]
mod signals;
mod state;

use std::ffi::OsStr;
use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rayon::ThreadPool;

use crate::config;
use crate::discovery::{self, DiscoverOptions};
use crate::golden::Updater;
use crate::model::{RunFinished, TestCase};
use crate::plan::{Order, Recall, Selection, Share, TestPlan};
use crate::process::{self, Strays};
use crate::report::{JournalReporter, JunitError, JunitOptions, JunitReporter, Reporters};
use crate::runner::{
    self, Control, LocalExecutor, Options, Pace, Policy, Ran, Repetition, RunFolder, WorkerNotes,
};
use crate::sandbox::{CleanEnvironment, RunDirectory};
use crate::text::terminal::{Colours, printable};
use crate::text::{Template, Variables};

#[cfg(any(feature = "cli", feature = "harness"))]
pub use charge::Charge;
pub use exit::ExitStatus;
pub use interfere::{
    Change, Finding, Guilt, InterfereError, Investigated, Progress as InterfereProgress, Remedy,
    Thoroughness, interfere,
};
pub use listing::Listing;
pub use merge::{MergeError, MergeOptions, find_shards, merge};
pub use past::{PastError, PastRun, Shown};
pub use preparation::{Prepared, no_such_id, plan};
pub use room::{Shortage, fit};
pub use state::folder as state_folder;

/// What is asked for, fully resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folders and descriptors to run; the working directory when there is none.
    pub paths: Vec<PathBuf>,
    /// The project's root: ids and reports name files relative to it, and `.partest` lies in it. Absolute.
    pub root: PathBuf,
    /// What descriptors are given from outside: what every case inherits, and variables.
    pub discover: DiscoverOptions,
    /// Which cases.
    pub selection: Selection,
    /// Of these, what earlier runs must say of a case: one of this, or nothing when it is empty.
    pub recall: Vec<Recall>,
    /// Which part of what is selected.
    pub share: Option<Share>,
    /// In which order cases start.
    pub order: Order,
    /// Whether those whose last verdict was a failure start before all others.
    pub failed_first: bool,
    /// Whether the run is remembered, and earlier ones are asked.
    pub history: bool,
    /// How many cases run at the same time that do not mostly wait.
    pub jobs: NonZeroUsize,
    /// How many cases run beside them that mostly wait.
    pub io_jobs: NonZeroUsize,
    /// Where the JUnit report is written to, besides `.partest/junit.xml`.
    pub junit: Option<PathBuf>,
    /// Whether golden files that differ are rewritten.
    pub update: bool,
    /// How many times each case is run.
    pub repeat: Option<NonZeroU32>,
    /// For how long all cases are run again and again, with copies of the same case beside each other.
    pub stress: Option<Duration>,
    /// When the run ends early.
    pub policy: Policy,
}

impl Config {
    /// Every case of these paths, one after the other in the order of their paths, with nothing remembered and no report
    /// besides those in `.partest`.
    #[must_use]
    pub fn of(paths: Vec<PathBuf>, root: PathBuf, discover: DiscoverOptions) -> Self {
        Self {
            paths,
            root,
            discover,
            selection: Selection::default(),
            recall: Vec::new(),
            share: None,
            order: Order::Path,
            failed_first: false,
            history: false,
            jobs: NonZeroUsize::MIN,
            io_jobs: NonZeroUsize::MIN,
            junit: None,
            update: false,
            repeat: None,
            stress: None,
            policy: Policy::default(),
        }
    }
}

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The folder `.partest` cannot be used.
    #[error("cannot use the folder {path}: {source}")]
    State {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A report could not be written at the end, so nothing is started.
    #[error(transparent)]
    Report(#[from] JunitError),
    /// The private directories cannot be made.
    #[error("cannot create the directory for temporary files: {0}")]
    Temporary(io::Error),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] runner::RunError),
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// What came of it.
    pub finished: RunFinished,
    /// What went wrong with reports, directories and workers, and which processes cannot be ended, one line each.
    pub complaints: Vec<String>,
    /// What a user should know besides, a line each.
    pub warnings: Vec<String>,
    /// The command lines of processes that no case could be held responsible for, and that were ended with the run.
    pub strays: Vec<String>,
    /// The threads of its cases. Their end takes the time of what else is still to do, so it comes last.
    _threads: Option<ThreadPool>,
}

impl Ended {
    /// What the run says to the shell.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        ExitStatus::of(&self.finished, !self.complaints.is_empty())
    }
}

/// Runs a plan, with `reporters` hearing of everything besides the reports that every run writes.
///
/// # Errors
/// [`SessionError`] when it cannot begin. What goes wrong later is in [`Ended::complaints`].
pub fn run(
    plan: TestPlan,
    config: &Config,
    control: &Control,
    reporters: Reporters,
) -> Result<Ended, SessionError> {
    let folder = state::open(&config.root, &past::intent(config, &plan))
        .map_err(|source| SessionError::State { path: config.root.join(".partest"), source })?;
    let mut all = reporters.with("the journal", Box::new(JournalReporter::new(folder.journal)));
    #[cfg(feature = "sqlite")]
    let memory = config.history.then(memory::Memory::default);
    #[cfg(feature = "sqlite")]
    if let Some(memory) = &memory {
        // Before the JUnit report, which is written meanwhile.
        all = all.with("the history", Box::new(memory.listener(&config.root)));
    }
    for path in config.junit.iter().chain([&folder.junit]) {
        JunitReporter::check_writable(path)?;
    }
    let paths = config.junit.clone().into_iter().chain([folder.junit]).collect();
    all = all.with("the JUnit report", Box::new(JunitReporter::new(paths, JunitOptions::default())));
    let goldens = config.update.then(|| Updater::new(config.root.clone(), is_read));
    let shown = PathBuf::from(".partest/runs").join(&folder.id);
    let kept = RunFolder { path: config.root.join(&shown), shown };
    let exposed = exposure::warnings(&plan, std::env::var_os("PATH").as_deref());
    let policy = config.policy.clone();
    let repetition = config.stress.map(|time| Repetition { time, pace: Pace::Turns, enough: Arc::default() });
    let options = Options {
        run_id: folder.id,
        jobs: config.jobs,
        io_jobs: config.io_jobs,
        goldens,
        policy,
        repetition,
        slot: None,
    };
    let ended = run_with(plan, options, Some(kept), control, all);
    ended.map(|mut ended| {
        #[cfg(feature = "sqlite")]
        ended.warnings.extend(memory.map_or_else(Vec::new, memory::Memory::warnings));
        ended.warnings.extend(exposed);
        ended
    })
}

/// What must not be as it was asked for, a line each: cases at places where there is nothing, and a report in place of what
/// says what is run.
#[must_use]
pub fn wrong_places(config: &Config) -> Vec<String> {
    let mut wrong = discovery::nothing_at(&config.paths, &config.root);
    // Whoever takes `--junit` for a switch names a descriptor behind it.
    if let Some(path) = config.junit.as_deref().filter(|path| is_read(path) && path.exists()) {
        wrong.push(format!("the report would replace {}, which says what is run", path.display()));
    }
    wrong
}

/// Whether a file is, by its name, one that says what is run.
fn is_read(path: &Path) -> bool {
    discovery::is_read(path) || path.file_name().is_some_and(|name| name == config::FILE)
}

/// Runs a plan that leaves nothing but what `reporters` make of it, and files of its cases in the folder `kept`.
///
/// # Errors
/// [`SessionError`] when it cannot begin.
pub fn run_with(
    plan: TestPlan,
    options: Options,
    kept: Option<RunFolder>,
    control: &Control,
    mut reporters: Reporters,
) -> Result<Ended, SessionError> {
    let directory = RunDirectory::create().map_err(SessionError::Temporary)?;
    let executor = LocalExecutor::new(directory, CleanEnvironment::of_this_process()).keeping(kept);
    let executor = if options.goldens.is_some() { executor.updating_goldens() } else { executor };
    let ran = runner::run(plan.with_hooks(), &options, &executor, control, &mut reporters);
    let WorkerNotes { complaints: doubts, mut warnings, mut strays } = executor.end_workers();
    let Strays { ended, unkillable } = process::end_orphans();
    strays.extend(ended);
    strays.iter_mut().for_each(|stray| executor.mask(stray));
    warnings.iter_mut().for_each(|warning| *warning = printable(warning, Colours::Remove).into());
    let mut complaints = reporters.into_complaints();
    complaints.extend(doubts.iter().map(|doubt| printable(doubt, Colours::Remove).into()));
    complaints.extend(unkillable.into_iter().map(|(pid, mut line)| {
        executor.mask(&mut line);
        let line = printable(&line, Colours::Remove);
        format!("unkillable: process {pid}, which a case has started, is there after SIGKILL: {line}")
    }));
    if let Err(error) = executor.close() {
        complaints.push(format!("temporary files are left behind: {error}"));
    }
    let Ran { finished, complaints: more, threads } = ran?;
    complaints.extend(more);
    Ok(Ended { finished, complaints, warnings, strays, _threads: Some(threads) })
}

/// The first program that the case requires and that its processes would not find. A name with a `/` is a path,
/// relative to the descriptor's folder.
#[must_use]
pub fn missing_program(case: &TestCase) -> Option<String> {
    if case.requires.is_empty() {
        return None;
    }
    let environment = CleanEnvironment::of_this_process();
    let variables = Variables::from([("dir".to_owned(), case.folder.to_string_lossy().into())]);
    // What only an attempt knows stays as it stands, and names no folder yet.
    let known = |template: &Template| {
        template.render(&variables).map_or_else(|_| template.source().to_owned(), String::from)
    };
    let own = case.environment.set.get("PATH").map(known);
    let path = own.as_deref().map_or(environment.path(), OsStr::new);
    let is_there = |name: &String| {
        let found = process::find_program(name.as_ref(), Some(path), &case.folder);
        found.is_ok_and(|program| process::is_program(&program))
    };
    case.requires.iter().map(known).find(|name| !is_there(name))
}

/// The working directory, free of links. It is the project's root where there is no `partest.toml`.
///
/// # Errors
/// When it does not exist any more.
pub fn working_directory() -> io::Result<PathBuf> {
    std::env::current_dir()
        .and_then(|path| Path::canonicalize(&path))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot use the working directory: {error}")))
}
