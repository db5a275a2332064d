use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::{any, proptest};
use serde_json::json;

use crate::assertion::{Setting, check};
use crate::model::{
    Captured, Check, ExitCodes, ExitStatus, Fact, Failure, FailureKind, Matcher, Observation, Pattern,
    Position, Subject, Test,
};
use crate::text::{Template, Variables};

fn captured(bytes: &[u8]) -> Captured {
    Captured { head: bytes.to_vec(), ..Captured::default() }
}

fn observation(stdout: Captured) -> Observation {
    let facts = vec![
        (Subject::Exit, Fact::Ended(ExitStatus::Exited(0))),
        (Subject::Stdout, Fact::Content(stdout)),
        (Subject::Stderr, Fact::Content(captured(b"warning\n"))),
    ];
    Observation { facts, directory: PathBuf::from("/nonexistent") }
}

fn matcher(test: Test) -> Matcher {
    Matcher { position: Position { file: "a.test.json".into(), line: 3, column: 5 }, test }
}

fn text(source: &str) -> Template {
    Template::parse(source).expect("a template")
}

fn apply(subject: Subject, test: Test, observation: &Observation) -> Option<Failure> {
    let variables = Variables::from([("name".to_owned(), json!("ada"))]);
    let checks = [Check { subject, matcher: matcher(test) }];
    let mut failures = check(
        &checks,
        observation,
        &Setting {
            variables: &variables,
            folder: Path::new("/nonexistent"),
            home: None,
            tells_matches: false,
            go_on: &|| true,
        },
    );
    assert!(failures.len() <= 1);
    let failure = failures.pop()?.into_failure();
    assert!(!failure.message.contains('\n'), "{}", failure.message);
    assert_eq!(failure.position.line, 3);
    Some(failure)
}

/// The message about `stdout`, or nothing when the test holds.
fn stdout(found: &str, test: Test) -> Option<String> {
    apply(Subject::Stdout, test, &observation(captured(found.as_bytes()))).map(|failure| failure.message)
}

fn status(status: ExitStatus, test: Test) -> Option<Failure> {
    let facts = vec![(Subject::Exit, Fact::Ended(status))];
    apply(Subject::Exit, test, &Observation { facts, ..observation(Captured::default()) })
}

#[test]
fn exit_codes_and_signals() {
    let zero = || Test::Exit(ExitCodes::OneOf(vec![0]).into());
    assert_eq!(status(ExitStatus::Exited(0), zero()), None);
    let failure = status(ExitStatus::Exited(3), zero()).expect("a failure");
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Expectation, "exit: expected 0, found 3")
    );
    let failure =
        status(ExitStatus::Exited(3), Test::Exit(ExitCodes::OneOf(vec![0, 2]).into())).expect("a failure");
    assert_eq!(failure.message, "exit: expected 0 or 2, found 3");
    let failure = status(ExitStatus::Exited(0), Test::Exit(ExitCodes::Nonzero.into())).expect("a failure");
    assert_eq!(failure.message, "exit: expected a code other than 0, found 0");
    assert_eq!(status(ExitStatus::Exited(9), Test::Exit(ExitCodes::Nonzero.into())), None);

    let failure = status(ExitStatus::Signaled(11), zero()).expect("a failure");
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Signal, "ended by signal 11 (SIGSEGV)")
    );
    let failure = status(ExitStatus::Signaled(9), Test::Exit(ExitCodes::Nonzero.into())).expect("a failure");
    assert_eq!(failure.message, "ended by signal 9 (SIGKILL), possibly out of memory");
    assert_eq!(status(ExitStatus::Signaled(15), Test::Signal(15.into())), None);
    let failure = status(ExitStatus::Exited(0), Test::Signal(15.into())).expect("a failure");
    assert_eq!(failure.message, "expected the end by signal 15 (SIGTERM), found exit code 0");
    let failure = status(ExitStatus::Signaled(9), Test::Signal(15.into())).expect("a failure");
    assert_eq!(failure.kind, FailureKind::Signal);
    let not = || Test::Not(vec![matcher(Test::Exit(ExitCodes::OneOf(vec![0]).into()))]);
    assert_eq!(status(ExitStatus::Exited(1), not()), None);
    let failure = status(ExitStatus::Exited(0), not()).expect("a failure");
    assert_eq!(failure.message, "exit: expected not: exit 0");
}

#[test]
fn equal_texts() {
    let equals = |found, expected| stdout(found, Test::Equals(text(expected)));
    let message = |text: &str| Some(text.to_owned());
    assert_eq!(equals("hello ada\n", "hello {{ name }}\n"), None);
    assert_eq!(equals("b\n", "a\n"), message(r#"stdout: expected "a\n", found "b\n""#));
    assert_eq!(equals("it's", "\u{1b}[1m"), message(r#"stdout: expected "\u{1b}[1m", found "it's""#));
    assert_eq!(equals("a", "a\n"), message("stdout: expected a newline at the end, found none"));
    assert_eq!(equals("a\n", "a"), message("stdout: expected no newline at the end, found one"));
    assert_eq!(equals("\n", ""), message(r#"stdout: expected "", found "\n""#));
    assert_eq!(
        equals("a\r\n", "a\n"),
        message(r#"stdout: expected "a\n", found "a\r\n" (only in white space: found carriage returns)"#)
    );
    let long = "line\n".repeat(30);
    assert_eq!(equals(&long, ""), message("stdout: expected nothing, found 30 lines (150 bytes)"));
    let other = long.replacen("line\nline\nline", "line\nline\nwine", 1);
    assert_eq!(equals(&other, &long), message("stdout differs from line 3 on"));
    let failure = stdout("x", Test::Equals(text("{{ nobody }}"))).expect("a failure");
    assert!(failure.starts_with("stdout: the expected text cannot be rendered: "), "{failure}");
}

#[test]
fn bytes_that_are_no_text_are_told_apart() {
    let seen = observation(captured(b"a\xff"));
    let failure = apply(Subject::Stdout, Test::Equals(text("a\u{fffd}")), &seen).expect("a failure");
    assert_eq!(failure.message, "stdout: expected \"a\u{fffd}\", found \"a\\xff\"");
}

#[test]
fn a_diff_shows_what_is_hidden() {
    let found = captured(b"1\n2\n3\n4\nfive\x1b[0m\r\n6");
    let test = Test::Equals(text("1\n2\n3\n4\nfive\n6\n"));
    let failure = apply(Subject::Stdout, test, &observation(found)).expect("a failure");
    let expected = [
        "-expected +actual",
        "@@ -2,5 +2,5 @@",
        " 2",
        " 3",
        " 4",
        "-five",
        "-6",
        "+five␛[0m␍",
        "+6",
        "\\ no newline at the end",
        "",
    ];
    assert_eq!(failure.detail, expected.join("\n"));
}

#[test]
fn diffs_are_bounded_in_time_and_size() {
    let many =
        |step: u64| (0..400_000_u64).map(|n| format!("{}\n", n.wrapping_mul(step) % 997)).collect::<String>();
    let (a, b) = (many(7), many(11));
    let started = Instant::now();
    let failure =
        apply(Subject::Stdout, Test::Equals(Template::literal(&a)), &observation(captured(b.as_bytes())))
            .expect("a failure");
    assert!(failure.detail.len() < 40_000 && failure.detail.contains("left out"), "{}", failure.detail.len());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let huge = "x\n".repeat(2 << 20);
    let failure =
        apply(Subject::Stdout, Test::Equals(Template::literal(&huge)), &observation(captured(b.as_bytes())))
            .expect("a failure");
    assert_eq!(failure.detail, format!("outputs differ, {} and {} bytes", huge.len(), b.len()));
}

#[test]
fn a_diff_needs_little_stack() {
    // Every thread of the pool has 2 MiB by default; less is used here, for the frames of an unoptimised build.
    let work = || {
        for step in 2_u64..60 {
            let many = |step: u64| {
                (0..4_000_u64).map(|n| format!("{}\n", n.wrapping_mul(step) % 97)).collect::<String>()
            };
            let found = many(step).into_bytes();
            let test = Test::Equals(Template::literal(&many(step + 1)));
            assert!(apply(Subject::Stdout, test, &observation(captured(&found))).is_some());
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).expect("spawned").join().expect("done");
}

#[test]
fn parts_of_texts() {
    let contains = |found: &str, part| stdout(found, Test::Contains(text(part)));
    assert_eq!(contains("hello ada", "{{ name }}"), None);
    assert_eq!(contains("x", "ada"), Some(r#"stdout: expected to contain "ada", found "x""#.to_owned()));
    assert_eq!(contains(&"x".repeat(100), "ada"), Some(r#"stdout does not contain "ada""#.to_owned()));
    assert_eq!(stdout("abc", Test::StartsWith(text("ab"))), None);
    assert_eq!(
        stdout("abc", Test::StartsWith(text("b"))),
        Some(r#"stdout: expected to start with "b", found "abc""#.to_owned())
    );
    assert_eq!(stdout("abc", Test::EndsWith(text("bc"))), None);
    let message = stdout(&"x".repeat(100), Test::EndsWith(text("b"))).expect("a failure");
    assert_eq!(message, format!("stdout: expected to end with \"b\", found …\"{}\"", "x".repeat(72)));
    assert_eq!(stdout("", Test::Empty(true.into())), None);
    assert_eq!(
        stdout("a", Test::Empty(true.into())),
        Some("stdout: expected nothing, found \"a\"".to_owned())
    );
    assert_eq!(stdout("a", Test::Empty(false.into())), None);
    assert_eq!(stdout("", Test::Empty(false.into())), Some("stdout is empty, and should not be".to_owned()));
    let pattern = || Test::Matches(Pattern::new(r"^id=\d+$").expect("valid").into());
    assert_eq!(stdout("a\nid=12\n", pattern()), None);
    assert_eq!(stdout("id=x", pattern()), Some("stdout does not match \"^id=\\\\d+$\"".to_owned()));
}

#[test]
fn combined_tests() {
    let one_of =
        || Test::OneOf(["a", "{{ name }}"].map(|word| vec![matcher(Test::Equals(text(word)))]).into());
    assert_eq!(stdout("ada", one_of()), None);
    assert_eq!(stdout("b", one_of()), Some(r#"stdout: expected one of "a", "ada"; found "b""#.to_owned()));
    let not = |tests: Vec<Test>| Test::Not(tests.into_iter().map(matcher).collect());
    let contains = |part| Test::Contains(text(part));
    assert_eq!(stdout("ada", not(vec![contains("b")])), None);
    assert_eq!(stdout("ada", not(vec![contains("a"), contains("b")])), None);
    assert_eq!(
        stdout("ada", not(vec![contains("a"), contains("d")])),
        Some(r#"stdout: expected not: contains "a" and contains "d""#.to_owned())
    );
    assert_eq!(stdout("ada", not(vec![not(vec![contains("a")])])), None);
    // What cannot be looked at does not hold the other way round, either.
    assert!(stdout("ada", not(vec![contains("{{ nobody }}")])).is_some());
}

#[test]
fn json_is_compared_by_value() {
    let subset = |value| Test::Json { value, exact: false };
    let exact = |value| Test::Json { value, exact: true };
    let found = r#"{"a": [1, {"b": 2.0, "c": null}], "name": "ada", "n": 18446744073709551615}"#;
    assert_eq!(stdout(found, subset(json!({"a": [1.0, {"b": 2}], "name": "{{ name }}"}))), None);
    assert_eq!(stdout(found, subset(json!({"n": 18_446_744_073_709_551_615_u64}))), None);
    assert!(stdout(found, subset(json!({"n": 18_446_744_073_709_551_614_u64}))).is_some());
    let message = |test| stdout(found, test).expect("a failure");
    assert_eq!(message(subset(json!({"a": [1, {"b": 3}]}))), "stdout: $.a[1].b: expected 3, found 2.0");
    assert_eq!(message(subset(json!({"a": [1]}))), "stdout: $.a: expected 1 item, found 2 items");
    assert_eq!(message(subset(json!({"a b": 1}))), "stdout: $[\"a b\"]: expected 1, found nothing");
    assert_eq!(
        message(exact(json!({"name": "ada"}))),
        "stdout: $.a: expected nothing, found [1,{\"b\":2.0,\"c\":null}]"
    );
    assert_eq!(message(subset(json!([]))).split(", found").next(), Some("stdout: $: expected []"));
    assert_eq!(stdout("[1]", exact(json!([1]))), None);
    assert_eq!(stdout("\u{feff}[1]", exact(json!([1]))), None);
    let failure = stdout("{\"a\": 1,\n}", subset(json!({}))).expect("a failure");
    assert_eq!(failure, "stdout is not JSON: trailing comma at line 2 column 1");
    assert_eq!(stdout(" \n", subset(json!(1))), Some("stdout is not JSON: it is empty".to_owned()));

    let seen = observation(captured(b"[0,0,0]"));
    let failure = apply(Subject::Stdout, exact(json!([1, 0, 2])), &seen).expect("a failure");
    assert_eq!(failure.detail, "$[0]: expected 1, found 0\n$[2]: expected 2, found 0\n");
    let zeros = serde_json::to_vec(&vec![0; 100]).expect("JSON");
    let failure =
        apply(Subject::Stdout, exact(json!(vec![1; 100])), &observation(captured(&zeros))).expect("fails");
    assert_eq!(failure.detail.lines().count(), 21);
    assert!(failure.detail.ends_with("… 80 more\n"));
}

#[test]
fn outputs_that_were_cut() {
    let cut = || Captured { head: b"begin".to_vec(), tail: b"end".to_vec(), dropped: 100 };
    let message = |test| apply(Subject::Stdout, test, &observation(cut())).map(|failure| failure.message);
    let undecided = Some("stdout is too long to be tested: 108 bytes were written and 8 kept".to_owned());
    assert_eq!(message(Test::Contains(text("gin"))), None);
    assert_eq!(message(Test::Contains(text("nd"))), None);
    assert_eq!(message(Test::Contains(text("x"))), undecided);
    assert_eq!(message(Test::Not(vec![matcher(Test::Contains(text("x")))])), undecided);
    assert_eq!(message(Test::StartsWith(text("be"))), None);
    assert_eq!(message(Test::StartsWith(text("begin and more"))), undecided);
    assert!(
        message(Test::StartsWith(text("x"))).is_some_and(|message| message.contains("expected to start"))
    );
    assert_eq!(message(Test::EndsWith(text("nd"))), None);
    assert_eq!(message(Test::EndsWith(text("the end"))), undecided);
    assert_eq!(message(Test::Empty(false.into())), None);
    assert_eq!(
        message(Test::Empty(true.into())),
        Some("stdout: expected nothing, found 108 bytes".to_owned())
    );
    assert_eq!(message(Test::Equals(text(&"x".repeat(108)))), undecided);
    assert_eq!(
        message(Test::Equals(text("x"))),
        Some("stdout: expected 1 bytes, found 108 (108 bytes were written and 8 kept)".to_owned())
    );
    assert_eq!(message(Test::Matches(Pattern::new("begin").expect("valid").into())), undecided);
    assert_eq!(message(Test::Json { value: json!({}), exact: false }), undecided);
}

/// A folder with one file for each way in which a file can be bad.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name| folder.path().join(name);
    std::fs::write(path("ada.txt"), "x\n").expect("written");
    std::fs::create_dir(path("folder")).expect("made");
    let fifo = std::process::Command::new("mkfifo").arg(path("fifo")).status().expect("mkfifo runs");
    assert!(fifo.success());
    std::os::unix::fs::symlink("/dev/zero", path("zero")).expect("linked");
    std::os::unix::fs::symlink("nowhere", path("dangling")).expect("linked");
    std::os::unix::fs::symlink("circle", path("circle")).expect("linked");
    let large = std::fs::File::create(path("large")).expect("created");
    large.set_len((16 << 20) + 1).expect("grown");
    folder
}

fn file(folder: &Path, path: &str, test: Test) -> Option<String> {
    let seen = Observation { directory: folder.to_owned(), ..observation(Captured::default()) };
    apply(Subject::File(text(path)), test, &seen).map(|failure| failure.message)
}

#[test]
fn files() {
    let folder = folder();
    let file = |path, test| file(folder.path(), path, test);
    let message = |text: &str| Some(text.to_owned());
    assert_eq!(file("{{ name }}.txt", Test::Equals(text("x\n"))), None);
    assert_eq!(
        file("ada.txt", Test::Equals(text("y\n"))),
        message(r#"file ada.txt: expected "y\n", found "x\n""#)
    );
    assert_eq!(file("none", Test::Equals(text(""))), message("file none does not exist"));
    assert_eq!(file("ada.txt/none", Test::Exists(false.into())), None);
    assert_eq!(file("none", Test::Exists(true.into())), message("file none does not exist"));
    for nowhere in ["dangling", "circle"] {
        assert_eq!(file(nowhere, Test::Exists(false.into())), None, "{nowhere}");
    }
    // As one in a folder that may not be searched.
    for exists in [true, false] {
        let message = file("a\0b", Test::Exists(exists.into())).expect("nobody knows");
        assert!(message.contains("b exists cannot be told: "), "{message}");
    }
    assert_eq!(file("ada.txt", Test::Exists(false.into())), message("file ada.txt exists, and should not"));
    for name in ["folder", "fifo", "zero", "large"] {
        assert_eq!(file(name, Test::Exists(true.into())), None, "{name}");
    }
    let empty = || Test::Empty(true.into());
    assert_eq!(file("folder", empty()), message("file folder cannot be compared: it is a directory"));
    assert_eq!(file("fifo", empty()), message("file fifo cannot be compared: it is no regular file"));
    assert_eq!(file("zero", empty()), message("file zero cannot be compared: it is no regular file"));
    assert_eq!(file("large", empty()), message("file large: expected nothing, found 16777217 bytes"));
    assert!(file("none", Test::Not(vec![matcher(Test::Contains(text("x")))])).is_some());
}

#[test]
fn every_failed_check_is_reported_in_order() {
    let check_of = |subject, test| Check { subject, matcher: matcher(test) };
    let checks = [
        check_of(Subject::Exit, Test::Exit(ExitCodes::OneOf(vec![1]).into())),
        check_of(Subject::Stdout, Test::Empty(true.into())),
        check_of(Subject::Stderr, Test::Empty(true.into())),
    ];
    let messages: Vec<String> = check(
        &checks,
        &observation(Captured::default()),
        &Setting {
            variables: &Variables::new(),
            folder: Path::new("/nonexistent"),
            home: None,
            tells_matches: false,
            go_on: &|| true,
        },
    )
    .into_iter()
    .map(|finding| finding.into_failure().message)
    .collect();
    assert_eq!(messages, ["exit: expected 1, found 0", "stderr: expected nothing, found \"warning\\n\""]);
}

proptest! {
    #[test]
    fn equality_is_that_of_bytes(found in proptest::collection::vec(any::<u8>(), 0..200), expected in any::<String>(), same in any::<bool>()) {
        let found = if same { expected.as_bytes().to_vec() } else { found };
        let seen = observation(captured(&found));
        let literal = Template::literal(&expected);
        let failure = apply(Subject::Stdout, Test::Equals(literal.clone()), &seen);
        assert_eq!(failure.is_none(), found == expected.as_bytes());
        let holds = expected.is_empty() || found.windows(expected.len()).any(|window| window == expected.as_bytes());
        assert_eq!(apply(Subject::Stdout, Test::Contains(literal), &seen).is_none(), holds);
    }

    #[test]
    fn a_short_text_is_found_in_any_bytes(bytes in proptest::collection::vec(proptest::sample::select(vec![b'a', 0xc3, 0xa9, 0xff, b'b']), 0..12)) {
        for part in ["a", "é", "éa", "aé", "ab"] {
            let holds = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            let seen = observation(captured(&bytes));
            assert_eq!(apply(Subject::Stdout, Test::Contains(text(part)), &seen).is_none(), holds);
        }
    }
}
