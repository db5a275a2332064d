//! Every mistake is told with its place and a way out.

use super::{diagnostics, load, misread};

/// One mistake: the file, its text, the place of the caret, words of the message and of the help.
pub(super) type Mistake = (&'static str, &'static str, (u32, u32), &'static str, &'static str);

const MISTAKES: [Mistake; 93] = [
    ("a.test.yaml", "run: a\ntimeout: .nan", (2, 10), "not finite", "write a finite number"),
    ("a.test.yaml", "run: a\nrows: {file: a, columns: [b]}", (2, 7), "a table is a list", "or `file` alone"),
    (
        "a.test.yaml",
        "run: |\n  a\n  b {{ case | uper }}\n",
        (3, 5),
        "filter uper is unknown",
        "did you mean `upper`?",
    ),
    ("a.test.toml", "run = \"\"\"\na\nb {{ 1 + }}\"\"\"", (3, 3), "the template is broken", ""),
    ("a.test.json", "{\"run\": \"a\\nb {{ case }\"}", (1, 15), "the template is broken", ""),
    ("a.test.yaml", "run: a\nvars: {a: 'x {{ y }}'}", (2, 14), "unknown variable `y`", "known variables"),
    ("a.test.yaml", "run: a\nvars: {a: 'x {{ 1 | uper }}'}", (2, 14), "filter uper is unknown", "`upper`"),
    ("a.test.yaml", "run: a\nvars: {a: 'x {{ dir }}'}", (2, 14), "`dir` is known only when", ""),
    (
        "a.test.yaml",
        "run: a\nmatrix: {a: [1], exclud: [{a: 1}]}",
        (2, 18),
        "unknown key `exclud`",
        "`exclude`",
    ),
    ("a.test.yaml", "run: a\nexpect: {exit: 3.0}", (2, 16), "found the number 3.0", "without a fraction: 3"),
    ("a.test.yaml", "run: a\nexpect: {stdout: {bytes: {base64: '!'}}}", (2, 35), "is no Base64", "aGVsbG8="),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {jsonpath: {$.ä b: 1}}}",
        (2, 33),
        "after \"$.ä\"",
        "stands in brackets",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {jsonpath: {'$[?(@.a = 1)]': 1}}}",
        (2, 34),
        "is no JSONPath",
        "compares by `==`",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {jsonpath: {'$[0': 1}}}",
        (2, 34),
        "is no JSONPath",
        "close each bracket",
    ),
    ("a.test.yaml", "run: a\noutputs: {path: a}", (2, 11), "unknown key `path`", "did you mean `paths`?"),
    ("a.test.yaml", "run: a\noutputs: {on: failure}", (2, 10), "`paths` is missing", ""),
    (
        "a.test.yaml",
        "run: a\noutputs: [{paths: a, on: fail}]",
        (2, 26),
        "`fail` does not say when",
        "`failure`",
    ),
    ("a.test.yaml", "run: a\noutputs: [3]", (2, 11), "expected a glob or {", ""),
    ("a.test.yaml", "run: a\noutputs: 3", (2, 10), "expected a list of globs or {", ""),
    ("a.test.yaml", "run: a\noutputs: [../a]", (2, 11), "must not hold `..`", "below the working directory"),
    ("a.test.yaml", "run: a\noutputs: {paths: [a, 'b[']}", (2, 22), "`b[` is no glob", "backslash"),
    ("a.test.yaml", "run: a\noutputs: '{{ work }}/a'", (2, 11), "too late for this value", ""),
    ("a.test.yaml", "run: [echo, {{ x }}]", (1, 14), "expected string scalar", "put quotes around"),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {matches: \"{{ wrok }}\"}}",
        (2, 29),
        "unknown variable `wrok`",
        "did you mean `work`?",
    ),
    ("a.test.json", "{\"run\": \"a\", \"expect\": [3]}", (1, 24), "expected an object", ""),
    ("a.test.json", "{\"run\": \"a\", \"expect\": 3}", (1, 24), "expected an object", ""),
    ("a.test.json", "{\"steps\": [[\"echo\"]]}", (1, 12), "expected an object", ""),
    ("a.test.yaml", "run: a\nexpect: {exit: 08}", (2, 16), "a number does not begin with 0", "write `8`"),
    (
        "a.test.json",
        "{\"run\": [\"a\"],\n \"expcet\": 1}",
        (2, 2),
        "unknown key `expcet`",
        "did you mean `expect`?",
    ),
    ("a.test.toml", "run = [\"a\"]\nexpcet = 1", (2, 1), "unknown key `expcet`", "did you mean `expect`?"),
    ("a.test.yaml", "run: [a]\nexpcet: 1", (2, 1), "unknown key `expcet`", "did you mean `expect`?"),
    ("a.test.yaml", "run: a\nzzzzzzz: 1", (2, 1), "unknown key `zzzzzzz`", "known keys: `name`"),
    (
        "a.test.yaml",
        "run: a\nexpect: {status: 200}",
        (2, 10),
        "`status` cannot be expected of `run`",
        "did you mean `exit`?",
    ),
    (
        "a.test.yaml",
        "run: a\nnetwork: {a: [1]}",
        (2, 1),
        "`network` is not supported by this version yet",
        "",
    ),
    ("a.test.yaml", "run: a\nexpect: {stdout: {contain: a}}", (2, 19), "unknown key `contain`", "`contains`"),
    (
        "a.test.json",
        "{\"run\": \"a\", \"run\": \"b\"}",
        (1, 14),
        "the key `run` stands twice; the first is at a.test.json:1:2",
        "",
    ),
    ("a.test.toml", "run = \"a\"\nrun = \"b\"", (2, 1), "duplicate key", ""),
    ("a.test.yaml", "run: a\nenv: {A: 1, A: 2}", (2, 13), "the key `A` stands twice", ""),
    (
        "a.test.json",
        "{\"run\": \"a\", \"env\": {\"a\": \"1\",\n\"a\": \"2\"}}",
        (2, 1),
        "the key `a` stands twice",
        "",
    ),
    (
        "a.test.yaml",
        "run: 5",
        (1, 6),
        "expected a list of arguments or a string for the shell, found the number 5",
        "",
    ),
    ("a.test.yaml", "run: [a, 5]", (1, 10), "expected a string, found the number 5", ""),
    ("a.test.yaml", "run: []", (1, 6), "`run` is empty", ""),
    ("a.test.yaml", "run: ' '", (1, 6), "`run` is empty", ""),
    ("a.test.yaml", "steps: []", (1, 8), "`steps` is empty", ""),
    ("a.test.json", "{\"cases\": []}", (1, 11), "`cases` is empty", ""),
    ("a.test.json", "{\"cases\": 3}", (1, 11), "expected a list of cases, found a whole number", ""),
    ("a.test.json", "{\"tags\": []}", (1, 1), "the case does nothing", "add `run`"),
    ("a.test.yaml", "name: !!binary aGk=\nrun: a", (1, 16), "`!!binary` means nothing", "as it is"),
    ("a.test.yaml", "run: [a, !!binary &x aGk=]", (1, 22), "`!!binary` means nothing", "as it is"),
    ("a.test.yaml", "steps: [{stdin: a}]", (1, 9), "the step does nothing", "add `run`"),
    ("a.test.yaml", "sleep: 1s\nrun: a", (1, 1), "not both `run` and `sleep`", "two of the `steps`"),
    ("a.test.yaml", "sleep: 1s\nstdin: a", (2, 1), "`stdin` does not belong to `sleep`", ""),
    (
        "a.test.yaml",
        "sleep: 1s\nexpect: {exit: 0}",
        (2, 10),
        "`exit` cannot be expected of `sleep`",
        "nothing can",
    ),
    ("a.test.yaml", "sleep: 1s\ncapture: {a: stdout}", (2, 14), "`stdout` is no output of `sleep`", ""),
    ("a.test.yaml", "sleep: 1", (1, 8), "a duration needs a unit", "as in \"1s\""),
    (
        "a.test.yaml",
        "run: a\nsteps: [{run: a}]",
        (1, 1),
        "`run` beside `steps`",
        "move it into one of the steps",
    ),
    ("a.test.yaml", "cases: [{run: a}]", (1, 9), "the case has no name", "add `name`"),
    (
        "a.test.yaml",
        "cases: [{name: a, run: a}]\ntimeout: 5s",
        (2, 1),
        "`timeout` belongs to a case",
        "`defaults`",
    ),
    ("a.test.yaml", "name: ' a'\nrun: a", (1, 7), "begins or ends with white space", ""),
    ("a.test.json", "{\"name\": \"a\\nb\", \"run\": \"a\"}", (1, 10), "a line break", ""),
    ("a.test.yaml", "run: a\ntimeout: 5", (2, 10), "a duration needs a unit", "as in \"5s\""),
    ("a.test.yaml", "run: a\ntimeout: 5 sec", (2, 10), "`5 sec` is no duration", "1m30s"),
    ("a.test.yaml", "run: a\ngrace: 0s", (2, 8), "`0s` is no duration", "longer than zero"),
    ("a.test.yaml", "run: a\nretries: -1", (2, 10), "-1 is no count of retries", ""),
    ("a.test.yaml", "run: a\nskip: true", (2, 7), "expected a reason in words", "say why"),
    ("a.test.yaml", "run: a\nexpect: {exit: 256}", (2, 16), "256 is no exit code", ""),
    ("a.test.yaml", "run: a\nexpect: {signal: SIGTREM}", (2, 18), "`SIGTREM` is no signal", "`SIGTERM`"),
    ("a.test.yaml", "run: a\nexpect: {exit: 1, signal: TERM}", (2, 27), "cannot both exit", "keep one"),
    ("a.test.yaml", "run: a\nexpect: {stdout: {matches: '(a'}}", (2, 29), "not a regular expression", ""),
    ("a.test.yaml", "run: a\nexpect: {stdout: {matches: '(a{1000}){1000}'}}", (2, 29), "too large", ""),
    ("a.test.yaml", "run: a\nexpect: {stdout: {}}", (2, 18), "no matcher is given", "contains"),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {exists: true}}",
        (2, 27),
        "`exists` is only for `files`, `headers` and `jsonpath`",
        "",
    ),
    ("a.test.yaml", "run: a\nexpect: {stdout: {line: a}}", (2, 19), "unknown key `line`", "`lines`"),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {jsonpath: {a.b: 1}}}",
        (2, 30),
        "`a.b` is no JSONPath: it is not understood",
        "begins with `$`",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {jsonpath: {'$.a[': 1}}}",
        (2, 34),
        "is no JSONPath",
        "in brackets stands a number",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {jsonpath: {$.a: {contain: 1}}}}",
        (2, 36),
        "unknown key `contain`",
        "`contains`",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {jsonpath: {$.a: '{{ b }}'}}}",
        (2, 36),
        "unknown variable `b`",
        "",
    ),
    ("a.test.yaml", "run: a\nexpect: {stdout: {number: x}}", (2, 27), "expected a number or {", ""),
    ("a.test.yaml", "run: a\nexpect: {stdout: {number: {}}}", (2, 27), "nothing is said about", "`min`"),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {number: {min: 2, max: 1}}}",
        (2, 41),
        "`max` is less than `min`",
        "",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {normalize: ansi}}",
        (2, 30),
        "alone expects nothing",
        "beside",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {normalize: path, equals: a}}",
        (2, 30),
        "`path` is no normalization",
        "`paths`",
    ),
    (
        "a.test.yaml",
        "run: a\nexpect: {stdout: {normalize: {replace: '(', with: ''}, equals: a}}",
        (2, 41),
        "not a regular expression",
        "",
    ),
    ("a.test.yaml", "run: a\nenv: {'A=B': c}", (2, 7), "cannot hold `=`", ""),
    ("a.test.json", "{\"run\": [\"a\", \"b\\u0000c\"]}", (1, 15), "NUL", ""),
    ("a.test.yaml", "run: a\ninputs: [../../x]", (2, 10), "leads out of the project", ""),
    ("a.test.yaml", "run: a\nfiles: {a/../../x: y}", (2, 9), "must not hold `..`", ""),
    ("a.test.yaml", "run: a\ninputs: ['{a']", (2, 10), "is no glob", ""),
    (
        "a.test.yaml",
        "run: a {{ env.USER }}",
        (1, 8),
        "does not name the variable `USER` of its environment",
        "list `USER` under `inherit_env`",
    ),
    ("a.test.yaml", "run: [a, 1.10]", (1, 10), "found the number", "write it as a string, in quotes"),
    ("a.test.yaml", "run: a\nsecrets: ['A=b']", (2, 11), "cannot hold `=`", "write the name alone"),
    (
        "a.test.yaml",
        "run: a {{ env.HOME }}",
        (1, 8),
        "does not name the variable `HOME` of its environment",
        "the processes of the case have it: a shell reads it as `$HOME`",
    ),
    (
        "a.test.yaml",
        "run: a {{ dri }}\nvars: {lang: de}",
        (1, 8),
        "unknown variable `dri`",
        "did you mean `dir`?",
    ),
];

#[test]
fn mistakes_are_told_with_place_caret_and_help() {
    let wrong: Vec<_> = MISTAKES.iter().chain(&misread::MISTAKES).filter_map(wrongly_told).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What a mistake is told like, if not as it should be.
fn wrongly_told((path, text, (line, column), message, help): &Mistake) -> Option<String> {
    let found = diagnostics(path, text);
    let [diagnostic] = found.as_slice() else { return Some(format!("one mistake in {text:?}: {found:#?}")) };
    let suggestion = diagnostic.suggestion.as_deref().unwrap_or_default();
    let rendered = &diagnostic.rendered;
    let is_told = diagnostic.message.contains(message)
        && !diagnostic.message.contains('\n')
        && !suggestion.is_empty()
        && suggestion.contains(help)
        && rendered.contains(&format!("{path}:{line}:{column}\n"));
    let source = text.lines().nth(*line as usize - 1).expect("the line");
    let lines: Vec<_> = rendered.lines().collect();
    let shown = lines.iter().position(|shown| shown.ends_with(source));
    let has_caret = shown.is_some_and(|shown| {
        let begin = lines[shown].chars().count() - source.chars().count();
        let caret = lines[shown + 1].chars().position(|character| character == '^');
        caret.is_some_and(|caret| caret - begin + 1 == *column as usize)
    });
    (!is_told || !has_caret).then(|| format!("{line}:{column} {message}; {help}\n{rendered}"))
}

#[test]
fn a_diagnostic_looks_like_this() {
    let found = diagnostics("a.test.json", "{\"run\": \"a\", \"expcet\": 1}");
    let expected = "error: unknown key `expcet`\n --> a.test.json:1:14\n  |\n1 | {\"run\": \"a\", \"expcet\": 1}\n  |              ^^^^^^^^\n  |\n  = help: did you mean `expect`?";
    assert_eq!(found[0].rendered, expected);
}

#[test]
fn long_lines_and_words_are_cut() {
    let word = "ü".repeat(50_000);
    let text = format!("{{\"run\": \"{word}\", \"{word}\": \"{word}\"}}");
    let found = diagnostics("a.test.json", text);
    let rendered = &found[0].rendered;
    assert!(rendered.len() < 2048, "{} bytes", rendered.len());
    assert!(rendered.contains("a.test.json:1:50013"), "{rendered}");
    assert!(found[0].message.len() < 300);
    let found = diagnostics("a.test.toml", format!("run = \"a\" {}", "\u{1b}b = ".repeat(20_000)));
    assert!(found[0].rendered.len() < 2048 && !found[0].rendered.contains('\u{1b}'));
}

#[test]
fn a_broken_case_leaves_the_others() {
    let text = "cases:\n- {name: a, run: a}\n- {name: b, run: '{{ x }}', timeout: 0s, env: {'': a}}\n- {name: c, run: c}\n- {name: a, run: a}\n- 5\n- {run: d}\n";
    let loaded = load("f/x.test.yaml", text);
    let names: Vec<_> = loaded.cases.iter().map(|case| case.info.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    let [named, file] = loaded.broken.as_slice() else { panic!("a case and the file: {:#?}", loaded.broken) };
    assert_eq!((named.info.id.as_str(), named.diagnostics.len()), ("f/x::b", 3));
    assert!(named.diagnostics.is_sorted_by_key(|diagnostic| &diagnostic.position));
    assert_eq!((file.info.id.as_str(), file.diagnostics.len()), ("f/x.test.yaml", 3));
    assert!(
        file.diagnostics[0].message.contains("named `a`; the first is at f/x.test.yaml:2:10"),
        "{}",
        file.diagnostics[0].message
    );
}

#[test]
fn long_arguments_are_refused() {
    let found = diagnostics("a.test.json", format!("{{\"run\": [\"a\", \"{}\"]}}", "b".repeat(128 << 10)));
    assert!(found[0].message.contains("131072 bytes"), "{}", found[0].message);
    assert_eq!(
        load("a.test.json", format!("{{\"run\": [\"a\", \"{}\"]}}", "b".repeat((128 << 10) - 1))).cases.len(),
        1
    );
    let found = diagnostics(
        "a.test.json",
        format!("{{\"run\": \"a\", \"env\": {{\"AB\": \"{}\"}}}}", "b".repeat((128 << 10) - 3)),
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn the_parent_may_be_named_within_the_project() {
    assert_eq!(load("a/b.test.yaml", "run: a\ninputs: [../x]\nstdin: {file: ../y}").cases.len(), 1);
    assert_eq!(diagnostics("a/b.test.yaml", "run: a\nstdin: {file: c/../../../y}").len(), 1);
    assert_eq!(diagnostics("a/b.test.yaml", "run: a\nstdin: {file: /etc/passwd}").len(), 1);
}

#[test]
fn names_in_templates_are_checked() {
    for (template, is_known) in [
        ("dir", true),
        ("tmp", true),
        ("work", true),
        ("case", true),
        ("attempt", true),
        ("lang", true),
        ("deep.n", true),
        ("deep.m", false),
        ("lang.x", false),
        ("dir.x", false),
        ("list[0]", true),
        ("env.SET", true),
        ("env.IN", true),
        ("env.OUT", false),
        ("env", false),
        ("slot", true),
        ("slott", false),
    ] {
        let text = format!(
            "run: 'a {{{{ {template} }}}}'\nvars: {{lang: de, deep: {{n: 1}}, list: [1]}}\nenv: {{SET: a, OUT: ~}}\ninherit_env: [IN]"
        );
        assert_eq!(load("a.test.yaml", &text).cases.len(), usize::from(is_known), "{template}");
    }
    for vars in ["dir: a", "env: a", "'a b': c", "a: '{{ dir }}'", "a: [{b: '{{ dir }}'}]"] {
        assert_eq!(diagnostics("a.test.yaml", format!("run: a\nvars: {{{vars}}}")).len(), 1, "{vars}");
    }
}
