//! Files that are no files, folders that lead elsewhere, and what partest makes below an odd umask.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::Suite;

const TRUE: &str = r#"{ "run": "true" }"#;

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

#[test]
fn folders_of_the_user_stay_whatever_their_names() {
    let suite = Suite::of("a.test.json", TRUE);
    let names = ["partest-results", "partest-AbCdEfGhIjKl", "partest-run-abcdefghijkl"];
    let place = suite.temporary().to_owned();
    for name in names {
        fs::create_dir(place.join(name)).expect("a folder");
        fs::set_permissions(place.join(name), Permissions::from_mode(0o700)).expect("mine");
        fs::write(place.join(name).join("data"), "x").expect("written");
    }
    fs::write(place.join("partest-results/lock"), "").expect("written");
    let run = suite.command(&[]).output().expect("ended");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    for name in names {
        assert_eq!(fs::read_to_string(place.join(name).join("data")).expect("there"), "x", "{name}");
    }
    assert_eq!(fs::read_dir(&place).expect("readable").count(), names.len());
}

#[test]
fn an_odd_list_of_ignored_files_is_one_error_and_the_rest_runs() {
    let suite = ["good/a", "pipe/deep/b", "device/c"]
        .iter()
        .fold(Suite::new(), |suite, name| suite.file(&format!("{name}.test.json"), TRUE));
    fifo(&suite.path().join("pipe/.gitignore"));
    symlink("/dev/zero", suite.path().join("device/.gitignore")).expect("a link");
    let run = suite.run(&[]).expect_code(2);
    assert!(run.stdout.contains("1 passed") && run.stdout.contains("2 errors"), "{}", run.stdout);
    assert_eq!(
        run.stdout.matches("| error: the folder's .gitignore is not a regular file").count(),
        2,
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("pipe:1:1") && run.stdout.contains("device:1:1"), "{}", run.stdout);
    // Those above what is searched matter as well.
    let below = suite.run(&["--list", "pipe/deep"]).expect_code(2);
    assert_eq!(below.stdout, "");
    assert!(below.stderr.contains(".gitignore is not a regular file"), "{}", below.stderr);
    suite.run(&["--list", "pipe"]).expect_code(2);
    // Nobody knows which cases are there.
    let hidden = suite.run(&["--exact", "pipe/deep/b::b"]).expect_code(2);
    assert!(hidden.stdout.contains("pipe:1:1") && !hidden.stdout.contains("device"), "{}", hidden.stdout);
    let explained = suite.run(&["explain", "pipe/deep/b::b"]).expect_code(2);
    assert!(
        explained.stderr.contains("the folder's .gitignore is not a regular file"),
        "{}",
        explained.stderr
    );
    suite.run(&["explain", "good/a::a"]).expect_code(0);
    suite.run(&["explain", "pipe/deep/b::b", "pipe/deep/b.test.json"]).expect_code(0);
    suite.run(&["pipe/deep/b.test.json"]).expect_code(0);
    fifo(&suite.path().join(".gitignore"));
    let whole = suite.run(&["--exact", "good/a::a"]).expect_code(2);
    assert!(whole.stdout.contains("--> .:1:1\n"), "{}", whole.stdout);
}

#[test]
fn what_earlier_runs_left_may_be_a_pipe() {
    let suite = Suite::of("a.test.json", TRUE);
    suite.run(&["--shard", "1/1"]).expect_code(0);
    let state = suite.path().join(".partest");
    let run = fs::read_dir(state.join("runs")).expect("runs").next().expect("a run").expect("a run").path();
    let name = run.to_str().expect("UTF-8").to_owned();
    fs::remove_file(run.join("plan.json")).expect("removed");
    fifo(&run.join("plan.json"));
    suite.run(&["--resume", "last", "."]).expect_code(0);
    suite.run(&["merge", &name]).expect_code(0);
    fs::remove_file(state.join("history.db")).expect("removed");
    fifo(&state.join("history.db"));
    // A branch that git would read from there.
    fs::create_dir(suite.path().join(".git")).expect("a folder");
    fifo(&suite.path().join(".git/HEAD"));
    // The oldest runs go, whatever they are.
    for number in 0..25 {
        let old = state.join(format!("runs/1970-{number:02}"));
        fs::create_dir(&old).expect("a folder");
        fifo(&old.join("journal.jsonl"));
    }
    let run = suite.run(&[]).expect_code(0);
    assert!(run.stderr.contains("not a regular file"), "{}", run.stderr);
    fifo(&suite.path().join("partest.toml"));
    assert!(suite.run(&[]).expect_code(2).stderr.contains("not a regular file"));
}

/// A shard whose one case fails and leaves a log, carried to `artifacts/1`.
fn carried_shard() -> Suite {
    let suite = Suite::of(
        "a.test.json",
        r#"{ "outputs": ["kept.txt"], "run": "echo 1 > kept.txt; echo out; false" }"#,
    );
    suite.run(&["--no-history", "--shard", "1/1"]).expect_code(1);
    let runs = fs::read_dir(suite.path().join(".partest/runs")).expect("runs").next().expect("a run");
    fs::create_dir(suite.path().join("artifacts")).expect("a folder");
    fs::rename(runs.expect("a run").path(), suite.path().join("artifacts/1")).expect("moved");
    suite
}

#[test]
fn a_shard_names_its_own_files_only() {
    for (from, to) in [
        (".partest/runs/", "/etc/runs/"),
        (".partest/runs/", ".partest/runs/../../"),
        (".partest/", "./"),
        ("/logs/", "/logs/../../../../../../etc/"),
        ("/outputs/", "/outputs/../../../../../../../etc/passwd/"),
    ] {
        let suite = carried_shard();
        let journal = suite.path().join("artifacts/1/journal.jsonl");
        let text = fs::read_to_string(&journal).expect("UTF-8");
        assert!(text.contains(from), "{text}");
        fs::write(&journal, text.replace(from, to)).expect("written");
        let merged = suite.run(&["merge", "artifacts/1", "--junit", "merged.xml"]).expect_code(2);
        assert!(merged.stderr.contains("which is no file of its run"), "{to}: {}", merged.stderr);
        assert!(!suite.path().join("merged.xml").exists(), "{to}");
    }
}

#[test]
fn links_in_what_is_merged_are_not_followed() {
    let suite = carried_shard();
    let shard = suite.path().join("artifacts/1");
    let merged = suite.run(&["merge", "artifacts/1"]).expect_code(1);
    assert!(merged.junit.as_deref().expect("a report").contains("[[ATTACHMENT|artifacts/1/outputs/"));
    // A folder of the run's files that is elsewhere.
    fs::rename(shard.join("outputs"), suite.path().join("elsewhere")).expect("moved");
    symlink("../../elsewhere", shard.join("outputs")).expect("a link");
    let merged = suite.run(&["merge", "artifacts/1"]).expect_code(2);
    assert!(merged.stderr.contains("which is no file of its run"), "{}", merged.stderr);
    // What was not carried here is not named.
    fs::remove_file(shard.join("outputs")).expect("removed");
    let merged = suite.run(&["merge", "artifacts/1"]).expect_code(1);
    assert!(!merged.junit.as_deref().expect("a report").contains("outputs/"), "{:?}", merged.junit);
    fs::rename(shard.join("journal.jsonl"), suite.path().join("journal.jsonl")).expect("moved");
    symlink("../../journal.jsonl", shard.join("journal.jsonl")).expect("a link");
    for name in ["artifacts", "artifacts/1", "artifacts/1/journal.jsonl"] {
        let merged = suite.run(&["merge", name]).expect_code(2);
        assert!(merged.stderr.contains("journal.jsonl is a link"), "{name}: {}", merged.stderr);
    }
    fs::remove_file(shard.join("journal.jsonl")).expect("removed");
    fs::rename(suite.path().join("journal.jsonl"), shard.join("journal.jsonl")).expect("moved");
    fs::rename(&shard, suite.path().join("moved")).expect("moved");
    symlink("../moved", &shard).expect("a link");
    assert!(suite.run(&["merge", "artifacts"]).expect_code(2).stderr.contains("artifacts/1 is a link"));
}

#[test]
fn cwd_and_stdin_stay_in_the_project_unless_they_may_leave_it() {
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("file"), "text\n").expect("written");
    let place = outside.path().to_str().expect("UTF-8");
    let suite = Suite::new();
    fs::create_dir(suite.path().join("s")).expect("a folder");
    symlink(place, suite.path().join("s/link")).expect("a link");
    symlink(format!("{place}/file"), suite.path().join("s/in")).expect("a link");
    let allowed: [(&str, String); 7] = [
        ("absolute", format!("cwd: {place}\nrun: test -e file")),
        ("up", "cwd: \"{{ dir }}/../..\"\nrun: \"true\"".to_owned()),
        ("var", format!("vars: {{ d: {place} }}\ncwd: \"{{{{ d }}}}\"\nrun: \"true\"")),
        ("late", format!("env: {{ D: {place} }}\ncwd: \"{{{{ env.D }}}}\"\nrun: \"true\"")),
        ("link", "cwd: \"{{ dir }}/link\"\nrun: test -e file".to_owned()),
        ("stdin", "stdin: { file: in }\nrun: cat".to_owned()),
        ("services", "services: [s]\nrun: \"true\"\n".to_owned()),
    ];
    let service = |more: &str| {
        format!(
            "services.s = {{ run = \"echo up; exec sleep 60\", cwd = \"{place}\", ready = {{ log = \"up\" }}{more} }}\n"
        )
    };
    for (name, text) in &allowed[..6] {
        fs::write(suite.path().join(format!("s/{name}.test.yaml")), text).expect("written");
    }
    let good =
        "cwd: \"{{ dir }}/../s\"\nstdin: { file: ../s/good.test.yaml }\nrun: grep -q good; test -e in\n";
    fs::write(suite.path().join("s/good.test.yaml"), good).expect("written");
    let run = suite.run(&[]).expect_code(2);
    assert_eq!(run.verdict("good").0, "passed", "{}", run.stdout);
    for (name, _) in &allowed[..6] {
        let (verdict, message) = run.verdict(name);
        assert_eq!(verdict, "error", "{name}");
        assert!(message.contains("leads out of the project"), "{name}: {message}");
    }
    for (name, text) in &allowed[..6] {
        let text = format!("{text}\nallow_outside: true\n");
        fs::write(suite.path().join(format!("s/{name}.test.yaml")), text).expect("written");
    }
    let run = suite.run(&[]).expect_code(0);
    assert_eq!(run.report().tests, 7);
    // What is the default of a folder, and of a service.
    let suite =
        Suite::of("suite.yaml", "defaults: { allow_outside: true }\n").file("a.test.yaml", &allowed[0].1);
    suite.run(&[]).expect_code(0);
    let (_, text) = &allowed[6];
    let suite = Suite::of("suite.toml", &service("")).file("a.test.yaml", text);
    assert!(suite.run(&[]).expect_code(2).stdout.contains("leads out of the project"));
    let suite = Suite::of("suite.toml", &service(", allow_outside = true")).file("a.test.yaml", text);
    suite.run(&[]).expect_code(0);
}

#[test]
fn any_umask_leaves_their_owner_what_runs_make() {
    for umask in ["0777", "0377", "0177", "0700"] {
        let suite = Suite::of(
            "a.test.json",
            r#"{ "run": "echo out; exit 1", "outputs": ["x"], "files": { "x": "y" } }"#,
        );
        let program = suite.path().join("partest");
        fs::copy(env!("CARGO_BIN_EXE_partest"), &program).expect("copied");
        for folder in [suite.path(), suite.temporary()] {
            fs::set_permissions(folder, Permissions::from_mode(0o777)).expect("mine");
        }
        fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("mine");
        // As a plain user, if this one is none.
        let change = format!(
            "umask {umask}; if [ $(id -u) = 0 ] && command -v setpriv >/dev/null; then set -- setpriv --reuid 65534 --regid 65534 --clear-groups \
             ./partest \"$@\"; else set -- ./partest \"$@\"; fi; \"$@\"; exec \"$@\""
        );
        let mut command = Command::new("sh");
        command.args(["-c", &change]).current_dir(suite.path()).env("TMPDIR", suite.temporary());
        let run = suite.finish_command(command).expect_code(1);
        assert_eq!(run.stdout.matches("1 failed").count(), 2, "{umask}: {}\n{}", run.stdout, run.stderr);
        assert!(!run.stderr.contains("ermission"), "{umask}: {}", run.stderr);
        for file in [".partest/history.db", ".partest/junit.xml"] {
            let mode = fs::metadata(suite.path().join(file)).expect("there").permissions().mode();
            assert_eq!(mode & 0o600, 0o600, "{umask}: {file}");
        }
    }
}

#[test]
fn a_folder_whose_name_is_no_text_can_be_worked_in() {
    let suite = Suite::new();
    let folder = suite.path().join(OsStr::from_bytes(b"\xff\xfew"));
    fs::create_dir(&folder).expect("a folder");
    for (name, text) in [
        ("dir", "cwd: \"{{ dir }}\"\nrun: [test, -e, dir.test.yaml]\n"),
        ("relative", "inputs: [dir.test.yaml]\nfiles: { x/y: z }\ncwd: x\nrun: test -e ../dir.test.yaml\n"),
        ("text", "run: [cat, \"{{ dir }}/dir.test.yaml\"]\n"),
        ("served", "services: [s]\nrun: \"true\"\n"),
    ] {
        fs::write(folder.join(format!("{name}.test.yaml")), text).expect("written");
    }
    let service =
        "services.s = { run = \"test -e suite.toml; echo up; exec sleep 60\", ready = { log = \"up\" } }\n";
    fs::write(folder.join("suite.toml"), service).expect("written");
    let run = suite.run(&[]).expect_code(2);
    for name in ["dir", "relative", "served"] {
        assert_eq!(run.verdict(name).0, "passed", "{name}: {}", run.stdout);
    }
    assert!(run.verdict("text").1.contains("not UTF-8"), "{}", run.stdout);
}

#[test]
fn the_name_of_a_file_is_no_template() {
    let suite = Suite::of("{{ x }}.test.yaml", "run: \"true\"\n")
        .file("{{.test.yaml", "matrix: { n: [1, 2] }\nrun: \"true\"\n");
    let run = suite.run(&[]).expect_code(0);
    assert_eq!((run.report().tests, run.verdict("{{ x }}").0), (3, "passed"), "{}", run.stdout);
}

#[test]
fn the_level_of_isolation_that_there_is_can_be_named() {
    let suite = Suite::of("a.test.yaml", "isolation: process\nrun: \"true\"\n");
    suite.run(&[]).expect_code(0);
    let wrong = Suite::of("a.test.yaml", "isolation: proces\nrun: \"true\"\n").run(&[]).expect_code(2);
    assert!(wrong.stdout.contains("is no level of isolation"), "{}", wrong.stdout);
}

#[test]
fn to_keep_going_is_the_default() {
    let suite = Suite::of("a.test.json", r#"{ "run": "false" }"#)
        .file("b.test.json", "{")
        .file("c.test.json", TRUE)
        .file("partest.toml", "[profile.default]\nmax_fail = 1\n");
    let run = suite.run(&["-j", "1", "--keep-going"]).expect_code(2);
    assert!(run.stdout.contains("1 passed") && run.stdout.contains("1 failed"), "{}", run.stdout);
    suite.run(&["--keep-going", "--fail-fast"]).expect_code(2);
}
