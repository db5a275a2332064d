//! The harness with `partest::init()` and without: what it leaves behind, and what it does to its host.

use std::env;
use std::fs;
use std::panic;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, child_subreaper};

use crate::cargo_harness::command;
use crate::support::{Suite, send};

/// The variable that makes a test of this program the host of a run.
const HOST: &str = "PARTEST_TEST_HOST";

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_test_program_that_is_killed_leaves_nothing_running() {
    for signal in [Signal::KILL, Signal::TERM] {
        for of_nextest in [false, true] {
            let suite = Suite::of(
                "sample-suites/a.test.json",
                r#"{ "name": "hangs", "run": "setsid sleep 75 & trap '' HUP; sleep 76", "grace": "500ms" }"#,
            );
            let mut command = if of_nextest {
                let mut command = command(&suite, &["--exact", "sample-suites/a::hangs", "--nocapture"]);
                command.env("NEXTEST_RUN_ID", "one");
                command
            } else {
                command(&suite, &[])
            };
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
            wait_until("the case does not start", || suite.processes().len() >= 3);
            send(&child, signal);
            child.wait().expect("ended");
            wait_until("something is left", || suite.processes().is_empty());
        }
    }
}

#[test]
fn limits_and_daemons_are_minded_after_init() {
    let suite = Suite::of(
        "sample-suites/a.test.json",
        r#"{ "cases": [
          { "name": "limited", "limits": { "open_files": 17 }, "run": "ulimit -n", "expect": { "stdout": "17\n" } },
          { "name": "leaks", "leak": "fail", "run": "setsid sleep 77 <&- >&- 2>&- & sleep 0.1" }
        ] }"#,
    );
    let output = command(&suite, &[]).output().expect("ran");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("limited") && text.contains("1 passed; 1 failed"), "{text}");
    assert!(text.contains("left 1 process behind"), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    suite.check_nothing_is_left();
}

/// What a library must leave as it is: signals, the parent of orphans, children.
fn state() -> (String, bool, String) {
    let status = fs::read_to_string("/proc/thread-self/status").expect("/proc");
    let signals = status.lines().filter(|line| line.starts_with("Sig") && !line.starts_with("SigQ"));
    let is_reaper = child_subreaper().expect("Linux").is_some();
    let mut children = String::new();
    for task in fs::read_dir("/proc/self/task").expect("/proc").filter_map(Result::ok) {
        children.push_str(&fs::read_to_string(task.path().join("children")).unwrap_or_default());
    }
    (signals.collect::<Vec<_>>().join("\n"), is_reaper, children)
}

/// Is the host, in a process of its own; its argument is the filter for the cases, too.
#[test]
fn host_without_init() {
    if env::var_os(HOST).is_none() {
        return;
    }
    // Its own handlers and threads come with the first use.
    panic::set_hook(Box::new(|_| fs::write("hook", "").expect("written")));
    let before = state();
    let _ = partest::harness::run("sample-suites");
    let _ = panic::catch_unwind(|| panic!("for the hook"));
    let after = state();
    fs::write("states", format!("{before:?}\n{after:?}\n")).expect("written");
}

#[test]
fn without_init_the_host_stays_as_it_is_and_limits_hold() {
    let suite = Suite::of(
        "sample-suites/a.test.json",
        r#"{ "cases": [
          { "name": "host_without_init passes", "run": "true" },
          { "name": "host_without_init leaks", "leak": "fail", "run": "sleep 78 & true" },
          { "name": "host_without_init is limited", "limits": { "open_files": 17 }, "run": "test $(ulimit -n) = 17" }
        ] }"#,
    );
    let mut host = Command::new(env::current_exe().expect("a path"));
    host.args(["host_without_init", "--nocapture"]).env(HOST, "1").env_remove("RUST_TEST_THREADS");
    host.current_dir(suite.path()).env("TMPDIR", suite.temporary());
    let output = host.output().expect("ran");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let states = fs::read_to_string(suite.path().join("states")).expect("written");
    let states: Vec<_> = states.lines().collect();
    assert_eq!(states[0], states[1]);
    assert!(suite.path().join("hook").exists(), "the hook of the host is gone");
    assert!(err.contains("note: main does not begin with"), "{err}");
    assert!(out.contains("2 passed; 1 failed"), "{out}");
    assert!(out.contains("left 1 process behind"), "{out}");
    suite.check_nothing_is_left();
}

#[test]
fn what_is_in_force_is_told_everywhere() {
    let suite = Suite::of("a.test.json", r#"{ "run": "true" }"#);
    let run = suite.run(&["-v"]).expect_code(0);
    assert!(run.stdout.starts_with("safeguards: orphans, watchdog, signals\n"), "{}", run.stdout);
    let property = r#"<property name="partest.safeguards" value="orphans, watchdog, signals"/>"#;
    assert!(run.junit.as_deref().expect("a report").contains(property));
    let events = suite.run(&["--format", "json"]).expect_code(0).stdout;
    assert!(events.contains(r#""safeguards":["orphans","watchdog","signals"]"#), "{events}");
}
