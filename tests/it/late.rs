//! Values that only the run knows, wherever a number, a duration or an expression can stand.

use crate::support::Suite;

/// What the first step captures: a text for each line but the last, which is JSON.
const FIRST: &str = r#"
  - run: printf '3\n5s\nid\n$.u[1]\n00ff\nTERM\ntrue\n;\n10ms\n{"two":2,"codes":[3,4]}\n'
    capture: {n: {line: 1}, d: {line: 2}, id: {line: 3}, path: {line: 4}, hex: {line: 5}, sig: {line: 6}, yes: {line: 7}, semi: {line: 8}, short: {line: 9}, last: {line: -1}}
  - run: [echo, "{{ last }}"]
    capture: {two: {jsonpath: $.two}, codes: {jsonpath: $.codes}}
"#;

/// A case for each of these lists of steps, after the first.
fn cases(steps: &[&str]) -> Suite {
    let case = |(number, steps): (usize, &&str)| {
        let steps = steps.trim().replace('\n', "\n    ");
        let first = FIRST.replace("\n", "\n  ");
        format!("- name: c{number}\n  env: {{A: x}}\n  steps:{}\n    {steps}\n", first.trim_end())
    };
    let text: String = steps.iter().enumerate().map(case).collect();
    Suite::of("a.test.yaml", &format!("cases:\n{text}"))
}

#[track_caller]
fn all_pass(steps: &[&str]) {
    let suite = cases(steps);
    suite.run(&["check"]).expect_code(0);
    let run = suite.run(&[]);
    assert!(run.code == 0, "{}{}", run.stdout, run.stderr);
}

#[test]
fn expectations_of_processes_can_be_captured() {
    all_pass(&[
        "- {run: 'exit 3', expect: {exit: '{{ n }}'}}",
        "- {run: 'exit 4', expect: {exit: '{{ n | int + 1 }}'}}",
        "- {run: 'exit 4', expect: {exit: '{{ codes }}'}}",
        "- {run: 'exit 3', expect: {exit: [1, '{{ n }}']}}",
        "- {run: 'exit 1', expect: {exit: '{{ attempt }}'}}",
        "- {run: 'kill -TERM $$', expect: {signal: '{{ sig }}'}}",
        "- {run: 'touch f', expect: {files: {f: {exists: '{{ yes }}', empty: '{{ yes }}'}}}}",
    ]);
}

#[test]
fn matchers_can_be_captured() {
    all_pass(&[
        "- {run: 'echo id=id', expect: {stdout: {matches: ['^id={{ id }}$', '{{ id }}']}}}",
        "- {run: pwd, expect: {stdout: {matches: '^{{ work | regex_escape }}$'}}}",
        "- {run: echo x, expect: {stdout: {matches: '^{{ env.A }}$', not: {matches: '{{ id }}'}}}}",
        "- {run: echo 3, expect: {stdout: {number: '{{ n }}', one_of: [{matches: '^{{ n }}$'}, x]}}}",
        "- {run: echo 5, expect: {stdout: {number: {equals: '{{ n }}', tolerance: '{{ two }}'}}}}",
        "- {run: echo id=3, expect: {stdout: {number: {from: '{{ id }}=(.*)', min: '{{ two }}', max: 3}}}}",
        r#"- {run: "printf '\\000\\377'", expect: {stdout: {bytes: '{{ hex }}'}}}"#,
        r#"- {run: "printf 'a\\000\\377'", expect: {stdout: {bytes: {hex: '{{ hex }}', at: '{{ two - 1 }}'}}}}"#,
        r#"- {run: "echo '{\"u\":[1,7,9]}'", expect: {stdout: {jsonpath: {'$.u[{{ two }}]': 9, '{{ path }}': 7}}}}"#,
        r#"- {run: "echo '{\"id\":3}'", expect: {stdout: {json: {'{{ id }}': 3}, exact: true}}}"#,
        r#"- {run: echo 3, expect: {stdout: {normalize: {replace: '{{ n }}', with: '<{{ id }}>'}, equals: "<id>\n"}}}"#,
        "- {run: 'echo 3 > t'}\n- {file: t, expect: {content: {matches: '^{{ n }}$'}, size: '{{ two }}', exists: '{{ yes }}'}}",
        "- {run: 'printf \"a;b\\n1;2\\n\" > t'}\n- {file: {path: t, delimiter: '{{ semi }}'}, expect: {rows: '{{ two - 1 }}'}}",
    ]);
}

#[test]
fn digits_mean_the_same_whether_they_are_known_before_or_only_now() {
    let digest = "EDEAAFF3F1774AD2888673770C6D64097E391BC362D7D6FB34982DDF0EFD18CB";
    all_pass(&[
        "- {run: 'printf \"a\\\\n1\\\\n\" > t; echo \"[{\\\"a\\\": 1}]\"', capture: {rows: {jsonpath: $}}}\n- {file: t, expect: {rows: {json: '{{ rows }}'}}}",
        &format!(
            "- {{run: 'echo abc > t; echo {digest}', capture: {{sum: stdout}}}}\n- {{file: t, expect: {{sha256: '{{{{ sum }}}}'}}}}"
        ),
        "- {run: 'touch t; chmod 640 t; echo 640', capture: {mode: stdout}}\n- {file: t, expect: {mode: '{{ mode }}'}}",
        "- {run: 'touch t; chmod 640 t; echo 640', capture: {mode: {jsonpath: $}}}\n- {file: t, expect: {mode: '{{ mode }}'}}",
    ]);
}

#[test]
fn captures_times_and_statements_can_use_what_was_captured() {
    all_pass(&[
        "- {run: echo id=7, capture: {x: {regex: '{{ id }}=(.*)'}}}\n- {run: 'test {{ x }} = 7'}",
        r#"- {run: "printf '1\\n2\\n3'", capture: {x: {line: '{{ two }}'}}}
- {run: 'test {{ x }} = 2'}"#,
        r#"- {run: "echo '{\"u\":[1,7]}'", capture: {x: {jsonpath: '{{ path }}'}}}
- {run: 'test {{ x }} = 7'}"#,
        "- {sql: {url: 'sqlite::memory:', query: 'select 5 as id'}, capture: {x: {column: '{{ id }}', from: rows}}, expect: {columns: ['{{ id }}']}}\n- {run: 'test {{ x }} = 5'}",
        "- {sql: {url: 'sqlite::memory:', query: 'select hex(?) as a', params: [{hex: '{{ hex }}'}], transaction: '{{ yes }}', busy_timeout: '{{ d }}'}, expect: {rows: [{a: 00FF}]}}",
        "- {sql: {url: 'sqlite::memory:', query: 'create table t(a); insert into t values (1), (2)'}, expect: {rows_affected: {min: '{{ two }}'}}}",
        "- {sleep: '{{ short }}', timeout: '{{ d }}'}",
        "- {run: 'echo x >> n; test $(wc -l < n) -ge 2', until: {every: '{{ short }}', for: '{{ d }}'}}",
        "- {run: 'echo {{ id[1:] }}', expect: {stdout: \"d\\n\"}}",
    ]);
}

#[cfg(feature = "http")]
#[test]
fn requests_and_answers_can_use_what_was_captured() {
    let server = crate::support::server::Server::start();
    let step = "- http: {url: 'URL/echo/it', method: '{{ env.A }}', headers: {'x-{{ id }}': '1'}, follow: '{{ two }}', timeouts: {connect: '{{ d }}'}}
  expect: {status: ['{{ n }}04', '{{ two * 100 }}'], headers: {'content-{{ env.T }}': application/json}, duration: {max: '{{ d }}0'}, jsonpath: {\"$.headers['x-{{ id }}']\": '1'}}
  capture: {kind: {header: 'Content-{{ env.T }}'}}
- {run: 'test {{ kind }} = application/json'}";
    let suite = cases(&[&step.replace("URL", &server.url())]);
    let text = std::fs::read_to_string(suite.path().join("a.test.yaml")).expect("written");
    let text = text.replace("env: {A: x}", "env: {A: PUT, T: type}").replace("{{ d }}0", "5{{ d }}");
    let run = suite.file("a.test.yaml", text).run(&[]);
    assert!(run.code == 0, "{}{}", run.stdout, run.stderr);
}

#[track_caller]
fn fails(step: &str, message: &str) {
    let suite = cases(&[step]);
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("c0").0, "error", "{step}");
    assert!(run.verdict("c0").1.contains(message), "{step}: {:?}", run.verdict("c0"));
}

#[test]
fn what_cannot_stand_there_is_an_error_of_the_step_before_it_acts() {
    for (step, message) in [
        ("expect: {exit: '{{ id }}'}", r#""{{ id }}" is "id" here: expected an exit code"#),
        ("expect: {exit: '{{ two * 200 }}'}", r#""{{ two * 200 }}" is 400 here: 400 is no exit code"#),
        ("expect: {exit: ['{{ n }}', '{{ id }}']}", r#"is ["3","id"] here: expected an exit code"#),
        ("expect: {signal: '{{ id }}'}", "`id` is no signal"),
        (
            "expect: {stdout: {matches: '({{ id }}'}}",
            r#""({{ id }}" is "(id" here: not a regular expression: unclosed group"#,
        ),
        ("expect: {stdout: {matches: '{{ id * 100000 }}'}}", "not a regular expression: longer than 64 KiB"),
        ("expect: {stdout: {matches: '({{ id }}{1000}){1000}'}}", "too large when it is compiled"),
        ("expect: {stdout: {number: '{{ id }}'}}", r#""{{ id }}" is "id" here: expected a number"#),
        ("expect: {stdout: {number: {equals: 1, tolerance: '-{{ n }}'}}}", "`tolerance` is negative"),
        ("expect: {stdout: {jsonpath: {'$.u[{{ hex }}}': 1}}}", "`$.u[00ff}` is no JSONPath"),
        ("expect: {stdout: {jsonpath: {'{{ path }}..*..*': 1}}}", "one `..` at most"),
        ("expect: {stdout: {not: {one_of: [{matches: '[{{ id }}'}]}}}", "not a regular expression"),
        ("capture: {x: {line: '{{ two - 2 }}'}}", "there is no line 0"),
        ("timeout: '{{ id }}'", "`id` is no duration"),
        ("timeout: '{{ two }}'", "a duration needs a unit"),
        ("until: {every: '{{ d }}', for: 1s}", "`every` must be shorter than `for`"),
        ("expect: {exit: '{{ codes[7] }}'}", "cannot be rendered: `codes[7]` has no value"),
    ] {
        fails(&format!("- run: 'true'\n  {step}"), message);
    }
    let suite = cases(&["- run: 'touch {{ dir }}/ran'\n  expect: {exit: '{{ id }}'}\n  until: {for: 20s}"]);
    let run = suite.run(&[]).expect_code(1);
    assert!(!suite.path().join("ran").exists(), "the step ran");
    assert!(run.stdout.contains("a.test.yaml:10:22"), "{}", run.stdout);
    fails("- {sleep: '{{ id }}'}", "`id` is no duration");
    fails("- {file: f, expect: {sha256: '{{ id }}'}}", r#""{{ id }}" is "id" here: `id` is no SHA-256"#);
    fails("- {file: f, expect: {rows: '{{ codes }}'}}", "is [3,4] here: expected a number of rows");
    fails("- {file: f, expect: {mode: '{{ id }}'}}", r#""{{ id }}" is "id" here: `id` are no permissions"#);
    fails(
        "- {file: f, expect: {exists: '{{ n == 4 }}', size: 3}}",
        "nothing else can be expected of a file that does not exist",
    );
}

#[test]
fn an_expectation_without_a_value_is_an_error_of_the_step_and_no_failure_that_is_tried_again() {
    for (expect, message) in [
        ("stdout: '{{ codes[7] }}'", r#""{{ codes[7] }}" cannot be rendered: `codes[7]` has no value"#),
        ("stdout: {one_of: [{lines: ['{{ codes[7] }}']}]}", "cannot be rendered"),
        ("stdout: {json: {a: ['{{ codes[7] }}']}}", r#"{"a":["{{ codes[7] }}"]} cannot be rendered"#),
        ("stdout: {json: {'{{ id }}': 1, id: 2}}", "stands twice"),
        ("stdout: {jsonpath: {$.a: {not: '{{ codes[7] }}'}}}", "cannot be rendered"),
        ("stdout: {normalize: {replace: a, with: '{{ codes[7] }}'}, equals: x}", "cannot be rendered"),
        ("stdout: {file: '{{ codes[7] }}'}", "the path of the golden file cannot be rendered"),
        (r#"stdout: {file: "{{ ['..', '..', '..', id] | join('/') }}"}"#, "lies outside of the project"),
        ("files: {'{{ codes[7] }}': {exists: false}}", "cannot be rendered"),
    ] {
        fails(&format!("- run: 'false'\n  until: {{for: 20s}}\n  expect: {{{expect}}}"), message);
    }
}

#[test]
fn unknown_names_are_told_before_anything_runs() {
    for step in [
        "expect: {exit: '{{ nope }}'}",
        "expect: {exit: [1, '{{ nope[1:] }}']}",
        "expect: {stdout: {matches: 'a{{ nope }}'}}",
        "expect: {stdout: {number: {min: '{{ nope }}'}}}",
        "expect: {stdout: {jsonpath: {'$.a[{{ nope }}]': 1}}}",
        "expect: {stdout: {json: {'{{ nope }}': 1}}}",
        "expect: {stdout: {normalize: {replace: a, with: '{{ nope }}'}, equals: b}}",
        "capture: {x: {regex: '{{ nope }}'}}",
        "timeout: '{{ nope }}'",
        "until: {for: '{{ nope }}'}",
    ] {
        let run = cases(&[&format!("- run: 'true'\n  {step}")]).run(&["check"]).expect_code(2);
        assert!(run.stdout.contains("unknown variable `nope`"), "{step}: {}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains("a.test.yaml:10:"), "{step}: {}", run.stdout);
    }
    for step in ["expect: {stdout: {number: {tolerance: '{{ n }}'}}}", "expect: {exit: ['{{ n }}', 300]}"] {
        cases(&[&format!("- run: 'true'\n  {step}")]).run(&["check"]).expect_code(2);
    }
}

#[test]
fn a_secret_in_an_expression_is_masked() {
    let text = "
name: a
env: {TOKEN: s3cret(value}
secrets: [TOKEN]
steps:
  - {run: 'echo \"$TOKEN\"', capture: {token: stdout}}
  - {run: 'echo other', expect: {stdout: {matches: STEP}}}
";
    for (step, message) in [
        ("'^{{ token | regex_escape }}$'", "stdout does not match"),
        ("'^{{ token }}$'", "not a regular expression"),
    ] {
        let suite = Suite::of("a.test.yaml", &text.replace("STEP", step));
        let run = suite.run(&[]).expect_code(1);
        assert!(run.verdict("a").1.contains(message), "{:?}", run.verdict("a"));
        let journal = suite.run(&["report", "--from", "last", "-vv"]);
        for told in [&run.stdout, &journal.stdout, run.junit.as_deref().unwrap_or_default()] {
            assert!(!told.contains("s3cret") && !told.contains("value$"), "{told}");
        }
    }
}

#[test]
fn the_three_formats_agree_and_explain_shows_the_template() {
    let first = r#"{"run": "echo 3", "capture": {"n": "stdout"}}"#;
    let json = format!(
        r#"{{"name": "a", "steps": [{first}, {{"run": "exit 3", "expect": {{"exit": "{{{{ n }}}}"}}, "timeout": "{{{{ n }}}}s"}}]}}"#
    );
    let toml = "name = 'a'\n[[steps]]\nrun = 'echo 3'\ncapture = { n = 'stdout' }\n[[steps]]\nrun = 'exit 3'\nexpect = { exit = '{{ n }}' }\ntimeout = '{{ n }}s'\n";
    let suite = Suite::of("a.test.json", &json).file("b.test.toml", toml);
    suite.run(&[]).expect_code(0);
    for id in ["a::a", "b::a"] {
        let shown = suite.run(&["explain", id]).expect_code(0).stdout;
        assert!(shown.contains("{{ n }}s") && shown.contains("expect.exit"), "{shown}");
    }
}

#[test]
fn variables_of_the_environment_may_be_made_of_others() {
    let suite = Suite::of(
        "a.test.yaml",
        r#"
cases:
  - name: of others
    env: { A: "{{ env .C }}/a", B: /opt, C: "{{ env.B }}/c" }
    run: 'test "$A $B $C" = "/opt/c/a /opt /opt/c"'
  - name: inherited
    inherit_env: [OUTER]
    env: { D: "{{ env.OUTER }}2", PATH: "/first:{{ env.PATH }}", OUTER: "{{ env.OUTER }}3" }
    run: 'test "$D $OUTER" = "132 13" && case "$PATH" in /first:/*) ;; *) false ;; esac'
"#,
    );
    let mut command = suite.command(&[]);
    command.env("OUTER", "1");
    suite.finish_command(command).expect_code(0);
    let round =
        "name: a\nenv: { D: '{{ env.C }}', C: '{{ env.A }}', A: '{{ env.B }}', B: 'x{{ env.A }}' }\nrun: a\n";
    let run = Suite::of("a.test.yaml", round).run(&[]).expect_code(2);
    assert!(run.stdout.contains("these variables are made of each other: `A`, `B`\n"), "{}", run.stdout);
    assert!(run.stdout.contains("a.test.yaml:2:44"), "{}", run.stdout);
}
