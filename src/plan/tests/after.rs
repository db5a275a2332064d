//! What `after` means.

use std::sync::Arc;

use super::{arcs, case};
use crate::model::{CaseId, Outcome, Position, Prerequisite, Resources, Skip, TestCase};
use crate::plan::{PastResult, PastResults, Recall, Selection, TestPlan};
use crate::text::mistake::SourceLine;

/// A case that runs after others.
fn later(suite: &str, name: &str, after: &[&str]) -> TestCase {
    let position = |column| Position { file: "x.test.json".into(), line: 7, column };
    let prerequisite = |(column, text): (u32, &&str)| Prerequisite {
        text: (*text).to_owned(),
        position: position(column),
        line: SourceLine::around(text, 0, text.len()),
    };
    let after = (1..).zip(after).map(prerequisite).collect();
    TestCase { resources: Arc::new(Resources { after, ..Resources::default() }), ..case(suite, name) }
}

fn plan_of(cases: Vec<TestCase>, filter: &[&str]) -> TestPlan {
    let filter: Vec<_> = filter.iter().map(|&text| text.to_owned()).collect();
    TestPlan::new(arcs(cases), Vec::new(), &Selection::new(&filter, &[]), &|_| None)
}

fn before(plan: &TestPlan, id: &str) -> Vec<String> {
    let found = plan.after.iter().find(|(case, _)| case.as_str() == id);
    found.into_iter().flat_map(|(_, before)| before.iter().map(ToString::to_string)).collect()
}

#[test]
fn after_names_cases_of_the_file_ids_and_patterns() {
    let cases = || {
        vec![
            case("a/one", "adds[x=1]"),
            case("a/one", "adds[x=2]"),
            case("b/two", "adds"),
            later("a/one", "by name", &["adds[x=2]", "b/two::adds"]),
            later("a/one", "all", &["adds*"]),
            later("b/two", "others", &["a/*::adds*", "*"]),
        ]
    };
    let plan = plan_of(cases(), &[]);
    assert_eq!(plan.cases.len(), 6);
    assert_eq!(before(&plan, "a/one::by name"), ["a/one::adds[x=2]", "b/two::adds"]);
    assert_eq!(before(&plan, "a/one::all"), ["a/one::adds[x=1]", "a/one::adds[x=2]"]);
    assert_eq!(before(&plan, "b/two::others"), ["a/one::adds[x=1]", "a/one::adds[x=2]", "b/two::adds"]);

    let chosen = plan_of(cases(), &["by name"]);
    let names: Vec<_> = chosen.cases.iter().map(|case| case.info.id.to_string()).collect();
    assert_eq!(names, ["a/one::adds[x=2]", "b/two::adds", "a/one::by name"], "they come with it");
}

fn messages(plan: &TestPlan) -> Vec<String> {
    let failures = plan.resolved.iter().flat_map(|result| {
        result.failures.iter().map(|failure| format!("{}: {}", failure.position, failure.message))
    });
    failures.collect()
}

#[test]
fn what_after_cannot_mean_is_told_with_its_place() {
    let plan = plan_of(vec![later("a", "x", &["y", "yy"]), case("a", "yyy"), later("a", "z", &["x"])], &[]);
    let told = messages(&plan);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "x.test.json:7:1: no case of this file has the name \"y\"");
    assert_eq!(told[1], "x.test.json:7:2: no case of this file has the name \"yy\"");
    let details: Vec<_> = plan.resolved[0].failures.iter().map(|failure| failure.detail.as_str()).collect();
    assert!(
        details[0].contains("| ^") && details[0].ends_with("`partest --list` shows the ids of all cases"),
        "{details:?}"
    );
    assert!(details[1].contains("| ^^") && details[1].ends_with("did you mean \"yyy\"?"), "{details:?}");
    let skipped = plan.resolved.iter().find(|result| result.info.name == "z").expect("resolved");
    assert_eq!(skipped.outcome, Outcome::Skipped(Skip::After(CaseId::new("a", "x"))));

    let itself = plan_of(vec![later("a", "x", &["x"])], &[]);
    assert_eq!(messages(&itself), ["x.test.json:7:1: the case runs after itself: a::x → a::x"]);
    let itself = plan_of(vec![later("a", "globself", &["glob*", "a::*"])], &[]);
    assert_eq!(
        messages(&itself),
        [
            "x.test.json:7:1: no other case of this file has a name that matches \"glob*\"",
            "x.test.json:7:2: no other case has an id that matches \"a::*\""
        ]
    );
    let by_name = plan_of(vec![later("a", "x*", &["x*"])], &[]);
    assert_eq!(messages(&by_name), ["x.test.json:7:1: the case runs after itself: a::x* → a::x*"]);
    let none = plan_of(vec![later("a", "x", &["z*", "b::*"])], &[]);
    assert!(messages(&none).iter().all(|told| told.contains("that matches")), "{none:?}");
}

#[test]
fn cases_that_wait_for_each_other_are_told_as_a_path() {
    let plan = plan_of(
        vec![
            later("a", "first", &["second"]),
            later("a", "second", &["third", "free"]),
            later("a", "third", &["first"]),
            case("a", "free"),
            later("a", "behind", &["third"]),
            later("b", "one", &["*"]),
            later("b", "two", &["*"]),
        ],
        &[],
    );
    let told = messages(&plan);
    let path = |ids: [&str; 4]| format!("the case runs after itself: a::{}", ids.join(" → a::"));
    for ids in [
        ["first", "second", "third", "first"],
        ["second", "third", "first", "second"],
        ["third", "first", "second", "third"],
    ] {
        assert!(told.iter().any(|told| told.ends_with(&path(ids))), "{told:?}");
    }
    assert!(told.iter().any(|told| told.ends_with("b::one → b::two → b::one")), "{told:?}");
    assert_eq!(told.len(), 5);
    let names: Vec<_> = plan.cases.iter().map(|case| case.info.name.as_str()).collect();
    assert_eq!(names, ["free"]);
    assert_eq!(plan.total(), 7);
}

#[test]
fn a_case_whose_prerequisite_is_skipped_has_its_result_at_once() {
    let skipped = TestCase { skip: Some("not today".to_owned()), ..case("a", "x") };
    let plan = plan_of(vec![later("a", "z", &["y"]), later("a", "y", &["x"]), skipped], &[]);
    assert!(plan.cases.is_empty());
    let because = |name: &str| {
        let result = plan.resolved.iter().find(|result| result.info.name == name).expect("resolved");
        result.outcome.clone()
    };
    assert_eq!(because("y"), Outcome::Skipped(Skip::After(CaseId::new("a", "x"))));
    assert_eq!(because("z"), Outcome::Skipped(Skip::After(CaseId::new("a", "y"))));
}

#[test]
fn cases_that_belong_together_are_in_one_shard_and_come_with_what_failed() {
    let cases = || {
        let mut cases = vec![later("a", "z", &["y"]), later("a", "y", &["b::x"]), case("b", "x")];
        cases.extend((0..20).map(|number| case("c", &number.to_string())));
        cases
    };
    for split in ["1/3", "hash:1/3", "slice:1/3"] {
        let mut total = 0;
        for number in 1..=3 {
            let mut plan = plan_of(cases(), &[]);
            plan.take_share(split.replace('1', &number.to_string()).parse().expect("a share"));
            let has = |name: &str| plan.cases.iter().any(|case| case.info.name == name);
            assert!(has("x") == has("y") && has("y") == has("z"), "{split}: {plan:?}");
            total += plan.total();
        }
        assert_eq!(total, 23);
    }
    let failed = PastResult { failed: true, in_last_run: true, ..PastResult::default() };
    let past: PastResults = [(CaseId::new("a", "y"), failed)].into_iter().collect();
    let mut plan = plan_of(cases(), &[]);
    plan.put_failed_first(&past);
    let names: Vec<_> = plan.cases[..3].iter().map(|case| case.info.name.as_str()).collect();
    assert_eq!(names, ["y", "x", "z"], "what it waits for comes first as well");
    plan.recall(&past, &[Recall::LastFailed], &|_| true);
    let names: Vec<_> = plan.cases.iter().map(|case| case.info.name.as_str()).collect();
    assert_eq!(names, ["y", "x"]);
}
