//! What is remembered of earlier runs: shown, selected by, and put in order by.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Run, Suite, send};

/// Cases of which one fails until there is a file `fixed`, and one until there is a file `steady`.
fn suite() -> Suite {
    Suite::of(
        "s/a.test.json",
        r#"{ "cases": [
          { "name": "passes", "run": "true" },
          { "name": "fails", "run": "test -e '{{ dir }}/fixed'" },
          { "name": "wavers", "retries": 1, "run": "test -e '{{ dir }}/steady'" },
          { "name": "is skipped", "skip": "for a reason", "run": "true" }
        ] }"#,
    )
    .file("s/b.test.json", r#"{ "name": "other", "run": "true" }"#)
}

/// The ids that a selection leaves, in their order.
fn listed(suite: &Suite, arguments: &[&str]) -> Vec<String> {
    let run = suite.run(&[&["--list"], arguments].concat());
    run.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn what_was_not_selected_is_not_run_for_having_failed() {
    let suite = Suite::of(
        "s/a.test.json",
        r#"{ "cases": [
          { "name": "base", "run": "false" }, { "name": "top", "after": ["base"], "run": "true" },
          { "name": "late", "after": ["o::elsewhere"], "run": "true" }
        ] }"#,
    )
    .file("o.test.json", r#"{ "name": "elsewhere", "run": "false" }"#);
    suite.run(&[]).expect_code(1);
    // Selected are `top` and `late`, which did not fail: all of that is run, with what it needs.
    let all = ["s/a::base", "s/a::top"];
    assert_eq!(listed(&suite, &["s", "--last-failed", "-E", "name(top)"]), all);
    assert_eq!(listed(&suite, &["s", "--last-failed", "-E", "name(late)"]), ["o::elsewhere", "s/a::late"]);
    assert_eq!(listed(&suite, &["--last-failed"]), ["o::elsewhere", "s/a::base"]);
}

/// The names of the cases in the order in which they began.
fn started(run: &Run) -> Vec<String> {
    let events = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    let started = events.filter(|event| event["event"] == "case-started" && event["attempt"] == 1);
    started.map(|event| event["case"]["name"].as_str().expect("a name").to_owned()).collect()
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).expect("JSON")
}

#[test]
fn what_failed_is_run_again_until_it_passes() {
    let suite = suite();
    let everything = suite.run(&["s", "--last-failed"]).expect_code(1);
    assert!(
        everything.stderr.contains("no earlier run is known: everything is run"),
        "{}",
        everything.stderr
    );
    assert_eq!(listed(&suite, &["s", "--last-failed"]), ["s/a::fails", "s/a::wavers"]);
    suite.run(&["s", "--filter", "other"]).expect_code(0);
    assert_eq!(listed(&suite, &["s", "--last-failed"]).len(), 2, "a run of others changes nothing");
    fs::write(suite.path().join("s/fixed"), "").expect("written");
    fs::write(suite.path().join("s/steady"), "").expect("written");
    let fixed = suite.run(&["s", "--last-failed"]).expect_code(0);
    assert!(fixed.stdout.contains("2 passed · 2 cases"), "{}", fixed.stdout);
    let everything = suite.run(&["s", "--last-failed"]).expect_code(0);
    assert!(
        everything.stderr.contains("no case failed in its last run: everything is run"),
        "{}",
        everything.stderr
    );
    assert!(everything.stdout.contains("5 cases"), "{}", everything.stdout);
}

#[test]
fn new_cases_and_those_without_a_verdict_are_found() {
    let suite = suite();
    suite.run(&["s", "--filter", "passes"]).expect_code(0);
    assert_eq!(listed(&suite, &["s", "--new"]).len(), 4);
    suite.run(&["s", "--filter", "s/a"]).expect_code(1);
    assert_eq!(listed(&suite, &["s", "--new"]), ["s/b::other"]);
    assert_eq!(listed(&suite, &["s", "--not-run"]), ["s/b::other"]);
    assert_eq!(listed(&suite, &["s", "--new", "--last-failed"]).len(), 3);
    assert_eq!(listed(&suite, &["s", "--last-failed", "--filter", "wavers"]), ["s/a::wavers"]);
    suite.run(&["s", "--not-run"]).expect_code(0);
    assert_eq!(listed(&suite, &["s", "--not-run"]).len(), 4, "the last run had one case only");
    let none = suite.run(&["s", "--new"]).expect_code(4);
    assert!(none.stderr.contains("no test case in s is left"), "{}", none.stderr);
    let suite = suite.file("s/broken.test.json", "{");
    suite.run(&["s", "--new"]).expect_code(2);
}

#[test]
fn the_longest_start_first_and_failed_ones_before_them() {
    let case = |name: &str, run: &str| format!(r#"{{ "name": "{name}", "run": "{run}" }}"#);
    let cases = [
        case("quick", "true"),
        case("bad", "exit 1"),
        case("slow", "sleep 0.4"),
        case("slower", "sleep 0.8"),
    ];
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let arguments = ["-j", "1", "--format", "json"];
    let first = suite.run(&arguments).expect_code(1);
    assert_eq!(started(&first), ["quick", "bad", "slow", "slower"], "nothing is known yet");
    let second = started(&suite.run(&arguments).expect_code(1));
    assert_eq!(second[..2], ["slower", "slow"]);
    let with = |more: &[&str]| started(&suite.run(&[&arguments[..], more].concat()).expect_code(1));
    assert_eq!(with(&["--order", "path"]), ["quick", "bad", "slow", "slower"]);
    assert_eq!(with(&["--failed-first"])[..3], ["bad", "slower", "slow"]);
    assert_eq!(with(&["--no-history"]), ["quick", "bad", "slow", "slower"]);
}

#[test]
fn a_random_order_is_told_and_can_be_had_again() {
    let cases: Vec<_> = (0..20).map(|n| format!(r#"{{ "name": "{n}", "run": "true" }}"#)).collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let told = suite.run(&["-j", "1", "--order", "random"]).expect_code(0).stdout;
    let seed =
        told.lines().next().and_then(|line| line.strip_prefix("random order: --seed ")).expect("a seed");
    let ids = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("PASS"));
        lines.map(|line| line.rsplit(' ').next().expect("an id").to_owned()).collect()
    };
    let again = suite.run(&["-j", "1", "--seed", seed]).expect_code(0).stdout;
    assert_eq!(ids(&told), ids(&again));
    let mut sorted = ids(&told);
    sorted.sort_by_key(|id| id[3..].parse::<u32>().expect("a number"));
    assert_eq!(sorted.len(), 20);
    assert_ne!(sorted, ids(&told), "an order in twenty factorial is that of the file");
    for wrong in [&["--seed", "x"][..], &["--order", "path", "--seed", "3"], &["--order", "shuffled"]] {
        suite.run(wrong).expect_code(2);
    }
}

#[test]
fn a_case_has_a_history() {
    let suite = suite();
    suite.run(&["s"]).expect_code(1);
    fs::write(suite.path().join("s/fixed"), "").expect("written");
    suite.run(&["s", "--filter", "s/a"]).expect_code(1);
    fs::write(suite.path().join("s/steady"), "").expect("written");
    suite.run(&["s"]).expect_code(0);
    let shown = suite.run(&["history", "s/a::fails"]).expect_code(0);
    assert!(
        shown.stdout.starts_with("s/a::fails\nF..  (. passed, F failed)\nfailed 1 of 3 (33 %)"),
        "{}",
        shown.stdout
    );
    let shown = json(&suite.run(&["history", "s/a::fails", "--format", "json", "-n", "2"]).expect_code(0));
    assert_eq!(
        (shown[0]["outcome"].as_str(), shown[1]["outcome"].as_str()),
        (Some("passed"), Some("passed"))
    );
    let runs = json(&suite.run(&["history", "--format", "json"]).expect_code(0));
    assert_eq!(runs.as_array().map(Vec::len), Some(3));
    assert_eq!(runs[0]["counts"], serde_json::json!({ "passed": 4, "skipped": 1 }));
    assert_eq!(suite.run(&["history"]).expect_code(0).stdout.lines().count(), 3);

    let unknown = suite.run(&["history", "s/a::fials"]).expect_code(4);
    assert!(unknown.stderr.contains("did you mean s/a::fails?"), "{}", unknown.stderr);
    suite.run(&["history", "--limit", "many"]).expect_code(2);
    let nothing = Suite::new().run(&["history"]).expect_code(4);
    assert!(nothing.stderr.contains("no run is remembered yet"), "{}", nothing.stderr);
}

/// An index of git that knows no file.
const EMPTY_INDEX: &str = "DIRC\0\0\0\x02\0\0\0\0--------------------";

/// The names of the flaky cases.
fn flaky(suite: &Suite) -> Vec<String> {
    let told = json(&suite.run(&["flaky", "--format", "json"]).expect_code(0));
    let cases = told.as_array().expect("a list").iter();
    cases.map(|case| case["case"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_case_that_was_changed_in_between_is_not_flaky() {
    let descriptor = |run: &str| format!(r#"{{ "name": "b", "run": "{run}" }}"#);
    let suite = Suite::of("b.test.json", &descriptor("exit 1"))
        .file("c/c.test.json", r#"{ "run": "test $MODE = good" }"#)
        .file("c/suite.toml", "[defaults.env]\nMODE = 'bad'\n")
        .file("d.test.json", r#"{ "vars": { "code": 1 }, "run": "exit {{ code }}" }"#)
        .file(".git/HEAD", "6f918510c0a6ff3d7e0c3b1c9f0b4a5d6e7f8091\n")
        .file(".git/index", EMPTY_INDEX);
    suite.run(&[]).expect_code(1);
    let suite = suite
        .file("b.test.json", descriptor("exit 0"))
        .file("c/suite.toml", "[defaults.env]\nMODE = 'good'\n");
    suite.run(&["--var", "code=0"]).expect_code(0);
    assert_eq!(flaky(&suite), [""; 0]);
    let suite = suite.file("b.test.json", descriptor("exit 1"));
    suite.run(&["--filter", "b::b"]).expect_code(1);
    assert_eq!(flaky(&suite), [""; 0], "it failed as it had before");
}

#[test]
#[ignore = "needs git: ./tests/run"]
fn what_a_changed_program_mends_is_not_flaky() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "mended", "run": "sh '{{ dir }}/program'" },
          { "name": "wavers", "run": "test -e '{{ dir }}/seen' || { touch '{{ dir }}/seen'; exit 1; }" }
        ] }"#,
    )
    .file("program", "exit 1\n");
    let git = |arguments: &[&str]| {
        let command = &mut std::process::Command::new("git");
        command.current_dir(suite.path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        assert!(command.args(arguments).status().expect("git").success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    suite.run(&[]).expect_code(1);
    suite.run(&[]).expect_code(1);
    fs::write(suite.path().join("program"), "true; exit 0\n").expect("written");
    suite.run(&[]).expect_code(0);
    assert_eq!(flaky(&suite), ["a::wavers"]);
    git(&["commit", "-q", "-a", "-m", "second"]);
    suite.run(&[]).expect_code(0);
    assert_eq!(flaky(&suite), ["a::wavers"]);
}

#[test]
fn flaky_cases_are_told() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "wavers", "retries": 1, "run": "test -e '{{ dir }}/seen' || { touch '{{ dir }}/seen'; exit 1; }" },
          { "name": "passes", "run": "true" },
          { "name": "changes", "run": "test -e '{{ dir }}/fixed'" }
        ] }"#,
    )
    .file(".git/HEAD", "6f918510c0a6ff3d7e0c3b1c9f0b4a5d6e7f8091\n")
    .file(".git/index", EMPTY_INDEX);
    assert_eq!(suite.run(&["flaky"]).expect_code(0).stdout, "no flaky case is known\n");
    suite.run(&[]).expect_code(1);
    let told = json(&suite.run(&["flaky", "--format", "json"]).expect_code(0));
    assert_eq!(
        told,
        serde_json::json!([{ "case": "a::wavers", "runs": 1, "flaky": 1, "failed": 0, "mixed": 0 }])
    );
    fs::write(suite.path().join("fixed"), "").expect("written");
    suite.run(&[]).expect_code(0);
    let told = suite.run(&["flaky"]).expect_code(0).stdout;
    let rows: Vec<Vec<_>> = told.lines().take(3).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[1], ["2", "0", "1", "1", "a::changes"]);
    assert_eq!(rows[2], ["2", "1", "0", "0", "a::wavers"]);
}

#[test]
fn history_can_be_switched_off_in_three_ways() {
    let suite = suite().file("partest.toml", "[profile.off]\nhistory = false\n");
    suite.run(&["s", "--no-history"]).expect_code(1);
    suite.run(&["s", "--profile", "off"]).expect_code(1);
    let mut command = suite.command(&["s", "--last-failed"]);
    command.env("PARTEST_HISTORY", "false");
    let run = suite.finish_command(command).expect_code(1);
    assert!(run.stderr.contains("it is switched off: everything is run"), "{}", run.stderr);
    assert!(!suite.path().join(".partest/history.db").exists());
    suite.run(&["history"]).expect_code(4);
    let mut command = suite.command(&["s"]);
    command.env("PARTEST_HISTORY", "perhaps");
    let refused = suite.finish_command(command).expect_code(2);
    assert!(refused.stderr.contains("expected true or false"), "{}", refused.stderr);
}

#[test]
fn a_list_asks_the_history_only_what_it_contains() {
    let suite = suite().file(".partest/history.db", "no database");
    let list = suite.run(&["--list", "s"]).expect_code(0);
    assert!(
        list.stdout.starts_with("s/a::passes\n") && list.stderr.is_empty(),
        "{}{}",
        list.stdout,
        list.stderr
    );
    let asked = suite.run(&["--list", "s", "--not-run"]).expect_code(0);
    assert!(asked.stderr.contains("is damaged"), "{}", asked.stderr);
}

#[test]
fn a_damaged_history_is_no_failure() {
    let suite = suite();
    fs::create_dir_all(suite.path().join(".partest")).expect("a folder");
    let file = suite.path().join(".partest/history.db");
    fs::write(&file, "no database at all, but text\n".repeat(100)).expect("written");
    let run = suite.run(&["s", "--filter", "passes"]).expect_code(0);
    assert!(run.stderr.contains("is damaged") && run.stderr.contains("history.damaged.db"), "{}", run.stderr);
    assert!(suite.path().join(".partest/history.damaged.db").exists());
    assert_eq!(suite.run(&["s", "--filter", "passes"]).expect_code(0).stderr, "");
    suite.run(&["history"]).expect_code(0);

    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("a folder");
    let run = suite.run(&["s", "--filter", "passes"]).expect_code(0);
    assert!(run.stderr.contains("warning: the run is not remembered: "), "{}", run.stderr);
    suite.run(&["history"]).expect_code(3);
}

#[test]
fn a_killed_run_is_remembered_by_the_next_one() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [{ "name": "bad", "run": "exit 1" }, { "name": "hangs", "run": "sleep 60" }] }"#,
    );
    let mut child = suite.start(&["-j", "1"]);
    let journal = || {
        let runs = fs::read_dir(suite.path().join(".partest/runs")).ok()?;
        let last = runs.map(|entry| entry.expect("readable").path()).max()?;
        fs::read_to_string(last.join("journal.jsonl")).ok()
    };
    let begun = Instant::now();
    let wait_until = |holds: &dyn Fn() -> bool| {
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?} {:?}", journal(), suite.processes());
            thread::sleep(Duration::from_millis(10));
        }
    };
    wait_until(&|| journal().is_some_and(|text| text.contains("case-finished")));
    // A process that is just being started would hold the lock of the journal for a moment longer.
    wait_until(&|| suite.processes().iter().any(|process| process.contains("sleep 60")));
    send(&child, Signal::KILL);
    child.wait().expect("reaped");
    wait_until(&|| suite.processes().is_empty());
    // Its private directories are there until the next run.
    let shown = |arguments: &[&str]| {
        let output = suite.command(arguments).output().expect("started");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(shown(&["--list", "--last-failed"]), "a::bad\n");
    let runs = shown(&["history"]);
    assert!(runs.contains("killed") && runs.lines().count() == 1, "{runs}");
    assert_eq!(shown(&["--list", "--not-run"]), "a::hangs\n");
    assert_eq!(shown(&["history"]), runs, "it is remembered once");
    suite.run(&["--filter", "bad"]).expect_code(1);
}

#[test]
fn runs_at_the_same_time_are_both_remembered() {
    let suite = suite();
    let children: Vec<_> = (0..4).map(|_| suite.start(&["s", "--filter", "passes"])).collect();
    for child in children {
        let output = child.wait_with_output().expect("waited for");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    assert_eq!(suite.run(&["history"]).expect_code(0).stdout.lines().count(), 4);
}

#[test]
fn what_is_broken_counts_among_the_errors_of_a_run() {
    let suite = Suite::of("broken.test.yaml", "rnu: 'true'\n").file("good.test.yaml", "run: 'true'\n").file(
        "half.test.yaml",
        "cases:\n- { name: one, run: ['no-such-program'] }\n- { name: two, after: [typo], run: 'true' }\n",
    );
    let counts = |path: &str, expected: &str| {
        suite.run(&[path]).expect_code(2);
        let shown = suite.run(&["history", "-n", "1"]).expect_code(0);
        assert!(shown.stdout.contains(&format!("  {expected}  ")), "{}", shown.stdout);
        json(&suite.run(&["history", "-n", "1", "--format", "json"]).expect_code(0))[0]["counts"].clone()
    };
    assert_eq!(counts("broken.test.yaml", "1 error"), serde_json::json!({ "error": 1 }));
    let all = serde_json::json!({ "passed": 1, "error": 3 });
    assert_eq!(counts(".", "1 passed, 3 error"), all);
    suite.run(&["history", "broken.test.yaml"]).expect_code(4);
}

#[test]
fn what_was_interrupted_says_nothing_of_how_long_a_case_takes() {
    let suite = Suite::of("a.test.yaml", "run: test -e '{{ dir }}/fast' || exec sleep 60\n");
    let stop = || suite.run(&["--timeout", "300ms"]).expect_code(1);
    stop();
    let shown = suite.run(&["history", "a::a"]).expect_code(0).stdout;
    assert!(!shown.contains("took") && shown.contains("(- not run)"), "{shown}");
    fs::write(suite.path().join("fast"), "").expect("written");
    suite.run(&[]).expect_code(0);
    let before = suite.run(&["history", "a::a"]).expect_code(0).stdout;
    fs::remove_file(suite.path().join("fast")).expect("removed");
    stop();
    let after = suite.run(&["history", "a::a"]).expect_code(0).stdout;
    let took = |shown: &str| shown.lines().find(|line| line.starts_with("took ")).map(str::to_owned);
    assert!(took(&before).is_some());
    assert_eq!(took(&before), took(&after));
}
