//! What a process finds when it starts.

use std::path::Path;

use super::{Probe, has, text};
use crate::process::{find_program, seal_descriptors};

#[test]
fn it_sees_three_descriptors() {
    seal_descriptors().expect("Linux 5.11");
    let finished = Probe::sh("ls /proc/$$/fd").stdin(vec![b'x'; 1 << 20]).finish();
    assert_eq!(text(&finished.stdout), "0\n1\n2\n");
}

#[test]
fn signals_are_at_their_defaults() {
    // Rust itself ignores SIGPIPE in this process.
    let finished = Probe::new("/bin/grep", &["-E", "^Sig(Blk|Ign)", "/proc/self/status"]).finish();
    let zero = "0000000000000000";
    assert_eq!(text(&finished.stdout), format!("SigBlk:\t{zero}\nSigIgn:\t{zero}\n"));
}

#[test]
fn it_leads_a_session_without_a_terminal() {
    let script = "cut -d' ' -f5,6,7 /proc/$$/stat; echo $$; (: </dev/tty) 2>/dev/null && echo terminal";
    let finished = Probe::sh(script).finish();
    let output = text(&finished.stdout);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 2, "{output}");
    assert_eq!(lines[0], format!("{0} {0} 0", lines[1]));
}

#[test]
fn environment_and_directory_are_as_given() {
    let directory = tempfile::tempdir().expect("tmp");
    let path = directory.path().canonicalize().expect("it exists");
    let mut probe = Probe::new("/usr/bin/env", &[]).cwd(&path);
    probe.command.env = [("A".into(), "1=2".into()), ("PARTEST_TOKEN".into(), "other".into())].into();
    assert_eq!(text(&probe.finish().stdout), format!("PARTEST_TOKEN={}\nA=1=2\n", probe.token));
    let finished = Probe::sh("pwd -P").cwd(&path).finish();
    assert_eq!(text(&finished.stdout), format!("{}\n", path.display()));
}

#[test]
fn arguments_arrive_as_they_are() {
    let finished = Probe::new("/usr/bin/printf", &["[%s]", "", "a b", "$x", "ü\n"]).finish();
    assert_eq!(text(&finished.stdout), "[][a b][$x][ü\n]");
}

#[test]
fn programs_are_found_in_absolute_folders_only() {
    let found = |name: &str, path: Option<&str>| {
        find_program(name.as_ref(), path.map(AsRef::as_ref), Path::new("/usr/bin"))
            .map(|path| path.display().to_string())
            .map_err(|error| error.to_string())
    };
    assert_eq!(found("sh", Some("/nowhere:/bin")), Ok("/bin/sh".to_owned()));
    assert_eq!(found("./env", Some("/bin")), Ok("/usr/bin/./env".to_owned()));
    assert_eq!(found("/bin/sh", None), Ok("/bin/sh".to_owned()));
    let missing = |path: &str| Err(format!("program \"no-such\" not found in PATH ({path})"));
    assert_eq!(found("no-such", Some(":.:bin:/proc")), missing(":.:bin:/proc"));
    assert_eq!(found("no-such", None), missing("which is not set"));
    let long = (0..200).map(|n| format!("/folder/{n}")).collect::<Vec<_>>().join(":");
    assert_eq!(found("no-such", Some(&long)), missing("200 folders: /folder/0, /folder/1, /folder/2, …"));
    let beside = found("sh", Some("/proc")).expect_err("only in the working directory");
    assert!(beside.ends_with("(/proc; the one in the working directory is \"./sh\")"), "{beside}");
    assert_eq!(found("", Some("/bin")), Err("program \"\" not found in PATH (/bin)".to_owned()));
    assert!(found("passwd", Some("/etc")).expect_err("no program").contains("not executable: /etc/passwd"));
}

#[test]
fn scripts_just_written_can_be_run_from_many_threads() {
    if !has("/bin/true") {
        return;
    }
    let directory = tempfile::tempdir().expect("tmp");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let directory = directory.path();
            scope.spawn(move || {
                for number in 0..25 {
                    let script = directory.join(format!("{thread}-{number}"));
                    std::fs::write(&script, "#!/bin/sh\nexit 6\n").expect("written");
                    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                    std::fs::set_permissions(&script, mode).expect("chmod");
                    let path = script.to_str().expect("UTF-8");
                    let finished = Probe::new(path, &[]).finish();
                    assert_eq!(finished.status, crate::model::ExitStatus::Exited(6));
                }
            });
        }
    });
}
