//! Cases of several steps: which one went wrong is said everywhere.

use std::fs;

use crate::support::Suite;

const CASE: &str = "
name: a
steps:
  - run: echo first
  - run: echo second
    expect: {stdout: \"2nd\\n\"}
  - run: echo never
  - run: echo cleaning; exit 9
    always: true
";

#[test]
fn a_failure_names_its_step() {
    let suite = Suite::of("a.test.yaml", CASE);
    let run = suite.run(&[]).expect_code(1);
    let message = r#"step 2 of 4: stdout: expected "2nd\n", found "second\n""#;
    assert_eq!(run.verdict("a").1, format!("{message} (and 1 more)"));
    for line in [
        &format!("    {message}"),
        "    step 4 of 4: exit: expected 0, found 9",
        "    step 2 of 4: echo second",
        "    step 4 of 4: echo cleaning; exit 9",
    ] {
        assert!(run.stdout.contains(line), "{line:?} is not in\n{}", run.stdout);
    }
    // The output that the message shows is not shown again; that of the other steps is.
    assert!(run.stdout.contains("| first") && !run.stdout.contains("| second"), "{}", run.stdout);
    assert!(
        run.junit.as_deref().is_some_and(|xml| xml.contains("a.test.yaml:8: step 4 of 4: exit")),
        "{:?}",
        run.junit
    );

    let runs = fs::read_dir(suite.path().join(".partest/runs")).expect("readable");
    let folder = runs.last().expect("a run").expect("readable").path();
    let journal = fs::read_to_string(folder.join("journal.jsonl")).expect("readable");
    assert_eq!(journal.matches(r#""step":[2,4]"#).count(), 2, "{journal}");
}

#[test]
fn a_sleep_waits_within_the_time_of_its_case_and_inherits_nothing_of_processes() {
    let text = "defaults:
  expect: { stdout: '', exit: 0 }
cases:
  - { name: short, steps: [{sleep: 50ms}, {run: 'true'}] }
  - { name: long, sleep: 1m, timeout: 300ms }
";
    let run = Suite::of("a.test.yaml", text).run(&[]).expect_code(1);
    assert_eq!(run.verdict("short").0, "passed");
    assert_eq!(run.verdict("long").1, "timed out after 0.30s");
}

#[test]
fn a_case_of_one_step_has_no_numbers() {
    for text in ["name: a\nrun: exit 1\n", "name: a\nsteps: [{run: exit 1}]\n"] {
        let run = Suite::of("a.test.yaml", text).run(&[]).expect_code(1);
        assert_eq!(run.verdict("a").1, "exit: expected 0, found 1");
        assert!(!run.stdout.contains("step 1"), "{}", run.stdout);
    }
}

#[test]
fn a_flaky_step_and_one_that_cannot_start_are_named() {
    let suite = Suite::of(
        "a.test.yaml",
        "
cases:
  - name: flaky
    retries: 1
    steps: [{run: 'true'}, {run: 'test {{ attempt }} = 2'}]
  - name: missing
    steps: [{run: 'true'}, {run: [no-such-program]}]
",
    );
    let run = suite.run(&[]).expect_code(1);
    assert!(run.stdout.contains("attempt 1: step 2 of 2: exit: expected 0, found 1"), "{}", run.stdout);
    assert!(run.verdict("missing").1.starts_with("step 2 of 2: "), "{:?}", run.verdict("missing"));
}

#[test]
fn no_step_begins_when_the_time_is_over() {
    let suite = Suite::of(
        "a.test.yaml",
        "
name: a
timeout: 100ms
leak: allow
steps:
  - run: 'sleep 9 &'
  - run: touch '{{ dir }}/begun'
  - run: touch '{{ dir }}/always'
    always: true
",
    );
    // The first step has ended in time; what it left behind held its output open beyond that.
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(
        run.verdict("a"),
        ("failure", "step 2 of 3: timed out after 0.10s, before its turn came".to_owned())
    );
    assert!(!suite.path().join("begun").exists() && suite.path().join("always").exists());
}
