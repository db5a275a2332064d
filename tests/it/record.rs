//! `partest record`.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::Suite;

/// Records a command, checks that the case passes, and gives its descriptor.
fn recorded(suite: &Suite, arguments: &[&str]) -> Value {
    let name = "recorded.test.json";
    suite.run(&[&["record", "-o", name], arguments].concat()).expect_code(0);
    let text = fs::read_to_string(suite.path().join(name)).expect("written");
    suite.run(&[name]).expect_code(0);
    fs::remove_file(suite.path().join(name)).expect("removed");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn what_a_command_did_is_what_is_expected() {
    let suite = Suite::of("words.txt", "pear\napple\n");
    let here = json!("{{ dir }}");
    assert_eq!(
        recorded(&suite, &["--", "sort", "words.txt"]),
        json!({ "run": ["sort", "words.txt"], "cwd": here, "expect": { "exit": 0, "stdout": "apple\npear\n", "stderr": "" } })
    );
    let failing = recorded(&suite, &["--name", "fails", "--", "sh", "-c", "echo oh >&2; exit 3"]);
    assert_eq!(
        (&failing["name"], &failing["expect"]),
        (&json!("fails"), &json!({ "exit": 3, "stdout": "", "stderr": "oh\n" }))
    );
    let killed = recorded(&suite, &["--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed["expect"], json!({ "signal": "SIGTERM", "stdout": "", "stderr": "" }));
}

#[test]
fn braces_folders_and_the_environment_are_the_same_next_time() {
    let suite = Suite::new().file("sub/suite.toml", "[defaults.env]\nGREETING = \"hi\"\n");
    let braces = recorded(&suite, &["--", "echo", "{{ dir }} {% x"]);
    assert_eq!(braces["run"][1], "{{ '{{' }} dir }} {% x");
    let folder = recorded(&suite, &["--", "sh", "-c", "pwd; echo $PWD/x ${PWD}x"]);
    let root = suite.path().canonicalize().expect("there");
    let expected = format!("{{{{ dir }}}}\n{{{{ dir }}}}/x {}x\n", root.display());
    assert_eq!(folder["expect"]["stdout"], expected.as_str());
    let private = recorded(&suite, &["--private", "--", "sh", "-c", "pwd; echo $TMPDIR"]);
    assert_eq!(private["expect"]["stdout"], "{{ work }}\n{{ tmp }}\n");
    assert_eq!(private.get("cwd"), None);
    let run = suite
        .run(&["record", "-o", "sub/env.test.json", "--", "sh", "-c", "echo $GREETING; pwd"])
        .expect_code(0);
    assert!(
        run.stdout.contains("wrote sub/env.test.json: exit code 0, 2 lines on stdout, nothing on stderr"),
        "{}",
        run.stdout
    );
    assert!(run.stderr.contains("names the folder"), "{}", run.stderr);
    let text = fs::read_to_string(suite.path().join("sub/env.test.json")).expect("written");
    assert!(text.contains("\"hi\\n") && text.contains("\"cwd\": \"{{ dir }}/..\""), "{text}");
    suite.run(&["sub"]).expect_code(0);
    let left: Vec<_> = fs::read_dir(suite.path().join("sub")).expect("readable").collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn input_is_a_text_or_a_file() {
    let suite = Suite::of("in.txt", "b\na\n");
    let file = recorded(&suite, &["--stdin", "in.txt", "--", "sort"]);
    assert_eq!(file["stdin"], json!({ "file": "in.txt" }));
    let copied = recorded(&suite, &["--private", "--input", "*.txt", "--", "sort", "in.txt"]);
    assert_eq!((&copied["inputs"], &copied["expect"]["stdout"]), (&json!(["*.txt"]), &json!("a\nb\n")));
    let mut command = suite.command(&["record", "--stdin", "-", "--", "sort"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    child.stdin.take().expect("piped").write_all(b"d\n{{ c }}\n").expect("written");
    suite.finish(child).expect_code(0);
    let text = fs::read_to_string(suite.path().join("sort.test.json")).expect("named after the program");
    assert!(text.contains(r#""stdin": "d\n{{ '{{' }} c }}\n""#), "{text}");
    suite.run(&["sort.test.json"]).expect_code(0);
}

#[test]
fn a_command_runs_once_and_what_cannot_be_kept_is_told() {
    let suite = Suite::new().file("suite.toml", "[defaults]\nretries = 3\n");
    suite.run(&["record", "-o", "a.test.json", "--", "sh", "-c", "echo x >>ran; exit 1"]).expect_code(0);
    assert_eq!(fs::read_to_string(suite.path().join("ran")).expect("written"), "x\n");
    let run = suite.run(&["record", "--", "printf", r"\377"]).expect_code(0);
    assert_eq!(run.stderr, "partest: standard output is not UTF-8, so nothing is expected of it\n");
    let kept: Value =
        serde_json::from_slice(&fs::read(suite.path().join("printf.test.json")).expect("written"))
            .expect("JSON");
    assert_eq!(kept["expect"], json!({ "exit": 0, "stderr": "" }));
}

#[test]
fn nothing_is_written_where_nothing_is_known() {
    let suite = Suite::of("there.test.json", "mine");
    for (arguments, code, message) in [
        (&["record", "-o", "there.test.json", "--", "true"][..], 2, "there.test.json is already there"),
        (&["record", "-o", "new.json", "--", "true"], 2, "must end in .test.json"),
        (
            &["record", "-o", "no/new.test.json", "--", "true"],
            2,
            "the folder of no/new.test.json does not exist",
        ),
        (&["record", "--", "no-such-program"], 1, "nothing is recorded: "),
        (&["record", "--stdin", "no.txt", "--", "cat"], 1, "nothing is recorded: "),
        (&["record"], 2, "Usage"),
    ] {
        let run = suite.run(arguments).expect_code(code);
        assert!(run.stderr.contains(message), "{arguments:?}: {}", run.stderr);
    }
    let mut command = suite.command(&["record", "-o", "slow.test.json", "--", "sleep", "60"]);
    let child = command.env("PARTEST_TIMEOUT", "200ms").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let run = suite.finish(child.expect("started")).expect_code(1);
    assert!(run.stderr.contains("timed out after 0.20s"), "{}", run.stderr);
    let names: Vec<_> = fs::read_dir(suite.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    assert_eq!(names, ["there.test.json"]);
    assert_eq!(fs::read_to_string(suite.path().join("there.test.json")).expect("readable"), "mine");
}
