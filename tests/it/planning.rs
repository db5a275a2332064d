//! How long a run may take, before it is run.

use serde_json::Value;

use crate::support::Suite;

/// A long case that is the last by name, beside short ones: eighty times as long, at a tenth of a real suite's time.
fn skewed() -> Suite {
    let mut cases: Vec<_> =
        (0..40).map(|n| format!(r#"{{ "name": "{n:02}", "run": ["sleep", "0.02"] }}"#)).collect();
    cases.push(r#"{ "name": "z", "run": ["sleep", "0.8"] }"#.to_owned());
    Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")))
}

fn plan(suite: &Suite, arguments: &[&str]) -> Value {
    let run = suite.run(&[&["plan", "--format", "json"], arguments].concat()).expect_code(0);
    serde_json::from_str(&run.stdout).expect("JSON")
}

fn seconds(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn the_order_by_time_is_near_the_optimum_and_predicted() {
    let suite = skewed();
    suite.run(&["-j", "4"]).expect_code(0);
    let longest = plan(&suite, &["-j", "2"]);
    let (wall, work) = (seconds(&longest["seconds"]), seconds(&longest["work_seconds"]));
    // No schedule is shorter than the longest case, or than all cases at two slots.
    let alone = seconds(&plan(&suite, &["-j", "1", "--filter", "z"])["seconds"]);
    assert!(wall <= 1.05 * alone.max(work / 2.0), "{longest}");
    let by_path = plan(&suite, &["-j", "2", "--order", "path"]);
    assert!(seconds(&by_path["seconds"]) > 1.2 * wall, "{by_path} against {longest}");
    assert_eq!(by_path["changes"][0]["bound_by"].as_str().map(|text| &text[..13]), Some("the case a::z"));
    assert_eq!(by_path["cases"], 41);
    // The machine may be busy, so a run is only known not to be shorter.
    let run = suite.run(&["-j", "2", "--format", "json"]).expect_code(0);
    let first: Value = serde_json::from_str(run.stdout.lines().next().expect("a line")).expect("JSON");
    assert!((first["predicted_ns"].as_f64().expect("predicted") / 1e9 - wall).abs() < 0.01, "{first}");
}

#[test]
fn nothing_is_predicted_of_a_run_of_which_most_cases_are_new() {
    let suite = skewed();
    suite.run(&["--exact", "a::01"]).expect_code(0);
    let predicted = || {
        let run = suite.run(&["-j", "4", "--format", "json"]).expect_code(0);
        run.stdout.lines().next().is_some_and(|line| line.contains("predicted_ns"))
    };
    assert!(!predicted());
    assert!(predicted());
}

#[test]
fn shards_of_a_skewed_suite_take_the_same_time() {
    let times = [40, 31, 22, 20, 12, 12, 10, 9, 9, 8, 7, 7, 6, 5, 5, 5, 4, 3, 2, 2, 2, 1, 1, 1];
    let cases: Vec<_> = times
        .iter()
        .enumerate()
        .map(|(n, time)| format!(r#"{{ "name": "{n}", "run": ["sleep", "{}"] }}"#, f64::from(*time) / 100.0))
        .collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    suite.run(&["-j", "4"]).expect_code(0);
    let planned = plan(&suite, &["-j", "1", "--shards", "3"]);
    let shards = planned["shards"].as_array().expect("shards");
    let walls: Vec<f64> = shards.iter().map(|shard| seconds(&shard["seconds"])).collect();
    let (least, most) = walls.iter().fold((f64::MAX, 0.0_f64), |(a, b), wall| (a.min(*wall), b.max(*wall)));
    assert!(walls.len() == 3 && most < 1.1 * least, "{planned}");
    let cases: u64 = shards.iter().map(|shard| shard["cases"].as_u64().expect("a number")).sum();
    assert_eq!(cases, 24);
    let text = suite.run(&["plan", "-j", "1", "--shards", "3"]).expect_code(0).stdout;
    assert!(text.starts_with("predicted ") && text.contains("bound by the number of slots\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("shard ")).count(), 3, "{text}");
}

#[test]
fn a_lock_that_bounds_the_run_is_named() {
    let locked =
        (0..6).map(|n| format!(r#"{{ "name": "locked {n}", "run": ["sleep", "0.1"], "locks": ["db"] }}"#));
    let free = (0..3).map(|n| format!(r#"{{ "name": "free {n}", "run": ["sleep", "0.1"] }}"#));
    let after = r#"{ "name": "last", "run": ["sleep", "0.1"], "after": ["free 0"] }"#.to_owned();
    let cases: Vec<_> = locked.chain(free).chain([after]).collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    suite.run(&["-j", "4"]).expect_code(0);
    let planned = plan(&suite, &["-j", "4"]);
    let bound = planned["changes"][0]["bound_by"].as_str().expect("a text");
    assert!(bound.starts_with("the lock db, which is held for "), "{planned}");
    let (wall, without) = (seconds(&planned["seconds"]), seconds(&planned["changes"][0]["seconds"]));
    assert!(wall > 0.59 && without < 0.75 * wall, "{planned}");
}

#[test]
fn a_case_of_a_file_with_any_name_may_bound_the_run() {
    let suite = Suite::of(
        "cases.json",
        r#"{ "cases": [
            { "name": "long", "run": "sleep 0.5" }, { "name": "x", "run": "true" }, { "name": "y", "run": "true" }
        ] }"#,
    );
    suite.run(&["cases.json"]).expect_code(0);
    let plan = plan(&suite, &["-j", "2", "cases.json"]);
    assert_eq!(
        plan["changes"][0]["bound_by"].as_str().map(|text| &text[..25]),
        Some("the case cases.json::long")
    );
}

#[test]
fn what_cannot_be_planned_is_told() {
    let suite = skewed();
    let unknown = suite.run(&["plan"]).expect_code(4);
    assert!(unknown.stderr.contains("not known yet"), "{}", unknown.stderr);
    suite.run(&["plan", "--shards", "0"]).expect_code(2);
    suite.run(&["plan", "--junit", "x.xml"]).expect_code(2);
    suite.run(&["plan", "--shards", "2", "--shard", "1/2"]).expect_code(2);
    suite.run(&["plan", "-E", "tga(x)"]).expect_code(2);
    suite.run(&["plan", "nowhere"]).expect_code(2);
    suite.run(&["plan", "--filter", "no such case"]).expect_code(4);
    assert!(!suite.path().join(".partest").exists(), "planning leaves nothing");
}

#[test]
fn a_teardown_is_predicted_after_all_cases_of_its_folder() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [{ "name": "a", "run": "sleep 0.5" }, { "name": "b", "run": "sleep 0.5" }] }"#,
    )
    .file("suite.toml", "setup = [{ run = \"sleep 0.3\" }]\nteardown = { run = \"sleep 0.4\" }\n");
    suite.run(&["-j", "4"]).expect_code(0);
    let planned = plan(&suite, &["-j", "4"]);
    assert!(seconds(&planned["seconds"]) >= 1.2, "{planned}");
}

#[test]
fn many_shards_are_planned_at_once() {
    let suite = skewed();
    suite.run(&["-j", "4"]).expect_code(0);
    let planned = plan(&suite, &["--shards", "10000"]);
    assert_eq!(planned["shards"].as_array().map(Vec::len), Some(10_000));
}
