use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Around, Defaults, DescriptorFile, Diagnostic, Format, Loaded, Outside, read, read_suite};

mod divide;
mod expansion;
mod hostile;
mod inheritance;
mod misread;
mod mistakes;
mod properties;
mod resources;
mod spellings;
mod table;
mod variables;

/// A small world beside every descriptor.
#[derive(Debug)]
struct Fake;

const FILES: [(&str, &str); 10] = [
    ("data/bad.json", "[\n{\"x\": }]"),
    ("data/braces.csv", "name,text\nb,{{ work }}\n"),
    ("data/good.csv", "\u{feff}name,text,code\r\nfirst,007,3\r\nsecond,\"a, \"\"b\"\"\",4\r\n"),
    ("data/good.json", "[{\"x\": 1}, {\"x\": {\"y\": []}}]"),
    ("data/header.csv", "a,b c\n1,2\n"),
    ("data/named.csv", "name,x\na,1\n,2\n"),
    ("data/ragged.csv", "a,b\n1,2\n1,2,3\n"),
    ("data/scalar.json", "[1]"),
    ("in/a.txt", ""),
    ("in/b.txt", ""),
];

impl Outside for Fake {
    fn read(&self, path: &Path) -> Result<(Vec<u8>, String), String> {
        let path = path.strip_prefix("/project").expect("inside").to_str().expect("text").to_owned();
        let file = FILES.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| (text.as_bytes().to_vec(), path)).ok_or_else(|| "no such file".to_owned())
    }

    fn matching(&self, _: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let (folder, ending) = pattern.split_once('*').ok_or("no glob")?;
        let names = FILES.iter().map(|(name, _)| *name);
        let found: Vec<_> = names.filter(|name| name.starts_with(folder) && name.ends_with(ending)).collect();
        if found.is_empty() {
            Err("matches nothing".to_owned())
        } else {
            Ok(found.into_iter().map(PathBuf::from).collect())
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "CI").then(|| "true".to_owned())
    }
}

fn with_file<T>(path: &str, bytes: &[u8], use_file: impl FnOnce(&DescriptorFile<'_>) -> T) -> T {
    let ending = path.rsplit('.').next().expect("an ending");
    let suite = path.strip_suffix(&format!(".test.{ending}")).unwrap_or(path);
    let folder = Path::new("/project").join(path).parent().expect("a folder").to_path_buf();
    use_file(&DescriptorFile {
        path: &Arc::from(path),
        suite: &Arc::from(suite),
        folder: &Arc::from(folder),
        root: Path::new("/project"),
        format: Format::of_ending(ending).expect("a known ending"),
        bytes,
    })
}

fn load(path: &str, text: impl AsRef<[u8]>) -> Loaded {
    load_below(path, text, &Defaults::default())
}

fn load_below(path: &str, text: impl AsRef<[u8]>, inherited: &Defaults) -> Loaded {
    let around = Around { outside: &Fake, overrides: &Arc::default(), turn: None };
    with_file(path, text.as_ref(), |file| read(file, inherited, &around))
}

fn suite(path: &str, text: &str, inherited: &Defaults) -> Result<Defaults, Vec<Diagnostic>> {
    with_file(path, text.as_bytes(), |file| read_suite(file, inherited, &Arc::default()))
}

/// The diagnostics of a file that holds no usable case.
fn diagnostics(path: &str, text: impl AsRef<[u8]>) -> Vec<Diagnostic> {
    let loaded = load(path, text);
    assert!(loaded.cases.is_empty(), "no case is expected: {:?}", loaded.cases);
    loaded.broken.into_iter().flat_map(|broken| broken.diagnostics).collect()
}
