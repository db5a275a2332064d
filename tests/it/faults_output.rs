//! Standard output that is slow, full or never read, and reporters that fail.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Suite, send};

/// How many cases fill a pipe several times over with their lines.
const MANY: usize = 1500;

fn many() -> Suite {
    let name = "x".repeat(120);
    let case = |n| format!(r#"{{ "name": "{n} {name}", "run": ["/bin/true"] }}"#);
    let cases: Vec<_> = (0..MANY).map(case).collect();
    Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")))
}

/// The text of the one journal there is.
fn journal(suite: &Suite) -> String {
    let runs = fs::read_dir(suite.path().join(".partest/runs")).into_iter().flatten();
    let mut journals = runs.map(|entry| entry.expect("readable").path().join("journal.jsonl"));
    journals.next().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default()
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(120), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn no_case_waits_for_whoever_reads_the_output() {
    for format in ["text", "json"] {
        let suite = many();
        let child = suite.start(&["-v", "--format", format]);
        wait_until("the run waits for its reader", || journal(&suite).contains("\"run-finished\""));
        wait_until("there is no report", || suite.path().join(".partest/junit.xml").exists());
        let run = suite.finish(child).expect_code(0);
        // A slow case may have further lines.
        let ended = if format == "text" { "PASS " } else { "\"case-finished\"" };
        assert_eq!(run.stdout.matches(ended).count(), MANY);
        assert_eq!(run.report().tests, MANY);
    }
}

#[test]
fn a_reader_that_never_reads_keeps_no_run_from_ending() {
    let suite = many();
    let mut child = suite.start(&["-v"]);
    wait_until("the run waits for its reader", || suite.path().join(".partest/junit.xml").exists());
    wait_until("two signals are not enough", || {
        send(&child, Signal::TERM);
        thread::sleep(Duration::from_millis(700));
        child.try_wait().expect("a child").is_some()
    });
    let run = suite.finish(child).expect_code(143);
    assert!(run.stderr.contains("nobody has read it to its end"), "{}", run.stderr);
    assert_eq!(run.report().tests, MANY);
}

#[test]
fn one_signal_gives_a_reader_that_never_reads_five_seconds() {
    let suite = many();
    let child = suite.start(&["-v"]);
    wait_until("the run waits for its reader", || suite.path().join(".partest/junit.xml").exists());
    send(&child, Signal::TERM);
    let begin = Instant::now();
    let mut child = child;
    wait_until("it waits for ever", || child.try_wait().expect("a child").is_some());
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    let run = suite.finish(child).expect_code(143);
    assert!(run.stderr.contains("nobody has read it to its end"), "{}", run.stderr);
    assert_eq!(run.report().tests, MANY);
}

#[test]
fn a_full_disk_under_the_output_changes_no_report() {
    for arguments in [&["-v"][..], &["-q"], &["--format", "json"]] {
        let suite = Suite::of(
            "a.test.json",
            r#"{ "cases": [{ "name": "passes", "run": "true" }, { "name": "fails", "run": "echo x; false" }] }"#,
        );
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let mut command = suite.command(arguments);
        let child = command.stdout(full).stderr(Stdio::piped()).spawn().expect("started");
        let run = suite.finish(child).expect_code(3);
        assert!(run.stderr.contains("cannot write standard output: No space left"), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert_eq!((run.verdict("passes").0, run.verdict("fails").0), ("passed", "failure"));
    }
}
