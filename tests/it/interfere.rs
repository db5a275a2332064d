//! Cases that fail only in company.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Run, Suite, send};

/// Forty cases of two files. Among them are pairs that disturb each other.
fn suite() -> Suite {
    let innocent = |from: usize, to: usize| -> String {
        let case = |n: usize| {
            let seconds = format!("0.0{}", n % 7 + 1);
            format!(
                r#"{{ "name": "case {n}", "run": "echo {n} > own; sleep {seconds}; test $(cat own) = {n}" }}"#
            )
        };
        (from..to).map(case).collect::<Vec<_>>().join(",\n")
    };
    let first = r#"
      { "name": "left", "run": "echo left > {{ dir }}/shared.txt; sleep 0.05; test $(cat {{ dir }}/shared.txt) = left" },
      { "name": "holds", "run": "mkdir {{ dir }}/busy; sleep 0.1; rmdir {{ dir }}/busy" },
      { "name": "writes", "run": ["sh", "-c", "sleep 0.03; echo x >> /$0; sleep 0.03", "{{ dir }}/table.db"] },
      { "name": "litters", "run": "touch {{ dir }}/litter; sleep 0.02" },"#;
    let second = r#"
      { "name": "right", "run": "sleep 0.02; echo right > {{ dir }}/shared.txt; sleep 0.06; grep -q right {{ dir }}/shared.txt" },
      { "name": "holds too", "locks": { "other": "shared" }, "run": "sleep 0.02; mkdir {{ dir }}/busy; sleep 0.08; rmdir {{ dir }}/busy" },
      { "name": "counts", "run": "n=$(cat {{ dir }}/table.db | wc -l); sleep 0.08; test $(cat {{ dir }}/table.db | wc -l) = $n" },
      { "name": "wants it clean", "run": "if test -e {{ dir }}/litter; then rm {{ dir }}/litter; exit 1; fi" },"#;
    Suite::new()
        .file("suite/a.test.json", format!(r#"{{ "cases": [{first}{}] }}"#, innocent(0, 16)))
        .file("suite/b.test.json", format!(r#"{{ "cases": [{second}{}] }}"#, innocent(16, 32)))
        .file("suite/table.db", "1\n")
}

#[track_caller]
fn finds(run: &Run, parts: &[&str]) {
    for part in parts {
        assert!(run.stdout.contains(part), "{part}\n--- stdout\n{}\n--- stderr\n{}", run.stdout, run.stderr);
    }
}

#[test]
fn of_forty_cases_the_two_are_named_that_write_the_same_file() {
    let suite = suite();
    let run = suite.run(&["interfere", "suite/a::left", "--tries", "5"]).expect_code(0);
    finds(
        &run,
        &[
            "suite/a::left passes alone: 5 of 5\n",
            "39 suspects: all that may run beside it\n",
            "FOUND: suite/a::left fails beside suite/b::right: ",
            " and 0 of 5 alone\n",
            "/suite/shared.txt. A lock keeps them from each other:\n",
            "  suite/a.test.json:2  suite/a::left\n    \"locks\": [\"shared.txt\"]\n",
            "  suite/b.test.json:2  suite/b::right\n    \"locks\": [\"shared.txt\"]\n",
        ],
    );
    assert!(!suite.path().join(".partest").exists(), "no run of the suite");
}

#[test]
fn the_other_one_may_be_the_one_that_fails() {
    let run = suite().run(&["interfere", "suite/a::writes", "--tries", "5"]).expect_code(0);
    finds(
        &run,
        &[
            "it does not fail, but suite/b::counts does\n",
            "FOUND: suite/b::counts fails beside suite/a::writes: ",
            "\"locks\": [\"table.db\"]\n",
        ],
    );
}

#[test]
fn both_may_fail_and_locks_that_there_are_stay() {
    let run = suite().run(&["interfere", "suite/b::holds too", "--tries", "5"]).expect_code(0);
    finds(
        &run,
        &[
            "FOUND: suite/b::holds too fails beside suite/a::holds: ",
            "    \"locks\": [\"busy\"]\n",
            "    \"locks\": { \"busy\": \"exclusive\", \"other\": \"shared\" }\n",
        ],
    );
}

#[test]
fn what_fails_after_another_is_told_apart() {
    let run = suite().run(&["interfere", "suite/b::wants it clean", "--tries", "5"]).expect_code(0);
    finds(
        &run,
        &["FOUND: suite/b::wants it clean fails after suite/a::litters, and passes alone (5 of 5)\n"],
    );
}

#[test]
fn those_are_suspects_that_were_beside_it_when_it_failed() {
    let suite = suite();
    // Until it is on record that the two were beside each other.
    let ids = ["suite/a::left", "suite/b::right", "suite/a::case 1", "suite/b::case 17"];
    let arguments: Vec<&str> = ids.iter().flat_map(|id| ["--exact", id]).chain(["-j", "4"]).collect();
    let recorded = (0..20).any(|_| {
        let run = suite.run(&arguments);
        run.code == 1 && run.verdict("left").0 == "failure"
    });
    assert!(recorded, "they never meet");
    let history = suite.run(&["history", "suite/a::left"]).stdout;
    let run = suite.run(&["interfere", "suite/a::left", "--tries", "5"]).expect_code(0);
    finds(
        &run,
        &[" were beside it in ", " of earlier runs\n", "FOUND: suite/a::left fails beside suite/b::right: "],
    );
    assert_eq!(suite.run(&["history", "suite/a::left"]).stdout, history, "the history has no line more");
}

#[test]
fn what_stays_behind_is_told() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "first", "run": "test ! -e {{ dir }}/left" },
          { "name": "leaves", "run": "touch {{ dir }}/left" },
          { "name": "other", "locks": ["x"], "run": "true" }
        ] }"#,
    );
    let run = suite.run(&["interfere", "a::first", "--tries", "3"]).expect_code(0);
    finds(&run, &["a::first passed alone (3 of 3), and fails even alone since others ran\n", "a::leaves"]);
}

#[test]
fn a_case_that_fails_alone_or_never_is_said_to() {
    let suite = Suite::of(
        "a.test.toml",
        "[[cases]]\nname = 'bad'\nrun = 'false'\n\n[[cases]]\nname = 'good'\nrun = 'true'\n\n[[cases]]\nname = 'left out'\nskip = 'not now'\nrun = 'true'\n",
    );
    let run = suite.run(&["interfere", "a::bad", "--tries", "3"]).expect_code(1);
    finds(&run, &["a::bad fails alone: 3 of 3 times\n", "a.test.toml:"]);
    let run = suite.run(&["interfere", "a::good", "--tries", "3"]).expect_code(4);
    finds(&run, &["a::good fails neither alone nor beside 1 other\n"]);
    for (arguments, message) in [
        (&["interfere", "a::god"][..], "no test case has the id \"a::god\"; did you mean \"a::good\"?"),
        (&["interfere", "a::left out"], "a::left out cannot be run: not now"),
        (&["interfere", "a::good", "--tries", "0"], "invalid value '0'"),
        (&["interfere", "a::good", "--time-limit", "0s"], "longer than zero"),
        (&["interfere"], "<ID>"),
    ] {
        let run = suite.run(arguments).expect_code(2);
        assert!(run.stderr.contains(message), "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn a_search_ends_with_its_time_and_with_a_signal() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [ { "name": "slow", "run": "sleep 0.2" }, { "name": "b", "run": "sleep 0.2" } ] }"#,
    );
    let run = suite.run(&["interfere", "a::slow", "--tries", "1000", "--time-limit", "1s"]).expect_code(4);
    finds(&run, &["the time is over, and a::slow has not failed yet\n"]);
    let child = suite.start(&["interfere", "a::slow", "--tries", "1000"]);
    let begin = Instant::now();
    while suite.processes().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    send(&child, Signal::INT);
    let run = suite.finish(child).expect_code(130);
    finds(&run, &["interrupted by SIGINT: nothing was found yet\n"]);
    assert!(!run.stdout.contains("passed 0 times") && !run.stdout.contains("0 of 0"), "{}", run.stdout);
}

#[test]
fn a_case_may_disturb_itself() {
    let suite = Suite::of(
        "a.test.yaml",
        "cases:\n- { name: own, run: \"mkdir '{{ dir }}/own.d'; sleep 0.05; rmdir '{{ dir }}/own.d'\" }\n- { name: b, run: 'true' }\n",
    );
    let run = suite.run(&["interfere", "a::own", "--tries", "3"]).expect_code(0);
    finds(&run, &["FOUND: a::own fails beside a copy of itself: ", "    locks: [\"own.d\"]\n"]);
}

#[test]
fn cases_that_run_after_each_other_are_never_beside_each_other() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "makes", "run": "sleep 0.02; echo 1 > {{ run_dir }}/made" },
          { "name": "passes it on", "after": ["makes"], "run": "sleep 0.02; cp {{ run_dir }}/made {{ run_dir }}/more" },
          { "name": "reads", "after": ["passes it on"], "run": "cat {{ run_dir }}/made {{ run_dir }}/more" },
          { "name": "other", "run": "true" }
        ] }"#,
    );
    for (id, suspects) in
        [("a::makes", "1 suspect:"), ("a::reads", "1 suspect:"), ("a::other", "3 suspects:")]
    {
        let run = suite.run(&["interfere", id, "--tries", "3"]).expect_code(4);
        finds(
            &run,
            &[&format!("\n{suspects} all that may run beside it\n"), "fails neither alone nor beside "],
        );
        assert!(!run.stdout.contains("it does not fail, but"), "{id}: {}", run.stdout);
    }
}

#[test]
fn what_is_left_in_the_folder_of_the_run_is_told_apart() {
    let suite = |locks: &str, litters: &str| {
        let cases = format!(
            r#"{{ "defaults": {{ {locks} }}, "cases": [
              {{ "name": "litters", "run": "{litters}" }},
              {{ "name": "clean", "run": "if test -e {{{{ run_dir }}}}/junk -o -e {{{{ dir }}}}/junk; then rm -f {{{{ dir }}}}/junk; exit 1; fi" }},
              {{ "name": "other", "run": "true" }}
            ] }}"#
        );
        Suite::of("a.test.json", &cases)
    };
    for (locks, litters) in [
        ("", "touch {{ run_dir }}/junk"),
        (r#""locks": ["one"]"#, "touch {{ run_dir }}/junk"),
        (r#""locks": ["one"]"#, "touch {{ dir }}/junk; false"),
    ] {
        let run = suite(locks, litters).run(&["interfere", "a::clean", "--tries", "3"]).expect_code(0);
        finds(&run, &["FOUND: a::clean fails after a::litters, and passes alone (3 of 3)\n"]);
        assert!(!run.stdout.contains("keeps them from each other"), "{}", run.stdout);
    }
}

#[test]
fn a_case_that_passes_once_in_a_run_is_tried_in_runs_of_its_own() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "once", "run": "mkdir {{ run_dir }}/once" },
          { "name": "fills", "run": "touch {{ run_dir }}/full" },
          { "name": "empties", "after": ["fills"], "run": "rm {{ run_dir }}/full" },
          { "name": "is busy", "run": "touch {{ dir }}/busy; sleep 0.05; rm {{ dir }}/busy" },
          { "name": "first", "run": "mkdir {{ run_dir }}/first; test ! -e {{ dir }}/busy; sleep 0.05; test ! -e {{ dir }}/busy" },
          { "name": "1", "run": "sleep 0.01" },
          { "name": "2", "run": "sleep 0.02" },
          { "name": "3", "run": "sleep 0.03" },
          { "name": "4", "run": "sleep 0.04" }
        ] }"#,
    );
    for id in ["a::once", "a::empties"] {
        let run = suite
            .run(&["interfere", id, "--tries", "5", "-E", "name(other) | name(=1) | name(=2)"])
            .expect_code(0);
        let found = format!(
            "FOUND: {id} fails where it has run before in the same run: 4 of 5 times, and 0 of 5 alone\n"
        );
        finds(&run, &[&format!("{id} passes alone: 5 of 5\n"), &found]);
    }
    let run = suite.run(&["interfere", "a::first", "--tries", "5"]).expect_code(0);
    finds(
        &run,
        &[
            "a::first passes alone: 5 of 5\n",
            "FOUND: a::first fails beside a::is busy: ",
            "\"locks\": [\"busy\"]",
        ],
    );
    let bad = Suite::of(
        "a.test.json",
        r#"{ "cases": [{ "name": "tired", "run": "test ! -e {{ dir }}/left; touch {{ dir }}/left" }] }"#,
    );
    bad.run(&["interfere", "a::tired", "--tries", "5"]).expect_code(1);
}

#[test]
fn flags_of_reports_that_are_not_written_are_refused() {
    let suite = Suite::of("a.test.json", r#"{ "cases": [{ "name": "a", "run": "true" }] }"#);
    for flag in [&["--junit", "x.xml"][..], &["--quiet"], &["-v"], &["--color", "never"], &["--no-history"]] {
        let run = suite.run(&[&["interfere", "a::a"], flag].concat()).expect_code(2);
        assert!(run.stderr.contains("unexpected argument"), "{flag:?}: {}", run.stderr);
    }
    let with = ["--jobs", "2", "--io-jobs", "2", "--order", "random", "--profile", "default"];
    suite.run(&[&["interfere", "a::a", "--tries", "2"], &with[..]].concat()).expect_code(4);
}

#[test]
fn a_misspelt_path_or_suspect_ends_the_command_and_so_does_a_case_that_cannot_run() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "a", "run": "true" },
          { "name": "bad", "run": "false" },
          { "name": "later", "after": ["bad"], "run": "true" }
        ] }"#,
    );
    let run = suite.run(&["interfere", "a::later"]).expect_code(2);
    let words = "a::later cannot be run: runs after a::bad, which has not passed";
    assert!(run.stderr.contains(words), "{}", run.stderr);
    for (arguments, words) in [
        (
            ["interfere", "a::a", "--exact", "a::b"],
            "no test case has the id \"a::b\"; did you mean \"a::a\"?",
        ),
        (["interfere", "a::a", "nowhere", "-j2"], "nowhere: no such file or folder"),
    ] {
        let run = suite.run(&arguments).expect_code(2);
        assert!(run.stderr.contains(words) && run.stdout.is_empty(), "{}{}", run.stdout, run.stderr);
    }
}
