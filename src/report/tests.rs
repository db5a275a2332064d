//! One scripted run with every standing, which each reporter must take.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::model::{
    Attempt, Captured, CaseId, CaseInfo, CaseResult, ExitStatus, Failure, FailureKind, Gauge, KeptFiles,
    Outcome, Position, RunFinished, RunStarted, RunStats, Safeguards, Skip, StepRecord, StepStatus,
    TestEvent,
};

/// The moment at which scripted runs begin: 2026-01-31 12:00:00 UTC.
pub(crate) fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800)
}

pub(crate) fn info(suite: &str, name: &str, line: u32) -> Arc<CaseInfo> {
    Arc::new(CaseInfo {
        id: CaseId::new(suite, name),
        name: name.to_owned(),
        suite: suite.into(),
        position: Position { file: format!("{suite}.test.json").into(), line, column: 5 },
        number: 0,
        tags: Vec::new(),
        copy_of: None,
        definition: None,
    })
}

pub(crate) fn captured(text: &str) -> Captured {
    Captured { head: text.as_bytes().to_vec(), ..Captured::default() }
}

pub(crate) fn failure(info: &CaseInfo, kind: FailureKind, message: &str, detail: &str) -> Failure {
    let position = Position { line: info.position.line + 2, column: 17, ..info.position.clone() };
    Failure { detail: detail.to_owned(), ..Failure::new(kind, position, message.to_owned()) }
}

/// An attempt of `seconds` that began as long after the run's start as its number says.
pub(crate) fn attempt(number: u32, outcome: Outcome, seconds: f64, failures: Vec<Failure>) -> Attempt {
    Attempt {
        number,
        started_at: start() + Duration::from_secs(u64::from(number)),
        duration: Duration::from_secs_f64(seconds),
        outcome,
        failures,
        steps: vec![StepRecord {
            step: None,
            command: "./greet --lang 'en us'".to_owned(),
            status: Some(StepStatus::Process(ExitStatus::Exited(0))),
            duration: Duration::from_secs_f64(seconds),
            stdout: captured("hello\n"),
            stderr: captured(""),
        }],
        leaked: Vec::new(),
        services: Vec::new(),
        logs: Vec::new(),
        kept: KeptFiles::default(),
    }
}

pub(crate) fn result(info: &Arc<CaseInfo>, outcome: Outcome, attempts: Vec<Attempt>) -> CaseResult {
    CaseResult {
        info: info.clone(),
        outcome,
        attempts,
        failures: Vec::new(),
        expected_failure: None,
        quarantine: None,
        has_denied_retries: false,
        updated: Vec::new(),
    }
}

fn failed(seconds: f64, info: &CaseInfo, message: &str, detail: &str) -> Attempt {
    attempt(1, Outcome::Failed, seconds, vec![failure(info, FailureKind::Expectation, message, detail)])
}

/// Results of every standing, in the order in which they finish.
pub(crate) fn results() -> Vec<CaseResult> {
    let mut results = Vec::new();
    for (line, name) in [(3, "greets"), (9, "greets in german")] {
        let info = info("basics/greet", name, line);
        results.push(result(&info, Outcome::Passed, vec![attempt(1, Outcome::Passed, 0.004, Vec::new())]));
    }

    let case = info("basics/greet", "it's polite", 15);
    let diff = "-expected +actual\n@@ -1,2 +1,2 @@\n hello\n-please\n+now\n";
    let mut last = failed(0.312, &case, "stdout differs from line 2 on", diff);
    last.failures.push(failure(&case, FailureKind::Expectation, "exit: expected 0, found 3", ""));
    last.steps[0].stderr = captured("one\n\u{1b}[31m::error::two\u{1b}[0m\n##[group]three\n");
    results.push(result(&case, Outcome::Failed, vec![last]));

    let case = info("net/api", "answers in time", 4);
    let timeout = failure(&case, FailureKind::Timeout, "timed out after 1.00s, ended by SIGTERM", "");
    let mut last = attempt(1, Outcome::TimedOut, 1.004, vec![timeout]);
    last.leaked = vec!["sleep 1000".to_owned()];
    results.push(result(&case, Outcome::TimedOut, vec![last]));

    let case = info("net/api", "starts", 12);
    let start = failure(&case, FailureKind::Start, "the program \"./serve\" was not found", "");
    let mut last = attempt(1, Outcome::Errored, 0.0, vec![start]);
    last.steps.clear();
    results.push(result(&case, Outcome::Errored, vec![last]));

    let case = info("net/api", "is patient", 20);
    let second = attempt(2, Outcome::Passed, 0.1, Vec::new());
    let first = failed(0.2, &case, "exit: expected 0, found 1", "");
    results.push(result(&case, Outcome::Passed, vec![first, second]));

    let case = info("known/bugs", "rounds", 2);
    let mut expected =
        result(&case, Outcome::Passed, vec![failed(0.01, &case, "exit: expected 0, found 1", "")]);
    expected.expected_failure = Some("issue 12".to_owned());
    results.push(expected);

    for (line, name, skip) in [
        (10, "on windows", Skip::Declared("only on Windows".to_owned())),
        (20, "with docker", Skip::Missing("docker".to_owned())),
        (30, "cut short", Skip::Interrupted),
        (40, "never begun", Skip::NotRun),
    ] {
        results.push(result(&info("known/bugs", name, line), Outcome::Skipped(skip), Vec::new()));
    }

    let broken = Arc::new(CaseInfo {
        id: CaseId::of_file("broken.test.json"),
        name: "broken.test.json".to_owned(),
        suite: "broken".into(),
        position: Position { file: "broken.test.json".into(), line: 1, column: 1 },
        number: 0,
        tags: Vec::new(),
        copy_of: None,
        definition: None,
    });
    let detail = "error: unknown key \"rnu\"\n --> broken.test.json:3:5\n3 | \"rnu\": []\n  | ^^^^^ did you mean \"run\"?\n";
    let failure = failure(&broken, FailureKind::Descriptor, "unknown key \"rnu\"", detail);
    results.push(CaseResult::without_attempt(broken, Outcome::Errored, vec![failure]));
    results
}

/// The events of a run with these results.
pub(crate) fn run(results: Vec<CaseResult>, signal: Option<i32>) -> Vec<TestEvent> {
    let mut suites: Vec<(Arc<str>, usize)> = Vec::new();
    let mut stats = RunStats::default();
    for result in &results {
        stats.add(result);
        match suites.iter_mut().find(|(suite, _)| *suite == result.info.suite) {
            Some((_, count)) => *count += 1,
            None => suites.push((result.info.suite.clone(), 1)),
        }
    }
    let started = RunStarted {
        run_id: "20260131-120000-abc".to_owned(),
        started_at: start(),
        total: results.len(),
        jobs: 4,
        safeguards: Safeguards { orphans: true, watchdog: true, signals: false },
        suites,
        predicted: None,
        seed: None,
        shard: None,
        stress: None,
    };
    let mut events = vec![TestEvent::RunStarted(started)];
    for result in results {
        for attempt in &result.attempts {
            events.push(TestEvent::CaseStarted {
                info: result.info.clone(),
                attempt: attempt.number,
                slow_after: Duration::from_secs(60),
                gauge: Gauge::default(),
            });
        }
        events.push(TestEvent::CaseFinished(Arc::new(result)));
    }
    events.extend(signal.map(|signal| TestEvent::Interrupted { signal }));
    events.push(TestEvent::RunFinished(RunFinished {
        duration: Duration::from_millis(3214),
        stats,
        signal,
        halt: None,
    }));
    events
}

/// What holds of every reporter: it takes any run without an error, also one that was cut short or is empty,
/// and events it does not need.
fn conforms(reporter: impl Fn() -> Box<dyn crate::report::Reporter>) {
    let whole = run(results(), Some(15));
    let mut without_end = run(results(), None);
    without_end.pop();
    let mut without_start = run(results(), None);
    without_start.remove(0);
    let twice = [run(results(), None), run(results(), None)].concat();
    for events in [whole, without_end, without_start, twice, run(Vec::new(), None), Vec::new()] {
        let mut reporter = reporter();
        for event in &events {
            reporter.handle(event).expect("an event is taken");
            reporter.tick().expect("time passes");
        }
    }
}

#[test]
fn every_reporter_conforms() {
    use crate::report::console::{ConsoleOptions, ConsoleReporter, Layout, Verbosity};
    use crate::report::{JunitOptions, JunitReporter};
    use crate::text::terminal::Colours;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("junit.xml");
    conforms(|| Box::new(JunitReporter::new(vec![path.clone()], JunitOptions::default())));
    for layout in [Layout::Plain, Layout::Terminal] {
        for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose, Verbosity::Outputs] {
            let (program, paths) = ("partest".to_owned(), Vec::new());
            let options = ConsoleOptions { layout, colours: Colours::Keep, verbosity, program, paths };
            conforms(|| Box::new(ConsoleReporter::new(std::io::sink(), options.clone())));
        }
    }
}
