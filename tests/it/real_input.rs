//! Input that nobody wrote for partest: a specification's examples and a crate's own tests. Each verdict is compared
//! with that of a plain loop over the same commands.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::source::package;
use crate::support::{Run, Suite, filter_through};

/// The examples of the CommonMark specification, in the format that its `spec.txt` describes: Markdown and HTML
/// between fences of 32 backticks, parted by a line with a dot, tabs written as arrows.
fn commonmark_examples() -> Vec<(String, String)> {
    let path = package().join("target/commonmark/node_modules/commonmark-spec/spec.txt");
    let text = fs::read_to_string(path).expect("./tests/run installs the specification");
    let fence = "`".repeat(32);
    let mut examples = Vec::new();
    for block in text.split(&format!("\n{fence} example\n")).skip(1) {
        let block = block.split(&format!("\n{fence}\n")).next().expect("split gives one").replace('→', "\t");
        let (markdown, html) = block.split_once("\n.").expect("a dot between Markdown and HTML");
        let end = |text: &str| if text.is_empty() { String::new() } else { format!("{text}\n") };
        examples.push((end(markdown), end(html.strip_prefix('\n').unwrap_or_default())));
    }
    examples
}

/// Braces that are no template.
fn literally(text: &str) -> String {
    text.replace("{{", "{{ '{{' }}")
}

fn passed(run: &Run) -> BTreeMap<String, bool> {
    let report = run.report();
    let cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    let success =
        |case: &quick_junit::TestCase| matches!(case.status, quick_junit::TestCaseStatus::Success { .. });
    cases.map(|case| (case.name.to_string(), success(case))).collect()
}

#[test]
#[ignore = "needs cmark and the CommonMark specification: ./tests/run"]
fn the_examples_of_commonmark_have_the_verdicts_of_a_plain_loop() {
    let examples = commonmark_examples();
    assert!(examples.len() > 640, "only {} examples", examples.len());
    let case = |(number, (markdown, html)): (usize, &(String, String))| {
        json!({
            "name": format!("example {}", number + 1), "run": ["cmark", "--unsafe"],
            "stdin": literally(markdown), "expect": { "stdout": literally(html) },
        })
    };
    let cases: Vec<Value> = examples.iter().enumerate().map(case).collect();
    let suite = Suite::of("commonmark.test.json", &json!({ "cases": cases }).to_string());
    let run = suite.run(&["-j", "4"]);
    let found = passed(&run);
    let expected: BTreeMap<String, bool> = examples
        .iter()
        .enumerate()
        .map(|(number, (markdown, html))| {
            let output = filter_through("cmark", &["--unsafe"], markdown.as_bytes());
            (format!("example {}", number + 1), output.as_ref() == Some(html))
        })
        .collect();
    assert_eq!(found, expected);
    // Debian's cmark is older than this edition of the specification, so a few examples differ.
    let failing: Vec<_> = expected.iter().filter(|(_, passed)| !**passed).map(|(name, _)| name).collect();
    assert_eq!(run.code, i32::from(!failing.is_empty()));
    assert!(failing.len() < 20, "{failing:?}");
    for name in failing {
        assert!(run.stdout.contains(&format!("--exact 'commonmark::{name}'")), "{name} has no rerun line");
    }
}

/// The test program of the crate globset, built by `./tests/run`, and the names of its tests.
fn crate_tests() -> (PathBuf, Vec<String>) {
    let folder = package().join("target/globset/target/debug/deps");
    let programs = fs::read_dir(folder).expect("./tests/run builds the tests of globset");
    let is_program = |path: &PathBuf| {
        path.extension().is_none()
            && path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with("globset-"))
    };
    let program =
        programs.filter_map(Result::ok).map(|entry| entry.path()).find(is_program).expect("a program");
    let listed =
        Command::new(&program).args(["--list", "--format", "terse"]).output().expect("lists its tests");
    let text = String::from_utf8(listed.stdout).expect("UTF-8");
    let names = text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect();
    (program, names)
}

fn exact(program: &Path, name: &str) -> Vec<String> {
    vec![program.to_str().expect("UTF-8").to_owned(), "--exact".to_owned(), name.to_owned()]
}

#[test]
#[ignore = "needs the tests of the crate globset: ./tests/run"]
fn the_tests_of_a_crate_run_one_by_one() {
    let (program, names) = crate_tests();
    assert!(names.len() > 200, "only {} tests", names.len());
    let names = &names[..200];
    let passes = "test result: ok. 1 passed";
    let mut cases: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "run": exact(&program, name), "expect": { "stdout": { "contains": passes } } }))
        .collect();
    cases.push(json!({ "name": "no such test", "run": exact(&program, "no::such"), "expect": { "stdout": { "contains": passes } } }));
    let suite = Suite::of("globset.test.json", &json!({ "cases": cases }).to_string());
    let found = passed(&suite.run(&[]).expect_code(1));
    for name in names {
        let arguments = exact(&program, name);
        let output = Command::new(&arguments[0]).args(&arguments[1..]).output().expect("ran");
        let passes = output.status.success() && String::from_utf8_lossy(&output.stdout).contains(passes);
        assert_eq!(found.get(name), Some(&passes), "{name}");
    }
    assert_eq!(found.get("no such test"), Some(&false));
}
