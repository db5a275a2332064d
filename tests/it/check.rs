//! `partest check`, and how commands stand beside paths.

use crate::support::Suite;

const GOOD: &str =
    r#"{ "cases": [{ "name": "a", "run": "touch ran" }, { "name": "b", "skip": "later", "run": "true" }] }"#;

#[test]
fn what_is_in_order_is_counted_and_not_run() {
    let suite = Suite::of("x/good.test.json", GOOD).file("other.test.yaml", "run: \"true\"\n");
    let run = suite.run(&["check"]).expect_code(0);
    assert_eq!(run.stdout, "3 cases in 2 files, no errors\n");
    assert!(!suite.path().join(".partest").exists(), "nothing is run, so nothing is kept");
    assert_eq!(
        suite.run(&["check", "other.test.yaml"]).expect_code(0).stdout,
        "1 case in 1 file, no errors\n"
    );
}

#[test]
fn an_empty_suite_file_is_not_to_be_filled_with_cases() {
    for (file, text) in [("suite.toml", ""), ("suite.yaml", "# later"), ("suite.json", "[]")] {
        let run = Suite::of("a.test.json", GOOD).file(file, text).run(&["check"]).expect_code(2);
        assert!(
            run.stdout.contains("help: write what its cases share, such as `defaults`"),
            "{}",
            run.stdout
        );
    }
}

#[test]
fn every_mistake_is_shown_with_its_place_and_the_command_fails() {
    let suite = Suite::of("good.test.json", GOOD)
        .file("bad.test.toml", "run = \"a\"\nexpcet = 1\n")
        .file("suite.yaml", "defaults: {timeout: 5}\n")
        .file("worse.test.yaml", "cases:\n- {name: a, run: a, timeout: 1}\n- {name: b, run: a, grace: 1}\n");
    let run = suite.run(&["check"]).expect_code(2);
    assert!(run.stdout.contains("suite.yaml:1:21"), "{}", run.stdout);
    std::fs::remove_file(suite.path().join("suite.yaml")).expect("removed");
    let run = suite.run(&["check"]).expect_code(2);
    for place in
        ["bad.test.toml:2:1", "worse.test.yaml:2:30", "worse.test.yaml:3:28", "did you mean `expect`?"]
    {
        assert!(run.stdout.contains(place), "{place}: {}", run.stdout);
    }
    assert!(run.stdout.ends_with("3 errors in 2 files; 2 cases can run\n"), "{}", run.stdout);
}

#[test]
fn a_mistake_stands_at_the_alias_that_repeats_a_value() {
    let suite = Suite::of(
        "a.test.yaml",
        "x-n: &n 5\nx-m: &m {A: 1, B: [2]}\ncases:\n- {name: a, run: *n}\n- {name: b, run: a, timeout: *n}\n\
         - {name: c, run: a, stdin: *m}\n",
    );
    let run = suite.run(&["check"]).expect_code(2);
    let places: Vec<_> = run.stdout.lines().filter_map(|line| line.trim().strip_prefix("--> ")).collect();
    assert_eq!(places, ["a.test.yaml:4:18", "a.test.yaml:5:30", "a.test.yaml:6:28"], "{}", run.stdout);
    let suite = Suite::of("a.test.yaml", "x-p: &p 1.10\nrun: a\nenv:\n  P: *p\n");
    let explained = suite.run(&["explain", "a::a"]).expect_code(0).stdout;
    let variable = explained.lines().find(|line| line.contains("env.P")).unwrap_or_default();
    assert!(variable.contains("1.10") && variable.contains("a.test.yaml:4:6"), "{explained}");
}

#[test]
fn nothing_to_check_is_told() {
    let run = Suite::new().run(&["check"]).expect_code(4);
    assert!(run.stderr.contains("no test cases in ."), "{}", run.stderr);
    Suite::new().run(&["check", "nowhere"]).expect_code(2);
}

#[test]
fn a_folder_called_like_a_command_is_named_with_a_path() {
    let suite = Suite::of("check/good.test.json", GOOD).file("bad.test.json", "{}");
    assert_eq!(suite.run(&["--list", "./check"]).expect_code(0).stdout, "check/good::a\ncheck/good::b\n");
    assert_eq!(suite.run(&["--list", "check"]).expect_code(0).stdout, "check/good::a\ncheck/good::b\n");
    suite.run(&["check"]).expect_code(2);
}

#[test]
fn a_misspelt_command_is_told() {
    let run = Suite::of("a.test.json", GOOD).run(&["chekc"]).expect_code(2);
    assert_eq!(run.stderr, "partest: there is no such file or folder; did you mean the command `check`?\n");
    let run = Suite::of("chekc/a.test.json", GOOD).run(&["--list", "chekc"]).expect_code(0);
    assert_eq!(run.stdout, "chekc/a::a\nchekc/a::b\n");
}

#[test]
fn help_is_there_for_each_command() {
    let suite = Suite::new();
    let commands = suite.commands();
    assert!(commands.len() > 6, "{commands:?}");
    for command in &commands {
        for arguments in [[command.as_str(), "--help"], ["help", command]] {
            let run = suite.run(&arguments).expect_code(0);
            assert!(run.stdout.contains("Examples:"), "{command}: {}", run.stdout);
        }
    }
}

#[test]
fn a_file_that_is_named_is_read_whatever_its_name() {
    let suite = Suite::of("a.txt", "{ \"run\": \"true\" }")
        .file("b", "# a note\n\nrun: 'a=b; true'\n")
        .file("c.case", "run = \"true: yes\"\n")
        .file("d.list", "[[cases]]\nname = \"one\"\nrun = \"true\"\n")
        .file("e.test.json", GOOD);
    assert_eq!(
        suite.run(&["--list", "a.txt", "b", "c.case", "d.list"]).stdout,
        "a.txt::a.txt\nb::b\nc.case::c.case\nd.list::one\n"
    );
    suite.run(&["a.txt", "--exact", "a.txt::a.txt"]).expect_code(0);
    assert_eq!(
        suite.run(&["--list"]).stdout,
        "e::a\ne::b\n",
        "only those with a name of a descriptor are looked for"
    );
}

#[test]
fn a_path_of_the_settings_that_leads_nowhere_is_shown_there() {
    let suite =
        Suite::of("a.test.json", GOOD).file("partest.toml", "[profile.default]\npaths = [\"nosuch\"]\n");
    let run = suite.run(&["check"]).expect_code(2);
    assert!(run.stderr.contains("there is no file or folder `nosuch`"), "{}", run.stderr);
    assert!(run.stderr.contains("partest.toml:2:10\n"), "{}", run.stderr);
    assert!(run.stderr.contains("         ^^^^^^^^"), "{}", run.stderr);
    suite.run(&["check", "a.test.json"]).expect_code(0);
}

#[test]
fn templates_that_explode_are_mistakes_of_their_cases() {
    let bombs = [
        "'%.70000f'|format(1)",
        "('x'*100000)|replace('x','y'*100000)|length",
        "([[0]*90000]*90000)|sum(start=[])|length",
        "'x'*100000000",
    ];
    let cases: Vec<_> = bombs
        .iter()
        .enumerate()
        .map(|(number, bomb)| format!("- {{ name: bomb {number}, run: \"echo {{{{ {bomb} }}}}\" }}\n"))
        .collect();
    let text = format!("cases:\n- {{ name: good, run: 'true' }}\n{}", cases.concat());
    let run = Suite::of("a.test.yaml", &text).run(&["check"]).expect_code(2);
    assert!(run.stdout.contains("1 case can run"), "{}", run.stdout);
    for line in 3..7 {
        assert!(run.stdout.contains(&format!("a.test.yaml:{line}:")), "{line}: {}", run.stdout);
    }
}

#[test]
fn a_negative_number_of_retries_is_told_as_such() {
    let run = Suite::of("a.test.json", GOOD).run(&["--retries", "-1"]).expect_code(2);
    assert!(run.stderr.contains("invalid value '-1' for '--retries"), "{}", run.stderr);
}
