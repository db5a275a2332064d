//! The file: how it is opened, what its tables are, and what becomes of a damaged one.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::disk;

/// The name of the file in the folder `.partest`.
const FILE: &str = "history.db";

/// What a damaged file is renamed to, in the same folder.
const DAMAGED: &str = "history.damaged.db";

/// How long one run waits for another one that writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says in the header of the file whose it is.
const APPLICATION: i32 = 0x7061_7274;

/// The version of the tables.
const VERSION: i32 = 4;

/// Times are nanoseconds since 1970 UTC, durations nanoseconds, and `standing` is the place in
/// [`STANDINGS`](crate::history::record::STANDINGS). A result of a run that was taken up or merged from others has the
/// `began` of the first, by which the two are known to be the same; `first` and `last` are the bounds of those of a run.
/// Two results with the same `revision`, `tree` and `definition` are of the same code and the same case, as far as that
/// is known. `seen_in` is the last run that has a result of the case. What could not be read has no result, as it says
/// nothing of a case, and is counted as `broken`.
///
/// Results lie together by run, not by case: a run is written at the end and forgotten at the beginning, however large
/// the rest is. Runs are forgotten in the order of their ids, so the newest one stays and no id is ever used again.
/// There are no `REFERENCES`: to forget a case would look through all results.
const TABLES: &str = "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    started_at INTEGER NOT NULL,
    duration INTEGER,
    jobs INTEGER NOT NULL,
    host TEXT,
    revision TEXT,
    tree INTEGER,
    first INTEGER,
    last INTEGER,
    broken INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE cases (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    duration INTEGER,
    standing INTEGER,
    judged_by INTEGER,
    seen_in INTEGER
);
CREATE TABLE results (
    run_id INTEGER NOT NULL,
    case_id INTEGER NOT NULL,
    began INTEGER,
    duration INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    definition INTEGER,
    PRIMARY KEY (run_id, case_id)
) WITHOUT ROWID;
";

/// From version 1 to version 2.
const WITH_STATES: &str =
    "ALTER TABLE runs ADD COLUMN tree INTEGER; ALTER TABLE results ADD COLUMN definition INTEGER;";

/// From version 2 to the present one: before and after the tables are made.
const OUT_OF_THE_WAY: &str = "
ALTER TABLE runs RENAME TO old_runs;
ALTER TABLE cases RENAME TO old_cases;
ALTER TABLE results RENAME TO old_results;
";
const BY_RUN: &str = "
INSERT INTO results SELECT run_id, case_id, began, duration, attempts, standing, definition
FROM old_results ORDER BY run_id, case_id;
INSERT INTO runs (id, name, started_at, duration, jobs, host, revision, tree, first, last) SELECT id, name, started_at, duration, jobs, host, revision, tree,
    (SELECT min(began) FROM results WHERE run_id = r.id), (SELECT max(began) FROM results WHERE run_id = r.id)
FROM old_runs r;
INSERT INTO cases SELECT id, name, duration, standing, judged_by, (SELECT max(run_id) FROM old_results WHERE case_id = c.id)
FROM old_cases c;
DROP TABLE old_results;
DROP TABLE old_cases;
DROP TABLE old_runs;
";

/// From version 3 to version 4.
const WITH_BROKEN: &str = "ALTER TABLE runs ADD COLUMN broken INTEGER NOT NULL DEFAULT 0;";

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file cannot be opened, read or written.
    #[error("{path}: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A newer partest has made it.
    #[error("{path} was written by a newer version of partest")]
    Newer {
        /// The file.
        path: PathBuf,
    },
}

/// The history of a project.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    warnings: RefCell<Vec<String>>,
}

/// What goes wrong with an open file.
enum Fault {
    File(io::Error),
    Sqlite(rusqlite::Error),
    /// It is a database, but not of partest.
    Foreign,
    Newer,
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    /// Whether the file will never be of use.
    fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
                ) || is_of_other_tables(error)
            }
            Self::Foreign => true,
            Self::Newer | Self::File(_) => false,
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, None)) => error.to_string(),
            Self::Sqlite(rusqlite::Error::SqliteFailure(_, Some(message))) => message.clone(),
            Self::Sqlite(error) => error.to_string(),
            Self::File(error) => error.to_string(),
            Self::Foreign => "no history of partest".to_owned(),
            Self::Newer => "written by a newer version of partest".to_owned(),
        }
    }
}

/// Whether tables or values are missing that every history has.
fn is_of_other_tables(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => true,
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.starts_with("no such"),
        _ => false,
    }
}

impl History {
    /// The history in the folder `.partest`, whether there is one yet or not.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join(FILE), warnings: RefCell::default() }
    }

    /// What a user should know of its file, a line each; each is told once.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// Does some work on the open file, which is set aside and made anew when it turns out to be damaged.
    pub(super) fn with<T>(
        &self,
        work: impl Fn(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        let attempt = || open(&self.path).and_then(|mut connection| Ok(work(&mut connection)?));
        let fault = match attempt() {
            Ok(done) => return Ok(done),
            Err(fault) if fault.is_damage() => fault,
            Err(fault) => return Err(self.error(&fault)),
        };
        self.set_aside(&fault)?;
        attempt().map_err(|fault| self.error(&fault))
    }

    /// The same where a history that does not exist is not made for it.
    pub(super) fn look<T: Default>(
        &self,
        work: impl Fn(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        if self.path.exists() { self.with(work) } else { Ok(T::default()) }
    }

    fn set_aside(&self, fault: &Fault) -> Result<(), HistoryError> {
        let damaged = self.path.with_file_name(DAMAGED);
        let renamed = fs::rename(&self.path, &damaged);
        renamed
            .map_err(|error| HistoryError::Unusable { path: self.path.clone(), reason: error.to_string() })?;
        // What was left of a write would be taken for one of the new file's.
        let mut journal = self.path.clone().into_os_string();
        journal.push("-journal");
        let _ = fs::remove_file(journal);
        self.warnings.borrow_mut().push(format!(
            "the history {} is damaged ({}): it is kept as {DAMAGED}, and a new one is begun",
            self.path.display(),
            fault.reason()
        ));
        Ok(())
    }

    fn error(&self, fault: &Fault) -> HistoryError {
        let path = self.path.clone();
        match fault {
            Fault::Newer => HistoryError::Newer { path },
            fault => HistoryError::Unusable { path, reason: fault.reason() },
        }
    }
}

fn open(path: &Path) -> Result<Connection, Fault> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    prepare(path).map_err(Fault::File)?;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // A write takes milliseconds when it waits for the disk. Without that a run that is killed still loses nothing, and
    // when the machine loses its power the history can be damaged, which is found and mended.
    connection.pragma_update(None, "synchronous", "OFF")?;
    // Its own journal stays and is emptied: on some disks to make and remove a file takes longer than to write it.
    connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
    if version(&connection)? != Some(VERSION) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match version(&transaction)? {
            None => transaction.execute_batch(TABLES)?,
            Some(3) => transaction.execute_batch(WITH_BROKEN)?,
            Some(old @ 1..3) => {
                if old == 1 {
                    transaction.execute_batch(WITH_STATES)?;
                }
                [OUT_OF_THE_WAY, TABLES, BY_RUN]
                    .iter()
                    .try_for_each(|step| transaction.execute_batch(step))?;
            }
            // Another run was faster.
            Some(_) => {}
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok(connection)
}

/// Makes an empty file that only its owner can read, as are journals; and refuses one that lies elsewhere, which
/// whoever has made the project may have chosen.
fn prepare(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(file) if file.is_symlink() => Err(io::Error::other("it is a symbolic link")),
        Ok(file) if !file.is_file() => Err(io::Error::other("it is not a regular file")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match disk::private_file(path) {
                // Another run was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                made => made.map(drop),
            }
        }
        Err(error) => Err(error),
    }
}

/// The version of the tables; none when there are none yet.
fn version(connection: &Connection) -> Result<Option<i32>, Fault> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    match (application, version) {
        (APPLICATION, 1..=VERSION) => Ok(Some(version)),
        (APPLICATION, version) if version > VERSION => Err(Fault::Newer),
        (0, 0) if number("schema_version")? == 0 => Ok(None),
        _ => Err(Fault::Foreign),
    }
}
