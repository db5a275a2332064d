//! partest as the test harness of a cargo test target with `harness = false`.
//!
//! Entry point: [`run`]. libtest-mimic reads the arguments and prints; partest's own engine runs the cases, and
//! each case is a trial that waits for its result. So `cargo test` and `cargo nextest run` see every case of a
//! suite as a test. Nothing here decides how a case runs.

mod arguments;
mod trials;
mod turn;

use std::collections::HashSet;
use std::env;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::SIGPIPE;

use crate::config::Settings;
use crate::discovery::{DiscoverOptions, Discovery, discover, discover_exact};
use crate::harness::arguments::HarnessArguments;
use crate::harness::trials::Trials;
use crate::plan::{Selection, TestPlan};
use crate::process;
use crate::report::Reporters;
use crate::runner::{Control, Options, Policy};
use crate::session::{self, Charge};

/// Runs the cases below `path` (relative to the package, where cargo starts test programs) as the tests of this
/// program, with the arguments and the exit code of Rust's own test harness.
///
/// It is meant to be all of `main` but for [`init`](crate::init), with which it takes charge of the process: it stops
/// the cases when INT, TERM or HUP asks for it, adopts processes that cases leave behind, has a watchdog that ends
/// them should the process be killed, and keeps the messages of panics in worker threads for the report. Without
/// `init` it changes nothing of the process and says so on standard error.
///
/// ```no_run
/// // tests/suite.rs, with `harness = false` in Cargo.toml
/// fn main() -> std::process::ExitCode {
///     partest::init();
///     partest::harness::run("sample-suites")
/// }
/// ```
///
/// The name of a test is the id of its case. A case with `skip` is an ignored test, which `--ignored` runs; one
/// whose `requires` are missing is ignored when it is its turn.
pub fn run(path: impl AsRef<Path>) -> ExitCode {
    let arguments = match HarnessArguments::read(env::args_os(), env::var_os("RUST_TEST_THREADS")) {
        Ok(arguments) => arguments,
        Err(message) => return refuse(&message),
    };
    match execute(path.as_ref(), arguments) {
        Ok(code) => code,
        Err(error) => refuse(&error.to_string()),
    }
}

/// The exit code of Rust's own harness for failed tests and for wrong arguments.
const FAILURE: u8 = 101;

/// What is missing when nobody has called [`init`](crate::init).
const NOT_INITIALISED: &str = "main does not begin with partest::init(): daemons of cases are not followed, and cases \
    go on when this program is ended";

fn refuse(message: &str) -> ExitCode {
    // A mistake that has a place begins with the word.
    say("error", message.strip_prefix("error: ").unwrap_or(message));
    ExitCode::from(FAILURE)
}

fn say(level: &str, message: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{level}: {message}");
}

fn execute(path: &Path, arguments: HarnessArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let folder = session::working_directory()?;
    if process::is_initialised() {
        process::hear_signals();
    }
    let settings = Settings::load(&folder, None, &|name| env::var_os(name))?;
    let found = find(&folder.join(path), &settings, &arguments);
    let Trials { trials, cases, others, broken, delivery, hooks } = Trials::new(found, &arguments)?;
    if cases.is_empty() {
        return Ok(libtest_mimic::run(&arguments.parsed, trials).exit_code());
    }
    let charge = if process::is_initialised() { Some(Charge::take()?) } else { None };
    let control = match &charge {
        Some(charge) => Arc::clone(charge.control()),
        None => Arc::new(Control::new()?),
    };
    if let Some(note) = charge.as_ref().map_or(Some(NOT_INITIALISED), Charge::complaint) {
        say("note", note);
    }
    let everything = Selection::default();
    let told: HashSet<_> = broken.iter().map(|result| result.info.id.clone()).collect();
    let mut plan = TestPlan::with_others(cases, others, broken, &everything, &session::missing_program);
    plan.resolved.retain(|result| !told.contains(&result.info.id));
    // Several processes of one run must agree on who holds what; within one, the engine sees to it.
    let _turn = match env::var_os("NEXTEST_RUN_ID") {
        Some(_) => turn::wait(&settings.root, &plan.cases, &control)?,
        None => None,
    };
    let mut options = Options {
        run_id: String::new(),
        jobs: arguments.jobs,
        io_jobs: settings.io_jobs.value,
        goldens: None,
        policy: Policy::default(),
        repetition: None,
        slot: slot_of_nextest(env::var_os("NEXTEST_TEST_GLOBAL_SLOT").as_deref()),
    };
    if charge.is_some() {
        session::fit(&plan, &mut options.jobs, &mut options.io_jobs);
    }
    thread::scope(|scope| {
        let engine = thread::Builder::new().name("engine".to_owned()).spawn_scoped(scope, || {
            let reporters = Reporters::new().with("results", Box::new(delivery));
            session::run_with(plan, options, None, &control, reporters)
        })?;
        // It panics when standard output cannot be written to; then nobody waits for the cases any more.
        let conclusion = catch_unwind(AssertUnwindSafe(|| libtest_mimic::run(&arguments.parsed, trials)));
        if conclusion.is_err() {
            control.interrupt(SIGPIPE);
        }
        let ended = engine.join().map_err(|_| "partest's engine panicked")??;
        let hooks: Vec<_> = hooks.try_iter().collect();
        for complaint in ended.complaints.iter().chain(&hooks) {
            refuse(complaint);
        }
        ended.warnings.iter().for_each(|line| say("warning", line.trim_start_matches("warning: ")));
        let Ok(conclusion) = conclusion else { return Ok(ExitCode::from(FAILURE)) };
        Ok(match ended.finished.signal {
            Some(_) => ExitCode::from(ended.status().code()),
            None if ended.complaints.is_empty() && hooks.is_empty() => conclusion.exit_code(),
            None => ExitCode::from(FAILURE),
        })
    })
}

/// The slot that nextest has given to this process, which runs one test.
fn slot_of_nextest(said: Option<&OsStr>) -> Option<usize> {
    said?.to_str()?.parse().ok()
}

/// The cases; of one file only when one test is asked for by its name, as nextest does for each test.
fn find(path: &Path, settings: &Settings, arguments: &HarnessArguments) -> Discovery {
    let paths = [path.to_owned()];
    let options = DiscoverOptions { defaults: settings.defaults.clone(), ..DiscoverOptions::default() };
    match arguments.exact_names() {
        Some([name]) => {
            let found = discover_exact(name, &paths, &settings.root, &options);
            // What they run after may stand in any file.
            match found.cases.iter().all(|case| case.resources.after.is_empty()) {
                true => found,
                false => discover(&paths, &settings.root, &options),
            }
        }
        _ => discover(&paths, &settings.root, &options),
    }
}
