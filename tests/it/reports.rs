//! Where reports are written, and when they cannot be.

use std::fs;

use crate::support::Suite;

const PASSES: &str = r#"{ "name": "passes", "run": "true" }"#;

#[test]
fn junit_is_written_where_it_is_wanted_and_kept() {
    let suite = Suite::of("a.test.json", PASSES);
    let run = suite.run(&["--junit", "out/deep/report.xml"]).expect_code(0);
    let report = fs::read_to_string(suite.path().join("out/deep/report.xml")).expect("written");
    assert_eq!(Some(report), run.junit);
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_runs() {
    let suite = Suite::of("a.test.json", r#"{ "run": "touch {{ dir }}/ran" }"#).file("file", "");
    for path in ["file/report.xml", ".", "/proc/report.xml"] {
        let run = suite.run(&["--junit", path]).expect_code(3);
        assert!(run.stderr.contains("report"), "{}", run.stderr);
        assert!(!suite.path().join("ran").exists(), "{path}: a case ran");
    }
}

#[test]
fn the_folder_of_runs_keeps_out_of_version_control_and_does_not_grow() {
    let suite = Suite::of("a.test.json", PASSES);
    for _ in 0..22 {
        suite.run(&["-q"]).expect_code(0);
    }
    let state = suite.path().join(".partest");
    assert_eq!(fs::read_to_string(state.join(".gitignore")).expect("written"), "*\n");
    assert_eq!(fs::read_dir(state.join("runs")).expect("readable").count(), 20);
}

#[test]
fn a_run_that_cannot_begin_says_why_and_leaves_nothing() {
    let script = |suite: &Suite, script: &str| {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_partest")]).current_dir(suite.path());
        let output = shell.env("TMPDIR", suite.temporary()).output().expect("ran");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    for (commands, words) in [
        (
            "mkdir gone; cd gone; rmdir ../gone; \"$1\"",
            "partest: cannot use the working directory: No such file or directory",
        ),
        ("\"$1\" --list >/dev/full", "partest: cannot write standard output: "),
        ("TMPDIR=/no/such \"$1\"", "partest: cannot create the directory for temporary files: "),
    ] {
        let suite = Suite::of("a.test.json", PASSES);
        let (code, said) = script(&suite, commands);
        assert!(code == Some(3) && said.starts_with(words), "{commands}: {code:?} {said}");
        suite.check_nothing_is_left();
    }
    // Wherever it is that descriptors run out: all is well, or it is said, also what could not be removed.
    for files in 7..13 {
        let suite = Suite::of("a.test.json", PASSES);
        let (code, said) = script(&suite, &format!("ulimit -n {files}; exec \"$1\" -q"));
        assert!(
            matches!(code, Some(0 | 1 | 3)) && (code != Some(3) || !said.is_empty()),
            "{files}: {code:?}"
        );
        if !said.contains("left behind") {
            suite.check_nothing_is_left();
        }
    }
}

#[test]
fn a_full_disk_is_said_and_is_exit_code_3() {
    let suite = Suite::of("a.test.json", PASSES);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = suite.command(&[]).stdout(full).output().expect("ran");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"));
}

#[test]
fn a_report_on_standard_output_overwrites_no_line_of_it() {
    let suite = Suite::of("a.test.json", PASSES).file("out", "");
    let out = fs::OpenOptions::new().write(true).open(suite.path().join("out")).expect("opened");
    let output = suite.command(&["--junit", "/dev/stdout"]).stdout(out).output().expect("ran");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(suite.path().join("out")).expect("read");
    assert!(text.starts_with("PASS") && text.contains("1 passed") && text.contains("<testsuites"), "{text}");
}
