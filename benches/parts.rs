//! Measures the parts that do not start processes, each alone: `cargo bench --bench parts`.
//!
//! Figures are times, not ratios: they are for comparing one revision with another on the same machine.

use std::collections::HashSet;
use std::fs;
use std::hint::black_box;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use divan::Bencher;
use divan::counter::ItemsCount;
use partest::assertion::{Setting, check};
use partest::discovery::{DiscoverOptions, Discovery, discover};
use partest::journal::{Reader, Writer};
use partest::model::{
    Attempt, Captured, CaseId, CaseInfo, CaseResult, ExitStatus, Fact, Observation, Outcome, Position,
    RunFinished, RunStarted, RunStats, Safeguards, StepRecord, StepStatus, Subject, TestEvent,
};
use partest::plan::{Selection, TestPlan};
use partest::report::{JunitOptions, JunitReporter, Reporters};
use partest::runner::{Control, Options, Policy};
use partest::schedule::{Access, Builder, Capacities, Demand, JobIndex, simulate};
use partest::session;
use partest::text::Variables;
use serde_json::{Value, json};
use tempfile::TempDir;

fn main() {
    // A run starts this program once more, as its watchdog.
    partest::init();
    divan::main();
}

const EVENTS: usize = 100_000;
const JOBS: usize = 100_000;

fn discovered(folder: &Path) -> Discovery {
    let found = discover(&[folder.to_owned()], folder, &DiscoverOptions::default());
    assert!(found.broken.is_empty(), "{:?}", found.broken);
    found
}

fn write(folder: &Path, name: &str, content: &Value) {
    fs::write(folder.join(name), content.to_string()).expect("a file of the benchmark");
}

fn folder() -> TempDir {
    TempDir::new().expect("a folder for the benchmark")
}

mod discovery {
    use super::{Bencher, ItemsCount, discovered, folder, json, write};

    #[divan::bench(sample_count = 10)]
    fn ten_thousand_files(bencher: Bencher<'_, '_>) {
        let suite = folder();
        for number in 0..10_000 {
            let case = json!({ "run": ["/bin/echo", number.to_string()], "expect": { "stdout": format!("{number}\n") } });
            write(suite.path(), &format!("c{number:05}.test.json"), &case);
        }
        bencher.counter(ItemsCount::new(10_000_usize)).bench(|| discovered(suite.path()).cases.len());
    }

    #[divan::bench(sample_count = 10)]
    fn one_file_of_ten_thousand_cases(bencher: Bencher<'_, '_>) {
        let suite = folder();
        let case = |number| json!({ "name": format!("case {number}"), "run": ["/bin/true"] });
        let cases: Vec<_> = (0..10_000).map(case).collect();
        write(suite.path(), "all.test.json", &json!({ "cases": cases }));
        bencher.counter(ItemsCount::new(10_000_usize)).bench(|| discovered(suite.path()).cases.len());
    }

    #[divan::bench(sample_count = 5)]
    fn a_matrix_of_a_hundred_thousand_cases(bencher: Bencher<'_, '_>) {
        let suite = folder();
        let [first, second] = [250, 400].map(|end| (0..end).collect::<Vec<_>>());
        let case = json!({ "name": "case", "matrix": { "a": first, "b": second }, "run": ["/bin/echo", "{{ a }} {{ b }}"] });
        write(suite.path(), "all.test.json", &case);
        bencher.counter(ItemsCount::new(100_000_usize)).bench(|| discovered(suite.path()).cases.len());
    }
}

/// What a run of so many cases tells, each of which has passed and printed a line.
fn events(count: usize) -> Vec<TestEvent> {
    let (suite, file): (Arc<str>, Arc<str>) = ("suite/all".into(), "suite/all.test.json".into());
    let started_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800);
    let mut events = vec![TestEvent::RunStarted(RunStarted {
        run_id: "bench".to_owned(),
        started_at,
        safeguards: Safeguards::default(),
        total: count,
        jobs: 2,
        suites: vec![(Arc::clone(&suite), count)],
        predicted: None,
        seed: None,
        shard: None,
        stress: None,
    })];
    for number in 0..count {
        let name = format!("case {number}");
        let line = u32::try_from(number).unwrap_or(u32::MAX);
        let info = Arc::new(CaseInfo {
            number: 0,
            id: CaseId::new(&suite, &name),
            name,
            suite: Arc::clone(&suite),
            position: Position { file: Arc::clone(&file), line, column: 1 },
            tags: Vec::new(),
            copy_of: None,
            definition: None,
        });
        let slow_after = Duration::from_secs(10);
        events.push(TestEvent::CaseStarted {
            info: Arc::clone(&info),
            attempt: 1,
            slow_after,
            gauge: Default::default(),
        });
        let mut result = CaseResult::without_attempt(info, Outcome::Passed, Vec::new());
        result.attempts.push(attempt(started_at));
        events.push(TestEvent::CaseFinished(Arc::new(result)));
    }
    let stats = RunStats { passed: count, ..RunStats::default() };
    let duration = Duration::from_secs(60);
    events.push(TestEvent::RunFinished(RunFinished { duration, stats, signal: None, halt: None }));
    events
}

fn attempt(started_at: SystemTime) -> Attempt {
    let captured = |text: &str| Captured { head: text.as_bytes().to_vec(), ..Captured::default() };
    Attempt {
        number: 1,
        started_at,
        duration: Duration::from_millis(3),
        outcome: Outcome::Passed,
        failures: Vec::new(),
        steps: vec![StepRecord {
            step: None,
            command: "./greet --lang 'en us'".to_owned(),
            status: Some(StepStatus::Process(ExitStatus::Exited(0))),
            duration: Duration::from_millis(3),
            stdout: captured("hello\n"),
            stderr: captured(""),
        }],
        leaked: Vec::new(),
        services: Vec::new(),
        logs: Vec::new(),
        kept: Default::default(),
    }
}

mod reports {
    use std::io;

    use partest::report::Reporter as _;

    use super::{
        Bencher, EVENTS, ItemsCount, JunitOptions, JunitReporter, Reader, Writer, black_box, events, folder,
    };

    #[divan::bench(sample_count = 5)]
    fn journal_written(bencher: Bencher<'_, '_>) {
        let events = events(EVENTS);
        bencher.counter(ItemsCount::new(EVENTS)).bench(|| {
            let mut journal = Writer::new(io::sink());
            events.iter().try_for_each(|event| journal.record(event)).expect("a sink takes all")
        });
    }

    #[divan::bench(sample_count = 5)]
    fn journal_read(bencher: Bencher<'_, '_>) {
        let mut journal = Writer::new(Vec::new());
        events(EVENTS).iter().try_for_each(|event| journal.record(event)).expect("memory takes all");
        let journal = journal.into_inner();
        bencher.counter(ItemsCount::new(EVENTS)).bench(|| {
            let reader = Reader::new(journal.as_slice()).expect("a journal");
            reader.for_each(|event| drop(black_box(event.expect("an event"))))
        });
    }

    #[divan::bench(sample_count = 5)]
    fn junit(bencher: Bencher<'_, '_>) {
        let events = events(EVENTS);
        let folder = folder();
        bencher.counter(ItemsCount::new(EVENTS)).bench(|| {
            let mut junit =
                JunitReporter::new(vec![folder.path().join("junit.xml")], JunitOptions::default());
            events.iter().try_for_each(|event| junit.handle(event)).expect("the report is written")
        });
    }
}

mod steps {
    use super::{Bencher, ItemsCount, Value, folder, json, run, write};

    #[divan::bench(sample_count = 5)]
    fn sleep_a_millisecond(bencher: Bencher<'_, '_>) {
        measure(bencher, &json!({ "sleep": "1ms" }));
    }

    #[divan::bench(sample_count = 5)]
    fn look_at_a_file(bencher: Bencher<'_, '_>) {
        measure(
            bencher,
            &json!({ "files": { "a.txt": "hello" }, "file": "a.txt", "expect": { "content": "hello" } }),
        );
    }

    /// A run of ten thousand such cases with neither reports nor processes.
    fn measure(bencher: Bencher<'_, '_>, case: &Value) {
        const COUNT: usize = 10_000;
        let suite = folder();
        let mut case = case.clone();
        case["name"] = json!("case {{ n }}");
        case["matrix"] = json!({ "n": (0..COUNT).collect::<Vec<_>>() });
        write(suite.path(), "all.test.json", &case);
        bencher.counter(ItemsCount::new(COUNT)).bench(|| run(suite.path(), COUNT));
    }
}

fn run(folder: &Path, count: usize) {
    let found = discovered(folder);
    let plan = TestPlan::new(found.cases, Vec::new(), &Selection::default(), &|_| None);
    let two = NonZeroUsize::MIN.saturating_add(1);
    let options = Options {
        run_id: "bench".to_owned(),
        jobs: two,
        io_jobs: two,
        goldens: None,
        policy: Policy::default(),
        repetition: None,
        slot: None,
    };
    let control = Control::new().expect("a pipe");
    let ended = session::run_with(plan, options, None, &control, Reporters::new()).expect("a run");
    assert_eq!(ended.finished.stats.passed, count);
}

mod schedule {
    use super::{Access, Bencher, Demand, ItemsCount, JOBS, JobIndex, simulated};

    #[divan::bench]
    fn alike(bencher: Bencher<'_, '_>) {
        bencher
            .counter(ItemsCount::new(JOBS))
            .bench(|| simulated(|builder, _| builder.push(&Demand::default(), &[])));
    }

    #[divan::bench]
    fn a_thousand_locks(bencher: Bencher<'_, '_>) {
        bencher.counter(ItemsCount::new(JOBS)).bench(|| {
            simulated(|builder, number| {
                let lock = builder.lock(&format!("lock {}", number % 1000));
                let access = if number % 3 == 0 { Access::Exclusive } else { Access::Shared };
                builder.push(&Demand { locks: vec![(lock, access)], ..Demand::default() }, &[]);
            })
        });
    }

    #[divan::bench]
    fn each_after_one_before(bencher: Bencher<'_, '_>) {
        bencher.counter(ItemsCount::new(JOBS)).bench(|| {
            simulated(|builder, number| {
                let before = number.checked_sub(100).map(JobIndex);
                builder.push(&Demand::default(), before.as_slice());
            })
        });
    }
}

/// How long jobs would take together that `push` adds, one by one.
fn simulated(push: impl Fn(&mut Builder, usize)) -> Duration {
    let slots = NonZeroUsize::MIN.saturating_add(7);
    let mut builder = Builder::new(Capacities { cpu: slots, io: slots });
    (0..JOBS).for_each(|number| push(&mut builder, number));
    let durations: Vec<_> = (0..JOBS as u64).map(|number| Duration::from_millis(1 + number % 17)).collect();
    let slot = Duration::from_millis(1) * NonZeroU32::MIN.get();
    let simulation =
        simulate(builder.build().expect("jobs that can start"), &durations, &HashSet::new(), |_| None);
    assert!(simulation.wall > slot);
    simulation.wall
}

mod matchers {
    use super::{
        Bencher, Captured, Fact, Observation, Setting, Subject, Value, Variables, check, discovered, folder,
        json, write,
    };

    fn lines() -> String {
        (0..2000).map(|number| format!("line {number} of an output\n")).collect()
    }

    #[divan::bench]
    fn equals(bencher: Bencher<'_, '_>) {
        measure(bencher, &json!({ "equals": lines() }), lines());
    }

    #[divan::bench]
    fn contains(bencher: Bencher<'_, '_>) {
        measure(
            bencher,
            &json!({ "contains": ["line 7 ", "line 1999 of"], "not_contains": "error" }),
            lines(),
        );
    }

    #[divan::bench]
    fn regular_expression(bencher: Bencher<'_, '_>) {
        measure(bencher, &json!({ "matches": "(?m)^line 1[0-9]+9 of .*$" }), lines());
    }

    #[divan::bench]
    fn lines_in_any_order(bencher: Bencher<'_, '_>) {
        let mut expected: Vec<_> = lines().lines().map(str::to_owned).collect();
        expected.reverse();
        measure(bencher, &json!({ "unordered": expected }), lines());
    }

    #[divan::bench]
    fn json_of_a_thousand_members(bencher: Bencher<'_, '_>) {
        let value: Value =
            (0..1000).map(|number| json!({ "id": number, "name": format!("n{number}") })).collect();
        measure(bencher, &json!({ "json": value }), value.to_string());
    }

    /// Checks one output against one expectation.
    fn measure(bencher: Bencher<'_, '_>, expected: &Value, output: String) {
        let suite = folder();
        write(suite.path(), "a.test.json", &json!({ "run": ["true"], "expect": { "stdout": expected } }));
        let case = discovered(suite.path()).cases.swap_remove(0);
        let checks = case.steps[0].checks.iter().filter(|check| check.subject == Subject::Stdout);
        let checks: Vec<_> = checks.cloned().collect();
        let output = Captured { head: output.into_bytes(), ..Captured::default() };
        let facts = vec![(Subject::Stdout, Fact::Content(output))];
        let observation = Observation { facts, directory: suite.path().to_owned() };
        let variables = Variables::new();
        let setting = Setting {
            variables: &variables,
            folder: suite.path(),
            home: None,
            tells_matches: false,
            go_on: &|| true,
        };
        bencher.bench(|| assert!(check(&checks, &observation, &setting).is_empty()));
    }
}
