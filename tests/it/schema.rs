//! The JSON Schema: never stale, and judged by a validator that is not ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::source::package;
use crate::support::Suite;

#[test]
fn the_schemas_in_docs_are_those_of_the_command() {
    for (arguments, file) in [
        (&["schema"][..], "docs/partest.schema.json"),
        (&["schema", "--suite"], "docs/suite.schema.json"),
        (&["schema", "--config"], "docs/config.schema.json"),
    ] {
        let current = Suite::new().run(arguments).expect_code(0).stdout;
        let kept = fs::read_to_string(package().join(file)).unwrap_or_default();
        let command = arguments.join(" ");
        assert!(kept == current, "{file} is stale: cargo run -- {command} > {file}");
    }
}

/// The verdicts of PyPI's jsonschema: the path and `good`, or what is bad.
fn verdicts(schema: &str, files: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let output = Command::new(package().join("target/jsonschema/bin/python"))
        .arg(package().join("tests/it/validate.py"))
        .arg(package().join(schema))
        .args(files)
        .output()
        .expect("./tests/run installs the validator");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let verdict = |line: &str| {
        let (path, verdict) = line.split_once('\t').expect("a tab");
        (PathBuf::from(path), verdict.to_owned())
    };
    text.lines().map(verdict).collect()
}

/// The files below a folder whose names `wanted` accepts.
fn files(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files(&path, wanted));
        } else if path.file_name().and_then(|name| name.to_str()).is_some_and(wanted) {
            found.push(path);
        }
    }
    found
}

#[test]
#[ignore = "needs python3 and jsonschema: ./tests/run"]
fn another_validator_accepts_every_sample_suite() {
    let samples = package().join("sample-suites");
    let descriptors = files(&samples, &|name| name.contains(".test."));
    let suites = files(&samples, &|name| name.starts_with("suite."));
    assert!(descriptors.len() > 15 && suites.len() > 1, "{} and {}", descriptors.len(), suites.len());
    let mut judged = verdicts("docs/partest.schema.json", &descriptors);
    judged.extend(verdicts("docs/suite.schema.json", &suites));
    assert_eq!(judged.len(), descriptors.len() + suites.len());
    let bad: Vec<_> = judged.iter().filter(|(_, verdict)| verdict != "good").collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Descriptors that are wrong, each in one way.
const BAD: [&str; 39] = [
    r#"{ "run": ["a"], "expcet": {} }"#,
    r#"{ "run": 5 }"#,
    r#"{ "run": [] }"#,
    r#"{ "run": ["a", 5] }"#,
    r#"{ "run": "a", "timeout": 5 }"#,
    r#"{ "run": "a", "timeout": "5 sec" }"#,
    r#"{ "run": "a", "timeout": "0s" }"#,
    r#"{ "sleep": "0.0m0s" }"#,
    r#"{ "run": "a", "expect": { "stdout": [{}] } }"#,
    r#"{ "run": "a", "expect": { "stdout": { "one_of": ["a", {}] } } }"#,
    r#"{ "run": "a", "expect": { "stdout": { "jsonpath": { "$.a": {} } } } }"#,
    r#"{ "http": "http://h", "expect": { "jsonpath": { "$.a": {} } } }"#,
    r#"{ "run": "a", "retries": -1 }"#,
    r#"{ "run": "a", "retries": { "delay": "1s" } }"#,
    r#"{ "run": "a", "skip": true }"#,
    r#"{ "run": "a", "xfail": { "strict": false } }"#,
    r#"{ "run": "a", "env": ["A=b"] }"#,
    r#"{ "run": "a", "stdin": { "fiel": "x" } }"#,
    r#"{ "run": "a", "tags": "smoke" }"#,
    r#"{ "run": "a", "expect": { "exit": 256 } }"#,
    r#"{ "run": "a", "expect": { "exit": "zero" } }"#,
    r#"{ "run": "a", "expect": { "signal": "SIGTREM" } }"#,
    r#"{ "run": "a", "expect": { "stdout": { "contain": "x" } } }"#,
    r#"{ "run": "a", "expect": { "stdout": { "contains": [] } } }"#,
    r#"{ "run": "a", "expect": { "stdout": 5 } }"#,
    r#"{ "steps": [{ "run": "a", "name": "no" }] }"#,
    r#"{ "run": "a", "matrix": { "a": [] } }"#,
    r#"{ "run": "a", "rows": { "columns": ["a"] } }"#,
    r#"{ "run": "a", "only_if": { "oss": "linux" } }"#,
    r#"{ "run": "a", "vars": "{{ a }}" }"#,
    r#"{ "run": "a", "weight": 0 }"#,
    r#"{ "run": "a", "name": "" }"#,
    r#"{ "run": "a", "expect": { "stdout": { "one_of": [] } } }"#,
    r#"{ "steps": [] }"#,
    r#"{ "cases": [] }"#,
    r#"{ "cases": 3 }"#,
    r#"{ "cases": [{ "run": "a" }] }"#,
    r#"{ "cases": [{ "name": "a", "run": "a" }], "timeout": "5s" }"#,
    r#"{ "cases": [{ "name": "a", "run": "a" }], "defaults": { "name": "b" } }"#,
];

#[test]
#[ignore = "needs python3 and jsonschema: ./tests/run"]
fn another_validator_refuses_what_partest_refuses() {
    let write = |suite: Suite, (number, text): (usize, &&str)| {
        suite.file(&format!("{number:02}.test.json"), text.as_bytes())
    };
    let suite = BAD.iter().enumerate().fold(Suite::new(), write);
    let files = files(suite.path(), &|name| name.ends_with(".json"));
    for (path, verdict) in verdicts("docs/partest.schema.json", &files) {
        let text = fs::read_to_string(&path).expect("readable");
        assert!(verdict.starts_with("bad: "), "the schema accepts {text}");
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        assert_eq!(suite.run(&["check", &name]).code, 2, "partest accepts {text}");
    }
}

#[test]
#[ignore = "needs python3 and jsonschema: ./tests/run"]
fn another_validator_agrees_about_settings() {
    let good = "[profile.default]\npaths = ['a', 'b']\njobs = 2\ncolor = 'never'\ntimeout = '5s'\nretries = 1\n[profile.ci]\ninherits = 'default'\njunit = 'x.xml'\nverbosity = 'quiet'\nretries = { count = 2, delay = '1s' }\npaths = 'a'\nx-note = 1\n";
    let bad = [
        "[profile.ci]\njbos = 2\n",
        "[profile.ci]\njobs = 0\n",
        "[profile.ci]\ncolor = 'blue'\n",
        "[profile.ci]\ntimeout = 5\n",
        "[profile.ci]\npaths = []\n",
        "jobs = 2\n",
        "profile = 2\n",
    ];
    for (text, code) in bad.into_iter().map(|text| (text, 2)).chain([(good, 0)]) {
        let suite = Suite::of("partest.toml", text);
        suite.run(&["config"]).expect_code(code);
        let judged = verdicts("docs/config.schema.json", &[suite.path().join("partest.toml")]);
        assert_eq!(judged[0].1 == "good", code == 0, "{text}: {judged:?}");
    }
}

/// Descriptors with expressions, or many cases, where other values stand elsewhere.
const GOOD: [&str; 14] = [
    r#"{ "run": "a", "expect": { "stdout": { "lines": [] }, "stderr": { "unordered": [] } } }"#,
    r#"{ "steps": [{ "run": "a", "capture": { "n": "stdout" } }, { "run": "b", "timeout": "{{ n }}", "until": { "for": "{{ n }}s" }, "expect": { "exit": ["{{ n }}", 1], "signal": null, "stdout": { "number": { "equals": "{{ n }}", "tolerance": "{{ n }}" }, "bytes": { "hex": "00", "at": "{{ n }}" }, "jsonpath": { "$[{{ n }}]": { "empty": "{{ n }}" } } } }, "capture": { "x": { "line": "{{ n }}" } } }] }"#,
    r#"{ "steps": [{ "sleep": "1s0ms" }, { "sql": { "url": "sqlite:a", "query": "b", "busy_timeout": "0s", "transaction": "{{ attempt }}" }, "expect": { "rows": "{{ attempt }}", "rows_affected": "{{ attempt }}" } }] }"#,
    r#"{ "cases": [{ "name": "a", "run": "a", "expect": { "stdout": {} } }, { "name": "b", "run": "a", "expect": { "stdout": { "number": { "tolerance": 1 } } } }], "defaults": { "expect": { "stdout": { "number": { "equals": 1 } } } } }"#,
    r#"{ "http": { "url": "http://h", "method": "{{ env.M }}", "follow": "{{ attempt }}", "timeouts": { "connect": "{{ attempt }}s" }, "tls": { "insecure": "{{ env.M }}" } }, "env": { "M": "GET" }, "expect": { "status": ["{{ attempt }}00", "2xx"], "duration": { "max": "{{ attempt }}s" } } }"#,
    r#"{ "vars": { "n": 1, "l": ["a"], "t": true, "d": "1s" }, "run": "{{ l }}", "retries": "{{ n }}", "timeout": "{{ d }}", "exclusive": "{{ t }}", "tags": "{{ l }}" }"#,
    r#"{ "vars": { "n": 1 }, "run": "a", "retries": { "count": "{{ n }}", "delay": "{{ n }}s" }, "expect": { "exit": ["{{ n }}", 2], "stdout": { "number": { "min": "{{ n }}" }, "empty": "{{ n == 2 }}" } } }"#,
    r#"{ "vars": { "s": "TERM", "e": {} }, "run": "a", "env": "{{ e }}", "expect": { "signal": "{{ s }}", "files": { "x": { "exists": "{{ s == 'x' }}" } } } }"#,
    r#"{ "vars": { "o": "stderr", "n": 2 }, "run": "a", "capture": { "x": "{{ o }}", "y": { "line": "{{ n }}", "from": "{{ o }}" } }, "until": { "for": "{{ n }}s" } }"#,
    r#"{ "vars": { "k": "run" }, "{{ k }}": "a" }"#,
    r#"{ "run": "a", "skip": "{{ false }}", "xfail": "{{ false }}", "only_if": [{ "os": "linux", "env": { "A": true } }, { "arch": ["arm"] }] }"#,
    r#"{ "vars": { "l": [1, 2] }, "run": "a", "matrix": { "a": "{{ l }}", "b": [1, "x", { "k": [] }], "exclude": [{ "a": 1 }], "include": [{ "a": 3, "b": null }] } }"#,
    r#"{ "run": "a", "rows": [{ "name": "x", "v": { "k": 1 } }] }"#,
    r#"{ "cases": [{ "name": "a", "run": "a", "rows": { "columns": ["x"], "rows": [[1], [null]] } }, { "name": "b", "vars": { "n": 1 } }], "defaults": { "run": "a", "retries": "{{ n }}", "foreach": "*.json" }, "vars": { "n": 2 } }"#,
];

#[test]
#[ignore = "needs python3 and jsonschema: ./tests/run"]
fn another_validator_accepts_what_partest_accepts() {
    let write = |suite: Suite, (number, text): (usize, &&str)| {
        suite.file(&format!("{number:02}.test.json"), text.as_bytes())
    };
    let suite = GOOD.iter().enumerate().fold(Suite::new(), write);
    let files = files(suite.path(), &|name| name.ends_with(".json"));
    assert_eq!(files.len(), GOOD.len());
    suite.run(&["check"]).expect_code(0);
    for (path, verdict) in verdicts("docs/partest.schema.json", &files) {
        let text = fs::read_to_string(&path).expect("readable");
        assert_eq!(verdict, "good", "{text}");
    }
}
