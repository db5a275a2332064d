//! Hostile programs, beside harmless ones, in every way in which partest is run; looked at from outside.

use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use serde_json::json;

use crate::support::Suite;

/// What is expected of a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passes,
    /// Passes, and leaves processes behind that are found.
    Leaks,
    /// Fails with these words in its message.
    Fails(&'static str),
}
use Verdict::{Fails, Leaks, Passes};

/// Scripts and what becomes of them. `VICTIM` is a folder that nothing may touch.
const HOSTILE: [(&str, &str, Verdict); 25] = [
    ("a daemon that holds the output", "setsid sleep 83 & true", Leaks),
    ("a daemon that ignores signals", "(trap '' TERM HUP; exec setsid sleep 83) <&- >&- 2>&- & true", Leaks),
    ("a child in the group", "sleep 83 & true", Leaks),
    ("a daemon without an environment", "env -i setsid sh -c 'sleep 83' >&- 2>&- & true", Leaks),
    ("a daemon elsewhere without an environment", "cd /; env -i setsid sleep 83 >&- 2>&- & true", Leaks),
    ("150 orphans", "i=0; while [ $i -lt 150 ]; do setsid sleep 83 >&- 2>&- & i=$((i+1)); done", Leaks),
    (
        "ignores every signal",
        "trap '' TERM INT HUP QUIT; sleep 83; sleep 83; sleep 83",
        Fails("SIGTERM had no effect"),
    ),
    (
        "a member of the group ignores TERM",
        "(trap '' TERM; sleep 83; sleep 83) & wait",
        Fails("ended by SIGTERM"),
    ),
    ("cleans up", "trap 'echo cleaned; exit 0' TERM; sleep 83 & wait", Fails("ended by SIGTERM")),
    ("stops itself", "kill -STOP $$; true", Fails("timed out")),
    ("a stopped daemon", "setsid sh -c 'kill -STOP $$' & sleep 83", Fails("timed out")),
    ("escapes and hangs", "setsid setsid sleep 83 & sleep 83", Fails("timed out")),
    ("kills its group", "kill 0; sleep 83", Fails("ended by signal 15 (SIGTERM)")),
    ("kills itself", "kill -KILL $$", Fails("signal 9 (SIGKILL), possibly out of memory")),
    ("exits as timeout(1) does", "exit 124", Fails("exit: expected 0, found 124")),
    ("exits as after a signal", "exit 137", Fails("exit: expected 0, found 137")),
    ("crashes", "kill -SEGV $$", Fails("signal 11 (SIGSEGV)")),
    ("prints without end", "yes", Fails("timed out")),
    (
        "prints what looks like a report",
        "printf '</testsuite>]]>\\0\\377\\033[2J\\n::error::x\\nok 1\\n'; false",
        Fails("exit"),
    ),
    ("<i>&amp;\"'</i>]]>", "false", Fails("exit")),
    ("leaves closed folders", "mkdir -p a/b; touch a/b/c; chmod 0 a/b a", Passes),
    (
        "leaves links",
        "ln -s \"$VICTIM\" l; ln -s \"$VICTIM/file\" f; mkfifo p; ln \"$VICTIM/file\" h 2>/dev/null || true",
        Passes,
    ),
    ("swaps its directory", "rmdir \"$TMPDIR\"; ln -s \"$VICTIM\" \"$TMPDIR\"", Passes),
    ("removes its directory", "rmdir \"$PWD\"", Passes),
    (
        "writes while it is cleaned up",
        "(n=0; while :; do mkdir \"d$n\" && : >\"d$n/f\"; n=$((n+1)); done) 2>&- >&- & sleep 0.1",
        Leaks,
    ),
];

/// How partest is run.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    jobs: usize,
    on_terminal: bool,
    /// As somebody who is nobody, rather than as root.
    as_nobody: bool,
}

fn suite() -> Suite {
    let case = |(name, script, _): &(&str, &str, Verdict)| json!({ "name": name, "run": script });
    let calm = (0..20).map(|n| {
        let expect = json!({ "stdout": format!("calm {n}\n"), "stderr": "" });
        json!({ "name": format!("calm {n}"), "run": format!("cat; echo calm {n}"), "expect": expect })
    });
    let cases: Vec<_> = HOSTILE.iter().map(case).chain(calm).collect();
    let defaults = json!({ "timeout": "1s", "grace": "300ms", "inherit_env": ["VICTIM"] });
    let text = json!({ "defaults": defaults, "cases": cases }).to_string();
    Suite::of("suite/hostile.test.json", &text).file("victim/file", "untouched")
}

fn command(suite: &Suite, way: Way) -> Command {
    let jobs = way.jobs.to_string();
    let mut command = if way.as_nobody { suite.command_of_nobody(&[]) } else { suite.command(&[]) };
    command.args(["suite", "-j", &jobs]).env("VICTIM", suite.path().join("victim")).env("TERM", "xterm");
    command
}

fn run(way: Way) {
    let suite = suite();
    let mut command = command(&suite, way);
    let begin = Instant::now();
    let (code, said) = if way.on_terminal {
        let mut session = expectrl::Session::spawn(command).expect("a terminal");
        let mut said = Vec::new();
        // At the end of a terminal stands an error.
        let _ = session.read_to_end(&mut said);
        let code = match session.get_process().wait().expect("ended") {
            expectrl::process::unix::WaitStatus::Exited(_, code) => Some(code),
            _ => None,
        };
        (code, String::from_utf8_lossy(&said).into_owned())
    } else {
        let output = command.stdin(Stdio::null()).output().expect("ran");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(code, Some(1), "{way:?}:\n{said}");
    assert!(begin.elapsed() < Duration::from_secs(100), "{way:?}: {:?}", begin.elapsed());
    suite.check_nothing_is_left();
    let victim = fs::read_to_string(suite.path().join("victim/file")).expect("there");
    assert_eq!(victim, "untouched", "{way:?}");
    assert_eq!(fs::read_dir(suite.path().join("victim")).expect("there").count(), 1, "{way:?}");
    let report = fs::read_to_string(suite.path().join(".partest/junit.xml")).expect("a report");
    check(&Report::deserialize_from_str(&report).expect("strict XML"), way, &said);
}

/// Compares every verdict with the one that is expected.
fn check(report: &Report, way: Way, said: &str) {
    let cases: Vec<_> = report.test_suites.iter().flat_map(|suite| &suite.test_cases).collect();
    assert_eq!(cases.len(), HOSTILE.len() + 20, "{way:?}");
    for case in cases {
        let name = case.name.as_str();
        let expected = HOSTILE.iter().find(|(known, _, _)| *known == name).map_or(Passes, |found| found.2);
        let leaks = case.properties.iter().any(|property| property.name.as_str() == "leaked");
        let message = match &case.status {
            TestCaseStatus::Success { .. } => None,
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, message, .. } => {
                Some(message.as_ref().map_or("", |text| text.as_str()))
            }
            other => panic!("{way:?}: {name}: {other:?}\n{said}"),
        };
        match expected {
            Passes => assert_eq!((message, leaks), (None, false), "{way:?}: {name}\n{said}"),
            Leaks => assert_eq!((message, leaks), (None, true), "{way:?}: {name}\n{said}"),
            Fails(words) => {
                assert!(
                    message.is_some_and(|text| text.contains(words)),
                    "{way:?}: {name}: {message:?}\n{said}"
                );
            }
        }
    }
}

#[test]
fn hostile_programs_harm_nobody() {
    run(Way { jobs: 4, ..Way::default() });
}

#[test]
#[ignore = "long: ./tests/run"]
fn hostile_programs_harm_nobody_in_whatever_way_they_are_run() {
    for jobs in [1, 4, 16] {
        for on_terminal in [false, true] {
            for as_nobody in [false, rustix::process::getuid().is_root()] {
                run(Way { jobs, on_terminal, as_nobody });
            }
        }
    }
}
