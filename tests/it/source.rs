//! partest's own source files, read as tokens: comments and strings are out of the way.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use proc_macro2::{TokenStream, TokenTree};

/// A source file of the crate.
pub(crate) struct SourceFile {
    /// Its path below `src`, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn tokens(&self) -> TokenStream {
        TokenStream::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}", self.path))
    }
}

/// The root of the package.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the package.
pub(crate) fn files_below(folder: &str) -> Vec<SourceFile> {
    let root = package().join(folder);
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no source file below {folder}");
    let read = |path: PathBuf| SourceFile {
        text: fs::read_to_string(&path).expect("readable"),
        path: path.strip_prefix(&root).expect("below the root").to_str().expect("UTF-8").to_owned(),
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// The tokens of a stream with those inside its groups, in the order of the text, each with the depth of the
/// inline modules (`mod tests { … }`) it stands in.
pub(crate) fn flatten(stream: TokenStream) -> Vec<(TokenTree, usize)> {
    let mut flat = Vec::new();
    push_flat(stream, 0, &mut flat);
    flat
}

fn push_flat(stream: TokenStream, depth: usize, flat: &mut Vec<(TokenTree, usize)>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => {
                let inner = depth + usize::from(opens_module(flat));
                flat.push((TokenTree::Group(group.clone()), depth));
                push_flat(group.stream(), inner, flat);
            }
            other => flat.push((other, depth)),
        }
    }
}

fn opens_module(before: &[(TokenTree, usize)]) -> bool {
    matches!(before, [.., (TokenTree::Ident(word), _), (TokenTree::Ident(_), _)] if *word == "mod")
}
