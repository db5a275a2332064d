//! Outer suite, inner suite, the file's defaults, the case: the nearest wins, key by key.

use super::{load_below, suite};
use crate::descriptor::Defaults;
use crate::model::{RunCommand, StepAction, Subject};
use std::time::Duration;

fn two_suites() -> Defaults {
    let outer = suite(
        "suite.toml",
        "[vars]\na = 1\nb = 1\nc = 1\n[defaults]\ntimeout = \"1s\"\ntags = [\"outer\"]\nenv = { A = \"outer\", B = \"outer\", C = \"outer\" }\nexpect = { stderr = \"\", stdout = { json = { x = 1, y = 2 } } }",
        &Defaults::default(),
    )
    .expect("valid");
    suite(
        "in/suite.yaml",
        "vars: {b: 2, c: ~}\ndefaults: {tags: [inner], env: {B: inner, C: ~}, grace: 7s, run: [tool]}",
        &outer,
    )
    .expect("valid")
}

#[test]
fn the_nearest_wins_key_by_key() {
    let text = r#"{"defaults": {"env": {"D": "file"}, "timeout": "2s"}, "vars": {"d": 4}, "cases": [
        {"name": "as inherited"},
        {"name": "own", "run": ["own"], "env": {"A": null, "D": "case"}, "timeout": null, "tags": [],
         "expect": {"stderr": null, "stdout": {"json": {"y": null}}}, "vars": {"a": 9}},
        {"name": "steps", "steps": [{"stdin": "x"}, {"run": "sh", "expect": {"exit": 3}}]}]}"#;
    let loaded = load_below("in/x.test.json", text, &two_suites());
    assert!(loaded.broken.is_empty(), "{:#?}", loaded.broken);
    let env = |index: usize| {
        let set = &loaded.cases[index].environment.set;
        set.iter().map(|(name, value)| format!("{name}={}", value.source())).collect::<Vec<_>>().join(" ")
    };
    let [inherited, own, steps] = loaded.cases.as_slice() else { panic!("three cases") };
    assert_eq!((env(0), env(1)), ("A=outer B=inner D=file".to_owned(), "B=inner D=case".to_owned()));
    assert_eq!(
        (inherited.time.timeout, inherited.time.grace),
        (Duration::from_secs(2), Duration::from_secs(7))
    );
    assert_eq!(own.time.timeout, Duration::from_secs(60), "null removes what is inherited");
    assert_eq!((inherited.info.tags.as_slice(), own.info.tags.len()), (&["inner".to_owned()][..], 0));
    let variables =
        |index: usize| serde_json::to_string(loaded.cases[index].variables.as_ref()).expect("plain");
    assert_eq!(
        (variables(0).as_str(), variables(1).as_str()),
        (r#"{"a":1,"b":2,"d":4}"#, r#"{"a":9,"b":2,"d":4}"#)
    );
    let checks = |index: usize, step: usize| {
        let checks = &loaded.cases[index].steps[step].checks;
        checks.iter().map(|check| format!("{:?}", check.matcher.test)).collect::<Vec<_>>()
    };
    assert_eq!(checks(0, 0).len(), 3);
    // `json` is taken whole, with its null.
    assert_eq!(checks(1, 0)[1], "Json { value: Object {\"y\": Null}, exact: false }");
    assert_eq!(checks(1, 0).len(), 2);
    assert_eq!((checks(2, 0).len(), checks(2, 1).len()), (3, 3), "steps inherit what is expected");
    let StepAction::Run(run) = &steps.steps[0].action else { panic!("no process") };
    assert!(matches!(&run.command, RunCommand::Program(words) if words[0].source() == "tool"));
}

#[test]
fn inherited_mistakes_point_to_where_they_stand() {
    let outer = suite("suite.yaml", "defaults:\n  expect:\n    stdout: '{{ nope }}'\n", &Defaults::default());
    let loaded = load_below("x.test.yaml", "run: a\ninputs: ['../..']", &outer.expect("read"));
    let places: Vec<_> =
        loaded.broken[0].diagnostics.iter().map(|found| found.position.to_string()).collect();
    assert_eq!(places, ["suite.yaml:3:14", "x.test.yaml:2:10"]);
    assert!(loaded.broken[0].diagnostics[0].rendered.contains("3 |     stdout: '{{ nope }}'"));
}

#[test]
fn positions_of_inherited_checks_are_in_the_suite_file() {
    let loaded = load_below("in/x.test.yaml", "run: a", &two_suites());
    let stderr = loaded.cases[0].steps[0].checks.iter().find(|check| check.subject == Subject::Stderr);
    assert_eq!(stderr.expect("inherited").matcher.position.to_string(), "suite.toml:9:21");
}

#[test]
fn suite_files_are_checked_themselves() {
    for (text, message) in [
        ("defualts: {}", "unknown key `defualts`"),
        ("network: none", "not supported"),
        ("defaults: {isolation: sandbox}", "not supported"),
        ("defaults: {name: a}", "`name` cannot be a default"),
        ("defaults: {timeout: 5}", "needs a unit"),
        ("defaults: {tmeout: 5s}", "unknown key `tmeout`"),
        ("defaults: {expect: {stdout: {matches: '('}}}", "not a regular expression"),
        ("defaults: {env: {A: '{{ b'}}", "the template is broken"),
        ("defaults: {tags: ['']}", "is not a tag"),
        ("defaults: []", "expected an object"),
        ("vars: {a b: 1}", "no name for a variable"),
        ("- a", "expected an object"),
    ] {
        let found = suite("suite.yaml", text, &Defaults::default()).expect_err(text);
        assert!(found[0].message.contains(message), "{text}: {}", found[0].message);
    }
}
