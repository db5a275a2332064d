//! Runs whose attempts are not carried out by processes.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::discovery::{DiscoverOptions, discover};
use crate::model::{Attempt, FailureKind, KeptFiles, Outcome, Service, TestCase, TestEvent};
use crate::plan::{Selection, TestPlan};
use crate::report::{Reporter, Reporters};
use crate::runner::{Beside, Control, Executor, Given, Notify, Options, Policy, Running, Tried, run};
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

#[test]
fn a_panic_in_a_worker_is_the_result_of_its_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases =
        ["first", "breaks", "second", "third"].map(|name| format!(r#"{{ "name": "{name}", "run": "x" }}"#));
    let text = format!(r#"{{ "cases": [{}] }}"#, cases.join(","));
    std::fs::write(folder.path().join("a.test.json"), text).expect("written");
    let found = discover(&[".".into()], folder.path(), &DiscoverOptions::default());
    let plan = TestPlan::new(found.cases, found.broken, &Selection::new(&[], &[]), &|_| None);
    let options = Options {
        run_id: "run".to_owned(),
        jobs: NonZeroUsize::MIN,
        io_jobs: NonZeroUsize::MIN,
        goldens: None,
        policy: Policy::default(),
        repetition: None,
        slot: None,
    };
    let results = Results::default();
    let mut reporters = Reporters::new().with("results", Box::new(results.clone()));
    let control = Control::new().expect("descriptors");
    let ran = run(plan, &options, &Fragile, &control, &mut reporters).expect("it begins");
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
