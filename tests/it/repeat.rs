//! Cases that are run several times.

use crate::support::Suite;

/// Fails every third time.
const THIRD: &str = r#"{ "cases": [
  { "name": "third", "run": "echo x >> {{ dir }}/count; test $(( $(wc -l < {{ dir }}/count) % 3 )) -ne 0", "locks": ["count"] },
  { "name": "good", "run": "true" }
] }"#;

#[test]
fn copies_are_counted_and_told_apart() {
    let suite = Suite::of("a.test.json", THIRD);
    let run = suite.run(&["--repeat", "7", "-j", "4"]).expect_code(1);
    assert!(run.stdout.contains("5 of 7 passed  a::third  first failed: third ["), "{}", run.stdout);
    assert!(run.stdout.contains("7 of 7 passed  a::good\n"), "{}", run.stdout);
    assert!(run.stdout.contains("12 passed, 2 failed · 14 cases"), "{}", run.stdout);
    assert!(run.stdout.contains("rerun: partest a.test.json --exact a::third\n"), "{}", run.stdout);
    let report = run.report();
    let names = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    let failed = names.filter(|case| matches!(case.status, quick_junit::TestCaseStatus::NonSuccess { .. }));
    assert_eq!(failed.count(), 2);
    assert_eq!(run.verdict("good [7/7]").0, "passed");
    let history = suite.run(&["history", "a::third"]).expect_code(0);
    assert!(history.stdout.contains("failed 1 of 1"), "{}", history.stdout);
}

#[test]
fn repeating_may_end_with_the_first_failure() {
    let suite = Suite::of("a.test.json", THIRD);
    let run =
        suite.run(&["--repeat", "100", "--until-fail", "-j", "1", "--exact", "a::third"]).expect_code(1);
    assert!(run.stdout.contains("2 of 3 passed  a::third  first failed: third [3/100]\n"), "{}", run.stdout);
    assert!(run.stdout.contains("ended after the first failure: 97 not run"), "{}", run.stdout);
}

#[test]
fn copies_come_after_all_copies_of_what_they_run_after() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "later", "after": ["first"], "run": "test $(wc -l < {{ dir }}/first) -eq 5" },
          { "name": "first", "run": "echo x >> {{ dir }}/first" }
        ] }"#,
    );
    let run = suite.run(&["--repeat", "5", "-j", "4"]).expect_code(0);
    assert!(run.stdout.contains("10 passed"), "{}", run.stdout);
}

#[test]
fn wrong_repetitions_are_refused() {
    let suite = Suite::of("a.test.json", THIRD);
    for (arguments, message) in [
        (&["--repeat", "0"][..], "invalid value '0' for '--repeat <N>'"),
        (&["--repeat", "often"], "invalid value 'often'"),
        (&["--until-fail"], "--repeat <N>"),
        (&["--repeat", "2", "--update"], "cannot be used with"),
    ] {
        let run = suite.run(arguments).expect_code(2);
        assert!(run.stderr.contains(message), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn a_repeated_run_is_taken_up_where_it_ended() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "once", "run": "echo x >> {{ dir }}/log; test $(wc -l < {{ dir }}/log) -ne 3" },
          { "name": "never", "run": "true" }
        ] }"#,
    );
    let run = suite.run(&["--repeat", "4", "--until-fail", "-j", "1"]).expect_code(1);
    assert!(run.stdout.contains("2 of 3 passed  a::once"), "{}", run.stdout);
    let run = suite.run(&["--resume", "-j", "1"]).expect_code(1);
    assert!(run.stdout.contains("3 of 4 passed  a::once  first failed: once [3/4]\n"), "{}", run.stdout);
    assert!(run.stdout.contains("4 of 4 passed  a::never\n"), "{}", run.stdout);
    assert!(run.stdout.contains("7 passed, 1 failed · 8 cases"), "{}", run.stdout);
    let log = std::fs::read_to_string(suite.path().join("log")).expect("a log");
    assert_eq!(log.lines().count(), 4);
}

#[test]
fn a_copy_bears_the_name_of_its_case_in_values_and_questions() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "named", "run": "echo n", "expect": { "stdout": { "file": "{{ case }}.txt" } } },
          { "name": "asked", "call": 1, "expect": { "output": "asked" },
            "worker": "exec sed -u 's/.*\"name\":\"\\([^\"]*\\)\".*/{\"outcome\":\"pass\",\"output\":\"\\1\"}/'" }
        ] }"#,
    )
    .file("named.txt", "n\n");
    for times in [["--repeat", "2"], ["--stress", "1ms"]] {
        suite.run(&times).expect_code(0);
    }
}
