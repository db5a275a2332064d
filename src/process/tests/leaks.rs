//! What outlives the process that started it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{Probe, has, timed};
use crate::model::{End, ExitStatus};
use crate::process::adopt_orphans;
use crate::process::suspend::{await_starts, may_start};

/// Set in the process that runs the tests which need adoption off.
const ALONE: &str = "PARTEST_TEST_ALONE";

#[test]
fn a_background_child_that_holds_stdout_is_a_leak() {
    let (finished, took) = timed(|| Probe::sh("sleep 41 & echo done").finish_and_check());
    assert_eq!((finished.status, finished.end), (ExitStatus::Exited(0), End::Own));
    assert_eq!(finished.leaked, ["sleep 41"]);
    assert_eq!(finished.stdout.head, b"done\n");
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn what_dies_at_the_first_signal_is_a_leak_all_the_same() {
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..6 {
                    let finished = Probe::sh("sleep 41 </dev/null >/dev/null 2>&1 &").finish_and_check();
                    // On a busy machine it may still be a copy of the shell.
                    assert_eq!(finished.leaked.len(), 1, "{:?}", finished.leaked);
                }
            });
        }
    });
}

#[test]
fn a_background_child_that_goes_away_in_time_is_none() {
    let finished = Probe::sh("(sleep 0.05; echo late) & echo done").finish_and_check();
    assert!(finished.leaked.is_empty(), "{:?}", finished.leaked);
    assert_eq!(finished.stdout.head, b"done\nlate\n");
    let finished = Probe::sh("sleep 0.05 >/dev/null 2>&1 & exit 4").finish_and_check();
    assert!(finished.leaked.is_empty(), "{:?}", finished.leaked);
    assert_eq!(finished.status, ExitStatus::Exited(4));
}

#[test]
fn a_sibling_that_is_being_started_holds_no_output_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pid, copied) = (folder.path().join("pid"), folder.path().join("copied"));
    let (pid_file, copied_file) = (pid.display(), copied.display());
    let script = format!(
        "echo $$ >{pid_file}.new; mv {pid_file}.new {pid_file}; until test -e {copied_file}; do sleep 0.01; done"
    );
    std::thread::scope(|scope| {
        let sibling = scope.spawn(|| {
            let process = wait_for(|| std::fs::read_to_string(&pid).ok());
            let output = PathBuf::from(format!("/proc/{}/fd/1", process.trim()));
            let start = may_start();
            let copy = std::fs::File::options().write(true).open(output).expect("a pipe");
            std::fs::write(&copied, "").expect("written");
            wait_for(|| (!is_alive(process.trim())).then_some(()));
            std::thread::sleep(Duration::from_millis(400));
            drop((copy, start));
        });
        let finished = Probe::sh(&script).finish_and_check();
        assert_eq!((finished.status, finished.leaked), (ExitStatus::Exited(0), Vec::new()));
        sibling.join().expect("a pipe was held");
    });
}

#[test]
fn what_has_been_started_holds_nothing_of_others() {
    let is_over = AtomicBool::new(false);
    let goes_on = || !is_over.load(Ordering::Relaxed);
    let held = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while goes_on() {
                    Probe::new("/bin/true", &[]).finish_and_check();
                }
            });
            // Who is started loses the processor before it is done with that.
            scope.spawn(|| while goes_on() {});
        }
        let is_held = |_: &i32| {
            let (reading, writing) = pipe_with(PipeFlags::CLOEXEC).expect("descriptors");
            std::thread::sleep(Duration::from_millis(1));
            drop(writing);
            await_starts();
            let mut fds = [PollFd::new(&reading, PollFlags::IN)];
            poll(&mut fds, Some(&Timespec::default())).expect("polled") == 0
        };
        let held = (0..200).filter(is_held).count();
        is_over.store(true, Ordering::Relaxed);
        held
    });
    // Other tests start processes in other ways meanwhile.
    assert!(held < 5, "{held} of 200");
}

#[test]
fn daemons_are_found_and_killed() {
    if !has("/usr/bin/setsid") {
        return;
    }
    for script in [
        // Holding the output, and holding nothing while ignoring every polite signal.
        "setsid sh -c 'sleep 42 & exit'; echo done",
        "setsid sh -c '(trap \"\" TERM HUP INT; exec sleep 42) </dev/null >/dev/null 2>&1 & exit'; echo done",
        "setsid -f sleep 42 >/dev/null 2>&1; echo done",
        "setsid -f sh -c 'kill -STOP $$' >/dev/null 2>&1; echo done",
        "setsid -f setsid -f setsid -f sleep 42 >/dev/null 2>&1; echo done",
    ] {
        let (finished, took) = timed(|| Probe::sh(script).finish_and_check());
        assert_eq!((finished.status, finished.end), (ExitStatus::Exited(0), End::Own), "{script}");
        assert_eq!(finished.leaked.len(), 1, "{script}: {:?}", finished.leaked);
        assert_eq!(finished.stdout.head, b"done\n");
        assert!(took < Duration::from_secs(3), "{took:?}: {script}");
    }
}

#[test]
fn daemons_of_a_hanging_case_die_with_it() {
    if !has("/usr/bin/setsid") {
        return;
    }
    let script = "setsid -f sh -c 'while :; do sleep 0.1; done' >/dev/null 2>&1; setsid sleep 43 & sleep 44";
    let finished = Probe::sh(script).timeout(300).finish_and_check();
    assert_eq!(finished.end, End::TimedOut { on_term: true });
    assert!(finished.leaked.is_empty(), "{:?}", finished.leaked);
}

#[test]
fn what_is_below_an_orphan_dies_even_without_its_environment() {
    if !has("/usr/bin/setsid") {
        return;
    }
    // The number is this test's own, so that it can be looked for.
    let number = 400_000 + std::process::id();
    let script = format!("setsid -f sh -c 'env -i setsid sleep {number} & wait' >/dev/null 2>&1; sleep 0.2");
    let finished = Probe::sh(&script).finish_and_check();
    assert!(finished.leaked.iter().any(|line| *line == format!("sleep {number}")), "{:?}", finished.leaked);
    assert!(!is_running(&format!("sleep\0{number}\0")));
}

#[test]
fn a_storm_of_orphans_is_dead_in_time_and_siblings_are_not_touched() {
    if !has("/usr/bin/setsid") {
        return;
    }
    let storm = "i=0; while [ $i -lt 150 ]; do i=$((i+1)); setsid -f sleep 45 >/dev/null 2>&1; done";
    std::thread::scope(|scope| {
        let siblings: Vec<_> = (0..3)
            .map(|n| {
                scope.spawn(move || {
                    for _ in 0..20 {
                        let script = format!("sleep 0.02 & wait; (sleep 0.02); exit {n}");
                        let finished = Probe::sh(&script).finish_and_check();
                        assert_eq!(finished.status, ExitStatus::Exited(n));
                        assert!(finished.leaked.is_empty(), "{:?}", finished.leaked);
                    }
                })
            })
            .collect();
        let finished = Probe::sh(storm).finish_and_check();
        assert_eq!(finished.status, ExitStatus::Exited(0));
        assert_eq!(finished.leaked.len(), 17);
        assert_eq!(finished.leaked[16], "… and 134 more");
        for sibling in siblings {
            sibling.join().expect("siblings are not disturbed");
        }
    });
}

#[test]
fn a_chain_of_forks_is_caught() {
    // Each of them forks the next and exits: whoever reads of one finds it gone.
    let chain = "C='sh -c \"$C\" &'; export C; eval \"$C\"";
    let finished = Probe::sh(&format!("{chain}; sleep 46")).timeout(300).finish_and_check();
    assert!(matches!(finished.end, End::TimedOut { .. }));
    let finished = Probe::sh(&format!("{chain}; exit 8")).finish_and_check();
    assert_eq!(finished.status, ExitStatus::Exited(8));
    assert!(!finished.leaked.is_empty());
}

#[test]
fn daemons_that_keep_forking_are_leaks_and_end() {
    if !has("/usr/bin/python3") {
        return;
    }
    let chain = "import os, time\n\
        if not os.fork():\n\
        \x20   while True:\n\
        \x20       os.setsid()\n\
        \x20       time.sleep(0.0001)\n\
        \x20       if os.fork(): os._exit(0)";
    let script = format!("python3 -c \"{chain}\" </dev/null >/dev/null 2>&1; sleep 0.05");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let finished = Probe::sh("sleep 2").finish_and_check();
                assert!(finished.leaked.is_empty(), "{:?}", finished.leaked);
            });
        }
        for _ in 0..4 {
            scope.spawn(|| {
                let finished = Probe::sh(&script).finish_and_check();
                assert_eq!(finished.status, ExitStatus::Exited(0));
                assert!(!finished.leaked.is_empty());
            });
        }
    });
}

#[test]
fn children_of_the_host_are_left_alone() {
    adopt_orphans().expect("Linux has subreapers");
    let mut own = std::process::Command::new("/bin/sh").args(["-c", "exit 9"]).spawn().expect("sh");
    let finished = Probe::sh("sleep 47 & exit 0").finish_and_check();
    assert_eq!(finished.leaked, ["sleep 47"]);
    assert_eq!(own.wait().expect("not stolen").code(), Some(9));
}

#[test]
fn without_adoption_an_open_pipe_is_a_leak_and_the_group_dies() {
    let exe = std::env::current_exe().expect("this binary");
    let output = std::process::Command::new(exe)
        .args(["--exact", "process::tests::leaks::alone", "--ignored", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "started by the test above, in a process that adopts no orphans"]
fn alone() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let probe = Probe::sh("sleep 48 & echo done");
    let finished = probe.finish();
    assert_eq!(finished.leaked, ["(a background process held the output open)"]);
    assert_eq!(finished.stdout.head, b"done\n");
    wait_until_dead(&probe);

    let probe = Probe::sh("sleep 48 >/dev/null 2>&1 & echo done");
    // The best of some, as the machine may be busy.
    let took = (0..20).map(|_| timed(|| assert!(probe.finish().leaked.is_empty())).1).min();
    assert!(took < Some(Duration::from_millis(190)), "no wait: {took:?}");
    wait_until_dead(&probe);

    if has("/usr/bin/setsid") {
        let probe = Probe::sh("setsid -f sleep 4; echo done");
        let (finished, took) = timed(|| probe.finish());
        assert_eq!(finished.leaked, ["(a background process held the output open)"]);
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

#[test]
fn exit_statuses_survive_an_ignored_sigchld() {
    let exe = std::env::current_exe().expect("this binary");
    let output = std::process::Command::new("env")
        .arg("--ignore-signal=CHLD")
        .arg(exe)
        .args(["--exact", "process::tests::leaks::deaf", "--ignored"])
        .output()
        .expect("it starts");
    if output.status.code() == Some(125) {
        return; // An env that has no such option: nothing to test with.
    }
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "started by the test above, in a process that ignores SIGCHLD"]
fn deaf() {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).expect("SigIgn");
    let ignored = u64::from_str_radix(ignored, 16).expect("a mask");
    assert!(ignored & 1 << 16 != 0, "SIGCHLD is 17");
    assert_eq!(Probe::sh("exit 7").finish_and_check().status, ExitStatus::Exited(7));
}

/// Waits until something is there.
fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    for _ in 0..5000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("it is never there");
}

/// Whether a process has not exited yet.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Without adoption nobody waits for what a group kill hits.
fn wait_until_dead(probe: &Probe) {
    for _ in 0..1000 {
        if probe.survivors().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("the group is alive: {:?}", probe.survivors());
}

fn is_running(command_line: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    let mut lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| line == command_line.as_bytes())
}
