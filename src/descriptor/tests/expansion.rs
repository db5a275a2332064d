//! Many cases from one: which there are, what they are called, and what is wrong.

use std::sync::Arc;

use super::{diagnostics, load};
use crate::descriptor::CASE_LIMIT;
use crate::model::{RunCommand, StepAction, StepInput, TestCase};

/// The names of the cases and what each runs.
fn made(text: &str) -> Vec<(String, String)> {
    let loaded = load("x.test.yaml", text);
    assert!(loaded.broken.is_empty(), "{:#?}", loaded.broken);
    let shown = |case: &Arc<TestCase>| (case.info.name.clone(), command(case));
    loaded.cases.iter().map(shown).collect()
}

fn command(case: &TestCase) -> String {
    let StepAction::Run(run) = &case.steps[0].action else { panic!("no process") };
    match &run.command {
        RunCommand::Shell(script) => script.source().to_owned(),
        RunCommand::Program(words) => words.iter().map(|word| word.source()).collect::<Vec<_>>().join(" "),
    }
}

fn names(text: &str) -> Vec<String> {
    made(text).into_iter().map(|(name, _)| name).collect()
}

fn messages(text: &str) -> Vec<String> {
    let found = diagnostics("x.test.yaml", text);
    found.into_iter().map(|found| format!("{} {}", found.position, found.message)).collect()
}

#[test]
fn a_matrix_is_a_product_in_the_order_of_the_text() {
    let found = made("name: n\nrun: 'do {{ b }} {{ a }}'\nmatrix: {b: [1, x], a: [true, 1.5]}");
    let expected = [
        ("n[b=1,a=true]", "do 1 true"),
        ("n[b=1,a=1.5]", "do 1 1.5"),
        ("n[b=x,a=true]", "do x true"),
        ("n[b=x,a=1.5]", "do x 1.5"),
    ];
    assert_eq!(found, expected.map(|(name, run)| (name.to_owned(), run.to_owned())));
}

#[test]
fn the_three_spellings_make_the_same_cases() {
    let yaml = "cases:\n- name: n\n  run: ['{{ a }}', '{{ b.k }}']\n  matrix: {a: [1, '1'], b: [{k: v}, {k: w}]}\n  rows: [{r: 1}]";
    let json = r#"{"cases": [{"name": "n", "run": ["{{ a }}", "{{ b.k }}"], "matrix": {"a": [1, "1"], "b": [{"k": "v"}, {"k": "w"}]}, "rows": [{"r": 1}]}]}"#;
    let toml = "[[cases]]\nname = 'n'\nrun = ['{{ a }}', '{{ b.k }}']\nmatrix = { a = [1, '1'], b = [{k = 'v'}, {k = 'w'}] }\n[[cases.rows]]\nr = 1";
    let ids = |path: &str, text: &str| -> Vec<_> {
        load(path, text).cases.iter().map(|case| (case.info.id.to_string(), command(case))).collect()
    };
    let expected = ids("x.test.yaml", yaml);
    let shown: Vec<_> = expected.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(
        shown,
        [
            r#"x::n[r=1,a=1,b={"k":"v"}]"#,
            r#"x::n[r=1,a=1,b={"k":"w"}]"#,
            r#"x::n[r=1,a=1#2,b={"k":"v"}]"#,
            r#"x::n[r=1,a=1#2,b={"k":"w"}]"#
        ]
    );
    assert_eq!(ids("x.test.json", json), expected);
    assert_eq!(ids("x.test.toml", toml), expected);
}

#[test]
fn a_matrix_leaves_out_and_adds() {
    let text = "name: n\nrun: '{{ a }}{{ b }}{{ c }}'\nvars: {c: .}\nmatrix:\n  a: [1, 2]\n  b: [x, y]\n  exclude: [{a: 1, b: x}]\n  include: [{a: 2, c: '!'}, {a: 3, b: z}, {b: y, c: '?'}]";
    let found: Vec<_> = made(text).into_iter().map(|(name, run)| format!("{name} {run}")).collect();
    assert_eq!(found, ["n[a=1,b=y] 1y?", "n[a=2,b=x] 2x!", "n[a=2,b=y] 2y?", "n[a=3,b=z] 3z."]);
}

#[test]
fn what_the_name_says_is_not_repeated() {
    assert_eq!(names("name: 'n {{ a }}'\nrun: a\nmatrix: {a: [1, 2]}"), ["n 1", "n 2"]);
    assert_eq!(names("name: 'n {{ a }}'\nrun: a\nmatrix: {a: [1, 2], b: [3]}"), ["n 1[b=3]", "n 2[b=3]"]);
    assert_eq!(names("name: 'n {{ name }}'\nrun: a\nrows: [{name: p, x: 1}]"), ["n p"]);
    assert_eq!(names("name: 'n {{ x }}'\nrun: a\nrows: [{x: 1, y: 2}]"), ["n 1[y=2]"]);
    assert_eq!(names("name: '{{ stem }}'\nrun: a\nforeach: in/*.txt"), ["a", "b"]);
}

#[test]
fn rows_are_inline_or_in_files() {
    assert_eq!(
        names("name: n\nrun: a\nrows: [{name: p, x: 1}, {x: 2}, {x: 2}, {name: p}]"),
        ["n[p]", "n[x=2]", "n[x=2#2]", "n[p#2]"]
    );
    assert_eq!(
        made("name: n\nrun: 'is {{ y }}'\nrows: {columns: [x, y], rows: [[1, 2], ['', null]]}"),
        [("n[x=1,y=2]", "is 2"), ("n[x=\"\",y=null]", "is null")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    let text =
        "cases: [{name: c, run: '{{ text }}', rows: {file: data/good.csv}, expect: {exit: '{{ code }}'}}]";
    assert_eq!(
        made(text),
        [("c[first]", "007"), ("c[second]", "a, \"b\"")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert_eq!(names("name: j\nrun: a\nrows: {file: data/good.json}"), ["j[x=1]", "j[x={\"y\":[]}]"]);
    let long = names(
        "name: n\nrun: a\nrows: [{a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, b: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, c: ccccccccccccccccccc}]",
    );
    assert!(long[0].chars().count() <= 83 && long[0].ends_with("…]"), "{long:?}");
}

#[test]
fn files_make_cases_with_their_paths() {
    let loaded = load(
        "x.test.yaml",
        "foreach: in/*.txt\nrun: [a, '{{ name }} {{ stem }} {{ parent }} {{ ext }}']\nstdin: {file: '{{ path }}'}",
    );
    let shown: Vec<_> = loaded.cases.iter().map(|case| (case.info.id.as_str(), command(case))).collect();
    assert_eq!(
        shown,
        [
            ("x::x[in/a.txt]", "a a.txt a in txt".to_owned()),
            ("x::x[in/b.txt]", "a b.txt b in txt".to_owned())
        ]
    );
    let StepAction::Run(run) = &loaded.cases[1].steps[0].action else { panic!("no process") };
    assert!(matches!(&run.stdin, StepInput::File { path, .. } if path.source() == "in/b.txt"));
    assert_eq!(names("foreach: [in/*.txt, in/a*, 'in/*b.txt']\nrun: a").len(), 2, "each file once");
    assert_eq!(
        names("name: n\nforeach: in/*.txt\nmatrix: {m: [1, 2]}\nrun: a"),
        ["n[in/a.txt,m=1]", "n[in/a.txt,m=2]", "n[in/b.txt,m=1]", "n[in/b.txt,m=2]"]
    );
}

#[test]
fn generated_cases_stand_where_their_entry_does() {
    let loaded =
        load("x.test.yaml", "cases:\n- {name: a, run: a}\n- name: b\n  run: b\n  matrix: {x: [1, 2]}");
    let places: Vec<_> = loaded.cases.iter().map(|case| case.info.position.to_string()).collect();
    assert_eq!(places, ["x.test.yaml:2:3", "x.test.yaml:3:3", "x.test.yaml:3:3"]);
}

#[test]
fn mistakes_are_told_where_they_stand() {
    for (text, expected) in [
        ("run: a\nmatrix: {}", "2:9 `matrix` names no list"),
        ("run: a\nmatrix: {a: []}", "2:13 the list of `a` is empty"),
        ("run: a\nmatrix: {a: 1}", "2:13 expected a list, found the number 1"),
        ("run: a\nmatrix: [1]", "2:9 expected an object of lists, found a list"),
        ("run: a\nmatrix: {a: [1, 2, 1]}", "2:20 `1` stands twice"),
        ("run: a\nmatrix: {work: [1]}", "2:10 `work` already has a meaning of its own"),
        (
            "run: a\nmatrix: {a: ['{{ work }}']}",
            "2:14 the value of `a` holds `{{`, which is replaced in `vars` alone",
        ),
        ("run: a\nmatrix: {a: [1], exclude: [{b: 1}]}", "2:29 the matrix has no list `b`"),
        ("run: a\nmatrix: {a: [1], exclude: [{a: 2}]}", "2:32 `2` is no value of `a`"),
        ("run: a\nmatrix: {a: [1], exclude: [{}]}", "2:28 `exclude` names no value"),
        ("run: a\nmatrix: {a: [1], exclude: [{a: 1}]}", "2:9 every combination is excluded"),
        ("run: a\nmatrix: {a: [1], b: [1], include: [{a: 2}]}", "2:36 `b` is missing"),
        (
            "run: a\nmatrix: {a: [1], include: [{a: 1}]}",
            "2:28 `include` adds nothing: this combination is there",
        ),
        ("run: a\nrows: []", "2:7 the table has no rows"),
        ("run: a\nrows: {file: x.txt}", "2:14 `x.txt` is neither a CSV nor a JSON file"),
        ("run: a\nrows: {file: none.csv}", "2:14 `none.csv`: no such file"),
        ("run: a\nrows: {file: ../x.csv}", "2:14 `../x.csv` leads out of the project"),
        ("run: a\nrows: {columns: [a, b], rows: [[1]]}", "2:32 the row has 1 value for 2 columns"),
        (
            "run: a\nrows: {columns: [a, a], rows: [[1, 1]]}",
            "2:21 the column `a` stands twice; the first is at x.test.yaml:2:18",
        ),
        (
            "run: a\nrows: {file: a.csv, rows: []}",
            "2:7 a table is a list of objects, { \"columns\", \"rows\" } or { \"file\": path }",
        ),
        ("run: a\nforeach: none/*", "2:10 `none/*`: matches nothing"),
        ("run: a\nforeach: []", "2:10 the list is empty"),
        (
            "run: a\nforeach: in/*.txt\nmatrix: {stem: [1]}",
            "3:9 `foreach` and `matrix` both give `stem` a value",
        ),
        ("name: '{{ a }}'\nrun: a\nmatrix: {a: [1, '1']}", "1:7 two cases of this entry are named `1`"),
        (
            "name: '{{ work }}'\nrun: a",
            "1:7 `work` is known only when the case runs, too late for this value",
        ),
        ("name: '{{ nope }}'\nrun: a", "1:7 unknown variable `nope`"),
        ("name: '{{ a'\nrun: a", "1:8 the template is broken"),
    ] {
        let loaded = load("x.test.yaml", text);
        let found: Vec<_> = loaded.broken.into_iter().flat_map(|broken| broken.diagnostics).collect();
        let shown: Vec<_> =
            found.iter().map(|found| format!("{} {}", found.position, found.message)).collect();
        assert!(
            shown.iter().any(|shown| shown.starts_with(&format!("x.test.yaml:{expected}"))),
            "{text}: {shown:?}"
        );
    }
}

#[test]
fn mistakes_in_tables_are_told_in_the_table() {
    assert_eq!(
        messages("run: a\nrows: {file: data/ragged.csv}"),
        ["data/ragged.csv:3:1 the row has 3 values for 2 columns"]
    );
    assert_eq!(
        messages("run: a\nrows: {file: data/header.csv}"),
        ["data/header.csv:1:3 `b c` is no name for a variable"]
    );
    assert_eq!(
        messages("run: a\nrows: {file: data/named.csv}"),
        ["data/named.csv:3:1 `` is no name for a case"]
    );
    assert_eq!(
        messages("run: a\nrows: {file: data/bad.json}"),
        ["data/bad.json:2:7 not valid JSON: expected value"]
    );
    assert_eq!(
        messages("run: a\nrows: {file: data/scalar.json}"),
        ["data/scalar.json:1:2 expected an object, found the number 1"]
    );
}

#[test]
fn a_mistake_of_all_cases_is_told_once() {
    let found = messages("run: '{{ nope }}'\nmatrix: {a: [1, 2, 3]}");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("x.test.yaml:1:7 unknown variable `nope`"), "{found:?}");
    assert!(found[1].starts_with("x.test.yaml:1:1 2 more cases of this entry are broken"), "{found:?}");
}

#[test]
fn many_cases_are_made_soon_and_share_what_is_equal() {
    let list = (0..100).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let begin = std::time::Instant::now();
    let text =
        format!("run: [a, '{{{{ a }}}}']\nenv: {{A: b}}\ninputs: [x]\nmatrix: {{a: [{list}], b: [{list}]}}");
    let loaded = load("x.test.yaml", text);
    assert!(begin.elapsed() < std::time::Duration::from_secs(20), "it took {:?}", begin.elapsed());
    assert_eq!(loaded.cases.len(), 10_000);
    let (first, last) = (&loaded.cases[0], &loaded.cases[9_999]);
    assert!(Arc::ptr_eq(&first.environment, &last.environment) && Arc::ptr_eq(&first.inputs, &last.inputs));
    assert!(Arc::ptr_eq(&first.variables, &last.variables));
}

#[test]
fn a_bomb_is_refused_before_it_explodes() {
    let list: Vec<_> = (0..1000).map(|number| number.to_string()).collect();
    let list = list.join(",");
    let found = messages(&format!("run: a\nmatrix: {{a: [{list}], b: [{list}], c: [{list}]}}"));
    assert_eq!(found, [format!("x.test.yaml:2:9 more than {CASE_LIMIT} cases would be made of one entry")]);
    let found =
        messages(&format!("run: a\nmatrix: {{a: [{list}], b: [{list}]}}\nrows: [{{x: 1}}, {{x: 2}}]"));
    assert_eq!(found.len(), 1, "{found:?}");
    let rules = "{a: 1},".repeat(60);
    let found = messages(&format!("run: a\nmatrix: {{a: [{list}], b: [{list}], exclude: [{rules}]}}"));
    assert!(found[0].contains("60 entries of `include` and `exclude` are too many"), "{found:?}");
}
