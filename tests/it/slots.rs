//! The numbers of slots, by which cases tell themselves apart.

use std::fs;

use crate::support::Suite;

/// A script that fails when another case has the same slot at the same time, and says which it has.
const ALONE: &str = "test {{ slot }} = $PARTEST_SLOT; d=$PARTEST_RUN_DIR/slot-{{ slot }}; mkdir $d; sleep 0.02; rmdir $d; \
                     echo {{ slot }} >> {{ dir }}/seen-$KIND";

fn seen(suite: &Suite, kind: &str) -> Vec<usize> {
    let text = fs::read_to_string(suite.path().join(format!("seen-{kind}"))).expect("cases ran");
    let mut seen: Vec<usize> = text.lines().map(|line| line.parse().expect("a number")).collect();
    seen.sort_unstable();
    seen
}

#[test]
fn no_two_cases_have_the_same_slot_at_the_same_time() {
    let case = |name: &str, keys: &str, kind: &str| {
        format!(r#"{{ "name": "{name}", {keys}, "env": {{ "KIND": "{kind}" }}, "run": "{ALONE}" }}"#)
    };
    let cases = [
        case("computes {{ n }}", r#""matrix": { "n": [1, 2, 3, 4, 5, 6, 7, 8] }"#, "cpu"),
        case("is heavy", r#""weight": 2"#, "cpu"),
        case("waits {{ n }}", r#""matrix": { "n": [1, 2, 3, 4, 5, 6] }, "waits": true"#, "io"),
        case("is alone", r#""exclusive": true"#, "alone"),
    ];
    let suite = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(",")));
    suite.run(&["-j", "3", "--io-jobs", "2", "--repeat", "3"]).expect_code(0);
    let (cpu, io) = (seen(&suite, "cpu"), seen(&suite, "io"));
    assert_eq!((cpu.len(), io.len()), (27, 18));
    assert!(cpu.iter().all(|slot| *slot < 3) && cpu.contains(&0) && cpu.contains(&1), "{cpu:?}");
    assert!(io.iter().all(|slot| (3..5).contains(slot)) && io.contains(&3) && io.contains(&4), "{io:?}");
    assert_eq!(seen(&suite, "alone"), [0, 0, 0], "the smallest that is free");
}

#[test]
fn steps_retries_and_hooks_have_one_slot() {
    let suite = Suite::of(
        "a.test.yaml",
        "
cases:
- name: retries {{ n }}
  matrix: { n: [1, 2, 3, 4] }
  retries: { count: 2, delay: 10ms }
  steps:
  - run: 'echo {{ slot }} >> {{ dir }}/{{ n }}; mkdir $PARTEST_RUN_DIR/{{ slot }}'
  - run: rmdir $PARTEST_RUN_DIR/$PARTEST_SLOT; test {{ attempt }} = 3
- name: at once
  retries: 2
  run: 'echo {{ slot }} >> {{ dir }}/once; test {{ attempt }} = 3'
",
    )
    .file(
        "suite.yaml",
        "setup: [{run: 'test -n \"{{ slot }}\"'}]\nteardown: [{run: 'test -n \"$PARTEST_SLOT\"'}]\n",
    );
    suite.run(&["-j", "2"]).expect_code(0);
    let lines = |name: &str| fs::read_to_string(suite.path().join(name)).expect("it ran");
    for n in 1..=4 {
        assert!(lines(&n.to_string()).lines().all(|slot| ["0", "1"].contains(&slot)), "{}", lines("1"));
    }
    let once = lines("once");
    assert!(["0\n0\n0\n", "1\n1\n1\n"].contains(&&*once), "{once}");
}

#[test]
fn what_runs_beside_several_cases_has_no_slot() {
    let service = "services: { s: { run: 'a {{ slot }}' } }\ncases: [{ name: a, run: 'true' }]\n";
    let worker = "worker: 'w {{ slot }}'\ncall: 1\n";
    let run = Suite::of("a.test.yaml", service).file("b.test.yaml", worker).run(&[]).expect_code(2);
    let of_a_service = "`slot` belongs to a case, and a service runs beside several";
    let of_a_worker = "a worker serves many cases, and has no `slot` of its own";
    for words in [of_a_service, of_a_worker, "a.test.yaml:1:26", "b.test.yaml:1:9", "^^^"] {
        assert!(run.stdout.contains(words), "{words}: {}", run.stdout);
    }
    let suite = Suite::of(
        "a.test.yaml",
        "services: { s: { run: 'test -z \"${PARTEST_SLOT-}\" && exec sleep 60', ready: { run: 'true' } } }\ncases:\n- { name: a, services: [s], run: sleep 0.1 }\n",
    );
    suite.run(&[]).expect_code(0);
}
