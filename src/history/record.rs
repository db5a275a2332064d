//! From the events of a run to rows.

use std::collections::HashMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{
    CachedStatement, Connection, OptionalExtension as _, Transaction, TransactionBehavior, params,
};

use crate::history::prune::{prune, shrink};
use crate::history::revision::Checkout;
use crate::history::store::{History, HistoryError};
use crate::model::{CaseId, CaseResult, FailureKind, Outcome, RunStarted, Skip, Standing, TestEvent};

/// The standings by the numbers that stand for them in the file.
pub(super) const STANDINGS: [Standing; 9] = [
    Standing::Passed,
    Standing::Flaky,
    Standing::ExpectedFailure,
    Standing::Failed,
    Standing::TimedOut,
    Standing::Errored,
    Standing::Skipped,
    Standing::NotRun,
    Standing::Quarantined,
];

/// The number of a standing.
pub(super) fn number(standing: Standing) -> i64 {
    let place = STANDINGS.iter().position(|known| *known == standing);
    place.and_then(|place| i64::try_from(place).ok()).unwrap_or_default()
}

/// Takes note of what a history keeps of a run.
#[derive(Debug, Default)]
pub struct Recorder {
    run: Option<Run>,
    results: Vec<Row>,
    /// The places of the rows.
    known: HashMap<CaseId, usize>,
    /// How many results are not those of cases.
    broken: usize,
    duration: Option<Duration>,
    host: Option<String>,
    checkout: Checkout,
    /// Looks at the working tree, as it is when the run begins, while the run goes on.
    looking: Option<JoinHandle<Checkout>>,
}

#[derive(Debug)]
struct Run {
    name: String,
    started_at: SystemTime,
    jobs: usize,
}

#[derive(Debug)]
struct Row {
    id: CaseId,
    /// When its first attempt began.
    began: Option<SystemTime>,
    duration: Duration,
    attempts: usize,
    standing: Standing,
    /// Whether this says anything of the case itself.
    is_verdict: bool,
    definition: Option<u32>,
}

impl Recorder {
    /// A recorder for a run of whose surroundings nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with the name of this host, and the revision of the code in git, if `root` lies in a working tree.
    #[must_use]
    pub fn here(root: &Path) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let root = root.to_owned();
        let looking = thread::Builder::new().name("partest-checkout".to_owned());
        Self {
            host: host.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
            looking: looking.spawn(move || Checkout::around(&root)).ok(),
            ..Self::default()
        }
    }

    /// The same with this code.
    #[cfg(test)]
    pub(super) fn at(self, revision: &str, tree: u64) -> Self {
        let checkout = Checkout { revision: Some(revision.to_owned()), tree: Some(tree) };
        Self { checkout, ..self }
    }

    /// Takes note of one event.
    pub fn note(&mut self, event: &TestEvent) {
        match event {
            TestEvent::RunStarted(RunStarted { run_id, started_at, jobs, .. }) => {
                let run = Run { name: run_id.clone(), started_at: *started_at, jobs: *jobs };
                self.run.get_or_insert(run);
            }
            TestEvent::CaseFinished(result) if is_of_a_case(result) => self.add(Row {
                id: result.info.lasting_id().clone(),
                began: result.attempts.first().map(|attempt| attempt.started_at),
                duration: result.duration(),
                attempts: result.attempts.len(),
                standing: result.standing(),
                is_verdict: is_verdict(result),
                definition: result.info.definition,
            }),
            TestEvent::CaseFinished(_) => self.broken += 1,
            TestEvent::RunFinished(finished) => {
                self.duration = Some(finished.duration);
                if let Some(Ok(checkout)) = self.looking.take().map(JoinHandle::join) {
                    self.checkout = checkout;
                }
            }
            _ => {}
        }
    }
}

impl Recorder {
    /// Copies of a case have one row: that of the first which failed, or else of the first.
    fn add(&mut self, row: Row) {
        match self.known.get(&row.id).and_then(|place| self.results.get_mut(*place)) {
            Some(known) if is_failure(row.standing) && !is_failure(known.standing) => *known = row,
            Some(_) => {}
            None => {
                self.known.insert(row.id.clone(), self.results.len());
                self.results.push(row);
            }
        }
    }
}

fn is_failure(standing: Standing) -> bool {
    matches!(standing, Standing::Failed | Standing::TimedOut | Standing::Errored | Standing::Quarantined)
}

/// Whether the case itself has come to something: it has not where it was not come to, or what it runs after did not pass.
fn is_verdict(result: &CaseResult) -> bool {
    let is_left_out = matches!(result.outcome, Outcome::Skipped(Skip::After(_)));
    result.standing() != Standing::NotRun && !is_left_out
}

/// Whether the result is not that of a file that could not be read.
fn is_of_a_case(result: &CaseResult) -> bool {
    !result.all_failures().any(|failure| failure.kind == FailureKind::Descriptor)
}

impl History {
    /// Keeps what the recorder has noted, and forgets what is too old or too much. A run that is known already, or
    /// that never began, is passed over.
    ///
    /// # Errors
    /// [`HistoryError`] when the file cannot be written.
    pub fn record(&self, recorder: &Recorder) -> Result<(), HistoryError> {
        match &recorder.run {
            Some(run) => self.with(|connection| write(connection, run, recorder)),
            None => Ok(()),
        }
    }
}

fn write(connection: &mut Connection, run: &Run, recorder: &Recorder) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let moments = || recorder.results.iter().filter_map(|row| row.began.map(moment));
    let (first, last) = (moments().min(), moments().max());
    let added = transaction.execute(
        "INSERT OR IGNORE INTO runs (name, started_at, duration, jobs, host, revision, tree, first, last, broken) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            run.name,
            moment(run.started_at),
            recorder.duration.map(nanoseconds),
            i64::try_from(run.jobs).unwrap_or(i64::MAX),
            recorder.host,
            recorder.checkout.revision,
            recorder.checkout.tree.map(u64::cast_signed),
            first,
            last,
            i64::try_from(recorder.broken).unwrap_or(i64::MAX),
        ],
    )?;
    if added == 1 {
        let mut writer = Writer::new(&transaction, transaction.last_insert_rowid())?;
        // In this order, which is that of their index and mostly that of their numbers, each is next to the one before.
        let mut rows: Vec<_> = recorder.results.iter().collect();
        rows.sort_unstable_by_key(|row| row.id.as_str());
        rows.into_iter().try_for_each(|row| writer.write(row))?;
    }
    prune(&transaction, SystemTime::now())?;
    transaction.commit()?;
    shrink(connection);
    Ok(())
}

/// Writes the results of a run.
struct Writer<'a> {
    run: i64,
    /// The runs that may have the same results, as they have some that began at the same time, and the bounds of those.
    others: Vec<(i64, RangeInclusive<i64>)>,
    case: CachedStatement<'a>,
    new_case: CachedStatement<'a>,
    twin: CachedStatement<'a>,
    result: CachedStatement<'a>,
    verdict: CachedStatement<'a>,
    transaction: &'a Transaction<'a>,
}

impl<'a> Writer<'a> {
    fn new(transaction: &'a Transaction<'a>, run: i64) -> rusqlite::Result<Self> {
        let mut others = transaction.prepare_cached(
            "SELECT o.id, o.first, o.last FROM runs u JOIN runs o ON o.first <= u.last AND o.last >= u.first AND o.id <> u.id WHERE u.id = ?",
        )?;
        let others = others.query_map([run], |row| Ok((row.get(0)?, row.get(1)?..=row.get(2)?)))?;
        Ok(Self {
            run,
            others: others.collect::<rusqlite::Result<_>>()?,
            case: transaction.prepare_cached("SELECT id FROM cases WHERE name = ?")?,
            new_case: transaction.prepare_cached("INSERT INTO cases (name) VALUES (?)")?,
            twin: transaction
                .prepare_cached("SELECT 1 FROM results WHERE run_id = ? AND case_id = ? AND began = ?")?,
            result: transaction.prepare_cached(
                "INSERT INTO results (run_id, case_id, began, duration, attempts, standing, definition) VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?,
            // Half of an estimate is the last run's, so that a case that has become faster is soon known to be so.
            verdict: transaction.prepare_cached(
                "UPDATE cases SET duration = ifnull(duration / 2 + ?1 / 2, ifnull(duration, ?1)),
                    standing = ifnull(?2, standing), judged_by = iif(?2 IS NULL, judged_by, ?3), seen_in = ?3 WHERE id = ?4",
            )?,
            transaction,
        })
    }

    fn write(&mut self, row: &Row) -> rusqlite::Result<()> {
        let name = row.id.as_str();
        let case: i64 = match self.case.query_row([name], |row| row.get(0)).optional()? {
            Some(known) => known,
            None => {
                self.new_case.execute([name])?;
                self.transaction.last_insert_rowid()
            }
        };
        let began = row.began.map(moment);
        let duration = nanoseconds(row.duration);
        let attempts = i64::try_from(row.attempts).unwrap_or(i64::MAX);
        let standing = number(row.standing);
        let is_measured = match began {
            Some(began) => row.is_verdict && !self.is_known(case, began)?,
            None => false,
        };
        self.result.execute(params![self.run, case, began, duration, attempts, standing, row.definition])?;
        let (measured, verdict) = (is_measured.then_some(duration), row.is_verdict.then_some(standing));
        self.verdict.execute(params![measured, verdict, self.run, case])?;
        Ok(())
    }

    /// Whether another run has this very result: one that was taken up again, or merged, tells results once more.
    fn is_known(&mut self, case: i64, began: i64) -> rusqlite::Result<bool> {
        for (run, bounds) in &self.others {
            if bounds.contains(&began) && self.twin.exists(params![run, case, began])? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A moment as the file has it.
pub(super) fn moment(time: SystemTime) -> i64 {
    nanoseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
