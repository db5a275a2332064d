//! Mistakes that were told in a way that did not help.

use super::mistakes::Mistake;
use super::{diagnostics, load};

pub(super) const MISTAKES: [Mistake; 44] = [
    ("a.test.yaml", "run: |\n  echo one\n  echo {{ lnag }}", (3, 8), "unknown variable `lnag`", ""),
    ("a.test.toml", "run = \"\"\"\necho one\necho {{ lnag }}\n\"\"\"", (3, 6), "unknown variable `lnag`", ""),
    ("a.test.json", "{\"run\": \"a \\\"{{ lnag }}\\\"\"}", (1, 14), "unknown variable `lnag`", ""),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {json: {a: '{{ lnag }}'}}}",
        (2, 30),
        "unknown variable `lnag`",
        "",
    ),
    (
        "a.test.yaml",
        "run: a\nvars: {lang: x}\nexpect: {stdout: {matches: '{{ lnag }}'}}",
        (3, 29),
        "unknown variable `lnag`",
        "did you mean `lang`?",
    ),
    (
        "a.test.yaml",
        "run: a\nvars: {index: 0}\nexpect: {stdout: {jsonpath: {'$[{{ indx }}]': 1}}}",
        (3, 33),
        "unknown variable `indx`",
        "did you mean `index`?",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect:\n  stdout:\n    matches: |\n      a\n      (b",
        (6, 7),
        "unclosed group",
        "",
    ),
    ("a.test.yaml", "run: a\nexpect: {stdout: {matches: '(?<=a)b'}}", (2, 29), "look-around", "\"not\""),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {matches: '(a)\\1'}}",
        (2, 32),
        "backreferences",
        "no references",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {matches: 'a\\q'}}",
        (2, 30),
        "unrecognized escape",
        "take the backslash",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {matches: '(a{1000}){1000}'}}",
        (2, 29),
        "1 MiB",
        "smaller counts",
    ),
    (
        "a.test.yaml",
        "run: 'a {{ name }} {{ 1 + }}'",
        (1, 20),
        "unexpected end",
        "something is missing before the `}}`",
    ),
    (
        "a.test.yaml",
        "run: '{{ name | uper }} {{ 1 + }}'",
        (1, 7),
        "filter uper is unknown",
        "did you mean `upper`?",
    ),
    ("a.test.yaml", "cmd: a", (1, 1), "unknown key `cmd`", "did you mean `run`?"),
    (
        "a.test.yaml",
        "run: a\ncmd: a",
        (2, 1),
        "unknown key `cmd`",
        "if `run` is meant, it has no place here, or stands here already",
    ),
    (
        "a.test.yaml",
        "tests: [{run: a}]",
        (1, 1),
        "unknown key `tests`",
        "the list of the cases of a file is `cases`",
    ),
    (
        "a.test.yaml",
        "run: a\nstdout: b",
        (2, 1),
        "unknown key `stdout`",
        "what is expected stands under `expect`: `stdout`",
    ),
    (
        "a.test.yaml",
        "run: a\nreturncode: 1",
        (2, 1),
        "unknown key `returncode`",
        "what is expected stands under `expect`: `exit`",
    ),
    ("a.test.yaml", "run: a\nassert: {}", (2, 1), "unknown key `assert`", "did you mean `expect`?"),
    ("a.test.yaml", "run: a\nargs: [b]", (2, 1), "unknown key `args`", "arguments stand in `run`"),
    ("a.test.yaml", "run: a\nexpect: {code: 1}", (2, 10), "unknown key `code`", "did you mean `exit`?"),
    ("a.test.yaml", "http: a\nexpect: {code: 1}", (2, 10), "unknown key `code`", "did you mean `status`?"),
    ("a.test.yaml", "run: a\nexpect: {output: b}", (2, 10), "`output` cannot be", "did you mean `stdout`?"),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {regex: b}}",
        (2, 19),
        "unknown key `regex`",
        "did you mean `matches`?",
    ),
    ("a.test.yaml", "run: a\nneeds: [b]", (2, 1), "unknown key `needs`", "did you mean `after`?"),
    ("a.test.yaml", "run: a\nforeach: *.txt", (2, 10), "unknown anchor", "needs quotes: '*.txt'"),
    ("a.test.yaml", "run: %foo", (1, 6), "unexpected character", "needs quotes: '%foo'"),
    ("a.test.yaml", "run: \"grep \\d+\"", (1, 6), "escape", "single quotes"),
    ("a.test.yaml", "run: !foo bar", (1, 6), "tag", "tags mean nothing here"),
    ("a.test.toml", "run = \"grep \\d+\"", (1, 14), "escape", "single quotes"),
    ("a.test.toml", "run = [\"a\" \"b\"]", (1, 12), "missing comma", "put a comma"),
    ("a.test.json", "{ // a\n\"run\": \"a\"}", (1, 3), "not valid JSON", "no comments"),
    ("a.test.json", "{\"run\": \"a\", \"timeout\": NaN}", (1, 25), "not valid JSON", "finite"),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {number: {tolerance: 1, min: 0}}}",
        (2, 39),
        "`tolerance` belongs",
        "add `equals`",
    ),
    ("a.test.yaml", "run: a\nexpect: {stdout: {exact: true}}", (2, 26), "`exact` belongs", "add `json`"),
    ("a.test.yaml", "cases: [a]", (1, 9), "expected a case, found a string", "write an object"),
    ("a.test.yaml", "run: a\ncapture: {a: {header: b}}", (2, 23), "`run` has no headers", "write `regex`"),
    (
        "a.test.yaml",
        "run: a\nrows: {columns: [a], rows: [[1, 2]]}",
        (2, 29),
        "2 values for 1 column",
        "one value for each",
    ),
    ("a.test.yaml", "run: a\ntags: ['']", (2, 8), "`` is not", "take it out"),
    ("a.test.yaml", "run: 'a {{ 1 / 0 }}'", (1, 6), "unable to calculate", "not 0"),
    ("a.test.yaml", "run: '{{ l[9] }}'\nvars: {l: [1]}", (1, 6), "no value", "default"),
    ("a.test.yaml", "run: a\nretries: 99999999999", (2, 10), "no count of retries", "4294967295"),
    ("a.test.yaml", "run: a\nweight: 4294967297", (2, 9), "no number of CPU slots", "4294967295"),
    ("a.test.yaml", "run: a\nlimits: {memory: 99999999999999GiB}", (2, 18), "too large", "at most"),
];

#[test]
fn short_words_are_only_taken_for_what_is_very_like_them() {
    for word in ["bad", "code1", "exec2"] {
        let found = diagnostics("a.test.yaml", format!("run: a\n{word}: 1"));
        let suggestion = found[0].suggestion.as_deref().unwrap_or_default();
        assert!(suggestion.starts_with("known keys: `name`"), "{word}: {suggestion}");
    }
}

#[test]
fn a_template_that_the_engine_cannot_evaluate_breaks_its_case_only() {
    let text = "cases:\n- {name: a, run: \"echo {{ '%.70000f'|format(1) }}\"}\n- {name: b, run: b}";
    let loaded = load("a.test.yaml", text);
    assert_eq!(loaded.cases.len(), 1);
    let diagnostic = &loaded.broken[0].diagnostics[0];
    assert!(diagnostic.message.contains("`format` has widths and precisions up to 1000"), "{diagnostic:?}");
    assert_eq!(diagnostic.position.line, 2);
}

#[test]
fn utf_16_is_told_as_such() {
    let text: Vec<u8> = "run: a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let found = diagnostics("a.test.yaml", text);
    assert_eq!(found[0].message, "not UTF-8: this looks like UTF-16");
}
