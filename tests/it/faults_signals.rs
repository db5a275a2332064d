//! The runner stopped and continued, asked three times, and started without the usual descriptors.

use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Suite;

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("not zero");
    kill_process(pid, signal).expect("signalled");
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The state of a process, such as `S` or `T`.
fn state(path: &str) -> char {
    let stat = fs::read_to_string(format!("{path}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('?')
}

/// The states of the processes of cases.
fn states(suite: &Suite) -> Vec<char> {
    let processes = suite.processes();
    processes.iter().filter_map(|line| line.split(' ').next()).map(state).collect()
}

#[test]
fn a_stopped_runner_stops_its_cases_and_no_clock_goes_on() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "works", "run": "i=0; while [ $i -lt 30 ]; do i=$((i+1)); sleep 0.05; done", "timeout": "5s" },
          { "name": "hangs", "run": "while :; do sleep 0.05; done", "timeout": "5s", "grace": "1s" }
        ] }"#,
    );
    let child = suite.start(&["-j", "2"]);
    wait_until("the cases do not start", || suite.processes().len() >= 2);
    for _ in 0..2 {
        signal(&child, Signal::TSTP);
        wait_until("it does not stop", || {
            // A shell whose child is stopped before it has its program waits for it, uninterruptibly.
            let stand = |state: &char| matches!(state, 'T' | 'D');
            state(&format!("/proc/{}", child.id())) == 'T' && states(&suite).iter().all(stand)
        });
        thread::sleep(Duration::from_millis(3000));
        assert!(states(&suite).len() >= 2, "a case has ended");
        signal(&child, Signal::CONT);
        wait_until("it does not go on", || states(&suite).iter().any(|state| matches!(state, 'S' | 'R')));
    }
    let run = suite.finish(child).expect_code(1);
    assert_eq!(run.verdict("works").0, "passed");
    assert_eq!(run.verdict("hangs").1, "timed out after 5.00s; ended by SIGTERM");
    let time = run.case("hangs").time.expect("a time");
    assert!(time >= Duration::from_secs(5) && time < Duration::from_millis(5900), "{time:?}");
}

#[test]
fn a_third_signal_ends_the_runner_at_once_and_the_watchdog_the_rest() {
    let suite = Suite::of("a.test.json", r#"{ "run": "trap '' TERM; sleep 61; sleep 62", "grace": "60s" }"#);
    let child = suite.start(&[]);
    wait_until("the case does not start", || suite.processes().len() == 2);
    let begin = Instant::now();
    // Two at once would count as one.
    for sent in [Signal::INT, Signal::TERM, Signal::HUP] {
        signal(&child, sent);
    }
    let output = child.wait_with_output().expect("waited for");
    assert!(output.status.code().is_some_and(|code| code > 128), "{output:?}");
    wait_until("something is left", || suite.processes().is_empty());
    assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
}

#[test]
fn a_runner_without_standard_descriptors_mixes_nothing_up() {
    for closed in ["<&-", ">&-", "<&- >&-", "2>&-", "<&- >&- 2>&-"] {
        let suite = Suite::of(
            "a.test.json",
            r#"{ "run": "cat; echo out; echo err >&2; ls /proc/self/fd | wc -l",
                 "expect": { "stdout": "out\n4\n", "stderr": "err\n" } }"#,
        );
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec \"$0\" -v {closed}"), env!("CARGO_BIN_EXE_partest")]);
        let inner = suite.command(&[]);
        command.current_dir(suite.path());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let run = suite.finish_command(command);
        assert_eq!(run.code, 0, "{closed}: {}{}", run.stdout, run.stderr);
        assert_eq!(run.report().tests, 1, "{closed}");
    }
}
