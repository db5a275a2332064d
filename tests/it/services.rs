//! Processes that run beside cases.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Run, Suite, send};

/// A suite file with a service that counts its starts, and says where it listens.
const COUNTED: &str = r#"
[services.api]
run = "echo start >> '{{ dir }}/starts'; echo $GREETING at {{ port }}; exec sleep 600"
env = { GREETING = "hello" }
ready = { log = "hello at \\d+" }
"#;

/// What a case says that needs it.
const USES: &str = r#"{ "name": "uses NAME", "services": ["api"],
    "run": "echo {{ services.api.url }} {{ services.api.port }}",
    "expect": { "stdout": { "matches": "^http://127.0.0.1:(\\d+) \\d+$" } } }"#;

fn cases(cases: &[&str]) -> String {
    format!(r#"{{ "cases": [{}] }}"#, cases.join(", "))
}

fn uses(name: &str) -> String {
    USES.replace("NAME", name)
}

fn starts(suite: &Suite) -> usize {
    fs::read_to_string(suite.path().join("starts")).map_or(0, |text| text.lines().count())
}

/// The failure of a case as the JUnit report has it, with its text.
fn error(run: &Run, name: &str) -> String {
    let (verdict, message) = run.verdict(name);
    assert_eq!(verdict, "error", "{name}: {message}\n{}", run.stdout);
    message
}

#[test]
fn it_is_started_once_for_all_that_need_it_and_stopped() {
    let suite = Suite::new()
        .file("suite.toml", COUNTED)
        .file("a.test.json", cases(&[&uses("a"), r#"{ "name": "alone", "run": "true" }"#]))
        .file("deep/b.test.json", cases(&[&uses("b"), &uses("c")]));
    suite.run(&["-j", "4"]).expect_code(0);
    assert_eq!(starts(&suite), 1);
}

#[test]
fn it_is_not_started_for_nobody() {
    let suite = Suite::new()
        .file("suite.toml", COUNTED)
        .file("a.test.json", cases(&[&uses("a"), r#"{ "name": "alone", "run": "true" }"#]));
    suite.run(&["--filter", "alone"]).expect_code(0);
    assert_eq!(starts(&suite), 0);
}

#[test]
fn a_scope_says_who_shares_a_process() {
    for (scope, count) in [("suite", 1), ("file", 2), ("case", 4)] {
        let suite = Suite::new()
            .file("suite.toml", format!("{COUNTED}scope = \"{scope}\"\n"))
            .file("a.test.json", cases(&[&uses("a"), &uses("b")]))
            .file("b.test.json", cases(&[&uses("c"), &uses("d")]));
        // With one slot only one file has its service at a time.
        suite.run(&["-j", "1"]).expect_code(0);
        assert_eq!(starts(&suite), count, "{scope}");
    }
}

#[test]
fn cases_that_do_not_need_it_do_not_wait_for_it() {
    let suite = Suite::new()
        .file(
            "suite.toml",
            r#"services.slow.run = "while ! test -e '{{ dir }}/go'; do sleep 0.01; done; echo ready; exec sleep 600"
services.slow.ready.log = "ready""#,
        )
        .file(
            "a.test.json",
            r#"{ "cases": [{ "name": "first", "services": ["slow"], "run": "true" },
                           { "name": "second", "run": "touch '{{ dir }}/go'" }] }"#,
        );
    suite.run(&["-j", "1"]).expect_code(0);
}

#[test]
fn one_that_needs_another_starts_after_it() {
    let suite = Suite::new()
        .file(
            "suite.yaml",
            r#"
services:
  api:
    run: 'test -e "{{ dir }}/db-{{ services.db.port }}"; echo ready; exec sleep 600'
    services: [db]
    ready: { log: ready }
  db:
    run: 'touch "{{ dir }}/db-{{ port }}"; exec sleep 600'
    ready: { run: 'test -e "{{ dir }}/db-{{ port }}"' }
"#,
        )
        .file("a.test.json", cases(&[&uses("a")]));
    suite.run(&[]).expect_code(0);
}

#[test]
fn one_that_cannot_be_used_is_the_reason_of_those_that_need_it() {
    let cannot = [
        ("echo cause >&2; exit 3", "exited with code 3 before it was ready"),
        ("echo no", "exited with code 0 before it was ready"),
        ("exec sleep 600", "was not ready within 0.30s: no line of its output matches \"ready\""),
        ("kill -9 $$", "was ended by signal 9 (SIGKILL) before it was ready"),
        ("setsid sleep 600 & exit 0", "a service must stay in the foreground"),
        ("exec ./missing", "exited with code 127 before it was ready"),
    ];
    for (script, expected) in cannot {
        let suite = Suite::new()
            .file(
                "suite.toml",
                format!("services.api.run = \"{script}\"\nservices.api.ready = {{ log = \"ready\", timeout = \"300ms\" }}"),
            )
            .file("a.test.json", cases(&[&uses("a"), &uses("b"), r#"{ "name": "other", "run": "true" }"#]));
        let run = suite.run(&[]).expect_code(1);
        assert_eq!(run.verdict("other").0, "passed", "{script}");
        for name in ["uses a", "uses b"] {
            let message = error(&run, name);
            assert!(
                message.starts_with("service \"api\" ") && message.contains(expected),
                "{script}: {message}"
            );
        }
        assert!(!script.contains("cause") || run.stdout.contains("| cause"), "{}", run.stdout);
    }
}

#[test]
fn one_that_ends_in_mid_run_fails_those_that_need_it_from_then_on() {
    let suite = Suite::new()
        .file(
            "suite.toml",
            r#"services.api.run = "echo $$ > '{{ dir }}/pid'; echo ready; while ! test -e '{{ dir }}/end'; do sleep 0.01; done; echo farewell; exit 9"
services.api.ready.log = "ready""#,
        )
        .file(
            "a.test.json",
            r#"{ "defaults": { "services": ["api"] }, "cases": [
              { "name": "before", "run": "true" },
              { "name": "during", "run": "touch '{{ dir }}/end'; while kill -0 $(cat '{{ dir }}/pid') 2>/dev/null; do sleep 0.01; done; sleep 0.3; false" },
              { "name": "after", "run": "true" },
              { "name": "without", "services": [], "run": "true" }
            ] }"#,
        );
    let run = suite.run(&["-j", "1"]).expect_code(1);
    assert_eq!(run.verdict("before").0, "passed");
    assert_eq!(run.verdict("without").0, "passed");
    for name in ["during", "after"] {
        let message = error(&run, name);
        assert!(message.starts_with("service \"api\" exited with code 9, "), "{name}: {message}");
    }
    assert!(run.stdout.contains("| farewell"), "{}", run.stdout);
}

/// A service that ends by itself once somebody asks for it, by the script below.
const ENDS: &str = r#"[services.api]
run = "echo $$ > '{{ dir }}/pid'; echo ready; while ! test -e '{{ dir }}/end'; do sleep 0.01; done; exit 9"
ready = { log = "ready" }
"#;

/// Ends it, and gives the run time to notice that.
const END: &str = "cd \"$(dirname \"$0\")\"; touch end
while kill -0 $(cat pid) 2>/dev/null; do sleep 0.01; done
sleep 1; rm end";

#[test]
fn a_case_that_passes_although_its_service_has_ended_meanwhile_is_an_error() {
    let suite = Suite::new().file("suite.toml", ENDS).file("end.sh", END).file(
        "a.test.json",
        r#"{ "defaults": { "services": ["api"] }, "cases": [
              { "name": "before", "run": "true" },
              { "name": "during", "run": "sh '{{ dir }}/end.sh'" },
              { "name": "known to fail", "run": "false", "xfail": "a reason" },
              { "name": "forgiven", "run": "true", "quarantine": { "owner": "us", "reason": "known" } }
            ] }"#,
    );
    let run = suite.run(&["-j", "1"]).expect_code(1);
    assert_eq!(run.verdict("before").0, "passed");
    for name in ["during", "known to fail"] {
        let message = error(&run, name);
        assert!(message.starts_with("service \"api\" exited with code 9, "), "{name}: {message}");
    }
    assert!(run.stdout.contains("1 quarantined"), "{}", run.stdout);
}

#[test]
fn a_request_that_its_service_does_not_survive_says_so() {
    let suite = Suite::new()
        .file(
            "suite.toml",
            r#"services.api.run = "mkfifo '{{ dir }}/end'; echo ready; read end < '{{ dir }}/end'; sleep 0.05; exit 9"
services.api.ready.log = "ready""#,
        )
        .file(
            "a.test.json",
            // The connection is gone before the process is.
            r#"{ "services": ["api"], "steps": [
                 { "run": "echo > '{{ dir }}/end'" }, { "http": "http://127.0.0.1:1/" } ] }"#,
        );
    let run = suite.run(&[]).expect_code(1);
    let message = error(&run, "a");
    assert!(message.starts_with("service \"api\" exited with code 9, "), "{message}");
    assert!(run.stdout.contains("cannot connect to 127.0.0.1:1"), "{}", run.stdout);
}

#[test]
fn a_case_is_tried_again_with_a_service_of_its_own_that_had_ended() {
    let suite =
        Suite::new().file("suite.toml", format!("{ENDS}scope = \"case\"\n")).file("end.sh", END).file(
            "a.test.json",
            r#"{ "name": "a", "services": ["api"], "retries": 1,
                 "run": "if test {{ attempt }} = 1; then sh '{{ dir }}/end.sh'; fi" }"#,
        );
    let run = suite.run(&[]).expect_code(0);
    assert!(run.stdout.contains("1 flaky"), "{}", run.stdout);
}

#[test]
fn one_that_ends_while_no_case_uses_it_is_told() {
    let suite = Suite::new().file("suite.toml", ENDS).file("end.sh", END).file(
        "a.test.json",
        r#"{ "cases": [
              { "name": "before", "services": ["api"], "run": "true" },
              { "name": "between", "after": ["before"], "run": "sh '{{ dir }}/end.sh'; false", "xfail": "a reason" },
              { "name": "never", "after": ["between"], "services": ["api"], "run": "true" }
            ] }"#,
    );
    let run = suite.run(&[]).expect_code(0);
    let expected = "warning: service \"api\" exited with code 9, ";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
    let again = suite.run(&["report"]).expect_code(0);
    assert!(again.stdout.contains(expected), "{}", again.stdout);
}

#[test]
fn its_output_is_attached_to_what_fails() {
    let suite = Suite::new().file("suite.toml", COUNTED).file(
        "a.test.json",
        cases(&[&uses("passes"), r#"{ "name": "fails", "services": ["api"], "run": "false" }"#]),
    );
    let run = suite.run(&[]).expect_code(1);
    assert!(run.stdout.contains("    service api:\n    | hello at "), "{}", run.stdout);
    let said = run.case("fails").system_err.expect("what the service wrote").to_string();
    assert!(said.contains("== service api ==\nhello at "), "{said}");
    assert!(run.case("uses passes").system_err.is_none());
    let log = run
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("log: ").filter(|log| log.contains("services.api")));
    let log = fs::read_to_string(suite.path().join(log.expect("a log"))).expect("it is there");
    assert!(log.starts_with("hello at "), "{log}");
    let journal = suite.run(&["report", "--from", "last"]);
    assert!(journal.stdout.contains("hello at "), "{}\n{}", journal.stdout, journal.stderr);
}

#[test]
fn its_secrets_are_masked_wherever_its_output_goes() {
    let suite = Suite::new()
        .file(
            "suite.toml",
            "[services.api]\nrun = \"echo token $TOKEN; echo ready; exec sleep 600\"\nready.log = \"ready\"\ninherit_env = [\"TOKEN\"]\nsecrets = [\"TOKEN\"]",
        )
        .file("a.test.json", r#"{ "services": ["api"], "run": "false" }"#);
    let mut command = suite.command(&[]);
    command.env("TOKEN", "hushhush");
    let run = suite.finish_command(command).expect_code(1);
    assert!(run.stdout.contains("token ***"), "{}", run.stdout);
    let mut open = vec![suite.path().join(".partest")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("readable").map(|entry| entry.expect("entry").path()));
        } else {
            let bytes = fs::read(&path).expect("readable");
            assert!(!bytes.windows(8).any(|window| window == b"hushhush"), "{}", path.display());
        }
    }
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let mistakes = [
        ("x-none = 1", r#"{ "services": ["api"], "run": "true" }"#, "unknown service `api`"),
        (
            "x-none = 1",
            r#"{ "run": "echo {{ services.api.url }}" }"#,
            "the service `api` is not among those that are asked for here",
        ),
        ("services.api.run = 'x'", r#"{ "services": ["apo"], "run": "true" }"#, "did you mean `api`?"),
        (
            "services.api.run = 'x'",
            r#"{ "services": ["api"], "run": "echo {{ services.api.prot }}" }"#,
            "write `services.api.url` or `services.api.port`",
        ),
        ("services.api.rum = 'x'", r#"{ "run": "true" }"#, "unknown key `rum`"),
        ("services.api.ready.port = 1", r#"{ "run": "true" }"#, "`run` is missing"),
        (
            "[services]\na = { run = 'x', services = ['b'] }\nb = { run = 'x', services = ['a'] }",
            r#"{ "run": "true" }"#,
            "these services wait for each other: `a` → `b` → `a`",
        ),
        (
            "[services]\na = { run = 'x', services = ['b'] }\nb = { run = 'x', scope = 'case' }",
            r#"{ "run": "true" }"#,
            "has a narrower scope",
        ),
        (
            "[services.a]\nrun = 'x'\nready = { log = 'a', port = 1 }",
            r#"{ "run": "true" }"#,
            "ready by one thing",
        ),
        ("[services.a]\nrun = 'x'\nready.log = '('", r#"{ "run": "true" }"#, "not a regular expression"),
        (
            "[services.a]\nrun = 'x'\nready.http = 'localhost'",
            r#"{ "run": "true" }"#,
            "`localhost` has no scheme that is known",
        ),
        ("[services.a]\nrun = 'x'\nready.port = 70000", r#"{ "run": "true" }"#, "is no port"),
        ("[services.a]\nrun = 'x'\nscope = 'world'", r#"{ "run": "true" }"#, "is no scope"),
        ("[services.a]\nrun = 'echo {{ attempt }}'", r#"{ "run": "true" }"#, "`attempt` belongs to a case"),
        ("[services.a-b]\nrun = 'x'", r#"{ "run": "true" }"#, "`a-b` is no name for a service"),
        ("[services.work]\nrun = 'x'", r#"{ "run": "true" }"#, "`work` already has a meaning of its own"),
        (
            "x-none = 1",
            r#"{ "services": { "a": { "run": "b" } }, "run": "true" }"#,
            "services are defined in a suite file",
        ),
        ("services = []", r#"{ "run": "true" }"#, "expected an object of services"),
    ];
    for (file, case, message) in mistakes {
        let suite = Suite::new().file("suite.toml", file).file("a.test.json", case);
        let run = suite.run(&["check"]).expect_code(2);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(message), "{file}\n{case}\n{said}");
        assert!(said.contains("suite.toml:") || said.contains("a.test.json:"), "{said}");
    }
}

#[test]
fn a_port_is_the_same_within_an_attempt_and_no_one_elses() {
    let case = |name: &str| {
        format!(
            r#"{{ "name": "{name}", "files": {{ "p": "{{{{ port.a }}}}" }},
              "steps": [{{ "run": "test $(cat p) = {{{{ port.a }}}}; test {{{{ port.a }}}} != {{{{ port.b }}}}" }},
                        {{ "run": "echo {{{{ port.a }}}} {{{{ port.b }}}} >> {{{{ dir }}}}/ports; sleep 0.3" }}] }}"#
        )
    };
    let names = ["a", "b", "c", "d"];
    let all: Vec<_> = names.iter().map(|name| case(name)).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    let suite = Suite::of("a.test.json", &cases(&all));
    suite.run(&["-j", "4"]).expect_code(0);
    let text = fs::read_to_string(suite.path().join("ports")).expect("written");
    let mut ports: Vec<_> = text.split_whitespace().collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 8, "{text}");
}

/// A service with a child and a daemon, and a case that waits beside it.
const BUSY: [(&str, &str); 2] = [
    (
        "suite.toml",
        r#"services.api.run = "trap '' TERM; sleep 601 & setsid sleep 602 & echo ready; while :; do sleep 603; done"
services.api.grace = "300ms"
services.api.ready.log = "ready""#,
    ),
    (
        "a.test.json",
        r#"{ "services": ["api"], "run": "touch '{{ dir }}/runs'; sleep 604", "grace": "300ms" }"#,
    ),
];

fn busy() -> (Suite, std::process::Child) {
    let suite = BUSY.into_iter().fold(Suite::new(), |suite, (name, text)| suite.file(name, text));
    let child = suite.start(&[]);
    let begin = Instant::now();
    while !suite.path().join("runs").exists() || suite.processes().len() < 4 {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not start");
        thread::sleep(Duration::from_millis(10));
    }
    (suite, child)
}

#[test]
fn nothing_is_left_of_it_when_the_run_is_interrupted() {
    let (suite, child) = busy();
    let begin = Instant::now();
    send(&child, Signal::INT);
    suite.finish(child).expect_code(130);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn nothing_is_left_of_it_when_the_runner_is_killed() {
    let (suite, mut child) = busy();
    child.kill().expect("SIGKILL");
    child.wait().expect("reaped");
    let begin = Instant::now();
    while !suite.processes().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", suite.processes());
        thread::sleep(Duration::from_millis(5));
    }
    suite
        .file("suite.toml", "x-none = 1")
        .file("a.test.json", r#"{ "run": "true" }"#)
        .run(&[])
        .expect_code(0);
}

#[test]
fn output_without_end_stays_bounded() {
    let suite = Suite::new()
        .file(
            "suite.toml",
            "services.api.run = \"echo ready; exec yes 0123456789abcdef0123456789abcdef\"\nservices.api.ready.log = \"ready\"",
        )
        .file(
            "a.test.json",
            r#"{ "services": ["api"], "run": "sleep 1; false" }"#,
        );
    let child = suite.start(&[]);
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0_u64;
    while let Some(line) = fs::read_to_string(&status)
        .ok()
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("VmRSS:")).map(str::to_owned))
    {
        most = most.max(line.trim().trim_end_matches(" kB").parse().expect("a number"));
        thread::sleep(Duration::from_millis(20));
    }
    let run = suite.finish(child).expect_code(1);
    assert!(most < 64 << 10, "{most} KiB");
    assert!(run.stdout.contains("service api:"), "{}", run.stdout);
    assert!(run.stdout.len() < 64 << 10);
}

#[test]
fn explain_shows_what_a_case_runs_beside() {
    let suite = Suite::new().file("suite.toml", COUNTED).file("a.test.json", cases(&[&uses("a")]));
    let run = suite.run(&["explain", "a::uses a"]).expect_code(0);
    assert!(run.stdout.contains("services.api.run"), "{}", run.stdout);
    assert!(run.stdout.contains("suite.toml:3"), "{}", run.stdout);
}

#[test]
fn one_whose_port_was_taken_meanwhile_gets_another() {
    let script = r#"services.api.run = "echo {{ port }} >> '{{ dir }}/ports'; test $(wc -l < '{{ dir }}/ports') -gt TIMES || { echo 'bind: Address already in use' >&2; exit 1; }; echo ready; exec sleep 600"
services.api.ready.log = "^ready$""#;
    let suite = |times: &str| {
        Suite::new()
            .file("suite.toml", script.replace("TIMES", times))
            .file("a.test.json", cases(&[&uses("a")]))
    };
    let twice = suite("1");
    twice.run(&[]).expect_code(0);
    let ports = fs::read_to_string(twice.path().join("ports")).expect("written");
    assert_eq!(ports.lines().count(), 2, "{ports}");
    let never = suite("9");
    let run = never.run(&[]).expect_code(1);
    assert!(error(&run, "uses a").contains("exited with code 1 before it was ready"));
    assert_eq!(fs::read_to_string(never.path().join("ports")).expect("written").lines().count(), 2);
}

#[test]
fn a_run_that_is_interrupted_does_not_wait_until_it_is_ready() {
    let suite = Suite::new()
        .file(
            "suite.toml",
            "services.api.run = \"touch '{{ dir }}/runs'; exec sleep 607\"\nservices.api.ready.log = \"never\"",
        )
        .file("a.test.json", cases(&[&uses("a")]));
    let child = suite.start(&[]);
    let begin = Instant::now();
    while !suite.path().join("runs").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not start");
        thread::sleep(Duration::from_millis(10));
    }
    send(&child, Signal::INT);
    let begin = Instant::now();
    let run = suite.finish(child).expect_code(130);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(run.verdict("uses a").1.contains("not run"), "{}", run.stdout);
}
