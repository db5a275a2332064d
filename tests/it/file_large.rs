//! Files that are too large to be read as a whole: what is told of them, in how much memory.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::support::Suite;

/// The length of the files.
const LENGTH: u64 = 200 << 20;

/// A file with a hole that takes no place, and these texts in it.
fn holey(path: &Path, texts: &[(u64, &str)]) {
    let file = File::create(path).expect("created");
    file.set_len(LENGTH).expect("grown");
    for (at, text) in texts {
        file.write_all_at(text.as_bytes(), *at).expect("written");
    }
}

/// A file with numbered lines, and its last lines: more than 16 MiB together.
fn numbered(path: &Path, last: &str) {
    let mut file = BufWriter::new(File::create(path).expect("created"));
    for number in 0..1_000_000 {
        writeln!(file, "line number {number:010}").expect("written");
    }
    file.write_all(last.as_bytes()).expect("written");
    file.flush().expect("written");
}

#[test]
fn what_can_be_told_of_a_large_file_is_told_in_little_memory() {
    let text = r#"
defaults: { timeout: 10m }
cases:
  - name: parts
    file: "{{ dir }}/large"
    expect:
      content:
        starts_with: "begin"
        ends_with: "é end\n"
        contains: ["begin", "across the edge", "é end"]
        not_contains: ["nowhere", "begin end"]
        empty: false
        bytes: { at: 104857600, hex: "61 63 72 6f 73 73" }
        not: { equals: "begin" }
        one_of: [{ contains: nowhere }, { matches: "é.end$" }]
  - name: golden
    file: "{{ dir }}/large"
    expect: { content: { file: same } }
  - name: nothing holds
    file: "{{ dir }}/large"
    expect:
      content:
        - { file: other }
        - { contains: nowhere }
        - { equals: "begin" }
        - { empty: true }
        - { bytes: { at: 0, hex: "62 65 66" } }
        - { starts_with: x }
        - { ends_with: x }
        - { not: { contains: edge } }
        - { one_of: [a, b] }
  - name: of a process
    run: "true"
    expect: { files: { "{{ dir }}/large": { contains: across the edge } } }
"#;
    let suite = Suite::of("a.test.yaml", text);
    let edge = 100 << 20;
    let texts = [(0, "begin"), (edge, "across the edge"), (LENGTH - 7, "é end\n")];
    holey(&suite.path().join("large"), &texts);
    holey(&suite.path().join("same"), &texts);
    holey(&suite.path().join("other"), &[texts[0], (edge, "across\nan\nedge"), texts[2]]);
    let (run, peak) = suite.peak(&["-j", "1"]);
    let run = run.expect_code(1);
    for name in ["parts", "golden", "of a process"] {
        assert_eq!(run.verdict(name), ("passed", String::new()), "{}", run.stdout);
    }
    for message in [
        "differs from line 1 on (byte 104857606) (golden file other",
        "does not contain \"nowhere\"",
        "differs from line 1 on (byte 5; expected 5 bytes, found 209715200)",
        "large: expected nothing, found 209715200 bytes",
        "large: byte 2 differs: expected 66, found 67",
        "large: expected to start with \"x\", found \"begin",
        "large: expected to end with \"x\", found …\"",
        "large: expected not: contains \"edge\"",
        "large: expected one of \"a\", \"b\"; found 209715200 bytes",
        "-expected +actual, from byte 104857546 on",
        "across the edge",
    ] {
        assert!(run.stdout.contains(message), "{message} is not in\n{}", run.stdout);
    }
    assert!(peak < 100 << 10, "{peak} KiB for a file of {} KiB", LENGTH >> 10);
}

#[test]
fn lines_of_a_large_file_are_compared_and_captured() {
    let text = r#"
defaults: { timeout: 10m, file: "{{ dir }}/large" }
cases:
  - name: in order
    expect:
      content:
        - lines: ["line number 0000000000", "...", "line number 0000500000", "[..]1", "...", "the [..]", "last"]
        - unordered: [last, "line number 0000000017", "the [..]", "..."]
        - not: { lines: ["...", "line number 0000500000", "[..]2", "..."] }
        - matches: ['^line number 0000999999\nthe', '(?-u:\b)second to last$', 'la(?:st){1}\n\z']
        - not: { matches: 'number \D' }
  - name: no such line
    expect: { content: { lines: ["...", "the [..]", "end"] } }
  - name: out of order
    expect: { content: { unordered: [last, nothing] } }
  - name: captured
    steps:
      - file: "{{ dir }}/large"
        capture: { third: { line: 3 }, last: { line: -1 }, before: { line: -2 } }
      - run: "echo '{{ third }}, {{ before }}, {{ last }}'"
        expect: { stdout: "line number 0000000002, the second to last, last\n" }
  - name: no line
    file: "{{ dir }}/large"
    capture: { a: { line: 5000000 }, b: { line: -5000000 } }
"#;
    let suite = Suite::of("a.test.yaml", text);
    numbered(&suite.path().join("large"), "the second to last\nlast\n");
    let (run, peak) = suite.peak(&["-j", "1"]);
    let run = run.expect_code(1);
    for name in ["in order", "captured"] {
        assert_eq!(run.verdict(name), ("passed", String::new()), "{}", run.stdout);
    }
    for (name, message) in [
        ("no such line", "line 1000002: expected \"end\", found \"last\""),
        ("out of order", "1 line is missing, the first is \"nothing\"; 1000001 lines are not expected"),
        ("no line", "has no line 5000000, only 1000002 (captured as `a`) (and 1 more)"),
    ] {
        let found = run.verdict(name).1;
        assert!(found.ends_with(message), "{found}");
    }
    assert!(peak < 100 << 10, "{peak} KiB");
}

#[test]
fn what_cannot_be_told_of_a_large_file_says_so() {
    let text = r#"
defaults: { timeout: 10m, file: "{{ dir }}/large" }
cases:
  - { name: json, expect: { content: { json: 1 } } }
  - { name: not json, expect: { content: { not: { json: 1 } } } }
  - { name: number, expect: { content: { number: { from: a, min: 1 } } } }
  - { name: normalized, expect: { content: { normalize: crlf, contains: x } } }
  - { name: one line, expect: { content: { lines: [x, "..."] } } }
  - { name: words, expect: { content: { matches: '\bx\b' } } }
  - { name: whole, capture: { a: content } }
  - { name: rows, expect: { rows: [] } }
"#;
    let suite = Suite::of("a.test.yaml", text);
    holey(&suite.path().join("large"), &[(1000, "é")]);
    let run = suite.run(&[]).expect_code(1);
    let many = "has 209715200 bytes, more than the 16777216 that are looked at as a whole: of it only";
    for (name, message) in [
        ("json", many),
        ("not json", many),
        ("number", many),
        ("normalized", many),
        ("one line", "cannot be compared: its line 1 has more than 16777216 bytes"),
        ("words", "write `(?-u:\\b)`"),
        ("whole", many),
        ("rows", "it has 209715200 bytes, and no more than 16777216 are compared"),
    ] {
        let (verdict, found) = run.verdict(name);
        assert!(verdict == "failure" && found.contains(message), "{name}: {verdict} {found}");
    }
}

#[test]
fn looking_at_a_file_ends_at_the_time_limit() {
    let tests = [
        "contains: x",
        "matches: x",
        "file: endless2",
        "lines: ['...', x]",
        "unordered: [x]",
        "not_contains: x",
    ];
    let mut text = "defaults: { timeout: 300ms }\ncases:\n".to_owned();
    for test in tests {
        text += &format!(
            "  - {{ name: \"{test}\", file: '{{{{ dir }}}}/endless', expect: {{ content: {{ {test} }} }} }}\n"
        );
    }
    text += "  - { name: run, run: 'true', expect: { files: { '{{ dir }}/endless': { contains: x } } } }\n";
    let suite = Suite::of("a.test.yaml", &text);
    for name in ["endless", "endless2"] {
        let file = File::create(suite.path().join(name)).expect("created");
        file.set_len(1 << 42).expect("grown");
    }
    let run = suite.run(&[]).expect_code(1);
    for name in tests.into_iter().filter(|test| !test.contains('[')).chain(["run"]) {
        let found = run.verdict(name).1;
        // On a busy machine the process itself may be too late.
        assert!(found.starts_with("timed out after 0.30s"), "{name}: {found}");
    }
}

#[test]
fn expressions_that_take_minutes_end_at_the_time_limit() {
    let text = r#"
defaults: { timeout: 300ms }
cases:
  - { name: one place, file: "{{ dir }}/mixed", expect: { content: { matches: '[ab]*a[ab]{300}c' } } }
  - { name: all places, file: "{{ dir }}/same", expect: { content: { normalize: [{ replace: '.*[^A]|A', with: x }], equals: x } } }
"#;
    let suite = Suite::of("a.test.yaml", text);
    let mut state: u32 = 1;
    let mixed = (0..4 << 20).map(|_| {
        // The linear congruential generator of the C standard's example for `rand`.
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12345);
        if state >> 30 & 1 == 0 { b'a' } else { b'b' }
    });
    std::fs::write(suite.path().join("mixed"), mixed.collect::<Vec<u8>>()).expect("written");
    std::fs::write(suite.path().join("same"), vec![b'A'; 4 << 20]).expect("written");
    let run = suite.run(&[]).expect_code(1);
    for name in ["one place", "all places"] {
        let found = run.verdict(name).1;
        assert!(found.starts_with("timed out after 0.30s"), "{name}: {found}");
    }
}

#[test]
fn a_large_golden_file_is_compared_and_never_written() {
    let text = r#"{ "cases": [
        { "name": "output", "run": "echo x", "expect": { "stdout": { "file": "golden" } } },
        { "name": "file", "file": "{{ dir }}/large", "expect": { "content": { "file": "new" } } } ] }"#;
    let suite = Suite::of("a.test.json", text);
    holey(&suite.path().join("golden"), &[(0, "x\n")]);
    holey(&suite.path().join("large"), &[]);
    let run = suite.run(&["--update"]).expect_code(1);
    let output = run.verdict("output").1;
    assert!(
        output.starts_with("stdout differs from line 2 on (byte 2; expected 209715200 bytes, found 2) (golden file golden, which `--update` leaves"),
        "{output}"
    );
    let file = run.verdict("file").1;
    assert!(file.contains("the golden file new does not exist"), "{file}");
    assert!(!suite.path().join("new").exists());
}
