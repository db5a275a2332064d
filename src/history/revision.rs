//! Which revision of the code is checked out, read from git's own files: no program is started for it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::history::tree::state;

/// Which code there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Checkout {
    /// The commit that is checked out; none when there is no working tree, or when it is kept in a way that is not known
    /// here.
    pub(super) revision: Option<String>,
    /// A number that is another one as soon as a file of the working tree is not as it was, added to a commit or not.
    pub(super) tree: Option<u64>,
}

impl Checkout {
    /// That of the working tree around `folder`.
    pub(super) fn around(folder: &Path) -> Self {
        let Some((root, private)) = find(folder) else { return Self::default() };
        let revision = revision(&private);
        let tree = revision.as_ref().and_then(|hash| {
            let index = bytes(&private.join("index"))?;
            state(&root, &index, hash.len() / 2)
        });
        Self { revision, tree }
    }
}

/// The working tree around `folder`, and the folder of git that is its own.
fn find(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    let marker = folder.ancestors().map(|folder| folder.join(".git")).find(|path| path.exists())?;
    let root = marker.parent()?;
    let private = match marker.is_dir() {
        true => marker.clone(),
        // A linked working tree or a submodule has a file that says where its folder is.
        false => {
            let target = PathBuf::from(text(&marker)?.strip_prefix("gitdir:")?.trim());
            root.join(target)
        }
    };
    Some((root.to_owned(), private))
}

fn revision(private: &Path) -> Option<String> {
    let head = text(&private.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return commit(&head) };
    if name.split('/').any(|part| part == "..") || name.starts_with('/') {
        return None;
    }
    let shared = match text(&private.join("commondir")) {
        Some(path) => private.join(path.trim()),
        None => private.to_owned(),
    };
    [private, &shared]
        .into_iter()
        .find_map(|folder| commit(&text(&folder.join(name))?))
        .or_else(|| packed(&shared.join("packed-refs"), name))
}

/// The commit of a reference that has no file of its own.
fn packed(path: &Path, name: &str) -> Option<String> {
    let text = text(path)?;
    let line = text.lines().find(|line| line.split_once(' ').is_some_and(|(_, known)| known == name))?;
    commit(line.split_once(' ')?.0)
}

/// The name of a commit: the hash in hexadecimal digits.
fn commit(text: &str) -> Option<String> {
    let text = text.trim();
    let is_hash = [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}

fn text(path: &Path) -> Option<String> {
    String::from_utf8(bytes(path)?).ok()
}

/// What is in a file, of which only as much is read as any of these has.
fn bytes(path: &Path) -> Option<Vec<u8>> {
    const MOST: u64 = 64 << 20;
    let mut bytes = Vec::new();
    disk::open(path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::Checkout;

    const HASH: &str = "6f918510c0a6ff3d7e0c3b1c9f0b4a5d6e7f8091";

    fn revision(folder: &Path) -> Option<String> {
        Checkout::around(folder).revision
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    #[test]
    fn the_commit_is_found_wherever_git_keeps_it() {
        let root = tempfile::tempdir().expect("a folder");
        let (tree, git) = (root.path().join("tree/deep"), root.path().join("tree/.git"));
        fs::create_dir_all(&tree).expect("a folder");
        assert_eq!(revision(&tree), None);
        write(&git.join("HEAD"), &format!("{HASH}\n"));
        assert_eq!(revision(&tree).as_deref(), Some(HASH), "detached");
        write(&git.join("HEAD"), "ref: refs/heads/main\n");
        assert_eq!(revision(&tree), None, "no commit yet");
        write(
            &git.join("packed-refs"),
            &format!("# pack-refs with: peeled\n{HASH} refs/heads/main\n^{HASH}\n"),
        );
        assert_eq!(revision(&tree).as_deref(), Some(HASH), "packed");
        let newer = HASH.replace('6', "7");
        write(&git.join("refs/heads/main"), &format!("{newer}\n"));
        assert_eq!(revision(&tree), Some(newer.clone()), "loose");

        let linked = root.path().join("linked");
        write(&linked.join(".git"), "gitdir: ../tree/.git/worktrees/linked\n");
        write(&git.join("worktrees/linked/HEAD"), "ref: refs/heads/main\n");
        write(&git.join("worktrees/linked/commondir"), "../..\n");
        assert_eq!(revision(&linked), Some(newer), "a linked working tree");
    }

    #[test]
    fn what_is_no_commit_is_none() {
        let root = tempfile::tempdir().expect("a folder");
        for head in
            ["", "ref: refs/heads/.invalid\n", "ref: ../../secret\n", "12345\n", "ref: /etc/hostname\n"]
        {
            write(&root.path().join(".git/HEAD"), head);
            assert_eq!(revision(root.path()), None, "{head:?}");
        }
    }
}
