use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

use crate::journal::{JournalError, Reader, Writer};
use crate::model::{
    Attempt, Captured, CaseId, CaseInfo, CaseResult, ExitStatus, Failure, FailureKind, Gauge, Halt,
    KeptFiles, Outcome, Position, Quarantine, RunFinished, RunStarted, RunStats, Safeguards, ServiceRecord,
    Shard, Skip, StepNumber, StepRecord, StepStatus, TestEvent, UpdatedGolden,
};
use crate::time::Day;

fn started() -> TestEvent {
    TestEvent::RunStarted(RunStarted {
        run_id: "r1".to_owned(),
        started_at: SystemTime::UNIX_EPOCH + Duration::new(1_769_860_800, 1),
        total: 2,
        safeguards: Safeguards { orphans: true, watchdog: false, signals: true },
        jobs: 4,
        suites: vec![("a/b".into(), 2)],
        predicted: None,
        seed: None,
        shard: None,
        stress: None,
    })
}

fn info() -> Arc<CaseInfo> {
    Arc::new(CaseInfo {
        id: CaseId::new("a/b", "c"),
        name: "c".to_owned(),
        suite: "a/b".into(),
        position: Position { file: "a/b.test.json".into(), line: 3, column: 5 },
        number: 0,
        tags: vec!["smoke".to_owned()],
        copy_of: None,
        definition: None,
    })
}

fn finished(stdout: &[u8]) -> TestEvent {
    let step = StepRecord {
        step: None,
        command: "./c".to_owned(),
        status: Some(StepStatus::Process(ExitStatus::Exited(0))),
        duration: Duration::from_millis(2),
        stdout: Captured { head: stdout.to_vec(), ..Captured::default() },
        stderr: Captured::default(),
    };
    let attempt = Attempt {
        number: 1,
        started_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_801),
        duration: Duration::from_millis(2),
        outcome: Outcome::Passed,
        failures: Vec::new(),
        steps: vec![step],
        leaked: Vec::new(),
        services: Vec::new(),
        logs: Vec::new(),
        kept: KeptFiles::default(),
    };
    TestEvent::CaseFinished(Arc::new(CaseResult {
        info: info(),
        outcome: Outcome::Passed,
        attempts: vec![attempt],
        failures: Vec::new(),
        expected_failure: None,
        quarantine: None,
        has_denied_retries: false,
        updated: Vec::new(),
    }))
}

fn written(events: &[TestEvent]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    events.iter().for_each(|event| writer.record(event).expect("recorded"));
    writer.into_inner()
}

fn read(journal: &[u8]) -> Result<Vec<TestEvent>, JournalError> {
    Reader::new(journal)?.collect()
}

/// Events have no equality of their own; their debugging form holds every field.
fn shown(events: &[TestEvent]) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}

#[test]
fn lines_are_as_documented() {
    let text =
        String::from_utf8(written(&[started(), finished(b"hi\n"), finished(b"\xff\n")])).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"partest":1,"event":"run-started","run_id":"r1","started_at_ns":1769860800000000001,"total":2,"jobs":4,"safeguards":["orphans","signals"],"suites":[["a/b",2]]}"#
    );
    assert_eq!(
        lines[1],
        concat!(
            r#"{"event":"case-finished","case":{"id":"a/b::c","name":"c","suite":"a/b","at":{"file":"a/b.test.json","line":3,"column":5},"tags":["smoke"]},"#,
            r#""outcome":"passed","attempts":[{"number":1,"started_at_ns":1769860801000000000,"duration_ns":2000000,"outcome":"passed","#,
            r#""steps":[{"command":"./c","status":{"exited":0},"duration_ns":2000000,"stdout":{"head":"hi\n"}}]}]}"#
        )
    );
    assert!(lines[2].contains("\"stdout\":{\"head_bytes\":\"ÿ\\n\"}"), "{}", lines[2]);
}

#[test]
fn each_line_is_written_at_once() {
    struct Calls(Vec<usize>);
    impl Write for Calls {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(bytes.ends_with(b"\n"));
            self.0.push(bytes.iter().filter(|byte| **byte == b'\n').count());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let begun = || TestEvent::CaseStarted {
        info: info(),
        attempt: 1,
        slow_after: Duration::from_secs(1),
        gauge: Gauge::default(),
    };
    let mut writer = Writer::new(Calls(Vec::new()));
    for event in [started(), begun(), begun(), finished(b""), TestEvent::Interrupted { signal: 2 }] {
        writer.record(&event).expect("recorded");
    }
    assert_eq!(writer.into_inner().0, [1, 3, 1]);
}

#[test]
fn a_journal_is_read_to_its_last_whole_line() {
    let events = [started(), finished("grüße\n".as_bytes()), finished(b"2")];
    let whole = written(&events);
    let two_lines = written(&events[..2]).len();
    for end in two_lines..whole.len() - 1 {
        let mut reader = Reader::new(&whole[..end]).expect("a journal");
        let read: Vec<_> = reader.by_ref().map(|event| event.expect("an event")).collect();
        assert_eq!(shown(&read), shown(&events[..2]), "cut at {end}");
        assert_eq!(reader.is_truncated(), end > two_lines);
    }
    assert_eq!(read(&whole[..whole.len() - 1]).expect("read").len(), 3, "only the line feed is missing");
}

#[test]
fn what_is_no_journal_is_refused() {
    let message = |text: &str| read(text.as_bytes()).expect_err("an error").to_string();
    for text in ["", "\n", "{}\n", "[1]\n", "{\"event\":\"run-started\"}\n", "\u{0}"] {
        assert_eq!(
            message(text),
            "this is no journal of partest: its first line is not {\"partest\":1,…}",
            "{text}"
        );
    }
    assert_eq!(
        message("{\"partest\":2,\"other\":1}\n"),
        "the journal has version 2 of the format, and this partest reads version 1"
    );
    let head = String::from_utf8(written(&[started()])).expect("UTF-8");
    assert_eq!(
        message(&format!("{head}{{\"event\":\"interrupted\"}}\n")),
        "line 2 of the journal is broken: missing field `signal` at column 23"
    );
    let mut reader = Reader::new(io::Cursor::new(format!("{head}x\n{head}"))).expect("a journal");
    assert!(reader.next().is_some_and(|event| event.is_ok()));
    assert!(reader.next().is_some_and(|event| event.is_err()));
    assert!(reader.next().is_none(), "nothing comes after an error");
}

#[test]
fn what_later_versions_add_is_passed_over() {
    let mut journal = written(&[started()]);
    journal.extend(
        b"{\"event\":\"moon-rose\",\"phase\":3}\n{\"event\":\"interrupted\",\"signal\":2,\"by\":\"hand\"}\n",
    );
    let events = read(&journal).expect("read");
    assert!(matches!(events[..], [TestEvent::RunStarted(_), TestEvent::Interrupted { signal: 2 }]));
}

#[test]
fn equal_names_share_their_memory() {
    let events = read(&written(&[started(), finished(b""), finished(b"")])).expect("read");
    let suites: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            TestEvent::CaseFinished(result) => Some(result.info.suite.clone()),
            _ => None,
        })
        .collect();
    assert!(Arc::ptr_eq(&suites[0], &suites[1]));
}

#[test]
fn many_results_are_written_fast() {
    let event = finished(b"some lines\nof output\n");
    let begun = Instant::now();
    let mut writer = Writer::new(io::sink());
    (0..100_000).for_each(|_| writer.record(&event).expect("recorded"));
    let limit = if cfg!(debug_assertions) { 30.0 } else { 1.0 };
    assert!(begun.elapsed().as_secs_f64() < limit, "{:?}", begun.elapsed());
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z\n\"\\\\é\u{1b}\u{2028}]{0,12}"]
}

fn position() -> impl Strategy<Value = Position> {
    (text(), any::<u32>(), any::<u32>()).prop_map(|(file, line, column)| Position {
        file: file.into(),
        line,
        column,
    })
}

fn duration() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_nanos)
}

fn moment() -> impl Strategy<Value = SystemTime> {
    any::<u32>().prop_flat_map(|s| {
        (0..1_000_000_000_u32).prop_map(move |n| SystemTime::UNIX_EPOCH + Duration::new(s.into(), n))
    })
}

fn case() -> impl Strategy<Value = Arc<CaseInfo>> {
    let place = (position(), any::<u32>());
    (text(), text(), text(), place, vec(text(), 0..3), option::of(text()), any::<Option<u32>>()).prop_map(
        |(id, name, suite, (position, number), tags, copy_of, definition)| {
            let copy_of = copy_of.map(|id| CaseId::of_file(&id));
            Arc::new(CaseInfo {
                id: CaseId::of_file(&id),
                name,
                suite: suite.into(),
                position,
                number,
                tags,
                copy_of,
                definition,
            })
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Passed),
        Just(Outcome::Failed),
        Just(Outcome::TimedOut),
        Just(Outcome::Errored),
        text().prop_map(|reason| Outcome::Skipped(Skip::Declared(reason))),
        text().prop_map(|program| Outcome::Skipped(Skip::Missing(program))),
        Just(Outcome::Skipped(Skip::Interrupted)),
        Just(Outcome::Skipped(Skip::NotRun)),
        halt().prop_map(|halt| Outcome::Skipped(Skip::Halted(halt))),
    ]
}

fn halt() -> impl Strategy<Value = Halt> {
    prop_oneof![
        any::<u16>().prop_map(|count| Halt::Failures(count.into())),
        duration().prop_map(Halt::Timeout)
    ]
}

fn number() -> impl Strategy<Value = Option<StepNumber>> {
    option::of(
        (any::<u8>(), any::<u8>())
            .prop_map(|(number, of)| StepNumber { number: number.into(), of: of.into() }),
    )
}

fn failure() -> impl Strategy<Value = Failure> {
    let kinds = [
        FailureKind::Expectation,
        FailureKind::Timeout,
        FailureKind::Signal,
        FailureKind::Connection,
        FailureKind::Start,
        FailureKind::Descriptor,
        FailureKind::UnexpectedPass,
        FailureKind::Flaky,
        FailureKind::Leak,
        FailureKind::Limit,
        FailureKind::Internal,
    ];
    (proptest::sample::select(kinds.to_vec()), position(), number(), text(), text())
        .prop_map(|(kind, position, step, message, detail)| Failure { kind, position, step, message, detail })
}

fn captured() -> impl Strategy<Value = Captured> {
    let bytes = || prop_oneof![text().prop_map(String::into_bytes), vec(any::<u8>(), 0..40)];
    (bytes(), bytes(), any::<u64>()).prop_map(|(head, tail, dropped)| Captured { head, tail, dropped })
}

fn step() -> impl Strategy<Value = StepRecord> {
    let status = prop_oneof![
        any::<i32>().prop_map(|code| StepStatus::Process(ExitStatus::Exited(code))),
        any::<i32>().prop_map(|number| StepStatus::Process(ExitStatus::Signaled(number))),
        text().prop_map(StepStatus::Done),
    ];
    (number(), text(), option::of(status), duration(), captured(), captured()).prop_map(
        |(step, command, status, duration, stdout, stderr)| StepRecord {
            step,
            command,
            status,
            duration,
            stdout,
            stderr,
        },
    )
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let service = (text(), option::of(text()), captured())
        .prop_map(|(name, failure, output)| ServiceRecord { name, failure, output });
    let kept =
        (vec(text(), 0..3), vec(text(), 0..2)).prop_map(|(files, left_out)| KeptFiles { files, left_out });
    let beside = (vec(text(), 0..2), vec(service, 0..2), vec(text(), 0..2), kept);
    let what = (outcome(), vec(failure(), 0..3), vec(step(), 0..3), beside);
    (any::<u32>(), moment(), duration(), what).prop_map(
        |(number, started_at, duration, (outcome, failures, steps, (leaked, services, logs, kept)))| {
            Attempt { number, started_at, duration, outcome, failures, steps, leaked, services, logs, kept }
        },
    )
}

fn event() -> impl Strategy<Value = TestEvent> {
    let updated = vec(
        (text(), any::<bool>(), text()).prop_map(|(path, created, detail)| UpdatedGolden {
            path,
            created,
            detail,
        }),
        0..2,
    );
    let quarantine = (text(), text(), any::<bool>()).prop_map(|(owner, reason, ends)| Quarantine {
        owner,
        reason,
        until: ends.then(|| Day::parse("2027-01-31")).flatten(),
    });
    let lenient = (option::of(text()), option::of(quarantine), any::<bool>());
    let result = (case(), outcome(), vec(attempt(), 0..3), vec(failure(), 0..2), lenient, updated);
    let stats = any::<[u16; 13]>().prop_map(|n| RunStats {
        passed: n[0].into(),
        flaky: n[1].into(),
        expected_failures: n[2].into(),
        failed: n[3].into(),
        timed_out: n[4].into(),
        errored: n[5].into(),
        skipped: n[6].into(),
        not_run: n[7].into(),
        broken: n[8].into(),
        internal: n[9].into(),
        leaked: n[10].into(),
        quarantined: n[11].into(),
        denied_retries: n[12].into(),
    });
    prop_oneof![
        (case(), any::<u32>(), duration()).prop_map(|(info, attempt, slow_after)| TestEvent::CaseStarted {
            info,
            attempt,
            slow_after,
            gauge: Gauge::default(),
        }),
        result.prop_map(|(info, outcome, attempts, failures, lenient, updated)| {
            let (expected_failure, quarantine, has_denied_retries) = lenient;
            TestEvent::CaseFinished(Arc::new(CaseResult {
                info,
                outcome,
                attempts,
                failures,
                expected_failure,
                quarantine,
                has_denied_retries,
                updated,
            }))
        }),
        any::<i32>().prop_map(|signal| TestEvent::Interrupted { signal }),
        halt().prop_map(TestEvent::Halted),
        any::<String>().prop_map(|message| TestEvent::Warned { message }),
        (duration(), stats, option::of(any::<i32>()), option::of(halt())).prop_map(
            |(duration, stats, signal, halt)| TestEvent::RunFinished(RunFinished {
                duration,
                stats,
                signal,
                halt
            })
        ),
    ]
}

fn first_event() -> impl Strategy<Value = TestEvent> {
    let made = (option::of(text()), option::of(text()), option::of(any::<NonZeroU32>()));
    let shard = (any::<u32>(), any::<u32>(), any::<u16>(), text(), text(), made).prop_map(
        |(number, of, cases, list, split, (definitions, variables, repeat))| {
            let cases = cases.into();
            Shard { number, of, cases, list, split, definitions, variables, repeat }
        },
    );
    let numbers = (
        any::<u32>(),
        any::<u16>(),
        option::of(duration()),
        option::of(any::<u64>()),
        option::of(duration()),
    );
    let safeguards =
        any::<[bool; 3]>().prop_map(|[orphans, watchdog, signals]| Safeguards { orphans, watchdog, signals });
    (text(), moment(), numbers, vec((text(), any::<u16>()), 0..4), option::of(shard), safeguards).prop_map(
        |(run_id, started_at, (total, jobs, predicted, seed, stress), suites, shard, safeguards)| {
            let suites = suites.into_iter().map(|(name, count)| (name.into(), count.into())).collect();
            TestEvent::RunStarted(RunStarted {
                run_id,
                started_at,
                total: total as usize,
                jobs: jobs.into(),
                safeguards,
                suites,
                predicted,
                seed,
                shard,
                stress,
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn what_is_written_is_read(first in first_event(), mut events in vec(event(), 0..6)) {
        // Lines about cases that begin wait for the next event, so one comes last.
        events.insert(0, first);
        events.push(TestEvent::Interrupted { signal: 2 });
        let journal = written(&events);
        assert_eq!(journal.iter().filter(|byte| **byte == b'\n').count(), events.len());
        assert_eq!(shown(&read(&journal).expect("read")), shown(&events));
    }
}
