//! Limits on what cases and the runner may use.

use serde_json::{Value, json};

use crate::support::{Run, Suite};

/// Runs the command below a shell that sets its own limits first.
fn with_limits(suite: &Suite, ulimit: &str, arguments: &str) -> Run {
    suite.finish_command(suite.command_after(ulimit, arguments))
}

/// Cases that ask what they may use.
fn asking(count: usize, expected: &str) -> Suite {
    let case = |n: usize| {
        format!(
            r#"{{ "name": "c{n}", "run": "sleep 0.05; ulimit -Sn", "expect": {{ "stdout": "{expected}\n" }} }}"#
        )
    };
    let cases: Vec<String> = (0..count).map(case).collect();
    Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")))
}

#[test]
fn many_jobs_raise_the_soft_limit_and_cases_keep_the_original_one() {
    let run = with_limits(&asking(150, "64"), "ulimit -Sn 64", "-j 100").expect_code(0);
    assert_eq!(run.report().tests, 150);
    assert_eq!(run.stderr, "");
}

#[test]
fn a_hard_limit_leaves_fewer_jobs_and_no_verdict_changes() {
    for (limit, room) in [("40", 2), ("48", 4), ("64", 8), ("256", 56)] {
        let run = with_limits(&asking(120, limit), &format!("ulimit -n {limit}"), "-j 2000").expect_code(0);
        assert_eq!(run.report().tests, 120);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        let words = format!("{room} cases at a time instead of 120: ");
        assert!(run.stderr.contains(&words), "{}", run.stderr);
    }
}

/// Cases that need more than their share of descriptors for a while, in every way there is.
fn greedy() -> Suite {
    let each = json!({ "n": [1, 2, 3] });
    let all = |name: &str, rest: Value| {
        let mut case = json!({ "name": format!("{name} {{{{ n }}}}"), "matrix": each, "timeout": "60s" });
        let rest = rest.as_object().cloned().unwrap_or_default();
        case.as_object_mut().expect("an object").extend(rest);
        case
    };
    let deep = "mkdir -p x/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15; chmod 0 x/1/2/3; cat a/b/c";
    let flood = "head -c 9000000 /dev/zero; head -c 9000000 /dev/zero >&2";
    let worker = "while read -r q; do sleep 0.01 & sleep 0.02; wait; echo '{\"outcome\":\"pass\"}'; done";
    let long = "x".repeat(200_000);
    let counted = json!({ "stdout": { "contains": "200000" } });
    let cases = [
        all("input", json!({ "run": "sleep 0.05; wc -c", "stdin": long, "expect": counted })),
        all("ignored input", json!({ "run": "sleep 0.1", "stdin": long })),
        all("files", json!({ "run": deep, "files": { "a/b/c": "hi\n" }, "expect": { "stdout": "hi\n" } })),
        all("flood", json!({ "run": flood, "stdin": long, "limits": { "processes": 9 } })),
        all("left", json!({ "run": "setsid sleep 60 & (setsid sleep 60 >&- 2>&- &); true", "leak": "warn" })),
        all(
            "late",
            json!({ "run": "sleep 60 & setsid sleep 60 & sleep 60", "timeout": "0.2s", "grace": "0.1s",
            "xfail": "late" }),
        ),
        all(
            "asks",
            json!({ "run": "sleep 0.05 & wc -c; wait", "stdin": long, "limits": { "processes": 9 },
            "expect": counted }),
        ),
        all(
            "kept",
            json!({ "run": "mkdir -p t/u/v; echo x > t/u/v/w; echo y > z", "outputs": ["t/**", "z"] }),
        ),
        all("called", json!({ "call": 1, "worker": worker, "limits": { "processes": 9 } })),
        all(
            "sql",
            json!({ "steps": [{ "run": ": > new.db" }, { "sql": { "url": "sqlite:{{ work }}/new.db", "query": "create table t (a)" } }] }),
        ),
    ];
    Suite::of("a.test.json", &json!({ "cases": cases }).to_string())
}

#[test]
fn few_descriptors_change_no_verdict() {
    for limit in ["40", "48", "64", "256"] {
        let suite = greedy();
        let run = with_limits(&suite, &format!("ulimit -n {limit}"), "-j 2000 --io-jobs 2000").expect_code(0);
        assert_eq!(run.report().tests, 30, "{}", run.stdout);
        assert!(run.stderr.lines().count() <= 1, "{}", run.stderr);
        let leaks = |name: &str| {
            run.case(name).properties.iter().filter(|property| property.name.as_str() == "leaked").count()
        };
        assert_eq!((leaks("left 1"), leaks("left 2"), leaks("left 3")), (2, 2, 2), "{}", run.stdout);
    }
}

#[test]
fn what_exceeds_a_limit_fails_and_names_it() {
    let suite = Suite::of(
        "a.test.yaml",
        r#"
cases:
  - name: memory
    run: ["python3", "-c", "a = []\nwhile True: a.append(bytes(1 << 20))"]
    limits: { memory: 100MiB }
  - name: cpu
    run: "while :; do :; done"
    limits: { cpu: 1s }
    timeout: 20s
  - name: size
    run: "head -c 300000 /dev/zero > big"
    limits: { file_size: 64KiB }
  - name: files
    run: ["python3", "-c", "a = [open('/dev/null') for _ in range(100)]"]
    limits: { open_files: 32 }
  - name: storm
    run: "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 30 & done; wait"
    limits: { processes: 10 }
  - name: scattered storm
    run: "for i in $(seq 60); do (setsid setsid sleep 5 >&- 2>&- &) ; done; sleep 5"
    limits: { processes: 10 }
  - name: within
    run: "ulimit -n; head -c 1000 /dev/zero > small; sleep 0.05 & wait"
    limits: { memory: 256MiB, cpu: 5s, file_size: 1MB, processes: 10, open_files: 100 }
    expect: { stdout: "100\n" }
  - name: unrelated
    run: "exit 3"
    limits: { memory: 64MiB }
  - name: unlimited
    run: "ulimit -d; ulimit -f; ulimit -t"
    expect: { stdout: "unlimited\nunlimited\nunlimited\n" }
"#,
    );
    let run = suite.run(&["-j", "4"]).expect_code(1);
    for (name, words) in [
        ("memory", "ran into limits.memory = 100MiB"),
        ("cpu", "ran into limits.cpu = 1s"),
        ("size", "ran into limits.file_size = 64KiB"),
        ("files", "ran into limits.open_files = 32"),
        ("storm", "exceeded limits.processes = 10: "),
        ("scattered storm", "exceeded limits.processes = 10: "),
        ("unrelated", "expected 0, found 3"),
    ] {
        let (verdict, message) = run.verdict(name);
        assert_eq!(verdict, "failure", "{name}");
        assert!(message.contains(words), "{name}: {message}");
    }
    assert_eq!(run.verdict("within").0, "passed", "{}", run.stdout);
    assert_eq!(run.verdict("unlimited").0, "passed", "{}", run.stdout);
    assert!(run.stdout.contains("limits in force: memory 64MiB"), "{}", run.stdout);
}

#[test]
fn what_cannot_be_started_is_told_as_without_limits() {
    let suite = Suite::of(
        "a.test.json",
        r##"{ "defaults": { "limits": { "open_files": 64 } }, "cases": [
          { "name": "format", "files": { "p": "#!/nowhere\n" }, "run": ["{{ work }}/p"] },
          { "name": "missing", "run": ["./missing"] }
        ] }"##,
    );
    let run = suite.run(&[]).expect_code(1);
    assert!(run.verdict("format").1.contains("bad interpreter \"/nowhere\""), "{}", run.stdout);
    assert!(run.verdict("missing").1.contains("program not found"), "{}", run.stdout);
}

#[test]
fn mistakes_are_located() {
    for (text, words) in [
        ("run: a\nlimits: { memory: 64 }", "a size needs a unit"),
        ("run: a\nlimits: { memory: 64M }", "`64M` is no size"),
        ("run: a\nlimits: { memory: 1KiB }", "the limit must be at least 1048576 bytes"),
        ("run: a\nlimits: { memroy: 1GiB }", "unknown key `memroy`"),
        ("run: a\nlimits: { processes: 0 }", "the limit must be at least 1"),
        ("run: a\nlimits: { open_files: 3 }", "the limit must be at least 8"),
        ("run: a\nlimits: { cpu: 2 }", "a duration needs a unit"),
        ("run: a\nleak: maybe", "`maybe` is no policy for leaks"),
        ("run: a\nisolation: sandbox", "`isolation: sandbox` is not supported by this version yet"),
        ("run: a\nnetwork: false", "`network` is not supported by this version yet"),
    ] {
        let suite = Suite::of("a.test.yaml", text);
        let run = suite.run(&[]).expect_code(2);
        assert!(run.stdout.contains(words), "{words}\n{}", run.stdout);
        assert!(run.stdout.contains("--> a.test.yaml:2:"), "{}", run.stdout);
    }
}

#[test]
fn leaks_mean_what_the_case_says() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "defaults": { "run": "setsid sleep 60 >/dev/null 2>&1 &" }, "cases": [
          { "name": "fail", "leak": "fail" },
          { "name": "warn" },
          { "name": "allow", "leak": "allow" },
          { "name": "clean", "leak": "fail", "run": "true" }
        ] }"#,
    );
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("fail"), ("failure", "left 1 process behind, killed".to_owned()));
    for name in ["warn", "allow", "clean"] {
        assert_eq!(run.verdict(name).0, "passed", "{name}");
    }
    let leaks = |name| run.case(name).properties.iter().filter(|p| p.name.as_str() == "leaked").count();
    assert_eq!((leaks("fail"), leaks("warn"), leaks("allow"), leaks("clean")), (1, 1, 0, 0));
}

#[test]
fn a_daemon_that_hides_is_told_by_its_folder_while_others_run() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "cases": [
          { "name": "hides", "run": "env -i setsid sleep 60 <&- >&- 2>&- & sleep 0.3" },
          { "name": "runs beside it", "run": "until [ -e '{{ run_dir }}/over' ]; do sleep 0.05; done" },
          { "name": "comes after it", "after": ["hides"], "run": "touch '{{ run_dir }}/over'" }
        ] }"#,
    );
    let run = suite.run(&["-j", "2", "--order", "path"]).expect_code(0);
    let case = run.case("hides");
    let leaked: Vec<_> = case.properties.iter().filter(|p| p.name.as_str() == "leaked").collect();
    assert!(matches!(leaked[..], [one] if one.value.as_str().contains("sleep 60")), "{leaked:?}");
}
