//! What cases share: slots, locks, pools, the order that `after` asks for, and what is told of it.

use crate::support::Suite;

/// A script that adds one to the number in a file, and loses what others add meanwhile.
const ADD: &str = "n=$(cat '{{ dir }}/n'); echo $((n + 1)) > '{{ dir }}/n'";

/// A script that goes on when so many cases are in it at the same time, and fails when they never are.
fn meet(count: usize) -> String {
    format!(
        "mkdir -p '{{{{ dir }}}}/met'; : > '{{{{ dir }}}}/met/{{{{ case | replace('/', '.') }}}}'\n    \
         while [ $(ls '{{{{ dir }}}}/met' | wc -l) -lt {count} ]; do sleep 0.05; done"
    )
}

/// A script that fails when more than so many cases are in it at the same time.
fn at_most(count: usize) -> String {
    format!(
        "mkdir -p '{{{{ dir }}}}/in'; mine='{{{{ dir }}}}/in/'$$; mkdir $mine\n    \
         test $(ls '{{{{ dir }}}}/in' | wc -l) -le {count}; sleep 0.1; \
         test $(ls '{{{{ dir }}}}/in' | wc -l) -le {count}; rmdir $mine"
    )
}

/// A descriptor of one case for each number up to `count`.
fn cases(count: usize, keys: &str, script: &str) -> String {
    let numbers: Vec<_> = (1..=count).map(|number| number.to_string()).collect();
    format!("matrix: {{n: [{}]}}\ntimeout: 60s\n{keys}\nrun: |\n    {script}\n", numbers.join(", "))
}

#[test]
fn two_hundred_cases_under_one_lock_lose_nothing() {
    let suite = Suite::of("add.test.yaml", &cases(200, "locks: [n]", ADD)).file("n", "0\n");
    suite.run(&["-j", "16"]).expect_code(0);
    let count = std::fs::read_to_string(suite.path().join("n")).expect("there");
    assert_eq!(count.trim(), "200");
}

#[test]
fn shared_locks_overlap_and_keep_exclusive_ones_out() {
    let shared = cases(3, "locks: {db: shared}", &format!("test ! -e '{{{{ dir }}}}/alone'; {}", meet(3)));
    let alone = "test ! -e '{{ dir }}/alone'; : > '{{ dir }}/alone'; sleep 0.2; rm '{{ dir }}/alone'";
    let alone = cases(3, "locks: {db: exclusive}", alone);
    let suite = Suite::of("a.test.yaml", &alone).file("b.test.yaml", shared).file("c.test.yaml", alone);
    suite.run(&["-j", "8"]).expect_code(0);
}

#[test]
fn pools_and_weights_bound_how_many_run_at_once() {
    let suite = Suite::of("gpu.test.yaml", &cases(8, "pools: {gpu: 1}", &at_most(2)))
        .file("suite.toml", "pools = { gpu = 2 }");
    suite.run(&["-j", "8"]).expect_code(0);
    let declared = "[profile.default]\npools = { gpu = 1 }\n[profile.many]\npools = { gpu = 3 }\n";
    let suite =
        Suite::of("gpu.test.yaml", &cases(3, "pools: {gpu: 1}", &meet(3))).file("partest.toml", declared);
    suite.run(&["-j", "3", "--profile", "many"]).expect_code(0);
    let suite = Suite::of("heavy.test.yaml", &cases(6, "weight: 2", &at_most(1)));
    suite.run(&["-j", "3"]).expect_code(0);
    let suite = Suite::of("heavy.test.yaml", &cases(2, "weight: 100", &at_most(1)));
    suite.run(&["-j", "3"]).expect_code(0);
}

#[test]
fn cases_that_wait_run_beside_those_that_compute() {
    let suite = Suite::of("wait.test.yaml", &cases(6, "waits: true", &meet(7)))
        .file("compute.test.yaml", cases(1, "", &meet(7)));
    suite.run(&["-j", "1"]).expect_code(0);
    let few = cases(6, "waits: true", &at_most(1));
    let suite = Suite::of("wait.test.yaml", &few);
    let mut command = suite.command(&["-j", "4"]);
    command.env("PARTEST_IO_JOBS", "1");
    suite.finish_command(command).expect_code(0);
}

const ORDERED: &str = "
cases:
  - { name: last, after: ['first', 'more::*'], run: \"test -e '{{ dir }}/done'\" }
  - { name: first, run: \"sleep 0.2; : > '{{ dir }}/done'\" }
  - { name: fails, run: 'exit 3' }
  - { name: never, after: [fails], run: 'exit 0' }
  - { name: not either, after: [never], run: 'exit 0' }
";

#[test]
fn a_case_runs_after_others_have_passed_or_is_skipped() {
    let suite = Suite::of("order.test.yaml", ORDERED).file("more.test.yaml", "run: sleep 0.1");
    let run = suite.run(&["-j", "4"]).expect_code(1);
    assert_eq!(run.verdict("last").0, "passed");
    let reason = |id: &str| format!("runs after order::{id}, which has not passed");
    assert_eq!(run.verdict("never"), ("skipped", reason("fails")));
    assert_eq!(run.verdict("not either"), ("skipped", reason("never")));
    assert!(run.stdout.contains(&reason("fails")), "{}", run.stdout);

    let chosen = suite.run(&["--exact", "order::last"]).expect_code(0);
    assert_eq!(chosen.report().tests, 3, "it brings those that it runs after");
    let past = suite.run(&["report", "--from", "last"]).expect_code(0);
    assert!(past.stdout.contains("3 passed"), "{}", past.stdout);
}

#[test]
fn an_order_that_cannot_be_is_told_before_the_run() {
    let circle = "
cases:
  - { name: a, after: [b], run: 'true' }
  - { name: b, after: [c], run: 'true' }
  - { name: c, after: [a], run: 'true' }
  - { name: d, after: [z], run: 'true' }
  - { name: fine, run: 'true' }
";
    let suite = Suite::of("x.test.yaml", circle);
    let run = suite.run(&[]).expect_code(2);
    assert!(run.stdout.contains("x.test.yaml:3:24"), "{}", run.stdout);
    assert!(run.stdout.contains("x::a → x::b → x::c → x::a"), "{}", run.stdout);
    assert!(run.stdout.contains("x.test.yaml:6:24"), "{}", run.stdout);
    for line in [
        "3 |   - { name: a, after: [b], run: 'true' }\n    |   |                        ^\n",
        "= help: take one of these",
    ] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
    assert_eq!(run.verdict("fine").0, "passed");
    let checked = suite.run(&["check"]).expect_code(2);
    assert!((checked.stdout + &checked.stderr).contains("x::b → x::c → x::a → x::b"));
}

#[test]
fn what_a_case_takes_is_shown() {
    let text = "run: 'true'\nwaits: true\nlocks: {db: shared}\npools: {gpu: 1}\n";
    let suite = Suite::of("a.test.yaml", text)
        .file("suite.yaml", "pools: {gpu: 2}")
        .file("b.test.yaml", "run: 'true'\nafter: ['a::a']\n");
    let explained = suite.run(&["explain", "a::a"]).expect_code(0).stdout;
    assert!(explained.contains("takes 1 I/O slot, lock db shared, 1 of pool gpu (`waits`)"), "{explained}");
    let listed = suite.run(&["--list", "-v"]).expect_code(0).stdout;
    assert!(listed.contains("a::a  # 1 I/O slot, lock db shared, 1 of pool gpu (`waits`)\n"), "{listed}");
    assert!(listed.contains("b::b  # 1 CPU slot (a step of it may compute), after a::a\n"), "{listed}");
    assert_eq!(suite.run(&["--list"]).expect_code(0).stdout, "a::a\nb::b\n");
    let json = suite.run(&["--list", "--format", "json"]).expect_code(0).stdout;
    assert!(json.contains("\"takes\": \"1 I/O slot, lock db shared, 1 of pool gpu (`waits`)\""), "{json}");
}

#[test]
fn slots_are_settings() {
    let suite = Suite::of("a.test.yaml", "run: 'true'")
        .file("partest.toml", "[profile.default]\nio_jobs = 8\npools = { gpu = 2 }\n");
    let shown = suite.run(&["config"]).expect_code(0).stdout;
    let shows = |name: &str, value: &str| {
        let row = |line: &str| {
            line.split_once('=')
                .is_some_and(|(key, rest)| key.trim() == name && rest.trim_start().starts_with(value))
        };
        shown.lines().any(row)
    };
    assert!(shows("io_jobs", "8") && shows("pools", "{ gpu = 2 }"), "{shown}");
    suite.run(&["--io-jobs", "0"]).expect_code(2);
    let mut command = suite.command(&[]);
    command.env("PARTEST_IO_JOBS", "none");
    let run = suite.finish_command(command).expect_code(2);
    assert!(run.stderr.contains("PARTEST_IO_JOBS:1:1"), "{}", run.stderr);
    let wrong = Suite::of("partest.toml", "[profile.default]\npools = { gpu = 0 }\n").run(&[]).expect_code(2);
    assert!(wrong.stderr.contains("partest.toml:2:17"), "{}", wrong.stderr);
}

#[test]
fn nothing_of_a_pool_that_nobody_declares_is_a_mistake_too() {
    let run = Suite::of("a.test.yaml", "run: 'true'\npools: {gpu: 0}\n").run(&["check"]).expect_code(2);
    assert!(run.stdout.contains("there is no pool `gpu`"), "{}", run.stdout);
}
