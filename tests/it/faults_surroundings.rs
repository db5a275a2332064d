//! What partest is started with, and what stands around it: signals, limits, modes, other runs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use quick_junit::Report;
use rustix::process::Signal;

use crate::support::{Suite, send};

fn mode(path: &Path) -> u32 {
    path.metadata().expect("there").permissions().mode() & 0o7777
}

/// A case that fails unless no signal is blocked or ignored.
const SIGNALS: &str = r#"{ "run": "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\t'",
    "expect": { "stdout": "SigBlk:0000000000000000\nSigIgn:0000000000000000\n" } }"#;

#[test]
fn ignored_signals_are_not_passed_on() {
    let suite = Suite::of("a.test.json", SIGNALS);
    suite.finish_command(suite.command_after("trap '' TERM INT HUP USR1 PIPE CHLD", "")).expect_code(0);
}

#[test]
#[ignore = "needs GNU env: ./tests/run"]
fn blocked_signals_are_not_passed_on_and_stop_the_run_all_the_same() {
    let suite = Suite::of("a.test.json", SIGNALS);
    let block = "set -- env --block-signal=TERM,USR1 \"$0\"; exec \"$@\"";
    suite.finish_command(suite.command_after(block, "")).expect_code(0);
    let suite = Suite::of("a.test.json", r#"{ "run": "sleep 79" }"#);
    let mut command = suite.command_after(block, "");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    while suite.processes().is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    send(&child, Signal::TERM);
    suite.finish(child).expect_code(143);
}

#[test]
fn a_limit_on_files_is_an_error_and_not_the_end() {
    let cases: Vec<_> = (0..300).map(|n| format!(r#"{{ "name": "{n}", "run": ["/bin/true"] }}"#)).collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let run = suite.finish_command(suite.command_after("ulimit -f 20", "")).expect_code(3);
    assert!(run.stderr.contains("cannot write the journal: File too large"), "{}", run.stderr);
    assert!(run.stderr.contains("cannot write the JUnit report"), "{}", run.stderr);
    assert!(run.stdout.contains("300 passed"), "{}", run.stdout);
}

#[test]
fn runs_beside_each_other_in_one_folder_do_not_mix() {
    let suite = Suite::new();
    let suite = ["x", "y", "z"].iter().fold(suite, |suite, name| {
        let case = format!(r#"{{ "name": "{name}", "run": "sleep 0.1; echo $PARTEST_CASE", "expect": {{ "stdout": "{name}::{name}\n" }} }}"#);
        suite.file(&format!("{name}.test.json"), case)
    });
    let children =
        ["x.test.json", "y.test.json", "z.test.json", "x.test.json"].map(|path| suite.start(&[path]));
    for child in children {
        let output = child.wait_with_output().expect("ended");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    suite.check_nothing_is_left();
    assert_eq!(fs::read_dir(suite.path().join(".partest/runs")).expect("runs").count(), 4);
    let report = fs::read_to_string(suite.path().join(".partest/junit.xml")).expect("a report");
    assert_eq!(Report::deserialize_from_str(&report).expect("whole").tests, 1);
}

#[test]
fn only_the_user_reads_what_a_run_keeps_whatever_the_umask() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "run": "ls -ld \"$PWD\" \"$HOME\" \"$TMPDIR\" | cut -c1-10; false", "expect": { "stdout": "drwx------\ndrwx------\ndrwx------\n" } }"#,
    );
    let run = suite.finish_command(suite.command_after("umask 0", "")).expect_code(1);
    assert!(run.stdout.contains("| drwx------"), "{}", run.stdout);
    assert!(!run.stdout.contains("stdout differs"), "{}", run.stdout);
    let mut folders = vec![suite.path().join(".partest/runs")];
    assert_eq!(mode(&folders[0]), 0o700);
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            let is_folder = path.is_dir();
            assert_eq!(mode(&path), if is_folder { 0o700 } else { 0o600 }, "{}", path.display());
            if is_folder { &mut folders } else { &mut files }.push(path);
        }
    }
    let names: Vec<_> = files.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert!(names.contains(&"journal.jsonl") && names.iter().any(|name| name.ends_with(".out")), "{names:?}");
    assert_eq!(mode(&suite.path().join(".partest/junit.xml")), 0o666);
}

#[test]
fn what_others_may_change_is_told() {
    let suite =
        Suite::of("open/a.test.json", r#"{ "run": "true" }"#).file("b.test.json", r#"{ "run": "true" }"#);
    assert_eq!(suite.run(&[]).expect_code(0).stderr, "");
    fs::set_permissions(suite.path().join("open"), Permissions::from_mode(0o777)).expect("mine");
    let run = suite.run(&[]).expect_code(0);
    assert!(
        run.stderr.contains("everybody may write to the folder") && run.stderr.contains("/open, and"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let copy = suite.path().join("copy");
    fs::create_dir(&copy).expect("a folder");
    fs::copy(env!("CARGO_BIN_EXE_partest"), copy.join("partest")).expect("copied");
    fs::set_permissions(copy.join("partest"), Permissions::from_mode(0o777)).expect("mine");
    let run = suite
        .finish_command(suite.command_after("set -- \"$PWD/copy/partest\" b.test.json; exec \"$@\"", ""));
    assert!(run.expect_code(0).stderr.contains("everybody may replace this program"));
}

#[test]
fn programs_are_found_in_absolute_folders_only() {
    let suite =
        Suite::of("a.test.json", r#"{ "inputs": ["tool"], "run": ["tool"] }"#).file("tool", "#!/bin/sh\n");
    fs::set_permissions(suite.path().join("tool"), Permissions::from_mode(0o755)).expect("mine");
    for path in [".:/usr/bin:/bin", "/usr/bin:/bin:", "bin:/usr/bin:/bin"] {
        let mut command = suite.command(&[]);
        command.env("PATH", path);
        let run = suite.finish_command(command).expect_code(1);
        assert!(run.stderr.contains("where no program is looked for"), "{}", run.stderr);
        let message = run.verdict("a").1;
        assert!(message.contains("\"tool\" not found in PATH"), "{message}");
        assert!(message.contains("the one in the working directory is \"./tool\""), "{message}");
    }
}

#[test]
fn a_working_directory_does_not_climb_out() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "vars": { "up": "../.." }, "cases": [
          { "name": "stays", "files": { "x/y": "" }, "cwd": "x/../x", "run": "test -e y" },
          { "name": "named", "cwd": "{{ dir }}", "run": "test -e a.test.json" },
          { "name": "climbs", "cwd": "{{ up }}/0", "run": "pwd" }
        ] }"#,
    )
    .file("b.test.yaml", "cwd: x/../..\nrun: pwd\n");
    let run = suite.run(&[]).expect_code(2);
    assert_eq!((run.verdict("stays").0, run.verdict("named").0), ("passed", "passed"));
    assert!(run.verdict("climbs").1.contains("leads out of the private directory"), "{}", run.stdout);
    assert!(run.stdout.contains("b.test.yaml:1:6"), "{}", run.stdout);
}

#[test]
fn scripts_just_copied_run_from_many_threads() {
    let cases: Vec<_> =
        (0..200).map(|n| format!(r#"{{ "name": "{n}", "inputs": ["s"], "run": ["./s"] }}"#)).collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let suite = suite.file("s", "#!/bin/sh\ntrue\n");
    fs::set_permissions(suite.path().join("s"), Permissions::from_mode(0o755)).expect("mine");
    assert_eq!(suite.run(&["-q", "-j", "16"]).expect_code(0).report().tests, 200);
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_so() {
    let suite = Suite::of("a.test.json", r#"{ "run": "echo begun > {{ dir }}/begun; sleep 1" }"#);
    let mut command = suite.command_after("trap '' HUP", "");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    while !suite.path().join("begun").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    send(&child, Signal::HUP);
    suite.finish(child).expect_code(0);
}

#[test]
fn a_descriptor_that_is_changed_meanwhile_runs_as_it_was_read() {
    let text = r#"{ "cases": [
        { "name": "changes", "retries": 1, "run": "echo broken > {{ dir }}/a.test.json; rm -f {{ dir }}/b.test.json; test $PARTEST_ATTEMPT = 2" },
        { "name": "later", "run": "true" }
    ] }"#;
    let suite = Suite::of("a.test.json", text).file("b.test.json", r#"{ "run": "true" }"#);
    let run = suite.run(&["-j", "1"]).expect_code(0);
    assert_eq!(run.report().tests, 3);
    assert!(run.stdout.contains("1 flaky"), "{}", run.stdout);
}

#[test]
fn no_deadline_starves_while_every_processor_is_busy() {
    let cases: Vec<_> = (0..8)
        .map(|n| format!(r#"{{ "name": "{n}", "run": "while :; do :; done", "timeout": "500ms" }}"#))
        .collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let run = suite.run(&["-j", "8"]).expect_code(1);
    for n in 0..8 {
        let case = run.case(&n.to_string());
        let time = case.time.expect("a time");
        // Half a second on a machine of its own.
        assert!(time < Duration::from_millis(2500), "{time:?}");
        assert!(run.verdict(&n.to_string()).1.contains("ended by SIGTERM"));
    }
}

#[test]
fn folders_deeper_than_any_path_are_one_error_and_the_rest_is_found() {
    let suite = Suite::of("top.test.json", r#"{ "run": "true" }"#);
    let name = "d".repeat(40);
    // Beyond the longest path only relative steps lead further down.
    let dig = format!(
        "i=0; while [ $i -lt 400 ]; do mkdir {name}; cd -P {name} 2>/dev/null || cd {name}; i=$((i+1)); done; echo '{{}}' >a.test.json"
    );
    let dug = std::process::Command::new("sh").args(["-c", &dig]).current_dir(suite.path()).status();
    assert!(dug.expect("sh").success());
    let listed = suite.run(&["--list"]).expect_code(2);
    assert_eq!(listed.stdout, "top::top\n");
    assert_eq!(listed.stderr.matches("File name too long").count(), 1, "{}", listed.stderr);
    suite.run(&["."]).expect_code(2);
    let removed = std::process::Command::new("rm").args(["-rf", &name]).current_dir(suite.path()).status();
    assert!(removed.expect("rm").success());
}

#[test]
fn programs_that_were_just_copied_can_be_run() {
    let cases: Vec<_> = (0..600)
        .map(|number| serde_json::json!({ "name": number.to_string(), "run": "./copied && ./written" }))
        .collect();
    let text = serde_json::json!({
        "defaults": { "inputs": ["copied"], "files": { "written": "#!/bin/sh\n" } }, "cases": cases
    });
    let suite = Suite::of("a.test.json", &text.to_string()).file("copied", "#!/bin/sh\n");
    let copied = suite.path().join("copied");
    fs::set_permissions(&copied, Permissions::from_mode(0o755)).expect("allowed");
    // Whoever is started while they are written holds them open for a moment, and then nobody can run them.
    let run = suite.run(&["-q", "-j", "100"]).expect_code(0);
    assert!(run.stdout.contains("600 passed"), "{}", run.stdout);
}
