//! What is forgotten: runs of long ago, and the oldest ones of a file that has grown too large.

use std::time::{Duration, SystemTime};

use rusqlite::{OptionalExtension as _, Transaction};

use crate::history::record::moment;

/// After how long a run is forgotten.
const OLDEST: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// How large the file may become, in bytes.
const LARGEST: i64 = 64 << 20;

/// Forgets what is too old or too much; the newest run stays, whatever its size.
pub(super) fn prune(transaction: &Transaction<'_>, now: SystemTime) -> rusqlite::Result<()> {
    forget(transaction, now, LARGEST)
}

fn forget(transaction: &Transaction<'_>, now: SystemTime, largest: i64) -> rusqlite::Result<()> {
    let limit = now.checked_sub(OLDEST).map_or(0, moment);
    let mut forgotten = remove(transaction, "started_at < ?", limit)?;
    while size(transaction)? > largest {
        let middle =
            "SELECT started_at FROM runs ORDER BY started_at LIMIT 1 OFFSET (SELECT count(*) / 4 FROM runs)";
        let Some(oldest) = transaction.query_row(middle, [], |row| row.get(0)).optional()? else { break };
        let removed = remove(transaction, "started_at <= ?", oldest)?;
        if removed == 0 {
            break;
        }
        forgotten += removed;
    }
    if forgotten > 0 {
        transaction.execute("DELETE FROM cases WHERE id NOT IN (SELECT case_id FROM results)", [])?;
    }
    Ok(())
}

/// Removes the runs of which this holds, except the newest one; gives their number.
fn remove(transaction: &Transaction<'_>, condition: &str, moment: i64) -> rusqlite::Result<usize> {
    let doomed =
        format!("SELECT id FROM runs WHERE {condition} AND started_at < (SELECT max(started_at) FROM runs)");
    transaction.execute(&format!("DELETE FROM results WHERE run_id IN ({doomed})"), [moment])?;
    transaction.execute(&format!("DELETE FROM runs WHERE id IN ({doomed})"), [moment])
}

/// The bytes in use.
fn size(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let number = |name: &str| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
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
                 CREATE TABLE cases (id INTEGER PRIMARY KEY, name TEXT);
                 CREATE TABLE results (case_id INTEGER, run_id INTEGER, filling BLOB);",
            )
            .expect("made");
        for run in 1..=runs {
            connection.execute("INSERT INTO runs VALUES (?1, ?1)", [run]).expect("inserted");
            connection.execute("INSERT INTO cases VALUES (?1, 'c' || ?1)", [run]).expect("inserted");
            connection
                .execute("INSERT INTO results VALUES (?1, ?1, zeroblob(100000))", [run])
                .expect("inserted");
        }
        connection
    }

    fn left(runs: i64, now: Duration, largest: i64) -> Vec<i64> {
        let mut connection = database(runs);
        let transaction = connection.transaction().expect("begun");
        forget(&transaction, UNIX_EPOCH + now, largest).expect("pruned");
        transaction.commit().expect("committed");
        for table in ["cases", "results"] {
            let count: i64 = connection
                .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
                .expect("counted");
            let runs: i64 =
                connection.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).expect("counted");
            assert_eq!(count, runs, "{table}");
        }
        let mut statement = connection.prepare("SELECT id FROM runs ORDER BY id").expect("prepared");
        let ids = statement.query_map([], |row| row.get(0)).expect("queried");
        ids.collect::<Result<_, _>>().expect("read")
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
