//! What is too much: long lines, descriptors, files, and what is not for this level.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Suite;

#[test]
fn a_line_without_an_end_costs_no_more_than_its_bytes() {
    let long = "head -c 20971520 /dev/zero | tr '\\0' L";
    let case = json!({ "cases": [
        { "name": "passes", "run": long },
        { "name": "fails", "run": format!("{long}; exit 1") },
        { "name": "differs", "run": long, "expect": { "stdout": { "lines": ["[..]M"] } } },
    ] });
    let suite = Suite::of("a.test.json", &case.to_string());
    let begin = Instant::now();
    let run = suite.run(&["-vv"]).expect_code(1);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert_eq!(run.verdict("passes").0, "passed");
    assert!(run.stdout.len() < 1 << 20, "{}", run.stdout.len());
    assert!(run.junit.as_deref().is_some_and(|report| report.len() < 4 << 20));
}

#[test]
fn cases_get_none_of_the_descriptors_that_partest_was_given() {
    let suite =
        Suite::of("a.test.json", r#"{ "run": "ls /proc/$$/fd", "expect": { "stdout": "0\n1\n2\n" } }"#);
    suite.finish_command(suite.command_after("exec 7</dev/null 8>/dev/null 9<&7", "")).expect_code(0);
}

#[test]
fn a_case_without_descriptors_takes_none_from_others() {
    let hog = "touch {{ run_dir }}/hogged; ulimit -n 10; exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null \
        7</dev/null 8</dev/null 9</dev/null; cat /dev/null";
    let beside = "until [ -e {{ run_dir }}/hogged ]; do sleep 0.01; done; for i in 1 2 3 4 5 6; do cat /dev/null; done";
    let case = |name: &str, run: &str| json!({ "name": name, "run": run });
    let mut cases: Vec<_> = (0..6).map(|n| case(&n.to_string(), beside)).collect();
    cases.push(case("hog", hog));
    let suite = Suite::of("a.test.json", &json!({ "cases": cases }).to_string());
    let run = suite.run(&["-j", "7"]).expect_code(1);
    assert_eq!(run.verdict("hog").0, "failure");
    assert_eq!(run.report().failures, 1);
}

#[test]
fn an_old_report_stays_whole_when_there_is_no_room_for_a_new_one() {
    let cases: Vec<_> = (0..300).map(|n| format!(r#"{{ "name": "{n}", "run": ["/bin/true"] }}"#)).collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let suite = suite.file("report.xml", "<old/>");
    let run = suite.finish_command(suite.command_after("ulimit -f 20", "--junit report.xml")).expect_code(3);
    assert!(run.stderr.contains("cannot write the JUnit report"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(suite.path().join("report.xml")).expect("there"), "<old/>");
    let left = fs::read_dir(suite.path()).expect("readable").count();
    assert_eq!(left, 3, "the descriptor, the old report and .partest");
}

#[test]
fn a_file_for_which_there_is_no_room_is_an_error_of_its_case_alone() {
    let text = "x".repeat(100_000);
    let suite = Suite::of(
        "a.test.json",
        &format!(
            r#"{{ "cases": [
              {{ "name": "gets it", "files": {{ "big": "{text}" }}, "run": "true" }},
              {{ "name": "makes it", "run": "head -c 100000 /dev/zero >big" }},
              {{ "name": "needs none", "run": "true" }}
            ] }}"#
        ),
    );
    let run = suite.finish_command(suite.command_after("ulimit -f 60", "")).expect_code(1);
    let (verdict, message) = run.verdict("gets it");
    assert!(verdict == "error" && message.contains("File too large"), "{verdict}: {message}");
    assert_eq!(run.verdict("makes it").0, "failure");
    assert_eq!(run.verdict("needs none").0, "passed");
}

#[test]
fn a_log_for_which_there_is_no_room_says_so() {
    let suite = Suite::of("a.test.json", r#"{ "run": "head -c 30000000 /dev/zero; exit 1" }"#);
    // 10 MB, in blocks of 512 bytes.
    let run =
        suite.finish_command(suite.command_after("ulimit -f 20000", "--junit report.xml")).expect_code(1);
    let path = run.stdout.lines().find_map(|line| line.trim().strip_prefix("log: ")).expect("a log");
    let log = fs::read(suite.path().join(path)).expect("there");
    let end = String::from_utf8_lossy(&log[log.len() - 100..]);
    assert_eq!(log.len(), 20_000 * 512);
    assert!(end.ends_with("\n[... the log breaks off here: File too large (os error 27) ...]\n"), "{end:?}");
}

#[test]
fn what_needs_a_sandbox_is_refused_with_its_place() {
    for (key, value) in [
        ("isolation", "\"sandbox\""),
        ("isolation", "\"sandbox?\""),
        ("network", "\"none\""),
        ("network", "false"),
    ] {
        let case = format!(r#"{{ "run": "touch {{{{ dir }}}}/ran", "{key}": {value} }}"#);
        let suite = Suite::of("a.test.json", &case).file("b.test.json", r#"{ "run": "true" }"#);
        let run = suite.run(&[]).expect_code(2);
        assert!(run.stdout.contains(&format!("`{key}")), "{}", run.stdout);
        assert!(run.stdout.contains("is not supported by this version yet"), "{}", run.stdout);
        assert!(run.stdout.contains("a.test.json:1:"), "{}", run.stdout);
        assert!(run.stdout.contains("1 passed"), "{}", run.stdout);
        assert!(!suite.path().join("ran").exists(), "{key}");
    }
}

#[test]
#[ignore = "long: ./tests/run"]
fn a_hundred_thousand_files_are_listed() {
    let suite = Suite::new();
    for folder in 0..100 {
        let path = suite.path().join(format!("f{folder}"));
        fs::create_dir(&path).expect("a folder");
        for file in 0..1000 {
            fs::write(path.join(format!("{file}.test.json")), r#"{ "run": "true" }"#).expect("written");
        }
    }
    let begin = Instant::now();
    let listed = suite.run(&["--list"]).expect_code(0);
    // Five seconds in a release build on two processors of their own.
    assert!(begin.elapsed() < Duration::from_secs(120), "{:?}", begin.elapsed());
    assert_eq!(listed.stdout.lines().count(), 100_000);
}
