//! Cases that may fail: retries, their budget, flaky cases, and quarantine.

use std::time::{Duration, Instant};

use crate::support::Suite;

#[test]
fn waits_between_attempts_grow() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "name": "a", "run": "test {{ attempt }} -eq 4",
             "retries": { "count": 3, "delay": "100ms", "backoff": "exponential", "jitter": 0 } }"#,
    );
    let begin = Instant::now();
    let run = suite.run(&[]).expect_code(0);
    assert!(begin.elapsed() >= Duration::from_millis(700), "{:?}", begin.elapsed());
    assert!(run.stdout.contains("(attempt 4 passed)") && run.stdout.contains("1 flaky"), "{}", run.stdout);
}

#[test]
fn a_case_that_waits_for_its_retry_leaves_its_slot_to_others() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "defaults": { "env": { "LOG": "{{ dir }}/log" } }, "cases": [
          { "name": "a", "run": "echo a$PARTEST_ATTEMPT >> $LOG; test $PARTEST_ATTEMPT -eq 2",
            "retries": { "count": 1, "delay": "2s" } },
          { "name": "b", "run": "echo b >> $LOG" },
          { "name": "c", "run": "echo c >> $LOG" },
          { "name": "d", "run": "echo d >> $LOG", "after": ["a"] }
        ] }"#,
    );
    let run = suite.run(&["-j", "1"]).expect_code(0);
    assert!(run.stdout.contains("3 passed, 1 flaky · 4 cases"), "{}", run.stdout);
    let log = std::fs::read_to_string(suite.path().join("log")).expect("a log");
    assert_eq!(log.split_whitespace().collect::<Vec<_>>(), ["a1", "b", "c", "a2", "d"]);
}

#[test]
fn a_case_that_waits_for_its_retry_leaves_locks_and_the_machine_to_others() {
    let text = |key: &str| {
        format!(
            r#"{{ "defaults": {{ "env": {{ "LOG": "{{{{ dir }}}}/log" }} }}, "cases": [
              {{ "name": "a", "run": "echo a >> $LOG; test $PARTEST_ATTEMPT -eq 2", {key},
                "retries": {{ "count": 1, "delay": "2s" }} }},
              {{ "name": "b", "run": "echo b >> $LOG", {key} }}
            ] }}"#
        )
    };
    for key in [r#""locks": ["db"]"#, r#""exclusive": true"#, r#""weight": 9"#] {
        let suite = Suite::of("a.test.json", &text(key));
        let run = suite.run(&["-j", "4"]).expect_code(0);
        assert!(run.stdout.contains("1 passed, 1 flaky"), "{}", run.stdout);
        let log = std::fs::read_to_string(suite.path().join("log")).expect("a log");
        assert_eq!(log.split_whitespace().collect::<Vec<_>>(), ["a", "b", "a"], "{key}");
    }
}

#[test]
fn a_case_that_waits_for_its_retry_has_it_after_the_last_failure_that_a_run_allows() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "wavers", "run": "test {{ attempt }} -eq 2", "retries": { "count": 1, "delay": "1s" } },
          { "name": "fails", "run": "false" },
          { "name": "never begins", "run": "true" }
        ] }"#,
    );
    let run = suite.run(&["-j", "1", "--fail-fast"]).expect_code(1);
    assert!(run.stdout.contains("1 flaky, 1 failed · 3 cases"), "{}", run.stdout);
    assert_eq!(run.verdict("never begins").0, "skipped");
}

#[test]
fn the_flag_goes_before_what_cases_say() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "asks for two", "run": "test {{ attempt }} -eq 3", "retries": 2 },
          { "name": "asks for none", "run": "test {{ attempt }} -eq 2" }
        ] }"#,
    );
    let run = suite.run(&["--retries", "0"]).expect_code(1);
    assert_eq!(run.verdict("asks for two").0, "failure");
    let run = suite.run(&["--retries", "1"]).expect_code(1);
    assert_eq!((run.verdict("asks for two").0, run.verdict("asks for none").0), ("failure", "passed"));
    assert!(run.stdout.contains("(none of 2 attempts passed)"), "{}", run.stdout);
}

#[test]
fn a_run_makes_no_more_retries_than_its_budget() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "name": "a", "matrix": { "n": [1, 2, 3, 4] }, "run": "false", "retries": 5 }"#,
    );
    let run = suite.run(&["--retry-budget", "7", "-j", "1"]).expect_code(1);
    let attempts = run.junit.as_deref().expect("a report").matches("<rerunFailure").count();
    assert_eq!(attempts, 7);
    assert!(run.stdout.contains("no retries left: 3 cases were not tried again\n"), "{}", run.stdout);
    assert!(run.stdout.contains("(not tried again: the run has no retries left)"), "{}", run.stdout);
    let shown = suite.run(&["report", "--from", "last"]);
    assert!(shown.stdout.contains("no retries left: 3 cases were"), "{}", shown.stdout);
}

#[test]
fn flaky_cases_may_fail_a_run() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "steady", "run": "true", "retries": 1 },
          { "name": "wavers", "run": "test {{ attempt }} -eq 2", "retries": 1 }
        ] }"#,
    )
    .file("partest.toml", "[profile.default]\nflaky = 'fail'\n");
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("steady").0, "passed");
    assert_eq!(
        run.verdict("wavers"),
        ("failure", "passed at attempt 2 only, and flaky cases fail this run".to_owned())
    );
    assert!(run.junit.as_deref().is_some_and(|junit| junit.contains("type=\"flaky\"")));
    suite.run(&["--flaky", "pass"]).expect_code(0);
}

const QUARANTINE: &str = r#"{ "cases": [
  { "name": "fails", "run": "echo hm; exit 3",
    "quarantine": { "owner": "team-net", "reason": "the proxy drops packets", "until": "2999-12-31" } },
  { "name": "hangs", "run": "sleep 60", "timeout": "200ms", "quarantine": { "owner": "ada", "reason": "slow" } },
  { "name": "passes", "run": "true", "quarantine": { "owner": "ada", "reason": "under watch" } },
  { "name": "others", "run": "true" }
] }"#;

#[test]
fn a_case_in_quarantine_breaks_no_run_and_every_report_says_so() {
    let suite = Suite::of("a.test.json", QUARANTINE);
    let run = suite.run(&["--fail-fast", "-j", "1"]).expect_code(0);
    let whole = "quarantined, team-net: the proxy drops packets, until 2999-12-31";
    assert!(run.stdout.contains(&format!("  a::fails  ({whole})\n")), "{}", run.stdout);
    assert!(run.stdout.contains("exit: expected 0, found 3"), "{}", run.stdout);
    assert!(run.stdout.contains("a::passes  (quarantined, ada: under watch)\n"), "{}", run.stdout);
    assert!(run.stdout.contains("2 passed, 2 quarantined · 4 cases"), "{}", run.stdout);
    let (verdict, message) = run.verdict("fails");
    assert_eq!(verdict, "skipped");
    assert_eq!(message, format!("{whole} (exit: expected 0, found 3)"));
    assert_eq!(run.verdict("hangs").0, "skipped");
    assert_eq!(run.verdict("passes").0, "passed");
    let junit = run.junit.as_deref().expect("a report");
    assert!(junit.contains("<property name=\"quarantine-owner\" value=\"team-net\"/>"), "{junit}");
    assert!(junit.contains("<property name=\"quarantine-until\" value=\"2999-12-31\"/>"), "{junit}");
    let shown = suite.run(&["report", "--from", "last"]).expect_code(0);
    assert!(shown.stdout.contains(whole) && shown.stdout.contains("2 quarantined"), "{}", shown.stdout);
    let history = suite.run(&["history", "a::fails"]).expect_code(0);
    assert!(history.stdout.contains("q  (q quarantined)"), "{}", history.stdout);
}

#[test]
fn after_its_last_day_a_quarantine_is_over() {
    let suite = Suite::of("a.test.json", &QUARANTINE.replace("2999-12-31", "2020-02-29"));
    let run = suite.run(&[]).expect_code(1);
    let (verdict, message) = run.verdict("fails");
    assert_eq!(verdict, "failure");
    assert_eq!(message, "exit: expected 0, found 3 (its quarantine, team-net, ended with 2020-02-29)");
    assert!(run.stdout.contains("1 quarantined"), "{}", run.stdout);
}

#[test]
fn wrong_retries_and_quarantines_have_their_place() {
    for (keys, message) in [
        (r#""quarantine": { "owner": "a", "reason": "b", "until": "31.01.2027" }"#, "is no day"),
        (r#""quarantine": { "owner": "a", "reason": "b", "until": "2027-02-30" }"#, "is no day"),
        (r#""quarantine": { "owner": "a", "reason": "b", "until": 2027 }"#, "expected a string"),
        (r#""quarantine": { "owner": "a" }"#, "`reason` is missing"),
        (r#""quarantine": { "owner": " ", "reason": "b" }"#, "the name is empty"),
        (r#""quarantine": "later""#, "expected an object"),
        (r#""retries": { "count": 1, "backoff": "fixed" }"#, "`backoff` needs a `delay`"),
        (r#""retries": { "count": 1, "delay": "1s", "backoff": "linear" }"#, "no way for a wait to grow"),
        (r#""retries": { "count": 1, "delay": "1s", "jitter": 1.5 }"#, "1.5 is no share of the wait"),
        (r#""retries": { "count": 1, "delay": "1s", "jitter": "some" }"#, "a share of the wait from 0 to 1"),
    ] {
        let text = format!(r#"{{ "name": "a case", "run": "true", {keys} }}"#);
        let suite = Suite::of("a.test.json", &text);
        let run = suite.run(&["check"]).expect_code(2);
        let shown = format!("{}{}", run.stdout, run.stderr);
        assert!(shown.contains(message), "{keys}: {shown}");
        let column: usize = shown
            .split("a.test.json:1:")
            .nth(1)
            .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
            .expect("a place");
        let key = text.find(keys).expect("there") + 1;
        assert!(column > key, "{keys}: {shown}");
    }
}

#[test]
fn wrong_flags_for_retries_are_refused() {
    let suite = Suite::of("a.test.json", r#"{ "name": "a", "run": "true" }"#);
    for arguments in [["--retries", "many"], ["--retry-budget", "some"], ["--flaky", "perhaps"]] {
        let run = suite.run(&arguments).expect_code(2);
        assert!(run.stderr.contains(arguments[0]), "{arguments:?}: {}", run.stderr);
    }
    for (line, message) in [
        ("retry_budget = -1", "-1 is no count of retries"),
        ("retry_budget = 'all'", "expected how many retries a run may make"),
        ("flaky = 'perhaps'", "`perhaps` is none of the choices"),
    ] {
        let suite = Suite::of("a.test.json", r#"{ "name": "a", "run": "true" }"#)
            .file("partest.toml", format!("[profile.default]\n{line}\n"));
        let run = suite.run(&[]).expect_code(2);
        assert!(run.stderr.contains(message), "{line}: {}", run.stderr);
    }
}
