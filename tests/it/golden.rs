//! Golden files, and what `--update` does to them and to nothing else.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use crate::support::{Run, SYSTEMS, Suite};

const CASES: &str = r#"{ "cases": [
  { "name": "same", "run": "echo same", "expect": { "stdout": { "file": "expected/same.txt" } } },
  { "name": "differs", "run": "seq 3", "expect": { "stdout": { "file": "expected/{{ case }}.txt" } } },
  { "name": "is missing", "run": "printf '\\000\\377' > out", "expect": { "files": { "out": { "file": "expected/new/out.bin" } } } },
  { "name": "fails otherwise, too", "run": "echo now; exit 3", "expect": { "stdout": { "file": "expected/other.txt" } } },
  { "name": "is known to fail", "xfail": "a bug", "run": "echo bug", "expect": { "stdout": { "file": "expected/bug.txt" } } }
] }"#;

fn suite() -> Suite {
    Suite::of("sub/a.test.json", CASES)
        .file("sub/expected/same.txt", "same\n")
        .file("sub/expected/differs.txt", "1\n2\n")
        .file("sub/expected/other.txt", "before\n")
        .file("sub/expected/bug.txt", "right\n")
}

fn read(suite: &Suite, name: &str) -> Vec<u8> {
    fs::read(suite.path().join("sub/expected").join(name)).expect(name)
}

fn update(suite: &Suite, arguments: &[&str], ci: Option<(&str, &str)>) -> Run {
    let mut command = suite.command(&[&["--update"], arguments].concat());
    if let Some((name, value)) = ci {
        command.env(name, value);
    }
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    suite.finish(command.spawn().expect("started"))
}

#[test]
fn a_golden_that_differs_or_is_missing_is_a_failure_that_says_so() {
    let run = suite().run(&[]).expect_code(1);
    assert_eq!(run.verdict("same").0, "passed");
    let differs = run.verdict("differs").1;
    assert!(differs.contains("golden file expected/differs.txt"), "{differs}");
    assert!(run.stdout.contains("| +3"), "{}", run.stdout);
    let missing = run.verdict("is missing").1;
    assert!(missing.contains("does not exist") && missing.contains("partest --update"), "{missing}");
}

#[test]
fn update_rewrites_exactly_what_differs_and_says_what() {
    let suite = suite();
    let untouched = |name: &str| {
        let metadata = fs::metadata(suite.path().join("sub/expected").join(name)).expect(name);
        (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
    };
    let before = ["same.txt", "bug.txt"].map(untouched);
    fs::set_permissions(suite.path().join("sub/expected/differs.txt"), fs::Permissions::from_mode(0o640))
        .expect("allowed");
    let run = update(&suite, &["-v"], None).expect_code(1);
    assert_eq!(["same.txt", "bug.txt"].map(untouched), before);
    assert_eq!(read(&suite, "differs.txt"), b"1\n2\n3\n");
    let mode =
        fs::metadata(suite.path().join("sub/expected/differs.txt")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(read(&suite, "new/out.bin"), b"\0\xff");
    assert_eq!(read(&suite, "other.txt"), b"now\n");
    for (name, verdict) in
        [("differs", "passed"), ("is missing", "passed"), ("fails otherwise, too", "failure")]
    {
        assert_eq!(run.verdict(name).0, verdict, "{name}");
    }
    assert_eq!(run.verdict("is known to fail").0, "skipped");
    for line in ["updated: sub/expected/differs.txt", "created: sub/expected/new/out.bin", "| +3"] {
        assert!(run.stdout.contains(line), "{line}\n{}", run.stdout);
    }
    assert!(run.junit.as_deref().is_some_and(|xml| xml.contains("golden-updated")), "{:?}", run.junit);

    let again = update(&suite, &["-q"], None).expect_code(1);
    assert!(!again.stdout.contains("updated:"), "{}", again.stdout);
    let passed = suite.run(&["--filter", "::differs", "--filter", "::is missing"]).expect_code(0);
    assert!(passed.stdout.contains("2 passed"), "{}", passed.stdout);
}

#[test]
fn every_step_runs_and_updates_its_own() {
    let suite = Suite::of(
        "a.test.yaml",
        "name: a\nsteps:\n  - {run: echo 1, expect: {stdout: {file: one}}}\n  - {run: echo 2, expect: {stdout: {file: two}}}\n",
    );
    let run = update(&suite, &["-q"], Some(("CI", "false"))).expect_code(0);
    assert!(run.stdout.contains("created: one") && run.stdout.contains("created: two"), "{}", run.stdout);
    assert_eq!(fs::read_to_string(suite.path().join("two")).expect("written"), "2\n");
    suite.run(&[]).expect_code(0);
}

#[test]
fn a_ci_updates_nothing() {
    let on = ["true", "1", "yes"].map(|value| ("CI", value));
    for (name, value) in on.into_iter().chain(SYSTEMS.map(|name| (name, "True"))) {
        let suite = suite();
        let run = update(&suite, &[], Some((name, value))).expect_code(2);
        assert!(run.stderr.contains(&format!("variable {name} is set")), "{}", run.stderr);
        assert_eq!(read(&suite, "differs.txt"), b"1\n2\n");
        assert!(!suite.path().join(".partest").exists(), "something ran");
    }
    for off in ["", "0", "false", "FALSE"] {
        update(&suite(), &["--filter", "::differs"], Some(("CI", off))).expect_code(0);
        update(&suite(), &["--filter", "::differs"], Some(("TF_BUILD", off))).expect_code(0);
    }
}

#[test]
fn nothing_outside_of_the_project_is_written() {
    let outside = tempfile::tempdir().expect("a folder");
    let suite = Suite::of(
        "a.test.yaml",
        "cases:\n  - {name: link, run: echo x, expect: {stdout: {file: link/x}}}\n  - {name: up, run: echo x, env: {UP: ../../x}, expect: {stdout: {file: '{{ env.UP }}'}}}\n",
    )
    .file("b.test.yaml", "name: b\nrun: echo x\nexpect: {stdout: {file: ../x}}\n");
    symlink(outside.path(), suite.path().join("link")).expect("linked");
    let run = update(&suite, &[], None).expect_code(2);
    assert!(run.verdict("link").1.contains("outside of the project"), "{:?}", run.verdict("link"));
    assert!(run.verdict("up").1.contains("outside of the project"), "{:?}", run.verdict("up"));
    assert!(
        run.stdout.contains("b.test.yaml:3:25") && run.stdout.contains("leads out of the project"),
        "{}",
        run.stdout
    );
    assert_eq!(fs::read_dir(outside.path()).expect("readable").count(), 0);
}

#[test]
fn two_cases_cannot_disagree_about_a_golden() {
    let suite = Suite::of(
        "a.test.yaml",
        "defaults: {run: 'echo {{ case }}', expect: {stdout: {file: shared.txt}}}\ncases: [{name: one}, {name: two}]\n",
    );
    let run = update(&suite, &["-j1"], None).expect_code(1);
    assert_eq!(run.verdict("one").0, "passed");
    assert!(run.verdict("two").1.contains("another case"), "{:?}", run.verdict("two"));
    assert_eq!(fs::read_to_string(suite.path().join("shared.txt")).expect("written"), "one\n");
}

#[test]
fn a_golden_that_holds_what_one_case_gives_is_not_rewritten_for_another() {
    let text = r#"{ "defaults": { "run": "echo {{ case }}", "expect": { "stdout": { "file": "shared.txt" } } },
  "cases": [{ "name": "one" }, { "name": "two", "after": ["one"] }, { "name": "fails", "after": ["one"], "xfail": "a bug" }] }"#;
    let suite = Suite::of("a.test.json", text).file("shared.txt", "one\n");
    let run = update(&suite, &[], None).expect_code(1);
    assert_eq!(run.verdict("one").0, "passed");
    assert!(run.verdict("two").1.contains("another case or step"), "{:?}", run.verdict("two"));
    assert_eq!(fs::read_to_string(suite.path().join("shared.txt")).expect("there"), "one\n");
}

#[test]
fn a_case_that_matched_a_golden_which_is_then_rewritten_fails() {
    let text = r#"{ "cases": [
  { "name": "one", "steps": [
    { "run": "echo one", "expect": { "stdout": { "file": "shared.txt" } } },
    { "run": "touch {{ dir }}/seen; until grep two {{ dir }}/shared.txt; do sleep 0.01; done" }
  ] },
  { "name": "two", "run": "until [ -e {{ dir }}/seen ]; do sleep 0.01; done; echo two", "expect": { "stdout": { "file": "shared.txt" } } }
] }"#;
    let suite = Suite::of("a.test.json", text).file("shared.txt", "one\n");
    let run = update(&suite, &["-j2"], None).expect_code(1);
    assert_eq!(run.verdict("two").0, "passed");
    assert!(
        run.verdict("one").1.contains("has just been given another content by another"),
        "{:?}",
        run.verdict("one")
    );
}

#[test]
fn steps_and_streams_of_one_case_cannot_disagree_about_a_golden() {
    let text = r#"{ "cases": [
  { "name": "steps", "steps": [
    { "run": "echo two", "expect": { "stdout": { "file": "steps.txt" } } },
    { "run": "echo one", "expect": { "stdout": { "normalize": ["ansi"], "file": "steps.txt" } } }
  ] },
  { "name": "streams", "run": "echo one; echo two >&2", "expect": { "stdout": { "file": "streams.txt" }, "stderr": { "file": "streams.txt" } } },
  { "name": "alike", "run": "echo two; echo two >&2", "expect": { "stdout": { "file": "alike.txt" }, "stderr": { "file": "alike.txt" } } }
] }"#;
    let mut suite = Suite::of("a.test.json", text);
    for name in ["steps.txt", "streams.txt", "alike.txt"] {
        suite = suite.file(name, "one\n");
    }
    let run = update(&suite, &[], None).expect_code(1);
    for (name, verdict, content) in
        [("steps", "failure", "one\n"), ("streams", "failure", "one\n"), ("alike", "passed", "two\n")]
    {
        assert_eq!(run.verdict(name).0, verdict, "{name}");
        let golden = suite.path().join(name).with_extension("txt");
        assert_eq!(fs::read_to_string(golden).expect("there"), content, "{name}");
    }
}

#[test]
fn large_and_odd_goldens_are_told_and_kept() {
    let suite = Suite::of(
        "a.test.yaml",
        "cases:\n  - {name: folder, run: echo x, expect: {stdout: {file: folder}}}\n  - {name: large, run: echo x, expect: {stdout: {file: large}}}\n",
    )
    .file("folder/x", "");
    fs::File::create(suite.path().join("large")).and_then(|file| file.set_len(17 << 20)).expect("made");
    let run = update(&suite, &[], None).expect_code(1);
    assert!(run.verdict("folder").1.contains("it is a directory"), "{:?}", run.verdict("folder"));
    assert!(
        run.verdict("large").1.contains("which `--update` leaves: more than 16777216 bytes"),
        "{:?}",
        run.verdict("large")
    );
    assert_eq!(fs::metadata(suite.path().join("large")).expect("there").len(), 17 << 20);
}

#[test]
fn what_was_changed_is_shown_also_of_one_line() {
    let suite = Suite::of(
        "a.test.yaml",
        "cases:\n  - {name: new, run: echo one, expect: {stdout: {file: new.txt}}}\n  - {name: old, run: echo two, expect: {stdout: {file: old.txt}}}\n",
    )
    .file("old.txt", "three\n");
    let run = update(&suite, &[], None).expect_code(0);
    for line in ["created: new.txt", "| +one", "updated: old.txt", "| -three", "| +two"] {
        assert!(run.stdout.contains(line), "{line}\n{}", run.stdout);
    }
}

#[test]
fn a_change_that_is_shown_is_bounded() {
    let suite = Suite::of("a.test.yaml", "run: seq 100000\nexpect: {stdout: {file: new.txt}}\n");
    let run = update(&suite, &[], None).expect_code(0);
    assert!(run.stdout.contains("| +1\n") && run.stdout.len() < 20_000, "{}", run.stdout.len());
}

#[test]
fn what_says_what_is_run_is_never_rewritten() {
    let cases = ["a.test.yaml", "other.test.json", "new.test.toml", "suite.toml", "partest.toml", "link"];
    let list: String = cases
        .iter()
        .map(|file| format!("  - {{name: {file}, run: echo x, expect: {{stdout: {{file: {file}}}}}}}\n"))
        .collect();
    let text = format!("cases:\n{list}");
    let suite = Suite::of("a.test.yaml", &text)
        .file("other.test.json", r#"{ "run": "true" }"#)
        .file("suite.toml", "[vars]\na = 1\n")
        .file("partest.toml", "");
    symlink("suite.toml", suite.path().join("link")).expect("linked");
    let run = update(&suite, &[], None).expect_code(1);
    for name in cases {
        let (verdict, message) = run.verdict(name);
        assert!(verdict == "failure" && message.contains("partest reads it itself"), "{name}: {message}");
    }
    assert_eq!(fs::read_to_string(suite.path().join("a.test.yaml")).expect("readable"), text);
    assert!(!suite.path().join("new.test.toml").exists());
    let odd = Suite::of("odd", "run: echo x\nexpect: {stdout: {file: odd}}\n");
    assert!(update(&odd, &["odd"], None).expect_code(1).stdout.contains("partest reads it itself"));
}

#[test]
fn a_golden_file_under_not_is_never_made() {
    let text =
        r#"{ "name": "a", "run": "echo hi", "expect": { "stdout": { "not": { "file": "no.txt" } } } }"#;
    let suite = Suite::of("a.test.json", text);
    suite.run(&["--update"]).expect_code(1);
    assert!(!suite.path().join("no.txt").exists());
}

#[test]
fn what_is_tried_again_is_tried_again_before_a_golden_is_rewritten() {
    let text = r#"{ "defaults": { "expect": { "stdout": { "file": "{{ case }}.txt" } } }, "cases": [
  { "name": "poll", "run": "echo >> n; [ $(wc -l < n) -ge 3 ] && echo ready || echo wait", "until": { "every": "10ms", "for": "5s" } },
  { "name": "flaky", "run": "[ {{ attempt }} = 2 ] && echo good || echo bad", "retries": 1 }
] }"#;
    let suite = Suite::of("a.test.json", text).file("poll.txt", "ready\n").file("flaky.txt", "good\n");
    let run = update(&suite, &[], None).expect_code(0);
    assert!(!run.stdout.contains("updated:"), "{}", run.stdout);
    assert!(run.stdout.contains("1 passed") && run.stdout.contains("1 flaky"), "{}", run.stdout);
    for (name, content) in [("poll.txt", "ready\n"), ("flaky.txt", "good\n")] {
        assert_eq!(fs::read_to_string(suite.path().join(name)).expect("there"), content);
    }
}

#[test]
fn what_the_last_try_saw_is_written_when_none_matches() {
    let text = r#"{ "defaults": { "expect": { "stdout": { "file": "{{ case }}.txt" } } }, "cases": [
  { "name": "poll", "run": "echo >> n; [ $(wc -l < n) -ge 3 ] && echo new || echo wait", "until": { "every": "10ms", "for": "1s" } },
  { "name": "steady", "run": "echo new", "retries": 2 },
  { "name": "flaky", "run": "[ {{ attempt }} = 2 ] && echo new || echo bad", "retries": 1 }
] }"#;
    let suite = Suite::of("a.test.json", text).file("poll.txt", "old\n").file("flaky.txt", "old\n");
    let run = update(&suite, &[], None).expect_code(0);
    for line in
        ["updated: poll.txt", "created: steady.txt", "updated: flaky.txt", "attempt 1: stdout: expected"]
    {
        assert!(run.stdout.contains(line), "{line}\n{}", run.stdout);
    }
    assert!(run.stdout.contains("2 passed") && run.stdout.contains("1 flaky"), "{}", run.stdout);
    for name in ["poll.txt", "steady.txt", "flaky.txt"] {
        assert_eq!(fs::read_to_string(suite.path().join(name)).expect("there"), "new\n", "{name}");
    }
    let run = update(&suite, &["--filter", "::steady", "--flaky", "fail"], None).expect_code(0);
    assert!(!run.stdout.contains("updated:"), "{}", run.stdout);
}

#[test]
fn a_case_that_was_not_over_in_time_changes_nothing() {
    let text = r#"{ "name": "late", "timeout": "500ms", "steps": [
  { "sleep": "200ms" },
  { "run": "echo new", "until": { "every": "10ms", "for": "400ms" }, "expect": { "stdout": { "file": "late.txt" } } }
] }"#;
    let suite = Suite::of("a.test.json", text);
    let run = update(&suite, &[], None).expect_code(1);
    assert!(run.verdict("late").1.contains("before what `until` waits for"), "{:?}", run.verdict("late"));
    assert!(!suite.path().join("late.txt").exists());
}

#[test]
fn only_a_golden_that_update_makes_is_said_to_be_made() {
    let text = r#"{ "defaults": { "run": "echo hi" }, "cases": [
  { "name": "alone", "expect": { "stdout": { "file": "no.txt" } } },
  { "name": "normalized", "expect": { "stdout": { "normalize": ["crlf"], "file": "no.txt" } } },
  { "name": "not", "expect": { "stdout": { "not": { "file": "no.txt" } } } },
  { "name": "one of", "expect": { "stdout": { "one_of": ["ho", { "file": "no.txt" }] } } }
] }"#;
    let suite = Suite::of("a.test.json", text);
    let run = suite.run(&[]).expect_code(1);
    let (told, _) = run.stdout.split_once("failures:").expect("a summary");
    assert_eq!(told.matches("the golden file no.txt does not exist").count(), 4, "{told}");
    assert_eq!(told.matches("; `partest --update` creates it").count(), 2, "{told}");
    for name in ["alone", "normalized"] {
        assert!(run.verdict(name).1.contains("creates it"), "{:?}", run.verdict(name));
    }
}

#[test]
fn a_golden_behind_a_link_to_nothing_is_told_and_not_made() {
    let text = r#"{ "defaults": { "run": "echo hi" }, "cases": [
  { "name": "file", "expect": { "stdout": { "file": "link.txt" } } },
  { "name": "folder", "expect": { "stdout": { "file": "folder/new/file.txt" } } }
] }"#;
    let suite = Suite::of("a.test.json", text);
    symlink("nothing.txt", suite.path().join("link.txt")).expect("linked");
    symlink("nowhere", suite.path().join("folder")).expect("linked");
    for arguments in [&[][..], &["--update"]] {
        let run = suite.run(arguments).expect_code(1);
        for (name, golden, link) in
            [("file", "link.txt", "link.txt"), ("folder", "folder/new/file.txt", "folder")]
        {
            let message = run.verdict(name).1;
            let link = suite.path().join(link);
            let expected =
                format!("the golden file {golden} does not exist: {} is a link to nothing", link.display());
            assert!(message.ends_with(&expected), "{message}");
        }
    }
    assert!(!suite.path().join("nothing.txt").exists() && !suite.path().join("nowhere").exists());
}
