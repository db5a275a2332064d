//! What is said when a process cannot be started.

use std::path::{Path, PathBuf};

use super::Probe;
use crate::process::StartError;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("tmp"))
    }

    fn file(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("chmod");
        path
    }
}

fn message(program: &Path) -> String {
    let message = Probe::new(program.to_str().expect("UTF-8"), &[]).error().to_string();
    assert!(!message.contains('\n'));
    assert!(message.contains(program.to_str().expect("UTF-8")), "{message}");
    message
}

#[test]
fn each_cause_has_its_words() {
    let folder = Folder::new();
    let says = |program: &Path, words: &str| {
        let message = message(program);
        assert!(message.contains(words), "{message}");
    };
    says(Path::new("/nowhere/program"), "program not found: /nowhere/program: No such file or directory");
    says(folder.0.path(), "not a program but a directory");
    says(&folder.file("plain", "#!/bin/sh\n", 0o644), "not executable");
    says(&folder.file("odd", "#!/no/such/sh -e\n", 0o755), "bad interpreter \"/no/such/sh\"");
    says(&folder.file("crlf", "#!/bin/sh\r\n", 0o755), "bad interpreter \"/bin/sh\\r\"");
    says(&folder.file("text", "echo hello\n", 0o755), "has no \"#!\" line");
    says(&folder.file("empty", "", 0o755), "exec format error");
    says(&folder.file("file", "", 0o755).join("below"), "Not a directory");
}

#[test]
fn a_missing_directory_is_no_missing_program() {
    let error = Probe::sh("true").cwd(Path::new("/nowhere")).error();
    assert!(matches!(&error, StartError::WorkingDirectory { cwd, .. } if cwd == Path::new("/nowhere")));
    let error = Probe::sh("true").cwd(Path::new("/etc/passwd")).error().to_string();
    assert!(
        error.starts_with("working directory cannot be entered: /etc/passwd: Not a directory"),
        "{error}"
    );
    assert!(matches!(Probe::sh("true").cwd(Path::new("relative")).error(), StartError::Relative { .. }));
    assert!(matches!(Probe::new("sh", &[]).error(), StartError::Relative { .. }));
}

#[test]
fn too_much_and_nul_are_refused() {
    let error = Probe::new("/bin/true", &[&"x".repeat(200_000)]).error();
    assert!(matches!(error, StartError::TooLong { bytes, .. } if bytes > 200_000), "{error}");
    assert!(error.to_string().contains("argument list too long"));
    assert!(matches!(
        Probe::new("/bin/true", &["a\0b"]).error(),
        StartError::Nul { what: "an argument", .. }
    ));
    let mut probe = Probe::sh("true");
    probe.command.env = [("A".into(), "\0".into())].into();
    assert!(matches!(probe.error(), StartError::Nul { what: "an environment variable", .. }));
}

#[test]
fn a_bad_file_for_stdin_is_named_and_does_not_hang() {
    let folder = Folder::new();
    let fifo = folder.0.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("mkfifo");
    for (file, words) in [
        (folder.0.path().join("missing"), "No such file or directory"),
        (folder.0.path().to_owned(), "it is a directory"),
        (fifo, "it is a FIFO"),
    ] {
        let error = Probe::sh("cat").stdin_file(&file).error().to_string();
        assert!(error.starts_with("file for stdin cannot be opened "), "{error}");
        assert!(error.contains(words) && error.contains(file.to_str().expect("UTF-8")), "{error}");
    }
}
