//! What cases print, and what becomes of it in reports.

use std::time::Instant;

use crate::support::{Suite, filter_through};

/// A case that prints every byte value, and one that tries to break out of the report.
fn hostile() -> Suite {
    let every_byte = r"i=0; while [ $i -lt 256 ]; do printf '%b' '\\0'$(printf %o $i); i=$((i+1)); done";
    let injection = r#"printf 'x]]></system-out><failure message="no"/><system-out><![CDATA[ &amp; \\033]0;title\\007 \\033[31mred'"#;
    let text = format!(
        "cases:\n- name: every byte\n  run: |\n    {every_byte}\n    false\n- name: injects\n  run: |\n    {injection}\n",
    );
    Suite::of("hostile.test.yaml", &text)
}

#[test]
fn any_byte_may_be_printed() {
    let run = hostile().run(&[]).expect_code(1);
    assert_eq!(run.verdict("every byte").0, "failure");
    assert_eq!(run.verdict("injects").0, "passed");
    let control = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!run.stdout.contains(control), "{:?}", run.stdout);
    let output = run.case("injects").system_out.expect("kept");
    assert!(
        output.as_str().contains("x]]></system-out><failure message=\"no\"/><system-out><![CDATA[ &amp;"),
        "{output:?}"
    );
}

#[test]
#[ignore = "needs xmllint and python3: ./tests/run"]
fn strict_parsers_read_the_report() {
    let junit = hostile().run(&[]).junit.expect("a report");
    assert!(
        filter_through("xmllint", &["--noout", "-"], junit.as_bytes()).is_some(),
        "libxml2 refuses\n{junit}"
    );
    let expat = "import sys, xml.parsers.expat as x; x.ParserCreate().Parse(sys.stdin.buffer.read(), True)";
    assert!(filter_through("python3", &["-c", expat], junit.as_bytes()).is_some(), "expat refuses\n{junit}");
}

#[test]
fn long_output_is_bounded_and_says_so() {
    let suite = Suite::of(
        "a.test.yaml",
        "name: long\nrun: head -c 100000000 /dev/zero | tr '\\0' x; echo; echo END; exit 1\n",
    );
    let run = suite.run(&[]).expect_code(1);
    assert!(run.stdout.contains("END"), "{}", run.stdout);
    assert!(run.stdout.len() < 100_000, "{} bytes on the console", run.stdout.len());
    assert!(run.junit.is_some_and(|text| text.len() < 1_000_000 && text.contains("END")));
}

#[test]
fn a_terminal_has_no_colours_where_none_are_wanted() {
    let suite = Suite::of("a.test.json", r#"{ "run": "sleep 0.3; false" }"#);
    let shown = |arguments: &str| {
        let mut script = std::process::Command::new("script");
        let command = format!("{} {arguments}", env!("CARGO_BIN_EXE_partest"));
        script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
        let output =
            script.current_dir(suite.path()).stdin(std::process::Stdio::null()).output().expect("ran");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // What begins with `[` and ends with `m` sets colours; other sequences move the cursor.
    let colours = |text: &str| {
        let sequences = text.split("\u{1b}[").skip(1);
        sequences
            .filter(|rest| {
                rest.find(|c: char| c.is_alphabetic()).is_some_and(|at| rest[at..].starts_with('m'))
            })
            .count()
    };
    for arguments in ["--color never", "report --color never"] {
        let text = shown(arguments);
        assert!(text.contains("0/1") && text.contains("FAIL"), "{text:?}");
        assert_eq!(colours(&text), 0, "{text:?}");
    }
    assert!(colours(&shown("")) > 0);
}

#[test]
fn a_command_to_the_ci_never_begins_a_line() {
    let run = Suite::of(
        "a.test.json",
        r#"{ "run": "echo '::error::x'; echo '##vso[x]'; echo '##teamcity[x]'; exit 1" }"#,
    )
    .run(&[]);
    assert!(run.stdout.contains("::error::x"), "{}", run.stdout);
    assert!(
        run.stdout
            .lines()
            .all(|line| !line.trim_start().starts_with("::") && !line.trim_start().starts_with("##"))
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let cases: Vec<_> = (0..200).map(|n| format!(r#"{{ "name": "{n}", "run": "true" }}"#)).collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let mut child = suite.start(&[]);
    drop(child.stdout.take());
    let run = suite.finish(child).expect_code(0);
    assert_eq!(run.report().tests, 200);
}

#[test]
fn ten_thousand_cases_in_one_file_run_without_a_hitch() {
    let cases: Vec<_> =
        (0..10_000).map(|n| format!(r#"{{ "name": "{n}", "run": ["/bin/true"] }}"#)).collect();
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    let begin = Instant::now();
    let run = suite.run(&["-q"]).expect_code(0);
    assert_eq!(run.report().tests, 10_000);
    assert!(run.stdout.contains("10000 passed"), "{}", run.stdout);
    assert!(begin.elapsed().as_secs() < 120, "{:?}", begin.elapsed());
}
