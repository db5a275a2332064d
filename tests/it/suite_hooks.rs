//! `setup` and `teardown` of suite files.

use std::fs;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Suite, send};

/// What was noted, in order.
fn notes(suite: &Suite) -> Vec<String> {
    let text = fs::read_to_string(suite.path().join("notes")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A step that notes a word.
fn note(word: &str, up: &str) -> String {
    format!(r#"{{ "run": "echo {word} >> '{{{{ dir }}}}/{up}notes'" }}"#)
}

fn suite_file(name: &str, up: &str) -> String {
    let [before, after] = ["setup", "teardown"].map(|word| note(&format!("{name}-{word}"), up));
    format!(r#"{{ "setup": [{before}], "teardown": [{after}] }}"#)
}

fn case(name: &str, up: &str) -> String {
    format!(r#"{{ "name": "{name}", "steps": [{}] }}"#, note(name, up))
}

#[test]
fn they_surround_the_cases_of_their_folder_and_those_below() {
    let suite = Suite::new()
        .file("suite.json", suite_file("outer", ""))
        .file("a.test.json", format!(r#"{{ "cases": [{}, {}] }}"#, case("one", ""), case("two", "")))
        .file("deep/suite.json", suite_file("inner", "../"))
        .file("deep/b.test.json", case("three", "../"))
        .file("other/c.test.json", case("four", "../"));
    let run = suite.run(&["-j", "4"]).expect_code(0);
    let notes = notes(&suite);
    assert_eq!(notes.len(), 8, "{notes:?}");
    let place = |word: &str| notes.iter().position(|note| note == word).expect(word);
    assert_eq!((place("outer-setup"), place("outer-teardown")), (0, 7));
    assert!(place("inner-setup") < place("three") && place("three") < place("inner-teardown"), "{notes:?}");
    assert_eq!(run.report().tests, 8, "each is an entry of its own");
    assert!(run.stdout.contains("deep/suite.json::setup"), "{}", run.stdout);
}

#[test]
fn only_those_of_what_is_selected_are_carried_out() {
    let suite = Suite::new()
        .file("a/suite.json", suite_file("a", "../"))
        .file("a/a.test.json", case("one", "../"))
        .file("b/suite.json", suite_file("b", "../"))
        .file("b/b.test.json", case("two", "../"));
    suite.run(&["--filter", "two"]).expect_code(0);
    assert_eq!(notes(&suite), ["b-setup", "two", "b-teardown"]);
    let list = suite.run(&["--list"]).expect_code(0);
    assert!(!list.stdout.contains("setup"), "{}", list.stdout);
}

#[test]
fn without_its_setup_no_case_runs_and_the_teardown_does() {
    let suite = Suite::new()
        .file("a/suite.json", r#"{ "setup": [{ "run": "echo broken >&2; exit 3" }], "teardown": { "run": "touch '{{ dir }}/torn'" } }"#)
        .file("a/a.test.json", r#"{ "run": "touch '{{ dir }}/ran'" }"#)
        .file("a/deep/suite.json", r#"{ "setup": [{ "run": "touch '{{ dir }}/ran'" }], "teardown": [{ "run": "touch '{{ dir }}/ran'" }] }"#)
        .file("a/deep/b.test.json", r#"{ "name": "deep", "run": "touch '{{ dir }}/ran'" }"#)
        .file("b/c.test.json", r#"{ "name": "other", "run": "true" }"#);
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("other").0, "passed");
    for name in ["a", "deep"] {
        let reason = "the setup \"a/suite.json::setup\" did not pass".to_owned();
        assert_eq!(run.verdict(name), ("error", reason), "{}", run.stdout);
    }
    assert!(run.stdout.contains("| broken"), "{}", run.stdout);
    assert!(suite.path().join("a/torn").exists());
    assert!(!suite.path().join("a/ran").exists() && !suite.path().join("a/deep/ran").exists());
    assert_eq!(run.report().tests, 7);
}

#[test]
fn a_teardown_that_fails_fails_the_run() {
    let suite = Suite::new()
        .file("suite.json", r#"{ "teardown": [{ "run": "exit 4" }] }"#)
        .file("a.test.json", r#"{ "run": "true" }"#);
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("a").0, "passed");
    assert_eq!(run.verdict("teardown").0, "failure");
    assert!(!run.stdout.contains("--exact suite.json::teardown"), "it cannot be run alone: {}", run.stdout);
}

#[test]
fn a_setup_may_use_a_service_and_others_start_after_it() {
    let suite = Suite::new()
        .file(
            "suite.toml",
            r#"setup = { services = ["db"], run = "echo {{ services.db.port }} > '{{ dir }}/seeded'" }
teardown = { services = ["db"], run = "test -n '{{ services.db.port }}'" }
services.db.run = "test ! -e '{{ dir }}/seeded'; echo ready; exec sleep 600"
services.db.ready.log = "ready"
services.api.run = "test -e '{{ dir }}/seeded'; echo ready; exec sleep 600"
services.api.ready.log = "ready""#,
        )
        .file("a.test.json", r#"{ "services": ["api", "db"], "run": "test $(cat '{{ dir }}/seeded') = {{ services.db.port }}" }"#);
    suite.run(&[]).expect_code(0);
}

#[test]
fn a_teardown_has_its_services_although_the_setup_before_them_has_not_passed() {
    let service = |name: &str| {
        format!(
            "services.{name}.run = \"touch '{{{{ dir }}}}/{name}'; echo ready; exec sleep 600\"\n\
             services.{name}.ready.log = \"ready\"\n"
        )
    };
    let teardown = "teardown = { services = [\"db\"], run = \"test -n '{{ services.db.port }}'\" }\n";
    // The inner setup fails itself, or since the outer one does, which may be since its service does.
    for (outer, inner) in [
        ("", "setup = [{ run = \"exit 3\" }]\n"),
        ("setup = [{ run = \"exit 3\" }]\n", "setup = [{ run = \"true\" }]\n"),
        (
            "setup = { services = [\"broken\"], run = \"true\" }\n\
             services.broken.run = \"exit 3\"\nservices.broken.ready.log = \"ready\"\n",
            "setup = [{ run = \"true\" }]\n",
        ),
    ] {
        let suite = Suite::new()
            .file("s/suite.toml", format!("{outer}{}", teardown.replace("db", "outer") + &service("outer")))
            .file("s/t/suite.toml", format!("{inner}{teardown}{}{}", service("db"), service("api")))
            .file("s/t/a.test.json", r#"{ "services": ["api"], "run": "true" }"#);
        let run = suite.run(&[]).expect_code(1);
        assert!(!run.stdout.contains("internal error"), "{}", run.stdout);
        let is_there = |name: &str| suite.path().join(name).exists();
        // What has not begun is not torn down, and a service that only cases need is not started without them.
        let expected = [!outer.contains("broken"), outer.is_empty(), false];
        assert_eq!(["s/outer", "s/t/db", "s/t/api"].map(is_there), expected, "{}", run.stdout);
    }
}

#[test]
fn they_take_what_surrounds_them_from_defaults_but_not_what_is_expected() {
    let suite = Suite::new()
        .file(
            "suite.json",
            r#"{ "defaults": { "env": { "A": "b" }, "expect": { "exit": 3 }, "retries": 2, "tags": ["x"] }, "vars": { "v": 1 },
                 "setup": [{ "run": "test ${A}{{ v }} = b1" }] }"#,
        )
        .file("a.test.json", r#"{ "run": "exit 3" }"#);
    suite.run(&[]).expect_code(0);
}

#[test]
fn mistakes_have_a_place() {
    for (file, message) in [
        (r#"{ "setup": "x" }"#, "expected a list of steps, found a string"),
        (r#"{ "setup": [] }"#, "`steps` is empty"),
        (r#"{ "setup": { "name": "a", "run": "b" } }"#, "`name` cannot stand in `setup`"),
        (r#"{ "teardown": [{ "rum": "a" }] }"#, "unknown key `rum`"),
        (r#"{ "setup": [{ "run": "{{ nothing }}" }] }"#, "unknown variable `nothing`"),
        (r#"{ "setup": { "services": ["a"], "run": "b" } }"#, "unknown service `a`"),
    ] {
        let suite = Suite::new().file("suite.json", file).file("a.test.json", r#"{ "run": "true" }"#);
        let run = suite.run(&["check"]).expect_code(2);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(message) && said.contains("suite.json:1:"), "{file}\n{said}");
    }
}

/// A case that waits, with a teardown behind it.
fn waiting(teardown: &str) -> (Suite, Child) {
    let suite = Suite::new()
        .file(
            "suite.json",
            format!(r#"{{ "setup": [{{ "run": "true" }}], "teardown": [{{ "run": "{teardown}" }}] }}"#),
        )
        .file(
            "a.test.json",
            r#"{ "cases": [{ "name": "waits", "run": "touch '{{ dir }}/runs'; sleep 605", "grace": "300ms" },
                           { "name": "never begins", "run": "true" }] }"#,
        )
        .file(
            "z/suite.json",
            r#"{ "setup": [{ "run": "true" }], "teardown": [{ "run": "touch '{{ dir }}/torn'" }] }"#,
        )
        .file("z/z.test.json", r#"{ "run": "true" }"#);
    let child = suite.start(&["-j", "1"]);
    let begin = Instant::now();
    while !suite.path().join("runs").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not start");
        thread::sleep(Duration::from_millis(10));
    }
    (suite, child)
}

#[test]
fn what_has_begun_is_torn_down_when_the_run_is_interrupted() {
    let (suite, child) = waiting("touch '{{ dir }}/torn'");
    send(&child, Signal::INT);
    let run = suite.finish(child).expect_code(130);
    assert!(suite.path().join("torn").exists());
    assert!(!suite.path().join("z/torn").exists(), "nothing of that folder had begun");
    assert_eq!(run.report().tests, 7, "{}", run.stdout);
    assert!(run.verdict("waits").1.contains("interrupted"));
}

#[test]
fn a_second_signal_ends_a_teardown_too() {
    let (suite, child) = waiting("touch '{{ dir }}/torn'; sleep 606");
    send(&child, Signal::INT);
    let begin = Instant::now();
    while !suite.path().join("torn").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "the teardown does not start");
        thread::sleep(Duration::from_millis(10));
    }
    send(&child, Signal::INT);
    let begin = Instant::now();
    suite.finish(child).expect_code(130);
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
}

#[test]
fn what_a_setup_captures_is_known_to_the_cases_and_the_teardown() {
    let suite = Suite::new()
        .file(
            "suite.toml",
            r#"setup = [{ run = "echo 4711", capture = { id = { line = 1 } } }]
teardown = [{ run = "test {{ id }} = 4711" }]"#,
        )
        .file("a.test.json", r#"{ "env": { "ID": "{{ id }}" }, "run": "echo $ID {{ id }}", "expect": { "stdout": "4711 4711\n" } }"#)
        .file(
            "deep/suite.toml",
            r#"setup = [{ run = "echo {{ id }}-{{ word }}", capture = { both = "stdout" } }]
vars.word = "deep""#,
        )
        .file("deep/b.test.json", r#"{ "run": ["echo", "{{ id }}", "{{ both }}"], "expect": { "stdout": "4711 4711-deep\n" } }"#);
    suite.run(&[]).expect_code(0);
    let wrong = suite
        .file("a.test.json", r#"{ "run": "echo {{ ids }}" }"#)
        .file("c.test.json", r#"{ "run": "true", "timeout": "{{ id }}" }"#);
    let run = wrong.run(&["check"]).expect_code(2);
    assert!(run.stdout.contains("did you mean `id`?"), "{}", run.stdout);
    assert!(run.stdout.contains("c.test.json"), "{}", run.stdout);
}
