//! Runs that end early by themselves: after failures, or when their time is up.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::support::Suite;

/// One failing case among others that would pass, in a folder with setup and teardown.
fn failing(after: usize) -> Suite {
    let mut cases = String::new();
    for number in 0..after {
        let _ = write!(cases, r#"{{ "name": "good {number}", "run": "true" }}, "#);
    }
    cases.push_str(r#"{ "name": "bad", "run": "false" }, { "name": "worse", "run": "false" }, "#);
    cases.push_str(r#"{ "name": "later", "run": "touch {{ dir }}/later" }"#);
    Suite::new().file("s/a.test.json", format!(r#"{{ "cases": [{cases}] }}"#)).file(
        "s/suite.json",
        r#"{ "setup": { "run": "true" }, "teardown": { "run": "touch '{{ dir }}/torn-down'" } }"#,
    )
}

#[test]
fn after_the_first_failure_no_case_starts_and_the_teardown_does() {
    let suite = failing(2);
    let run = suite.run(&["--fail-fast", "-j", "1"]).expect_code(1);
    assert_eq!(run.verdict("good 1").0, "passed");
    assert_eq!(run.verdict("bad").0, "failure");
    for name in ["worse", "later"] {
        let (verdict, message) = run.verdict(name);
        assert_eq!(
            (verdict, message.as_str()),
            ("skipped", "not run: the run was ended after the first failure")
        );
    }
    assert!(suite.path().join("s/torn-down").exists() && !suite.path().join("s/later").exists());
    assert!(run.stdout.contains("a case has failed: no more are started\n"), "{}", run.stdout);
    assert!(run.stdout.contains("the run was ended after the first failure: 2 not run\n"), "{}", run.stdout);
    assert!(run.stdout.contains("4 passed, 1 failed · 7 cases"), "{}", run.stdout);
}

#[test]
fn what_a_run_did_not_come_to_is_told_again_and_taken_up() {
    let suite = failing(0);
    suite.run(&["--max-fail", "1", "-j", "1"]).expect_code(1);
    let shown = suite.run(&["report", "--from", "last"]).expect_code(0);
    assert!(shown.stdout.contains("ended after the first failure: 2 not run\n"), "{}", shown.stdout);
    let run = suite.run(&["--resume", "-j", "1"]).expect_code(1);
    assert_eq!(run.verdict("worse").0, "failure");
    assert!(suite.path().join("s/later").exists());
}

#[test]
fn running_cases_come_to_their_end_and_failures_are_counted() {
    let suite = Suite::of(
        "a.test.yaml",
        "cases:
- { name: one, run: \"false\" }
- { name: two, run: \"until test -e '{{ dir }}/third'; do sleep 0.01; done; touch '{{ dir }}/ended'\" }
- { name: three, run: \"touch '{{ dir }}/third'; false\" }
- { name: four, run: \"touch '{{ dir }}/fourth'\", exclusive: true }
",
    );
    let run = suite.run(&["--max-fail", "2", "-j", "2"]).expect_code(1);
    assert_eq!(run.verdict("two").0, "passed");
    assert!(suite.path().join("ended").exists() && !suite.path().join("fourth").exists());
    assert!(run.verdict("four").1.contains("ended after 2 failures"), "{:?}", run.verdict("four"));
    let run = suite.run(&["--max-fail", "3", "-j", "2"]).expect_code(1);
    assert_eq!(run.verdict("four").0, "passed");
    assert!(!run.stdout.contains("not run"), "{}", run.stdout);
}

#[test]
fn a_run_whose_time_is_up_ends_its_cases_and_writes_its_reports() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "done", "run": "true" },
          { "name": "waits", "run": "sleep 70", "grace": "300ms" },
          { "name": "stubborn", "run": "trap '' TERM; sleep 71; sleep 72", "grace": "300ms" },
          { "name": "again", "run": "false", "retries": { "count": 1, "delay": "60s" } },
          { "name": "never begins", "run": "true", "exclusive": true }
        ] }"#,
    )
    .file(
        "suite.json",
        r#"{ "setup": { "run": "true" }, "teardown": { "run": "touch '{{ dir }}/torn-down'" } }"#,
    );
    let begin = Instant::now();
    let run = suite.run(&["--timeout", "2s", "-j", "4"]).expect_code(1);
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
    assert_eq!(run.verdict("done").0, "passed");
    for (name, part) in [
        ("waits", "interrupted: the run was stopped"),
        ("stubborn", "interrupted"),
        ("again", "interrupted"),
        ("never begins", "not run: the run was ended after 2.00s, its time limit"),
    ] {
        let (verdict, message) = run.verdict(name);
        assert_eq!(verdict, "skipped", "{name}");
        assert!(message.contains(part), "{name}: {message}");
    }
    assert!(suite.path().join("torn-down").exists());
    assert!(run.stdout.contains("the run has taken 2.00s: ending the cases that run\n"), "{}", run.stdout);
    assert!(
        run.stdout.contains("the run was ended after 2.00s, its time limit: 4 not run\n"),
        "{}",
        run.stdout
    );
    let shown = suite.run(&["report", "--from", "last"]).expect_code(0);
    assert!(shown.stdout.contains("after 2.00s, its time limit: 4 not run\n"), "{}", shown.stdout);
}

#[test]
fn a_run_that_is_over_in_time_knows_no_limit() {
    let suite = Suite::of("a.test.json", r#"{ "name": "a", "run": "true" }"#)
        .file("partest.toml", "[profile.default]\nrun_timeout = '10m'\nmax_fail = 3\n");
    let run = suite.run(&[]).expect_code(0);
    assert!(run.stdout.contains("1 passed"), "{}", run.stdout);
    let shown = suite.run(&["config"]).expect_code(0).stdout;
    let has = |key: &str, value: &str, origin: &str| {
        let line = shown.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        assert!(line.contains(value) && line.ends_with(origin), "{shown}");
    };
    has("run_timeout", "= \"10m\"", "# partest.toml:2:15, profile default");
    has("max_fail", "= 3", "# partest.toml:3:12, profile default");
}

#[test]
fn wrong_limits_of_runs_are_refused() {
    let suite = Suite::of("a.test.json", r#"{ "name": "a", "run": "true" }"#);
    for (arguments, message) in [
        (["--max-fail", "0"], "invalid value '0' for '--max-fail <N>'"),
        (["--max-fail", "some"], "invalid value 'some' for '--max-fail <N>'"),
        (["--timeout", "5"], "write a number with a unit"),
        (["--run-timeout", "0s"], "a duration must be longer than zero"),
        (["--fail-fast", "--max-fail=2"], "cannot be used with"),
    ] {
        let run = suite.run(&arguments).expect_code(2);
        assert!(run.stderr.contains(message), "{arguments:?}: {}", run.stderr);
    }
    for (line, message) in [
        ("max_fail = 0", "partest.toml:2:12"),
        ("max_fail = 'all'", "expected after how many failed cases the run ends, found a string"),
        ("run_timeout = 30", "expected a duration, found a whole number"),
        ("run_timeout = 'soon'", "`soon` is no duration"),
    ] {
        let suite = Suite::of("a.test.json", r#"{ "name": "a", "run": "true" }"#)
            .file("partest.toml", format!("[profile.default]\n{line}\n"));
        let run = suite.run(&[]).expect_code(2);
        assert!(run.stderr.contains(message), "{line}: {}", run.stderr);
    }
}
