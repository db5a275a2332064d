//! How processes end: by themselves, at the deadline, by cancellation.

use std::time::Duration;

use rustix::process::{Signal, kill_process_group};

use super::{Probe, timed};
use crate::model::{End, ExitStatus};
use crate::process::linux::reap;
use crate::process::start::start;
use crate::process::sweep::LAST_WAIT;
use crate::process::watch::{Exit, Watch};
use crate::process::{StartError, adopt_orphans};

#[test]
fn exit_codes_are_what_they_are() {
    for code in [0, 1, 77, 99, 101, 124, 127, 130, 137, 143, 255] {
        let finished = Probe::sh(&format!("exit {code}")).finish();
        assert_eq!((finished.status, finished.end), (ExitStatus::Exited(code), End::Own));
        assert!(finished.leaked.is_empty());
    }
}

#[test]
fn signals_are_what_they_are() {
    for number in [6, 9, 11, 13, 14, 15] {
        let finished = Probe::sh(&format!("echo last; kill -{number} $$")).finish();
        assert_eq!((finished.status, finished.end), (ExitStatus::Signaled(number), End::Own));
        assert_eq!(finished.stdout.head, b"last\n");
    }
}

#[test]
fn kill_zero_hits_the_case_alone() {
    let finished = Probe::sh("kill 0; sleep 20").finish();
    assert_eq!((finished.status, finished.end), (ExitStatus::Signaled(15), End::Own));
}

#[test]
fn what_ignores_term_is_killed_with_its_grandchild() {
    let probe = Probe::sh("trap '' TERM INT HUP QUIT; (sleep 31) & echo up; sleep 32; sleep 33");
    let (finished, took) = timed(|| probe.timeout(300).grace(200).finish_and_check());
    assert_eq!(finished.end, End::TimedOut { on_term: false });
    assert_eq!(finished.status, ExitStatus::Signaled(9));
    assert_eq!(finished.stdout.head, b"up\n");
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn what_cleans_up_after_term_has_timed_out_nevertheless() {
    let script = "trap 'sleep 0.3; echo cleaned; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let (finished, took) = timed(|| Probe::sh(script).timeout(300).grace(10_000).finish_and_check());
    assert_eq!((finished.end, finished.status), (End::TimedOut { on_term: true }, ExitStatus::Exited(0)));
    assert_eq!(finished.stdout.head, b"up\ncleaned\n");
    assert!(finished.leaked.is_empty());
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_group_member_that_ignores_term_dies_with_its_leader() {
    let script = "(trap '' TERM; exec sleep 34) & trap 'exit 3' TERM; while :; do sleep 0.05; done";
    let (finished, took) = timed(|| Probe::sh(script).timeout(300).grace(10_000).finish_and_check());
    assert_eq!((finished.end, finished.status), (End::TimedOut { on_term: true }, ExitStatus::Exited(3)));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn what_has_stopped_itself_is_ended() {
    let (finished, took) = timed(|| Probe::sh("kill -STOP $$").timeout(300).grace(10_000).finish_and_check());
    assert_eq!(finished.end, End::TimedOut { on_term: true });
    assert_eq!(finished.status, ExitStatus::Signaled(15));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn endless_output_ends_at_the_deadline() {
    let probe = Probe::sh("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyy; done").timeout(300).capture(1000);
    let (finished, took) = timed(|| probe.finish_and_check());
    assert_eq!(finished.end, End::TimedOut { on_term: true });
    assert_eq!(finished.stdout.head.len() + finished.stdout.tail.len(), 1000);
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_deadline_that_has_passed_still_ends() {
    let finished = Probe::sh("sleep 35").timeout(0).finish_and_check();
    assert!(matches!(finished.end, End::TimedOut { .. }));
}

#[test]
fn stopping_gives_grace_and_killing_does_not() {
    let directory = tempfile::tempdir().expect("tmp");
    let script = |trap: &str| {
        let ready = directory.path().join("ready").display().to_string();
        format!("trap '{trap}' TERM; echo up; : >{ready}; while :; do sleep 0.05; done")
    };
    let probe = Probe::sh(&script("echo bye; exit 0"));
    let cancellation = probe.cancellation.clone();
    let finished = std::thread::scope(|scope| {
        let running = scope.spawn(|| probe.finish_and_check());
        wait_for(|| directory.path().join("ready").exists());
        assert!(!cancellation.wait(Duration::from_millis(50)));
        cancellation.stop();
        running.join().expect("no panic")
    });
    assert_eq!((finished.end, finished.status), (End::Interrupted, ExitStatus::Exited(0)));
    assert_eq!(finished.stdout.head, b"up\nbye\n");
    assert!(cancellation.wait(Duration::from_secs(60)), "it stays requested");

    std::fs::remove_file(directory.path().join("ready")).expect("it is there");
    let probe = Probe::sh(&script(""));
    let (finished, took) = timed(|| {
        std::thread::scope(|scope| {
            let running = scope.spawn(|| probe.finish_and_check());
            wait_for(|| directory.path().join("ready").exists());
            probe.cancellation.stop();
            probe.cancellation.kill();
            running.join().expect("no panic")
        })
    });
    assert_eq!((finished.end, finished.status), (End::Interrupted, ExitStatus::Signaled(9)));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn one_switch_stops_many() {
    let probes: Vec<Probe> = (0..8).map(|_| Probe::sh("sleep 36")).collect();
    let switch = probes[0].cancellation.clone();
    let (ends, took) = timed(|| {
        std::thread::scope(|scope| {
            let running: Vec<_> = probes
                .iter()
                .map(|probe| {
                    let switch = &switch;
                    scope.spawn(move || {
                        crate::process::run(&probe.command, &probe.limits, &probe.token, switch)
                    })
                })
                .collect();
            wait_for(|| probes.iter().all(|probe| !probe.survivors().is_empty()));
            switch.stop();
            running.into_iter().map(|r| r.join().expect("no panic").expect("started").end).collect::<Vec<_>>()
        })
    });
    assert_eq!(ends, vec![End::Interrupted; 8]);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn nothing_starts_once_the_run_is_stopped() {
    let probe = Probe::sh("echo never");
    probe.cancellation.stop();
    assert!(matches!(probe.error(), StartError::Cancelled { .. }));
}

#[test]
fn time_and_memory_are_measured() {
    let finished = Probe::sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").finish();
    assert!(finished.cpu > Duration::ZERO && finished.cpu <= finished.duration * 2, "{finished:?}");
    assert!(finished.max_rss > 100 << 10 && finished.max_rss < 1 << 30, "{}", finished.max_rss);
}

/// Waits for something that must come, without a fixed sleep.
fn wait_for(mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Probe {
    /// Runs it with orphans adopted; its whole tree must be dead when it is over.
    pub(super) fn finish_and_check(&self) -> crate::process::Finished {
        adopt_orphans().expect("Linux has subreapers");
        let finished = self.finish();
        self.assert_dead();
        finished
    }
}

/// A process that KILL does not end cannot be made here; one that is not in the group that is killed stands for it.
#[test]
fn what_does_not_die_is_given_up_on() {
    let probes = [Probe::sh("exec sleep 60").timeout(100).grace(100), Probe::sh("exec sleep 60")];
    let [watched, other] = &probes;
    let begin = |probe| {
        let Probe { command, token, cancellation, .. }: &Probe = probe;
        start(command, token, cancellation).expect("started")
    };
    let (mut first, mut second) = (begin(watched), begin(other));
    std::mem::swap(&mut first.pidfd, &mut second.pidfd);
    let other_group = second.leader.pid();
    let mut watch = Watch::new(first, &watched.command, &watched.limits, &watched.cancellation, None);
    let (exit, took) = timed(|| watch.until_exit());
    assert_eq!(exit, Exit::Unkillable);
    assert!(took >= LAST_WAIT && took < LAST_WAIT + Duration::from_secs(5), "{took:?}");
    kill_process_group(other_group, Signal::KILL).expect("it is there");
    for leader in [watch.finish().0, second.leader] {
        reap(leader.pid()).expect("ended");
    }
}
