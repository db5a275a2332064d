//! The step `file`: what can be expected of a file of each kind, and what is wrong with a descriptor.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::support::Suite;

#[test]
fn a_file_is_what_it_is_and_holds_what_it_holds() {
    let text = r#"
cases:
  - name: all holds
    file: { path: "{{ dir }}/t.tsv", delimiter: "\t" }
    expect:
      exists: true
      size: 19
      mode: "604"
      sha256: "DA3F592F8F9E60125DBDDCCDCB73926493D5D00C4FFE778DB598284BE6E476B4"
      content: { contains: "ada", bytes: { at: 0, hex: 69 64 } }
      rows: { json: [{ id: 1, name: ada }, { id: 2, name: eve }], exact: true }
  - name: nothing holds
    file: "{{ dir }}/t.tsv"
    expect:
      size: { max: 3 }
      mode: "0644"
      sha256: "0000000000000000000000000000000000000000000000000000000000000000"
      content: { bytes: "69 64 0a" }
      rows: 7
  - name: a link
    file: "{{ dir }}/link"
    expect: { size: 19, content: { starts_with: id } }
  - name: captured
    steps:
      - file: "{{ dir }}/t.tsv"
        capture: { size: size, mode: mode, rows: rows, all: content, line: { line: 2 }, digest: sha256 }
      - run: 'echo "{{ size + 1 }} {{ mode }} {{ rows | length }} {{ line }}" "{{ digest | length }}" "{{ all | length }}"'
        expect: { stdout: "20 0604 2 1\tada 64 19\n" }
"#;
    let suite = Suite::of("a.test.yaml", text).file("t.tsv", "id\tname\n1\tada\n2\teve");
    let path = suite.path().join("t.tsv");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o604)).expect("changed");
    symlink("t.tsv", suite.path().join("link")).expect("a link");
    let run = suite.run(&[]).expect_code(1);
    for name in ["all holds", "a link", "captured"] {
        assert_eq!(run.verdict(name).0, "passed", "{name}: {}", run.stdout);
    }
    for message in [
        "size: expected at most 3, found 19",
        r#"mode: expected "0644", found "0604""#,
        "sha256: expected \"0000",
        "byte 2 differs: expected 0a, found 09",
        "number of rows: expected 7, found 2",
    ] {
        assert!(run.stdout.contains(message), "{message} is not in\n{}", run.stdout);
    }
}

#[test]
fn rows_of_a_large_table_are_counted() {
    let suite = Suite::of(
        "a.test.yaml",
        "cases:\n  - { name: counted, file: '{{ dir }}/t.csv', expect: { rows: 150000 } }\n  - { name: compared, file: '{{ dir }}/t.csv', expect: { rows: { json: [{ n: 1 }] } } }",
    )
    .file("t.csv", format!("n\n{}", "12345\n".repeat(150_000)));
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("counted").0, "passed", "{}", run.stdout);
    assert!(run.verdict("compared").1.contains("more rows than the 100000"), "{}", run.stdout);
}

#[test]
fn what_is_no_file_is_told_and_nothing_hangs() {
    let text = r#"
defaults: { timeout: 20s }
cases:
  - { name: missing, file: no/such, expect: { size: 3, content: text, rows: 1 }, capture: { a: sha256 } }
  - { name: gone, file: no/such, expect: { exists: false } }
  - { name: there, file: "{{ dir }}/pipe", expect: { exists: false } }
  - { name: folder, file: "{{ dir }}", expect: { size: 3, content: text } }
  - { name: exists, file: "{{ dir }}" }
  - { name: pipe, file: "{{ dir }}/pipe", expect: { size: 0, sha256: "{{ 'a' * 64 }}", content: "", rows: 1 } }
  - { name: device, file: /dev/zero, expect: { sha256: "{{ 'a' * 64 }}", content: "" } }
  - { name: below a file, file: "{{ dir }}/a.test.yaml/x", expect: { exists: false } }
  - { name: no table, file: "{{ dir }}/broken.csv", expect: { rows: [{ a: 1 }] } }
"#;
    let suite = Suite::of("a.test.yaml", text).file("broken.csv", "a,b\n1,2\n3\n");
    let made = Command::new("mkfifo").arg(suite.path().join("pipe")).status().expect("mkfifo");
    assert!(made.success());
    let run = suite.run(&[]).expect_code(1);
    for name in ["gone", "exists", "below a file"] {
        assert_eq!(run.verdict(name).0, "passed", "{name}: {}", run.stdout);
    }
    // That it is missing is said once.
    assert_eq!(run.verdict("missing").1, "file no/such does not exist");
    assert!(run.verdict("there").1.ends_with("/pipe exists, and should not"), "{}", run.stdout);
    let folder = run.verdict("folder").1;
    assert!(folder.starts_with("size cannot be compared: it is a directory (and 1 more)"), "{folder}");
    let pipe = run.verdict("pipe").1;
    assert!(pipe.starts_with("size cannot be compared: it is no regular file (and 3 more)"), "{pipe}");
    assert!(run.verdict("device").1.contains("it is no regular file"), "{}", run.stdout);
    let table = "rows cannot be compared: line 3 has 1 cells, and the first line 2";
    assert_eq!(run.verdict("no table").1, table);
}

#[test]
fn a_large_file_is_hashed_and_measured() {
    let digest = "20492a4d0d84f8beb1767f6616229f85d44c2827b64bdbfb260ee12fa1109e0e";
    let text = format!(
        r#"{{ "name": "hashed", "file": "{{{{ dir }}}}/large", "timeout": "5m",
              "expect": {{ "size": 104857600, "sha256": "{digest}" }} }}"#
    );
    let suite = Suite::of("a.test.json", &text);
    // A hole, which takes no place.
    File::create(suite.path().join("large")).and_then(|file| file.set_len(100 << 20)).expect("written");
    suite.run(&[]).expect_code(0);
}

#[test]
fn hashing_ends_at_the_time_limit() {
    let zeros = "0".repeat(64);
    let text = format!(
        r#"{{ "name": "endless", "file": "{{{{ dir }}}}/large", "expect": {{ "sha256": "{zeros}" }}, "timeout": "200ms" }}"#
    );
    let suite = Suite::of("a.test.json", &text);
    File::create(suite.path().join("large")).and_then(|file| file.set_len(1 << 42)).expect("written");
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.verdict("endless").1, "timed out after 0.20s");
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    for (case, place, message) in [
        ("file: ''", "1:7", "the path is empty"),
        ("file: ../x", "1:7", "`../x` leads out of the working directory"),
        ("file: [x]", "1:7", "expected the path of a file or { \"path\", \"delimiter\" }, found a list"),
        ("file: {delimiter: ';'}", "1:7", "`path` is missing"),
        ("file: {path: x, delimiter: ab}", "1:28", "`ab` separates no cells"),
        ("{file: x, expect: {mode: '0999'}}", "1:26", "`0999` are no permissions"),
        ("{file: x, expect: {mode: 420}}", "1:26", "expected a string, found the number 420"),
        ("{file: x, expect: {sha256: abc}}", "1:28", "`abc` is no SHA-256"),
        ("{file: x, expect: {size: big}}", "1:26", "expected a number"),
        ("{file: x, expect: {rows: many}}", "1:26", "`rows` is neither a list of objects nor a number"),
        ("{file: x, expect: {rows: -1}}", "1:26", "`rows` is neither a list of objects nor a number"),
        ("{file: x, expect: {exists: false, size: 1}}", "1:28", "nothing else can be expected of a file"),
        ("{file: x, expect: {exit: 0}}", "1:20", "`exit` cannot be expected of `file`"),
        ("{file: x, expect: {content: {bytes: 8g}}}", "1:37", "`8g` are no hexadecimal bytes"),
        ("{file: x, expect: {content: {bytes: {base64: '*'}}}}", "1:46", "`*` is no Base64"),
        ("{file: x, expect: {content: {bytes: {at: 1}}}}", "1:37", "`bytes` says either `hex` or `base64`"),
        ("{file: x, stdin: text}", "1:11", "`stdin` does not belong to `file`"),
        ("{file: x, run: 'true'}", "1:2", "a step does one thing, not both `run` and `file`"),
        ("{file: x, capture: {a: stdout}}", "1:24", "`stdout` is no output of `file`"),
    ] {
        let suite = Suite::of("a.test.yaml", case);
        let run = suite.run(&["check", "."]).expect_code(2);
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(all.contains(message), "{case}: {message} is not in\n{all}");
        assert!(all.contains(&format!("a.test.yaml:{place}")), "{case}: {place} is not in\n{all}");
    }
}

#[test]
fn what_leads_nowhere_does_not_exist() {
    let text = r#"
cases:
  - { name: a circle, file: "{{ dir }}/circle", expect: { exists: false } }
  - { name: a long name, file: "{{ 'x' * 300 }}", expect: { exists: false } }
  - { name: of a process, run: "true", expect: { files: { "{{ dir }}/circle": { exists: false } } } }
  - { name: circle, file: "{{ dir }}/circle" }
"#;
    let suite = Suite::of("a.test.yaml", text);
    symlink("circle", suite.path().join("circle")).expect("a link");
    let run = suite.run(&[]).expect_code(1);
    for name in ["a circle", "a long name", "of a process"] {
        assert_eq!(run.verdict(name), ("passed", String::new()), "{name}: {}", run.stdout);
    }
    let (verdict, message) = run.verdict("circle");
    assert!(verdict == "failure" && message.ends_with("/circle does not exist"), "{message}");
}
