//! Files with odd names, and what cases leave in their directories.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::Suite;

/// What stands before `.test.json`: bytes that are no text, control characters, and what shells and reports read.
const NAMES: [&[u8]; 16] = [
    b"new\nline",
    b"bad\xff\xfe",
    b"esc\x1b[31m",
    b"tab\there",
    b"carriage\rreturn",
    "rtl\u{202e}".as_bytes(),
    b"quote'\"",
    b"back\\slash",
    b"-dash",
    b"a::b",
    b"$(id)`id`",
    b"<b>&amp;]]>",
    b"glob[*]?{a,b}",
    b"#!~ ;|",
    "e\u{301}".as_bytes(),
    b"%41\\x41",
];

#[test]
fn the_names_of_files_may_hold_any_bytes() {
    let suite = NAMES.iter().fold(Suite::new(), |suite, name| {
        let path = suite.path().join(OsStr::from_bytes(&[name, &b".test.json"[..]].concat()));
        fs::write(path, r#"{ "run": "echo ran; false" }"#).expect("written");
        suite
    });
    let list = suite.run(&["--list"]).expect_code(0).stdout;
    let ids: Vec<_> = list.lines().collect();
    assert_eq!(ids.len(), NAMES.len(), "{list}");
    assert_eq!(list.replace('\n', "").find(|c: char| c.is_control() || c == '\u{202e}'), None, "{list:?}");
    let run = suite.run(&[]).expect_code(1);
    assert_eq!(run.report().tests, NAMES.len());
    let shown = run.stdout.replace('\n', "");
    assert_eq!(shown.find(|c: char| c.is_control() || c == '\u{202e}'), None, "{shown:?}");
    for id in ids {
        let alone = suite.run(&["--exact", id]).expect_code(1);
        assert!(alone.stdout.contains("1 failed · 1 case"), "{id}: {}", alone.stdout);
        let name = &id[..(id.len() - "::".len()) / 2];
        assert_eq!((run.verdict(name).0, alone.verdict(name).0), ("failure", "failure"), "{id}");
    }
    let commands: Vec<_> =
        run.stdout.lines().filter_map(|line| Some(line.split_once("rerun: partest")?.1)).collect();
    assert_eq!(commands.len(), NAMES.len(), "{}", run.stdout);
    for command in commands {
        let script = format!("{} {command}", env!("CARGO_BIN_EXE_partest"));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(suite.path()).env("TMPDIR", suite.temporary());
        let again = suite.finish_command(shell).expect_code(1);
        assert!(again.stdout.contains("1 failed · 1 case"), "{command}: {}", again.stdout);
    }
}

#[test]
fn a_name_that_is_written_backwards_can_be_run_again() {
    let suite = Suite::of("a.test.json", "{ \"name\": \"'\\\\x \u{202e}z\", \"run\": \"false\" }");
    let run = suite.run(&[]).expect_code(1);
    let command = run.stdout.lines().find_map(|line| line.split_once("rerun: partest")).expect("a command").1;
    assert!(!run.stdout.contains('\u{202e}'), "{}", run.stdout);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{} {command}", env!("CARGO_BIN_EXE_partest"))]);
    shell.current_dir(suite.path()).env("TMPDIR", suite.temporary());
    assert!(suite.finish_command(shell).expect_code(1).stdout.contains("1 failed · 1 case"));
}

/// Makes 5000 files and 3000 folders below each other, which is deeper than any path.
const LITTER: &str =
    "seq 5000 | sed 's/^/file /' | tr '\\n' '\\0' | xargs -0 touch; mkfifo pipe; ln -s . loop
    deep=$(seq -s / 500 | tr -d 0-9 | sed 's|/|/d|g'); deep=d$deep
    for i in 1 2 3 4 5 6; do mkdir -p \"$deep\"; cd -P \"$deep\" 2>&- || :; done; touch leaf";

#[test]
fn deep_trees_and_many_files_are_removed_with_few_descriptors() {
    let case = serde_json::json!({ "cases": [
        { "name": "litters", "timeout": "10m", "run": format!("{LITTER}\ndate +%s.%N >'{{{{ dir }}}}/littered'") },
        { "name": "comes after it", "after": ["litters"], "run": "date +%s.%N >'{{ dir }}/removed'" },
    ] });
    let suite = Suite::of("a.test.json", &case.to_string());
    suite.finish_command(suite.command_after("ulimit -n 1024", "-j 1")).expect_code(0);
    let time = |name: &str| -> f64 {
        let text = fs::read_to_string(suite.path().join(name)).expect("written");
        text.trim().parse().expect("seconds")
    };
    let took = Duration::from_secs_f64(time("removed") - time("littered"));
    // The same by a program that does nothing else: on a busy machine it takes its time as well.
    let folder = suite.path().join("again");
    fs::create_dir(&folder).expect("a folder");
    let made = Command::new("sh").args(["-euc", LITTER]).current_dir(&folder).status();
    assert!(made.expect("sh").success());
    let begin = Instant::now();
    assert!(
        Command::new("rm").args(["-rf", "again"]).current_dir(suite.path()).status().expect("rm").success()
    );
    let limit = Duration::from_secs(5).max(begin.elapsed() * 4);
    assert!(took < limit, "{took:?}, and rm took {:?}", begin.elapsed());
}
