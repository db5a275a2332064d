//! `partest.toml`, the variables and `partest config`.

use std::fs;

use crate::support::{Run, Suite};

fn project() -> Suite {
    Suite::new()
        .file(
            "partest.toml",
            "[profile.default]\npaths = ['suite']\njobs = 1\ntimeout = '1s'\ngrace = '100ms'\n\n[profile.ci]\njunit = 'out.xml'\ntimeout = '90s'\nretries = 1\n",
        )
        .file("suite/a.test.yaml", "cases:\n- {name: hangs, run: exec sleep 60}\n- {name: has its own, run: sleep 2, timeout: 30s}\n")
        .file("elsewhere/b.test.yaml", "run: 'test $PARTEST_ATTEMPT = 2'\n")
}

fn run_in(suite: &Suite, folder: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = suite.command(arguments);
    command.current_dir(suite.path().join(folder)).envs(variables.iter().copied());
    let command = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    suite.finish(command.spawn().expect("started"))
}

#[test]
fn the_file_says_what_runs_and_how_and_cases_and_suites_go_before_it() {
    let suite = project();
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("hangs"), ("failure", "timed out after 1.00s; ended by SIGTERM".to_owned()));
    assert_eq!(run.verdict("has its own").0, "passed");
    let suite = suite.file("suite/suite.toml", "defaults.timeout = '300ms'\n");
    let run = suite.run(&["--exact", "suite/a::hangs"]).expect_code(1);
    assert_eq!(run.verdict("hangs").1, "timed out after 0.30s; ended by SIGTERM");
}

#[test]
fn the_folder_of_the_file_is_the_root_wherever_one_is() {
    let suite = project();
    let run = run_in(&suite, "elsewhere", &["--list"], &[]).expect_code(0);
    assert_eq!(run.stdout, "suite/a::hangs\nsuite/a::has its own\n");
    let run = run_in(&suite, "elsewhere", &["--list", "."], &[]).expect_code(0);
    assert_eq!(run.stdout, "elsewhere/b::b\n");
    let run = run_in(&suite, "elsewhere", &["b.test.yaml", "--profile", "ci"], &[]).expect_code(0);
    assert!(run.stdout.contains("flaky"), "{}", run.stdout);
    assert!(run.junit.is_some(), ".partest lies in the root");
    assert!(suite.path().join("out.xml").exists() && !suite.path().join("elsewhere/.partest").exists());
}

#[test]
fn variables_go_before_the_file_and_flags_before_variables() {
    let suite = project();
    let variables = [("PARTEST_TIMEOUT", "200ms"), ("PARTEST_JOBS", "3"), ("PARTEST_PROFILE", "ci")];
    let run = run_in(&suite, ".", &["--exact", "suite/a::hangs"], &variables).expect_code(1);
    assert!(run.verdict("hangs").1.contains("timed out after 0.20s"), "{}", run.stdout);
    let shown = run_in(&suite, "suite", &["config", "-j", "5", "-vv"], &variables).expect_code(0).stdout;
    for (key, value, origin) in [
        ("jobs", "5", "the flag --jobs"),
        ("verbosity", "\"outputs\"", "the flag --verbose"),
        ("timeout", "\"200ms\"", "the variable PARTEST_TIMEOUT"),
        ("profile", "\"ci\"", "the variable PARTEST_PROFILE"),
        ("retries", "1", "partest.toml:10:11, profile ci"),
        ("grace", "\"100ms\"", "partest.toml:5:9, profile default"),
        ("color", "\"auto\"", "built in"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(&format!("{key} "))).expect("the key");
        assert!(line.contains(&format!("= {value} ")) && line.ends_with(&format!("# {origin}")), "{line}");
    }
}

#[test]
fn a_mistake_ends_every_command_that_reads_the_file() {
    let suite = project().file("partest.toml", "[profile.ci]\njbos = 2\n");
    for arguments in [&["check"][..], &["config"], &["--list"], &[]] {
        let run = suite.run(arguments).expect_code(2);
        assert!(run.stderr.contains("partest.toml:2:1"), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("did you mean `jobs`?"), "{arguments:?}: {}", run.stderr);
    }
    let run = project().run(&["--profile", "cii"]).expect_code(2);
    assert_eq!(run.stderr, "partest: there is no profile `cii`: did you mean `ci`?\n");
}

#[test]
fn a_mistake_in_a_suite_file_over_the_settings_has_its_own_place() {
    let suite = project().file("suite/suite.toml", "defaults.timeout = 5\n");
    let run = suite.run(&["check"]).expect_code(2);
    assert!(run.stdout.contains("suite/suite.toml:1:20"), "{}", run.stdout);
}

#[test]
fn check_and_explain_take_a_profile_too() {
    let suite = project();
    let run = run_in(&suite, ".", &["check", "--profile", "cii"], &[]).expect_code(2);
    assert_eq!(run.stderr, "partest: there is no profile `cii`: did you mean `ci`?\n");
    let timeout = |arguments: &[&str]| {
        let run = run_in(&suite, ".", &[&["explain", "suite/a::hangs"], arguments].concat(), &[]);
        run.stdout.lines().find(|line| line.contains("timeout = ")).map(ToOwned::to_owned)
    };
    let line = timeout(&["-P", "ci"]).expect("a timeout");
    assert!(line.contains("90s"), "{line}");
    assert!(!timeout(&[]).expect("a timeout").contains("90s"));
}

#[test]
fn the_help_names_every_variable() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    let (_, section) = readme.split_once("### Settings of a project").expect("the section");
    let (section, _) = section.split_once("\n### ").expect("its end");
    let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
    let variables: Vec<_> = section
        .split(|c| !is_part(c))
        .filter(|word| word.len() > 8 && word.starts_with("PARTEST_"))
        .collect();
    assert!(variables.len() > 10, "{variables:?}");
    let help = Suite::new().run(&["config", "--help"]).expect_code(0).stdout;
    let missing: Vec<_> = variables.iter().filter(|variable| !help.contains(**variable)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
