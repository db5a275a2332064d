//! Many cases from one entry, and the variables they differ in.

use crate::support::Suite;

#[test]
fn each_combination_is_a_case_of_its_own() {
    let text = r#"
name: n
matrix: { x: [1, 2], y: [a, b] }
run: test {{ attempt }}{{ x }}{{ y }} = 22a || test {{ x }} = 1 || exit {{ x }}
retries: "{{ x - 1 }}"
"#;
    let suite = Suite::of("n.test.yaml", text);
    let run = suite.run(&["--list"]).expect_code(0);
    assert_eq!(run.stdout, "n::n[x=1,y=a]\nn::n[x=1,y=b]\nn::n[x=2,y=a]\nn::n[x=2,y=b]\n");
    let run = suite.run(&["--list", "--filter", "[x=2"]).expect_code(0);
    assert_eq!(run.stdout, "n::n[x=2,y=a]\nn::n[x=2,y=b]\n");
    let run = suite.run(&["-v"]).expect_code(1);
    assert_eq!(run.verdict("n[x=1,y=a]").0, "passed");
    assert_eq!(run.verdict("n[x=2,y=a]").0, "passed");
    assert!(run.stdout.contains("FLAKY"), "only one case is tried again: {}", run.stdout);
    assert_eq!(run.verdict("n[x=2,y=b]").0, "failure");
    let run = suite.run(&["--exact", "n::n[x=2,y=b]"]).expect_code(1);
    assert_eq!(run.report().tests, 1);
}

#[test]
fn a_thousand_pairs_of_files_are_five_lines() {
    let text = "name: pairs\nforeach: in/*.txt\nstdin: { file: '{{ path }}' }\nrun: tr a-z A-Z | diff '{{ dir }}/out/{{ stem }}.txt' -\n";
    let mut suite = Suite::of("pairs.test.yaml", text);
    for number in 0..1000 {
        suite = suite
            .file(&format!("in/{number:04}.txt"), format!("text {number}\n"))
            .file(&format!("out/{number:04}.txt"), format!("TEXT {number}\n"));
    }
    let run = suite.run(&["--list"]).expect_code(0);
    let ids: Vec<_> = run.stdout.lines().collect();
    assert_eq!(
        (ids.len(), ids[0], ids[999]),
        (1000, "pairs::pairs[in/0000.txt]", "pairs::pairs[in/0999.txt]")
    );
    let suite = suite.file("out/0500.txt", "text 500\n");
    let run = suite.run(&["--filter", "[in/05"]).expect_code(1);
    assert!(run.stdout.contains("99 passed, 1 failed"), "{}", run.stdout);
    assert_eq!(run.verdict("pairs[in/0500.txt]").0, "failure");
}

#[test]
fn generated_cases_capture_values_of_their_own() {
    let text = r#"
name: n
matrix: { x: [1, 2] }
vars: { prefix: id }
steps:
  - run: echo '{"id":{{ x }}}'
    capture: { id: { jsonpath: "$.{{ prefix }}" } }
  - run: echo '{"id":{{ id }}}'
    until: { for: "{{ x }}s", every: "{{ x }}0ms" }
    expect: { stdout: { json: { id: "{{ x }}" }, jsonpath: { "$.{{ prefix }}": "{{ id }}" }, lines: ['{"id":{{ id }}}'] } }
  - run: test {{ x }}-{{ id }}-{{ prefix }} = 1-1-id
"#;
    let run = Suite::of("n.test.yaml", text).run(&[]).expect_code(1);
    assert_eq!(run.verdict("n[x=1]").0, "passed");
    assert_eq!(run.verdict("n[x=2]").0, "failure");
    assert!(run.verdict("n[x=2]").1.contains("step 3"), "{:?}", run.verdict("n[x=2]"));
}

#[test]
fn a_check_knows_the_variables_of_the_command_line() {
    let suite = Suite::of("v.test.yaml", "run: echo {{ who }}\n");
    suite.run(&["check"]).expect_code(2);
    suite.run(&["check", "--var", "who=me"]).expect_code(0);
}

#[test]
fn a_table_in_a_file_makes_cases_and_its_mistakes_are_told_there() {
    let text = r#"{ "name": "exits", "rows": { "file": "cases.csv" }, "run": "exit {{ code }}", "expect": { "exit": "{{ code }}" } }"#;
    let suite = Suite::of("t/t.test.json", text).file("t/cases.csv", "name,code\nzero,0\nthree,3\n");
    let run = suite.run(&[]).expect_code(0);
    assert_eq!((run.verdict("exits[zero]").0, run.verdict("exits[three]").0), ("passed", "passed"));
    let run = suite.file("t/cases.csv", "name,code\nzero,0\nthree\n").run(&[]).expect_code(2);
    assert!(run.stdout.contains("t/cases.csv:3:1"), "{}", run.stdout);
    assert!(run.stdout.contains("the row has 1 value for 2 columns"), "{}", run.stdout);
}

#[test]
fn a_variable_of_the_command_line_wins() {
    let text = "vars: { who: file, n: 1 }\nrun: [echo, '{{ who }} {{ n }}']\nexpect: { exit: 0, stdout: \"cli 2\\n\" }\n";
    let suite = Suite::of("v.test.yaml", text);
    suite.run(&[]).expect_code(1);
    suite.run(&["--var", "who=cli", "--var", "n=2", "--var", "unused=x"]).expect_code(0);
    let run = suite.run(&["--var", "a b=1"]).expect_code(2);
    assert!(run.stderr.contains("no name for a variable"), "{}", run.stderr);
    suite.run(&["--var", "novalue"]).expect_code(2);
}

#[test]
fn an_unmet_condition_is_a_skip_with_its_reason_in_every_report() {
    let text = "cases:\n- { name: a, run: 'true', only_if: { os: windows } }\n- { name: b, run: 'true', only_if: { env: { ONLY_THERE: '1' } } }\n";
    let suite = Suite::of("c.test.yaml", text);
    let run = suite.run(&["-v"]).expect_code(0);
    let reason = format!("only if os is windows, and this is {}", std::env::consts::OS);
    assert!(run.stdout.contains(&reason), "{}", run.stdout);
    assert_eq!(run.verdict("a"), ("skipped", reason.clone()));
    let run = suite.run(&["--list", "--format", "json"]).expect_code(0);
    let list: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(list["cases"][0]["skip"], reason);
    let child = suite.command(&["--exact", "c::b"]).env("ONLY_THERE", "1").output().expect("started");
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}

#[test]
fn a_matrix_that_explodes_is_an_error_at_its_place() {
    let list = (0..1000).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "cases:\n- name: bomb\n  run: a\n  matrix: {{ a: [{list}], b: [{list}], c: [{list}] }}\n- {{ name: other, run: 'true' }}\n"
    );
    let run = Suite::of("b.test.yaml", text.as_str()).run(&[]).expect_code(2);
    assert!(run.stdout.contains("b.test.yaml:4:11"), "{}", run.stdout);
    assert!(run.stdout.contains("more than 1000000 cases"), "{}", run.stdout);
    assert_eq!(run.verdict("other").0, "passed");
}

#[test]
fn a_case_is_explained_with_the_place_of_every_value() {
    let suite = Suite::new()
        .file("suite.toml", "[vars]\nwho = 'folder'\nlimit = '3s'\n[defaults]\ntimeout = '{{ limit }}'\nenv = { A = 'outer', B = 'outer' }\n")
        .file("e/e.test.yaml", "defaults: { env: { B: file } }\ncases:\n- name: n\n  matrix: { x: [1, 2] }\n  run: [echo, '{{ who }} {{ x }} {{ work }}']\n  retries: '{{ x }}'\n");
    let run = suite.run(&["explain", "e/e::n[x=2]", "--var", "who=cli"]).expect_code(0);
    let lines: Vec<_> =
        run.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "e/e::n[x=2]",
            "timeout = \"3s\" # suite.toml:5:11, from \"{{ limit }}\"",
            "env.A = \"outer\" # suite.toml:6:13",
            "env.B = \"file\" # e/e.test.yaml:1:23",
            "run[0] = \"echo\" # e/e.test.yaml:5:9",
            "run[1] = \"{{ who }} {{ x }} {{ work }}\" # e/e.test.yaml:5:15",
            "retries = 2 # e/e.test.yaml:6:12, from \"{{ x }}\"",
            "expect.exit = 0 # default",
            "grace = \"2s\" # default",
            "slow_after = \"10s\" # default",
            "",
            "takes 1 CPU slot (a step of it may compute)",
            "",
            "variables",
            "limit = \"3s\" # suite.toml:3:1",
            "who = \"cli\" # --var",
            "x = 2 # e/e.test.yaml:4:20",
        ]
    );
    assert_eq!(
        suite.run(&["explain", "e/e::n[x=2]", "e"]).expect_code(0).stdout.lines().count(),
        lines.len()
    );
    let run = suite.run(&["explain", "e/e::n"]).expect_code(4);
    assert!(run.stderr.contains("no test case has the id"), "{}", run.stderr);
    let run = suite.file("b.test.json", r#"{ "run": 7 }"#).run(&["explain", "b::b"]).expect_code(2);
    assert!(run.stderr.contains("b.test.json:1:10"), "{}", run.stderr);
}

#[test]
fn an_explanation_knows_captures_and_the_settings_of_the_project() {
    let text = "name: n\nsteps:\n- {run: echo 1, capture: {id: stdout}}\n- {run: 'test {{ id }} = 1'}\n";
    let suite = Suite::of("n.test.yaml", text).file("partest.toml", "[profile.default]\nretries = 2\n");
    let run = suite.run(&["explain", "n::n"]).expect_code(0);
    let shows = |value: &str, place: &str| {
        let found = run.stdout.lines().any(|line| line.contains(value) && line.contains(place));
        assert!(found, "{value} {place} is not in\n{}", run.stdout);
    };
    shows("retries = 2", "# partest.toml:2:11");
    shows(r#"steps[0].capture.id = "stdout""#, "# n.test.yaml:3:31");
    shows(r#"steps[1].run = "test {{ id }} = 1""#, "# n.test.yaml:4:9");
}

#[test]
fn large_numbers_are_numbers_wherever_values_stand() {
    let text = r#"
cases:
- name: body
  run: echo '{"n":12345678901234567890}'
  expect: {stdout: {json: {n: 12345678901234567890}}}
- name: matrix
  matrix: {n: [12345678901234567890]}
  run: echo '{"n":{{ n }}}'
  expect: {stdout: {json: {n: "{{ n }}"}}}
- name: rows
  rows: {file: rows.csv}
  run: echo '{"n":{{ n }}}'
  expect: {stdout: {json: {n: "{{ n }}"}}}
- name: other
  xfail: it is another number
  run: echo '{"n":12345678901234567891}'
  expect: {stdout: {json: {n: 12345678901234567890}}}
"#;
    let run =
        Suite::of("a.test.yaml", text).file("rows.csv", "n\n12345678901234567890\n").run(&[]).expect_code(0);
    assert!(run.stdout.contains("3 passed"), "{}", run.stdout);
}

#[test]
fn what_is_wrong_with_a_table_is_told_at_its_place_in_the_file() {
    for (table, place) in [
        (&b"x\n\"abc\ndef\nghi\n"[..], "t.csv:2:1: the quote is not closed"),
        (b"x,y\n1,\"a\"b\n", "t.csv:2:3: the cell goes on after its closing quote"),
        (b"x,,y\n1,2,3\n", "t.csv:1:3: "),
        (b"x,y,x\n1,2,3\n", "t.csv:1:5: the column `x` stands twice"),
        (b"x, work\n1,2\n", "t.csv:1:3: `work` already has a meaning of its own"),
        (b"name\nM\xfcller\n", "t.csv:2:2: not UTF-8 at byte 6"),
        (b"\xef\xbb\xbfname\nM\xfcller\n", "t.csv:2:2: not UTF-8 at byte 9"),
    ] {
        let suite =
            Suite::of("a.test.yaml", "name: a\nrun: 'true'\nrows: {file: t.csv}\n").file("t.csv", table);
        let run = suite.run(&["check"]).expect_code(2);
        let (file, message) = place.split_once(": ").expect("a place");
        assert!(run.stdout.contains(file) && run.stdout.contains(message), "{place}\n{}", run.stdout);
    }
}

#[test]
fn equal_labels_are_counted_each_for_itself() {
    let suite = Suite::of("a.test.yaml", "name: n\nmatrix: {x: [1, 1.0, '1', 'true', true]}\nrun: 'true'\n");
    let run = suite.run(&["--list"]).expect_code(0);
    let ids: Vec<_> = run.stdout.lines().collect();
    assert_eq!(ids, ["a::n[x=1]", "a::n[x=1.0]", "a::n[x=1#2]", "a::n[x=true]", "a::n[x=true#2]"]);
}

#[test]
fn a_quote_within_a_cell_is_a_character() {
    let suite = Suite::of(
        "a.test.yaml",
        "rows: {file: t.csv}\nrun: 'test \"$X\" = \"$Y\"'\nenv: {X: '{{ x }}', Y: 'a\"b'}\n",
    );
    let suite = suite.file("t.csv", "x,y\na\"b,1\n\"a\"\"b\",2\n");
    let run = suite.run(&[]).expect_code(0);
    assert!(run.stdout.contains("2 passed"), "{}", run.stdout);
}

#[test]
fn an_explanation_shows_no_secret() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "vars": { "tok": "hunter22", "own": "hunter33" }, "services": {
          "s": { "run": "sleep hunter33", "secrets": ["OWN"], "env": { "OWN": "{{ own }}" }, "ready": { "log": "x" } },
          "t": { "run": "sleep hunter44", "env": { "T.TOKEN": "hunter44" }, "ready": { "log": "x" } }
        }, "cases": [{
          "name": "x", "secrets": ["*_TOKEN", "T.TOKEN"], "env": { "MY_TOKEN": "{{ tok }}" }, "run": "echo {{ tok }}", "services": ["s", "t"]
        }] }"#,
    );
    let run = suite.run(&["explain", "a::x"]).expect_code(0);
    assert!(!run.stdout.contains("hunter"), "{}", run.stdout);
    assert!(run.stdout.contains("run = \"echo ***\""), "{}", run.stdout);
    assert!(run.stdout.contains("tok = \"***\""), "{}", run.stdout);
}

#[test]
fn an_explanation_masks_a_secret_that_is_a_number() {
    let text = "secrets: [PIN]\nenv: {PIN: 12345.60}\nrun: echo 12345.60\n";
    let run = Suite::of("a.test.yaml", text).run(&["explain", "a::a"]).expect_code(0);
    assert!(run.stdout.contains("env.PIN = ***") && !run.stdout.contains("12345"), "{}", run.stdout);
}

#[test]
fn an_explanation_masks_no_value_of_a_secret_that_has_none() {
    let text = "secrets: [PIN]\nenv: {PIN: null}\nrun: [echo, 'null']\n";
    let run = Suite::of("a.test.yaml", text).run(&["explain", "a::a"]).expect_code(0);
    assert!(run.stdout.contains("run[1] = \"null\""), "{}", run.stdout);
}
