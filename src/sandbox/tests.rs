use std::borrow::Cow;
use std::cell::Cell;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{
    AtFlags, CWD, FileType, IFlags, Mode, Timespec, Timestamps, XattrFlags, ioctl_getflags, ioctl_setflags,
    mknodat, setxattr, utimensat,
};
use tempfile::TempDir;

use super::{CleanEnvironment, InputFault, RunDirectory, Surroundings, Workspace, WriteError};
use crate::model::{Input, Position};

mod removal;

fn temporary() -> TempDir {
    tempfile::tempdir().expect("tmp")
}

/// A directory where thousands of directories are made quickly, if the machine has such a place.
fn quick_temporary() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| temporary())
}

fn write(path: PathBuf, text: &str) -> PathBuf {
    fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
    fs::write(&path, text).expect("write");
    path
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().expect("it exists").mode() & 0o7777
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

// Run directories and workspaces

#[test]
fn a_run_directory_is_private_and_goes_away() {
    let parent = temporary();
    let run = RunDirectory::create_in(parent.path()).expect("created");
    let path = run.path().to_owned();
    assert!(path.file_name().is_some_and(|name| name.len() >= "partest-run-".len() + 6));
    assert_eq!((mode(&path), mode(&path.with_extension("lock"))), (0o700, 0o600));
    let workspace = Workspace::create(&run).expect("created");
    let all = workspace.work().ancestors().nth(2).expect("the folder of all workspaces").to_owned();
    assert_eq!((names(&all).len(), all.parent()), (1, Some(path.as_path())));
    write(workspace.work().join("a/b"), "text");
    workspace.remove().expect("removed");
    assert_eq!(names(&all), Vec::<String>::new());
    drop(Workspace::create(&run).expect("created"));
    assert_eq!(names(&all), Vec::<String>::new());
    assert_eq!(names(&path).len(), 2);
    run.remove().expect("removed");
    drop(RunDirectory::create_in(parent.path()).expect("created"));
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

#[test]
fn workspaces_are_private_and_a_removed_one_is_not_made_again() {
    let parent = temporary();
    let run = RunDirectory::create_in(parent.path()).expect("created");
    let first = Workspace::create(&run).expect("created");
    for path in [first.work(), first.home(), first.tmp(), first.work().parent().expect("a root")] {
        assert_eq!(mode(path), 0o700);
        assert!(path.starts_with(run.path()));
    }
    let gone = first.work().to_owned();
    first.remove().expect("removed");
    assert_ne!(Workspace::create(&run).expect("created").work(), gone);
}

#[test]
fn a_workspace_is_used_again_only_as_it_was_made() {
    let parent = temporary();
    let run = RunDirectory::create_in(parent.path()).expect("created");
    let used_again = |pause: Duration, change: &dyn Fn(&Workspace)| {
        let workspace = Workspace::create(&run).expect("created");
        let work = workspace.work().to_owned();
        workspace.give_back().expect("given back");
        thread::sleep(pause);
        let workspace = Workspace::create(&run).expect("created");
        assert_eq!(workspace.work(), work);
        change(&workspace);
        workspace.give_back().expect("given back");
        let next = Workspace::create(&run).expect("created");
        let again = next.work() == work;
        assert_eq!(names(next.work()), Vec::<String>::new());
        next.remove().expect("removed");
        again
    };
    // Just seen, and seen so long ago that the times of changes tell.
    let after = |change: &dyn Fn(&Workspace)| {
        let again = [Duration::ZERO, Duration::from_millis(100)].map(|pause| used_again(pause, change));
        assert_eq!(again[0], again[1]);
        again[0]
    };
    assert!(after(&|_| {}));
    assert!(after(&|workspace| {
        write(workspace.work().join("file"), "");
        fs::remove_file(workspace.work().join("file")).expect("removed");
    }));
    assert!(!after(&|workspace| drop(write(workspace.work().join("file"), ""))));
    assert!(!after(&|workspace| drop(write(workspace.home().join(".hidden"), ""))));
    assert!(!after(&|workspace| drop(write(workspace.tmp().parent().expect("a root").join("beside"), ""))));
    assert!(!after(&|workspace| chmod(workspace.tmp(), 0o755)));
    assert!(!after(&|workspace| fs::remove_dir(workspace.work()).expect("removed")));
    assert!(!after(&|workspace| {
        fs::remove_dir(workspace.home()).expect("removed");
        symlink("/", workspace.home()).expect("link");
    }));
}

#[test]
fn what_was_done_to_a_directory_itself_is_not_passed_on() {
    let parent = temporary();
    let run = RunDirectory::create_in(parent.path()).expect("created");
    let used_again = |change: &dyn Fn(&Workspace)| {
        let workspace = Workspace::create(&run).expect("created");
        let root = workspace.work().parent().expect("a root").to_owned();
        change(&workspace);
        workspace.give_back().expect("given back");
        let next = Workspace::create(&run).expect("created");
        let again = next.work().parent() == Some(&root);
        write(next.work().join("file"), "text");
        next.remove().expect("removed");
        again
    };
    assert!(used_again(&|_| {}));
    let old = Timespec { tv_sec: 1, tv_nsec: 1 };
    let times = Timestamps { last_access: old, last_modification: old };
    assert!(!used_again(&|workspace| {
        utimensat(CWD, workspace.work(), &times, AtFlags::empty()).expect("dated");
    }));
    // Neither extended attributes nor flags are in every file system, and the last two flags are root's.
    let is_set = Cell::new(false);
    let again = used_again(&|workspace| {
        let set = setxattr(workspace.tmp(), "user.partest", b"mine", XattrFlags::empty());
        is_set.set(set.is_ok());
        // As if nothing but a file had come and gone.
        fs::remove_file(write(workspace.tmp().join("file"), "")).expect("removed");
    });
    assert_ne!(again, is_set.get());
    let flagged = |part: PathBuf, flag: IFlags| {
        let directory = fs::File::open(part).expect("open");
        ioctl_getflags(&directory).is_ok_and(|flags| ioctl_setflags(&directory, flags | flag).is_ok())
    };
    for flag in [IFlags::NODUMP, IFlags::APPEND, IFlags::IMMUTABLE] {
        let again = used_again(&|workspace| is_set.set(flagged(workspace.work().to_owned(), flag)));
        assert_ne!(again, is_set.get(), "{flag:?}");
    }
}

/// A lock file as a run writes it.
fn lock_for(name: &str) -> String {
    format!("partest holds this lock as long as it uses the directory\n{name}\n")
}

#[test]
fn only_directories_whose_lock_is_free_are_cleaned_up() {
    let parent = temporary();
    let place = |name: &str| parent.path().join(name);
    let folder = |name: &str| {
        write(place(name).join("0/work/file"), "");
        chmod(&place(name), 0o700);
    };
    let alive = RunDirectory::create_in(parent.path()).expect("created");
    folder("partest-run-killedkilled");
    write(place("partest-run-killedkilled.lock"), &lock_for("partest-run-killedkilled"));
    // Runs that were killed before they had a directory.
    write(place("partest-run-beforewritin.lock"), "");
    write(place("partest-run-withoutfoldr.lock"), &lock_for("partest-run-withoutfoldr"));
    // One that was killed before it closed its directory to others.
    folder("partest-run-halfhalfhalf");
    chmod(&place("partest-run-halfhalfhalf"), 0o000);
    write(place("partest-run-halfhalfhalf.lock"), &lock_for("partest-run-halfhalfhalf"));

    let another = RunDirectory::create_in(parent.path()).expect("created");
    let mut left: Vec<_> = [&alive, &another].iter().map(|run| run.path().to_owned()).collect();
    left.extend(left.clone().iter().map(|path| path.with_extension("lock")));
    left.sort();
    let expected: Vec<_> =
        left.iter().map(|path| path.file_name().expect("a name").display().to_string()).collect();
    assert_eq!(names(parent.path()), expected);
}

#[test]
fn what_a_run_has_not_made_is_not_cleaned_up_whatever_its_name() {
    let parent = temporary();
    let place = |name: &str| parent.path().join(name);
    let folder = |name: &str| {
        write(place(name).join("data"), "mine");
        chmod(&place(name), 0o700);
    };
    for name in [
        "partest-results",
        "partest-AbCdEfGhIjKl",
        "partest-run-abcdefghijkl",
        "partest-new-4194305-abcdefghijkl",
    ] {
        folder(name);
        write(place(name).join("lock"), "");
    }
    // The lock of something else, of another directory, and with more behind it.
    let copied = lock_for("partest-run-killedkilled");
    for (name, text) in [
        ("partest-run-foreignforei", "mine"),
        ("partest-run-emptyemptyem", ""),
        ("partest-run-copiedcopied", copied.as_str()),
        ("partest-run-longerlonger", &(lock_for("partest-run-longerlonger") + "and")),
        ("partest-run-short", &lock_for("partest-run-short")),
        ("partest-run-longlonglonglong", &lock_for("partest-run-longlonglonglong")),
    ] {
        folder(name);
        write(place(&format!("{name}.lock")), text);
    }
    let shared = "partest-run-opentoothers";
    folder(shared);
    chmod(&place(shared), 0o755);
    write(place(&format!("{shared}.lock")), &lock_for(shared));
    let target = temporary();
    for name in ["partest-run-linklinklink", "partest-link"] {
        symlink(target.path(), place(name)).expect("link");
        write(place(&format!("{name}.lock")), &lock_for(name));
    }
    symlink(place("partest-results/data"), place("partest-run-linkedlinked.lock")).expect("link");
    write(place("partest-run-filefilefile.lock"), "a text of mine");
    let before = names(parent.path());
    RunDirectory::create_in(parent.path()).expect("created").remove().expect("removed");
    assert_eq!(names(parent.path()), before);
    assert!(target.path().exists() && place("partest-results/data").exists());
}

#[test]
fn runs_that_start_together_do_not_remove_each_other() {
    let parent = temporary();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let run = RunDirectory::create_in(parent.path()).expect("created");
                    let workspace = Workspace::create(&run).expect("it stands");
                    workspace.write_files([(Path::new("x"), Cow::Borrowed("y"))]).expect("written");
                    drop(workspace);
                    run.remove().expect("removed");
                }
            });
        }
    });
    assert_eq!(names(parent.path()), Vec::<String>::new());
}

// Files

struct Case {
    folder: TempDir,
    _parent: TempDir,
    workspace: Workspace,
    _run: RunDirectory,
}

impl Case {
    fn new() -> Self {
        let parent = temporary();
        let run = RunDirectory::create_in(parent.path()).expect("created");
        let workspace = Workspace::create(&run).expect("created");
        Self { folder: temporary(), _parent: parent, workspace, _run: run }
    }

    /// A file beside the descriptor, which stands in the sub-folder `suite`.
    fn file(&self, path: &str, text: &str) -> PathBuf {
        write(self.folder.path().join(path), text)
    }

    fn place(&self, patterns: &[&str]) -> Result<bool, InputFault> {
        let position = Position { file: "a.test.json".into(), line: 2, column: 3 };
        let inputs: Vec<Input> = patterns
            .iter()
            .map(|pattern| Input { pattern: (*pattern).to_owned(), position: position.clone() })
            .collect();
        let suite = self.folder.path().join("suite");
        fs::create_dir_all(&suite).expect("mkdir");
        self.workspace.place_inputs(&suite, &inputs).map_err(|error| {
            assert!(
                error.to_string().starts_with("input \"") && error.position.to_string() == "a.test.json:2:3",
                "{error}"
            );
            error.fault
        })
    }

    /// Everything in the working directory, directories with a slash.
    fn content(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![self.workspace.work().to_owned()];
        while let Some(directory) = open.pop() {
            for name in names(&directory) {
                let path = directory.join(name);
                let short = path.strip_prefix(self.workspace.work()).expect("below").display().to_string();
                assert!(!path.is_symlink());
                if path.is_dir() {
                    found.push(short + "/");
                    open.push(path);
                } else {
                    found.push(short);
                }
            }
        }
        found.sort();
        found
    }
}

#[test]
fn inputs_keep_their_path_and_mode() {
    let case = Case::new();
    chmod(&case.file("suite/greet", "#!/bin/sh\n"), 0o755);
    chmod(&case.file("suite/data/a.txt", "a"), 0o440);
    for path in ["suite/data/b.txt", "suite/data/b.bin", "suite/data/.c.txt", "suite/data/sub/d.txt"] {
        case.file(path, path);
    }
    case.file("shared/deep/e", "e");
    case.place(&["./greet", "data/*.txt", "greet", "../shared/deep"]).expect("placed");
    assert_eq!(
        case.content(),
        ["data/", "data/a.txt", "data/b.txt", "greet", "shared/", "shared/deep/", "shared/deep/e"]
    );
    let work = case.workspace.work();
    assert_eq!((mode(&work.join("greet")), mode(&work.join("data/a.txt"))), (0o755, 0o440));
    assert_eq!(fs::read_to_string(work.join("data/b.txt")).expect("read"), "suite/data/b.txt");
}

#[test]
fn globs_go_as_deep_as_they_say() {
    let case = Case::new();
    for path in ["suite/a.txt", "suite/x/b.txt", "suite/x/y/c.txt", "suite/.hidden/d.txt"] {
        case.file(path, "");
    }
    case.place(&["**/*.txt"]).expect("placed");
    assert_eq!(case.content(), ["a.txt", "x/", "x/b.txt", "x/y/", "x/y/c.txt"]);
    let case = Case::new();
    case.file("suite/x/{1}", "");
    case.file("suite/x/.rc", "");
    case.place(&["x/.*", "x/\\{1\\}"]).expect("placed");
    assert_eq!(case.content(), ["x/", "x/.rc", "x/{1}"]);
}

#[test]
fn directories_are_copied_whole() {
    let case = Case::new();
    for path in ["suite/d/a", "suite/d/.b", "suite/d/sub/c"] {
        case.file(path, "");
    }
    fs::create_dir(case.folder.path().join("suite/d/empty")).expect("mkdir");
    case.place(&["d"]).expect("placed");
    assert_eq!(case.content(), ["d/", "d/.b", "d/a", "d/empty/", "d/sub/", "d/sub/c"]);
}

#[test]
fn links_become_files_and_lead_nowhere_else() {
    let case = Case::new();
    case.file("suite/target", "content");
    case.file("suite/sub/file", "");
    let suite = case.folder.path().join("suite");
    symlink("target", suite.join("link")).expect("link");
    symlink("sub", suite.join("to_dir")).expect("link");
    case.place(&["link", "to_dir"]).expect("placed");
    assert_eq!(case.content(), ["link", "to_dir/", "to_dir/file"]);

    symlink("/etc", suite.join("out")).expect("link");
    symlink("nowhere", suite.join("dangling")).expect("link");
    symlink("..", suite.join("sub/up")).expect("link");
    for pattern in ["out", "out/passwd", "out/pass*d", "dangling"] {
        let fault = case.place(&[pattern]).expect_err("refused");
        assert!(matches!(fault, InputFault::Link { .. } | InputFault::Nothing(_)), "{pattern}: {fault}");
    }
    assert!(matches!(
        case.place(&["sub"]).expect_err("refused"),
        InputFault::Link { .. } | InputFault::Endless(_)
    ));
    assert!(!case.workspace.work().join("out").exists());
}

#[test]
fn bad_inputs_are_refused() {
    let case = Case::new();
    let fifo = case.file("suite/x", "").with_file_name("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).expect("mkfifo");
    for pattern in ["missing", "*.nothing", "no/such/*.txt", "x/below"] {
        let fault = case.place(&[pattern]).expect_err("refused");
        assert!(matches!(fault, InputFault::Nothing(_) | InputFault::Io { .. }), "{pattern}: {fault}");
    }
    for pattern in ["", ".", "..", "/etc/passwd", "a/../../b"] {
        assert!(matches!(case.place(&[pattern]), Err(InputFault::Path)), "{pattern}");
    }
    assert!(matches!(case.place(&["a[.txt"]), Err(InputFault::Glob(_))));
    assert!(matches!(case.place(&["fifo"]), Err(InputFault::Odd(_))));
    assert!(matches!(case.place(&["f*o"]), Err(InputFault::Odd(_))));
    case.file("x", "another");
    assert!(matches!(case.place(&["x", "../x"]), Err(InputFault::Twice { .. })));
}

#[test]
fn inline_files_are_written_safely() {
    let case = Case::new();
    let write =
        |path: &str, text: &'static str| case.workspace.write_files([(Path::new(path), Cow::Borrowed(text))]);
    write("a", "text").expect("written");
    write("./sub/deep/b", "#!/bin/sh\n").expect("written");
    write("sub/c", "").expect("written");
    let work = case.workspace.work();
    assert_eq!((mode(&work.join("a")), mode(&work.join("sub/deep/b"))), (0o644, 0o755));
    assert_eq!(fs::read_to_string(work.join("a")).expect("read"), "text");
    for path in ["", ".", "../x", "sub/../../x", "/tmp/x"] {
        assert!(matches!(write(path, ""), Err(WriteError::Path(_))), "{path}");
    }
    for path in ["a", "sub", "sub/c"] {
        assert!(matches!(write(path, ""), Err(WriteError::Exists(_))), "{path}");
    }
    let outside = temporary();
    symlink(outside.path(), work.join("link")).expect("link");
    assert!(write("link/x", "").is_err());
    assert!(write("a/x", "").is_err());
    assert_eq!(names(outside.path()), Vec::<String>::new());
}

// The environment

#[test]
fn the_environment_is_clean_and_built_in_order() {
    let case = Case::new();
    let outer = [("PATH", "/usr/bin:.:relative:/bin"), ("SECRET", "s"), ("TERM", "xterm"), ("LANG", "de_DE")];
    let base = CleanEnvironment::new(outer.map(|(name, value)| (name.into(), value.into())).to_vec());
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let set = [("A".to_owned(), "1".to_owned()), ("TZ".to_owned(), "Europe/Paris".to_owned())];
    let environment = base.of_case(
        &case.workspace,
        &Surroundings {
            case: "f::c",
            attempt: 2,
            slot: Some(3),
            inherit: &strings(&["TERM", "UNKNOWN", "LANG"]),
            set: &set,
            unset: &strings(&["HOME"]),
        },
    );
    let tmp = case.workspace.tmp().to_str().expect("UTF-8");
    let run_dir = case.workspace.run_dir().to_str().expect("UTF-8");
    let expected = [
        ("PATH", "/usr/bin:/bin"),
        ("TMPDIR", tmp),
        ("LANG", "de_DE"),
        ("TZ", "Europe/Paris"),
        ("PARTEST_CASE", "f::c"),
        ("PARTEST_ATTEMPT", "2"),
        ("PARTEST_SLOT", "3"),
        ("PARTEST_RUN_DIR", run_dir),
        ("TERM", "xterm"),
        ("A", "1"),
    ];
    assert_eq!(environment, expected.map(|(name, value)| (name.into(), value.into())));
    assert_eq!(CleanEnvironment::new(Vec::new()).path(), "/usr/local/bin:/usr/bin:/bin");
}

// Removal
