//! What is forgotten: runs of long ago, and the oldest ones of a file that has grown too large.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};

use crate::history::record::moment;

/// After how long a run is forgotten.
const OLDEST: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// How large the file may become, in bytes.
const LARGEST: i64 = 64 << 20;

/// Forgets what is too old or too much; the newest run stays, whatever its size.
pub(super) fn prune(transaction: &Transaction<'_>, now: SystemTime) -> rusqlite::Result<()> {
    forget(transaction, now, LARGEST)
}

/// As each run makes room for as much as it adds, none has to for many.
fn forget(transaction: &Transaction<'_>, now: SystemTime, largest: i64) -> rusqlite::Result<()> {
    let limit = now.checked_sub(OLDEST).map_or(0, moment);
    let oldest = "SELECT id, started_at FROM runs WHERE id < (SELECT max(id) FROM runs) ORDER BY id LIMIT 1";
    let oldest = || {
        let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        transaction.query_row(oldest, [], row).optional()
    };
    while let Some((run, started_at)) = oldest()? {
        if started_at >= limit && used(transaction)? <= largest {
            break;
        }
        for forgotten in [
            "DELETE FROM cases WHERE seen_in = ?1 AND id IN (SELECT case_id FROM results WHERE run_id = ?1)",
            "DELETE FROM results WHERE run_id = ?1",
            "DELETE FROM runs WHERE id = ?1",
        ] {
            transaction.execute(forgotten, [run])?;
        }
    }
    Ok(())
}

/// Gives back what is free in the file, when that is most of it, as after runs of a suite that was far larger. Else it
/// is used again.
pub(super) fn shrink(connection: &Connection) {
    let is_mostly_free = || Ok::<_, rusqlite::Error>(free(connection)? > used(connection)?);
    if is_mostly_free().unwrap_or(false) {
        // To have a smaller file is not worth a warning, be it that another run reads it now or that the disk is full.
        let _ = connection.execute_batch("VACUUM");
    }
}

/// The bytes in use.
fn used(connection: &Connection) -> rusqlite::Result<i64> {
    Ok(number(connection, "page_count")? * number(connection, "page_size")? - free(connection)?)
}

/// The bytes that are in the file, but in no use.
fn free(connection: &Connection) -> rusqlite::Result<i64> {
    Ok(number(connection, "freelist_count")? * number(connection, "page_size")?)
}

fn number(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use rusqlite::Connection;

    use super::{OLDEST, forget};

    fn database(runs: i64) -> Connection {
        let connection = Connection::open_in_memory().expect("opened");
        connection
            .execute_batch(
                "CREATE TABLE runs (id INTEGER PRIMARY KEY, started_at INTEGER);
                 CREATE TABLE cases (id INTEGER PRIMARY KEY, name TEXT, seen_in INTEGER);
                 CREATE TABLE results (case_id INTEGER, run_id INTEGER, filling BLOB);",
            )
            .expect("made");
        connection.execute("INSERT INTO cases VALUES (0, 'of all runs', ?)", [runs]).expect("inserted");
        for run in 1..=runs {
            connection.execute("INSERT INTO runs VALUES (?1, ?1)", [run]).expect("inserted");
            connection.execute("INSERT INTO cases VALUES (?1, 'c' || ?1, ?1)", [run]).expect("inserted");
            connection
                .execute("INSERT INTO results VALUES (?1, ?1, zeroblob(100000)), (0, ?1, NULL)", [run])
                .expect("inserted");
        }
        connection
    }

    fn left(runs: i64, now: Duration, largest: i64) -> Vec<i64> {
        let mut connection = database(runs);
        let transaction = connection.transaction().expect("begun");
        forget(&transaction, UNIX_EPOCH + now, largest).expect("pruned");
        transaction.commit().expect("committed");
        let numbers = |query: &str| -> Vec<i64> {
            let mut statement = connection.prepare(query).expect("prepared");
            let numbers = statement.query_map([], |row| row.get(0)).expect("queried");
            numbers.collect::<Result<_, _>>().expect("read")
        };
        let left = numbers("SELECT id FROM runs ORDER BY id");
        assert_eq!(numbers("SELECT DISTINCT run_id FROM results ORDER BY run_id"), left);
        assert_eq!(numbers("SELECT id FROM cases WHERE id > 0 ORDER BY id"), left);
        assert_eq!(numbers("SELECT count(*) FROM cases WHERE id = 0"), [1], "the newest run has it");
        left
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_stays() {
        assert_eq!(left(5, Duration::ZERO, i64::MAX), [1, 2, 3, 4, 5]);
        assert_eq!(left(5, OLDEST + Duration::from_nanos(4), i64::MAX), [4, 5]);
        assert_eq!(left(5, OLDEST * 2, i64::MAX), [5]);
        let kept = left(20, Duration::ZERO, 1_000_000);
        assert!(kept.len() > 3 && kept.len() < 10 && kept.last() == Some(&20), "{kept:?}");
        assert_eq!(left(3, Duration::ZERO, 1000), [3]);
        assert!(left(0, OLDEST, 0).is_empty());
    }
}
