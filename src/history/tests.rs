use std::fs;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

use super::{History, Recorder};
use crate::model::{
    Attempt, CaseId, CaseInfo, CaseResult, KeptFiles, Outcome, Position, RunFinished, RunStarted, RunStats,
    Safeguards, Skip, Standing, TestEvent,
};
use crate::plan::PastResult;

/// When run `number` begins: some hours ago, as old ones are forgotten, and always the same moment.
fn start(number: u64) -> SystemTime {
    static BEGIN: LazyLock<SystemTime> = LazyLock::new(|| SystemTime::now() - Duration::from_secs(10_000));
    *BEGIN + Duration::from_secs(number * 60)
}

/// A recorder with a run of these cases, each with its outcome, its number of attempts and its milliseconds.
fn run(number: u64, cases: &[(&str, Outcome, u32, u64)]) -> Recorder {
    run_at(start(number), number, cases)
}

fn run_at(begin: SystemTime, number: u64, cases: &[(&str, Outcome, u32, u64)]) -> Recorder {
    let mut recorder = Recorder::new();
    recorder.note(&TestEvent::RunStarted(RunStarted {
        run_id: format!("r{number}"),
        started_at: begin,
        total: cases.len(),
        safeguards: Safeguards::default(),
        jobs: 2,
        suites: Vec::new(),
        predicted: None,
        seed: None,
        shard: None,
        stress: None,
    }));
    for (name, outcome, attempts, milliseconds) in cases {
        recorder.note(&TestEvent::CaseFinished(Arc::new(result(
            begin,
            name,
            outcome,
            *attempts,
            *milliseconds,
        ))));
    }
    recorder.note(&TestEvent::RunFinished(RunFinished {
        duration: Duration::from_secs(1),
        stats: RunStats::default(),
        signal: None,
        halt: None,
    }));
    recorder
}

fn result(begin: SystemTime, name: &str, outcome: &Outcome, attempts: u32, milliseconds: u64) -> CaseResult {
    let info = CaseInfo {
        id: CaseId::new("s", name),
        name: name.to_owned(),
        suite: "s".into(),
        position: Position { file: "s.test.json".into(), line: 1, column: 1 },
        number: 0,
        tags: Vec::new(),
        copy_of: None,
        definition: Some(7),
    };
    let attempt = |number| Attempt {
        number,
        started_at: begin + Duration::from_millis(number.into()),
        duration: Duration::from_millis(milliseconds) / attempts,
        outcome: if number == attempts { outcome.clone() } else { Outcome::Failed },
        failures: Vec::new(),
        steps: Vec::new(),
        leaked: Vec::new(),
        services: Vec::new(),
        logs: Vec::new(),
        kept: KeptFiles::default(),
    };
    let attempts = (1..=attempts).map(attempt).collect();
    CaseResult { attempts, ..CaseResult::without_attempt(Arc::new(info), outcome.clone(), Vec::new()) }
}

fn history(runs: &[Recorder]) -> (TempDir, History) {
    let folder = tempfile::tempdir().expect("a folder");
    let history = History::new(folder.path());
    runs.iter().for_each(|run| history.record(run).expect("recorded"));
    (folder, history)
}

fn past(history: &History, name: &str) -> Option<PastResult> {
    history.past().expect("read").get(&CaseId::new("s", name)).copied()
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_last_verdict_counts_and_durations_are_smoothed() {
    let (_folder, history) = history(&[
        run(
            1,
            &[("a", Outcome::Failed, 1, 100), ("b", Outcome::Passed, 1, 40), ("c", Outcome::TimedOut, 1, 7)],
        ),
        run(2, &[("a", Outcome::Passed, 1, 300), ("c", Outcome::Skipped(Skip::NotRun), 0, 0)]),
        run(3, &[("c", Outcome::Skipped(Skip::After(CaseId::new("s", "a"))), 0, 0)]),
        run(4, &[("a", Outcome::Passed, 1, 200)]),
    ]);
    let known = |milliseconds, failed, in_last_run| {
        Some(PastResult { duration: Some(MS * milliseconds), failed, in_last_run })
    };
    assert_eq!(past(&history, "a"), known(200, false, true));
    assert_eq!(past(&history, "b"), known(40, false, false));
    assert_eq!(past(&history, "c"), known(7, true, false), "what was not run has no new verdict");
    assert_eq!(past(&history, "d"), None);
    let runs = history.runs(9).expect("read");
    assert_eq!(runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["r4", "r3", "r2", "r1"]);
    assert_eq!(runs[2].counts, [(Standing::Passed, 1), (Standing::NotRun, 1)]);
    let shown = history.case("s::a", 9).expect("read");
    let standings: Vec<_> = shown.iter().map(|run| (run.standing, run.duration)).collect();
    assert_eq!(
        standings,
        [(Standing::Failed, MS * 100), (Standing::Passed, MS * 300), (Standing::Passed, MS * 200)]
    );
    assert_eq!(history.case("s::a", 1).expect("read")[0].run, "r4");
    assert_eq!(history.recall(vec!["r1".into(), "r5".into()]).expect("read").1, ["r5"]);
}

#[test]
fn a_result_that_is_told_again_counts_once() {
    let first = run(1, &[("a", Outcome::Failed, 1, 100), ("b", Outcome::Passed, 2, 10)]);
    let mut again = run(2, &[]);
    for (name, outcome, attempts) in [("a", Outcome::Failed, 1), ("b", Outcome::Passed, 2)] {
        again.note(&TestEvent::CaseFinished(Arc::new(result(start(1), name, &outcome, attempts, 300))));
    }
    let (_folder, history) = history(&[first, again]);
    let case = history.case("s::a", 9).expect("read");
    assert_eq!((case.len(), case[0].run.as_str()), (1, "r1"));
    let known = PastResult { duration: Some(MS * 100), failed: true, in_last_run: true };
    assert_eq!(past(&history, "a"), Some(known));
    assert_eq!(history.flaky(9).expect("read")[0].runs, 1);
}

#[test]
fn flaky_cases_are_told_worst_first() {
    let at = |revision: &str, run: Recorder| run.at(revision, 1);
    let pass = || Outcome::Passed;
    let (_folder, history) = history(&[
        at(
            "x",
            run(
                1,
                &[
                    ("often", pass(), 2, 1),
                    ("once", pass(), 2, 1),
                    ("never", pass(), 1, 1),
                    ("mixed", pass(), 1, 1),
                ],
            ),
        ),
        at(
            "x",
            run(
                2,
                &[
                    ("often", pass(), 3, 1),
                    ("once", pass(), 1, 1),
                    ("never", pass(), 1, 1),
                    ("mixed", Outcome::Failed, 1, 1),
                ],
            ),
        ),
        at(
            "y",
            run(
                3,
                &[
                    ("often", pass(), 2, 1),
                    ("once", pass(), 1, 1),
                    ("never", Outcome::Failed, 1, 1),
                    ("mixed", pass(), 1, 1),
                ],
            ),
        ),
    ]);
    let found = history.flaky(9).expect("read");
    let told: Vec<_> = found
        .iter()
        .map(|flaky| (flaky.id.as_str(), flaky.runs, flaky.flaky, flaky.failed, flaky.mixed))
        .collect();
    assert_eq!(told, [("s::often", 3, 3, 0, 0), ("s::mixed", 3, 0, 1, 1), ("s::once", 3, 1, 0, 0)]);
    assert_eq!(history.flaky(1).expect("read").len(), 1);
}

#[test]
fn what_was_changed_or_cannot_be_known_is_not_mixed() {
    let at = |number, outcome, tree| run(number, &[("a", outcome, 1, 1)]).at("x", tree);
    let (_folder, history) = history(&[at(1, Outcome::Failed, 1), at(2, Outcome::Passed, 2)]);
    assert_eq!(history.flaky(9).expect("read"), []);
    history.record(&run(3, &[("a", Outcome::Failed, 1, 1)])).expect("recorded");
    assert_eq!(history.flaky(9).expect("read"), [], "nobody knows of what code it is");
    history.record(&at(4, Outcome::Failed, 2)).expect("recorded");
    assert_eq!(history.flaky(9).expect("read")[0].mixed, 1);
}

/// The tables as version 2 has them.
const SECOND: &str = "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, started_at INTEGER NOT NULL, duration INTEGER,
    jobs INTEGER NOT NULL, host TEXT, revision TEXT, tree INTEGER
);
CREATE TABLE cases (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, duration INTEGER, standing INTEGER, judged_by INTEGER
);
CREATE TABLE results (
    case_id INTEGER NOT NULL REFERENCES cases (id), run_id INTEGER NOT NULL REFERENCES runs (id),
    began INTEGER, duration INTEGER NOT NULL, attempts INTEGER NOT NULL, standing INTEGER NOT NULL, definition INTEGER,
    PRIMARY KEY (case_id, run_id)
) WITHOUT ROWID;
CREATE INDEX results_by_run ON results (run_id);
";

/// A history of an old version with these tables, in which two cases failed in one run, and one of them in another.
fn old_history(version: i32, tables: &str) -> (TempDir, History) {
    let folder = tempfile::tempdir().expect("a folder");
    let connection = rusqlite::Connection::open(folder.path().join("history.db")).expect("opened");
    let [first, second] = [start(1), start(2)].map(super::record::moment);
    let rows = format!(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {}; PRAGMA user_version = {version}; {tables}
         INSERT INTO runs (id, name, started_at, duration, jobs, revision) VALUES (1, 'r1', {first}, 5, 2, 'x'), (2, 'r2', {second}, 5, 2, 'x');
         INSERT INTO cases VALUES (1, 's::a', 7000000, 3, 2), (2, 's::b', 7000000, 3, 1);
         INSERT INTO results (case_id, run_id, began, duration, attempts, standing)
         VALUES (1, 1, {first}, 7, 1, 3), (2, 1, {first}, 7, 1, 3), (1, 2, {second}, 7, 1, 3);",
        0x7061_7274
    );
    connection.execute_batch(&rows).expect("written");
    let history = History::new(folder.path());
    (folder, history)
}

#[test]
fn a_history_of_an_older_version_is_carried_on() {
    let first = SECOND.replace(", tree INTEGER", "").replace(", definition INTEGER", "");
    for (version, tables) in [(1, first.as_str()), (2, SECOND)] {
        let (_folder, history) = old_history(version, tables);
        let known = Some(PastResult { duration: Some(MS * 7), failed: true, in_last_run: false });
        assert_eq!(past(&history, "b"), known, "{version}");
        history.record(&run(3, &[("a", Outcome::Passed, 1, 1)]).at("x", 1)).expect("recorded");
        let case = history.case("s::a", 9).expect("read");
        let told: Vec<_> = case.iter().map(|run| (run.run.as_str(), run.standing)).collect();
        assert_eq!(told, [("r1", Standing::Failed), ("r2", Standing::Failed), ("r3", Standing::Passed)]);
        assert_eq!(history.case("s::b", 9).expect("read").len(), 1);
        assert_eq!(history.flaky(9).expect("read"), []);
        let mut again = run(4, &[]);
        again.note(&TestEvent::CaseFinished(Arc::new(result(start(1) - MS, "b", &Outcome::Failed, 1, 100))));
        history.record(&again).expect("recorded");
        assert_eq!(history.case("s::b", 9).expect("read").len(), 1, "it is a result of the first run");
        assert_eq!(past(&history, "b").and_then(|past| past.duration), Some(MS * 7));
        assert_eq!(history.warnings(), [""; 0]);
    }
}

#[test]
fn a_history_of_version_3_is_carried_on() {
    let (folder, history) = history(&[run(1, &[("a", Outcome::Passed, 1, 1)])]);
    let connection = rusqlite::Connection::open(folder.path().join("history.db")).expect("opened");
    connection
        .execute_batch("ALTER TABLE runs DROP COLUMN broken; PRAGMA user_version = 3;")
        .expect("as version 3 has it");
    history.record(&run(2, &[("a", Outcome::Failed, 1, 1)])).expect("recorded");
    let counts: Vec<_> = history.runs(9).expect("read").into_iter().map(|run| run.counts).collect();
    assert_eq!(counts, [[(Standing::Failed, 1)], [(Standing::Passed, 1)]]);
    assert_eq!(history.warnings(), [""; 0]);
}

#[test]
fn nothing_is_made_by_looking() {
    let (folder, history) = history(&[]);
    assert!(history.past().expect("read").is_empty() && history.flaky(9).expect("read").is_empty());
    assert!(history.runs(9).expect("read").is_empty() && history.case("s::a", 9).expect("read").is_empty());
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    history.record(&Recorder::new()).expect("nothing to record");
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
}

#[test]
fn a_run_that_was_forgotten_is_not_unknown() {
    let long_ago = SystemTime::now() - Duration::from_secs(200 * 24 * 60 * 60);
    let (_folder, history) = history(&[run_at(long_ago, 1, &[("a", Outcome::Failed, 1, 3)]), run(2, &[])]);
    assert_eq!(history.runs(9).expect("read").len(), 1);
    let names = || ["r1", "r2", "r3"].map(str::to_owned).to_vec();
    assert_eq!(history.recall(names()).expect("read").1, ["r3"]);
    let (_folder, history) = self::history(&[run(2, &[])]);
    assert_eq!(history.recall(names()).expect("read").1, ["r1", "r3"], "it ended after the other");
}

#[test]
fn the_file_of_a_run_that_is_forgotten_becomes_smaller() {
    let names: Vec<String> = (0..2000).map(|number| format!("case {number}")).collect();
    let cases: Vec<_> = names.iter().map(|name| (name.as_str(), Outcome::Passed, 1, 3)).collect();
    let long_ago = SystemTime::now() - Duration::from_secs(200 * 24 * 60 * 60);
    let (folder, history) = history(&[run_at(long_ago, 1, &cases)]);
    let size = || fs::metadata(folder.path().join("history.db")).expect("there").len();
    let large = size();
    history.record(&run(2, &cases[..20])).expect("recorded");
    assert!(size() < large / 2, "{} of {large}", size());
    assert_eq!(history.ids().expect("read").len(), 20);
    assert_eq!(history.runs(9).expect("read").len(), 1);
}

/// Files that are no history, or are one no more.
fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let (folder, _history) = history(&[run(1, &[("a", Outcome::Passed, 1, 1)])]);
    let whole = fs::read(folder.path().join("history.db")).expect("there");
    let mut torn = whole.clone();
    torn[100..].iter_mut().for_each(|byte| *byte = byte.wrapping_mul(7).wrapping_add(3));
    let other = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&other).expect("opened");
    connection.execute_batch("CREATE TABLE runs (x)").expect("made");
    drop(connection);
    let mut empty_tables = rusqlite::Connection::open(folder.path().join("history.db")).expect("opened");
    let transaction = empty_tables.transaction().expect("begun");
    transaction.execute_batch("DROP TABLE results").expect("dropped");
    transaction.commit().expect("committed");
    vec![
        ("a text", b"this is no database, but it is long enough to be taken for one by its name".repeat(20)),
        ("cut off", whole[..whole.len() / 2].to_vec()),
        ("overwritten", torn),
        ("another program's", fs::read(other).expect("there")),
        ("without a table", fs::read(folder.path().join("history.db")).expect("there")),
    ]
}

#[test]
fn a_damaged_file_is_set_aside_and_the_run_is_kept_in_a_new_one() {
    for (what, bytes) in damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let history = History::new(folder.path());
        fs::write(folder.path().join("history.db"), &bytes).expect("written");
        history
            .record(&run(2, &[("b", Outcome::Passed, 1, 5)]))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            history.past().expect("read").get(&CaseId::new("s", "b")).map(|past| past.failed),
            Some(false)
        );
        let warnings = history.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("history.damaged.db"), "{what}: {warnings:?}");
        assert_eq!(fs::read(folder.path().join("history.damaged.db")).expect("kept"), bytes, "{what}");
        assert!(history.warnings().is_empty());
    }
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_and_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let history = History::new(folder.path());
    fs::create_dir(folder.path().join("history.db")).expect("a folder");
    let error = history.record(&run(1, &[])).expect_err("no file").to_string();
    assert!(error.contains("history.db: "), "{error}");
    assert!(folder.path().join("history.db").is_dir() && history.warnings().is_empty());

    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink("elsewhere", folder.path().join("history.db")).expect("linked");
    let error = History::new(folder.path()).record(&run(1, &[])).expect_err("a link").to_string();
    assert!(error.contains("symbolic link") && !folder.path().join("elsewhere").exists(), "{error}");

    let (folder, history) = self::history(&[run(1, &[])]);
    let connection = rusqlite::Connection::open(folder.path().join("history.db")).expect("opened");
    connection.pragma_update(None, "user_version", 99).expect("written");
    let error = history.past().expect_err("newer").to_string();
    assert!(error.contains("newer version of partest"), "{error}");
}

#[test]
fn several_runs_write_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    thread::scope(|scope| {
        for writer in 0..4 {
            let path = folder.path();
            scope.spawn(move || {
                let history = History::new(path);
                for number in 0..5 {
                    let recorder = run(writer * 10 + number, &[("a", Outcome::Passed, 1, 1)]);
                    history.record(&recorder).expect("recorded");
                    history.past().expect("read");
                }
            });
        }
    });
    let history = History::new(folder.path());
    assert_eq!(history.runs(99).expect("read").len(), 20);
    assert_eq!(history.case("s::a", 99).expect("read").len(), 20);
}

#[test]
fn many_cases_are_written_and_read_fast() {
    let names: Vec<String> = (0..10_000).map(|number| format!("case {number}")).collect();
    let cases: Vec<_> = names.iter().map(|name| (name.as_str(), Outcome::Passed, 1, 3)).collect();
    let (first, second) = (run(1, &cases), run(2, &cases));
    let begun = Instant::now();
    let (_folder, history) = history(&[first, second]);
    assert_eq!(past(&history, "case 9999").and_then(|past| past.duration), Some(MS * 3));
    let limit = if cfg!(debug_assertions) { 30.0 } else { 2.0 };
    assert!(begun.elapsed().as_secs_f64() < limit, "{:?}", begun.elapsed());
}
