use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::{ProptestConfig, Strategy as _, any, proptest};
use quick_junit::{NonSuccessKind, Report, TestCaseStatus};

use crate::model::{Captured, CaseInfo, CaseResult, FailureKind, Outcome, TestEvent};
use crate::report::junit::limits::{FILE, OUTPUT_OF_FAILED, OUTPUT_OF_PASSED};
use crate::report::tests::{attempt, captured, failure, info, result, results, run};
use crate::report::{JunitOptions, JunitReporter, Reporter as _};
use crate::text::xml;

/// Feeds a run to a reporter and returns what it wrote.
fn written(events: &[TestEvent]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/er/junit.xml");
    let options = JunitOptions { name: "suites".to_owned(), hostname: Some("box".to_owned()) };
    let mut reporter = JunitReporter::new(vec![path.clone()], options);
    for event in events {
        reporter.handle(event).expect("handled");
    }
    std::fs::read_to_string(path).expect("a report")
}

fn read(document: &str) -> Report {
    // quick-junit knows no numeric references.
    let document = document.replace("&#13;", "");
    Report::deserialize_from_str(&document).unwrap_or_else(|error| panic!("{error}\n{document}"))
}

/// The texts of the elements of one name, as quick-xml reads them; quick-junit drops some characters.
fn texts(document: &str, name: &str) -> Vec<String> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(document);
    let (mut texts, mut open) = (Vec::new(), None::<String>);
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(element) if element.name().as_ref() == name.as_bytes() => open = Some(String::new()),
            Event::End(element) if element.name().as_ref() == name.as_bytes() => texts.extend(open.take()),
            Event::Eof => return texts,
            event => {
                let Some(text) = &mut open else { continue };
                match event {
                    // As parsers do, which quick-xml leaves to who asks.
                    Event::CData(section) => {
                        let section = section.decode().expect("UTF-8");
                        text.push_str(&section.replace("\r\n", "\n").replace('\r', "\n"));
                    }
                    Event::GeneralRef(reference) => {
                        text.extend(reference.resolve_char_ref().expect("a number"));
                    }
                    other => panic!("{other:?} inside of {name}"),
                }
            }
        }
    }
}

/// The only case of a report of this result.
fn one_case(result: CaseResult) -> quick_junit::TestCase {
    let report = read(&written(&run(vec![result], None)));
    assert_eq!(report.test_suites.len(), 1);
    assert_eq!(report.test_suites[0].test_cases.len(), 1);
    report.test_suites[0].test_cases[0].clone()
}

#[test]
fn a_run_with_every_standing() {
    let document = written(&run(results(), Some(2)));
    let expected = include_str!("expected.xml");
    assert_eq!(document, expected, "\n{document}");
    let report = read(&document);
    assert_eq!((report.tests, report.failures, report.errors), (12, 2, 2));
    let names: Vec<_> = report.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(names, ["basics/greet", "broken", "known/bugs", "net/api"]);
    let kinds = |wanted| {
        let cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
        cases
            .filter(|case| matches!(&case.status, TestCaseStatus::NonSuccess { kind, .. } if *kind == wanted))
            .map(|case| case.name.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(NonSuccessKind::Failure), ["it's polite", "answers in time"]);
    assert_eq!(kinds(NonSuccessKind::Error), ["broken.test.json", "starts"]);
}

#[test]
fn the_order_of_events_changes_nothing() {
    let mut backwards = results();
    backwards.reverse();
    assert_eq!(written(&run(backwards, None)), written(&run(results(), None)));
}

#[test]
fn a_run_without_cases() {
    assert_eq!(read(&written(&run(Vec::new(), None))).test_suites.len(), 0);
}

/// Texts that break or forge a report when they are copied as they stand.
const HOSTILE: [&str; 12] = [
    "]]>",
    "a]]]>b]]]]>",
    "]]]]><![CDATA[>",
    "x]]></system-out><failure message=\"forged\"/><system-out><![CDATA[",
    "</testcase></testsuite></testsuites>",
    "<!-- & &amp; &#0; &lol; <?xml version=\"1.0\"?><!DOCTYPE a>",
    "\u{1b}[31mred\u{1b}[0m]\u{1b}[1m]>\u{1b}]0;title\u{7}",
    "\"quotes\" 'and' more\" onload=\"x",
    "\u{feff}\u{fffe}\u{ffff}\u{fffd}\u{85}\u{2028}\u{202e}",
    "line\r\nline\rline\n\ttab",
    "\r]]>\r",
    "😀\u{10ffff}",
];

#[test]
fn hostile_text_everywhere() {
    let bytes: String = (0..=255_u8).map(char::from).collect();
    for text in HOSTILE.into_iter().chain([bytes.as_str()]) {
        check_text_everywhere(text);
    }
}

/// A case that prints a text and has it in its name, messages, tags and commands.
fn case_of(text: &str) -> CaseResult {
    let case = info(&format!("suite {text}"), text, 1);
    let mut case = (*case).clone();
    case.tags = vec![text.to_owned()];
    let failed = || vec![failure(&case, FailureKind::Expectation, text, text)];
    let mut attempts =
        vec![attempt(1, Outcome::Failed, 0.1, failed()), attempt(2, Outcome::Failed, 0.1, failed())];
    for attempt in &mut attempts {
        attempt.leaked = vec![text.to_owned()];
        attempt.steps[0].stdout = captured(text);
        attempt.steps[0].stderr = captured(text);
    }
    result(&case.into(), Outcome::Failed, attempts)
}

fn check_text_everywhere(text: &str) {
    let document = written(&run(vec![case_of(text)], None));
    let clean = xml::clean(text).into_owned();
    let outputs: Vec<String> = Some(clean.clone()).filter(|clean| !clean.is_empty()).into_iter().collect();
    // Those of the first attempt, and those of the last.
    let outputs = [outputs.clone(), outputs].concat();
    assert_eq!(texts(&document, "system-out"), outputs);
    assert_eq!(texts(&document, "system-err"), outputs);
    for element in ["failure", "stackTrace"] {
        let bodies = texts(&document, element);
        assert_eq!(bodies.len(), 1);
        assert!(bodies[0].contains(&clean), "{}", bodies[0]);
    }

    let report = read(&document);
    assert_eq!(report.test_suites.len(), 1);
    let case = &report.test_suites[0].test_cases[0];
    let line = quick_junit::XmlString::new(xml::one_line(text));
    assert_eq!(case.name, line);
    let TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, message, reruns, .. } = &case.status
    else {
        panic!("{case:?}");
    };
    assert_eq!(message.as_ref().expect("a message"), &line);
    assert_eq!(reruns.runs.len(), 1);
    assert_eq!(reruns.runs[0].message.as_ref().expect("a message"), &line);
}

#[test]
fn every_byte_value_as_output() {
    for byte in 0..=255_u8 {
        let mut passed =
            result(&info("a", "b", 1), Outcome::Passed, vec![attempt(1, Outcome::Passed, 0.1, vec![])]);
        passed.attempts[0].steps[0].stdout = Captured { head: vec![b'a', byte, b'b'], ..Captured::default() };
        let expected = String::from_utf8_lossy(&[b'a', byte, b'b']).into_owned();
        let document = written(&run(vec![passed], None));
        assert_eq!(read(&document).tests, 1);
        assert_eq!(texts(&document, "system-out"), [xml::clean(&expected)], "byte {byte}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_reads_back(parts in proptest::collection::vec(proptest::prop_oneof![
        any::<String>(),
        proptest::sample::select(HOSTILE.to_vec()).prop_map(str::to_owned),
    ], 1..4)) {
        check_text_everywhere(&parts.concat());
    }
}

#[test]
fn outputs_are_bounded() {
    let long = "0123456789abcde\n".repeat(100_000);
    let mut passed =
        result(&info("a", "b", 1), Outcome::Passed, vec![attempt(1, Outcome::Passed, 0.1, vec![])]);
    passed.attempts[0].steps[0].stdout = captured(&long);
    let output = |result| one_case(result).system_out.expect("output").as_str().to_owned();
    let short = output(passed.clone());
    assert!(short.len() < OUTPUT_OF_PASSED + 64 && short.contains(" lines left out …\n"), "{}", short.len());
    passed.outcome = Outcome::Failed;
    let short = output(passed.clone());
    assert!(short.len() < OUTPUT_OF_FAILED + 64 && short.len() > OUTPUT_OF_FAILED - 64);
    let step = passed.attempts[0].steps[0].clone();
    passed.attempts[0].steps.push(step);
    let short = output(passed);
    assert!(short.len() < OUTPUT_OF_FAILED + 512);
    assert_eq!(short.matches("$ ./greet --lang 'en us'\n").count(), 2);
}

#[test]
fn the_place_is_checked_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let message = |path: &Path| JunitReporter::check_writable(path).expect_err("an error").to_string();
    assert!(JunitReporter::check_writable(&path("new/folder/junit.xml")).is_ok());
    assert!(path("new/folder").is_dir() && !path("new/folder/junit.xml").exists());
    assert!(message(&path("new")).contains("it is a directory"));
    std::fs::write(path("file"), "old").expect("written");
    assert!(JunitReporter::check_writable(&path("file")).is_ok());
    assert_eq!(std::fs::read_to_string(path("file")).expect("kept"), "old");
    assert!(message(&path("file/junit.xml")).starts_with("the report \""));
    assert!(JunitReporter::check_writable(Path::new("/dev/null")).is_ok());
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 2, "nothing is left behind");
}

#[test]
fn a_report_replaces_the_old_one_behind_links() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().expect("a folder");
    let (real, link) = (folder.path().join("real.xml"), folder.path().join("link.xml"));
    std::fs::write(&real, "old").expect("written");
    let inode = std::fs::metadata(&real).expect("there").ino();
    symlink("real.xml", &link).expect("linked");
    let mut reporter = JunitReporter::new(vec![link.clone(), "/dev/null".into()], JunitOptions::default());
    for event in run(results(), None) {
        reporter.handle(&event).expect("handled");
    }
    assert!(link.is_symlink());
    let metadata = std::fs::metadata(&real).expect("there");
    assert_ne!(metadata.ino(), inode, "it is moved into place");
    let plain = std::fs::File::create(folder.path().join("plain")).expect("created");
    let mode = plain.metadata().expect("there").permissions().mode();
    assert_eq!(metadata.permissions().mode(), mode, "permissions are those of any new file");
    assert!(std::fs::read_to_string(&real).expect("read").starts_with("<?xml"));
}

#[test]
fn a_link_to_nothing_is_followed_and_a_file_below_dev_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("link.xml");
    std::os::unix::fs::symlink("real.xml", &link).expect("linked");
    let memory = tempfile::Builder::new().tempfile_in("/dev/shm").expect("a file");
    std::fs::write(memory.path(), "x".repeat(100_000)).expect("written");
    let paths = vec![link.clone(), memory.path().to_owned()];
    let mut reporter = JunitReporter::new(paths, JunitOptions::default());
    for event in run(results(), None) {
        reporter.handle(&event).expect("handled");
    }
    assert!(link.is_symlink() && folder.path().join("real.xml").is_file());
    assert!(std::fs::read_to_string(memory.path()).expect("read").ends_with("</testsuites>\n"));
}

#[test]
fn times_have_three_decimals_and_no_noise() {
    let case = info("suite", "case", 1);
    let result = result(&case, Outcome::Passed, vec![attempt(1, Outcome::Passed, 1.497, Vec::new())]);
    let text = written(&run(vec![result], None));
    assert_eq!(text.matches("time=\"1.497\"").count(), 2, "{text}");
}

#[test]
fn the_time_of_a_suite_covers_copies_that_are_not_kept_and_is_within_the_run() {
    let copies = |seconds: [f64; 2]| {
        let copies = seconds.into_iter().zip(1..).map(|(seconds, number)| {
            let own = info("suite", &format!("case, copy {number}"), 1);
            let own = Arc::new(CaseInfo {
                copy_of: Some(info("suite", "case", 1).id.clone()),
                ..CaseInfo::clone(&own)
            });
            result(&own, Outcome::Passed, vec![attempt(1, Outcome::Passed, seconds, Vec::new())])
        });
        let mut events = run(copies.collect(), None);
        if let Some(TestEvent::RunStarted(started)) = events.first_mut() {
            started.stress = Some(Duration::from_secs(3));
        }
        read(&written(&events)).test_suites[0].time
    };
    assert_eq!(copies([0.5, 2.5]), Some(Duration::from_millis(2500)));
    assert_eq!(copies([0.5, 100.0]), Some(Duration::from_millis(3214)), "as long as the run");
}

#[test]
fn thousands_of_failures_do_not_fill_memory() {
    let long = "x".repeat(300_000);
    let many: Vec<_> = (0..1200)
        .map(|n| {
            let info = info("suite", &format!("case {n}"), n);
            let mut failed = attempt(1, Outcome::Failed, 0.001, Vec::new());
            failed.steps[0].stdout = captured(&long);
            result(&info, Outcome::Failed, vec![failed])
        })
        .collect();
    let text = written(&run(many, None));
    assert!(text.len() > FILE / 2 && text.len() < FILE, "{}", text.len());
    assert_eq!(text.matches("<system-out>").count(), 1200);
}

/// So many cases of this outcome, each of which prints this to both streams in two attempts.
fn printing(number: u32, outcome: &Outcome, text: &str) -> Vec<CaseResult> {
    let case = |n| {
        let info = info("suite", &format!("case \"{n}\""), n);
        let failures = || vec![failure(&info, FailureKind::Expectation, "a & b", text)];
        let mut attempts = vec![
            attempt(1, Outcome::Failed, 0.001, failures()),
            attempt(
                2,
                outcome.clone(),
                0.001,
                if *outcome == Outcome::Passed { Vec::new() } else { failures() },
            ),
        ];
        for attempt in &mut attempts {
            let step = &mut attempt.steps[0];
            (step.stdout, step.stderr) = (captured(text), captured(text));
        }
        result(&info, outcome.clone(), attempts)
    };
    (0..number).map(case).collect()
}

#[test]
fn outputs_never_make_a_file_too_large() {
    for (text, outcome) in [
        ("]]>".repeat(7_000), Outcome::Failed),
        ("\u{1}".repeat(20_000), Outcome::Failed),
        ("x".repeat(20_000), Outcome::Passed),
    ] {
        let document = written(&run(printing(1500, &outcome, &text), None));
        assert!(document.len() > FILE / 3 && document.len() < FILE, "{outcome:?}: {}", document.len());
    }
}

#[test]
fn what_passed_leaves_room_for_what_fails() {
    let mut results = printing(1500, &Outcome::Passed, &"x".repeat(20_000));
    results.extend(printing(1, &Outcome::Failed, &"x".repeat(70_000)).into_iter().map(|mut result| {
        result.info = info("other", "fails", 1);
        result
    }));
    let document = written(&run(results, None));
    let (_, last) = document.split_once("name=\"fails\"").expect("the case");
    let (case, _) = last.split_once("</testcase>").expect("its end");
    let (_, output) = case.rsplit_once("<system-err>").expect("its output");
    assert!(output.len() > OUTPUT_OF_FAILED - 100, "{}", output.len());
}

#[test]
fn earlier_attempts_have_their_outputs() {
    let info = info("a", "b", 1);
    let failed = |number, text: &str| {
        let failures = vec![failure(&info, FailureKind::Expectation, "exit: expected 0, found 1", "")];
        let mut attempt = attempt(number, Outcome::Failed, 0.1, failures);
        attempt.steps[0].stdout = captured(text);
        attempt.logs = vec![format!("logs/{number}.out")];
        attempt
    };
    let passed = attempt(3, Outcome::Passed, 0.1, Vec::new());
    let attempts = vec![failed(1, "first\n"), failed(2, &"second\n".repeat(20_000)), passed];
    let document = written(&run(vec![result(&info, Outcome::Passed, attempts)], None));
    let outputs = texts(&document, "system-out");
    assert_eq!(outputs[0], "first\n");
    assert!(outputs[1].starts_with("second\n") && outputs[1].len() < 9 << 10, "{}", outputs[1].len());
    assert_eq!(outputs[2], "hello\n[[ATTACHMENT|logs/2.out]]\n[[ATTACHMENT|logs/1.out]]\n");
    assert!(document.contains("</stackTrace><system-out>"), "{document}");

    let attempts = (1..=1000).map(|number| failed(number, &"x".repeat(10_000))).collect();
    let document = written(&run(vec![result(&info, Outcome::Failed, attempts)], None));
    assert_eq!(document.matches("<rerunFailure").count(), 999);
    assert!(document.len() < 700_000, "{}", document.len());
}

#[test]
fn a_case_cannot_name_files_of_the_machine() {
    for text in ["[[ATTACHMENT|/etc/passwd]]\n", "x [[ATTACH\u{1b}[0mMENT|/etc/passwd]]\n"] {
        let mut case = case_of(text);
        case.attempts[1].logs = vec!["logs/1.out".to_owned()];
        let document = written(&run(vec![case], None));
        let body: String = ["system-out", "system-err", "failure", "stackTrace"]
            .into_iter()
            .flat_map(|element| texts(&document, element))
            .collect();
        assert_eq!(body.matches("[[ATTACHMENT|").count(), 1, "{body}");
        assert!(body.contains("[[ATTACHMENT|logs/1.out]]\n"));
        assert!(body.contains("[[ATTACHMENT\\|/etc/passwd]]\n"), "{body}");
    }
}

#[test]
fn names_are_unique() {
    let pass = |suite: &str, name: &str, line| {
        let info = info(suite, name, line);
        result(&info, Outcome::Passed, vec![attempt(1, Outcome::Passed, 0.1, Vec::new())])
    };
    let cases = vec![
        pass("d/p", "q.r", 3),
        pass("d/p.q", "r", 4),
        pass("d/p.q", "s", 5),
        pass("d/p", "a\nb", 6),
        pass("d/p", "a b", 7),
        pass("d/p", "a\tb", 7),
    ];
    let report = read(&written(&run(cases, None)));
    let names: Vec<_> = report
        .test_suites
        .iter()
        .flat_map(|suite| {
            suite.test_cases.iter().map(|case| format!("{} {}", suite.name.as_str(), case.name.as_str()))
        })
        .collect();
    assert_eq!(
        names,
        [
            "d/p q.r",
            "d/p a b",
            "d/p a b (d/p.test.json:7)",
            "d/p a b (d/p.test.json:7) 2",
            "d/p.q r (d/p.q.test.json:4)",
            "d/p.q s"
        ]
    );
}

#[test]
fn an_unwritable_place_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("written");
    let good = folder.path().join("good.xml");
    let paths = vec![folder.path().join("file/junit.xml"), good.clone()];
    let mut reporter = JunitReporter::new(paths, JunitOptions::default());
    let mut events = run(results(), None);
    let last = events.pop().expect("an event");
    events.iter().for_each(|event| reporter.handle(event).expect("handled"));
    assert!(reporter.handle(&last).expect_err("an error").to_string().contains("file/junit.xml"));
    assert!(good.exists(), "the other report is written all the same");
}

#[test]
fn many_cases_are_written_fast() {
    let many: Vec<_> = (0..100_000_u32)
        .map(|n| {
            let info = info(&format!("suite{}", n % 1000), &format!("case {n}"), n);
            result(&info, Outcome::Passed, vec![attempt(1, Outcome::Passed, 0.001, Vec::new())])
        })
        .collect();
    let events = run(many, None);
    let started = Instant::now();
    assert!(written(&events).len() > 10_000_000);
    let limit = if cfg!(debug_assertions) { 60 } else { 3 };
    assert!(started.elapsed() < Duration::from_secs(limit), "{:?}", started.elapsed());
}

#[test]
#[ignore = "needs xmllint: ./tests/run"]
fn libxml2_reads_every_report() {
    for text in HOSTILE {
        let mut events = run(vec![case_of(text)], None);
        events.splice(
            1..1,
            run(results(), None).drain(1..).filter(|event| matches!(event, TestEvent::CaseFinished(_))),
        );
        let mut child = std::process::Command::new("xmllint")
            .args(["--noout", "-"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("xmllint runs");
        child.stdin.take().expect("a pipe").write_all(written(&events).as_bytes()).expect("written");
        assert!(child.wait().expect("ended").success(), "{text:?}");
    }
}
