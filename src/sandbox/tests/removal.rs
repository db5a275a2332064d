//! What a test may leave behind, and that it goes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};
use rustix::io::Errno;

use super::{chmod, mode, names, quick_temporary, temporary, write};
use crate::sandbox::remove::remove_within;
use crate::sandbox::{RunDirectory, Workspace, remove_tree};

/// A chain of directories too long for any path.
fn dig(top: &Path, depth: usize) {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let mut directory = openat(CWD, top, flags, Mode::empty()).expect("open");
    for _ in 0..depth {
        mkdirat(&directory, "a long enough name", Mode::RWXU).expect("mkdir");
        let file = openat(&directory, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).expect("create");
        drop(file);
        directory = openat(&directory, "a long enough name", flags, Mode::empty()).expect("open");
    }
}

/// Fills a directory with all a test may leave behind.
fn litter(top: &Path) {
    for number in 0..5000 {
        File::create(top.join(format!("file {number}"))).expect("create");
    }
    for name in [&b"\xff\xfe"[..], b"new\nline", b"-rf", b"*", b"\x1b[31m", b" "] {
        fs::create_dir(top.join(OsStr::from_bytes(name))).expect("mkdir");
        File::create(top.join(OsStr::from_bytes(name)).join("x")).expect("create");
    }
    mknodat(CWD, top.join("fifo"), FileType::Fifo, Mode::RUSR, 0).expect("mkfifo");
    drop(std::os::unix::net::UnixListener::bind(top.join("socket")).expect("bind"));
    symlink("nowhere", top.join("dangling")).expect("link");
    symlink(".", top.join("loop")).expect("link");
    dig(top, 3000);
    let closed = top.join("closed/below/deeper");
    fs::create_dir_all(&closed).expect("mkdir");
    File::create(closed.join("file")).expect("create");
    chmod(&closed, 0o500);
    chmod(&top.join("closed/below"), 0);
    chmod(&top.join("closed"), 0o555);
}

#[test]
fn everything_a_test_may_leave_is_removed() {
    let parent = quick_temporary();
    let top = parent.path().join("top");
    fs::create_dir(&top).expect("mkdir");
    litter(&top);
    let begin = Instant::now();
    remove_tree(&top).expect("removed");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn a_folder_without_an_end_is_given_up() {
    let parent = temporary();
    let top = parent.path().join("top");
    fs::create_dir_all(top.join("below")).expect("mkdir");
    for number in 0..100 {
        File::create(top.join(format!("below/{number}"))).expect("create");
    }
    let folder = File::open(parent.path()).expect("open");
    let given_up = remove_within(Duration::ZERO, folder.as_fd(), c"top");
    assert_eq!(given_up, Err(Errno::NOTEMPTY));
    assert_eq!(names(&top.join("below")).len(), 100, "the time was over at once");
    assert_eq!(remove_within(Duration::from_secs(60), folder.as_fd(), c"top"), Ok(()));
}

#[test]
fn closed_directories_deep_down_are_removed() {
    let parent = temporary();
    let top = parent.path().join("top");
    let path: PathBuf = (0..40).map(|n| format!("d{n}")).collect();
    fs::create_dir_all(top.join(&path)).expect("mkdir");
    File::create(top.join(&path).join("file")).expect("create");
    for level in path.ancestors() {
        chmod(&top.join(level), 0);
    }
    remove_tree(&top).expect("removed");
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn targets_of_links_are_not_touched() {
    let (parent, victim) = (temporary(), temporary());
    let file = write(victim.path().join("sub/file"), "precious");
    chmod(&file, 0o400);
    chmod(victim.path(), 0o500);
    let top = parent.path().join("top");
    fs::create_dir(&top).expect("mkdir");
    symlink(victim.path(), top.join("directory")).expect("link");
    symlink(&file, top.join("file")).expect("link");
    let hard = fs::hard_link(&file, top.join("hard")).is_ok();
    remove_tree(&top).expect("removed");
    // The directory itself replaced by a link: the link goes, what it leads to stays.
    symlink(victim.path(), &top).expect("link");
    remove_tree(&top).expect("removed");
    assert!(!top.is_symlink());
    assert_eq!((mode(&file), mode(victim.path())), (0o400, 0o500));
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "precious");
    assert!(!hard || file.metadata().expect("it is there").nlink() == 1);
    chmod(victim.path(), 0o700);
}

#[test]
fn what_is_not_there_is_fine_and_files_go_too() {
    let parent = temporary();
    remove_tree(&parent.path().join("missing")).expect("nothing to do");
    remove_tree(&parent.path().join("missing/below")).expect("nothing to do");
    let file = write(parent.path().join("file"), "");
    remove_tree(&file).expect("removed");
    assert!(!file.exists());
    assert!(remove_tree(Path::new("/")).is_err());
}

#[test]
fn what_is_written_meanwhile_goes_as_well() {
    let parent = temporary();
    let top = parent.path().join("top");
    fs::create_dir_all(top.join("sub")).expect("mkdir");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut written = 0;
            // It ends when the directory is gone, or after a bounded number of files.
            while written < 3000 && File::create(top.join("sub").join(written.to_string())).is_ok() {
                written += 1;
            }
        });
        remove_tree(&top).expect("removed in the end");
        writer.join().expect("no panic");
    });
    assert!(!top.exists());
}

/// As root nothing is forbidden, so the same is done again by a user to whom it is, with few descriptors.
#[test]
fn a_plain_user_with_few_descriptors_removes_it_all() {
    const INNER: &str = "sandbox::tests::removal::as_a_plain_user";
    let parent = temporary();
    chmod(parent.path(), 0o777);
    // The build directory may be closed to others.
    let exe = parent.path().join("tests");
    fs::copy(std::env::current_exe().expect("this binary"), &exe).expect("copied");
    let run = format!("ulimit -n 64; exec '{}' --exact {INNER} --ignored --test-threads 1", exe.display());
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", &run]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", &run]);
        command
    };
    match command.env("TMPDIR", parent.path()).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{text}{output:?}");
        }
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "skipped: cannot become a plain user: {error}");
        }
    }
}

#[test]
#[ignore = "started by the test above, as a plain user"]
fn as_a_plain_user() {
    everything_a_test_may_leave_is_removed();
    closed_directories_deep_down_are_removed();
    targets_of_links_are_not_touched();
    let parent = quick_temporary();
    let run = RunDirectory::create_in(parent.path()).expect("created");
    let workspace = Workspace::create(&run).expect("created");
    litter(workspace.work());
    chmod(workspace.work(), 0);
    let root = workspace.work().parent().expect("a root").to_owned();
    chmod(&root, 0);
    workspace.remove().expect("removed");
    assert_eq!(names(root.parent().expect("the folder of all workspaces")), Vec::<String>::new());
}
