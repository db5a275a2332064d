//! Values that steps give to later steps.

use crate::support::Suite;

#[test]
fn captured_values_keep_their_types_and_reach_every_kind_of_text() {
    let suite = Suite::of(
        "a.test.yaml",
        r#"
name: a
steps:
  - run: |
      echo '{"id": 7, "pi": 3.5, "name": "7", "deep": {"list": [1, 2]}, "odd": "{{ '{{' }} dir }}"}'
    capture:
      id: {jsonpath: $.id}
      name: {jsonpath: $.name}
      deep: {jsonpath: $.deep}
      all: {jsonpath: '$.deep.list[*]'}
      odd: {jsonpath: $.odd}
  - run: |
      cat > out-{{ id }}; echo '{"id": 7, "name": "7", "deep": {"list": [1, 2]}, "odd": "{{ odd }}"}'
    stdin: "{{ id + 1 }} {{ deep.list[1] }} {{ all | length }}"
    expect:
      stdout:
        json: {id: "{{ id }}", name: "{{ name }}", deep: "{{ deep }}", odd: "{{ odd }}"}
        exact: true
        jsonpath: {$.deep.list: "{{ all }}", $.id: "{{ id }}"}
      files: {"out-{{ id }}": "8 2 2"}
  - run: echo '{"id":"7"}'
    expect: {stdout: {json: {id: "{{ id }}"}}}
"#,
    );
    let run = suite.run(&[]).expect_code(1);
    assert!(run.verdict("a").1.contains(r#"$.id: expected 7, found "7""#), "{:?}", run.verdict("a"));
}

#[test]
fn a_capture_that_finds_nothing_fails_its_step_and_shows_what_there_was() {
    for (capture, message) in [
        ("{jsonpath: $.id}", "stdout: $.id finds nothing (captured as `x`)"),
        (r"{regex: 'id=(\d+)'}", r#"stdout does not match "id=(\\d+)" (captured as `x`)"#),
        ("{regex: 'no(x)?'}", r#"stdout matches "no(x)?", but no group of it takes part (captured as `x`)"#),
        ("{line: 2}", "stdout has no line 2, only 1"),
        ("{line: -2}", "stdout has no line -2, only 1"),
        ("{from: {file: out}}", "file out does not exist"),
        ("{jsonpath: $.a, from: stderr}", "stderr is not JSON: it is empty"),
    ] {
        let text = format!(
            "name: a\nsteps:\n  - run: echo '{{\"no\":1}}'\n    capture: {{x: {capture}}}\n  - run: touch {{{{ dir }}}}/ran-{{{{ x }}}}\n"
        );
        let suite = Suite::of("a.test.yaml", &text);
        let run = suite.run(&[]).expect_code(1);
        assert!(run.verdict("a").1.contains(message), "{message}: {:?}", run.verdict("a"));
        assert!(run.stdout.contains("a.test.yaml:4:15"), "{}", run.stdout);
        assert!(run.stdout.contains(r#"| {"no":1}"#), "{}", run.stdout);
        assert_eq!(std::fs::read_dir(suite.path()).expect("readable").count(), 2, "the next step ran");
    }
}

#[test]
fn what_was_never_made_is_not_cleaned_up() {
    let suite = Suite::of(
        "a.test.yaml",
        "
name: a
steps:
  - {run: echo 1, expect: {exit: 2}, capture: {id: stdout}}
  - {run: 'touch {{ dir }}/removed-{{ id }}', always: true}
  - {run: 'touch {{ dir }}/always', always: true}
",
    );
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("a"), ("failure", "step 1 of 3: exit: expected 2, found 0".to_owned()));
    assert!(suite.path().join("always").exists() && !suite.path().join("removed-1").exists());
}

#[test]
fn every_attempt_captures_anew() {
    let suite = Suite::of(
        "a.test.yaml",
        "
name: a
retries: 1
steps:
  - {run: 'echo {{ attempt }}', capture: {n: {regex: '.'}}}
  - {run: 'test {{ n }} = 2'}
",
    );
    suite.run(&[]).expect_code(0);
}

#[test]
fn names_are_known_before_anything_runs() {
    for (steps, place, message, help) in [
        ("[{run: a, capture: {id: stdout}}, {run: 'b {{ ib }}'}]", "{{ ib", "unknown variable `ib`", "`id`"),
        ("[{run: 'b {{ id }}', capture: {id: stdout}}]", "{{ id", "`id` is used before", "after"),
        ("[{run: 'b {{ id }}'}, {run: a, capture: {id: stdout}}]", "{{ id", "`id` is used before", "after"),
        ("[{run: a, capture: {id: stdin}}]", "stdin", "`stdin` is no output", "known outputs"),
        ("[{run: a, capture: {dir: stdout}}]", "dir", "already has a meaning", "another name"),
        (
            "[{run: a, capture: {v: stdout}}]\nvars: {v: 1}",
            "v: stdout",
            "is a variable already",
            "another name",
        ),
        ("[{run: a, capture: {a-b: stdout}}]", "a-b", "no name for a variable", "letters"),
        ("[{run: a, capture: {x: {regex: '('}}}]", "('}", "not a regular expression", ""),
        ("[{run: a, capture: {x: {jsonpath: b}}}]", "b}", "no JSONPath", "begins with `$`"),
        ("[{run: a, capture: {x: {line: 0}}}]", "0}", "no line 0", "-1"),
        ("[{run: a, capture: {x: {}}}]", "{}", "nothing is said", "`jsonpath`"),
        ("[{run: a, capture: {x: {line: 1, regex: a}}}]", "{line", "only one of", "name of its own"),
        ("[{run: a}]\ncapture: {x: stdout}", "capture", "`capture` beside `steps`", "one of the steps"),
        (
            "[{run: a, capture: {x: stdout}}]\nenv: {A: '{{ x }}'}",
            "{{ x",
            "`x` is used before",
            "steps after",
        ),
    ] {
        let text = format!("name: a\nsteps: {steps}\n");
        let before = &text[..text.find(place).expect(place)];
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        let line = before.matches('\n').count() + 1;
        let run = Suite::of("a.test.yaml", &text).run(&["--list"]).expect_code(2);
        assert!(run.stderr.contains(&format!("a.test.yaml:{line}:{column}")), "{text}{}", run.stderr);
        assert!(run.stderr.contains(message), "{text}{}", run.stderr);
        assert!(run.stderr.contains(help), "{text}{}", run.stderr);
    }
    let suite = Suite::of("a.test.yaml", "defaults: {capture: {x: stdout}}\ncases: [{name: a, run: a}]\n");
    let run = suite.run(&["--list"]).expect_code(2);
    assert!(run.stderr.contains("`capture` cannot be a default"), "{}", run.stderr);
}
