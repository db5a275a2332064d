//! partest runs test cases that are written as data.
//!
//! It discovers descriptors (`*.test.json`, `*.test.toml`, `*.test.yaml`) in a folder, runs their cases on a
//! pool of threads, each in a private directory and within its time limit, and reports what happened to the
//! console, to JUnit XML and to a journal of JSON lines.
//!
//! The command line is one way to use it; `harness` is the other: a test target of cargo
//! with `harness = false`.
//!
//! `src/ARCHITECTURE.md` is the map: the floors, what each module holds and what must stay true.

/// Makes this program fit to run cases: to be called as the very first line of `main`, by a test target
/// that is otherwise all `harness::run`, and by whatever else uses partest and wants all of it.
///
/// A run starts its own program once more as a helper, as a watchdog and to set `limits`; where this process is such a
/// helper, this does its work and ends it. Otherwise it returns, and runs may take charge of the process: adopt the
/// daemons of cases, have a watchdog, install signal handlers. Without this nothing of the process is changed; then
/// what follows a case is its process group only, `limits` are an error, and a killed run leaves its cases running.
/// The journal (`safeguards`), the JUnit report and `partest -v` say what was in force.
pub fn init() {
    process::init();
}

pub mod assertion;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod descriptor;
pub mod discovery;
mod disk;
pub mod golden;
#[cfg(feature = "harness")]
pub mod harness;
#[cfg(feature = "sqlite")]
pub mod history;
pub mod interference;
pub mod journal;
pub mod model;
pub mod plan;
pub mod process;
pub mod report;
pub mod runner;
pub mod sandbox;
pub mod schedule;
pub mod service;
pub mod session;
pub mod step;
pub mod text;
pub mod time;
