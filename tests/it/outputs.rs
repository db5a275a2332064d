//! Files that cases keep with `outputs`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::{Run, Suite, send};

/// The attachments of a case in the JUnit report.
fn attachments(run: &Run, name: &str) -> Vec<String> {
    let text = run.case(name).system_out.map_or_else(String::new, |text| text.to_string());
    let attached = text.lines().filter_map(|line| line.strip_prefix("[[ATTACHMENT|")?.strip_suffix("]]"));
    attached.filter(|file| file.contains("/outputs/")).map(str::to_owned).collect()
}

/// The paths of what was kept of a case, in the folders of its attempts, with the contents.
fn kept(suite: &Suite, run: &Run, name: &str) -> Vec<(String, String)> {
    let read = |file: &String| {
        let path = suite.path().join(file);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        let above = path.ancestors().skip(1).take_while(|folder| !folder.ends_with("runs"));
        above.for_each(|folder| assert_eq!(mode(folder), 0o700, "{}", folder.display()));
        let (_, below) = file.split_once("/outputs/").expect("its place");
        let (folder, rest) = below.split_once('/').expect("its attempt");
        let (_, attempt) = folder.rsplit_once('.').expect("its number");
        (format!("{attempt}/{rest}"), String::from_utf8_lossy(&fs::read(path).expect("read")).into_owned())
    };
    attachments(run, name).iter().map(read).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn files_are_kept_always_or_on_failure() {
    let suite = Suite::of(
        "a.test.yaml",
        r#"
defaults:
  outputs: ["*.log", { paths: ["dump", "core/**"], on: failure }]
cases:
- { name: passes, run: "echo 1 > a.log; mkdir dump; echo 2 > dump/x; echo 3 > a.txt" }
- { name: fails, run: "echo 1 > a.log; mkdir -p dump/y core; echo 2 > dump/y/.x; echo 3 > core/3; exit 1" }
- { name: times out, timeout: 300ms, run: "echo 1 > a.log; echo 2 > dump; sleep 60" }
- { name: kills itself, run: "echo 1 > a.log; kill -9 $$" }
- { name: cannot start, files: { a.log: "1" }, run: ["./nothing"] }
- { name: wavers, retries: 1, run: "echo $PARTEST_ATTEMPT > a.log; echo 2 > dump; test $PARTEST_ATTEMPT = 2" }
- { name: leaves nothing, run: "true" }
- { name: keeps nothing, outputs: null, run: "echo 1 > a.log" }
- { name: says itself, outputs: dump, run: "echo 1 > a.log; echo 2 > dump" }
- name: in several steps
  steps: [{ run: "echo 1 > a.log; exit 1" }, { run: "echo 2 >> a.log", always: true }]
"#,
    );
    let run = suite.run(&["-j", "2"]).expect_code(1);
    for (name, expected) in [
        ("passes", &[("1/a.log", "1\n")][..]),
        ("fails", &[("1/a.log", "1\n"), ("1/core/3", "3\n"), ("1/dump/y/.x", "2\n")]),
        ("times out", &[("1/a.log", "1\n"), ("1/dump", "2\n")]),
        ("kills itself", &[("1/a.log", "1\n")]),
        ("cannot start", &[("1/a.log", "1")]),
        ("wavers", &[("2/a.log", "2\n"), ("1/a.log", "1\n"), ("1/dump", "2\n")]),
        ("leaves nothing", &[]),
        ("keeps nothing", &[]),
        ("says itself", &[("1/dump", "2\n")]),
        ("in several steps", &[("1/a.log", "1\n2\n")]),
    ] {
        assert_eq!(kept(&suite, &run, name), pairs(expected), "{name}");
    }
    for file in attachments(&run, "fails") {
        assert!(run.stdout.contains(&format!("\n    kept: {file}\n")), "{}", run.stdout);
    }
    assert!(!run.stdout.contains(&attachments(&run, "passes")[0]), "{}", run.stdout);
    let journal = suite.run(&["report", "--from", "last", "-vv"]).expect_code(0);
    assert!(journal.stdout.contains(&attachments(&run, "passes")[0]), "{}", journal.stdout);
    assert_eq!(attachments(&journal, "wavers"), attachments(&run, "wavers"));
}

#[test]
fn what_a_case_leaves_cannot_lead_out_or_be_too_much() {
    let suite = Suite::of(
        "a.test.yaml",
        r#"
defaults: { outputs: ["**", "hidden/.x", "named/x", "a/./b"] }
cases:
- name: links
  run: "echo in > in; ln -s in good; ln -s {{ dir }}/secret bad; ln -s {{ dir }} out; ln -s nowhere dead; ln -s / named; mkdir d; ln -s .. d/up; exit 1"
- { name: odd, outputs: ["."], run: "mkfifo pipe; exit 1" }
- { name: named odd, outputs: [pipe, bad], run: "mkfifo pipe; ln -s {{ dir }}/secret bad; exit 1" }
- { name: hidden, run: "mkdir hidden; echo 1 > hidden/.x; echo 2 > .y; exit 1" }
- { name: names, run: "printf 1 > \"$(printf 'a\\377\\nb]].txt')\"; printf 2 > 'a__b__.txt'; printf 3 > 'gr\u00fc\u00df e'; exit 1" }
- { name: large, run: "truncate -s 64M fits; truncate -s 67108865 large; exit 1" }
- { name: together, run: "truncate -s 60M 1 2 3 4 5; exit 1" }
- { name: many, run: "seq -f 'x%04g' 1002 | xargs touch; exit 1" }
- { name: deep, run: "d=.; for i in $(seq 300); do d=$d/d; done; mkdir -p $d; touch d/d/f $d/f; exit 1" }
- { name: moved, run: "mv ../work ../old; ln -s {{ dir }} ../work; exit 1" }
- { name: gone, run: "rm -r ../work; exit 1" }
- { name: is a file, outputs: ["f/**", "f/x"], run: "touch f; exit 1" }
"#,
    )
    .file("secret", "not for the report");
    let run = suite.run(&["-j", "2"]).expect_code(1);
    let places =
        |name: &str| kept(&suite, &run, name).into_iter().map(|(place, _)| place).collect::<Vec<_>>();
    let left_out = |name: &str| -> Vec<String> {
        let text = run.case(name).system_out.map_or_else(String::new, |text| text.to_string());
        text.lines().filter_map(|line| line.strip_prefix("not kept: ")).map(str::to_owned).collect()
    };
    assert_eq!(kept(&suite, &run, "links"), pairs(&[("1/good", "in\n"), ("1/in", "in\n")]));
    let is_link = "it is a link that leads to nothing in the working directory";
    assert_eq!(left_out("links"), ["bad", "dead", "named", "out"].map(|name| format!("{name}: {is_link}")));
    for name in ["odd", "named odd"] {
        assert!(places(name).is_empty(), "{name}");
        assert!(left_out(name).contains(&"pipe: it is neither a file nor a directory".to_owned()), "{name}");
    }
    assert!(left_out("named odd").contains(&format!("bad: {is_link}")));
    assert_eq!(places("hidden"), ["1/hidden/.x"]);
    let named = pairs(&[("1/a__b__.txt", "2"), ("1/a__b__.txt-2", "1"), ("1/gr\u{fc}\u{df} e", "3")]);
    let mut names = kept(&suite, &run, "names");
    names.sort();
    assert_eq!(names, named);
    assert_eq!(places("large"), ["1/fits"]);
    assert_eq!(left_out("large"), ["large: it has 67108865 bytes, and no file of more than 64 MiB is kept"]);
    assert_eq!(places("together"), ["1/1", "1/2", "1/3", "1/4"]);
    assert_eq!(left_out("together"), ["5: all files of an attempt together may have 256 MiB"]);
    assert_eq!(left_out("many"), ["2 more files: no more than 1000 of an attempt are kept"]);
    assert_eq!(places("many").len(), 100, "as many as a report names");
    assert!(run.stdout.contains("kept: 990 more beside them"), "{}", run.stdout);
    assert_eq!(places("deep"), ["1/d/d/f"]);
    assert!(left_out("deep")[0].ends_with("directories are nested too deeply there"));
    assert!(places("moved").is_empty() && left_out("moved").len() == 1, "{:?}", left_out("moved"));
    for name in ["gone", "is a file"] {
        assert!(places(name).is_empty() && left_out(name).is_empty(), "{name}: {:?}", left_out(name));
    }
    assert!(!run.junit.as_deref().expect("a report").contains("not for the report"));
}

#[test]
fn secrets_are_masked_in_kept_files_and_their_names() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "env": { "TOKEN": "sesame open" }, "secrets": ["TOKEN"], "outputs": ["**"],
             "run": "printf 'x%s|' \"$TOKEN\" > \"is $TOKEN\"; for i in $(seq 9000); do cat 'is sesame open'; done > many; mkfifo \"$TOKEN\"; exit 1" }"#,
    );
    let run = suite.run(&[]).expect_code(1);
    let many = "x***|".repeat(9000);
    assert_eq!(kept(&suite, &run, "a"), pairs(&[("1/is ___", "x***|"), ("1/many", &many)]));
    for text in [&run.stdout, run.junit.as_deref().expect("a report")] {
        assert!(!text.contains("sesame open") && text.contains("***: it is neither"), "{text}");
    }
}

#[test]
fn an_interrupted_case_keeps_what_it_always_keeps() {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "outputs": ["a.log", { "paths": "b.log", "on": "failure" }],
             "run": "echo 1 > a.log; echo 2 > b.log; touch '{{ dir }}/begun'; sleep 60" }"#,
    );
    let child = suite.start(&[]);
    while !suite.path().join("begun").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    send(&child, Signal::INT);
    let run = suite.finish(child).expect_code(130);
    let files: Vec<PathBuf> = below(&suite.path().join(".partest/runs"));
    let files: Vec<_> = files.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert!(files.contains(&"a.log") && !files.contains(&"b.log"), "{files:?}\n{}", run.stdout);
}

#[test]
fn hooks_keep_files_and_merged_reports_find_them() {
    let suite =
        Suite::of("suite.toml", "defaults.outputs = [\"*.log\"]\n[setup]\nrun = \"echo 0 > setup.log\"\n")
            .file(
                "a.test.json",
                r#"{ "matrix": { "n": [1, 2] }, "run": "echo {{ n }} > a.log; echo out; exit 1" }"#,
            );
    for k in 1..=2 {
        let run = suite.run(&["--no-history", "--shard", &format!("slice:{k}/2")]).expect_code(1);
        assert!(run.stdout.contains("a.log"), "{}", run.stdout);
        let place = suite.path().join(format!("artifacts/{k}"));
        fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
        let runs = fs::read_dir(suite.path().join(".partest/runs")).expect("runs").next().expect("a run");
        fs::rename(runs.expect("a run").path(), place).expect("moved");
    }
    let merged = suite.run(&["merge", "artifacts/1", "artifacts/2"]).expect_code(1);
    let shown = suite.run(&["report", "--from", "artifacts/2"]).expect_code(0);
    let mut found =
        [("setup", "1/setup.log", "0\n"), ("a[n=1]", "1/a.log", "1\n"), ("a[n=2]", "1/a.log", "2\n")]
            .to_vec();
    for (name, place, text) in &found {
        assert_eq!(kept_elsewhere(&suite, &merged, name), pairs(&[(place, text)]), "{name}");
    }
    found.retain(|(name, ..)| shown.stdout.contains(name));
    for (name, place, text) in &found {
        assert_eq!(kept_elsewhere(&suite, &shown, name), pairs(&[(place, text)]), "{name}");
    }
    for run in [&merged, &shown] {
        let logs = run.stdout.lines().filter_map(|line| line.trim().strip_prefix("log: "));
        assert!(logs.inspect(|log| assert!(suite.path().join(log).exists(), "{log}")).count() > 0);
    }
    // A journal alone: the names stay as they were.
    fs::rename(suite.path().join("artifacts/1/journal.jsonl"), suite.path().join("alone.jsonl"))
        .expect("moved");
    let alone = suite.run(&["report", "--from", "alone.jsonl"]).expect_code(0);
    assert!(alone.stdout.contains("kept: .partest/runs/"), "{}", alone.stdout);
}

/// The same as [`kept`] where the folder of the run is below one of others.
fn kept_elsewhere(suite: &Suite, run: &Run, name: &str) -> Vec<(String, String)> {
    assert!(attachments(run, name).iter().all(|file| file.starts_with("artifacts/")), "{}", run.stdout);
    let read = |file: &String| {
        let (folder, name) = file.rsplit_once('/').expect("a folder");
        let attempt = folder.rsplit_once('.').expect("an attempt").1;
        (format!("{attempt}/{name}"), fs::read_to_string(suite.path().join(file)).expect("there"))
    };
    attachments(run, name).iter().map(read).collect()
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}
