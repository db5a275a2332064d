//! `--resume`: what an earlier run has not come to, and with which paths and filters.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::support::{Run, Suite};

/// Runs the command; every case and every hook that runs adds its name to `out`.
fn run(suite: &Suite, arguments: &[&str]) -> Run {
    let mut command = suite.command(arguments);
    command.args(["-j", "1", "--order", "path"]).env("OUT", suite.path().join("out"));
    suite.finish_command(command)
}

/// What has run since it was asked for last.
fn ran(suite: &Suite) -> Vec<String> {
    let path = suite.path().join("out");
    let text = fs::read_to_string(&path).unwrap_or_default();
    fs::write(path, "").expect("written");
    text.lines().map(str::to_owned).collect()
}

/// A suite file that notes what comes before and after the cases of its folder.
fn hooks(name: &str) -> String {
    let [setup, teardown] = ["up", "down"].map(|word| format!("[{{ run: 'echo {name}-{word} >> $OUT' }}]"));
    format!("defaults: {{ inherit_env: [OUT] }}\nsetup: {setup}\nteardown: {teardown}\n")
}

fn case(name: &str) -> String {
    format!("- {{ name: {name}, tags: [{name}], run: 'echo {name} >> $OUT', inherit_env: [OUT] }}\n")
}

fn journal(suite: &Suite) -> PathBuf {
    let runs = fs::read_dir(suite.path().join(".partest/runs")).expect("runs");
    let last = runs.map(|entry| entry.expect("readable").path()).max().expect("a run");
    last.join("journal.jsonl")
}

/// Leaves the journal as a run has it that is killed just after this event of this case.
fn killed_after(suite: &Suite, event: &str, id: &str) {
    let path = journal(suite);
    let text = fs::read_to_string(&path).expect("UTF-8");
    let [event, id] = [format!("\"event\":\"{event}\""), format!("\"id\":\"{id}\"")];
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let last =
        lines.iter().position(|line| line.contains(&event) && line.contains(&id)).expect("in the journal");
    fs::write(path, lines[..=last].concat()).expect("written");
    ran(suite);
}

/// A run that was killed while `b` ran: `c` and `d` had not begun.
fn killed_in_b() -> Suite {
    let cases = ["a", "b", "c"].map(case).concat();
    let suite = Suite::of("s/a.test.yaml", &format!("cases:\n{cases}"))
        .file("s/sub/d.test.yaml", format!("cases:\n{}", case("d")))
        .file("other/e.test.yaml", format!("cases:\n{}", case("e")));
    run(&suite, &["s"]).expect_code(0);
    killed_after(&suite, "case-started", "s/a::b");
    suite
}

#[test]
fn what_is_not_selected_stays_not_run_until_it_is_taken_up() {
    for (narrowed, chosen, others) in [
        (&["--resume", "--filter", "::c"][..], "c", ["b", "d"]),
        (&["--resume", "--exact", "s/a::c"], "c", ["b", "d"]),
        (&["--resume", "--tag", "c"], "c", ["b", "d"]),
        (&["--resume", "last", "s/sub", "other"], "d", ["b", "c"]),
    ] {
        let suite = killed_in_b();
        let first = run(&suite, narrowed).expect_code(1);
        assert_eq!((first.stderr.as_str(), ran(&suite)), ("", vec![chosen.to_owned()]), "{narrowed:?}");
        assert!(first.stdout.contains("2 passed, 2 not run"), "{}", first.stdout);
        first.expect_verdicts(&[("a", ""), (chosen, "")]);
        for name in others {
            let begun = name == "b";
            let reason =
                if begun { "interrupted: the run was" } else { "not run: the run was stopped before" };
            assert!(first.verdict(name).1.starts_with(reason), "{name}: {:?}", first.verdict(name));
        }
        let second = run(&suite, &["--resume"]).expect_code(0);
        assert_eq!(
            (second.stderr.as_str(), ran(&suite)),
            ("", others.map(str::to_owned).to_vec()),
            "{narrowed:?}"
        );
        assert_eq!(second.report().tests, 4);
        second.expect_verdicts(&["a", "b", "c", "d"].map(|name| (name, "")));
    }
}

#[test]
fn what_is_not_selected_may_be_gone_broken_or_mended() {
    let suite = killed_in_b();
    fs::remove_file(suite.path().join("s/sub/d.test.yaml")).expect("removed");
    let gone = run(&suite, &["--resume", "--filter", "::c"]);
    assert_eq!(gone.stderr, "partest: a case of the run is not among the descriptors any more\n");
    assert_eq!(gone.report().tests, 3);

    let suite = killed_in_b().file("s/sub/d.test.yaml", "cases: {");
    run(&suite, &["s"]).expect_code(2);
    killed_after(&suite, "case-started", "s/a::a");
    let broken = run(&suite, &["--resume", "last", "s/a.test.yaml"]).expect_code(2);
    assert_eq!(broken.report().tests, 4, "{}", broken.stdout);
    let suite = suite.file("s/sub/d.test.yaml", format!("cases:\n{}", case("d")));
    let mended = run(&suite, &["--resume", "last", "s/a.test.yaml"]);
    assert_eq!((mended.stderr.as_str(), mended.report().tests), ("", 4), "{}", mended.stdout);
    ran(&suite);
    run(&suite, &["--resume"]).expect_code(0);
    assert_eq!(ran(&suite), ["d"]);
}

/// Two folders, one in the other, each with a setup and a teardown, and a case beside them that runs last.
fn with_hooks() -> Suite {
    Suite::of("s/outer/suite.yaml", &hooks("outer"))
        .file("s/outer/a.test.yaml", format!("cases:\n{}", case("a")))
        .file("s/outer/inner/suite.yaml", hooks("inner"))
        .file("s/outer/inner/b.test.yaml", format!("cases:\n{}", case("b")))
        .file("s/z.test.yaml", format!("cases:\n{}", case("z")))
}

#[test]
fn a_teardown_that_was_interrupted_is_taken_up_with_its_setup() {
    let [outer, inner] = ["s/outer/suite.yaml::teardown", "s/outer/inner/suite.yaml::teardown"];
    let all = ["outer-up", "a", "inner-up", "b", "inner-down", "z", "outer-down"];
    let both = &["outer-up", "inner-up", "inner-down", "outer-down"][..];
    for (event, id, expected) in [
        ("case-started", inner, both),
        ("case-finished", inner, &["outer-up", "outer-down"]),
        ("case-started", outer, &["outer-up", "outer-down"]),
    ] {
        let suite = with_hooks();
        run(&suite, &[]).expect_code(0);
        let mut ran_first = ran(&suite);
        ran_first.sort();
        let mut sorted = all;
        sorted.sort_unstable();
        assert_eq!(ran_first, sorted);
        killed_after(&suite, event, id);
        let mut resumed = run(&suite, &["--resume"]).expect_code(0);
        let mut again = ran(&suite);
        again.retain(|word| word != "z");
        assert_eq!(again, expected, "{event} {id}\n{}", resumed.stdout);
        for _ in 0..2 {
            assert_eq!(resumed.stderr, "");
            assert_eq!(resumed.report().tests, 7, "{}", resumed.stdout);
            assert!(resumed.stdout.contains("7 passed"), "{}", resumed.stdout);
            resumed = run(&suite, &["--resume"]).expect_code(0);
            assert!(ran(&suite).is_empty(), "{}", resumed.stdout);
        }
    }
}

#[test]
fn a_teardown_knows_what_its_setup_captures_when_it_is_taken_up() {
    let suite = Suite::of(
        "suite.yaml",
        "defaults: { inherit_env: [OUT] }\nsetup: [{ run: echo 7, capture: { number: stdout } }]\n\
         teardown: [{ run: 'echo down-{{ number }} >> $OUT' }]\n",
    )
    .file("a.test.yaml", case("a").replacen("- ", "cases:\n- ", 1));
    run(&suite, &[]).expect_code(0);
    killed_after(&suite, "case-finished", "a::a");
    run(&suite, &["--resume"]).expect_code(0);
    assert_eq!(ran(&suite), ["down-7"]);
}

/// A suite file whose setup makes a folder that must not be there, and whose teardown removes it.
fn folder_hooks(folder: &str) -> String {
    format!(
        "defaults: {{ inherit_env: [OUT] }}\nsetup: [{{ run: 'mkdir {{{{ dir }}}}/{folder}' }}]\n\
         teardown: [{{ run: 'rmdir {{{{ dir }}}}/{folder} && echo {folder}-down >> $OUT' }}]\n"
    )
}

#[test]
fn a_teardown_is_taken_up_although_its_setup_does_not_pass_again() {
    for more in [&["--resume"][..], &["--resume", "--fail-fast"]] {
        let suite = Suite::of("s/suite.yaml", &folder_hooks("outer"))
            .file("s/t/suite.yaml", folder_hooks("../outer/inner"))
            .file("s/t/deep/suite.yaml", hooks("deep").replace("setup", "# setup"))
            .file("s/t/deep/a.test.yaml", format!("cases:\n{}", case("a")));
        run(&suite, &[]).expect_code(0);
        killed_after(&suite, "case-started", "s/t/deep/suite.yaml::teardown");
        fs::create_dir_all(suite.path().join("s/outer/inner")).expect("made");
        let resumed = run(&suite, more).expect_code(1);
        assert_eq!(ran(&suite), ["deep-down", "../outer/inner-down", "outer-down"], "{}", resumed.stdout);
        assert!(resumed.stdout.contains("4 passed, 1 failed, 1 error"), "{}", resumed.stdout);
        assert!(!suite.path().join("s/outer").exists());
        run(&suite, &["--resume"]).expect_code(1);
        assert_eq!(ran(&suite), [""; 0]);
    }
}

#[test]
fn a_teardown_that_is_taken_up_says_what_its_setup_did_not_capture() {
    let suite = Suite::of(
        "suite.yaml",
        "setup: [{ run: 'mkdir {{ dir }}/made && echo 7', capture: { number: stdout } }]\n\
         teardown: [{ run: 'rmdir {{ dir }}/made && echo {{ number }}' }]\n",
    )
    .file("a.test.yaml", case("a").replacen("- ", "cases:\n- ", 1));
    run(&suite, &[]).expect_code(0);
    killed_after(&suite, "case-finished", "a::a");
    fs::create_dir(suite.path().join("made")).expect("made");
    let resumed = run(&suite, &["--resume"]).expect_code(1);
    let (kind, said) = resumed.verdict("teardown");
    assert!(kind == "error" && said.contains("number"), "{said}");
}

#[test]
fn a_teardown_that_could_not_start_is_taken_up_once_more() {
    let suite = Suite::of("s/suite.yaml", &folder_hooks("outer"))
        .file("s/t/suite.yaml", hooks("inner"))
        .file("s/t/a.test.yaml", format!("cases:\n{}", ["a", "b"].map(case).concat()))
        .file("s/u/suite.yaml", hooks("other"))
        .file("s/u/z.test.yaml", format!("cases:\n{}", case("z")));
    run(&suite, &[]).expect_code(0);
    killed_after(&suite, "case-started", "s/t/a::b");
    fs::create_dir(suite.path().join("s/outer")).expect("made");
    // `b` is still open, so that the teardown comes with it; and it does not begin, as the outer setup fails.
    let first = run(&suite, &["--resume"]).expect_code(1);
    assert_eq!(ran(&suite), ["outer-down"], "{}", first.stdout);
    let reason = "the setup \"s/suite.yaml::setup\" did not pass";
    assert_eq!(["a", "b", "z"].map(|name| first.verdict(name).1), ["", reason, reason]);
    let narrowed = run(&suite, &["--resume", "--filter", "::z"]).expect_code(1);
    assert_eq!((ran(&suite), narrowed.report().tests), (vec![], first.report().tests), "{}", narrowed.stdout);
    assert!(narrowed.stdout.contains("1 skipped, 1 not run"), "{}", narrowed.stdout);
    for expected in [&["inner-up", "inner-down", "outer-down"][..], &[]] {
        let resumed = run(&suite, &["--resume"]).expect_code(1);
        assert_eq!((resumed.stderr.as_str(), resumed.report().tests), ("", first.report().tests));
        assert_eq!(ran(&suite), expected, "{}", resumed.stdout);
    }
}

#[test]
fn a_teardown_of_which_nothing_could_start_is_taken_up_once_more() {
    let suite = Suite::of(
        "suite.yaml",
        "defaults: { inherit_env: [OUT], cwd: '{{ dir }}' }\nsetup: [{ run: 'mkdir made && echo 7', capture: { number: stdout } }]\n\
         teardown: { run: [./clean, '{{ number }}'] }\n",
    )
    .file("a.test.yaml", case("a").replacen("- ", "cases:\n- ", 1));
    let first = run(&suite, &[]).expect_code(1);
    assert!(first.verdict("teardown").1.contains("./clean"), "{}", first.stdout);
    ran(&suite);
    // Now there is the program, but not what it is told.
    fs::write(suite.path().join("clean"), "#!/bin/sh\nrmdir made && echo down-$1 >> $OUT\n")
        .expect("written");
    fs::set_permissions(suite.path().join("clean"), Permissions::from_mode(0o755)).expect("allowed");
    let second = run(&suite, &["--resume"]).expect_code(1);
    assert!(second.verdict("teardown").1.contains("`number` has no value"), "{}", second.stdout);
    fs::remove_dir(suite.path().join("made")).expect("there");
    for expected in [&["down-7"][..], &[]] {
        let third = run(&suite, &["--resume"]).expect_code(0);
        assert_eq!((third.stderr.as_str(), third.report().tests), ("", 3), "{}", third.stdout);
        assert_eq!(ran(&suite), expected, "{}", third.stdout);
    }
}

#[test]
fn a_setup_that_is_interrupted_when_it_is_run_again_is_of_the_run() {
    let suite = Suite::of(
        "suite.yaml",
        "defaults: { inherit_env: [OUT] }\nsetup: [{ run: 'test ! -e {{ dir }}/slow || sleep 60' }]\n\
         teardown: [{ run: 'echo down >> $OUT' }]\n",
    )
    .file("a.test.yaml", case("a").replacen("- ", "cases:\n- ", 1));
    run(&suite, &[]).expect_code(0);
    killed_after(&suite, "case-started", "suite.yaml::teardown");
    fs::write(suite.path().join("slow"), "").expect("written");
    run(&suite, &["--resume", "--run-timeout", "500ms"]).expect_code(1);
    assert_eq!(ran(&suite), ["down"]);
    let resumed = run(&suite, &["--resume"]);
    assert_eq!((resumed.stderr.as_str(), ran(&suite)), ("", vec![]), "{}", resumed.stdout);
}

#[test]
fn a_teardown_that_comes_with_others_says_what_its_setup_did_not_capture_too() {
    let suite = Suite::of(
        "s/suite.yaml",
        "defaults: { inherit_env: [OUT] }\nsetup: [{ run: 'mkdir {{ dir }}/made && echo 7', capture: { number: stdout } }]\n\
         teardown: [{ run: 'echo first >> $OUT' }, { run: 'rmdir {{ dir }}/made && echo down-{{ number }} >> $OUT' }]\n",
    )
    .file("s/in/suite.yaml", hooks("in").replace("setup", "# setup"))
    .file("s/in/a.test.yaml", format!("cases:\n{}", case("a")));
    for (event, id) in [("case-started", "s/in/a::a"), ("case-started", "s/in/suite.yaml::teardown")] {
        run(&suite, &[]).expect_code(0);
        killed_after(&suite, event, id);
        fs::create_dir(suite.path().join("s/made")).expect("made");
        let resumed = run(&suite, &["--resume"]).expect_code(1);
        assert!(ran(&suite).ends_with(&["first".to_owned()]), "{id}: {}", resumed.stdout);
        let reason = "step 2 of 2: `number` has no value";
        assert!(resumed.stdout.contains(reason), "{id}: {}", resumed.stdout);
        assert!(
            !resumed.stdout.contains("    step 2 of 2: \n"),
            "a command that is not known: {}",
            resumed.stdout
        );
        fs::remove_dir(suite.path().join("s/made")).expect("there");
    }
}

#[test]
fn a_teardown_that_is_not_selected_stays_not_run_until_it_is_taken_up() {
    let suite = with_hooks();
    run(&suite, &[]).expect_code(0);
    killed_after(&suite, "case-started", "s/outer/inner/suite.yaml::teardown");
    let narrowed = run(&suite, &["--resume", "--filter", "::z"]).expect_code(1);
    assert!(narrowed.stdout.contains("5 passed, 2 not run"), "{}", narrowed.stdout);
    assert!(ran(&suite).iter().all(|word| word == "z"));
    assert_eq!(narrowed.report().tests, 7);
    run(&suite, &["--resume"]).expect_code(0);
    assert_eq!(ran(&suite), ["outer-up", "inner-up", "inner-down", "outer-down"]);
}

#[test]
fn a_teardown_with_open_cases_is_known_after_a_narrowed_run() {
    let suite = Suite::of("g/suite.yaml", &hooks("g"))
        .file("g/a.test.yaml", format!("cases:\n{}", ["a", "b"].map(case).concat()))
        .file("h/c.test.yaml", format!("cases:\n{}", case("c")));
    run(&suite, &[]).expect_code(0);
    killed_after(&suite, "case-started", "g/a::b");
    run(&suite, &["--resume", "last", "h"]).expect_code(1);
    assert_eq!(ran(&suite), ["c"]);
    let resumed = run(&suite, &["--resume", "last"]).expect_code(0);
    assert_eq!((resumed.stderr.as_str(), resumed.report().tests), ("", 5), "{}", resumed.stdout);
    assert_eq!(ran(&suite), ["g-up", "b", "g-down"]);
}

#[test]
fn what_an_open_case_runs_after_is_run_again_unless_it_failed() {
    let cases = "cases:
- { name: fill, run: 'echo fill >> $OUT; touch {{ run_dir }}/full', inherit_env: [OUT] }
- { name: other, run: 'echo other >> $OUT', inherit_env: [OUT] }
- { name: slow, after: [fill], run: 'echo slow >> $OUT; test -e {{ run_dir }}/full', inherit_env: [OUT] }
- { name: use, after: [slow], run: 'echo use >> $OUT', inherit_env: [OUT] }
";
    let suite = Suite::of("a.test.yaml", cases);
    run(&suite, &[]).expect_code(0);
    killed_after(&suite, "case-started", "a::slow");
    let resumed = run(&suite, &["--resume"]).expect_code(0);
    assert_eq!(
        (resumed.stderr.as_str(), ran(&suite)),
        ("", ["fill", "slow", "use"].map(String::from).to_vec())
    );
    assert!(resumed.stdout.contains("4 passed · 4 cases"), "{}", resumed.stdout);

    let suite = Suite::of("a.test.yaml", &cases.replace("touch", "test -e"));
    run(&suite, &[]).expect_code(1);
    killed_after(&suite, "case-finished", "a::fill");
    let resumed = run(&suite, &["--resume"]).expect_code(1);
    assert_eq!(ran(&suite), ["other"]);
    assert!(resumed.stdout.contains("1 passed, 1 failed, 2 skipped · 4 cases"), "{}", resumed.stdout);
}

#[test]
fn what_is_no_run_and_no_suite_is_refused() {
    let suite = killed_in_b().file("empty", "");
    for (name, words) in
        [("empty", "is empty"), ("/dev/null", "no run \"/dev/null\""), ("nowhere", "no run \"nowhere\"")]
    {
        let refused = run(&suite, &["--resume", name]).expect_code(2);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
        assert_eq!(ran(&suite), [""; 0]);
    }
    // A descriptor is one of the suite, as is a folder.
    run(&suite, &["--resume", "s/sub/d.test.yaml"]).expect_code(1);
    assert_eq!(ran(&suite), ["d"]);
    run(&suite, &["--resume", "s"]).expect_code(0);
    assert_eq!(ran(&suite), ["b", "c"]);
}

#[test]
fn a_lock_that_is_held_for_a_moment_longer_is_waited_for() {
    let suite = killed_in_b();
    let held = fs::File::open(journal(&suite)).expect("opened");
    held.lock().expect("locked");
    let refused = run(&suite, &["--resume"]).expect_code(2);
    assert!(refused.stderr.contains("still goes on"), "{}", refused.stderr);
    let command =
        || suite.command(&["--resume"]).env("OUT", suite.path().join("out")).spawn().expect("started");
    let mut resumed = command();
    thread::sleep(Duration::from_millis(100));
    held.unlock().expect("unlocked");
    assert!(resumed.wait().expect("ended").success());
}
