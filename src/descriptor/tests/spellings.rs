//! The three formats say the same, at the same places.

use std::sync::Arc;
use std::time::Duration;

use super::{Loaded, load};
use crate::model::{
    CaseInfo, ExitCodes, Late, RunCommand, StepAction, StepInput, Subject, Test, TestCase, WorkingDirectory,
};

const JSON: &str = r#"{
  "$schema": "partest.schema.json", "x-note": {"any": [1, null]},
  "vars": {"lang": "de", "deep": {"n": 3}},
  "defaults": {"tags": ["smoke"], "env": {"A": "inherited", "B": "gone"}, "timeout": "3s"},
  "cases": [
    {"name": "one – rich", "description": "ignored", "run": ["./greet", "--lang", "{{ lang }}"],
     "stdin": "Grüße\n", "env": {"N": 3, "T": true, "F": 1.5, "B": null}, "unset_env": ["TZ"],
     "inherit_env": ["HOME2"], "inputs": ["greet", "data/*.txt"], "files": {"x-in.txt": "{{ deep.n }}\n"},
     "cwd": "{{ dir }}", "slow_after": "2s", "grace": "500ms",
     "retries": {"count": 2, "delay": "1s"}, "exclusive": true, "requires": ["sh"],
     "xfail": {"reason": "known", "strict": false},
     "expect": {"exit": [0, 3], "stdout": {"contains": ["a", "b"], "not_contains": "c", "matches": "^a.$",
       "starts_with": "a", "ends_with": "z", "empty": false, "one_of": ["p", "q"], "not": {"equals": "n"},
       "json": {"x-k": [1, null, 2.5]}, "exact": true},
       "stderr": "", "files": {"out.txt": {"exists": false}}}},
    {"name": "two", "env": {"B": null}, "steps": [
      {"run": "echo {{ env.A }}", "expect": {"signal": "TERM"}, "timeout": "1s"},
      {"run": "true", "stdin": {"file": "in.txt"}, "always": true}],
     "skip": "not today", "xfail": "why", "retries": 1}
  ]
}"#;

const TOML: &str = r#"
"$schema" = "partest.schema.json"
x-note = { any = [1] }
[vars]
lang = "de"
deep.n = 3
[defaults]
tags = ["smoke"]
env = { A = "inherited" }
timeout = "3s"
[[cases]]
name = "one – rich"
description = "ignored"
run = ["./greet", "--lang", "{{ lang }}"]
stdin = "Grüße\n"
env = { N = 3, T = true, F = 1.5 }
unset_env = ["TZ"]
inherit_env = ["HOME2"]
inputs = ["greet", "data/*.txt"]
files = { "x-in.txt" = "{{ deep.n }}\n" }
cwd = "{{ dir }}"
slow_after = "2s"
grace = "500ms"
retries = { count = 2, delay = "1s" }
exclusive = true
requires = ["sh"]
xfail = { reason = "known", strict = false }
[cases.expect]
exit = [0, 3]
stderr = ""
files = { "out.txt" = { exists = false } }
[cases.expect.stdout]
contains = ["a", "b"]
not_contains = "c"
matches = "^a.$"
starts_with = "a"
ends_with = "z"
empty = false
one_of = ["p", "q"]
not = { equals = "n" }
json = { x-k = [1, "NULL", 2.5] }
exact = true
[[cases]]
name = "two"
skip = "not today"
xfail = "why"
retries = 1
[[cases.steps]]
run = "echo {{ env.A }}"
expect.signal = "TERM"
timeout = "1s"
[[cases.steps]]
run = "true"
stdin = { file = "in.txt" }
always = true
"#;

const YAML: &str = r#"
$schema: partest.schema.json
x-note: &smoke [smoke]
vars: {lang: de, deep: {n: 3}}
defaults:
  tags: *smoke
  env: {A: inherited, B: gone}
  timeout: 3s
cases:
- name: one – rich
  description: ignored
  run: [./greet, --lang, "{{ lang }}"]
  stdin: |
    Grüße
  env: {N: 3, T: true, F: 1.5, B: ~}
  unset_env: [TZ]
  inherit_env: [HOME2]
  inputs: [greet, data/*.txt]
  files: {x-in.txt: "{{ deep.n }}\n"}
  cwd: "{{ dir }}"
  slow_after: 2s
  grace: 500ms
  retries: {count: 2, delay: 1s}
  exclusive: true
  requires: [sh]
  xfail: {reason: known, strict: false}
  expect:
    exit: [0, 3]
    stdout:
      contains: [a, b]
      not_contains: c
      matches: ^a.$
      starts_with: a
      ends_with: z
      empty: false
      one_of: [p, q]
      not: {equals: n}
      json: {x-k: [1, null, 2.5]}
      exact: true
    stderr: ""
    files: {out.txt: {exists: false}}
- name: two
  env: {B: null}
  steps:
  - run: "echo {{ env.A }}"
    expect: {signal: TERM}
    timeout: 1s
  - run: "true"
    stdin: {file: in.txt}
    always: true
  skip: not today
  xfail: why
  retries: 1
"#;

/// All of a case but its places, and the hash of the text that it was read from.
fn without_places(case: &TestCase) -> String {
    let info = Arc::new(CaseInfo { definition: None, ..CaseInfo::clone(&case.info) });
    let text = format!("{:#?}", TestCase { info, ..case.clone() });
    let place = ["file:", "line:", "column:"];
    let lines = text.lines().filter(|line| !place.iter().any(|word| line.trim_start().starts_with(word)));
    lines.collect::<Vec<_>>().join("\n")
}

fn loaded(path: &str, text: &str) -> Loaded {
    let loaded = load(path, text);
    assert!(loaded.broken.is_empty(), "{:#?}", loaded.broken);
    loaded
}

#[test]
fn three_spellings_give_equal_cases() {
    let json = loaded("a/rich.test.json", JSON);
    assert_eq!(json.cases.len(), 2);
    // TOML has no null.
    let toml = loaded("a/rich.test.toml", TOML);
    for (path, other, null) in
        [("toml", toml, "String(\"NULL\")"), ("yaml", loaded("a/rich.test.yaml", YAML), "Null")]
    {
        assert_eq!(other.cases.len(), 2);
        for (a, b) in json.cases.iter().zip(&other.cases) {
            assert_eq!(without_places(a), without_places(b).replace(null, "Null"), "{path}");
        }
    }
    let crlf = loaded("a/rich.test.yaml", &YAML.replace('\n', "\r\n"));
    assert_eq!(without_places(&crlf.cases[0]), without_places(&json.cases[0]));
}

#[test]
fn every_key_arrives() {
    let Loaded { cases, .. } = loaded("a/rich.test.json", JSON);
    let [one, two] = cases.as_slice() else { panic!("two cases") };
    assert_eq!(one.info.id.as_str(), "a/rich::one – rich");
    assert_eq!(one.info.tags, ["smoke"]);
    assert_eq!(one.folder.to_str(), Some("/project/a"));
    let set: Vec<_> =
        one.environment.set.iter().map(|(name, value)| (name.as_str(), value.source())).collect();
    assert_eq!(set, [("A", "inherited"), ("F", "1.5"), ("N", "3"), ("T", "true")]);
    assert_eq!(
        (one.environment.unset.as_slice(), one.environment.inherit.as_slice()),
        (&["TZ".to_owned()][..], &["HOME2".to_owned()][..])
    );
    assert_eq!(one.time.timeout, Duration::from_secs(3));
    assert_eq!((one.retries.count, one.retries.delay), (2, Duration::from_secs(1)));
    assert!(one.resources.exclusive && matches!(one.cwd, WorkingDirectory::Beside));
    assert_eq!(one.files[0].path.to_str(), Some("x-in.txt"));
    let checks = &one.steps[0].checks;
    let subject = |subject: &Subject| checks.iter().filter(|check| check.subject == *subject).count();
    assert_eq!((subject(&Subject::Exit), subject(&Subject::Stdout), subject(&Subject::Stderr)), (1, 10, 1));
    assert!(
        matches!(&checks[0].matcher.test, Test::Exit(Late::Known(ExitCodes::OneOf(codes))) if codes == &[0, 3])
    );
    assert!(checks.iter().any(
        |check| matches!(&check.matcher.test, Test::Json { value, exact: true } if value["x-k"][1].is_null())
    ));
    let [first, second] = two.steps.as_slice() else { panic!("two steps") };
    assert!(matches!(first.checks[0].matcher.test, Test::Signal(Late::Known(15))));
    assert_eq!(first.timeout, Some(Duration::from_secs(1).into()));
    assert!(second.always);
    let StepAction::Run(run) = &second.action else { panic!("no process") };
    assert!(matches!(&run.command, RunCommand::Shell(script) if script.source() == "true"));
    assert!(matches!(&run.stdin, StepInput::File { path, .. } if path.source() == "in.txt"));
    assert!(two.expected_failure.as_ref().is_some_and(|xfail| xfail.strict));
    assert_eq!(two.skip.as_deref(), Some("not today"));
}

#[test]
fn a_single_case_is_named_by_its_file_and_must_exit_with_0() {
    let Loaded { cases, .. } = loaded("a/b/hello.test.yaml", "run: ['true']\n");
    assert_eq!(cases[0].info.id.as_str(), "a/b/hello::hello");
    assert!(
        matches!(&cases[0].steps[0].checks[0].matcher.test, Test::Exit(Late::Known(ExitCodes::OneOf(codes))) if codes == &[0])
    );
    let position = &cases[0].steps[0].checks[0].matcher.position;
    assert_eq!((position.line, position.column), (1, 1));
}

#[test]
fn yaml_words_are_strings() {
    let Loaded { cases, .. } = loaded("a.test.yaml", "run: [no, on, y, 'true']\n");
    let StepAction::Run(run) = &cases[0].steps[0].action else { panic!("no process") };
    let RunCommand::Program(arguments) = &run.command else { panic!("a program") };
    assert_eq!(
        arguments.iter().map(crate::text::Template::source).collect::<Vec<_>>(),
        ["no", "on", "y", "true"]
    );
}

/// The variables that the first case sets.
fn set(path: &str, text: &str) -> String {
    let Loaded { cases, .. } = loaded(path, text);
    let set = cases[0].environment.set.iter().map(|(name, value)| format!("{name}={}", value.source()));
    set.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_number_that_is_a_text_is_as_it_is_written() {
    let json = r#"{"run": "true", "vars": {"v": 1.10}, "env": {"A": 1.10, "B": -1.0, "C": 1e3, "D": 7, "E": "{{ v }}", "F": "1.0"}}"#;
    assert_eq!(set("a.test.json", json), "A=1.10 B=-1.0 C=1e3 D=7 E=1.1 F=1.0");
    let toml = "run = 'true'\n[env]\nA = 1.10\nB = -1.0 # one\nC = +1e3\nD = 0x1F\nE = 1_000\nF = 1_000.50\n";
    assert_eq!(set("a.test.toml", toml), "A=1.10 B=-1.0 C=+1e3 D=0x1F E=1000 F=1000.50");
    let yaml = "run: 'true'\nenv:\n  A: &a 1.10 # one\n  B: *a\n  C: 0x1F\n  D: +5\n  E: 1.0\n";
    assert_eq!(set("a.test.yaml", yaml), "A=1.10 B=1.10 C=0x1F D=+5 E=1.0");
    let merged = "x-a: &x {A: &a 1.10}\nx-b: &y {B: *a}\nrun: 'true'\nenv: {<<: [*x, *y], C: 2.0}\n";
    assert_eq!(set("a.test.yaml", merged), "A=1.10 B=1.10 C=2.0");
    let inherited = "defaults: {env: {A: 1.10}}\ncases:\n- {name: a, run: 'true'}\n";
    assert_eq!(set("a.test.yaml", inherited), "A=1.10");
}

#[test]
fn yaml_has_the_numbers_of_its_version_1_2() {
    let yaml = "run: 'true'\nvars: {v: &v 1_2, w: *v, x: 2024_01, y: 0b11, z: 12}\nenv:\n  A: '{{ v }} {{ w }} {{ x }} {{ y }} {{ z + 1 }}'\n";
    assert_eq!(set("a.test.yaml", yaml), "A=1_2 1_2 2024_01 0b11 13");
    let yaml = "run: 'true'\nvars: {a: 0B11, b: 0O17, c: 0X1F, d: -0x1F, e: +0o17, f: 0x1F, g: 0o17, h: -12}\nenv:\n  A: '{{ a }} {{ b }} {{ c }} {{ d }} {{ e }} {{ f }} {{ g }} {{ h }}'\n";
    assert_eq!(set("a.test.yaml", yaml), "A=0B11 0O17 0X1F -0x1F +0o17 31 15 -12");
}

#[test]
fn one_mistake_has_one_place_in_every_format() {
    // The unknown key, the number and the broken template stand at line 3 in each; columns count characters.
    for (path, text, column) in [
        ("a.test.json", "{\n  \"name\": \"ü\", \"run\": [\n \"ü\", \"{{ nope }}\"]}", 8),
        ("a.test.toml", "name = \"ü\"\nrun = [\n \"ü\", \"{{ nope }}\"]", 8),
        ("a.test.yaml", "name: ü\nrun: [\n \"ü\", \"{{ nope }}\"]", 8),
        ("a.test.json", "\u{FEFF}{\"name\": \"ü\",\r\n\"run\":\r\n \"{{ nope }}\"}", 3),
        ("a.test.toml", "\u{FEFF}name = \"ü\"\r\n\r\nrun =\"{{ nope }}\"", 7),
        ("a.test.yaml", "\u{FEFF}name: ü\r\nrun:\r\n  \"{{ nope }}\"\r\n", 4),
    ] {
        let found = super::diagnostics(path, text);
        let [diagnostic] = found.as_slice() else { panic!("one mistake in {path}: {found:#?}") };
        assert_eq!(diagnostic.message, "unknown variable `nope`");
        assert_eq!((diagnostic.position.line, diagnostic.position.column), (3, column), "{path}");
    }
}

#[test]
fn whole_numbers_go_up_to_64_bits_without_a_sign() {
    use crate::descriptor::{Format, Sources, read_tree};
    let tree = |format, text: &str| {
        let read = read_tree(&"a".into(), text.as_bytes(), format, &Sources::default());
        read.map(|(_, node)| node.to_json()).map_err(|problem| problem.rendered)
    };
    let largest = serde_json::json!({ "a": [u64::MAX, i64::MIN, 9_223_372_036_854_775_808_u64] });
    let text = r#"{"a": [18446744073709551615, -9223372036854775808, 9223372036854775808]}"#;
    assert_eq!(tree(Format::Json, text), Ok(largest.clone()));
    assert_eq!(tree(Format::Yaml, text), Ok(largest));
    for (format, text, help) in [
        (
            Format::Json,
            "{\n\"a\": 18446744073709551616}",
            "they go from -9223372036854775808 to 18446744073709551615",
        ),
        (Format::Json, "{\n\"a\": -9223372036854775809}", "put it in quotes"),
        (Format::Yaml, "#\na: 18446744073709551616", "they go from"),
        (Format::Yaml, "#\na: -9223372036854775809", "they go from"),
        (Format::Toml, "#\na = 9223372036854775808", "TOML has no whole numbers above 9223372036854775807"),
    ] {
        let rendered = tree(format, text).expect_err("too large");
        assert!(rendered.contains(help) && rendered.contains("a:2:"), "{rendered}");
    }
}
