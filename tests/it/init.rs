//! `partest init`.

use std::fs;

use serde_json::{Value, json};

use crate::support::Suite;

#[test]
fn the_first_suite_passes_and_is_never_overwritten() {
    let suite = Suite::new();
    let run = suite.run(&["init"]).expect_code(0);
    assert_eq!(
        run.stdout,
        "wrote suite/hello.test.json\nwrote suite/suite.toml\nrun it with: partest suite\n"
    );
    assert!(suite.run(&["suite"]).expect_code(0).stdout.contains("3 passed"));
    fs::remove_file(suite.path().join("suite/hello.test.json")).expect("removed");
    let run = suite.run(&["init"]).expect_code(2);
    assert_eq!(run.stderr, "partest: suite/suite.toml is already there; nothing was written\n");
    assert!(!suite.path().join("suite/hello.test.json").exists());
    suite.run(&["init", "some/where"]).expect_code(0);
    assert!(suite.run(&["some"]).expect_code(0).stdout.contains("3 passed"));
}

fn pairs(number: usize) -> Suite {
    let suite = Suite::new().file("prog", "#!/bin/sh\nexec tr a-z A-Z\n");
    let program = suite.path().join("prog");
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
    (0..number).fold(suite, |suite, number| {
        suite
            .file(&format!("in/{number}.txt"), format!("case {number}\n"))
            .file(&format!("out/{number}.txt"), format!("CASE {number}\n"))
    })
}

fn converted(suite: &Suite, run: &str) -> Value {
    let arguments = ["init", "--pairs", "in/*.txt", "--expect", "out/{stem}.txt", "--run", run];
    suite.run(&arguments).expect_code(0);
    let text = fs::read_to_string(suite.path().join("pairs.test.json")).expect("written");
    fs::remove_file(suite.path().join("pairs.test.json")).expect("removed");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn pairs_become_one_descriptor() {
    let suite = pairs(3);
    let expected = |run: Value| {
        json!({
            "foreach": "in/*.txt", "run": run, "stdin": { "file": "{{ path }}" },
            "expect": { "stdout": { "file": "out/{{ stem }}.txt" } },
        })
    };
    for (run, written) in [
        ("./prog", json!(["{{ dir }}/prog"])),
        (" ./prog  --fast -n 2 ", json!(["{{ dir }}/prog", "--fast", "-n", "2"])),
        ("tr a-z A-Z", json!(["tr", "a-z", "A-Z"])),
        ("./prog | cat -", json!("'{{ dir }}'/prog | cat -")),
        ("tr '[:lower:]' '[:upper:]'", json!("tr '[:lower:]' '[:upper:]'")),
    ] {
        assert_eq!(converted(&suite, run), expected(written), "{run}");
    }
}

#[test]
fn a_thousand_pairs_become_a_running_suite() {
    let suite = pairs(1000).file("out/7.txt", "something else\n");
    suite
        .run(&["init", "--pairs", "in/*.txt", "--expect", "out/{stem}.txt", "--run", "./prog"])
        .expect_code(0);
    let run = suite.run(&["pairs.test.json"]).expect_code(1);
    assert!(run.stdout.contains("999 passed") && run.stdout.contains("1 failed"), "{}", run.stdout);
}

#[test]
fn pairs_that_do_not_fit_are_told_and_nothing_is_written() {
    let suite = pairs(2).file("in/other.md", "").file("pairs.test.json", "{}");
    let base = ["init", "--pairs", "in/*.txt", "--expect", "out/{stem}.txt", "--run", "./prog"];
    let with = |at: usize, value: &'static str| {
        let mut arguments = base;
        arguments[at] = value;
        arguments
    };
    for (arguments, message) in [
        (base, "pairs.test.json is already there"),
        (with(2, "in/*.text"), "\"in/*.text\" matches no file in ."),
        (with(2, "../in/*"), "must be a relative path"),
        (with(2, "in/{a"), "is no glob"),
        (with(4, "out/{stme}.txt"), "{stme} in \"out/{stme}.txt\" is unknown; use {stem} or {name}"),
        (
            with(4, "out/{stem}.text"),
            "none of the 2 inputs has its expected file; the first would be ./out/0.text",
        ),
        (with(4, "out/1.txt"), "the same file for every input"),
        (with(6, "./porg"), "there is no program ./porg"),
        (with(6, " "), "the command is empty"),
    ] {
        let run = suite.run(&arguments).expect_code(2);
        assert!(run.stderr.contains(message), "{arguments:?}: {}", run.stderr);
    }
    let run = suite.run(&[&base[..], &["-o", "cases.json"]].concat()).expect_code(2);
    assert!(
        run.stderr.contains("cases.json must end in .test.json, so that partest finds it"),
        "{}",
        run.stderr
    );
    assert!(!suite.path().join("cases.json").exists());
    assert_eq!(fs::read_to_string(suite.path().join("pairs.test.json")).expect("readable"), "{}");
    fs::remove_file(suite.path().join("out/1.txt")).expect("removed");
    let run = suite.run(&[&base[..], &["--output", "more.test.json"]].concat()).expect_code(0);
    assert_eq!(run.stderr, "partest: 1 of 2 inputs have no expected file yet, such as ./out/1.txt\n");
    suite.run(&["init", "--pairs", "in/*.txt"]).expect_code(2);
}
