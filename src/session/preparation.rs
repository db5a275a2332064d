//! From a configuration to a plan: what is found, selected, remembered, divided and put in order.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crate::descriptor::nearest;
use crate::discovery::{Discovery, discover};
use crate::model::{CaseInfo, Service, TestCase};
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
    /// What was asked for by its id and is not there, a line each: a misspelt id is no reason to run less.
    pub unknown: Vec<String>,
    /// Whether the values of variables may be secret: something of what was read, selected or not, has secrets, and these
    /// may be made of variables in any way.
    pub variables_are_secret: bool,
}

/// What a run would do: the selected cases in their order, and what is already decided.
#[must_use]
pub fn plan(config: &Config) -> Prepared {
    let (found, (past, mut notes)) = find_and_recall(config);
    let unknown = unknown(config, &found);
    let variables_are_secret = !config.discover.variables.is_empty() && has_secrets(&found.cases);
    let others = others(config, &found.cases);
    let unwanted: HashSet<_> = others.iter().map(|case| case.info.id.clone()).collect();
    let mut plan =
        TestPlan::with_others(found.cases, others, found.broken, &config.selection, &missing_program);
    if !config.recall.is_empty() {
        // What is there only since others run after it is not selected.
        let is_selected = |info: &CaseInfo| config.selection.selects(info) && !unwanted.contains(&info.id);
        notes.extend(explain(plan.recall(&past, &config.recall, &is_selected), config));
    }
    plan.estimate(&past);
    if let Some(share) = config.share {
        plan.take_share(share);
    }
    if let Some(shard) = &mut plan.shard {
        shard.variables = Some(plan::hash_of(&config.discover.variables));
        shard.repeat = Some(config.repeat.unwrap_or(NonZeroU32::MIN));
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
    Prepared { plan, notes, unknown, variables_are_secret }
}

/// Whether cases have secrets, or what is done before and after them, or what runs beside them.
fn has_secrets(cases: &[Arc<TestCase>]) -> bool {
    let hooks = cases.iter().flat_map(|case| case.hooks.iter());
    let mut all = cases.iter().chain(hooks.flat_map(|hooks| [&hooks.setup, &hooks.teardown]).flatten());
    all.any(|case| {
        !case.precautions.secrets.is_empty()
            || Service::with_needs(&case.services).iter().any(|service| !service.secrets.is_empty())
    })
}

/// The ids that were asked for and are none, and those that may have been meant.
fn unknown(config: &Config, found: &Discovery) -> Vec<String> {
    let unknown = config.selection.unknown(&found.cases, &found.broken);
    let broken = found.broken.iter().map(|result| &result.info).filter(|info| !info.is_file());
    let ids = || found.cases.iter().map(|case| &case.info).chain(broken.clone()).map(|info| info.id.as_str());
    unknown.iter().map(|id| no_such_id(id, ids())).collect()
}

/// What is said of an id that no case has, and which one may have been meant.
pub fn no_such_id<'a>(id: &str, known: impl Iterator<Item = &'a str>) -> String {
    let help = match nearest(id, known) {
        Some(near) => format!("; did you mean {near:?}?"),
        None => "; see `partest --list`".to_owned(),
    };
    format!("no test case has the id {id:?}{help}")
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
    let (case, all) = match config.selection.is_everything() {
        true => ("case", "everything is"),
        false => ("case that is selected", "all of them are"),
    };
    match recalled {
        Recalled::NothingKnown if !config.history => {
            Some("there is no history, as it is switched off: everything is run".to_owned())
        }
        Recalled::NothingKnown => Some("no earlier run is known: everything is run".to_owned()),
        Recalled::NoneFailed if only_failed => Some(format!("no {case} failed in its last run: {all} run")),
        Recalled::NoneFailed => Some(format!("no {case} is as was asked for: {all} run")),
        Recalled::Selected => None,
    }
}
