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

fn entries(count: usize) -> String {
    let entries = (0..count).map(|number| {
        let data = if number % 100 == 3 { ", rows: {file: data/good.csv}, timeout: 2s" } else { "" };
        format!(
            "- {{name: 'case {number}', run: [p, '{number}'], expect: {{stdout: {{matches: '^1'}}}}{data}}}\n"
        )
    });
    format!("vars: {{v: 1}}\ncases:\n{}", entries.collect::<String>())
}

#[test]
fn many_entries() {
    assert_same(&entries(1000), 1010, 0);
    assert_same(&entries(256), 259, 0);
}

#[test]
fn many_cases_of_one_entry() {
    let matrix = "name: a\nmatrix: {x: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], y: &tens [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], z: *tens}\nrun: [p, '{{ x }}']\nexclusive: '{{ z == 1 }}'\n";
    assert_same(matrix, 1000, 0);
}

#[test]
fn mistakes_are_told_as_one_thread_tells_them() {
    // A name that another part has, a key that no case has, and one that is wrong in some cases of a matrix.
    let twice = entries(600) + "- {name: 'case 7', run: [p], expect: {exit: x}}\n- {name: last, runs: [p]}\n";
    assert_same(&twice, 606, 2);
    let matrix = "name: 'a {{ x }}{{ y }}'\nmatrix: {x: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], y: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]}\nrun: [p]\nretries: '{{ 0 if x < 19 else \"no\" }}'\n";
    let one = load("x.test.yaml", matrix);
    assert_same(matrix, one.cases.len(), one.broken.len());
    assert!(!one.cases.is_empty() && !one.broken.is_empty());
}
