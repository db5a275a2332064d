//! Workers: processes that answer the calls of many cases.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Suite, send};

/// A worker that passes every case and tells its number.
const PASS: &str = "n=0; while read -r q; do n=$((n+1)); echo \"{\\\"outcome\\\":\\\"pass\\\",\\\"output\\\":{\\\"n\\\":$n}}\"; done";

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited for {what} in vain");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A suite with this worker and these cases, each of which is a name and the rest of it.
fn suite(worker: &str, cases: &[(&str, &str)]) -> Suite {
    let cases: Vec<_> =
        cases.iter().map(|(name, rest)| format!("  - {{ name: {name}, call: {name}{rest} }}\n")).collect();
    let worker = serde_json::to_string(worker).expect("a text");
    Suite::of("a.test.yaml", &format!("defaults: {{ worker: {worker} }}\ncases:\n{}", cases.concat()))
}

#[test]
fn a_worker_has_no_more_processes_than_it_may() {
    let worker = "while read -r q; do case $q in *crowd*) for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; wait;; esac; echo '{\"outcome\":\"pass\"}'; done";
    let limit = ", limits: { processes: 5 }";
    let suite = suite(worker, &[("calm", limit), ("crowd", limit), ("calm again", limit)]);
    let run = suite.run(&["--jobs", "1"]).expect_code(1);
    let (verdict, message) = run.verdict("crowd");
    assert_eq!(verdict, "failure", "{message}");
    assert!(message.contains("exceeded limits.processes = 5: "), "{message}");
    assert_eq!((run.verdict("calm").0, run.verdict("calm again").0), ("passed", "passed"));
}

#[test]
fn one_process_answers_many_cases_and_is_gone_at_the_end() {
    let cases: Vec<_> = (0..40).map(|n| format!("c{n}")).collect();
    let cases: Vec<_> = cases.iter().map(|name| (name.as_str(), "")).collect();
    let suite = suite(&format!("echo started >> \"$PARTEST_RUN_DIR/../../starts\"; {PASS}"), &cases);
    let run = suite.command(&["--jobs", "2"]).env("TMPDIR", suite.temporary()).output().expect("run");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    let starts = std::fs::read_to_string(suite.temporary().join("starts")).expect("written");
    assert!((1..=2).contains(&starts.lines().count()), "{starts}");
    std::fs::remove_file(suite.temporary().join("starts")).expect("removed");
    suite.check_nothing_is_left();
}

#[test]
fn a_question_tells_the_case_and_its_input() {
    let echo = "while read -r q; do echo \"{\\\"outcome\\\":\\\"pass\\\",\\\"output\\\":$q}\"; done";
    let text = format!(
        "name: a\nworker: {}\nvars: {{ n: 3 }}\ncall: {{ list: ['{{{{ n }}}}', x], at: '{{{{ dir }}}}' }}\nexpect: {{ output: {{ json: {{
         case: 'a::a', name: a, attempt: 1, dir: '{{{{ dir }}}}', input: {{ list: [3, x], at: '{{{{ dir }}}}' }} }}, exact: true }} }}",
        serde_json::to_string(echo).expect("a text")
    );
    Suite::of("a.test.yaml", &text).run(&[]).expect_code(0);
}

#[test]
fn a_worker_that_fails_a_case_says_why_and_its_errors_are_attached() {
    let script = "while read -r q; do echo 'looked closely' >&2; printf '{\"outcome\":\"fail\",\"message\":\"two\\\\nlines\"}\\n'; done";
    let run = suite(script, &[("a", "")]).run(&[]).expect_code(1);
    assert_eq!(run.verdict("a"), ("failure", "two".to_owned()));
    assert!(run.stdout.contains("    | lines") && run.stdout.contains("looked closely"), "{}", run.stdout);
    let expected = suite(PASS, &[("a", ", expect: { output: { json: { n: 2 } } }")]).run(&[]).expect_code(1);
    let (_, message) = expected.verdict("a");
    assert_eq!(message, "output: $.n: expected 2, found 1");
}

/// What becomes of the middle one of three cases, and that the others pass.
fn middle(on_b: &str) -> (i32, &'static str, String) {
    let script = format!(
        "while read -r q; do case $q in *'\"b\"}}') {on_b} ;; esac; echo '{{\"outcome\":\"pass\"}}'; done"
    );
    let cases = [("a", ""), ("b", ", timeout: 1s, grace: 100ms"), ("c", "")];
    let run = suite(&script, &cases).run(&["--jobs", "1"]);
    for other in ["a", "c"] {
        assert_eq!(run.verdict(other).0, "passed", "{}", run.stdout);
    }
    let (verdict, message) = run.verdict("b");
    (run.code, verdict, message)
}

#[test]
fn a_worker_that_does_not_answer_costs_one_case_its_verdict() {
    let crash = "the worker was ended by signal 11 (SIGSEGV) before it answered";
    assert_eq!(middle("kill -SEGV $$"), (1, "failure", crash.to_owned()));
    let exit = "the worker exited with code 3 before it answered; it had written \"half\"";
    assert_eq!(middle("printf half; exit 3"), (1, "failure", exit.to_owned()));
    let (code, verdict, message) = middle("trap '' TERM; while :; do sleep 1; done");
    assert_eq!((code, verdict), (1, "failure"), "{message}");
    assert_eq!(message, "timed out after 1.00s; the worker was ended");
    for (answer, reason) in [
        ("echo Traceback", "the worker's answer cannot be read: expected value: \"Traceback\""),
        ("echo '{\"case\":\"z\",\"outcome\":\"pass\"}'", "the worker has answered for another case: \"z\""),
        (
            "printf '{\"outcome\":\"pass\"}\\n{\"outcome\":\"fail\"}\\n'; sleep 9",
            "the worker has written more than the line of its answer: \"{\\\"outcome\\\":\\\"fail\\\"}\"",
        ),
    ] {
        assert_eq!(middle(&format!("{answer}; sleep 9")), (1, "error", reason.to_owned()));
    }
}

#[test]
fn a_worker_may_go_after_an_answer_but_not_without_one() {
    let once = "read -r q; echo '{\"outcome\":\"pass\"}'";
    suite(once, &[("a", ""), ("b", ""), ("c", "")]).run(&["--jobs", "1"]).expect_code(0);
    let run = suite("exit 0", &[("a", ""), ("b", "")]).run(&[]).expect_code(1);
    assert_eq!(run.verdict("b").1, "the worker exited with code 0 before it answered");
}

#[test]
fn a_worker_that_cannot_start_is_an_error_of_each_case() {
    let text =
        "defaults: { worker: [./no-such-checker] }\ncases: [{ name: a, call: 1 }, { name: b, call: 2 }]";
    let run = Suite::of("a.test.yaml", text).run(&[]).expect_code(1);
    for name in ["a", "b"] {
        let (verdict, message) = run.verdict(name);
        assert!(verdict == "error" && message.contains("no-such-checker"), "{message}");
    }
}

#[test]
fn mistakes_have_their_place() {
    for (text, place, message) in [
        ("name: a\ncall: 1", "a.test.yaml:2:7", "nobody answers this `call`"),
        ("name: a\ncall: 1\nworker: []", "a.test.yaml:3:9", "`worker` is empty"),
        ("name: a\ncall: 1\nworker: ['x', '{{ work }}']", "a.test.yaml:3:9", "has no `work` of its own"),
        ("name: a\ncall: '{{ nobody }}'\nworker: x", "a.test.yaml:2:8", "unknown variable `nobody`"),
        ("name: a\nrun: x\nworker: x", "a.test.yaml:3:1", "`worker` does not belong to `run`"),
        (
            "name: a\ncall: 1\nworker: x\nexpect: {exit: 0}",
            "a.test.yaml:4:10",
            "`exit` cannot be expected of `call`",
        ),
    ] {
        let run = Suite::of("a.test.yaml", text).run(&["--list"]);
        assert!(run.stderr.contains(place) && run.stderr.contains(message), "{text}\n{}", run.stderr);
    }
}

#[test]
fn nothing_of_a_worker_outlives_a_run_that_is_interrupted_or_killed() {
    for signal in [Signal::INT, Signal::KILL] {
        let script = "sleep 301 & while read -r q; do sleep 302; done";
        let suite = suite(script, &[("a", ", grace: 100ms"), ("b", ", grace: 100ms")]);
        let child = suite.start(&["--jobs", "2"]);
        wait_until("workers", || suite.processes().len() >= 6);
        send(&child, signal);
        let _ = child.wait_with_output().expect("waited for");
        wait_until("nothing", || suite.processes().is_empty());
    }
}

#[test]
fn the_input_of_a_worker_keeps_its_order() {
    let worker = "while read -r q; do echo \"$q\" >&2; echo '{\"outcome\":\"fail\"}'; done";
    for (call, input) in [
        ("{ z: 1, a: { d: 2, c: 3 } }", r#"{"z":1,"a":{"d":2,"c":3}}"#),
        ("{ z: '{{ attempt }}', a: x }", r#"{"z":1,"a":"x"}"#),
    ] {
        let text =
            format!("name: a\nworker: {}\ncall: {call}\n", serde_json::to_string(worker).expect("a text"));
        let run = Suite::of("a.test.yaml", &text).run(&[]).expect_code(1);
        assert!(run.stdout.contains(&format!("\"input\":{input}}}")), "{}", run.stdout);
    }
}

/// An answer, as a command of a shell.
const PASSED: &str = "echo '{\"outcome\":\"pass\"}'";
const FAILED: &str = "echo '{\"outcome\":\"fail\"}'";

#[test]
fn a_line_too_much_lets_no_run_end_well() {
    // It comes when no case follows.
    let worker = format!("read -r q; {PASSED}; sleep 0.1; echo junk; cat > /dev/null");
    let run = suite(&worker, &[("a", "")]).run(&[]).expect_code(3);
    assert!(run.stderr.contains("has written more than it was asked for"), "{}", run.stderr);
    assert!(run.stderr.contains("read -r q") && run.stderr.contains("\"junk\""), "{}", run.stderr);
    // It comes when the next question is there, which the worker reads, before its answer.
    let worker = format!("read -r q; {PASSED}; sleep 0.1; {PASSED}; read -r q; sleep 0.1; {FAILED}");
    let run = suite(&worker, &[("twice", ""), ("bad", "")]).run(&["--jobs", "1"]);
    assert_eq!(run.verdict("twice").0, "passed", "{}", run.stdout);
    let message = run.verdict("bad").1;
    let is_seen =
        run.stderr.contains("has written more than it was asked for: \"{\\\"outcome\\\":\\\"fail\\\"}\"")
            || message.contains("the worker has written what nobody had asked for");
    assert!(is_seen && run.code != 0, "{}\n{}", run.stdout, run.stderr);
}

#[test]
fn a_worker_that_leaves_with_a_question_fails_its_case_whatever_it_has_answered_before() {
    let worker = format!("read -r q; {PASSED}; read -r q; exit 0");
    let run = suite(&worker, &[("a", ""), ("b", ""), ("c", "")]).run(&["--jobs", "1"]).expect_code(1);
    assert_eq!(run.verdict("b").1, "the worker exited with code 0 before it answered");
    assert_eq!((run.verdict("a").0, run.verdict("c").0), ("passed", "passed"));
}

#[test]
fn a_worker_that_dies_without_a_question_harms_no_case_and_is_named() {
    let worker = format!("read -r q; {PASSED}; sleep 0.1; echo 'first words\nlast words' >&2; kill -SEGV $$");
    let text = format!(
        "defaults: {{ worker: {} }}\ncases: [{{ name: a, call: 1 }}, {{ name: b, run: sleep 0.4 }}, {{ name: c, call: 2 }}, {{ name: d, call: 3 }}]",
        serde_json::to_string(&worker).expect("a text")
    );
    let run = Suite::of("a.test.yaml", &text).run(&["--jobs", "1", "--order", "path"]).expect_code(0);
    let told: Vec<_> = run.stderr.lines().filter(|line| line.contains("warning: the worker")).collect();
    // Of the first one, and of the second one, which has not read its next question.
    assert_eq!(told.len(), 2, "{}", run.stderr);
    for line in told {
        assert!(line.contains("was ended by signal 11 (SIGSEGV) when it had nothing to answer"), "{line}");
        assert!(line.contains("read -r q") && line.ends_with("its last words: \"last words\""), "{line}");
    }
}

#[test]
fn errors_that_a_worker_writes_between_two_questions_belong_to_no_case() {
    let worker = format!("while read -r q; do echo mine >&2; {FAILED}; sleep 0.1; echo idle >&2; done");
    let text = format!(
        "defaults: {{ worker: {} }}\ncases: [{{ name: a, call: 1 }}, {{ name: b, run: sleep 0.4 }}, {{ name: c, call: 2 }}]",
        serde_json::to_string(&worker).expect("a text")
    );
    let run = Suite::of("a.test.yaml", &text).run(&["--jobs", "1", "--order", "path"]).expect_code(1);
    assert_eq!(run.stdout.matches("mine").count(), 2, "{}", run.stdout);
    assert!(!run.stdout.contains("idle"), "{}", run.stdout);
}

#[test]
fn a_worker_that_closes_its_output_is_said_to_have_done_so() {
    let message = "the worker closed its standard output before it answered";
    assert_eq!(middle("exec >&-; sleep 60"), (1, "failure", message.to_owned()));
}

#[test]
fn long_errors_of_a_worker_have_a_log() {
    let worker = format!(
        "while read -r q; do head -c 70000 /dev/zero | tr '\\0' e >&2; case $q in *good*) {PASSED};; *crash*) exit 1;; *) {FAILED};; esac; done"
    );
    let suite = suite(&worker, &[("good", ""), ("bad", ""), ("crash", "")]);
    let run = suite.run(&["--jobs", "1"]).expect_code(1);
    let logs: Vec<_> = run.stdout.lines().filter_map(|line| line.trim().strip_prefix("log: ")).collect();
    assert_eq!(logs.len(), 2, "{}", run.stdout);
    for log in &logs {
        assert_eq!(std::fs::read(suite.path().join(log)).expect("there"), [b'e'; 70_000], "{log}");
    }
    let folder = suite.path().join(logs[0]);
    let kept = std::fs::read_dir(folder.parent().expect("a folder")).expect("there");
    assert_eq!(kept.count(), 2);
}

#[test]
fn what_a_worker_leaves_behind_is_told_as_its_cases_ask() {
    let forks = format!("sleep 303 > /dev/null 2>&1 & while read -r q; do {PASSED}; done");
    for (policy, code, words) in [
        ("fail", 3, "left a process behind, which was killed: sleep 303"),
        ("warn", 0, "some case left a process behind, which was ended: sleep 303"),
        ("allow", 0, ""),
    ] {
        let run = suite(&forks, &[("a", &format!(", leak: {policy}"))]).run(&[]).expect_code(code);
        assert!(run.stderr.contains(words) && run.stderr.is_empty() == words.is_empty(), "{}", run.stderr);
    }
    let goes = "sleep 303 > /dev/null 2>&1 & read -r q; exit 1";
    for (policy, is_failure) in [("fail", true), ("warn", false), ("allow", false)] {
        let run = suite(goes, &[("a", &format!(", leak: {policy}"))]).run(&[]).expect_code(1);
        assert_eq!(run.stdout.contains("left 1 process behind, killed"), is_failure, "{}", run.stdout);
        assert_eq!(run.stdout.contains("sleep 303"), policy != "allow", "{}", run.stdout);
    }
}

#[test]
fn a_long_message_of_a_worker_is_cut() {
    let worker = "while read -r q; do printf '{\"outcome\":\"fail\",\"message\":\"'; case $q in *line*) head -c 5000000 /dev/zero | tr '\\0' m;; *) yes 'm\\nm' | head -n 500000 | tr -d '\\n';; esac; echo 'end\"}'; done";
    for name in ["line", "detail"] {
        let run = suite(worker, &[(name, "")]).run(&[]).expect_code(1);
        let (verdict, message) = run.verdict(name);
        assert!(
            verdict == "failure" && message.starts_with('m') && message.len() < 2000,
            "{}",
            message.len()
        );
        assert!(run.stdout.len() < 50_000 && run.stdout.contains("end"), "{}", run.stdout.len());
        assert!(run.stdout.contains("left out …"), "{}", run.stdout);
        assert!(run.junit.expect("written").len() < 100_000);
    }
}

#[test]
fn a_message_is_masked_before_it_is_cut() {
    let worker = "read -r q; printf '{\"outcome\":\"fail\",\"message\":\"'; head -c 16379 /dev/zero | tr '\\0' x; printf %s $TOKEN; head -c 40000 /dev/zero | tr '\\0' y; echo '\"}'; cat > /dev/null";
    let secret = ", env: { TOKEN: s3cr3tvalue }, secrets: [TOKEN]";
    let run = suite(worker, &[("a", secret)]).run(&[]).expect_code(1);
    let report = run.junit.expect("written");
    assert!(!report.contains("s3cr3"), "{report}");
    assert!(report.contains("x***yy\n… "), "{report}");
}
