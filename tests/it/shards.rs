//! Runs that are divided among machines, and made one again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::support::{Run, Suite};

/// Cases of every standing, in several files.
fn suite() -> Suite {
    let cases: Vec<_> = (0..20)
        .map(|n| format!(r#"{{ "name": "case {n}", "run": "echo {n}; exit {}" }}"#, u32::from(n % 7 == 3)))
        .collect();
    Suite::of("s/a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")))
        .file(
            "s/b.test.json",
            r#"{ "cases": [
              { "name": "is skipped", "skip": "for a reason", "run": "true" },
              { "name": "wavers", "retries": 2, "run": "test -e '{{ dir }}/seen' || { touch '{{ dir }}/seen'; exit 1; }" },
              { "name": "is known to fail", "xfail": "since ever", "run": "exit 1" },
              { "name": "hangs", "timeout": "200ms", "run": "sleep 60" }
            ] }"#,
        )
        .file("s/broken.test.json", "{ \"run\": 7 }")
}

fn runs(suite: &Suite) -> BTreeSet<PathBuf> {
    let runs = fs::read_dir(suite.path().join(".partest/runs")).into_iter().flatten();
    runs.map(|entry| entry.expect("readable").path()).collect()
}

/// Runs one shard and gives the folder of its run.
fn shard(suite: &Suite, arguments: &[&str]) -> String {
    let before = runs(suite);
    let _ = fs::remove_file(suite.path().join("s/seen"));
    let run = suite.run(&[&["s", "--no-history"], arguments].concat());
    assert!([0, 1, 2].contains(&run.code), "{}", run.stderr);
    let new: Vec<_> = runs(suite).difference(&before).cloned().collect();
    assert_eq!(new.len(), 1, "{}", run.stderr);
    new[0].to_str().expect("UTF-8").to_owned()
}

/// What the report says of each case, without times.
fn verdicts(run: &Run) -> BTreeMap<String, (&'static str, String)> {
    let mut found = BTreeMap::new();
    for suite in run.report().test_suites {
        for case in suite.test_cases {
            let id = format!("{}::{}", suite.name.as_str(), case.name.as_str());
            assert!(
                found.insert(id.clone(), run.verdict(case.name.as_str())).is_none(),
                "{id} is there twice"
            );
        }
    }
    found
}

/// The line of counts, without times.
fn counts(run: &Run) -> &str {
    run.stdout.lines().last().expect("a line").split(" in ").next().expect("counts")
}

#[test]
fn four_merged_shards_are_one_run() {
    let suite = suite();
    for form in ["", "hash:", "slice:"] {
        let whole = suite.run(&["s", "--no-history"]).expect_code(2);
        let parts: Vec<_> = (1..=4).map(|k| shard(&suite, &["--shard", &format!("{form}{k}/4")])).collect();
        let mut arguments = vec!["merge", "--no-history", "--junit", "merged.xml"];
        arguments.extend(parts.iter().map(String::as_str));
        let merged = suite.run(&arguments).expect_code(2);
        assert_eq!(merged.stderr, "");
        assert_eq!(counts(&merged), counts(&whole));
        assert_eq!(verdicts(&merged), verdicts(&whole));
        assert_eq!(verdicts(&merged).len(), 25);
        let written = fs::read_to_string(suite.path().join("merged.xml")).expect("written");
        assert_eq!(merged.junit.as_deref(), Some(&*written));
        let shown = suite.run(&["report", "--from", "last"]).expect_code(0);
        assert_eq!(counts(&shown), counts(&whole), "the merged run is the last one");
    }
}

#[test]
fn shards_with_a_history_have_about_the_same_time() {
    let times = [9, 8, 3, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1];
    let cases: Vec<_> = times
        .iter()
        .enumerate()
        .map(|(n, time)| format!(r#"{{ "name": "case {n}", "run": "sleep 0.{time}" }}"#))
        .collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    suite.run(&["-j", "4"]).expect_code(0);
    let mut seen = BTreeSet::new();
    for k in 1..=2 {
        let part = suite.run(&["--list", "--shard", &format!("{k}/2")]).expect_code(0);
        let numbers: Vec<usize> =
            part.stdout.lines().map(|id| id["a::case ".len()..].parse().expect("a number")).collect();
        let time: u32 = numbers.iter().map(|number| times[*number]).sum();
        assert!((17..=19).contains(&time), "{time} of 36 tenths: {numbers:?}");
        seen.extend(numbers);
    }
    assert_eq!(seen.len(), times.len());
}

#[test]
fn what_every_shard_does_before_its_cases_is_told_once() {
    let suite = Suite::of(
        "s/a.test.json",
        r#"{ "cases": [{ "name": "a", "run": "true" }, { "name": "b", "run": "true" }, { "name": "c", "run": "true" }] }"#,
    )
    .file("s/suite.toml", "setup = [{ run = \"true\" }]\nteardown = [{ run = \"test -e '{{ dir }}/clean'\" }]\n");
    let one = shard(&suite, &["--shard", "slice:1/2"]);
    fs::write(suite.path().join("s/clean"), "").expect("written");
    let two = shard(&suite, &["--shard", "slice:2/2"]);
    let merged = suite.run(&["merge", &one, &two]).expect_code(1);
    assert_eq!((merged.stderr.as_str(), counts(&merged)), ("", "4 passed, 1 failed · 5 cases"));
    assert_eq!(suite.run(&["report"]).expect_code(0).stderr, "", "no result is missing");
}

#[test]
fn what_is_no_whole_is_named() {
    let suite = suite();
    let parts: Vec<_> = (1..=3).map(|k| shard(&suite, &["--shard", &format!("{k}/3")])).collect();
    let [one, two, three] = parts.as_slice() else { panic!("{parts:?}") };
    let missing = suite.run(&["merge", one, three]).expect_code(3);
    assert!(missing.stderr.contains("of 3 shards, there is none with the number 2"), "{}", missing.stderr);
    assert!(verdicts(&missing).len() > 5, "what is there is reported all the same");

    let again = shard(&suite, &["--shard", "2/3"]);
    let twice = suite.run(&["merge", one, two, three, &again]).expect_code(3);
    assert!(twice.stderr.contains(&format!("shard 2 of 3 is there twice: {again}")), "{}", twice.stderr);
    assert_eq!(verdicts(&twice).len(), 25);
    suite.run(&["merge", one, one, two, three]).expect_code(2);

    let journal = PathBuf::from(three).join("journal.jsonl");
    let text = fs::read_to_string(&journal).expect("UTF-8");
    let keep: Vec<_> = text.split_inclusive('\n').collect();
    let first = keep.iter().position(|line| line.contains("case-finished")).expect("a result");
    fs::write(&journal, [&keep[..first], &keep[first + 1..]].concat().concat()).expect("written");
    let lost = suite.run(&["merge", one, two, three]).expect_code(3);
    assert!(lost.stderr.contains("shard 3 of 3 has lost results: its journal has "), "{}", lost.stderr);

    fs::write(&journal, keep[..keep.len() - 3].concat()).expect("written");
    let cut = suite.run(&["merge", one, two, three]).expect_code(3);
    assert!(cut.stderr.contains("shard 3 of 3 was cut off: "), "{}", cut.stderr);
}

#[test]
fn the_time_of_no_suite_is_longer_than_that_of_the_merged_run() {
    let suite = Suite::of(
        "s/a.test.json",
        r#"{ "cases": [{ "name": "a", "run": "true" }, { "name": "b", "run": "true" }] }"#,
    );
    let one = shard(&suite, &["--shard", "slice:1/2"]);
    thread::sleep(Duration::from_secs(2));
    let two = shard(&suite, &["--shard", "slice:2/2"]);
    let merged = suite.run(&["merge", &one, &two]).expect_code(0);
    let report = merged.report();
    let (whole, of_suite) = (report.time.expect("a time"), report.test_suites[0].time.expect("a time"));
    assert!(of_suite <= whole, "{of_suite:?} of {whole:?}");
}

#[test]
fn a_header_that_names_any_number_of_shards_is_borne() {
    let suite = suite();
    let one = shard(&suite, &["--shard", "1/2"]);
    let journal = PathBuf::from(&one).join("journal.jsonl");
    let text = fs::read_to_string(&journal).expect("UTF-8");
    fs::write(&journal, text.replacen("\"of\":2,", "\"of\":4294967295,", 1)).expect("written");
    let merged = suite.run(&["merge", &one]).expect_code(3);
    let expected = "of 4294967295 shards, there is none with the number 2-4294967295";
    assert!(merged.stderr.contains(expected), "{}", merged.stderr);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let suite = suite();
    let one = shard(&suite, &["--shard", "1/2"]);
    let other_list = shard(&suite, &["--shard", "2/2", "--filter", "case"]);
    let other_count = shard(&suite, &["--shard", "2/3"]);
    let other_split = shard(&suite, &["--shard", "slice:2/2"]);
    let no_shard = shard(&suite, &[]);
    for (other, words) in [
        (other_list.as_str(), "different lists of cases"),
        (&other_count, "the number of shards is not the same"),
        (
            &other_split,
            "divided the cases differently. Divide them in the same way everywhere (2/4, hash:2/4",
        ),
        (&no_shard, "is no shard"),
        ("nowhere", "no run \"nowhere\""),
        ("s/a.test.json", "no journal of partest"),
        ("s", "no run \""),
    ] {
        let before = runs(&suite);
        let refused = suite.run(&["merge", &one, other]).expect_code(2);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert_eq!(runs(&suite), before, "no run is made of them");
    }
    suite.run(&["merge"]).expect_code(2);
}

#[test]
fn folders_of_artifacts_are_searched() {
    let suite = suite();
    for k in 1..=2 {
        let run = shard(&suite, &["--shard", &format!("{k}/2")]);
        let place = suite.path().join(format!("artifacts/shard-{k}/.partest/runs"));
        fs::create_dir_all(&place).expect("a folder");
        fs::rename(&run, place.join("run")).expect("moved");
    }
    let merged = suite.run(&["merge", "artifacts/shard-1", "artifacts/shard-2/.partest/runs"]).expect_code(2);
    assert_eq!(verdicts(&merged).len(), 25);
    assert_eq!(suite.run(&["history"]).expect_code(0).stdout.lines().count(), 1, "the whole is remembered");
}

#[test]
fn an_empty_shard_is_a_success() {
    let suite = Suite::of("a.test.json", r#"{ "name": "only", "run": "true" }"#);
    let parts: Vec<_> = (1..=3).map(|k| format!("slice:{k}/3")).collect();
    let ran: Vec<_> = parts.iter().map(|part| suite.run(&["--shard", part]).expect_code(0)).collect();
    assert!(ran[0].stdout.contains("shard 1 of 3: 1 of 1 cases"), "{}", ran[0].stdout);
    assert!(ran[2].stdout.contains("shard 3 of 3: 0 of 1 cases"), "{}", ran[2].stdout);
    let folders: Vec<_> =
        runs(&suite).into_iter().map(|path| path.to_str().expect("UTF-8").to_owned()).collect();
    let mut arguments = vec!["merge"];
    arguments.extend(folders.iter().map(String::as_str));
    assert!(suite.run(&arguments).expect_code(0).stdout.contains("1 passed"));
    suite.run(&["--shard", "1/3", "--filter", "no such case"]).expect_code(4);
}

#[test]
fn a_ci_names_the_shard_by_its_variables() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [{ "name": "a", "run": "true" }, { "name": "b", "run": "true" }] }"#,
    );
    let status = suite.path().join("status");
    let run = |variables: &[(&str, &str)], argument: &str| {
        let mut command = suite.command(&["--shard", argument]);
        for name in [
            "CI_NODE_INDEX",
            "CI_NODE_TOTAL",
            "GITLAB_CI",
            "CIRCLE_NODE_INDEX",
            "SLURM_NTASKS",
            "SLURM_PROCID",
            "TEST_SHARD_INDEX",
            "GTEST_SHARD_INDEX",
        ] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
        suite.finish_command(command)
    };
    let gitlab = [("GITLAB_CI", "true"), ("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "2")];
    let told = run(&gitlab, "slice:auto").expect_code(0);
    assert_eq!(told.stderr, "partest: shard 2/2, by CI_NODE_INDEX and CI_NODE_TOTAL (GitLab)\n");
    assert!(told.stdout.contains("a::b") && !told.stdout.contains("a::a"), "{}", told.stdout);
    let path = status.to_str().expect("UTF-8");
    let bazel = [("TEST_SHARD_INDEX", "0"), ("TEST_TOTAL_SHARDS", "2"), ("TEST_SHARD_STATUS_FILE", path)];
    assert!(run(&bazel, "slice:auto").expect_code(0).stdout.contains("a::a"));
    assert!(status.exists());
    std::fs::remove_file(&status).expect("removed");
    let gtest = [("GTEST_SHARD_INDEX", "1"), ("GTEST_TOTAL_SHARDS", "2"), ("GTEST_SHARD_STATUS_FILE", path)];
    let told = run(&[&gtest[..], &bazel[..1]].concat(), "slice:auto").expect_code(0);
    assert!(told.stderr.contains("shard 2/2, by GTEST_SHARD_INDEX") && status.exists(), "{}", told.stderr);
    assert!(run(&[], "auto").expect_code(2).stderr.contains("none of the variables is set"));
    assert!(run(&gitlab[..1], "auto").expect_code(2).stderr.contains("none of the variables"));
    assert!(run(&gitlab, "auto/3").expect_code(2).stderr.contains("CI_NODE_TOTAL says 2"));
    for wrong in ["0/2", "3/2", "two/2", "random:1/2"] {
        run(&[], wrong).expect_code(2);
    }
}

#[test]
fn a_shard_that_is_taken_up_is_still_a_shard() {
    let suite = suite();
    let one = shard(&suite, &["--shard", "1/2"]);
    let two = shard(&suite, &["--shard", "2/2"]);
    let journal = PathBuf::from(&two).join("journal.jsonl");
    let text = fs::read_to_string(&journal).expect("UTF-8");
    let keep: Vec<_> = text.split_inclusive('\n').take(4).collect();
    fs::write(&journal, keep.concat()).expect("written");
    let resumed = shard(&suite, &["--resume", &two]);
    let merged = suite.run(&["merge", &one, &resumed]).expect_code(2);
    assert_eq!((merged.stderr.as_str(), verdicts(&merged).len()), ("", 25));
}

/// Two cases, each in a part of its own; one is skipped where there is no `tool`.
fn two_cases(program: &str) -> String {
    format!(
        "cases:\n- {{ name: first, run: '{program}' }}\n- {{ name: second, requires: [./tool], run: '{program}' }}\n"
    )
}

#[test]
fn shards_of_other_descriptors_or_repetitions_are_refused() {
    let merge = |suite: &Suite, one: &str, two: &str, code: i32| {
        suite.run(&["merge", one, two]).expect_code(code).stderr
    };
    let suite = Suite::of("s/a.test.yaml", &two_cases("true")).file("s/suite.yaml", "vars: { host: here }\n");
    let (first, second) = ("slice:1/2", "slice:2/2");
    let one = shard(&suite, &["--shard", first]);
    let [here, there] = ["here", "there"].map(|host| format!("--var=host={host}"));
    let one_here = shard(&suite, &["--shard", first, &here]);
    let one_thrice = shard(&suite, &["--shard", first, "--repeat", "3"]);
    // What a machine has is no part of a descriptor.
    let suite = suite.file("s/tool", "");
    let two = shard(&suite, &["--shard", second]);
    let two_there = shard(&suite, &["--shard", second, &there]);
    let two_thrice = shard(&suite, &["--shard", second, "--repeat", "3"]);
    for (one, two) in [(&one, &two), (&one_here, &two_there), (&one, &two_there), (&one_thrice, &two_thrice)]
    {
        merge(&suite, one, two, 0);
    }
    let repeated = "no shards of one run: they do not repeat their cases equally often (--repeat)";
    for (one, two) in [(&one, &two_thrice), (&one_thrice, &two)] {
        let error = merge(&suite, one, two, 2);
        assert!(error.contains(repeated), "{error}");
    }
    let changed = "no shards of one run: their descriptors are not the same";
    for (name, text) in
        [("s/a.test.yaml", two_cases("exit 0")), ("s/suite.yaml", "defaults: { timeout: 9s }\n".to_owned())]
    {
        let suite =
            Suite::of("s/a.test.yaml", &two_cases("true")).file("s/suite.yaml", "vars: { host: here }\n");
        let [one, one_here] =
            [&[][..], &[&*here]].map(|more| shard(&suite, &[&["--shard", first], more].concat()));
        let suite = suite.file(name, text);
        let [two, two_here] =
            [&[][..], &[&*here]].map(|more| shard(&suite, &[&["--shard", second], more].concat()));
        for (one, two) in [(&one, &two), (&one_here, &two_here)] {
            let error = merge(&suite, one, two, 2);
            assert!(error.contains(changed), "{name}: {error}");
        }
        // The journal of an earlier partest does not say what it was made of.
        let path = PathBuf::from(&one).join("journal.jsonl");
        let text = fs::read_to_string(&path).expect("UTF-8");
        let end = text.find(",\"definitions\"").expect("in the first line");
        let rest = end + text[end..].find('}').expect("the end of the object");
        fs::write(&path, [&text[..end], &text[rest..]].concat()).expect("written");
        merge(&suite, &one, &two, 0);
    }
}
