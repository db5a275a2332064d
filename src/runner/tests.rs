//! Runs whose attempts are not carried out by processes.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::discovery::{DiscoverOptions, discover};
use crate::model::{Attempt, FailureKind, KeptFiles, Outcome, Service, TestCase, TestEvent};
use crate::plan::{Selection, TestPlan};
use crate::report::{Reporter, Reporters};
use crate::runner::{Beside, Control, Executor, Given, Notify, Options, Policy, Ran, Running, Tried, run};
use crate::text::Variables;

/// Passes every case but one.
struct Fragile;

impl Executor for Fragile {
    fn attempt(&self, case: &TestCase, number: u32, _: &Given<'_>) -> Tried {
        assert!(case.info.name != "breaks", "a bug");
        let attempt = Attempt {
            number,
            started_at: SystemTime::now(),
            duration: Duration::ZERO,
            outcome: Outcome::Passed,
            failures: Vec::new(),
            steps: Vec::new(),
            leaked: Vec::new(),
            services: Vec::new(),
            logs: Vec::new(),
            kept: KeptFiles::default(),
        };
        Tried { attempt, goldens: Vec::new(), captured: Variables::new() }
    }

    fn start_service(&self, _: &Service, _: &[Arc<Beside>], _: Notify) -> Result<Running, String> {
        Err("there are none".to_owned())
    }
}

/// What came of each case, and what was wrong.
#[derive(Clone, Default)]
struct Results(Arc<Mutex<Vec<(String, Outcome, String)>>>);

impl Reporter for Results {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        if let TestEvent::CaseFinished(result) = event {
            let message = result.all_failures().next().map_or_else(String::new, |failure| {
                assert_eq!(failure.kind, FailureKind::Internal);
                failure.message.clone()
            });
            let mut results = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((result.info.name.clone(), result.outcome.clone(), message));
        }
        Ok(())
    }
}

/// Says which cases have run in which slot at the same time as another one.
#[derive(Default)]
struct Slots {
    taken: Mutex<BTreeSet<usize>>,
    collisions: Mutex<Vec<String>>,
}

impl Executor for Slots {
    fn attempt(&self, case: &TestCase, number: u32, given: &Given<'_>) -> Tried {
        if !self.taken.lock().expect("no panic").insert(given.slot) || given.slot >= 3 {
            self.collisions.lock().expect("no panic").push(case.info.name.clone());
        }
        thread::sleep(Duration::from_micros(50));
        let mut tried = Fragile.attempt(case, number, given);
        if case.info.name.ends_with("7") {
            tried.attempt.outcome = Outcome::Failed;
        }
        self.taken.lock().expect("no panic").remove(&given.slot);
        tried
    }

    fn start_service(&self, _: &Service, _: &[Arc<Beside>], _: Notify) -> Result<Running, String> {
        Err("there are none".to_owned())
    }
}

/// What was told of each case, in order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<HashMap<String, Vec<&'static str>>>>);

impl Reporter for Told {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        let (name, what) = match event {
            TestEvent::CaseStarted { info, .. } => (&info.name, "started"),
            TestEvent::CaseFinished(result) if result.has_passed() => (&result.info.name, "passed"),
            TestEvent::CaseFinished(result) => (&result.info.name, "failed"),
            _ => return Ok(()),
        };
        self.0.lock().expect("no panic").entry(name.clone()).or_default().push(what);
        Ok(())
    }
}

#[test]
fn whoever_takes_over_has_the_slot_of_the_one_before_and_is_told_of_once() {
    let names: Vec<_> = (0..500).map(|number| number.to_string()).collect();
    let (slots, told) = (Slots::default(), Told::default());
    let ran = run_cases(&names, 3, &slots, Box::new(told.clone()));
    assert_eq!(ran.finished.stats.failed, 50);
    assert_eq!(*slots.collisions.lock().expect("no panic"), Vec::<String>::new());
    let told = told.0.lock().expect("no panic");
    for name in &names {
        let end = if name.ends_with('7') { "failed" } else { "passed" };
        assert_eq!(told[name], ["started", end], "{name}");
    }
}

/// Runs cases of these names in so many slots.
fn run_cases(names: &[String], jobs: usize, executor: &dyn Executor, reporter: Box<dyn Reporter>) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    let cases: Vec<_> = names.iter().map(|name| format!(r#"{{ "name": "{name}", "run": "x" }}"#)).collect();
    let text = format!(r#"{{ "cases": [{}] }}"#, cases.join(","));
    std::fs::write(folder.path().join("a.test.json"), text).expect("written");
    let found = discover(&[".".into()], folder.path(), &DiscoverOptions::default());
    let plan = TestPlan::new(found.cases, found.broken, &Selection::new(&[], &[]), &|_| None);
    let options = Options {
        run_id: "run".to_owned(),
        jobs: NonZeroUsize::new(jobs).expect("some"),
        io_jobs: NonZeroUsize::MIN,
        goldens: None,
        policy: Policy::default(),
        repetition: None,
        slot: None,
    };
    let mut reporters = Reporters::new().with("results", reporter);
    let control = Control::new().expect("descriptors");
    run(plan, &options, executor, &control, &mut reporters).expect("it begins")
}

#[test]
fn a_panic_in_a_worker_is_the_result_of_its_case() {
    let names = ["first", "breaks", "second", "third"].map(str::to_owned);
    let results = Results::default();
    let ran = run_cases(&names, 1, &Fragile, Box::new(results.clone()));
    assert_eq!(ran.finished.stats.internal, 1);
    let results = results.0.lock().expect("no panic");
    let of = |name: &str| results.iter().find(|(known, ..)| known == name).expect(name);
    for name in ["first", "second", "third"] {
        assert_eq!(of(name).1, Outcome::Passed, "{name}");
    }
    let (_, outcome, message) = of("breaks");
    assert_eq!(*outcome, Outcome::Errored);
    assert!(message.starts_with("internal error: ") && message.contains("a bug"), "{message}");
}
