mod share;

use std::sync::Arc;
use std::time::Duration;

mod after;

use super::{Order, PastResult, PastResults, Recall, Recalled, Selection, TestPlan};
use crate::model::{
    CaseId, CaseInfo, CaseResult, Outcome, Position, Resources, Standing, SuiteHooks, TestCase, TimeLimits,
    WorkingDirectory,
};

fn info(suite: &str, name: &str) -> Arc<CaseInfo> {
    Arc::new(CaseInfo {
        id: CaseId::new(suite, name),
        name: name.to_owned(),
        suite: suite.into(),
        position: Position { file: format!("{suite}.test.json").into(), line: 1, column: 1 },
        number: 0,
        tags: Vec::new(),
        copy_of: None,
        definition: None,
    })
}

fn arcs(cases: Vec<TestCase>) -> Vec<Arc<TestCase>> {
    cases.into_iter().map(Arc::new).collect()
}

fn case(suite: &str, name: &str) -> TestCase {
    TestCase {
        info: info(suite, name),
        folder: std::path::Path::new("/suite").into(),
        steps: Vec::new(),
        environment: Arc::default(),
        inputs: Arc::default(),
        files: Arc::default(),
        outputs: Arc::default(),
        cwd: WorkingDirectory::Private,
        time: Arc::new(TimeLimits {
            timeout: Duration::MAX,
            grace: Duration::ZERO,
            slow_after: Duration::MAX,
        }),
        retries: Arc::default(),
        precautions: Arc::default(),
        services: Arc::default(),
        hooks: Arc::default(),
        ports: Arc::default(),
        resources: Arc::default(),
        variables: Arc::default(),
        skip: None,
        requires: Arc::default(),
        expected_failure: None,
        quarantine: None,
    }
}

fn planned(patterns: &[&str], exact: &[&str]) -> Vec<String> {
    let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let selection = Selection::new(&own(patterns), &own(exact));
    let cases = vec![case("a/one", "adds"), case("a/one", "adds[x=1]"), case("b/two", "divides")];
    let plan = TestPlan::new(arcs(cases), Vec::new(), &selection, &|_| None);
    plan.cases.iter().map(|case| case.info.id.to_string()).collect()
}

#[test]
fn a_pattern_is_searched_for_and_a_glob_matches_the_whole_id() {
    assert_eq!(planned(&[], &[]).len(), 3);
    assert_eq!(planned(&["adds"], &[]), ["a/one::adds", "a/one::adds[x=1]"]);
    assert_eq!(planned(&["[x=1]"], &[]), ["a/one::adds[x=1]"]);
    assert_eq!(planned(&["a/*::adds"], &[]), ["a/one::adds"]);
    assert_eq!(planned(&["*divide?"], &[]), ["b/two::divides"]);
    assert_eq!(planned(&["divide*"], &[]), Vec::<String>::new());
    assert_eq!(planned(&["divides", "x=1"], &[]), ["a/one::adds[x=1]", "b/two::divides"]);
}

#[test]
fn an_exact_id_selects_one_case() {
    assert_eq!(planned(&[], &["a/one::adds"]), ["a/one::adds"]);
    assert_eq!(planned(&[], &["a/one"]), Vec::<String>::new());
    assert_eq!(planned(&["divides"], &["a/one::adds"]), ["a/one::adds", "b/two::divides"]);
}

#[test]
fn skips_are_results_and_exclusive_cases_come_last() {
    let resources = Arc::new(Resources { exclusive: true, ..Resources::default() });
    let alone = TestCase { resources, ..case("a/one", "alone") };
    let skipped = TestCase { skip: Some("not today".to_owned()), ..case("a/one", "skipped") };
    let cases = vec![alone, skipped, case("a/one", "needs"), case("b/two", "plain")];
    let missing = |case: &TestCase| (case.info.name == "needs").then(|| "absent".to_owned());
    let plan = TestPlan::new(arcs(cases), Vec::new(), &Selection::default(), &missing);
    let names: Vec<_> = plan.cases.iter().map(|case| case.info.name.as_str()).collect();
    assert_eq!(names, ["plain", "alone"]);
    assert_eq!(plan.total(), 4);
    assert!(plan.resolved.iter().all(|result| result.standing() == Standing::Skipped));
}

#[test]
fn a_broken_file_stays_unless_an_exact_id_rules_it_out() {
    let broken = || {
        let mut info = CaseInfo::clone(&info("a/one", "-"));
        info.id = CaseId::of_file("a/one.test.json");
        vec![CaseResult::without_attempt(Arc::new(info), Outcome::Errored, Vec::new())]
    };
    let kept = |patterns: &[String], exact: &[String]| {
        TestPlan::new(Vec::new(), broken(), &Selection::new(patterns, exact), &|_| None).resolved.len()
    };
    assert_eq!(kept(&[], &[]), 1);
    assert_eq!(kept(&["zzz".to_owned()], &[]), 1);
    assert_eq!(kept(&[], &["a/one::adds".to_owned()]), 1);
    assert_eq!(kept(&[], &["b/two::divides".to_owned()]), 0);
}

/// What is known: names, milliseconds, whether it failed.
fn past(known: &[(&str, &str, Option<u64>, bool)]) -> PastResults {
    let result = |(suite, name, time, failed): &(&str, &str, Option<u64>, bool)| {
        let past =
            PastResult { duration: time.map(Duration::from_millis), failed: *failed, in_last_run: true };
        (CaseId::new(suite, name), past)
    };
    known.iter().map(result).collect()
}

fn plan_of(cases: Vec<TestCase>) -> TestPlan {
    TestPlan::new(arcs(cases), Vec::new(), &Selection::default(), &|_| None)
}

fn names(plan: &TestPlan) -> Vec<&str> {
    plan.cases.iter().map(|case| case.info.name.as_str()).collect()
}

#[test]
fn a_new_case_takes_as_long_as_its_neighbours_or_else_as_most() {
    let past =
        past(&[("a", "1", Some(100), false), ("a", "2", Some(300), false), ("b", "1", Some(7), false)]);
    let infos: Vec<_> = [("a", "1"), ("a", "2"), ("a", "new"), ("b", "1"), ("c", "new")]
        .map(|(suite, name)| info(suite, name))
        .to_vec();
    let infos: Vec<&CaseInfo> = infos.iter().map(|info| &**info).collect();
    let estimates = past.estimates(&infos).expect("known");
    let milliseconds: Vec<_> = infos.iter().map(|info| estimates.of(&info.id).as_millis()).collect();
    assert_eq!(milliseconds, [100, 300, 200, 7, 100]);
    assert_eq!(PastResults::default().estimates(&infos), None);
}

#[test]
fn orders_are_by_path_by_time_or_by_seed_and_exclusive_cases_come_last() {
    let resources = Arc::new(Resources { exclusive: true, ..Resources::default() });
    let exclusive = TestCase { resources, ..case("a", "alone") };
    let cases =
        vec![exclusive, case("a", "quick"), case("a", "unknown"), case("a", "slow"), case("a", "failed")];
    let known = past(&[
        ("a", "alone", Some(900), false),
        ("a", "quick", Some(1), false),
        ("a", "slow", Some(500), false),
        ("a", "failed", Some(2), true),
    ]);
    let arranged = |order, failed_first| {
        let mut plan = plan_of(cases.clone());
        plan.estimate(&known);
        plan.arrange(order);
        if failed_first {
            plan.put_failed_first(&known);
        }
        names(&plan).join(" ")
    };
    assert_eq!(arranged(Order::Path, false), "quick unknown slow failed alone");
    assert_eq!(arranged(Order::Longest, false), "slow unknown failed quick alone");
    assert_eq!(arranged(Order::Longest, true), "failed slow unknown quick alone");
    assert_eq!(arranged(Order::Random { seed: 1 }, false), arranged(Order::Random { seed: 1 }, false));
    let orders: std::collections::HashSet<_> =
        (0..50).map(|seed| arranged(Order::Random { seed }, false)).collect();
    assert!(orders.len() > 10 && orders.iter().all(|order| order.ends_with(" alone")), "{orders:?}");
}

#[test]
fn failed_new_and_open_cases_are_selected_and_everything_where_none_failed() {
    let cases = || vec![case("a", "fine"), case("a", "failed"), case("a", "new"), case("a", "broken-off")];
    let judged = |failed| PastResult { failed, in_last_run: true, ..PastResult::default() };
    let known = [("fine", judged(false)), ("failed", judged(true)), ("broken-off", PastResult::default())];
    let known: PastResults = known.into_iter().map(|(name, past)| (CaseId::new("a", name), past)).collect();
    let recalled = |past: &PastResults, wanted: &[Recall]| {
        let mut plan = plan_of(cases());
        let recalled = plan.recall(past, wanted, &|_| true);
        (recalled, names(&plan).join(" "))
    };
    let all = || names(&plan_of(cases())).join(" ");
    let selected = |names: &str| (Recalled::Selected, names.to_owned());
    assert_eq!(recalled(&known, &[Recall::LastFailed]), selected("failed"));
    assert_eq!(recalled(&known, &[Recall::New]), selected("new"));
    assert_eq!(recalled(&known, &[Recall::NotRun]), selected("new broken-off"));
    assert_eq!(recalled(&known, &[Recall::New, Recall::LastFailed]), selected("failed new"));
    assert_eq!(recalled(&PastResults::default(), &[Recall::LastFailed]), (Recalled::NothingKnown, all()));
    assert_eq!(
        recalled(&past(&[("a", "fine", None, false)]), &[Recall::LastFailed]),
        (Recalled::NoneFailed, all())
    );
    assert_eq!(recalled(&PastResults::default(), &[Recall::New]), selected(&all()));
}

#[test]
fn what_is_before_and_after_the_cases_of_folders_stands_around_them() {
    let hook = |folder: &str, name: &str, hooks: &[Arc<SuiteHooks>]| {
        Some(Arc::new(TestCase { hooks: hooks.into(), ..case(folder, name) }))
    };
    let outer = Arc::new(SuiteHooks { setup: hook("a", "setup", &[]), teardown: hook("a", "teardown", &[]) });
    let above = [Arc::clone(&outer)];
    let inner = Arc::new(SuiteHooks { setup: hook("a/b", "setup", &above), teardown: None });
    let of = |suite: &str, name: &str, hooks: &[&Arc<SuiteHooks>]| {
        let hooks = hooks.iter().map(|hooks| Arc::clone(hooks)).collect();
        TestCase { hooks, ..case(suite, name) }
    };
    let cases = vec![
        case("z", "free"),
        of("a", "1", &[&outer]),
        of("a/b", "2", &[&outer, &inner]),
        case("z", "last"),
    ];
    let old = |suite, name| CaseResult::without_attempt(info(suite, name), Outcome::Passed, Vec::new());
    let mut plan = plan_of(cases);
    plan.resolved = vec![old("a", "setup"), old("a", "0")];
    let plan = plan.with_hooks();
    let ids: Vec<_> = plan.cases.iter().map(|case| case.info.id.to_string()).collect();
    assert_eq!(ids, ["z::free", "a::setup", "a::1", "a/b::setup", "a/b::2", "a::teardown", "z::last"]);
    assert_eq!(plan.resolved, [old("a", "0")], "what is done again has no old result");
}
