//! What a history tells.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Row, params};

use crate::history::record::{STANDINGS, number};
use crate::history::store::{History, HistoryError};
use crate::model::{CaseId, Standing};
use crate::plan::{PastResult, PastResults};

/// A run that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRun {
    /// Its name, which was that of its folder in `.partest/runs`.
    pub name: String,
    /// When it began, by the wall clock.
    pub started_at: SystemTime,
    /// How long it took; none when it was killed.
    pub duration: Option<Duration>,
    /// How many cases could run at the same time.
    pub jobs: usize,
    /// The name of the machine.
    pub host: Option<String>,
    /// The commit in git that was checked out.
    pub revision: Option<String>,
    /// How many cases had which standing; what could not be read counts as a case that could not be run.
    pub counts: Vec<(Standing, usize)>,
}

/// What came of a case in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRun {
    /// The run's name.
    pub run: String,
    /// When the run began.
    pub started_at: SystemTime,
    /// The commit in git that was checked out.
    pub revision: Option<String>,
    /// What came of the case.
    pub standing: Standing,
    /// How many attempts there were.
    pub attempts: usize,
    /// How long they took together.
    pub duration: Duration,
}

/// A case that does not always come to the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaky {
    /// Which case.
    pub id: String,
    /// How often it has run.
    pub runs: usize,
    /// How often it passed only after a failed attempt.
    pub flaky: usize,
    /// How often it failed.
    pub failed: usize,
    /// At how many commits it both passed and failed, with nothing changed in between.
    pub mixed: usize,
}

/// What results are grouped by so that each counts once, however many runs have it; the first of them is meant.
const ONCE: &str = "r.case_id, ifnull(r.began, -r.run_id)";

impl History {
    /// What is known of every case.
    ///
    /// # Errors
    /// [`HistoryError`] when the file cannot be read.
    pub fn past(&self) -> Result<PastResults, HistoryError> {
        Ok(self.recall(Vec::new())?.0)
    }

    /// What is known of every case; and those of these runs that are not remembered, without those that have been
    /// forgotten: they are older than all that are remembered, as names begin with the time.
    ///
    /// # Errors
    /// [`HistoryError`] when the file cannot be read.
    pub fn recall(&self, names: Vec<String>) -> Result<(PastResults, Vec<String>), HistoryError> {
        let (past, known, oldest) = self.look(|connection| {
            // One for all, as to begin and to end it takes longer than to read a short history.
            let transaction = connection.transaction()?;
            let (known, oldest) = names_of_runs(&transaction)?;
            Ok((past(&transaction)?, known, oldest))
        })?;
        let is_newer = |name: &String| oldest.as_ref().is_none_or(|oldest| name > oldest);
        let unknown = names.into_iter().filter(|name| !known.contains(name) && is_newer(name)).collect();
        Ok((past, unknown))
    }

    /// The newest `limit` runs, newest first.
    ///
    /// # Errors
    /// [`HistoryError`] when the file cannot be read.
    pub fn runs(&self, limit: usize) -> Result<Vec<RecordedRun>, HistoryError> {
        self.look(|connection| {
            let mut counts = connection
                .prepare("SELECT standing, count(*) FROM results WHERE run_id = ? GROUP BY standing ORDER BY standing")?;
            let mut statement = connection.prepare(
                "SELECT id, name, started_at, duration, jobs, host, revision, broken FROM runs ORDER BY started_at DESC, id DESC LIMIT ?",
            )?;
            let rows = statement.query_map([sql_limit(limit)], |row| {
                let counts = counts.query_map([row.get::<_, i64>(0)?], |row| Ok((row.get(0)?, size(row, 1)?)))?;
                let mut counts = counts.collect::<rusqlite::Result<BTreeMap<i64, usize>>>()?;
                let broken = size(row, 7)?;
                if broken > 0 {
                    *counts.entry(number(Standing::Errored)).or_default() += broken;
                }
                Ok(RecordedRun {
                    name: row.get(1)?,
                    started_at: moment(row.get(2)?),
                    duration: row.get::<_, Option<i64>>(3)?.map(duration),
                    jobs: size(row, 4)?,
                    host: row.get(5)?,
                    revision: row.get(6)?,
                    counts: counts
                        .into_iter()
                        .filter_map(|(number, count)| Some((standing(number)?, count)))
                        .collect(),
                })
            })?;
            rows.collect()
        })
    }

    /// What came of a case in its newest `limit` runs, oldest first; empty for a case that is not known.
    ///
    /// # Errors
    /// [`HistoryError`] when the file cannot be read.
    pub fn case(&self, id: &str, limit: usize) -> Result<Vec<CaseRun>, HistoryError> {
        let mut found = self.look(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT u.name, u.started_at, u.revision, r.standing, r.attempts, r.duration, min(u.id)
                 FROM runs u CROSS JOIN results r ON r.run_id = u.id
                 WHERE r.case_id = (SELECT id FROM cases WHERE name = ?)
                 GROUP BY {ONCE} ORDER BY u.started_at DESC, u.id DESC LIMIT ?"
            ))?;
            let rows = statement.query_map(params![id, sql_limit(limit)], |row| {
                Ok(CaseRun {
                    run: row.get(0)?,
                    started_at: moment(row.get(1)?),
                    revision: row.get(2)?,
                    standing: standing(row.get(3)?).unwrap_or(Standing::NotRun),
                    attempts: size(row, 4)?,
                    duration: duration(row.get(5)?),
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        found.reverse();
        Ok(found)
    }

    /// The ids of all cases that are known, in order.
    ///
    /// # Errors
    /// [`HistoryError`] when the file cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, HistoryError> {
        self.look(|connection| {
            let mut statement = connection.prepare("SELECT name FROM cases ORDER BY name")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// The `limit` worst cases that passed only after a failed attempt, or both passed and failed at the same
    /// commit with nothing changed in between.
    ///
    /// # Errors
    /// [`HistoryError`] when the file cannot be read.
    pub fn flaky(&self, limit: usize) -> Result<Vec<Flaky>, HistoryError> {
        self.look(|connection| flaky(connection, limit))
    }
}

fn past(connection: &Connection) -> rusqlite::Result<PastResults> {
    let mut statement = connection.prepare(
        "SELECT name, duration, standing, judged_by IS (SELECT id FROM runs ORDER BY started_at DESC, id DESC LIMIT 1) FROM cases",
    )?;
    let rows = statement.query_map([], |row| {
        let duration: Option<i64> = row.get(1)?;
        let last = row.get::<_, Option<i64>>(2)?.and_then(standing);
        let past = PastResult {
            duration: duration.map(self::duration),
            failed: last.is_some_and(is_failure),
            in_last_run: row.get(3)?,
        };
        Ok((CaseId::of_file(row.get_ref(0)?.as_str()?), past))
    })?;
    rows.collect()
}

/// The names of all runs, and the first of them if there were older ones.
fn names_of_runs(connection: &Connection) -> rusqlite::Result<(HashSet<String>, Option<String>)> {
    let mut statement = connection.prepare("SELECT name FROM runs")?;
    let known = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<HashSet<String>>>()?;
    let first: Option<i64> = connection.query_row("SELECT min(id) FROM runs", [], |row| row.get(0))?;
    let oldest = known.iter().min().filter(|_| first > Some(1)).cloned();
    Ok((known, oldest))
}

/// The worst are those with the largest share of doubtful runs, where a case with few runs has less weight.
fn flaky(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<Flaky>> {
    let list = |standings: &[Standing]| {
        standings.iter().map(|standing| number(*standing).to_string()).collect::<Vec<_>>().join(",")
    };
    let failures = list(&[Standing::Failed, Standing::TimedOut, Standing::Errored, Standing::Quarantined]);
    let passes = list(&[Standing::Passed, Standing::Flaky]);
    let no_verdict = list(&[Standing::Skipped, Standing::NotRun]);
    let flaky = number(Standing::Flaky);
    let mut statement = connection.prepare(&format!(
        "WITH seen AS MATERIALIZED (
            SELECT r.case_id, r.standing, u.revision, u.tree, r.definition, min(u.id)
            FROM results r JOIN runs u ON u.id = r.run_id
            WHERE r.standing NOT IN ({no_verdict})
                AND r.case_id IN (SELECT case_id FROM results WHERE standing IN ({flaky}, {failures}))
            GROUP BY {ONCE}),
         mixed AS (
            SELECT case_id, count(DISTINCT revision) AS commits FROM (
                SELECT case_id, revision FROM seen
                WHERE revision IS NOT NULL AND tree IS NOT NULL AND definition IS NOT NULL
                GROUP BY case_id, revision, tree, definition
                HAVING sum(standing IN ({passes})) > 0 AND sum(standing IN ({failures})) > 0)
            GROUP BY case_id)
         SELECT c.name, count(*) AS runs, sum(s.standing = {flaky}) AS flaky, sum(s.standing IN ({failures})), ifnull(m.commits, 0) AS mixed
         FROM seen s JOIN cases c ON c.id = s.case_id LEFT JOIN mixed m ON m.case_id = s.case_id
         GROUP BY s.case_id HAVING flaky > 0 OR mixed > 0
         ORDER BY (flaky + mixed) / (count(*) + 2.0) DESC, c.name LIMIT ?"
    ))?;
    let rows = statement.query_map([sql_limit(limit)], |row| {
        Ok(Flaky {
            id: row.get(0)?,
            runs: size(row, 1)?,
            flaky: size(row, 2)?,
            failed: size(row, 3)?,
            mixed: size(row, 4)?,
        })
    })?;
    rows.collect()
}

fn is_failure(standing: Standing) -> bool {
    matches!(standing, Standing::Failed | Standing::TimedOut | Standing::Errored)
}

fn standing(number: i64) -> Option<Standing> {
    STANDINGS.get(usize::try_from(number).ok()?).copied()
}

fn duration(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
}

fn moment(nanoseconds: i64) -> SystemTime {
    UNIX_EPOCH + duration(nanoseconds)
}

fn size(row: &Row<'_>, column: usize) -> rusqlite::Result<usize> {
    Ok(usize::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
