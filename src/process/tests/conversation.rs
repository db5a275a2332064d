//! Processes that answer lines.

use std::time::Duration;

use super::Probe;
use crate::model::ExitStatus;
use crate::process::{Conversation, Silence};
use crate::time::Deadline;

const LONG: Duration = Duration::from_secs(60);

fn start(script: &str) -> Conversation {
    let Probe { command, cancellation, token, .. } = Probe::sh(script);
    Conversation::start(command, &token, &cancellation).expect("started")
}

fn ask(with: &mut Conversation, line: &str) -> Result<String, Silence> {
    let answer = with.ask(format!("{line}\n").as_bytes(), Deadline::after(Some(LONG)), None);
    answer.map(|line| String::from_utf8(line).expect("UTF-8"))
}

#[test]
fn lines_are_answered_by_one_process() {
    let mut cat =
        start("n=0; while read -r l; do n=$((n+1)); echo \"$l said\" >&2; echo \"$n $l\"; done; exit 7");
    for n in 1..=3 {
        assert_eq!(ask(&mut cat, "a"), Ok(format!("{n} a")));
        assert_eq!(cat.take_errors().head, b"a said\n");
    }
    // More than any pipe holds, there and back.
    let long = "x".repeat(1 << 20);
    assert_eq!(ask(&mut cat, &long), Ok(format!("4 {long}")));
    let finished = cat.end(LONG, LONG).expect("ended");
    assert_eq!(finished.status, ExitStatus::Exited(7));
    assert!(finished.leaked.is_empty(), "{:?}", finished.leaked);
}

#[test]
fn silence_has_its_reason() {
    let silence = |script: &str| ask(&mut start(script), "a").expect_err(script);
    assert_eq!(silence("read -r l; printf half; exit 3"), Silence::Gone(b"half".to_vec()));
    assert_eq!(silence("read -r l; exec >&-; sleep 60"), Silence::Gone(Vec::new()));
    assert_eq!(silence("read -r l; printf 'a\\nb\\n'; sleep 60"), Silence::More(b"b\n".to_vec()));
    assert_eq!(silence("read -r l; head -c 17000000 /dev/zero; sleep 60"), Silence::TooLong);
    let mut early = start("echo early; sleep 60");
    while early.open.as_ref().is_some_and(|open| rustix::io::ioctl_fionread(&open.started.stdout) == Ok(0)) {
        std::thread::yield_now();
    }
    assert_eq!(ask(&mut early, "a"), Err(Silence::Unasked(b"early\n".to_vec())));
}

#[test]
fn what_is_written_before_the_line_is_read_is_no_answer() {
    let mut hasty = start("read -r l; echo one; sleep 0.1; echo two; sleep 1; read -r l; echo three");
    assert_eq!(ask(&mut hasty, "a"), Ok("one".to_owned()));
    assert_eq!(ask(&mut hasty, "b"), Err(Silence::Unasked(b"two\n".to_vec())));
}

#[test]
fn whoever_goes_has_read_the_line_or_not() {
    for (script, reason) in [
        ("read -r l; echo one; sleep 0.1", Silence::Unheard),
        ("read -r l; echo one; exec <&-; sleep 0.1", Silence::Unheard),
        ("read -r l; echo one; read -r l", Silence::Gone(Vec::new())),
    ] {
        let mut leaving = start(script);
        assert_eq!(ask(&mut leaving, "a"), Ok("one".to_owned()));
        assert_eq!(ask(&mut leaving, "b"), Err(reason), "{script}");
    }
    assert_eq!(ask(&mut start("exit 3"), "a"), Err(Silence::Unheard));
}

#[test]
fn errors_belong_to_the_line_during_which_they_are_written() {
    let mut worker =
        start("echo begin >&2; while read -r l; do echo $l >&2; echo $l; sleep 0.05; echo idle >&2; done");
    for (line, errors) in [("a", "begin\na\n"), ("b", "b\n")] {
        assert_eq!(ask(&mut worker, line), Ok(line.to_owned()));
        assert_eq!(String::from_utf8_lossy(&worker.take_errors().head), errors);
        let open = worker.open.as_ref().expect("open");
        while rustix::io::ioctl_fionread(&open.started.stderr) == Ok(0) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_worker_that_is_late_is_ended_with_all_it_started() {
    let mut slow = start("sleep 61 & trap '' TERM; while :; do sleep 62; done");
    let late = slow.ask(b"a\n", Deadline::after(Some(Duration::from_millis(50))), None);
    assert_eq!(late, Err(Silence::Late));
    let finished = slow.end(Duration::ZERO, Duration::from_millis(50)).expect("ended");
    assert_eq!(finished.status, ExitStatus::Signaled(9));
}

#[test]
fn a_cancellation_is_heard_while_an_answer_is_awaited() {
    let Probe { command, cancellation, token, .. } = Probe::sh("sleep 60");
    let mut worker = Conversation::start(command, &token, &cancellation).expect("started");
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| worker.ask(b"a\n", Deadline::NEVER, None));
        cancellation.stop();
        assert_eq!(asked.join().expect("no panic"), Err(Silence::Interrupted));
    });
    assert_eq!(worker.end(LONG, LONG).expect("ended").status, ExitStatus::Signaled(15));
}
