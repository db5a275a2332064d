//! What is found, selected and listed.

use std::time::{Duration, Instant};

use crate::support::Suite;

fn suite() -> Suite {
    Suite::new()
        .file("api/users.test.json", r#"{ "cases": [{ "name": "adds", "run": "true", "tags": ["smoke"] }, { "name": "removes", "skip": "later", "run": "true" }] }"#)
        .file("api/deep/rights.test.toml", "name = \"grants\"\nrun = \"true\"\n")
        .file("files.test.yaml", "run: \"true\"\n")
        .file(".hidden/no.test.json", "not even JSON")
        .file("ignored/no.test.json", "not even JSON")
        .file(".gitignore", "ignored/\n")
        .file("notes.json", "{}")
}

#[test]
fn descriptors_are_found_in_order_of_their_paths() {
    let run = suite().run(&["--list"]).expect_code(0);
    let ids: Vec<_> = run.stdout.lines().collect();
    assert_eq!(ids, ["api/deep/rights::grants", "api/users::adds", "api/users::removes", "files::files"]);
    assert_eq!(run.junit, None, "--list runs nothing");
}

#[test]
fn the_list_as_json_has_places_tags_and_reasons() {
    let run = suite().run(&["--list", "--format", "json", "api"]).expect_code(0);
    let list: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(list["errors"], serde_json::json!([]));
    let adds = &list["cases"][1];
    assert_eq!(adds["id"], "api/users::adds");
    assert_eq!(adds["file"], "api/users.test.json");
    assert_eq!(adds["line"], 1);
    assert_eq!(adds["tags"], serde_json::json!(["smoke"]));
    assert_eq!(list["cases"][2]["skip"], "later");
}

#[test]
fn an_empty_list_is_a_list() {
    let run = suite().run(&["--list", "--format", "json", "--filter", "no such case"]).expect_code(4);
    let list: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(list, serde_json::json!({ "cases": [], "errors": [] }));
    assert!(run.stderr.contains("no test case"), "{}", run.stderr);
}

#[test]
fn an_id_is_the_same_however_its_file_is_named() {
    for path in [".", "api", "api/users.test.json", "./api/../api"] {
        let run = suite().run(&[path, "--exact", "api/users::adds"]).expect_code(0);
        assert!(run.stdout.contains("1 passed"), "{path}: {}", run.stdout);
    }
}

#[test]
fn a_glob_is_for_the_whole_id() {
    let run = suite().run(&["--list", "--filter", "api/*::?dds"]).expect_code(0);
    assert_eq!(run.stdout, "api/users::adds\n");
    let run = suite().run(&["--list", "--filter", "rights", "--filter", "files"]).expect_code(0);
    assert_eq!(run.stdout, "api/deep/rights::grants\nfiles::files\n");
}

#[test]
fn the_list_shows_errors_and_the_rest() {
    let suite = suite().file("broken.test.json", "{ \"run\": 7 }");
    let run = suite.run(&["--list"]).expect_code(2);
    assert_eq!(run.stdout.lines().count(), 4);
    assert!(run.stderr.contains("broken.test.json:1:10"), "{}", run.stderr);
}

#[test]
fn the_journal_can_be_read_while_the_run_goes_on() {
    let run = suite().run(&["--format", "json"]).expect_code(0);
    let events: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let kind = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((kind("run-started"), kind("case-finished"), kind("run-finished")), (1, 4, 1));
    assert_eq!(events[0]["event"], "run-started");
}

#[test]
fn an_expression_selects_and_is_joined_with_the_other_filters() {
    let suite = suite();
    for (arguments, ids) in [
        (&["-E", "tag(smoke) | path(files.*)"][..], "api/users::adds\nfiles::files\n"),
        (&["-E", "suite(api/**) & !name(~s)"], ""),
        (&["-E", "path(api/**) and not tag(smoke)"], "api/deep/rights::grants\napi/users::removes\n"),
        (&["-E", "name(adds)", "-E", "name(grants)"], "api/deep/rights::grants\napi/users::adds\n"),
        (&["-E", "path(api/**)", "--filter", "users"], "api/users::adds\napi/users::removes\n"),
        (&["-E", "tag(smoke)", "--exact", "api/users::removes"], ""),
        (&["--tag", "smoke"], "api/users::adds\n"),
        (&["--tag", "none", "-t", "s*"], "api/users::adds\n"),
        (&["--tag", "smoke", "-E", "name(removes)"], ""),
    ] {
        let arguments = [&["--list"][..], arguments].concat();
        let run = suite.run(&arguments).expect_code(if ids.is_empty() { 4 } else { 0 });
        assert_eq!(run.stdout, ids, "{arguments:?}");
    }
}

#[test]
fn a_mistake_in_an_expression_is_shown_and_nothing_runs() {
    let suite = suite();
    let run = suite.run(&["-E", "tag(smoke) & tga(slow)"]).expect_code(2);
    let expected = "partest: error: unknown predicate `tga`\n  |\n1 | tag(smoke) & tga(slow)\n  |              ^^^\n  |\n  = help: did you mean `tag`?\n";
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", expected));
    assert_eq!(run.junit, None);
    suite.run(&["--tag", ""]).expect_code(2);
}

#[test]
fn a_broken_suite_file_is_told_when_one_case_below_it_is_asked_for() {
    let suite = suite().file("api/suite.toml", "defautls = 1\n");
    let run = suite.run(&["--exact", "api/users::adds"]).expect_code(2);
    assert!(run.stdout.contains("api/suite.toml:1:1"), "{}", run.stdout);
    assert!(suite.run(&["--exact", "files::files"]).expect_code(0).stdout.contains("1 passed"));
    suite.run(&["--tag", "smoke"]).expect_code(2);
}

#[test]
fn cases_are_told_in_the_order_of_the_text_however_it_is_spelled() {
    let suite = Suite::of(
        "a.test.json",
        r#"{"cases":[{"name":"c","run":"false"},{"name":"b","run":"true","skip":"no"},{"name":"a","run":"false"}]}"#,
    )
    .file(
        "b.test.yaml",
        "name: m\nmatrix: {x: [1, 10, 2]}\nskip: \"{{ 'no' if x == 1 else false }}\"\nrun: 'false'\n",
    );
    let order = ["a::c", "a::b", "a::a", "b::m[x=1]", "b::m[x=10]", "b::m[x=2]"];
    assert_eq!(suite.run(&["--list"]).expect_code(0).stdout.lines().collect::<Vec<_>>(), order);
    let listed = suite.run(&["--list", "--format", "json"]).expect_code(0).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let ids =
        listed["cases"].as_array().expect("a list").iter().map(|case| case["id"].as_str().expect("an id"));
    assert_eq!(ids.collect::<Vec<_>>(), order);
    let run = suite.run(&["-j4", "--order", "random"]).expect_code(1);
    let (_, summary) = run.stdout.split_once("failures:\n").expect("a summary");
    let told: Vec<_> = summary.lines().filter_map(|line| line.split_whitespace().nth(1)).take(4).collect();
    assert_eq!(told, ["a::c", "a::a", "b::m[x=10]", "b::m[x=2]"]);
    let names = |run: &crate::support::Run| -> Vec<String> {
        let cases = run.report().test_suites.into_iter().flat_map(|suite| suite.test_cases);
        cases.map(|case| case.name.to_string()).collect()
    };
    let order = ["c", "b", "a", "m[x=1]", "m[x=10]", "m[x=2]"];
    assert_eq!(names(&run), order);
    let path = suite.path().join("again.xml");
    suite.run(&["report", "--from", "last", "--junit", "again.xml"]);
    let again = std::fs::read_to_string(path).expect("written");
    let places = order.map(|name| again.find(&format!("<testcase name=\"{name}\"")).expect(name));
    assert!(places.is_sorted(), "{again}");
}

#[test]
fn a_misspelt_id_runs_nothing() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [{ "name": "one", "run": "true" }, { "name": "two", "run": "true" }] }"#,
    );
    let run = suite.run(&["--exact", "a::one", "--exact", "a::twp", "--exact", "b::x"]).expect_code(4);
    let said = [
        "no test case has the id \"a::twp\"; did you mean \"a::two\"?",
        "no test case has the id \"b::x\"; see `partest --list`",
    ];
    for line in said {
        assert!(run.stderr.contains(line), "{}", run.stderr);
    }
    assert!(run.stdout.is_empty() && !suite.path().join(".partest").exists(), "{}", run.stdout);
    let listed = suite.run(&["--list", "--exact", "a::one", "--exact", "a::twp"]).expect_code(4);
    assert_eq!(listed.stdout, "a::one\n");
}

#[test]
fn what_is_broken_counts_only_where_it_may_be_what_is_asked_for() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [{ "name": "good", "run": "true" }, { "name": "bad", "runs": "true" }] }"#,
    );
    suite.run(&["--exact", "a::good"]).expect_code(0);
    suite.run(&["--filter", "good"]).expect_code(0);
    suite.run(&["--exact", "a::bad"]).expect_code(2);
    suite.run(&["--filter", "bad"]).expect_code(2);
    let run = suite.run(&["--exact", "a::bat"]).expect_code(4);
    assert!(
        run.stderr.contains("no test case has the id \"a::bat\"; did you mean \"a::bad\"?"),
        "{}",
        run.stderr
    );
    let suite = suite.file("b.test.json", "{");
    // Nobody knows what that file holds.
    suite.run(&["--filter", "good"]).expect_code(2);
    suite.run(&["--exact", "a::good"]).expect_code(0);
}

#[test]
fn only_the_broken_case_that_is_asked_for_counts() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
            { "name": "good", "run": "true" },
            { "name": "bad", "run": 1 },
            { "name": "worse", "run": 1 },
            { "name": "many", "matrix": { "x": [] }, "run": "true" }
        ] }"#,
    )
    .file("b.test.json", r#"{ "name": "{{ x }}", "matrix": { "x": [] }, "run": "true" }"#);
    let errors = |id: &str| {
        let run = suite.run(&["--list", "--format", "json", "--exact", id]);
        let list: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        let lines = list["errors"].as_array().expect("a list").iter().map(|error| error["line"].as_u64());
        (run.code, lines.map(|line| line.expect("a number")).collect::<Vec<_>>())
    };
    assert_eq!(errors("a::bad"), (2, vec![3]));
    // Cases may be made of an entry whose generator is broken.
    assert_eq!(errors("a::many[x=1]"), (2, vec![5]));
    assert_eq!(errors("b::one"), (2, vec![1]));
    assert_eq!(errors("a::other"), (4, vec![]));
    let run = suite.run(&["explain", "a::other"]).expect_code(4);
    assert_eq!(run.stderr, "partest: no test case has the id \"a::other\"; see `partest --list`\n");
    assert_eq!(suite.run(&["explain", "a::bad"]).expect_code(2).stderr.matches("error: ").count(), 1);
    // Of several with the same mistake the first one tells it.
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
            { "name": "bad", "run": 1 },
            { "name": "m", "matrix": { "x": [1, 2] }, "run": 1 }
        ] }"#,
    );
    let run = suite.run(&["--exact", "a::m[x=2]"]).expect_code(2);
    assert!(run.stdout.contains("ERROR            a::m[x=1]\n"), "{}", run.stdout);
}

#[test]
fn a_broken_case_is_told_alone_in_a_file_with_other_mistakes() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
            { "name": "bad", "run": 1 },
            { "name": "bad2", "run": 1 },
            { "run": "true" },
            { "name": "m", "matrix": { "x": [1, 2, 3] }, "run": 1 }
        ] }"#,
    );
    for (id, lines) in [("a::bad", &[2][..]), ("a::m[x=1]", &[5]), ("a::other", &[2, 3, 5, 4, 5])] {
        let run = suite.run(&["--list", "--format", "json", "--exact", id]).expect_code(2);
        let list: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        let found = list["errors"].as_array().expect("a list").iter().map(|error| error["line"].as_u64());
        assert_eq!(found.flatten().collect::<Vec<_>>(), lines, "{id}");
        let run = suite.run(&["explain", id]).expect_code(2);
        assert_eq!(run.stderr.matches("error: ").count(), lines.len(), "{id}: {}", run.stderr);
    }
}

#[test]
fn files_of_one_name_below_different_folders_are_told_apart() {
    let case = r#"{ "name": "t", "run": "true" }"#;
    let suite = Suite::new().file("here/x", "").file("p/a/t.test.json", case).file("q/a/t.test.json", case);
    let mut command = suite.command(&["../p/a", "../q/a"]);
    command.current_dir(suite.path().join("here"));
    let run = suite.finish_command(command).expect_code(2);
    let first = suite.path().canonicalize().expect("there").join("p/a/t.test.json");
    let said = format!("the case id `a/t::t` is taken; the first is at {}:1:1", first.display());
    assert!(run.stdout.contains(&said), "{}", run.stdout);
}

#[test]
fn many_ids_that_are_taken_are_found_in_the_time_of_a_few() {
    let case = r#"{ "name": "t", "run": "true" }"#;
    let long = "true ".repeat(50);
    let cases = (0..3000).map(|number| format!(r#"{{ "name": "{number}", "run": "{long}" }}"#));
    let text = format!("{{ \"cases\": [\n{}\n] }}", cases.collect::<Vec<_>>().join(",\n"));
    let mut suite = Suite::new().file("here/x", "");
    for folder in ["p/a", "q/a"] {
        suite = suite.file(&format!("{folder}/many.test.json"), &text);
        for number in 0..5000 {
            suite = suite.file(&format!("{folder}/{number}.test.json"), case);
        }
    }
    let time = |folders: &[&str], code: i32| {
        let begun = Instant::now();
        let mut command = suite.command(&[&["check"], folders].concat());
        command.current_dir(suite.path().join("here"));
        suite.finish_command(command).expect_code(code);
        begun.elapsed()
    };
    let one = time(&["../p/a"], 0);
    let both = time(&["../p/a", "../q/a"], 2);
    assert!(both < Duration::from_secs(2).max(one * 5), "{one:?} for one folder, {both:?} for both");
}

#[test]
fn a_wrong_place_ends_the_command_and_writes_nothing() {
    let text = r#"{ "run": "true" }"#;
    let suite = Suite::of("a.test.json", text);
    let run = suite.run(&["a.test.json", "a.tset.json"]).expect_code(2);
    assert_eq!(run.stderr, "partest: a.tset.json: no such file or folder; did you mean `a.test.json`?\n");
    let run = suite.run(&["--junit", "a.test.json"]).expect_code(2);
    assert_eq!(run.stderr, "partest: the report would replace a.test.json, which says what is run\n");
    let run = suite.run(&["-j", "2", "explain", "a::a"]).expect_code(2);
    assert_eq!(run.stderr, "partest: the command `explain` stands before all flags: partest explain …\n");
    assert_eq!(std::fs::read_to_string(suite.path().join("a.test.json")).expect("kept"), text);
    assert!(!suite.path().join(".partest").exists());
}
