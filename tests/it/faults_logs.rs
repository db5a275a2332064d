//! The whole output of failing cases on disk, and secrets, which are nowhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Run, Suite, send};

/// The attachments that the JUnit report names.
fn attachments(run: &Run) -> Vec<String> {
    let text = run.junit.as_deref().expect("a report");
    let lines = text.lines().map(|line| line.trim_start_matches("<system-out><![CDATA["));
    let names = lines.filter_map(|line| line.strip_prefix("[[ATTACHMENT|")?.split("]]").next());
    names.map(str::to_owned).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()) {
        if entry.is_dir() {
            found.extend(files_below(&entry));
        } else {
            found.push(entry);
        }
    }
    found
}

#[test]
fn the_whole_output_of_what_fails_is_on_disk_and_named() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "../short & odd", "run": "echo out; echo err >&2; exit 1" },
          { "name": "long", "run": "seq 2500000; exit 1", "expect": { "exit": 0 } },
          { "name": "long, too, but passes", "run": "seq 2500000" },
          { "name": "silent", "run": "exit 1" },
          { "name": "flaky", "run": "echo try $PARTEST_ATTEMPT; test $PARTEST_ATTEMPT = 2", "retries": 1 }
        ] }"#,
    );
    let run = suite.run(&["-j", "2"]).expect_code(1);
    let names = attachments(&run);
    assert_eq!(names.len(), 4, "{names:?}");
    let mut contents = Vec::new();
    for name in &names {
        assert!(run.stdout.contains(&format!("log: {name}")), "{}", run.stdout);
        let path = suite.path().join(name);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        contents.push(fs::read_to_string(path).expect("UTF-8"));
    }
    contents.sort_by_key(String::len);
    assert_eq!(&contents[..3], ["out\n", "err\n", "try 1\n"]);
    let whole: String = (1..=2_500_000).map(|n| format!("{n}\n")).collect();
    assert!(contents[3] == whole, "{} bytes of {}", contents[3].len(), whole.len());
    // None of those that passed.
    let logs: Vec<_> = files_below(&suite.path().join(".partest/runs"))
        .into_iter()
        .filter(|path| path.parent().is_some_and(|folder| folder.ends_with("logs")))
        .collect();
    assert_eq!(logs.len(), 4, "{logs:?}");
}

#[test]
fn the_logs_of_every_failed_attempt_are_named() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "flaky", "run": "echo try $PARTEST_ATTEMPT; test $PARTEST_ATTEMPT = 3", "retries": 3 },
          { "name": "bad", "run": "echo try $PARTEST_ATTEMPT; exit 1", "retries": 1 }
        ] }"#,
    );
    let run = suite.run(&["-j", "1"]).expect_code(1);
    let junit = run.junit.as_deref().expect("a report");
    assert_eq!(
        junit.matches("</stackTrace><system-out><![CDATA[try 1\n]]></system-out>").count(),
        2,
        "{junit}"
    );
    let names = attachments(&run);
    assert_eq!(names.len(), 4, "{names:?}");
    for name in &names {
        assert!(run.stdout.contains(name), "{name}: {}", run.stdout);
        let log = fs::read_to_string(suite.path().join(name)).expect("a log");
        assert!(log.starts_with("try "), "{log}");
    }
    for part in ["attempt 2: exit: ", "log of attempt 1: "] {
        assert!(run.stdout.contains(part), "{}", run.stdout);
    }
}

#[test]
fn a_log_has_the_beginning_and_the_end() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "defaults": { "secrets": ["TOKEN"], "env": { "TOKEN": "hunter22" } }, "cases": [
          { "name": "huge", "run": "echo first; head -c 30000000 /dev/zero; echo $TOKEN is last; exit 1" },
          { "name": "long", "run": "echo first; head -c 19000000 /dev/zero; echo $TOKEN is last; exit 1" }
        ] }"#,
    );
    let run = suite.run(&["-j", "1"]).expect_code(1);
    let logs: Vec<_> =
        attachments(&run).iter().map(|name| fs::read(suite.path().join(name)).expect("a log")).collect();
    let [huge, long] = &logs[..] else { panic!("{}", logs.len()) };
    for log in &logs {
        assert!(log.starts_with(b"first\n\0") && log.ends_with(b"\0*** is last\n"));
    }
    assert_eq!(long.len(), 6 + 19_000_000 + "*** is last\n".len());
    let (first, last) = (16 << 20, 4 << 20);
    let gap = format!("\0\n[... {} bytes are left out here ...]\n\0", 6 + 30_000_000 + 17 - first - last);
    assert!(huge[first - 1..].starts_with(gap.as_bytes()));
    assert_eq!(huge.len(), first + gap.len() - 2 + last - "hunter22".len() + "***".len());
}

#[test]
fn a_log_has_everything_when_the_output_pauses() {
    let suite =
        Suite::of("a.test.json", r#"{ "run": "head -c 12345678 /dev/zero; echo the last line; sleep 60" }"#);
    let child = suite.start(&[]);
    let begin = Instant::now();
    let is_complete = || {
        let runs = suite.path().join(".partest/runs");
        let files = if runs.exists() { files_below(&runs) } else { Vec::new() };
        let log = files.into_iter().find(|file| file.extension().is_some_and(|ending| ending == "out"));
        log.and_then(|log| fs::read(log).ok()).is_some_and(|log| log.ends_with(b"the last line\n"))
    };
    while !is_complete() {
        assert!(begin.elapsed() < Duration::from_secs(30), "the log has no end");
        thread::sleep(Duration::from_millis(20));
    }
    send(&child, Signal::INT);
    suite.finish(child).expect_code(130);
}

#[test]
fn steps_and_tries_have_logs_of_their_own() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "steps", "steps": [
            { "run": "seq 30000" },
            { "run": "seq 40000; exit 1" },
            { "run": "echo never" },
            { "run": "echo cleaned", "always": true }
          ] },
          { "name": "steps pass", "steps": [{ "run": "seq 30000" }, { "run": "seq 3000000" }] },
          { "name": "tries", "run": "seq 20000; test -e seen && exit 1; touch seen; seq 3000000; exit 1",
            "until": { "for": "3s", "every": "1500ms" } },
          { "name": "tries pass", "run": "test -e seen && exit 0; touch seen; seq 3000000; exit 1", "until": { "for": "20s", "every": "10ms" } }
        ] }"#,
    );
    let run = suite.run(&["-j", "2"]).expect_code(1);
    let mut found: Vec<_> = attachments(&run)
        .iter()
        .map(|name| {
            let content = fs::read_to_string(suite.path().join(name)).expect("UTF-8");
            let end = name.rsplit_once('-').expect("a number").1[16..].to_owned();
            (end, content.lines().count(), content.lines().last().unwrap_or_default().to_owned())
        })
        .collect();
    found.sort();
    let expected =
        [(".1.1.out", 20_000, "20000"), (".1.1.out", 30_000, "30000"), (".1.2.out", 40_000, "40000")]
            .map(|(end, lines, last)| (end.to_owned(), lines, last.to_owned()));
    assert_eq!(found[..3], expected);
    assert_eq!(found[3..], [(".1.4.out".to_owned(), 1, "cleaned".to_owned())]);
    let logs = files_below(&suite.path().join(".partest/runs"));
    let logs = logs.iter().filter(|path| path.parent().is_some_and(|folder| folder.ends_with("logs")));
    assert_eq!(logs.count(), 4, "none of an earlier try, and none of what passed");
}

/// Prints the secret in many ways: whole, in pieces, in JSON, at the edges of what is captured, and by a daemon.
const TELLING: &str = r#"{ "defaults": { "secrets": ["TOKEN", "NOT_SET"], "inherit_env": ["TOKEN"] }, "cases": [
  { "name": "prints", "run": "echo $TOKEN; echo x${TOKEN}x >&2; exit 1" },
  { "name": "compares", "run": "printf '%s' \"$TOKEN\"", "expect": { "stdout": "something else" } },
  { "name": "knows", "run": "echo $TOKEN", "expect": { "stdout": "{{ env.TOKEN }}\n" } },
  { "name": "commands", "run": ["sh", "-c", "exit 1", "{{ env.TOKEN }}"] },
  { "name": "cannot start", "run": ["./{{ env.TOKEN }}"] },
  { "name": "leaks", "run": "setsid sh -c 'sleep 60; true' \"$TOKEN\" >/dev/null 2>&1 &" },
  { "name": "pieces", "run": "for c in $(printf '%s' \"$TOKEN\" | sed 's/./& /g'); do printf %s $c; sleep 0.01; done; exit 1" },
  { "name": "floods", "run": "yes \"x$TOKEN\" | head -n $((9000000 / (2 + ${#TOKEN}))); exit 1" },
  { "name": "hangs", "run": "echo $TOKEN; sleep 60", "timeout": "300ms", "grace": "100ms" },
  { "name": "captures", "steps": [
    { "run": "echo \"is $TOKEN\"", "capture": { "all": "stdout", "value": { "regex": "is (.*)" } } },
    { "run": ["sh", "-c", "echo \"$1\"; exit 1", "sh", "{{ value }}"], "expect": { "stdout": "{{ all }} {{ value }}?" } }
  ] },
  { "name": "captures nothing", "run": "echo $TOKEN", "capture": { "x": { "regex": "^none" } } },
  { "name": "cut", "run": "printf '%060d%s' 0 \"$TOKEN$TOKEN\"", "expect": { "stdout": { "not": { "contains": "{{ env.TOKEN }}" } } } },
  { "name": "cut in the middle", "run": "printf '%032762d%s%080000d' 0 \"$TOKEN\" 0; exit 1" },
  { "name": "tries", "run": "echo $TOKEN; exit 1", "until": { "for": "100ms", "every": "30ms" } },
  { "name": "file", "run": "echo $TOKEN > out", "expect": { "files": { "out": "{{ env.TOKEN }}" } } },
  { "name": "golden", "run": "echo $TOKEN", "expect": { "stdout": { "file": "golden.txt" } } },
  { "name": "golden path", "run": "echo", "expect": { "stdout": { "file": "{{ env.TOKEN }}.txt" } } },
  { "name": "cannot be placed", "run": "true", "cwd": "{{ env.TOKEN }}" }
] }"#;

#[test]
fn a_secret_is_nowhere() {
    tell("s3cr3t-Pa55\"w0rd", &[]);
}

#[test]
fn a_long_secret_is_nowhere_even_in_part() {
    tell(&format!("s3cr3t-Pa55\"w0rd{}s3cr3t-Pa55\"w0rd", "0123".repeat(60)), &[]);
}

#[test]
fn a_secret_does_not_get_into_golden_files() {
    let suite = tell("s3cr3t-Pa55\"w0rd", &["--update"]);
    assert!(!suite.path().join("golden.txt").exists());
    let inputs = fs::read_dir(suite.path()).expect("readable").count();
    assert_eq!(inputs, 2, "the descriptor and .partest");
}

/// Runs a suite that tells this secret, and looks for it in all that there is.
fn tell(secret: &str, arguments: &[&str]) -> Suite {
    let suite = Suite::of("a.test.json", TELLING);
    let mut command = suite.command(&[&["-vv", "-j", "3", "--color", "always"], arguments].concat());
    command.env("TOKEN", secret);
    let run = suite.finish_command(command).expect_code(1);
    assert_eq!(run.verdict("knows").0, "passed", "{}", run.stdout);
    let mut places =
        vec![("console".to_owned(), run.stdout.clone()), ("stderr".to_owned(), run.stderr.clone())];
    for path in files_below(&suite.path().join(".partest")) {
        let text = String::from_utf8_lossy(&fs::read(&path).expect("readable")).into_owned();
        places.push((path.display().to_string(), text));
    }
    assert!(places.len() > 10, "journal, report and logs");
    for (place, text) in &places {
        for part in ["s3cr3t-Pa55", "-Pa55", "Pa55\"w0rd", "Pa55\\\"w0rd", "Pa55&quot;w0rd"] {
            assert!(!text.contains(part), "{part} is in {place}: {text}");
        }
    }
    assert!(run.stdout.contains("x***x"), "{}", run.stdout);
    suite
}

#[test]
fn a_pattern_names_every_secret_that_it_matches() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "tells", "env": { "A_TOKEN": "alpha-1234" }, "inherit_env": ["B_TOKEN"], "secrets": ["*_TOKEN"],
            "run": "echo $A_TOKEN $B_TOKEN gamma-1234; setsid sh -c 'sleep 84; : alpha-1234' & false" },
          { "name": "short", "env": { "A_TOKEN": "abc" }, "secrets": ["*_TOKEN"], "run": "true" }
        ] }"#,
    );
    let mut command = suite.command(&["-v"]);
    command.envs([("B_TOKEN", "beta-1234"), ("C_TOKEN", "gamma-1234"), ("D_TOKEN", "x")]);
    let run = suite.finish_command(command).expect_code(1);
    assert!(run.stdout.contains("| *** *** ***"), "{}", run.stdout);
    assert!(run.stdout.contains("left behind: sh -c sleep 84; : ***"), "{}", run.stdout);
    for secret in ["alpha-1234", "beta-1234", "gamma-1234"] {
        let told = [&run.stdout, &run.stderr, run.junit.as_ref().expect("a report")];
        assert!(!told.iter().any(|text| text.contains(secret)), "{}", run.stdout);
    }
    let (verdict, message) = run.verdict("short");
    assert!(verdict == "error" && message.contains("the secret A_TOKEN has fewer than 4"), "{message}");
    let suite = Suite::of("a.test.yaml", "run: 'true'\nsecrets: ['*_[TOKEN']\n");
    assert!(suite.run(&[]).expect_code(2).stdout.contains("a.test.yaml:2:11"));
}

#[test]
fn a_secret_that_stands_in_a_stray_process_is_masked() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "hides", "inherit_env": ["TOKEN"], "secrets": ["TOKEN"],
            "run": "setsid env -i sh -c \"sleep 85; : $TOKEN\" >/dev/null 2>&1 & until tr '\\0' ' ' </proc/$!/cmdline | grep -q '^sh -c'; do :; done" },
          { "name": "goes on", "run": "sleep 1" }
        ] }"#,
    );
    let mut command = suite.command(&["-j", "2"]);
    command.env("TOKEN", "delta-1234");
    let run = suite.finish_command(command).expect_code(0);
    let all = [run.stdout.as_str(), &run.stderr, run.junit.as_deref().expect("a report")].concat();
    assert!(all.contains("sleep 85; : ***") && !all.contains("delta-1234"), "{all}");
}

#[test]
fn a_secret_that_is_too_short_is_refused() {
    let suite = Suite::of("a.test.json", r#"{ "run": "true", "env": { "PIN": "123" }, "secrets": ["PIN"] }"#);
    let run = suite.run(&[]).expect_code(1);
    let (verdict, message) = run.verdict("a");
    assert_eq!(verdict, "error");
    assert!(message.contains("the secret PIN has fewer than 4 characters"), "{message}");
    assert!(run.stdout.contains("at a.test.json:1:1"), "{}", run.stdout);
}
