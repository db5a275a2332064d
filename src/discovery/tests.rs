use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode};
use tempfile::TempDir;

use super::{DiscoverOptions, Discovery, discover, discover_exact, names};
use crate::model::{CaseResult, Outcome};

const CASE: &str = r#"{"run": ["true"]}"#;

struct Project(TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().expect("a folder"));
        files.iter().for_each(|(path, text)| project.write(path, text));
        project
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: impl AsRef<OsStr>, text: &str) {
        let path = self.root().join(Path::new(path.as_ref()));
        fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        fs::write(path, text).expect("written");
    }

    fn discover(&self, paths: &[&str]) -> Discovery {
        let begin = Instant::now();
        let found = discover(
            &paths.iter().map(PathBuf::from).collect::<Vec<_>>(),
            self.root(),
            &DiscoverOptions::default(),
        );
        assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
        found
    }
}

fn ids(discovery: &Discovery) -> Vec<&str> {
    discovery.cases.iter().map(|case| case.info.id.as_str()).collect()
}

/// The id and the messages of each result.
fn broken(discovery: &Discovery) -> Vec<(&str, Vec<&str>)> {
    let is_sound = |result: &CaseResult| result.outcome == Outcome::Errored && !result.failures.is_empty();
    assert!(discovery.broken.iter().all(is_sound));
    discovery
        .broken
        .iter()
        .map(|result| {
            (
                result.info.id.as_str(),
                result.failures.iter().map(|failure| failure.message.as_str()).collect(),
            )
        })
        .collect()
}

#[test]
fn descriptors_are_found_sorted_by_the_parts_of_their_paths() {
    let project = Project::new(&[
        ("s/b.test.yaml", "run: b"),
        ("s/a/z.test.toml", "run = 'z'"),
        ("s/a-b/c.test.yml", "cases: [{name: two, run: a}, {name: one, run: b}]"),
        ("s/a.test.json", CASE),
        ("s/other.json", "{"),
        ("s/.test.json", "{"),
        ("s/.hidden/h.test.json", "{"),
        ("s/.gitignore", "ignored*\n"),
        ("s/ignored/i.test.json", "{"),
        ("s/a/ignored.test.json", "{"),
        ("t/t.test.json", CASE),
    ]);
    let found = project.discover(&["s"]);
    assert_eq!(broken(&found), []);
    assert_eq!(ids(&found), ["s/a/z::z", "s/a-b/c::two", "s/a-b/c::one", "s/a::a", "s/b::b"]);
    assert_eq!(found.cases[0].info.position.to_string(), "s/a/z.test.toml:1:1");
    assert_eq!(found.cases[0].folder.as_ref(), project.root().join("s/a"));
    // Overlapping and odd spellings give each file once; a named file is read whatever its name.
    let again = project.discover(&["s", "./s/../s/a.test.json", "s/a", "s/"]);
    assert_eq!(ids(&again), ids(&found));
    let named = project.discover(&["s/.hidden/h.test.json", "s/other.json", "s/ignored/i.test.json"]);
    assert_eq!(broken(&named).len(), 3, "{:?}", broken(&named));
    assert_eq!(ids(&project.discover(&["s/.hidden/../a"])), ["s/a/z::z"]);
}

#[test]
fn paths_that_begin_alike_are_sorted_by_their_parts() {
    let parts = ["a", "a-b", "a b", "a.b", "ab", "averylongname", "averylongname-2", "averylongname.2"];
    let mut files: Vec<String> = Vec::new();
    for folder in parts {
        files.extend(parts.map(|part| format!("begin/{folder}/{part}.test.json")));
        files.push(format!("begin/{folder}.test.json"));
    }
    let written: Vec<_> = files.iter().rev().map(|file| (file.as_str(), CASE)).collect();
    let found = Project::new(&written).discover(&["."]);
    files.sort_by(|a, b| Path::new(a).cmp(Path::new(b)));
    let found: Vec<_> = found.cases.iter().map(|case| case.info.position.file.to_string()).collect();
    assert_eq!(found, files);
}

#[test]
fn files_of_the_same_name_are_each_read_from_their_own_folder() {
    let files: Vec<_> = (0..40)
        .flat_map(|folder| ["a", "b", "c"].map(|name| format!("{folder}/deep/{name}.test.json")))
        .map(|path| {
            (path.clone(), format!(r#"{{"name": "of {}", "run": ["true"]}}"#, path.replace('/', "-")))
        })
        .collect();
    let written: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let found = Project::new(&written).discover(&["."]);
    assert_eq!(found.cases.len(), files.len());
    for case in &found.cases {
        assert_eq!(case.info.name, format!("of {}", case.info.position.file.replace('/', "-")));
    }
}

#[test]
fn a_folder_that_is_named_is_walked_even_if_hidden_or_ignored() {
    let project = Project::new(&[
        (".gitignore", "target/\n"),
        ("target/x/a.test.json", CASE),
        (".h/a.test.json", CASE),
    ]);
    assert_eq!(ids(&project.discover(&["."])), Vec::<&str>::new());
    assert_eq!(ids(&project.discover(&[".h", "target/x"])), [".h/a::a", "target/x/a::a"]);
}

#[test]
fn paths_that_give_no_file_are_results() {
    let project = Project::new(&[("suite/a.test.json", CASE)]);
    let found = project.discover(&["siute", "suite", "suite/a.test.json/b", "nowhere/at/all"]);
    assert_eq!(ids(&found), ["suite/a::a"]);
    let found_ids: Vec<_> = broken(&found).into_iter().map(|(id, _)| id).collect();
    assert_eq!(found_ids, ["nowhere/at/all", "siute", "suite/a.test.json/b"]);
    assert!(found.broken[1].failures[0].detail.contains("did you mean `suite`?"));
}

#[test]
fn suite_files_count_from_the_root_down() {
    let project = Project::new(&[
        ("suite.toml", "[defaults]\ntags = ['root']\ntimeout = '1s'"),
        ("a/suite.json", r#"{"defaults": {"tags": ["a"]}}"#),
        ("a/b/c/x.test.json", CASE),
        ("y.test.json", CASE),
    ]);
    for paths in [&["."][..], &["a/b", "y.test.json"], &["a/b/c/x.test.json", "y.test.json"]] {
        let found = project.discover(paths);
        let tags: Vec<_> = found.cases.iter().map(|case| case.info.tags[0].as_str()).collect();
        assert_eq!(tags, ["a", "root"], "{paths:?}");
        assert!(found.cases.iter().all(|case| case.time.timeout == Duration::from_secs(1)));
    }
}

#[test]
fn a_broken_suite_file_is_one_result() {
    let project = Project::new(&[
        ("a/suite.json", "{\"defaults\": {\"tmeout\": 1}}"),
        ("a/1.test.json", CASE),
        ("a/b/suite.yaml", "defaults: {}"),
        ("a/b/2.test.json", CASE),
        ("c/suite.json", "{}"),
        ("c/suite.toml", ""),
        ("c/3.test.json", CASE),
        ("d/4.test.json", CASE),
    ]);
    for paths in [&["."][..], &["a/b/2.test.json", "c", "d"]] {
        let found = project.discover(paths);
        assert_eq!(ids(&found), ["d/4::4"]);
        let expected = [
            ("a/suite.json", vec!["unknown key `tmeout`"]),
            ("c/suite.json", vec!["the folder has a second suite file: c/suite.toml"]),
        ];
        assert_eq!(broken(&found), expected);
        assert_eq!(found.broken[0].failures[0].position.to_string(), "a/suite.json:1:15");
    }
}

#[test]
fn ids_are_unique() {
    let project = Project::new(&[
        (
            "a.test.json",
            r#"{"cases": [{"name": "x", "run": "a"}, {"name": "y", "run": "a"}, {"name": "x", "run": "a"}]}"#,
        ),
        (
            "a.test.toml",
            "[[cases]]\nname = 'x'\nrun = 'b'\n[[cases]]\nname = 'z'\nrun = 'b'\n[[cases]]\nname = 'y'\nrun = 3",
        ),
    ]);
    let found = project.discover(&["."]);
    assert_eq!(ids(&found), ["a::x", "a::y", "a::z"]);
    let results = broken(&found);
    assert_eq!((results[0].0, results[1].0, results.len()), ("a.test.json", "a.test.toml", 2));
    assert!(
        results[0].1[0].contains("a second case is named `x`; the first is at a.test.json:1:21"),
        "{results:?}"
    );
    assert_eq!(results[1].1[0], "the case id `a::x` is taken; the first is at a.test.json:1:12");
    let detail = &found.broken[1].failures[0].detail;
    assert!(detail.contains("a.test.toml:1:1") && detail.contains("| [[cases]]"), "{detail}");
    assert!(results[1].1[2].contains("expected a list of arguments"), "{results:?}");
}

#[test]
fn odd_files_are_refused_without_waiting() {
    let project =
        Project::new(&[("ok.test.json", CASE), ("secret.test.json", CASE), ("dir.test.json/x", "")]);
    let fifo = project.root().join("fifo.test.json");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from(0o600), 0).expect("a FIFO");
    symlink("/dev/zero", project.root().join("zero.test.json")).expect("a link");
    symlink("nowhere", project.root().join("dangling.test.yaml")).expect("a link");
    symlink("..", project.root().join("loop")).expect("a link");
    symlink("ok.test.json", project.root().join("linked.test.json")).expect("a link");
    fs::File::create(project.root().join("huge.test.json"))
        .and_then(|file| file.set_len(1 << 30))
        .expect("sparse");
    let unreadable = project.root().join("secret.test.json");
    fs::set_permissions(&unreadable, fs::Permissions::from_mode(0o000)).expect("changed");
    let found = project.discover(&["."]);
    let is_root = fs::File::open(&unreadable).is_ok();
    assert_eq!(
        ids(&found),
        if is_root {
            vec!["linked::linked", "ok::ok", "secret::secret"]
        } else {
            vec!["linked::linked", "ok::ok"]
        }
    );
    let results = broken(&found);
    let expected = [
        ("dangling.test.yaml", "cannot read the file: No such file"),
        ("dir.test.json", "not a regular file"),
        ("fifo.test.json", "not a regular file"),
        ("huge.test.json", "the file is larger than 8 MiB"),
        ("zero.test.json", "not a regular file"),
    ];
    for (id, message) in expected {
        let (_, messages) = results.iter().find(|(found, _)| *found == id).expect(id);
        assert!(messages[0].starts_with(message), "{id}: {messages:?}");
    }
    assert_eq!(results.len(), if is_root { 5 } else { 6 });
    // Named, they are refused just so.
    assert_eq!(broken(&project.discover(&["fifo.test.json", "zero.test.json"])).len(), 2);
}

#[test]
fn a_folder_that_cannot_be_read_is_one_result() {
    let project = Project::new(&[("shut/a.test.json", CASE), ("open/a.test.json", CASE)]);
    let shut = project.root().join("shut");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).expect("changed");
    let is_root = fs::read_dir(&shut).is_ok();
    let found = project.discover(&["."]);
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).expect("changed back");
    if !is_root {
        assert_eq!(ids(&found), ["open/a::a"]);
        assert_eq!(broken(&found)[0].0, "shut");
    }
}

#[test]
fn names_that_are_no_text_are_escaped_reversibly() {
    let display = |bytes: &[u8]| names::display(Path::new(OsStr::from_bytes(bytes))).into_owned();
    assert_eq!(display("a\\b/ü".as_bytes()), "a\\b/ü");
    assert_eq!(display(b"a\xFFb"), r"a\xffb");
    assert_eq!(display(b"a\nb\\c"), r"a\x0ab\\c");
    assert_eq!(display("\u{85}".as_bytes()), r"\xc2\x85");
    assert_eq!(display(br"a\x0ab"), r"a\\x0ab");
    assert_eq!(display("a\u{202e}b".as_bytes()), r"a\xe2\x80\xaeb");
    let project = Project::new(&[]);
    project.write(OsStr::from_bytes(b"s/\xFF\n.test.json"), CASE);
    let found = project.discover(&["s"]);
    assert_eq!(ids(&found), [r"s/\xff\x0a::\xff\x0a"]);
    let exact =
        discover_exact(r"s/\xff\x0a::\xff\x0a", &["s".into()], project.root(), &DiscoverOptions::default());
    assert_eq!(ids(&exact), ids(&found));
}

#[test]
fn what_lies_outside_is_named_by_the_folder_of_the_path() {
    let outside = Project::new(&[("s/suite.yaml", "defaults: {tags: [out]}"), ("s/in/a.test.json", CASE)]);
    let project = Project::new(&[("suite.yaml", "defaults: {tags: [root]}")]);
    let folder = outside.root().join("s");
    let found = discover(std::slice::from_ref(&folder), project.root(), &DiscoverOptions::default());
    assert_eq!(ids(&found), ["s/in/a::a"]);
    assert_eq!(found.cases[0].info.tags, ["out"]);
    assert_eq!(
        ids(&discover_exact("s/in/a::a", &[folder], project.root(), &DiscoverOptions::default())),
        ["s/in/a::a"]
    );
}

#[test]
fn the_exact_case_is_found_in_the_files_its_id_names() {
    let project = Project::new(&[
        ("a::b/c.test.yaml", "cases: [{name: 'd::e', run: a}, {name: f, run: 3}]"),
        ("a/x.test.json", CASE),
        ("a/broken.test.json", "{"),
        ("a/plain.yaml", "run: a"),
        ("suite.yaml", "vars: {v: 1}"),
    ]);
    let exact = |id: &str, paths: &[&str]| {
        let paths: Vec<_> = paths.iter().map(PathBuf::from).collect();
        let found = discover_exact(id, &paths, project.root(), &DiscoverOptions::default());
        (ids(&found).join(" "), broken(&found).into_iter().map(|(id, _)| id).collect::<Vec<_>>().join(" "))
    };
    let case = |id: &str| (id.to_owned(), String::new());
    assert_eq!(exact("a::b/c::d::e", &["."]), case("a::b/c::d::e"));
    assert_eq!(exact("a::b/c::f", &["."]), (String::new(), "a::b/c::f".to_owned()));
    assert_eq!(exact("a/x::x", &["a"]), case("a/x::x"));
    assert_eq!(exact("a/x::x", &["a::b"]), case(""), "only in the paths that are named");
    assert_eq!(exact("a/x::nothing", &["."]), case(""));
    assert_eq!(exact("a/broken::x", &["."]), (String::new(), "a/broken.test.json".to_owned()));
    assert_eq!(exact("a/broken.test.json", &["."]), (String::new(), "a/broken.test.json".to_owned()));
    assert_eq!(exact("a/plain.yaml::plain.yaml", &["a/plain.yaml"]), case("a/plain.yaml::plain.yaml"));
    assert_eq!(exact("../../etc/passwd", &["."]), case(""));
    assert_eq!(exact("", &["."]), case(""));
    // Only the files that the id names are read: the broken one beside does not show.
    let only = super::collect::collect(
        super::walk::guess("a/x::x", &[".".into()], project.root()),
        &DiscoverOptions::default(),
    );
    assert_eq!((only.cases.len(), only.broken.len()), (1, 0));
}
