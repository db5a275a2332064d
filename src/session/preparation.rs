//! From a configuration to a plan: what is found, selected, remembered, divided and put in order.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crate::discovery::{Discovery, discover};
use crate::model::TestCase;
use crate::plan::{self, PastResults, Recall, Recalled, TestPlan};
#[cfg(feature = "sqlite")]
use crate::session::memory;
use crate::session::{Config, missing_program};

/// A plan, with what a user should know of how it came to be.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: TestPlan,
    /// What to tell, a line each.
    pub notes: Vec<String>,
}

/// What a run would do: the selected cases in their order, and what is already decided.
#[must_use]
pub fn plan(config: &Config) -> Prepared {
    let (found, (past, mut notes)) = find_and_recall(config);
    let others = others(config, &found.cases);
    let mut plan =
        TestPlan::with_others(found.cases, others, found.broken, &config.selection, &missing_program);
    if !config.recall.is_empty() {
        notes.extend(explain(plan.recall(&past, &config.recall), config));
    }
    plan.estimate(&past);
    if let Some(share) = config.share {
        plan.take_share(share);
    }
    plan.arrange(config.order);
    if config.failed_first {
        plan.put_failed_first(&past);
    }
    if let Some(times) = config.repeat {
        plan.repeat(times);
    }
    if config.stress.is_some() {
        plan.overlap(config.jobs, config.io_jobs);
    }
    Prepared { plan, notes }
}

/// The cases below the root that lie in none of the paths, where what was found runs after some of them.
fn others(config: &Config, found: &[Arc<TestCase>]) -> Vec<Arc<TestCase>> {
    let is_everything = |path: &PathBuf| config.root.join(path) == config.root;
    if config.paths.iter().any(is_everything) || !plan::names_others(found) {
        return Vec::new();
    }
    let known: HashSet<_> = found.iter().map(|case| &case.info.id).collect();
    let mut all = discover(std::slice::from_ref(&config.root), &config.root, &config.discover).cases;
    all.retain(|case| !known.contains(&case.info.id));
    all
}

/// What is found, while it is looked up what earlier runs say.
fn find_and_recall(config: &Config) -> (Discovery, (PastResults, Vec<String>)) {
    thread::scope(|threads| {
        let recalled = config.history.then(|| thread::Builder::new().spawn_scoped(threads, || past(config)));
        let found = discover(&config.paths, &config.root, &config.discover);
        let recalled = recalled.and_then(|thread| thread.ok()?.join().ok());
        (found, recalled.unwrap_or_else(|| past(config)))
    })
}

/// What earlier runs say, and what is wrong with their history.
fn past(config: &Config) -> (PastResults, Vec<String>) {
    #[cfg(feature = "sqlite")]
    if config.history {
        return memory::recall(&config.root);
    }
    let _ = config;
    (PastResults::default(), Vec::new())
}

fn explain(recalled: Recalled, config: &Config) -> Option<String> {
    let only_failed = config.recall == [Recall::LastFailed];
    match recalled {
        Recalled::NothingKnown if !config.history => {
            Some("there is no history, as it is switched off: everything is run".to_owned())
        }
        Recalled::NothingKnown => Some("no earlier run is known: everything is run".to_owned()),
        Recalled::NoneFailed if only_failed => {
            Some("no case failed in its last run: everything is run".to_owned())
        }
        Recalled::NoneFailed => Some("no case is as was asked for: everything is run".to_owned()),
        Recalled::Selected => None,
    }
}
