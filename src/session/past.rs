//! Runs of the past, known by their journals: shown again, or taken up where they ended.
//!
//! What they left is data only: it is shown and compared, and nothing in it is executed.
//!
//! Beside the journal stands `plan.json`, `{"paths": […], "cases": [ids]}`: what was asked for, and what would
//! have a result, so that a run that was killed can be taken up without asking again.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader};
#[cfg(feature = "sqlite")]
use std::io::{Read as _, Seek as _, SeekFrom};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::journal::{JournalError, Reader};
use crate::model::{
    Attempt, CaseId, CaseInfo, CaseResult, FailureKind, Outcome, Shard, Skip, Standing, TestEvent,
};
use crate::plan::TestPlan;
use crate::report::Reporters;
use crate::session::Config;
use crate::session::carried::Files;
use crate::session::replay::Replay;

/// The file of a run's events, in its folder.
pub(super) const JOURNAL: &str = "journal.jsonl";

/// The file that says what a run was to do, in its folder.
pub(super) const PLAN: &str = "plan.json";

/// More bytes than the last line of a journal has.
#[cfg(feature = "sqlite")]
const LAST_LINE: u64 = 4096;

/// More bytes than the plan of any run has.
const LARGEST_PLAN: usize = 1 << 30;

/// How often it is looked again whether a run that seems to go on is over, and the wait before each time.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What a run was to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) paths: Vec<PathBuf>,
    pub(super) cases: Vec<String>,
    /// Whether it was to be remembered.
    #[serde(default = "yes")]
    pub(super) history: bool,
    /// How many copies of each case there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) repeat: Option<NonZeroU32>,
    /// Whether cases were run again and again for a time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) stress: bool,
}

fn yes() -> bool {
    true
}

/// The text of `plan.json`.
pub(super) fn intent(config: &Config, plan: &TestPlan) -> Vec<u8> {
    let cases = infos(plan).map(|info| info.id.as_str().to_owned()).collect();
    // Only a path that is not UTF-8 cannot be written; then it has to be named again.
    let (repeat, stress) = (config.repeat, config.stress.is_some());
    Intent { paths: config.paths.clone(), cases, history: config.history, repeat, stress }.text()
}

impl Intent {
    /// The text of `plan.json`.
    pub(super) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Why a run of the past cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// There is none yet.
    #[error("there is no run in {folder} yet")]
    NoRuns {
        /// Where runs are kept.
        folder: PathBuf,
    },
    /// No run has this name.
    #[error("no run \"{name}\": name a folder of {folder}, a journal, or \"last\"")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Where runs are kept.
        folder: PathBuf,
    },
    /// It cannot be taken up, as it is not over.
    #[error("the run of {journal} still goes on")]
    GoesOn {
        /// Its journal.
        journal: PathBuf,
    },
    /// It cannot be taken up, as nobody knows what it was to do.
    #[error("{journal} is empty, and there is no plan.json beside it that says what its run was to do")]
    Empty {
        /// Its journal.
        journal: PathBuf,
    },
    /// It cannot be taken up, as it had no end of its own.
    #[error(
        "the run of {journal} ran its cases again and again (--stress), and cannot be taken up: start it anew"
    )]
    Stress {
        /// Its journal.
        journal: PathBuf,
    },
    /// It comes from elsewhere, and a link in it may lead to anything.
    #[error("{path} is a link: what is merged must be the files themselves")]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// Its journal cannot be read.
    #[error("{journal}: {source}")]
    Journal {
        /// Its journal.
        journal: PathBuf,
        /// Why.
        source: JournalError,
    },
}

/// A run whose journal is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRun {
    journal: PathBuf,
    /// The project's root, to which reports name files relatively.
    root: PathBuf,
}

/// What a journal came to when it was shown.
#[derive(Debug)]
pub struct Shown {
    /// What went wrong with reports, one line each.
    pub complaints: Vec<String>,
    /// How many cases of the run have no result of their own, because it was killed.
    pub missing: usize,
}

impl PastRun {
    /// The run of this name below `root`: `last`, the name of a folder of `.partest/runs`, or the path of such a
    /// folder or of a journal.
    ///
    /// # Errors
    /// [`PastError`] when there is none.
    pub fn find(root: &Path, name: &str) -> Result<Self, PastError> {
        let folder = root.join(".partest/runs");
        if name == "last" {
            return Self::last(root, &folder).ok_or(PastError::NoRuns { folder });
        }
        let candidates = [folder.join(name), root.join(name)];
        let journal = candidates.into_iter().find_map(|path| {
            let inside = path.join(JOURNAL);
            [inside, path].into_iter().find(|path| path.is_file())
        });
        match journal {
            Some(journal) => Ok(Self { journal, root: root.to_owned() }),
            None => Err(PastError::Unknown { name: name.to_owned(), folder }),
        }
    }

    /// Names begin with the time, so the last one is the newest.
    fn last(root: &Path, folder: &Path) -> Option<Self> {
        let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
        let journals = entries.map(|entry| entry.path().join(JOURNAL)).filter(|path| path.is_file());
        journals.max().map(|journal| Self { journal, root: root.to_owned() })
    }

    /// The runs that lie in a folder: the one that it is itself, those in it, or those of a project.
    ///
    /// # Errors
    /// As for [`PastRun::find`], with which everything is found that is no such folder.
    pub fn find_all(root: &Path, name: &str) -> Result<Vec<Self>, PastError> {
        let folder = root.join(name);
        match Self::find(root, name) {
            Err(error @ PastError::Unknown { .. }) => {
                let mut journals = Self::inside(root, &folder);
                if journals.is_empty() {
                    journals = Self::inside(root, &folder.join(".partest/runs"));
                }
                if journals.is_empty() { Err(error) } else { Ok(journals) }
            }
            found => found.map(|run| vec![run]),
        }
    }

    fn inside(root: &Path, folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let journals = entries.map(|entry| entry.path().join(JOURNAL)).filter(|path| path.is_file());
        let mut runs: Vec<_> = journals.map(|journal| Self { journal, root: root.to_owned() }).collect();
        runs.sort_by(|a, b| a.journal.cmp(&b.journal));
        runs
    }

    /// Its journal.
    #[must_use]
    pub fn journal(&self) -> &Path {
        &self.journal
    }

    /// Lets `reporters` hear of the run as if it happened now. A run that was killed gets an end.
    ///
    /// # Errors
    /// [`PastError`] when the journal cannot be read; a last line that was not written whole is no error.
    pub fn show(&self, mut reporters: Reporters) -> Result<Shown, PastError> {
        let mut replay = Replay::default();
        for event in self.events()? {
            let event = event.map_err(|source| self.error(source))?;
            replay.note(&event);
            reporters.emit(&event);
        }
        let missing = replay.total.saturating_sub(replay.stats.total());
        for event in replay.end() {
            reporters.emit(&event);
        }
        Ok(Shown { complaints: reporters.into_complaints(), missing })
    }

    /// Whether the run is over without having come to its end, and was to be remembered.
    #[cfg(feature = "sqlite")]
    pub(super) fn was_killed(&self) -> bool {
        let Ok(mut file) = disk::open(&self.journal) else { return false };
        let mut end = Vec::new();
        let from = file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(LAST_LINE));
        let read = file.try_lock_shared().is_ok()
            && file.seek(SeekFrom::Start(from)).is_ok()
            && file.read_to_end(&mut end).is_ok();
        let last = b"\"event\":\"run-finished\"";
        let is_whole = end.windows(last.len()).any(|window| window == last);
        read && !is_whole && self.intent().is_none_or(|intent| intent.history)
    }

    /// Lets `listen` hear of everything that the journal says.
    ///
    /// # Errors
    /// [`PastError`] when it cannot be read.
    #[cfg(feature = "sqlite")]
    pub(super) fn hear(&self, listen: &mut dyn FnMut(&TestEvent)) -> Result<(), PastError> {
        self.events()?
            .try_for_each(|event| event.map(|event| listen(&event)).map_err(|source| self.error(source)))
    }

    /// The paths that were named for this run, if they lie below `root`: what is left by a run must not lead to
    /// descriptors elsewhere.
    #[must_use]
    pub fn paths(&self, root: &Path) -> Option<Vec<PathBuf>> {
        let is_inside =
            |path: &PathBuf| root.join(path).canonicalize().is_ok_and(|path| path.starts_with(root));
        self.intent().map(|intent| intent.paths).filter(|paths| paths.iter().all(is_inside))
    }

    /// How many copies of each case it ran.
    ///
    /// # Errors
    /// [`PastError::Stress`] when nobody can tell, as it ran them for a time.
    pub fn repeat(&self) -> Result<Option<NonZeroU32>, PastError> {
        match self.intent() {
            Some(intent) if intent.stress => Err(PastError::Stress { journal: self.journal.clone() }),
            intent => Ok(intent.and_then(|intent| intent.repeat)),
        }
    }

    pub(super) fn intent(&self) -> Option<Intent> {
        let path = self.journal.with_file_name(PLAN);
        // Who has carried the folder here may have put a link to something else there.
        let is_link = path.symlink_metadata().is_ok_and(|file| file.is_symlink());
        let text = (!is_link).then(|| disk::read(&path, LARGEST_PLAN).ok()).flatten()?;
        serde_json::from_slice(&text).ok()
    }

    /// Leaves of `plan` only cases of this run that have no verdict in it, as they were interrupted or never begun, with
    /// what they run after, adds the teardowns that are due, and the old results. What `plan` has left out of `whole`, where
    /// that is given, is still of the run, and stays without a verdict. Gives the number of cases of this run that neither
    /// of them knows.
    ///
    /// # Errors
    /// [`PastError`] when the run is not over, or its journal cannot be read.
    pub fn take_up(&self, plan: &mut TestPlan, whole: Option<TestPlan>) -> Result<usize, PastError> {
        if !self.is_over()? {
            return Err(PastError::GoesOn { journal: self.journal.clone() });
        }
        let Past { shard, mut verdicts, mut unfinished, begun } = self.past()?;
        plan.shard = shard;
        let asked: Option<HashSet<String>> = self.intent().map(|intent| intent.cases.into_iter().collect());
        let says_nothing = first_line_is_missing(&self.open()?).map_err(|error| self.error(error.into()))?;
        if says_nothing && asked.is_none() {
            return Err(PastError::Empty { journal: self.journal.clone() });
        }
        let judged: HashSet<CaseId> = verdicts.iter().map(|result| result.info.id.clone()).collect();
        let is_open = |info: &CaseInfo| {
            // A file that was broken then stands for its cases.
            let names = [info.id.as_str(), &info.position.file];
            asked.as_ref().is_none_or(|asked| names.iter().any(|name| asked.contains(*name)))
                && !judged.contains(&info.id)
        };
        // A teardown that could not start has torn down nothing, whatever the reason that was its result.
        let tried = verdicts.iter().filter(|result| has_done_something(result));
        let tried: HashSet<CaseId> = tried.map(|result| result.info.id.clone()).collect();
        let open_teardowns = |plan: &TestPlan| {
            let mut teardowns = plan.teardowns(|info| begun.contains(&info.id));
            teardowns.retain(|teardown| !tried.contains(&teardown.info.id));
            teardowns
        };
        // Where nobody knows what was asked for, it was what is now.
        let whole = whole.filter(|_| asked.is_some());
        let teardowns = open_teardowns(plan);
        let all_teardowns = whole.as_ref().map_or_else(Vec::new, open_teardowns);
        let due: HashSet<&CaseId> =
            teardowns.iter().chain(&all_teardowns).map(|teardown| &teardown.info.id).collect();
        verdicts.retain(|result| !due.contains(&result.info.id));
        // What was done around cases may have no verdict and yet nothing to do, as the cases have theirs: it is known all the same.
        let around = infos_of_hooks(plan).map(|info| (info.id.clone(), Arc::clone(info)));
        let around: HashMap<CaseId, Arc<CaseInfo>> = around.collect();
        let chosen: HashSet<CaseId> = infos(plan).map(|info| info.id.clone()).collect();
        plan.reopen(&mut verdicts, is_open);
        plan.resolved.retain(|result| is_open(&result.info));
        plan.resolved.extend(verdicts);
        plan.add_teardowns(teardowns);
        if let Some(whole) = whole {
            let TestPlan { cases, resolved, .. } = whole;
            let is_left_out = |info: &CaseInfo| is_open(info) && !chosen.contains(&info.id);
            let cases = cases.into_iter().filter(|case| is_left_out(&case.info));
            // Teardowns that are carried out replace theirs.
            plan.resolved.extend(cases.chain(all_teardowns).map(|case| {
                let never_begun = || not_run(&case.info, Skip::NotRun);
                unfinished.remove(&case.info.id).unwrap_or_else(never_begun)
            }));
            plan.resolved.extend(resolved.into_iter().filter(|result| is_left_out(&result.info)));
        }
        let known: HashSet<&str> = infos(plan)
            .chain(around.values())
            .flat_map(|info| [info.id.as_str(), &info.position.file])
            .collect();
        Ok(asked.iter().flatten().filter(|id| !known.contains(id.as_str())).count())
    }

    /// Whether it is over, or was killed: what it was just starting then holds its lock for a moment longer.
    fn is_over(&self) -> Result<bool, PastError> {
        let journal = self.open()?;
        let is_free = || journal.try_lock_shared().is_ok();
        Ok(is_free()
            || (0..LOOKS).any(|_| {
                thread::sleep(BETWEEN_LOOKS);
                is_free()
            }))
    }

    /// What its journal says of its cases.
    fn past(&self) -> Result<Past, PastError> {
        let mut past = Past::default();
        let mut verdicts: HashMap<CaseId, CaseResult> = HashMap::new();
        let mut order = Vec::new();
        for event in self.events()? {
            match event.map_err(|source| self.error(source))? {
                TestEvent::RunStarted(started) => past.shard = started.shard,
                TestEvent::CaseStarted { info, .. } => {
                    past.begun.insert(info.id.clone());
                    past.unfinished.insert(info.id.clone(), not_run(&info, Skip::Interrupted));
                }
                TestEvent::CaseFinished(result) => {
                    let result = Arc::unwrap_or_clone(result);
                    let id = result.info.id.clone();
                    if !result.attempts.is_empty() {
                        past.begun.insert(id.clone());
                    }
                    if is_verdict(&result) {
                        order.push(id.clone());
                        verdicts.insert(id, result);
                    } else if result.standing() == Standing::NotRun {
                        past.unfinished.insert(id, result);
                    }
                }
                _ => {}
            }
        }
        past.verdicts = order.into_iter().filter_map(|id| verdicts.remove(&id)).collect();
        Ok(past)
    }

    /// The events, none when the run was killed before it wrote its first line.
    pub(super) fn events(
        &self,
    ) -> Result<impl Iterator<Item = Result<TestEvent, JournalError>> + use<>, PastError> {
        self.told(Files::of(&self.journal, &self.root))
    }

    /// The same of a run that comes from elsewhere: files that it names must lie beside its journal.
    pub(super) fn foreign_events(
        &self,
    ) -> Result<impl Iterator<Item = Result<TestEvent, JournalError>> + use<>, PastError> {
        self.told(Files::of(&self.journal, &self.root).foreign())
    }

    fn told(
        &self,
        mut files: Files,
    ) -> Result<impl Iterator<Item = Result<TestEvent, JournalError>> + use<>, PastError> {
        let file = self.open()?;
        let is_empty = first_line_is_missing(&file).map_err(|error| self.error(error.into()))?;
        let reader = match is_empty {
            true => None,
            false => Some(Reader::new(BufReader::new(file)).map_err(|source| self.error(source))?),
        };
        Ok(reader.into_iter().flatten().map(move |event| files.find(event?)))
    }

    fn open(&self) -> Result<File, PastError> {
        disk::open(&self.journal).map_err(|error| self.error(io::Error::from(error).into()))
    }

    pub(super) fn error(&self, source: JournalError) -> PastError {
        PastError::Journal { journal: self.journal.clone(), source }
    }
}

/// What a journal says of the cases of its run.
#[derive(Default)]
struct Past {
    shard: Option<Shard>,
    /// The results that stay, in their order.
    verdicts: Vec<CaseResult>,
    /// What is known of others.
    unfinished: HashMap<CaseId, CaseResult>,
    /// Whatever has begun.
    begun: HashSet<CaseId>,
}

fn not_run(info: &Arc<CaseInfo>, why: Skip) -> CaseResult {
    CaseResult::without_attempt(Arc::clone(info), Outcome::Skipped(why), Vec::new())
}

/// Of whatever has or will have a result.
fn infos(plan: &TestPlan) -> impl Iterator<Item = &Arc<CaseInfo>> {
    let resolved = plan.resolved.iter().map(|result| &result.info);
    plan.cases.iter().map(|case| &case.info).chain(resolved)
}

/// What is done before and after the cases of the plan.
fn infos_of_hooks(plan: &TestPlan) -> impl Iterator<Item = &Arc<CaseInfo>> {
    let hooks = plan.cases.iter().flat_map(|case| case.hooks.iter());
    hooks.flat_map(|hooks| hooks.setup.iter().chain(&hooks.teardown)).map(|hook| &hook.info)
}

/// Whether the file is empty. A first line is written in one call, so more is not to be expected of a killed run.
fn first_line_is_missing(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.len() == 0)
}

/// Whether a step of it was carried out: one that cannot start has done nothing.
fn has_done_something(result: &CaseResult) -> bool {
    let has_begun = |attempt: &Attempt| attempt.steps.iter().any(|step| step.status.is_some());
    result.attempts.iter().any(|attempt| attempt.outcome != Outcome::Errored || has_begun(attempt))
}

/// Whether the result stays when the run is taken up. A descriptor that was broken is read again.
fn is_verdict(result: &CaseResult) -> bool {
    result.standing() != Standing::NotRun
        && !result.all_failures().any(|failure| failure.kind == FailureKind::Descriptor)
}
