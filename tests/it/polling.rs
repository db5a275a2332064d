//! Steps that are tried again until they hold.

use std::time::{Duration, Instant};

use crate::support::Suite;

fn timed(suite: &Suite, code: i32) -> (crate::support::Run, Duration) {
    let begin = Instant::now();
    let run = suite.run(&[]).expect_code(code);
    (run, begin.elapsed())
}

#[test]
fn a_step_is_tried_until_everything_holds() {
    let suite = Suite::of(
        "a.test.yaml",
        "
name: a
steps:
  - run: 'echo x >> {{ dir }}/tries; test $(wc -l < {{ dir }}/tries) -ge 4 && echo up'
    until: {every: 10ms, for: 20s}
    expect: {stdout: \"up\\n\"}
    capture: {n: stdout}
  - run: test {{ n }} = up
",
    );
    suite.run(&[]).expect_code(0);
    let tries = std::fs::read_to_string(suite.path().join("tries")).expect("tried");
    assert_eq!(tries.lines().count(), 4);
}

#[test]
fn the_last_try_is_shown_with_the_number_of_tries() {
    let suite = Suite::of(
        "a.test.yaml",
        "name: a\nrun: echo no\nuntil: {every: 400ms, for: 2s}\nexpect: {stdout: \"yes\\n\"}\n",
    );
    let (run, took) = timed(&suite, 1);
    let (verdict, message) = run.verdict("a");
    assert_eq!(verdict, "failure");
    assert!(message.starts_with(r#"stdout: expected "yes\n", found "no\n" (tried "#), "{message}");
    let tries: u32 = message.split(['(', ' ']).rev().nth(3).expect("a number").parse().expect(&message);
    assert!((2..=5).contains(&tries), "{message}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_database_that_is_not_there_yet_is_waited_for() {
    let suite = Suite::of(
        "a.test.yaml",
        "
cases:
  - name: makes
    steps:
      - sleep: 300ms
      - sql: {url: 'sqlite:{{ run_dir }}/new.db', query: 'create table t (a); insert into t values (1);'}
      - run: mv {{ run_dir }}/new.db {{ run_dir }}/a.db
  - name: waits
    sql: {url: 'sqlite:{{ run_dir }}/a.db?mode=ro', query: select a from t}
    until: {every: 20ms, for: 20s}
    expect: {rows: [{a: 1}]}
",
    );
    suite.run(&["-j", "2"]).expect_code(0);
    #[cfg(feature = "postgres")]
    for (url, is_tried_again) in [("postgres://u@127.0.0.1:1/db", true), ("sqlite:a.db?mode=rx", false)] {
        let text =
            format!("name: a\nsql: {{url: '{url}', query: select 1}}\nuntil: {{every: 20ms, for: 200ms}}\n");
        let (verdict, message) = Suite::of("a.test.yaml", &text).run(&[]).expect_code(1).verdict("a");
        assert_eq!((verdict, message.contains(" (tried ")), ("error", is_tried_again), "{message}");
    }
}

#[test]
fn a_try_that_hangs_is_bounded_by_the_time_that_is_left() {
    let hangs = "name: a\nrun: [sleep, '60']\ngrace: 100ms\nuntil: {every: 10ms, for: 500ms}\n";
    let (run, took) = timed(&Suite::of("a.test.yaml", hangs), 1);
    let message = run.verdict("a").1;
    assert_eq!(message.split(" in ").next(), Some("timed out after 0.50s, the time of `until` (tried once"));
    assert!(took < Duration::from_secs(20), "{took:?}");

    // The try before the one that hangs has said what is wrong.
    let later = "name: a\ngrace: 100ms\nuntil: {every: 10ms, for: 2s}\nrun: 'test ! -e seen || sleep 60; touch seen; echo no'\nexpect: {stdout: x}\n";
    let message = Suite::of("a.test.yaml", later).run(&[]).expect_code(1).verdict("a").1;
    assert!(message.starts_with(r#"stdout: expected "x", found "no\n" (tried 2 times"#), "{message}");

    // Each try has the step's own limit.
    let own = "name: a\ngrace: 100ms\nsteps:\n  - run: 'test -e seen || { touch seen; sleep 60; }'\n    timeout: 200ms\n    until: {every: 10ms, for: 30s}\n";
    let (_, took) = timed(&Suite::of("a.test.yaml", own), 0);
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn the_time_of_the_case_bounds_all_tries() {
    let suite = Suite::of(
        "a.test.yaml",
        "name: a\ntimeout: 1s\nsteps:\n  - run: sleep 0.6\n  - run: 'exit 1'\n    until: {every: 50ms, for: 900ms}\n",
    );
    let message = suite.run(&[]).expect_code(1).verdict("a").1;
    assert!(
        message.starts_with("step 2 of 2: timed out after 1.00s, before what `until` waits for came true"),
        "{message}"
    );
    assert!(message.contains("tried ") && message.ends_with("(and 1 more)"), "{message}");
}

#[test]
fn what_cannot_start_is_not_tried_again() {
    let suite = Suite::of("a.test.yaml", "name: a\nrun: [no-such-program]\nuntil: {every: 1s, for: 50s}\n");
    let (run, took) = timed(&suite, 1);
    assert_eq!(run.verdict("a").0, "error");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn an_interruption_ends_the_wait_at_once() {
    let suite = Suite::of(
        "a.test.yaml",
        "name: a\nrun: 'touch {{ dir }}/tried; exit 1'\nuntil: {every: 50s, for: 55s}\n",
    );
    let child = suite.start(&[]);
    let begin = Instant::now();
    while !suite.path().join("tried").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not start");
        std::thread::yield_now();
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    let run = suite.finish(child).expect_code(130);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(run.verdict("a").0, "skipped");
}

#[test]
fn mistakes_are_told() {
    for (text, place, message) in [
        ("name: a\nrun: a\nuntil: {every: 1s}\n", "3:8", "`for` is missing"),
        ("name: a\nrun: a\nuntil: {for: 2m}\n", "3:14", "longer than the timeout of the case"),
        ("name: a\nrun: a\nuntil: {every: 5s, for: 2s}\n", "3:8", "must be shorter than `for`"),
        ("name: a\nrun: a\nuntil: {for: 2}\n", "3:14", "a duration needs a unit"),
        ("name: a\nrun: a\nuntil: {fro: 2s}\n", "3:9", "unknown key `fro`"),
        ("name: a\nsteps: [{run: a}]\nuntil: {for: 2s}\n", "3:1", "`until` beside `steps`"),
    ] {
        let run = Suite::of("a.test.yaml", text).run(&["--list"]).expect_code(2);
        assert!(run.stderr.contains(&format!("a.test.yaml:{place}")), "{text}{}", run.stderr);
        assert!(run.stderr.contains(message), "{text}{}", run.stderr);
    }
}
