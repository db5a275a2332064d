//! What is left of a run that ended early, and what can be made of it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Run, Suite, send};

/// Cases of every kind that waits for nothing, in two files.
fn suite() -> Suite {
    Suite::of(
        "s/a.test.json",
        r#"{ "cases": [
          { "name": "passes", "run": "echo ran >> \"$OUT\"", "inherit_env": ["OUT"] },
          { "name": "fails", "run": "echo ran >> \"$OUT\"; exit 3", "inherit_env": ["OUT"] },
          { "name": "is skipped", "skip": "for a reason", "run": "true" }
        ] }"#,
    )
    .file(
        "s/b.test.json",
        r#"{ "cases": [{ "name": "last", "run": "echo ran >> \"$OUT\"", "inherit_env": ["OUT"] }] }"#,
    )
    .file("other/c.test.json", r#"{ "name": "not asked for", "run": "true" }"#)
}

/// Runs the command; every case that runs adds a line to `out`.
fn run(suite: &Suite, arguments: &[&str]) -> Run {
    let mut command = suite.command(arguments);
    command.env("OUT", suite.path().join("out"));
    suite.finish_command(command)
}

fn lines(suite: &Suite) -> usize {
    fs::read_to_string(suite.path().join("out")).map_or(0, |text| text.lines().count())
}

/// The journal of the newest run.
fn journal(suite: &Suite) -> PathBuf {
    let runs = fs::read_dir(suite.path().join(".partest/runs")).expect("runs");
    let last = runs.map(|entry| entry.expect("readable").path()).max().expect("a run");
    last.join("journal.jsonl")
}

/// Cuts the journal as a runner that was killed would have left it: `whole` lines and half of another.
fn cut(suite: &Suite, whole: usize) {
    let path = journal(suite);
    let text = fs::read_to_string(&path).expect("UTF-8");
    let mut lines = text.split_inclusive('\n');
    let mut kept: String = lines.by_ref().take(whole).collect();
    let next = lines.next().expect("another line");
    kept.push_str(&next[..next.len() / 2]);
    fs::write(path, kept).expect("written");
}

/// How often each case is in the report, by id.
fn cases(run: &Run) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for suite in run.report().test_suites {
        for case in &suite.test_cases {
            *found.entry(format!("{}::{}", suite.name.as_str(), case.name.as_str())).or_default() += 1;
        }
    }
    found
}

#[test]
fn a_report_from_a_journal_is_the_report_of_the_run() {
    let suite = suite();
    let first = run(&suite, &["s"]).expect_code(1);
    let shown = run(&suite, &["report", "--from", "last", "--junit", "again.xml"]).expect_code(0);
    assert_eq!(first.stdout.replace(" in ", ""), shown.stdout.replace(" in ", ""));
    let again = fs::read_to_string(suite.path().join("again.xml")).expect("written");
    assert_eq!(first.junit.as_deref(), Some(&*again));
    assert_eq!(lines(&suite), 3, "nothing was run again");
    let name = journal(&suite).parent().and_then(|path| path.file_name()?.to_str().map(str::to_owned));
    run(&suite, &["report", "--from", &name.expect("UTF-8"), "--color", "never", "-q"]).expect_code(0);
}

#[test]
fn a_journal_that_was_cut_off_is_shown_as_far_as_it_goes() {
    let suite = suite();
    run(&suite, &["s", "-j", "1"]).expect_code(1);
    cut(&suite, 3);
    let shown = run(&suite, &["report", "--junit", "again.xml"]).expect_code(0);
    assert!(shown.stderr.contains("of its cases have no result"), "{}", shown.stderr);
    let again = fs::read_to_string(suite.path().join("again.xml")).expect("written");
    assert!(again.contains("is skipped") && !again.contains("\"last\""), "{again}");
}

#[test]
fn a_run_that_was_killed_says_what_it_had_begun() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [{ "name": "a", "run": "sleep 60" }, { "name": "b", "run": "true", "after": ["a"] }] }"#,
    );
    let mut child = suite.start(&[]);
    let begun = Instant::now();
    let has_begun = || {
        let runs = fs::read_dir(suite.path().join(".partest/runs")).ok();
        runs.is_some_and(|mut runs| runs.next().is_some())
            && fs::read_to_string(journal(&suite)).is_ok_and(|text| text.contains("case-started"))
    };
    while !has_begun() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", suite.processes());
        thread::sleep(Duration::from_millis(10));
    }
    send(&child, Signal::KILL);
    child.wait().expect("reaped");
    // The watchdog has a second.
    while !suite.processes().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", suite.processes());
        thread::sleep(Duration::from_millis(10));
    }
    // Its private directories are there until the next run.
    let output = suite.command(&["report"]).output().expect("started");
    let [shown, complaint] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    assert!(shown.contains("interrupted: the run was stopped while this case ran"), "{shown}");
    assert!(shown.ends_with("\n1 not run · 1 case\n"), "{shown}");
    let words = "the run was killed, or its journal could not be written: 2 of its cases have no result";
    assert!(complaint.contains(words), "{complaint}");
}

#[test]
fn what_is_no_run_is_refused() {
    let suite = suite();
    for (arguments, words) in [
        (["report", "--from=last"], "there is no run in"),
        (["report", "--from=nowhere"], "no run \"nowhere\""),
        (["report", "--from=s/a.test.json"], "this is no journal of partest"),
        (["--resume=nowhere", "s"], "no run \"nowhere\""),
    ] {
        let refused = run(&suite, &arguments).expect_code(2);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}

#[test]
fn resume_runs_what_has_no_verdict_and_reports_everything_once() {
    for whole in 0..8 {
        let suite = suite();
        let all = cases(&run(&suite, &["s", "-j", "1"]).expect_code(1));
        assert_eq!(all.len(), 4);
        let text = fs::read_to_string(journal(&suite)).expect("UTF-8");
        assert!(text.lines().count() > whole, "{text}");
        let done = text.lines().take(whole).filter(|line| line.contains("\"case-finished\"")).count();
        let done = done.saturating_sub(1); // The skipped one comes first and runs nothing.
        cut(&suite, whole);
        if whole == 0 {
            fs::write(journal(&suite), "").expect("written");
        }
        let resumed = run(&suite, &["--resume"]).expect_code(1);
        assert_eq!(cases(&resumed), all, "after {whole} lines");
        assert!(all.values().all(|count| *count == 1));
        assert_eq!(lines(&suite), 3 + (3 - done), "after {whole} lines");
        // What is complete now has nothing left to run.
        assert_eq!(cases(&run(&suite, &["--resume", "last"]).expect_code(1)), all);
        assert_eq!(lines(&suite), 3 + (3 - done));
    }
}

#[test]
fn resume_without_a_run_runs_everything_and_takes_a_path_for_a_path() {
    let suite = suite();
    let everything = run(&suite, &["--resume", "s"]).expect_code(1);
    assert!(everything.stderr.contains("everything is run"), "{}", everything.stderr);
    assert_eq!(cases(&everything).len(), 4);
}

/// Kills runners at random times; each run is then completed.
fn kill_and_resume(times: usize) {
    for _ in 0..times {
        let names: Vec<String> =
            (0..30).map(|n| format!(r#"{{ "name": "case {n}", "run": "sleep 0.0{}" }}"#, n % 7)).collect();
        let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, names.join(",")));
        let delay = Duration::from_micros(RandomState::new().hash_one(()) % 250_000);
        let mut child = suite.start(&["-j", "3"]);
        thread::sleep(delay);
        child.kill().expect("SIGKILL");
        child.wait().expect("reaped");
        // The watchdog of the killed run has a second, which is longer than the next run may take.
        let killed = Instant::now();
        while !suite.processes().is_empty() {
            assert!(killed.elapsed() < Duration::from_secs(60), "{:?}", suite.processes());
            thread::sleep(Duration::from_millis(10));
        }
        if suite.path().join(".partest/runs").exists() {
            let shown = suite.command(&["report", "--junit", "shown.xml"]).output().expect("started");
            let code = shown.status.code();
            assert!(matches!(code, Some(0 | 2)), "{}", String::from_utf8_lossy(&shown.stderr));
        }
        let all = cases(&suite.run(&["--resume", "-j", "3"]).expect_code(0));
        assert_eq!((all.len(), all.values().sum::<usize>()), (30, 30), "killed after {delay:?}");
    }
}

#[test]
fn a_killed_run_is_completed() {
    kill_and_resume(6);
}

#[test]
#[ignore = "long: ./tests/run"]
fn a_hundred_killed_runs_are_completed() {
    kill_and_resume(100);
}
