//! Runs that are stopped from outside.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Suite, send};

const WAITING: &str = r#"{ "cases": [
  { "name": "done", "run": "true" },
  { "name": "waits", "run": "sleep 65 & sleep 66", "grace": "300ms" },
  { "name": "stubborn", "run": "trap '' TERM; sleep 67; sleep 68", "grace": "300ms" },
  { "name": "never begins", "run": "true" }
] }"#;

/// Starts the suite with two slots and waits until both are taken by cases that wait.
fn start(suite: &Suite) -> Child {
    let child = suite.start(&["-j", "2"]);
    let begin = Instant::now();
    let runs = |seconds: &str| {
        let found = |process: &String| process.split_whitespace().skip(1).eq(["sleep", seconds]);
        suite.processes().iter().any(found)
    };
    while !runs("66") || !runs("67") {
        assert!(begin.elapsed() < Duration::from_secs(20), "the cases do not start");
        thread::sleep(Duration::from_millis(10));
    }
    child
}

/// Whether this process, and so what it starts, ignores a signal.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("readable");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a mask");
    let mask = u64::from_str_radix(mask.trim(), 16).expect("hexadecimal");
    mask >> (signal.as_raw() - 1) & 1 == 1
}

#[test]
fn an_interrupted_run_ends_its_cases_and_writes_its_reports() {
    for (sent, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        // As under `nohup`: partest ignores it, too.
        if is_ignored(sent) {
            continue;
        }
        let suite = Suite::of("a.test.json", WAITING);
        let child = start(&suite);
        send(&child, sent);
        let begin = Instant::now();
        let run = suite.finish(child).expect_code(code);
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
        assert_eq!(run.verdict("done").0, "passed");
        for (name, part) in
            [("waits", "interrupted"), ("stubborn", "interrupted"), ("never begins", "not run")]
        {
            let (verdict, message) = run.verdict(name);
            assert_eq!(verdict, "skipped", "{name}");
            assert!(message.contains(part), "{name}: {message}");
        }
        assert!(run.stdout.contains("interrupted by SIG"), "{}", run.stdout);
    }
}

/// What the only case of a suite writes to `got` when its run is stopped by a signal.
fn told(script: &str, sent: Signal) -> Option<String> {
    if is_ignored(sent) {
        return None;
    }
    let text = json!({ "run": script, "grace": "4s", "timeout": "60s" }).to_string();
    let suite = Suite::of("a.test.json", &text);
    let child = suite.start(&[]);
    while !suite.path().join("began").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    send(&child, sent);
    let run = suite.finish(child);
    assert!(run.code > 128, "{}", run.stdout);
    Some(fs::read_to_string(suite.path().join("got")).expect("it was told"))
}

#[test]
fn cases_get_the_signal_that_partest_got() {
    let traps = |signal: &str| format!("trap 'echo {signal} > {{{{ dir }}}}/got; exit' {signal}; ");
    let all = traps("INT") + &traps("HUP") + &traps("TERM");
    let script = all + ": > {{ dir }}/began; while :; do sleep 0.05; done";
    for (sent, name) in [(Signal::INT, "INT\n"), (Signal::HUP, "HUP\n"), (Signal::TERM, "TERM\n")] {
        assert_eq!(told(&script, sent).unwrap_or_else(|| name.to_owned()), name);
    }
}

#[test]
fn term_follows_where_another_signal_is_ignored() {
    let script = "trap '' INT; trap 'echo TERM > {{ dir }}/got; exit' TERM; \
        : > {{ dir }}/began; while :; do sleep 0.05; done";
    assert_eq!(told(script, Signal::INT).unwrap_or_else(|| "TERM\n".to_owned()), "TERM\n");
}

#[test]
fn a_second_signal_kills_at_once() {
    let suite = Suite::of("a.test.json", &WAITING.replace("300ms", "60s"));
    let child = start(&suite);
    send(&child, Signal::INT);
    thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    send(&child, Signal::INT);
    let run = suite.finish(child).expect_code(130);
    assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
    assert_eq!(run.report().tests, 4);
}

#[test]
fn a_case_that_waits_for_its_next_attempt_has_no_verdict_yet() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "name": "again", "retries": { "count": 1, "delay": "60s" }, "run": "touch {{ dir }}/tried; false" }"#,
    );
    let child = suite.start(&[]);
    while !suite.path().join("tried").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    // The attempt is over at once, and what follows is the pause.
    thread::sleep(Duration::from_millis(200));
    send(&child, Signal::INT);
    let run = suite.finish(child).expect_code(130);
    let (verdict, message) = run.verdict("again");
    assert!(verdict == "skipped" && message.contains("interrupted"), "{verdict}: {message}");
}

#[test]
fn a_run_without_any_verdict_has_a_readable_last_line() {
    let suite = Suite::of("a.test.json", r#"{ "name": "waits", "run": "touch {{ dir }}/began; sleep 69" }"#);
    let child = suite.start(&[]);
    while !suite.path().join("began").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    send(&child, Signal::INT);
    let run = suite.finish(child).expect_code(130);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("SIGINT: "), "{}", run.stdout);
    assert!(lines.last().is_some_and(|line| line.starts_with("1 case in ")), "{}", run.stdout);
}

#[test]
fn a_case_that_ends_while_partest_is_stopped_is_not_late() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "timeout": "1s", "run": "touch {{ dir }}/began; sleep 0.3; touch {{ dir }}/ended" }"#,
    );
    let child = suite.start(&[]);
    let exists = |name: &str| {
        while !suite.path().join(name).exists() {
            thread::sleep(Duration::from_millis(5));
        }
    };
    exists("began");
    send(&child, Signal::STOP);
    exists("ended");
    // Until its time is over.
    thread::sleep(Duration::from_secs(1));
    send(&child, Signal::CONT);
    suite.finish(child).expect_code(0);
}
