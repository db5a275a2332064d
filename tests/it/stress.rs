//! Cases that are run again and again for a time.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Suite, send};

/// Every case notes when it begins and ends.
const NOTED: &str = r#"{ "defaults": { "env": { "LOG": "{{ dir }}/log" } }, "cases": [
  { "name": "a", "run": "echo +a >> $LOG; sleep 0.05; echo -a >> $LOG" },
  { "name": "b", "run": "echo +b >> $LOG; sleep 0.05; echo -b >> $LOG" },
  { "name": "alone", "locks": ["l"], "run": "echo +c >> $LOG; sleep 0.05; echo -c >> $LOG" },
  { "name": "left out", "skip": "not now", "run": "false" }
] }"#;

/// How many of the case with this letter have begun in all, and the most at the same time.
fn begun(log: &str, letter: char) -> (usize, usize) {
    let (mut running, mut most, mut begun) = (0_usize, 0, 0);
    for line in log.lines().filter(|line| line.ends_with(letter)) {
        match line.starts_with('+') {
            true => (running, begun) = (running + 1, begun + 1),
            false => running -= 1,
        }
        most = most.max(running);
    }
    (begun, most)
}

#[test]
fn copies_overlap_until_the_time_is_over_and_all_cases_have_their_turn() {
    let suite = Suite::of("a.test.json", NOTED);
    let begin = Instant::now();
    let run = suite.run(&["--stress", "3s", "-j", "3"]).expect_code(0);
    assert!(begin.elapsed() >= Duration::from_secs(3), "{:?}", begin.elapsed());
    let log = std::fs::read_to_string(suite.path().join("log")).expect("a log");
    let counts = ['a', 'b', 'c'].map(|letter| begun(&log, letter));
    let [(a, most_a), (b, most_b), (c, most_c)] = counts;
    assert!(most_a > 1 && most_b > 1 && most_c == 1, "{counts:?}");
    // One that waits for a lock is passed by for two rounds at most, of three copies each.
    assert!(a.abs_diff(b) <= 6 && a.abs_diff(c) <= 6 && b.abs_diff(c) <= 6 && c > 3, "{counts:?}");
    for (case, count) in [("a", a), ("b", b), ("alone", c)] {
        assert!(run.stdout.contains(&format!("{count} of {count} passed  a::{case}\n")), "{}", run.stdout);
    }
    assert!(run.stdout.lines().count() < 15, "{}", run.stdout);
    let report = run.report();
    assert_eq!(report.test_suites.iter().map(|suite| suite.test_cases.len()).sum::<usize>(), 4);
    assert_eq!((run.verdict("alone").0, run.verdict("left out").0), ("passed", "skipped"));
    assert!(run.junit.expect("a report").contains(&format!("value=\"{a} of {a} passed\"")));
}

#[test]
fn long_and_short_cases_run_equally_often() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "long", "run": "echo +l >> {{ dir }}/log; sleep 0.1; echo -l >> {{ dir }}/log" },
          { "name": "short", "run": "echo +s >> {{ dir }}/log; echo -s >> {{ dir }}/log" },
          { "name": "heavy", "weight": 2, "run": "echo +h >> {{ dir }}/log; echo -h >> {{ dir }}/log" }
        ] }"#,
    );
    suite.run(&["--stress", "3s", "-j", "2"]).expect_code(0);
    let log = std::fs::read_to_string(suite.path().join("log")).expect("a log");
    let counts = ['l', 's', 'h'].map(|letter| begun(&log, letter));
    let [(long, most), (short, _), (heavy, _)] = counts;
    assert!(long > 2 && most == 2, "copies of a long case overlap: {counts:?}");
    for (one, other) in [(long, short), (long, heavy), (short, heavy)] {
        assert!(one.abs_diff(other) <= 4, "{counts:?}");
    }
}

#[test]
fn a_case_that_waits_for_a_retry_keeps_no_slot_idle() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "waits", "run": "exit 1", "retries": { "count": 1, "delay": "1h" } },
          { "name": "runs", "run": "echo x >> {{ dir }}/log" }
        ] }"#,
    );
    suite.run(&["--stress", "2s", "-j", "2", "--run-timeout", "4s"]).expect_code(1);
    let log = std::fs::read_to_string(suite.path().join("log")).expect("a log");
    assert!(log.lines().count() > 4, "{}", log.lines().count());
}

#[test]
fn of_a_case_that_fails_the_first_failure_is_kept() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "third", "locks": ["count"], "run": "echo x >> {{ dir }}/count; test $(( $(wc -l < {{ dir }}/count) % 3 )) -ne 0" },
          { "name": "good", "run": "sleep 0.01; echo fine" }
        ] }"#,
    );
    let run = suite.run(&["--stress", "2s", "-j", "2"]).expect_code(1);
    assert_eq!(run.stdout.matches("rerun: ").count(), 1, "{}", run.stdout);
    assert_eq!(run.stdout.matches("failures:\n").count(), 1, "{}", run.stdout);
    assert!(run.stdout.contains(" passed  a::third  first failed: third [3]\n"), "{}", run.stdout);
    let report = run.report();
    assert_eq!(report.test_suites.iter().map(|suite| suite.test_cases.len()).sum::<usize>(), 2);
    assert_eq!((run.verdict("third").0, run.verdict("good").0), ("failure", "passed"));
    assert!(run.junit.as_deref().expect("a report").contains("name=\"first-failed\" value=\"third [3]\""));
    // What each copy printed would fill the disk.
    let runs = std::fs::read_dir(suite.path().join(".partest/runs")).expect("runs");
    let run_folder = runs.map(|entry| entry.expect("readable").path()).next().expect("a run");
    let journal = std::fs::read_to_string(run_folder.join("journal.jsonl")).expect("a journal");
    assert!(journal.lines().count() > 20 && journal.matches("fine\\n").count() == 1, "{journal}");
    let shown = suite.run(&["report", "--from", "last"]);
    let counts = |text: &str| text.lines().find(|line| line.contains("a::third  first")).map(str::to_owned);
    assert_eq!(counts(&shown.stdout), counts(&run.stdout));
    let history = suite.run(&["history", "a::third"]).expect_code(0);
    assert!(history.stdout.contains("failed 1 of 1"), "{}", history.stdout);
    let refused = suite.run(&["--resume"]).expect_code(2);
    assert!(refused.stderr.contains("(--stress), and cannot be taken up"), "{}", refused.stderr);
}

#[test]
fn a_stress_run_may_end_with_the_first_failure_and_keeps_its_seed() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "name": "a", "matrix": { "n": [1, 2, 3] },
             "run": "echo x >> {{ dir }}/count; test $(wc -l < {{ dir }}/count) -lt 20" }"#,
    );
    let begin = Instant::now();
    let arguments = ["--stress", "1h", "--until-fail", "-j", "1", "--order", "random", "--seed", "7"];
    let run = suite.run(&arguments).expect_code(1);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert!(run.stdout.contains("random order: --seed 7\n"), "{}", run.stdout);
    assert!(run.stdout.contains("19 passed, 1 failed · 20 cases"), "{}", run.stdout);
}

#[test]
fn every_case_runs_once_and_what_others_need_comes_first() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "later", "after": ["first"], "run": "grep -q x {{ dir }}/log; echo y >> {{ dir }}/log" },
          { "name": "first", "run": "echo x >> {{ dir }}/log; sleep 0.2" }
        ] }"#,
    )
    .file(
        "suite.json",
        r#"{ "setup": { "run": "echo s >> '{{ dir }}/log'" }, "teardown": { "run": "echo t >> '{{ dir }}/log'" } }"#,
    );
    suite.run(&["--stress", "100ms", "-j", "2"]).expect_code(0);
    let log = std::fs::read_to_string(suite.path().join("log")).expect("a log");
    assert_eq!(log.split_whitespace().collect::<String>(), "sxxyyt");
    suite.run(&["--stress", "1s", "-j", "2"]).expect_code(0);
    let log = std::fs::read_to_string(suite.path().join("log")).expect("a log");
    let second = log.split_whitespace().collect::<String>().split_off(6);
    assert!(second.starts_with("sxxyyxxyy") && second.ends_with('t'), "{second}");
    assert_eq!(second.matches(['s', 't']).count(), 2, "{second}");
}

#[test]
fn an_interrupted_stress_run_says_what_there_is_and_leaves_nothing() {
    let suite = Suite::of("a.test.json", NOTED);
    let child = suite.start(&["--stress", "1h", "-j", "2"]);
    let begin = Instant::now();
    let log = || std::fs::read_to_string(suite.path().join("log")).unwrap_or_default();
    while begun(&log(), 'c').0 < 2 {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    send(&child, Signal::INT);
    let run = suite.finish(child).expect_code(130);
    assert!(run.stdout.contains(" passed  a::alone\n"), "{}", run.stdout);
    assert_eq!(run.verdict("a").0, "passed");
}

#[test]
fn wrong_times_are_refused() {
    let suite = Suite::of("a.test.json", NOTED);
    for (arguments, message) in [
        (&["--stress", "0s"][..], "a duration must be longer than zero"),
        (&["--stress", "long"], "write a number with a unit"),
        (&["--stress", "-5s"], "unexpected argument"),
        (&["--stress", "1s", "--repeat", "2"], "cannot be used with"),
        (&["--stress", "1s", "--resume"], "cannot be used with"),
        (&["--stress", "1s", "--shard", "1/2"], "cannot be used with"),
    ] {
        let run = suite.run(arguments).expect_code(2);
        assert!(run.stderr.contains(message), "{arguments:?}: {}", run.stderr);
    }
}
