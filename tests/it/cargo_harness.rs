//! partest as a cargo test harness: the arguments and the answers of Rust's own.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::source::package;
use crate::support::{Suite, send};

/// The test program `samples`, in a folder with a suite called `sample-suites`.
fn harness(suite: &Suite, arguments: &[&str]) -> Output {
    let output = command(suite, arguments).output().expect("ran");
    suite.check_nothing_is_left();
    output
}

pub(crate) fn command(suite: &Suite, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(suite.path()).env("TMPDIR", suite.temporary());
    command.env_remove("RUST_TEST_THREADS").env_remove("NEXTEST_TEST_GLOBAL_SLOT");
    command
}

/// Where cargo put the test program, which it builds together with this one.
fn program() -> std::path::PathBuf {
    let here = std::env::current_exe().expect("a path");
    let folder = here.parent().expect("a folder");
    let programs =
        std::fs::read_dir(folder).expect("readable").filter_map(Result::ok).map(|entry| entry.path());
    let newest = programs
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("samples-") && !name.contains('.')
        })
        .max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    newest.unwrap_or_else(|| {
        panic!("run all tests of {}: the program `samples` is not built", package().display())
    })
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn suite() -> Suite {
    Suite::of(
        "sample-suites/mixed.test.json",
        r#"{ "cases": [
            { "name": "passes", "run": "true" },
            { "name": "fails", "run": "echo seen", "expect": { "stdout": "wanted\n" } },
            { "name": "skipped", "skip": "not today", "run": "echo ran >> {{ dir }}/ran" },
            { "name": "needs", "requires": ["no-such-program"], "run": "true" }
        ] }"#,
    )
    .file("sample-suites/broken.test.toml", "run = [")
}

#[test]
fn the_list_is_that_of_a_rust_test_program() {
    let output = harness(&suite(), &["--list", "--format", "terse"]);
    let text = text(&output);
    let lines: Vec<_> = text.lines().filter(|line| line.ends_with(": test")).collect();
    assert!(output.status.success());
    for name in ["passes", "fails", "skipped", "needs"] {
        assert!(lines.contains(&format!("sample-suites/mixed::{name}: test").as_str()), "{text}");
    }
    let ignored = harness(&suite(), &["--list", "--format", "terse", "--ignored"]);
    let ignored = String::from_utf8(ignored.stdout).expect("UTF-8");
    assert!(
        ignored.contains("skipped: test") && ignored.contains("needs: test") && !ignored.contains("passes"),
        "{ignored}"
    );
}

#[test]
fn a_run_has_the_words_and_the_exit_code_of_a_rust_test_program() {
    let output = harness(&suite(), &[]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(101));
    assert!(text.contains("test sample-suites/mixed::passes"), "{text}");
    assert!(text.contains("test result: FAILED. 1 passed; 2 failed; 2 ignored"), "{text}");
    assert!(text.contains("wanted") && text.contains("broken.test.toml:1"), "{text}");
}

#[test]
fn filters_select_as_in_a_rust_test_program() {
    let summary = |arguments: &[&str]| {
        let output = harness(&suite(), arguments);
        let text = text(&output);
        let line =
            text.lines().rfind(|line| line.starts_with("test result: ")).unwrap_or_else(|| panic!("{text}"));
        let counts = line.split("; finished").next().expect("split gives one").to_owned();
        (counts.replace("test result: ", ""), output.status.code())
    };
    let passes = |filtered| {
        (format!("ok. 1 passed; 0 failed; 0 ignored; 0 measured; {filtered} filtered out"), Some(0))
    };
    assert_eq!(summary(&["passes"]), passes(4));
    // Only the file that the name tells is read, so nothing else is there to be filtered out.
    assert_eq!(summary(&["--exact", "sample-suites/mixed::passes"]), passes(0));
    assert_eq!(
        summary(&["--skip", "fails", "--skip", "broken", "--skip", "needs", "--skip", "skipped"]),
        passes(4)
    );
    assert_eq!(summary(&["passes", "--no-capture", "--test-threads", "1"]), passes(4));
    assert_eq!(summary(&["no such name"]).1, Some(0));
    let (two, code) = summary(&["mixed::passes", "mixed::fails"]);
    assert!(two.starts_with("FAILED. 1 passed; 1 failed; 0 ignored") && code == Some(101), "{two}");
}

#[test]
fn the_slot_is_that_of_nextest() {
    let suite = Suite::of(
        "sample-suites/a.test.json",
        r#"{ "run": "test {{ slot }} = $EXPECTED", "inherit_env": ["EXPECTED"] }"#,
    );
    for (slot, expected) in [("7", "7"), ("none", "0")] {
        let mut command = command(&suite, &[]);
        let output = command.env("NEXTEST_TEST_GLOBAL_SLOT", slot).env("EXPECTED", expected).output();
        let output = output.expect("ran");
        assert!(output.status.success(), "{}", text(&output));
    }
}

#[test]
fn ignored_tests_run_when_asked_for() {
    let suite = suite();
    let output = harness(&suite, &["--ignored", "mixed::skipped"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(suite.path().join("sample-suites/ran").exists());
}

#[test]
fn no_threads_are_a_mistake_and_not_a_hang() {
    assert_eq!(harness(&suite(), &["--test-threads", "0"]).status.code(), Some(101));
    let output = harness(&suite(), &["passes", "--test-threads=2"]);
    assert!(output.status.success());
}

#[test]
fn tests_that_were_never_begun_are_no_success() {
    let cases: Vec<_> =
        (0..2000).map(|n| format!(r#"{{ "name": "{n}", "run": "echo >> {{{{ dir }}}}/ran" }}"#)).collect();
    let suite = Suite::of("sample-suites/a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let mut child = command(&suite, &["--test-threads", "1"]);
    let child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    while !suite.path().join("sample-suites/ran").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    send(&child, Signal::INT);
    let output = child.wait_with_output().expect("ended");
    suite.check_nothing_is_left();
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output).contains("test result: FAILED"), "{}", text(&output));
}

#[test]
fn cases_end_when_nobody_reads_their_results() {
    let suite = Suite::of(
        "sample-suites/a.test.json",
        r#"{ "cases": [{ "name": "first", "run": "true" }, { "name": "long", "run": "sleep 74" }] }"#,
    );
    let mut child =
        command(&suite, &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    drop(child.stdout.take());
    let begin = Instant::now();
    assert_eq!(child.wait().expect("ended").code(), Some(101));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    suite.check_nothing_is_left();
}

#[test]
fn settings_of_the_project_hold_for_the_harness() {
    let suite = Suite::of("package/sample-suites/hangs.test.yaml", "run: exec sleep 60\n")
        .file("partest.toml", "[profile.default]\ntimeout = '200ms'\n");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(suite.path().join("package")).env_remove("RUST_TEST_THREADS");
        text(&command.output().expect("ran"))
    };
    let failed = run(&["--exact", "package/sample-suites/hangs::hangs"]);
    assert!(failed.contains("timed out after 0.20s"), "{failed}");
    assert!(run(&["--list"]).contains("package/sample-suites/hangs::hangs: test"));
    suite.check_nothing_is_left();
}

#[test]
fn exclusive_cases_run_alone_in_processes_of_their_own_too() {
    let alone = "mkdir {{ dir }}/taken && sleep 0.3; rmdir {{ dir }}/taken";
    let case = |name: &str| format!("- {{ name: {name}, exclusive: true, run: \"{alone}\" }}\n");
    let suite =
        Suite::of("sample-suites/a.test.yaml", &format!("cases:\n{}{}", case("first"), case("second")));
    let start = |name: &str| {
        let name = format!("sample-suites/a::{name}");
        let mut command = command(&suite, &["--exact", &name, "--nocapture"]);
        command.env("NEXTEST_RUN_ID", "one").stdout(Stdio::null()).spawn().expect("started")
    };
    let mut both = [start("first"), start("second")];
    for child in &mut both {
        assert!(child.wait().expect("ended").success());
    }
}

#[test]
fn services_and_what_is_before_and_after_work_as_elsewhere() {
    let suite = Suite::new()
        .file(
            "sample-suites/suite.toml",
            "teardown = [{ run = \"echo farewell >&2; exit 3\" }]\n\
             services.api.run = \"echo start >> '{{ dir }}/starts'; echo ready; exec sleep 600\"\n\
             services.api.ready.log = \"ready\"",
        )
        .file(
            "sample-suites/a.test.json",
            r#"{ "defaults": { "services": ["api"] }, "cases": [
                { "name": "one", "run": "test -n '{{ services.api.url }}'" }, { "name": "two", "run": "true" }] }"#,
        );
    let output = harness(&suite, &[]);
    let error = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert!(text(&output).contains("2 passed; 0 failed"), "{}", text(&output));
    assert_eq!(output.status.code(), Some(101), "{error}");
    assert!(error.contains("suite.toml::teardown") && error.contains("farewell"), "{error}");
    assert_eq!(
        std::fs::read_to_string(suite.path().join("sample-suites/starts")).expect("written"),
        "start\n"
    );
}

#[test]
fn a_case_that_another_runs_after_breaks_no_test_but_its_own() {
    let suite = Suite::of(
        "sample-suites/q.test.yaml",
        "cases:\n\
         - { name: quar, quarantine: { owner: me, reason: foo }, run: 'false' }\n\
         - { name: after quar, after: [quar], run: 'true' }\n\
         - { name: bad, run: 'false' }\n\
         - { name: after bad, after: [bad], run: 'true' }\n",
    );
    for name in ["after quar", "after bad"] {
        let id = format!("sample-suites/q::{name}");
        for arguments in [&["--exact", &id][..], &[name]] {
            let output = harness(&suite, arguments);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(text(&output).contains("ok. 0 passed; 0 failed; 1 ignored"), "{}", text(&output));
            assert_eq!((output.status.code(), &*error), (Some(0), ""), "{arguments:?}");
        }
    }
    let everything = harness(&suite, &[]);
    assert!(text(&everything).contains("0 passed; 1 failed; 3 ignored"), "{}", text(&everything));
}

#[test]
fn after_a_broken_case_says_so_and_breaks_nothing_else() {
    let suite = Suite::of(
        "sample-suites/a.test.yaml",
        "cases:\n\
         - { name: typo, rnu: 'true' }\n\
         - { name: after, after: [typo], run: 'true' }\n\
         - { name: first, run: 'true' }\n\
         - { name: second, after: [first], run: 'true' }\n",
    );
    let broken = harness(&suite, &["--exact", "sample-suites/a::after"]);
    assert!(text(&broken).contains("the case \"typo\" is broken"), "{}", text(&broken));
    assert_eq!(broken.status.code(), Some(101));
    let other = harness(&suite, &["--exact", "sample-suites/a::second"]);
    assert_eq!((other.status.code(), other.stderr.as_slice()), (Some(0), &b""[..]), "{}", text(&other));
}

#[test]
fn wrong_settings_are_told_as_one_error() {
    let suite = suite().file("partest.toml", "nonsense = 1\n");
    let output = harness(&suite, &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), error.matches("error").count()), (Some(101), 1), "{error}");
}

#[test]
fn what_is_to_be_told_of_workers_is_told() {
    let run = |worker: &str| {
        let text = format!(
            "defaults: {{ worker: {worker:?} }}\ncases: [{{ name: a, call: 1 }}, {{ name: b, call: 2 }}]"
        );
        let output =
            harness(&Suite::of("sample-suites/calls.test.yaml", &text), &["calls", "--test-threads=1"]);
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (code, told) = run("read -r q; echo '{\"outcome\":\"pass\"}'; sleep 0.1; exit 7");
    assert!(code == Some(0) && told.contains("warning: the worker `"), "{told}");
    let (code, told) = run("while read -r q; do echo '{\"outcome\":\"pass\"}'; done; echo more");
    assert!(code == Some(101) && told.contains("error: the worker `"), "{told}");
}
