//! A long file is read by several threads, with the result that one of them has.

use std::sync::{Arc, Mutex};

use super::{Around, Defaults, Fake, Loaded, load, read, with_file};

/// What several threads read.
fn divided(text: &str) -> Loaded {
    let turn = Mutex::new(());
    let around = Around { outside: &Fake, overrides: &Arc::default(), turn: Some(&turn) };
    with_file("x.test.yaml", text.as_bytes(), |file| read(file, &Defaults::default(), &around))
}

fn assert_same(text: &str, cases: usize, broken: usize) {
    let (one, several) = (load("x.test.yaml", text), divided(text));
    assert_eq!((one.cases.len(), one.broken.len()), (cases, broken), "{:#?}", one.broken);
    assert_eq!(format!("{:?}", several.cases), format!("{:?}", one.cases));
    assert_eq!(format!("{:?}", several.broken), format!("{:?}", one.broken));
}

/// An entry of 2,000 cases, with more keys.
fn matrix(more: &str) -> String {
    let tens = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";
    format!(
        "cases:\n- {{name: first, run: p}}\n- name: 'a {{{{ h }}}}{{{{ x }}}}{{{{ y }}}}{{{{ z }}}}'\n  matrix: {{h: [1, 2], x: {tens}, y: {tens}, z: {tens}}}\n  run: [p, '{{{{ x }}}}']\n{more}"
    )
}

#[test]
fn many_cases_of_one_entry() {
    assert_same(&matrix("  exclusive: '{{ z == 1 }}'\n  expect: {stdout: {matches: '^1'}}\n"), 2001, 0);
    assert_same(&matrix("  rows: {file: data/good.csv}\n"), 4001, 0);
}

#[test]
fn mistakes_are_told_as_one_thread_tells_them() {
    // A value that is wrong in some cases, and names that another entry, and another part, have.
    let some = matrix("  retries: '{{ 0 if x + z < 17 else \"no\" }}'\n");
    let one = load("x.test.yaml", &some);
    assert_same(&some, one.cases.len(), one.broken.len());
    assert!(!one.cases.is_empty() && one.broken.len() > 1);
    let taken = matrix("") + "- {name: a 2000, run: p}\n";
    assert_same(&taken, 2001, 1);
    let twice = matrix("").replace("h: [1, 2]", "h: [1, 1]");
    let one = load("x.test.yaml", &twice);
    assert_same(&twice, one.cases.len(), one.broken.len());
    assert!(one.cases.len() < 2001 && !one.broken.is_empty());
}
