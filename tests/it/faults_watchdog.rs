//! The runner killed by SIGKILL, at any time.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::Suite;

/// Cases that leave the session, wipe their environment, ignore signals and hang. `SECONDS` makes their
/// processes known however little of them is left.
const HOSTILE: &str = r#"{ "defaults": { "timeout": "60s" }, "cases": [
  { "name": "quick", "run": "true" },
  { "name": "hangs", "run": ["sleep", "SECONDS"] },
  { "name": "stubborn", "run": "trap '' TERM INT HUP; while :; do sleep SECONDS; done" },
  { "name": "daemon", "run": "setsid sh -c 'trap \"\" HUP; sleep SECONDS & wait' </dev/null >/dev/null 2>&1 & sleep SECONDS" },
  { "name": "nameless", "run": ["env", "-i", "sleep", "SECONDS"] },
  { "name": "nameless daemon", "run": "env -i setsid sleep SECONDS </dev/null >/dev/null 2>&1 & sleep SECONDS" },
  { "name": "quick again", "run": "true" }
] }"#;

/// A duration that no other test waits for.
fn seconds() -> String {
    format!("{}.{:06}", 80_000 + std::process::id() % 10_000, random() % 1_000_000)
}

fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// The command lines that name these seconds.
fn running(seconds: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let read = |path: PathBuf| fs::read(path.join("cmdline")).ok();
    let lines = entries.filter_map(|entry| {
        // The first thread has none any more once it has ended.
        let line = read(entry.path()).filter(|line| !line.is_empty());
        let threads = || fs::read_dir(entry.path().join("task")).into_iter().flatten().flatten();
        line.or_else(|| threads().find_map(|thread| read(thread.path()).filter(|line| !line.is_empty())))
    });
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(seconds)).collect()
}

#[track_caller]
fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < limit, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a hostile suite, kills the runner after a while, and looks at what is left.
fn kill_after(delay: Duration) {
    let seconds = seconds();
    let suite = Suite::of("a.test.json", &HOSTILE.replace("SECONDS", &seconds));
    let mut child = suite.start(&["-j", "6"]);
    thread::sleep(delay);
    child.kill().expect("SIGKILL");
    child.wait().expect("reaped");
    let begin = Instant::now();
    loop {
        let left = [suite.processes(), running(&seconds)].concat();
        if left.is_empty() {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(1), "1 s after a SIGKILL at {delay:?}: {left:?}");
        thread::sleep(Duration::from_millis(5));
    }
    // The next run removes the private directories.
    suite.file("a.test.json", r#"{ "run": "true" }"#).run(&[]).expect_code(0);
}

fn kill_often(times: u32) {
    for _ in 0..times {
        kill_after(Duration::from_micros(random() % 300_000));
    }
}

#[test]
fn a_killed_runner_leaves_nothing_running() {
    kill_often(6);
}

#[test]
#[ignore = "long: ./tests/run"]
fn a_hundred_killed_runners_leave_nothing_running() {
    kill_often(100);
}

#[test]
fn every_kind_of_process_is_found_once_all_run() {
    let seconds = seconds();
    let suite = Suite::of("a.test.json", &HOSTILE.replace("SECONDS", &seconds));
    let mut child = suite.start(&["-j", "6"]);
    // Three that sleep, two that start a daemon and sleep, and the daemons; each shell names the number, too.
    wait_until("the cases do not start", Duration::from_secs(20), || {
        running(&seconds).iter().filter(|line| line.starts_with("sleep")).count() == 7
    });
    child.kill().expect("SIGKILL");
    child.wait().expect("reaped");
    wait_until("something is left", Duration::from_secs(1), || running(&seconds).is_empty());
}

#[test]
fn a_process_whose_first_thread_has_ended_is_found_as_well() {
    let seconds = seconds();
    let program = "import ctypes, sys, threading, time\n\
        threading.Thread(target=time.sleep, args=(float(sys.argv[1]),)).start()\n\
        open(sys.argv[2], 'w').close()\n\
        ctypes.CDLL(None).pthread_exit(None)";
    let case = |name: &str, before: &str| {
        let run = format!("{before} python3 program {seconds} {{{{ dir }}}}/{name}; sleep {seconds}");
        json!({ "name": name, "run": run, "files": { "program": program } })
    };
    let cases = [
        case("leader", "exec"),
        case("daemon", "setsid -f"),
        case("nameless", "env -i PATH=\"$PATH\" setsid -f"),
    ];
    let suite = Suite::of("a.test.json", &json!({ "cases": cases }).to_string());
    let mut child = suite.start(&["-j", "3"]);
    wait_until("the cases do not start", Duration::from_secs(60), || {
        ["leader", "daemon", "nameless"].iter().all(|name| suite.path().join(name).exists())
    });
    // Until their first threads have ended.
    thread::sleep(Duration::from_millis(300));
    assert!(running(&seconds).iter().filter(|line| line.contains(" program ")).count() >= 3);
    child.kill().expect("SIGKILL");
    child.wait().expect("reaped");
    wait_until("something is left", Duration::from_secs(1), || running(&seconds).is_empty());
}

/// The watchdog of the runner with this id.
fn watchdog_of(id: u32) -> Option<PathBuf> {
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok).map(|entry| entry.path());
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    entries.into_iter().find(|path| {
        read(path.join("cmdline")).contains("--partest-watchdog")
            && read(path.join("status")).contains(&format!("PPid:\t{id}\n"))
    })
}

#[test]
fn the_watchdog_goes_with_its_run() {
    let suite = Suite::of("a.test.json", r#"{ "run": "sleep 0.5" }"#);
    let child = suite.start(&[]);
    let mut watchdog = None;
    wait_until("there is no watchdog", Duration::from_secs(20), || {
        watchdog = watchdog_of(child.id());
        watchdog.is_some()
    });
    suite.finish(child).expect_code(0);
    assert!(!watchdog.expect("found").exists());
}

#[test]
fn nobody_starts_a_watchdog_by_mistake() {
    let suite = Suite::new();
    let typed = suite.command(&["--partest-watchdog"]).output().expect("started");
    assert_eq!(typed.status.code(), Some(2));
}
