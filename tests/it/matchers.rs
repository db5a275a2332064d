//! Matchers as a user meets them: what holds, what is said when it does not, and mistakes in their spelling.

use crate::support::Suite;

/// What the only case's failure says, with everything on the console.
fn failure(run: &str, stdout: &str) -> (String, String) {
    let descriptor = format!(r#"{{ "name": "case", "run": {run:?}, "expect": {{ "stdout": {stdout} }} }}"#);
    let run = Suite::of("a.test.json", &descriptor).run(&[]).expect_code(1);
    let (verdict, message) = run.verdict("case");
    assert_eq!(verdict, "failure", "{message}");
    (message, run.stdout)
}

#[test]
fn the_first_difference_is_named_with_its_place() {
    for (run, stdout, expected) in [
        ("seq 5", r#"{ "lines": ["1", "...", "4", "6"] }"#, r#"stdout: line 5: expected "6", found "5""#),
        (
            "printf 'a\\nb\\n'",
            r#"{ "unordered": ["b", "c"] }"#,
            r#"stdout: 1 line is missing, the first is "c"; 1 line is not expected"#,
        ),
        ("echo 7", r#"{ "number": { "min": 8 } }"#, "stdout: expected at least 8, found 7"),
        (
            "echo took long",
            r#"{ "number": { "from": "(\\d+) ms", "max": 3 } }"#,
            r#"stdout does not match "(\\d+) ms", so there is no number"#,
        ),
        (
            r#"echo '{"a": [{"b": 1}, {"b": 2}]}'"#,
            r#"{ "jsonpath": { "$.a[*].b": 1 } }"#,
            "stdout: $.a[1].b: expected 1, found 2",
        ),
        (
            r#"echo '{"a": [{"b": 1}, {"b": 2}]}'"#,
            r#"{ "jsonpath": { "$.a[1].b": { "number": { "max": 1 } } } }"#,
            "stdout: $.a[1].b: expected at most 1, found 2",
        ),
        (r#"echo '{"a": 1}'"#, r#"{ "jsonpath": { "$.b": 1 } }"#, r#"stdout: $.b: found nothing in {"a":1}"#),
        (
            r#"echo '{"a": 1}'"#,
            r#"{ "jsonpath": { "$.a": { "exists": false } } }"#,
            "stdout: $.a: expected nothing, found 1",
        ),
        ("echo '{'", r#"{ "jsonpath": { "$.b": 1 } }"#, "stdout is not JSON: EOF while parsing"),
        (
            "echo 5ms",
            r#"{ "normalize": { "replace": "\\d", "with": "N" }, "equals": "Nms" }"#,
            "stdout: expected no newline at the end, found one",
        ),
        ("echo c", r#"{ "one_of": ["a\n", { "contains": "b" }] }"#, "stdout: none of 2 alternatives holds"),
    ] {
        let (message, console) = failure(run, stdout);
        assert!(message.contains(expected), "{message}\n{console}");
    }
}

#[test]
fn what_cannot_be_looked_at_does_not_hold_under_not_either() {
    for (run, stdout, expected) in [
        ("echo hi", r#"{ "file": "no-such.txt" }"#, "the golden file no-such.txt does not exist"),
        ("echo hi", r#"{ "one_of": ["bye", { "file": "no-such.txt" }] }"#, "none of 2 alternatives holds"),
        ("echo '<html>502'", r#"{ "jsonpath": { "$.status": "failed" } }"#, "stdout is not JSON"),
        ("echo '{}'", r#"{ "jsonpath": { "$.a": 1 } }"#, "$.a: found nothing"),
        ("echo '{}'", r#"{ "jsonpath": { "$.a": { "contains": "x" } } }"#, "$.a: found nothing"),
        ("echo '<html>502'", r#"{ "json": { "a": 1 } }"#, "stdout is not JSON"),
        ("echo none", r#"{ "number": { "max": 1, "from": "(\\d)" } }"#, "so there is no number"),
        ("echo '{\"a\": 1}'", r#"{ "jsonpath": { "$.a": 2, "$.b": 2 } }"#, "$.b: found nothing"),
        ("echo '{\"a\": 1}'", r#"{ "jsonpath": { "$.b": 2, "$.a": 2 } }"#, "$.b: found nothing"),
        ("echo none", r#"{ "number": { "max": 1 } }"#, "expected a number, found \"none"),
    ] {
        let (message, console) = failure(run, &format!(r#"{{ "not": {stdout} }}"#));
        assert!(message.contains(expected), "{message}\n{console}");
    }
    let exists = r#"{ "name": "a", "run": "echo '{}'", "expect": { "stdout": { "not": { "jsonpath": { "$.a": { "exists": true } } } } } }"#;
    Suite::of("a.test.json", exists).run(&[]).expect_code(0);
}

#[test]
fn a_list_contains_items_and_not_parts_of_their_text() {
    let run = r#"echo '{"roles": ["nonadmin", "a b", 7.0, {"k": 1}]}'"#;
    for contains in [r#""admin""#, r#"["a b", "b"]"#, r#""70""#, r#""\",\"""#] {
        let (message, _) =
            failure(run, &format!(r#"{{ "jsonpath": {{ "$.roles": {{ "contains": {contains} }} }} }}"#));
        assert!(message.starts_with("stdout: $.roles: expected a list with the item"), "{message}");
    }
    let descriptor = format!(
        r#"{{ "name": "case", "run": {run:?}, "expect": {{ "stdout": {{ "jsonpath": {{ "$.roles":
             {{ "contains": ["a b", "7", "{{\"k\": 1.0}}"], "not_contains": "admin" }} }} }} }} }}"#
    );
    Suite::of("a.test.json", &descriptor).run(&[]).expect_code(0);
}

#[test]
fn a_list_that_no_jsonpath_has_found_is_its_text() {
    for (step, subject) in [
        (r#""sql": { "url": "sqlite::memory:", "query": "select 'ada' as name" }"#, "rows"),
        (r#""files": { "t.csv": "name\nada\n" }, "file": "t.csv""#, "rows"),
        (
            r#""worker": "read l; echo '{\"outcome\":\"pass\",\"output\":[\"ada is here\"]}'", "call": 1"#,
            "output",
        ),
    ] {
        let case = |matchers: &str| {
            format!(r#"{{ "name": "case", {step}, "expect": {{ "{subject}": {matchers} }} }}"#)
        };
        Suite::of("a.test.json", &case(r#"{ "contains": "ada" }"#)).run(&[]).expect_code(0);
        let failed = Suite::of("a.test.json", &case(r#"{ "not_contains": "ada" }"#)).run(&[]).expect_code(1);
        assert!(failed.stdout.contains(&format!("{subject}: expected not")), "{}", failed.stdout);
    }
}

#[test]
fn json_is_utf8() {
    let (message, _) =
        failure("printf '{\\042a\\042: \\042caf\\351\\042}'", r#"{ "json": { "a": "caf\ufffd" } }"#);
    assert_eq!(message, "stdout is not JSON: not UTF-8 at byte 10");
}

#[test]
fn a_difference_of_lines_is_shown_without_what_fits() {
    let (_, console) =
        failure("echo started 17; seq 30; echo end", r#"{ "lines": "started [..]\n...\n29\n31\nend\n" }"#);
    assert!(console.contains("| -31") && console.contains("| +30"), "{console}");
    assert!(!console.contains("[..]"), "{console}");
}

#[test]
fn json_values_keep_their_types_and_may_hold_variables() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "vars": { "who": "ada" }, "cases": [
        { "name": "right", "run": "echo '{\"id\": 7, \"name\": \"ada\", \"x-y\": [{\"x-z\": 1}]}'",
          "expect": { "stdout": { "jsonpath": { "$.id": 7.0, "$.name": "{{ who }}", "$['x-y']": [{ "x-z": 1 }] } } } },
        { "name": "a text is no number", "run": "echo '{\"id\": \"7\"}'",
          "expect": { "stdout": { "jsonpath": { "$.id": 7 } } } } ] }"#,
    );
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("right").0, "passed");
    assert_eq!(run.verdict("a text is no number").1, r#"stdout: $.id: expected 7, found "7""#);
}

#[test]
fn three_spellings_expect_the_same() {
    let json = r#"{ "name": "json", "run": "echo 5", "expect": { "stdout": {
        "lines": ["[..]"], "number": { "min": 1, "max": 4.5 }, "normalize": ["ansi"], "jsonpath": { "$": 5 } } } }"#;
    let yaml = "name: yaml\nrun: echo 5\nexpect:\n  stdout:\n    lines: '[..]'\n    number: {min: 1, max: 4.5}\n    normalize: ansi\n    jsonpath: {$: 5}\n";
    let toml = "name = 'toml'\nrun = 'echo 5'\n[expect.stdout]\nlines = '[..]'\nnumber = { min = 1, max = 4.5 }\nnormalize = 'ansi'\njsonpath = { '$' = 5 }\n";
    let run = Suite::of("a.test.json", json).file("b.test.yaml", yaml).file("c.test.toml", toml);
    let run = run.run(&[]).expect_code(1);
    for name in ["json", "yaml", "toml"] {
        assert_eq!(run.verdict(name).1, "stdout: expected from 1 to 4.5, found 5", "{name}");
    }
}

#[test]
fn files_are_matched_as_outputs_are() {
    let suite = Suite::of(
        "a.test.yaml",
        "name: a\nrun: printf '{\"n\":1}' > out.json\nexpect: {files: {out.json: {jsonpath: {$.n: 2}}}}\n",
    );
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("a").1, "file out.json: $.n: expected 2, found 1");
}

#[test]
fn an_output_that_was_cut_is_not_normalized() {
    let suite = Suite::of(
        "a.test.yaml",
        "name: a\nrun: head -c 9000000 /dev/zero\nexpect: {stdout: {normalize: crlf, not_contains: x}}\n",
    );
    let run = suite.run(&[]).expect_code(1);
    assert!(run.verdict("a").1.contains("too long to be tested"), "{:?}", run.verdict("a"));
}

#[test]
fn matchers_of_a_jsonpath_compare_values_with_their_types() {
    let holds = [
        ("2", r#"{ "equals": 2 }"#),
        ("2", r#"{ "equals": 2.0 }"#),
        ("2", r#"{ "equals": "{{ 1 + 1 }}" }"#),
        ("2", r#"{ "not": "2" }"#),
        ("2", r#"{ "not": null }"#),
        ("2", r#"{ "not": { "equals": "2" } }"#),
        ("2", r#"{ "one_of": [1, 2, null] }"#),
        ("null", r#"{ "one_of": [1, 2, null] }"#),
        ("null", r#"{ "equals": null }"#),
        ("[1,2]", r#"{ "not": [1] }"#),
        ("[1,2]", r#"{ "one_of": ["a", [1, 2]] }"#),
        (r#"{"a":1}"#, r#"{ "equals": { "a": 1 } }"#),
        (r#"{"a":1,"b":2}"#, r#"{ "not": { "equals": { "a": 1 } } }"#),
        (r#""a 1""#, r#"{ "normalize": { "replace": "\\d", "with": "N" }, "equals": "a N" }"#),
        ("12345678901234567890", r#"{ "equals": 12345678901234567890 }"#),
        ("12345678901234567890", r#"{ "number": { "min": 12345678901234567890 } }"#),
        ("[]", r#"{ "empty": true }"#),
        ("{}", r#"{ "empty": true }"#),
        (r#""""#, r#"{ "empty": true }"#),
        ("[0]", r#"{ "empty": false }"#),
        (r#"{"a":[]}"#, r#"{ "empty": false }"#),
        ("0", r#"{ "empty": false }"#),
    ];
    let fails = [
        ("2", r#"{ "equals": "2" }"#, r#"expected "2", found 2"#),
        (r#""2""#, r#"{ "equals": 2 }"#, r#"expected 2, found "2""#),
        ("2", r#"{ "not": 2 }"#, "expected not: equals 2"),
        ("3", r#"{ "one_of": [1, "3", null] }"#, r#"expected one of 1, "3", null; found 3"#),
        (r#"{"a":1,"b":2}"#, r#"{ "equals": { "a": 1 } }"#, "$.b: expected nothing, found 2"),
        ("12345678901234567891", r#"{ "equals": 12345678901234567890 }"#, "found 12345678901234567891"),
        ("[]", r#"{ "empty": false }"#, "is empty, and should not be"),
        ("{}", r#"{ "empty": false }"#, "is empty, and should not be"),
        ("[0]", r#"{ "empty": true }"#, "expected nothing"),
        ("2", r#"{ "empty": true }"#, "expected nothing"),
    ];
    let case = |number: usize, value: &str, matcher: &str| {
        let echo = format!("cat <<'E'\n{{\"u\":{value}}}\nE");
        format!(
            r#"{{ "name": "{number}", "run": {echo:?}, "expect": {{ "stdout": {{ "jsonpath": {{ "$.u": {matcher} }} }} }} }}"#
        )
    };
    let all = holds.iter().map(|(value, matcher)| (value, matcher));
    let all = all.chain(fails.iter().map(|(value, matcher, _)| (value, matcher)));
    let cases: Vec<_> =
        all.enumerate().map(|(number, (value, matcher))| case(number, value, matcher)).collect();
    let run = Suite::of("a.test.json", &format!(r#"{{ "cases": [{}] }}"#, cases.join(","))).run(&[]);
    let run = run.expect_code(1);
    for (number, (value, matcher)) in holds.iter().enumerate() {
        assert_eq!(run.verdict(&number.to_string()).0, "passed", "{value} {matcher}\n{}", run.stdout);
    }
    for (number, (value, matcher, part)) in fails.iter().enumerate() {
        let (verdict, message) = run.verdict(&(holds.len() + number).to_string());
        assert_eq!(verdict, "failure", "{value} {matcher}");
        assert!(message.contains(part), "{value} {matcher}: {message}");
    }
}

#[test]
fn what_a_jsonpath_does_not_find_is_no_value_at_all() {
    let matcher = |matcher: &str| {
        let text =
            format!("name: case\nrun: echo '{{}}'\nexpect: {{stdout: {{jsonpath: {{$.u: {matcher}}}}}}}\n");
        let run = Suite::of("a.test.yaml", text.replace("echo '{}'", "echo {}").as_str()).run(&[]);
        run.verdict("case")
    };
    for holds in ["{exists: false}", "{not: {exists: true}}", "{one_of: [{exists: false}, 2]}"] {
        assert_eq!(matcher(holds).0, "passed", "{holds}");
    }
    let cannot = [
        "{exists: true}",
        "{not: {equals: '2'}}",
        "{not: 2}",
        "{empty: true}",
        "{one_of: [1, 2]}",
        "{not: {empty: true}}",
    ];
    for fails in cannot {
        let failure = ("failure", "stdout: $.u: found nothing in {}".to_owned());
        assert_eq!(matcher(fails), failure, "{fails}");
    }
    assert!(matcher("{not: {exists: false}}").1.contains("expected not: does not exist"));
}

#[test]
fn large_numbers_are_not_taken_for_each_other() {
    let text = r#"
cases:
  - name: captured
    steps:
      - run: echo '{"n":18446744073709551617}'
        capture: { n: { jsonpath: $.n } }
      - run: echo '{"n":18446744073709551999}'
        expect: { stdout: { json: { n: "{{ n }}" } } }
  - name: the same
    steps:
      - run: echo '{"n":18446744073709551617}'
        capture: { n: { jsonpath: $.n } }
      - run: echo '{"n":18446744073709551617}' '{{ n }}' > n && cut -d' ' -f1 n && test "$(cut -d' ' -f2 n)" = 18446744073709551617
        expect: { stdout: { json: { n: "{{ n }}" }, jsonpath: { $.n: "18446744073709551617" } } }
  - name: a decimal
    run: echo '[9007199254740993]'
    expect: { stdout: { json: [9007199254740992.0] } }
  - name: the same decimal
    run: echo '[9007199254740992, 0.1000000000000000055]'
    expect: { stdout: { json: [9007199254740992.0, 0.1] } }
  - name: beyond
    run: echo '[1e400]'
    expect: { stdout: { json: [1] } }
"#;
    let run = Suite::of("a.test.yaml", text).run(&[]).expect_code(1);
    for name in ["the same", "the same decimal"] {
        assert_eq!(run.verdict(name).0, "passed", "{}", run.stdout);
    }
    for (name, message) in [
        ("captured", r#"$.n: expected "18446744073709551617", found "18446744073709551999""#),
        ("a decimal", "$[0]: expected 9007199254740992.0, found 9007199254740993"),
        ("beyond", "stdout is not JSON: number out of range"),
    ] {
        let found = run.verdict(name).1;
        assert!(found.contains(message), "{name}: {found}");
    }
}
