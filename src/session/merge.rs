//! One run made of the journals of its shards.
//!
//! What does not belong together is refused. Where a shard is missing, or was cut off, there is still a run with what
//! is there, and a complaint, so that nobody takes it for the whole.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::journal::JournalError;
use crate::model::{
    CaseId, CaseResult, RunFinished, RunStarted, RunStats, Safeguards, Shard, Standing, TestEvent,
    is_suite_file,
};
use crate::report::{JournalReporter, JunitOptions, JunitReporter, Reporters};
#[cfg(feature = "sqlite")]
use crate::session::memory;
use crate::session::past::Intent;
use crate::session::replay::Replay;
use crate::session::{Ended, PastError, PastRun, SessionError, state};

/// Where a merged run goes.
#[derive(Clone, Debug)]
pub struct MergeOptions {
    /// The project's root, in whose `.partest` it lies. Absolute.
    pub root: PathBuf,
    /// Where the JUnit report is written to, besides `.partest/junit.xml`.
    pub junit: Option<PathBuf>,
    /// Whether the run is remembered.
    pub history: bool,
}

/// Why runs cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of them cannot be read.
    #[error(transparent)]
    Past(#[from] PastError),
    /// One of them was killed before it began.
    #[error("{journal}: the journal is empty, as the run was killed before it began")]
    Empty {
        /// Its journal.
        journal: PathBuf,
    },
    /// One of them is a run of its own.
    #[error("{journal} is no shard: its run had no --shard")]
    NoShard {
        /// Its journal.
        journal: PathBuf,
    },
    /// They are not parts of the same run.
    #[error("{first} and {second} are no shards of one run: {reason}")]
    Different {
        /// A journal.
        first: PathBuf,
        /// The journal that does not belong to it.
        second: PathBuf,
        /// What is different.
        reason: &'static str,
    },
    /// The new run cannot be written.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// A shard whose journal has begun to be read.
struct Part {
    run: PastRun,
    started: RunStarted,
    shard: Shard,
    events: Box<dyn Iterator<Item = Result<TestEvent, JournalError>>>,
}

/// Makes one run of those of its shards, of which `reporters` hear as if it happened now.
///
/// # Errors
/// [`MergeError`] when they do not belong together, or cannot be read. What is missing is in [`Ended::complaints`].
pub fn merge(runs: &[PastRun], options: &MergeOptions, reporters: Reporters) -> Result<Ended, MergeError> {
    let parts = runs.iter().map(Part::open).collect::<Result<Vec<_>, _>>()?;
    if let Some((first, others)) = parts.split_first() {
        others.iter().try_for_each(|other| first.must_fit(other))?;
    }
    let (parts, mut complaints) = complete(parts);
    let failed = |source| SessionError::State { path: options.root.join(".partest"), source };
    let folder = state::open(&options.root, &intent(&parts, &complaints, options)).map_err(failed)?;
    let paths: Vec<_> = options.junit.iter().cloned().chain([folder.junit]).collect();
    paths.iter().try_for_each(|path| JunitReporter::check_writable(path)).map_err(SessionError::from)?;
    let mut all = reporters.with("the journal", Box::new(JournalReporter::new(folder.journal)));
    #[cfg(feature = "sqlite")]
    let memory = options.history.then(memory::Memory::default);
    #[cfg(feature = "sqlite")]
    if let Some(memory) = &memory {
        all = all.with("the history", Box::new(memory.listener(&options.root)));
    }
    all = all.with("the JUnit report", Box::new(JunitReporter::new(paths, JunitOptions::default())));
    let finished = tell(parts, folder.id, &mut all, &mut complaints)?;
    complaints.extend(all.into_complaints());
    #[cfg(feature = "sqlite")]
    let warnings = memory.map_or_else(Vec::new, memory::Memory::warnings);
    #[cfg(not(feature = "sqlite"))]
    let warnings = Vec::new();
    Ok(Ended { finished, complaints, warnings, strays: Vec::new(), _threads: None })
}

impl Part {
    fn open(run: &PastRun) -> Result<Self, MergeError> {
        let journal = || run.journal().to_owned();
        let mut events = run.foreign_events()?;
        let started = match events.next() {
            Some(Ok(TestEvent::RunStarted(started))) => started,
            Some(Err(source)) => return Err(run.error(source).into()),
            Some(Ok(_)) | None => return Err(MergeError::Empty { journal: journal() }),
        };
        match started.shard.clone() {
            Some(shard) => Ok(Self { run: run.clone(), started, shard, events: Box::new(events) }),
            None => Err(MergeError::NoShard { journal: journal() }),
        }
    }

    fn must_fit(&self, other: &Self) -> Result<(), MergeError> {
        let (a, b) = (&self.shard, &other.shard);
        let reason = if a.of != b.of {
            "the number of shards is not the same"
        } else if (&a.list, a.cases) != (&b.list, b.cases) {
            "they were made of different lists of cases"
        } else if a.split != b.split {
            "they have divided the cases differently. Divide them in the same way everywhere (2/4, hash:2/4 or \
             slice:2/4); for 2/4 also with the same history, which a shard that runs changes: copy one \
             .partest/history.db to all before the first, or give --no-history, or take hash:2/4, which needs none"
        } else if a.variables == b.variables && differ(&a.definitions, &b.definitions) {
            // With other variables, which may well depend on the machine, nobody can tell.
            "their descriptors are not the same"
        } else if differ(&a.repeat, &b.repeat) {
            "they do not repeat their cases equally often (--repeat)"
        } else {
            return Ok(());
        };
        let [first, second] = [self, other].map(|part| part.run.journal().to_owned());
        Err(MergeError::Different { first, second, reason })
    }
}

/// Whether both are known and not the same.
fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
    a.is_some() && b.is_some() && a != b
}

/// One of each shard, in their order, and what is missing or too much.
fn complete(mut parts: Vec<Part>) -> (Vec<Part>, Vec<String>) {
    let mut complaints = Vec::new();
    // Of several runs of a shard the last one counts: the job was run again.
    parts.sort_by_key(|part| (part.shard.number, part.started.started_at));
    let mut kept: Vec<Part> = Vec::new();
    for part in parts {
        match kept.last_mut() {
            Some(last) if last.shard.number == part.shard.number => {
                let (number, of) = (part.shard.number, part.shard.of);
                let [old, new] = [&last.run, &part.run].map(|run| run.journal().display().to_string());
                complaints
                    .push(format!("shard {number} of {of} is there twice: {new} counts, and {old} does not"));
                *last = part;
            }
            _ => kept.push(part),
        }
    }
    let of = kept.first().map_or(0, |part| part.shard.of);
    let missing = missing(kept.iter().map(|part| part.shard.number), of);
    if !missing.is_empty() {
        complaints.push(format!("of {of} shards, there is none with the number {missing}"));
    }
    (kept, complaints)
}

/// The numbers up to `of` that are not among these, which are sorted, in a few words such as `2, 5-7`.
fn missing(numbers: impl Iterator<Item = u32>, of: u32) -> String {
    let mut gaps = Vec::new();
    let mut next = 1_u64;
    for number in numbers.map(u64::from).chain([u64::from(of) + 1]) {
        match number.saturating_sub(next) {
            0 => {}
            1 => gaps.push(next.to_string()),
            _ => gaps.push(format!("{next}-{}", number - 1)),
        }
        next = next.max(number + 1);
    }
    gaps.join(", ")
}

/// What all shards together were to do; nothing where it is not known of all.
fn intent(parts: &[Part], complaints: &[String], options: &MergeOptions) -> Vec<u8> {
    let intents: Option<Vec<Intent>> = parts.iter().map(|part| part.run.intent()).collect();
    let Some(intents) = intents.filter(|_| complaints.is_empty()) else { return Vec::new() };
    let paths = intents.first().map(|intent| intent.paths.clone()).unwrap_or_default();
    let repeat = intents.first().and_then(|intent| intent.repeat);
    let cases = intents.into_iter().flat_map(|intent| intent.cases).collect();
    Intent { paths, cases, history: options.history, repeat, stress: false }.text()
}

/// Tells what has happened in all shards as one run.
fn tell(
    parts: Vec<Part>,
    run_id: String,
    reporters: &mut Reporters,
    complaints: &mut Vec<String>,
) -> Result<RunFinished, MergeError> {
    reporters.emit(&TestEvent::RunStarted(together(&parts, run_id)));
    let mut stats = RunStats::default();
    let (mut duration, mut signal, mut halt) = (Duration::ZERO, None, None);
    let mut seen: HashSet<CaseId> = HashSet::new();
    let mut doubled = Vec::new();
    let mut hooks: BTreeMap<CaseId, Arc<CaseResult>> = BTreeMap::new();
    for part in parts {
        let mut replay = Replay::default();
        // Nobody has known how many results there would be.
        let is_stress = part.started.stress.is_some();
        replay.note(&TestEvent::RunStarted(part.started));
        let mut conclude = |event: &TestEvent| match event {
            TestEvent::CaseFinished(result) if result.info.is_hook() => {
                // Every shard has done it; what counts is the worst that came of it.
                let worst = hooks.entry(result.info.id.clone()).or_insert_with(|| Arc::clone(result));
                if rank(result) > rank(worst) {
                    *worst = Arc::clone(result);
                }
            }
            TestEvent::CaseFinished(result) if !seen.insert(result.info.id.clone()) => {
                doubled.push(format!("{} is in several shards; the first one counts", result.info.id));
            }
            TestEvent::CaseFinished(result) => {
                stats.add(result);
                reporters.emit(event);
            }
            TestEvent::CaseStarted { .. } | TestEvent::Warned { .. } => reporters.emit(event),
            TestEvent::RunFinished(finished) => duration = duration.max(finished.duration),
            TestEvent::RunStarted(_) | TestEvent::Interrupted { .. } | TestEvent::Halted(_) => {}
        };
        for event in part.events {
            let event = event.map_err(|source| part.run.error(source))?;
            replay.note(&event);
            conclude(&event);
        }
        let before = replay.finished.len();
        let end = replay.end();
        if !end.is_empty() {
            complaints.push(format!(
                "shard {} of {} was cut off: {} of its cases have no verdict",
                part.shard.number,
                part.shard.of,
                replay.total.saturating_sub(before)
            ));
        } else if before < replay.total && !is_stress {
            complaints.push(format!(
                "shard {} of {} has lost results: its journal has {before} of {}",
                part.shard.number, part.shard.of, replay.total
            ));
        }
        end.iter().for_each(conclude);
        signal = signal.or(replay.signal);
        halt = halt.or(replay.halt);
    }
    complaints.extend(doubled);
    for result in hooks.into_values() {
        stats.add(&result);
        reporters.emit(&TestEvent::CaseFinished(result));
    }
    let finished = RunFinished { duration, stats, signal, halt };
    reporters.emit(&TestEvent::RunFinished(finished.clone()));
    Ok(finished)
}

/// How bad a result is.
fn rank(result: &CaseResult) -> (bool, Standing) {
    let standing = result.standing();
    (matches!(standing, Standing::Failed | Standing::TimedOut | Standing::Errored), standing)
}

/// The beginning of all shards as that of one run.
fn together(parts: &[Part], run_id: String) -> RunStarted {
    let mut suites: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    for (suite, count) in parts.iter().flat_map(|part| &part.started.suites) {
        let sum = suites.entry(Arc::clone(suite)).or_default();
        // What is done before and after the cases of a folder is done in every shard, and told once.
        *sum = if is_suite_file(suite) { (*sum).max(*count) } else { *sum + count };
    }
    let everywhere = |has: fn(&Safeguards) -> bool| parts.iter().all(|part| has(&part.started.safeguards));
    RunStarted {
        safeguards: Safeguards {
            orphans: everywhere(|safeguards| safeguards.orphans),
            watchdog: everywhere(|safeguards| safeguards.watchdog),
            signals: everywhere(|safeguards| safeguards.signals),
        },
        run_id,
        started_at: parts.iter().map(|part| part.started.started_at).min().unwrap_or(SystemTime::UNIX_EPOCH),
        total: suites.values().sum(),
        jobs: parts.iter().map(|part| part.started.jobs).sum(),
        suites: suites.into_iter().collect(),
        predicted: None,
        seed: None,
        shard: None,
        stress: None,
    }
}

/// Refuses a journal that is a link, and one that a link leads to from the folder that was named.
fn refuse_links(journal: &Path, named: &Path) -> Result<(), PastError> {
    let below = journal.ancestors().skip(1).take_while(|above| *above != named && above.starts_with(named));
    match [journal].into_iter().chain(below).find(|path| path.is_symlink()) {
        Some(link) => Err(PastError::Link { path: link.to_owned() }),
        None => Ok(()),
    }
}

/// The journals that `names` name, relative to `folder` or as runs of the project at `root`.
///
/// # Errors
/// [`PastError`] when one of them names none.
pub fn find_shards(root: &Path, folder: &Path, names: &[String]) -> Result<Vec<PastRun>, PastError> {
    let mut runs: Vec<PastRun> = Vec::new();
    for name in names {
        let here = folder.join(name);
        let found = match here.to_str() {
            Some(path) if here.exists() => PastRun::find_all(root, path)?,
            _ => PastRun::find_all(root, name)?,
        };
        found.iter().try_for_each(|run| refuse_links(run.journal(), &here))?;
        runs.extend(found);
    }
    // One that was named twice is no second shard.
    let mut known = HashSet::new();
    runs.retain(|run| {
        known.insert(run.journal().canonicalize().unwrap_or_else(|_| run.journal().to_owned()))
    });
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn missing_numbers_are_told_in_a_few_words() {
        for (there, of, expected) in [
            (&[1, 2][..], 2, ""),
            (&[2], 3, "1, 3"),
            (&[1, 5, 9], 12, "2-4, 6-8, 10-12"),
            (&[1], u32::MAX, "2-4294967295"),
            (&[7], 3, "1-6"),
        ] {
            assert_eq!(missing(there.iter().copied(), of), expected);
        }
    }
}
