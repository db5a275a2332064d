//! Every kind of end that a case can have, each with its verdict, exit code and place in the report.

use std::time::{Duration, Instant};

use crate::support::Suite;

const MIXED: &str = r#"{
  "cases": [
    { "name": "passes", "run": ["echo", "hello"], "expect": { "stdout": "hello\n" } },
    { "name": "fails", "run": "echo one; echo too; echo three", "expect": { "stdout": "one\ntwo\nthree\n" } },
    { "name": "hangs", "run": ["sleep", "60"], "timeout": "300ms", "grace": "200ms" },
    { "name": "crashes", "run": "echo last words; kill -SEGV $$" },
    { "name": "is missing", "run": ["no-such-program", "--flag"] },
    { "name": "is skipped", "skip": "not today", "run": "exit 1" },
    { "name": "is known to fail", "xfail": "a known bug", "run": "exit 1" },
    { "name": "passes unexpectedly", "xfail": "a fixed bug", "run": "true" }
  ]
}"#;

#[test]
fn every_verdict_is_right_and_nothing_is_left() {
    let suite = Suite::of("mixed.test.json", MIXED)
        .file("broken.test.json", "{ \"name\": \"x\", \"runn\": \"true\" }");
    let run = suite.run(&[]).expect_code(2);
    assert_eq!(run.verdict("passes").0, "passed");
    assert_eq!(run.verdict("is known to fail"), ("skipped", "xfail: a known bug".to_owned()));
    assert_eq!(run.verdict("is skipped"), ("skipped", "not today".to_owned()));
    for (name, verdict, part) in [
        ("fails", "failure", "stdout"),
        ("hangs", "failure", "timed out after 0.30s"),
        ("crashes", "failure", "signal 11 (SIGSEGV)"),
        ("is missing", "error", "no-such-program"),
        ("passes unexpectedly", "failure", "a fixed bug"),
    ] {
        let (found, message) = run.verdict(name);
        assert_eq!(found, verdict, "{name}: {message}");
        assert!(message.contains(part), "{name}: {message}");
    }
    let broken =
        run.report().test_suites.iter().any(|suite| suite.name.as_str() == "broken" && suite.errors == 1);
    assert!(broken, "{:?}", run.junit);
    assert!(run.stdout.contains("broken.test.json:1:16"), "{}", run.stdout);
    assert!(run.stdout.contains("`run`"), "no suggestion:\n{}", run.stdout);
}

#[test]
fn failures_alone_are_exit_code_1_and_nothing_found_is_4() {
    Suite::of("a.test.json", r#"{ "run": "false" }"#).run(&[]).expect_code(1);
    Suite::of("a.test.json", r#"{ "run": "true" }"#).run(&[]).expect_code(0);
    Suite::of("a.test.json", r#"{ "run": "true" }"#).run(&["--filter", "zzz"]).expect_code(4);
    let run = Suite::new().run(&[]).expect_code(4);
    assert!(run.stderr.contains("*.test.json"), "{}", run.stderr);
}

#[test]
fn bad_usage_is_exit_code_2() {
    let suite = Suite::of("a.test.json", r#"{ "run": "true" }"#);
    for arguments in [&["--jobs", "0"][..], &["--no-such-flag"], &["-q", "-v"], &["no/such/folder"]] {
        let run = suite.run(arguments).expect_code(2);
        assert!(!run.stderr.is_empty() || run.stdout.contains("no/such/folder"), "{arguments:?}");
    }
}

#[test]
fn a_failure_shows_a_diff_its_place_and_how_to_run_it_again() {
    let run = Suite::of("sub/mixed.test.json", MIXED).run(&["--filter", "::fails"]).expect_code(1);
    for part in ["-two", "+too", "sub/mixed.test.json:4", "--exact sub/mixed::fails"] {
        assert!(run.stdout.contains(part), "{part:?} is not in\n{}", run.stdout);
    }
}

#[test]
fn the_rerun_command_runs_that_one_case() {
    let suite = Suite::of(
        "it's/a b.test.json",
        r#"{ "cases": [{ "name": "say \"$HOME\"", "run": "false" }, { "name": "other", "run": "true" }] }"#,
    );
    let first = suite.run(&[]).expect_code(1);
    let line =
        first.stdout.lines().find_map(|line| line.split_once("rerun: partest ")).expect("a rerun line").1;
    let script = format!("{} {line}", env!("CARGO_BIN_EXE_partest"));
    let again = suite.command(&[]).output().expect("ran");
    assert_eq!(again.status.code(), Some(1));
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(suite.path())
        .output()
        .expect("ran");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 failed") && !text.contains("passed"), "{script}\n{text}");
}

#[test]
fn a_case_of_a_file_with_any_name_has_a_rerun_command() {
    let suite = Suite::of("cases.json", r#"{ "cases": [{ "name": "bad", "run": "false" }] }"#);
    let run = suite.run(&["cases.json"]).expect_code(1);
    assert!(run.stdout.contains("rerun: partest cases.json --exact cases.json::bad\n"), "{}", run.stdout);
}

#[test]
fn the_rerun_command_says_what_decides_what_the_case_is() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
            { "name": "v", "vars": { "h": "d" }, "pools": { "gpu": 1 }, "run": "test '{{ h }}' = d" }
        ] }"#,
    )
    .file("partest.toml", "[profile.ci.pools]\ngpu = 1\n");
    let program = env!("CARGO_BIN_EXE_partest");
    let run = suite.run(&["-P", "ci", "--var", "h=it's 1", "--var", "n=1"]).expect_code(1);
    let command = run.stdout.lines().find_map(|line| Some(line.split_once("rerun: partest ")?.1));
    let command = command.expect("a command");
    let flags = r"--profile ci --var 'h=it'\''s 1' --var n=1";
    assert_eq!(command, format!("{flags} a.test.json --exact a::v"));
    let mut shell = std::process::Command::new("sh");
    let again = shell.args(["-c", &format!("{program} {command}")]).current_dir(suite.path());
    let output = again.output().expect("ran");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 failed · 1 case"), "{command}\n{text}");
}

#[test]
fn the_rerun_command_tells_nothing_that_a_secret_is_made_of() {
    for secret in [
        r#""env": { "TOKEN": "{{ env.X }}", "X": "{{ v }}" }"#,
        r#""env": { "TOKEN": "Bearer {{ v }}" }"#,
        r#""env": { "TOKEN": "{{ v | upper }}" }"#,
        r#""env": { "TOKEN": "{{ v }}-{{ attempt }}" }"#,
        r#""vars": { "w": "a {{ v }}" }, "env": { "TOKEN": "{{ w }}" }"#,
    ] {
        let text = format!(r#"{{ "name": "a", {secret}, "secrets": ["TOKEN"], "run": "false" }}"#);
        let run = Suite::of("a.test.json", &text).run(&["--var", "v=hunter22"]).expect_code(1);
        assert!(run.stdout.contains("rerun: partest --var 'v=***' a.test.json"), "{}", run.stdout);
    }
    let service = r#"{ "run": ["sleep", "60"], "env": { "TOKEN": "{{ v }}" }, "secrets": ["TOKEN"] }"#;
    let suite = Suite::of("a.test.json", r#"{ "name": "a", "services": ["s"], "run": "false" }"#)
        .file("suite.json", format!(r#"{{ "services": {{ "s": {service} }} }}"#));
    let run = suite.run(&["--var", "v=hunter22"]).expect_code(1);
    assert!(run.stdout.contains("rerun: partest --var 'v=***' a.test.json"), "{}", run.stdout);
    let other = r#"{ "cases": [
      { "name": "a", "run": "false" },
      { "name": "b", "run": "true", "env": { "TOKEN": "{{ v }}" }, "secrets": ["TOKEN"] }
    ] }"#;
    let run = Suite::of("a.test.json", other).run(&["--var", "v=hunter22", "--exact", "a::a"]).expect_code(1);
    assert!(run.stdout.contains("rerun: partest --var 'v=***' a.test.json"), "{}", run.stdout);
}

#[test]
fn the_rerun_command_works_for_odd_names_and_from_elsewhere() {
    let fails = r#"{ "name": "fails", "run": "false" }"#;
    let suite = Suite::of("suite/sub/a.test.json", fails)
        .file("suite/-b.test.json", fails)
        .file("suite/c d\n.test.json", fails)
        .file("suite/broken.test.json", "{")
        .file("here/-e.test.json", fails)
        .file("here/back\\slash.test.json", fails);
    for arguments in [&["../suite"][..], &["../suite/sub/a.test.json"], &[], &["."]] {
        let run = |arguments: &str| {
            let script = format!("cd here && {} {arguments}", env!("CARGO_BIN_EXE_partest"));
            let mut shell = std::process::Command::new("sh");
            let output = shell.args(["-c", &script]).current_dir(suite.path()).output().expect("ran");
            String::from_utf8(output.stdout).expect("UTF-8")
        };
        let first = run(&arguments.join(" "));
        let commands: Vec<_> =
            first.lines().filter_map(|line| Some(line.split_once("rerun: partest ")?.1)).collect();
        assert!(!commands.is_empty(), "{first}");
        for command in commands {
            let again = run(command);
            let last = again.lines().last().unwrap_or_default();
            let word = if command.contains("broken") { "1 error · 1 case" } else { "1 failed · 1 case" };
            assert!(last.starts_with(word), "{command}\n{again}");
        }
    }
}

#[test]
fn a_tree_that_ignores_term_ends_on_time() {
    let descriptor = r#"{ "name": "tree", "timeout": "1s", "grace": "500ms",
        "run": "trap '' TERM HUP INT; (trap '' TERM; setsid sleep 61) & (trap '' TERM; sleep 62) & sleep 63" }"#;
    let suite = Suite::of("tree.test.json", descriptor);
    let begin = Instant::now();
    let run = suite.run(&[]).expect_code(1);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(1400) && took < Duration::from_secs(4), "{took:?}");
    let (verdict, message) = run.verdict("tree");
    assert_eq!(verdict, "failure");
    assert!(message.contains("SIGKILL"), "{message}");
}

#[test]
fn a_daemon_does_not_outlive_its_case() {
    let suite =
        Suite::of("a.test.json", r#"{ "run": "setsid sleep 64 >/dev/null 2>&1 < /dev/null & exit 0" }"#);
    let run = suite.run(&[]).expect_code(0);
    assert!(run.stdout.contains("LEAK") && run.stdout.contains("sleep 64"), "{}", run.stdout);
}

#[test]
fn time_that_is_used_up_is_not_given_again_to_the_next_step() {
    // The first step ends in time; what it leaves behind is waited for beyond the case's time.
    let run = Suite::of(
        "a.test.json",
        r#"{ "name": "late", "timeout": "600ms", "steps": [
            { "run": "sleep 73 & sleep 0.5" },
            { "run": "sleep 0.5; touch {{ dir }}/ran" }
        ] }"#,
    )
    .run(&[])
    .expect_code(1);
    let (verdict, message) = run.verdict("late");
    assert!(verdict == "failure" && message.contains("timed out after 0.60s"), "{verdict}: {message}");
}

/// While several cases run, a process without a token may be anybody's.
#[test]
fn a_daemon_that_hides_ends_with_the_run() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
            { "name": "hides", "run": "setsid env -i sleep 71 >/dev/null 2>&1 & until tr '\\0' ' ' </proc/$!/cmdline | grep -q '^sleep 71'; do :; done" },
            { "name": "goes on", "run": "sleep 1" }
        ] }"#,
    );
    let run = suite.run(&["-j", "2"]).expect_code(0);
    let running = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok).any(|entry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == b"sleep\x0071\x00")
    });
    assert!(!running, "it still runs");
    assert!(run.stdout.contains("sleep 71") || run.stderr.contains("sleep 71"), "{}", run.stderr);
}

#[test]
fn a_daemon_without_any_trace_of_its_case_ends_with_the_run() {
    let daemon = "setsid env -i sh -c 'while :; do sleep 0.05; echo >> {{ dir }}/beats; done' >/dev/null 2>&1 </dev/null &";
    let case = |name: &str, run: &str| format!("- name: {name}\n  run: |\n    {run}\n");
    let text = format!("cases:\n{}{}", case("daemon", daemon), case("beside", "sleep 0.3"));
    let suite = Suite::of("a.test.yaml", &text);
    suite.run(&["-j", "2"]).expect_code(0);
    let beats = || std::fs::read(suite.path().join("beats")).map_or(0, |beats| beats.len());
    let before = beats();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(beats(), before, "the daemon goes on");
}

#[test]
fn cases_run_at_the_same_time_but_exclusive_ones_alone() {
    let cases = |exclusive: bool| {
        let case =
            |n: i32| format!(r#"{{ "name": "{n}", "exclusive": {exclusive}, "run": ["sleep", "0.4"] }}"#);
        format!(r#"{{ "cases": [{}] }}"#, (0..4).map(case).collect::<Vec<_>>().join(","))
    };
    let time = |text: &str| {
        let suite = Suite::of("a.test.json", text);
        let begin = Instant::now();
        suite.run(&["-j", "4"]).expect_code(0);
        begin.elapsed()
    };
    assert!(time(&cases(true)) >= Duration::from_millis(1600));
    assert!(time(&cases(false)) < Duration::from_millis(1500));
}

#[test]
fn a_case_that_passes_on_a_retry_is_flaky() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "name": "third time", "retries": 3, "run": "test {{ attempt }} -eq 3" }"#,
    );
    let run = suite.run(&[]).expect_code(0);
    assert!(run.stdout.contains("1 flaky"), "{}", run.stdout);
    assert!(
        run.junit.as_deref().is_some_and(|text| text.matches("<flakyFailure").count() == 2),
        "{:?}",
        run.junit
    );
}

#[test]
fn the_suite_of_the_picture_in_the_readme_fails_as_shown() {
    let run = Suite::new()
        .file("suite/shop.test.yaml", include_str!("../suites/demo/shop.test.yaml"))
        .file("suite/stock.test.toml", include_str!("../suites/demo/stock.test.toml"))
        .run(&["./suite"])
        .expect_code(1);
    assert!(run.stdout.contains("3 passed, 2 failed, 1 timed out, 1 skipped · 7 cases"), "{}", run.stdout);
}
