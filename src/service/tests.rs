//! Services that are shell scripts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::model::{Pattern, ResourceLimits};
use crate::process::{Cancellation, Command, Input, Spill};
use crate::service::{Event, Launch, Ports, Probe, Readiness, Service};

/// Longer than anything takes that works.
const LONG: Duration = Duration::from_secs(60);

fn command(script: &str) -> Command {
    Command {
        program: "/bin/sh".into(),
        args: ["/bin/sh", "-c", script].map(OsString::from).into(),
        env: [("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())].into(),
        cwd: PathBuf::from("/"),
        stdin: Input::Null,
        limits: ResourceLimits::default(),
        spill: None,
    }
}

fn launch(script: &str, ready: Readiness) -> Launch {
    Launch { name: "api".to_owned(), command: command(script), ready, patience: LONG, grace: LONG }
}

fn log(pattern: &str) -> Readiness {
    Readiness::Log(Pattern::new(pattern).expect("valid"))
}

fn start(launch: Launch) -> (Service, Receiver<Event>) {
    let (sender, events) = channel();
    let service = Service::start(launch, Box::new(move |event| drop(sender.send(event))));
    (service.expect("threads"), events)
}

fn next(events: &Receiver<Event>) -> Event {
    events.recv_timeout(LONG).expect("an event")
}

fn failure(events: &Receiver<Event>) -> String {
    match next(events) {
        Event::Failed(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn it_is_ready_when_a_line_matches_and_gone_when_it_is_stopped() {
    let script = "echo starting; sleep 600 & echo pid $!; echo ready; wait";
    let (service, events) = start(launch(script, log("^ready$")));
    assert_eq!(next(&events), Event::Ready);
    let output = service.watched().output_since(0, 1 << 10).text().into_owned();
    let pid = output.lines().find_map(|line| line.strip_prefix("pid ")).expect("a pid").to_owned();
    assert!(is_alive(&pid));
    service.stop();
    assert_eq!(next(&events), Event::Gone);
    while is_alive(&pid) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(service.watched().failure(), None, "being stopped is no fault");
    service.finish();
}

#[test]
fn what_was_written_since_a_place_is_told() {
    let (service, events) = start(launch("echo before; printf ready", log("ready")));
    while next(&events) != Event::Gone {}
    let watched = service.watched();
    assert_eq!(watched.output_since(0, 100).text(), "before\nready");
    assert_eq!(watched.output_since(7, 100).text(), "ready");
    assert_eq!(watched.output_since(watched.place(), 100).written(), 0);
}

#[test]
fn one_that_dies_or_does_not_start_says_how() {
    let (_service, events) = start(launch("echo no >&2; exit 3", log("never")));
    assert!(failure(&events).starts_with("service \"api\" exited with code 3 before it was ready"));
    assert_eq!(next(&events), Event::Gone);
    let (_service, events) = start(launch("kill -9 $$", log("never")));
    assert!(failure(&events).contains("was ended by signal 9 (SIGKILL) before it was ready"));
    let mut absent = launch("", Readiness::Started);
    absent.command.program = "/does/not/exist".into();
    let (_service, events) = start(absent);
    assert!(failure(&events).contains("cannot start: program not found: /does/not/exist"));
    assert_eq!(next(&events), Event::Gone);
}

#[test]
fn one_that_ends_later_says_so_after_it_was_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let end = folder.path().join("end");
    let script = format!("echo ready; while ! test -e {}; do sleep 0.01; done; exit 7", end.display());
    let (_service, events) = start(launch(&script, log("ready")));
    assert_eq!(next(&events), Event::Ready);
    std::fs::write(&end, "").expect("written");
    let reason = failure(&events);
    assert!(reason.starts_with("service \"api\" exited with code 7, "), "{reason}");
    assert_eq!(next(&events), Event::Gone);
}

#[test]
fn one_that_is_never_ready_is_given_up() {
    let patient = |script, ready| Launch { patience: Duration::from_millis(300), ..launch(script, ready) };
    // Long enough for a look also on a machine that does much else.
    let asked = |probe| Launch { patience: Duration::from_secs(2), ..launch("exec sleep 600", probe) };
    let (_service, events) = start(patient("exec sleep 600", log("re+ady")));
    let reason = failure(&events);
    assert_eq!(
        reason,
        "service \"api\" was not ready within 0.30s: no line of its output matches \"re+ady\""
    );
    assert_eq!(next(&events), Event::Gone);
    let port = Ports::default().take().expect("a port");
    let (_service, events) = start(asked(Readiness::Port(port.number())));
    assert!(failure(&events).contains(": no connection to 127.0.0.1:"));
    let probe = Readiness::Run(Box::new(command("echo not yet; exit 4")));
    let (_service, events) = start(asked(probe));
    assert!(failure(&events).ends_with(": its probe ended with exit code 4: not yet"));
    let (_service, events) = start(asked(Readiness::Run(Box::new(command("sleep 600")))));
    assert!(failure(&events).ends_with("its probe did not end"));
    // It listens after a while, and never answers: that is what is wrong, and not how it was before.
    let looks = AtomicUsize::new(0);
    let probe = Probe(Box::new(move |limit: Duration, _: &Cancellation| {
        if looks.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err("refused".to_owned());
        }
        std::thread::sleep(limit);
        Err("no answer".to_owned())
    }));
    let (_service, events) = start(asked(Readiness::Asked(probe)));
    assert!(failure(&events).ends_with(": no answer"));
}

#[test]
fn a_command_or_an_answer_says_that_it_is_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ready").display().to_string();
    let probe = Readiness::Run(Box::new(command(&format!("test -e {file}"))));
    let (service, events) = start(launch(&format!("sleep 0.2; touch {file}; exec sleep 600"), probe));
    assert_eq!(next(&events), Event::Ready);
    service.finish();

    let looks = AtomicUsize::new(0);
    let ask = move |_: Duration, _: &Cancellation| match looks.fetch_add(1, Ordering::SeqCst) {
        0 => Err("not yet".to_owned()),
        _ => Ok(()),
    };
    let (service, events) = start(launch("exec sleep 600", Readiness::Asked(Probe(Box::new(ask)))));
    assert_eq!(next(&events), Event::Ready);
    service.finish();
}

#[test]
fn output_without_end_stays_small_and_goes_to_a_file_when_it_is_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["out", "err"].map(|name| folder.path().join(name));
    let kept = paths.clone();
    let spill = Spill::new(|| kept, 1 << 20, None);
    let mut endless = launch("echo ready >&2; while :; do echo 0123456789abcdef; done", log("ready"));
    endless.command.spill = Some(spill);
    let (service, events) = start(endless);
    assert_eq!(next(&events), Event::Ready);
    while service.watched().place() < 4 << 20 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let last = service.watched().output_since(0, 1 << 10);
    assert_eq!(last.tail.len(), 1 << 10);
    service.watched().keep_output();
    service.finish();
    let kept = std::fs::metadata(&paths[0]).expect("kept").len();
    assert!(((1 << 20) + (32 << 10)..(1 << 20) + (33 << 10)).contains(&kept), "{kept}");
    assert_eq!(std::fs::read_to_string(&paths[1]).expect("kept"), "ready\n");

    let mut silent = launch("echo ready; exec sleep 600", log("ready"));
    let unused = folder.path().to_owned();
    silent.command.spill = Some(Spill::new(move || ["a", "b"].map(|name| unused.join(name)), 1, None));
    let (service, events) = start(silent);
    assert_eq!(next(&events), Event::Ready);
    service.finish();
    assert!(!folder.path().join("a").exists(), "nobody wants it");
}

#[test]
fn whoever_drops_it_waits_until_it_is_gone() {
    let (service, events) =
        start(launch("trap '' TERM; echo ready; while :; do sleep 600; done", log("ready")));
    assert_eq!(next(&events), Event::Ready);
    drop(service);
    assert_eq!(next(&events), Event::Gone);
}

#[test]
fn who_waits_for_it_hears_of_its_end_and_of_the_runs() {
    let cancellation = Cancellation::new().expect("descriptors");
    let (service, _events) = start(launch("sleep 0.1; exit 1", log("never")));
    let reason = service.watched().wait_ready(&cancellation).expect_err("it dies").expect("a reason");
    assert!(reason.contains("exited with code 1"));
    let (service, _events) = start(launch("echo ready; exec sleep 600", log("ready")));
    assert_eq!(service.watched().wait_ready(&cancellation), Ok(()));
    let (service, _events) = start(launch("exec sleep 600", log("never")));
    cancellation.stop();
    assert_eq!(service.watched().wait_ready(&cancellation), Err(None));
}
