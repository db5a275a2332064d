//! What the files under version control hold, as git's index tells: no file is read for it but the index, and no program
//! is started.
//!
//! The index has the hash of each file as it was last added, and its size and time then. A file that still has them is
//! as it was added; of one that has not, the size and time of now are taken in its place.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use siphasher::sip::SipHasher13;

/// The bits of a mode that tell files from links and from other repositories.
const KIND: u32 = 0o170_000;
/// The kind of another repository, which is a folder.
const REPOSITORY: u32 = 0o160_000;
/// The bit that says that a file's owner may execute it.
const EXECUTABLE: u32 = 0o100;

/// A number that is the same as long as no file of the index has changed in the working tree `root`; none for an index
/// that this does not know how to read. `length` is that of a hash, in bytes.
pub(super) fn state(root: &Path, index: &[u8], length: usize) -> Option<u64> {
    let mut hasher = SipHasher13::new();
    read(index, length, |entry| {
        (entry.path, entry.mode, entry.id).hash(&mut hasher);
        if entry.mode & KIND == REPOSITORY {
            return;
        }
        match fs::symlink_metadata(root.join(OsStr::from_bytes(entry.path))) {
            Ok(file) if entry.is_unchanged(&file) => {}
            Ok(file) => (file.mode(), file.size(), file.mtime(), file.mtime_nsec()).hash(&mut hasher),
            Err(_) => "missing".hash(&mut hasher),
        }
    })?;
    Some(hasher.finish())
}

/// A file as it was when it was added.
struct Entry<'a> {
    seconds: u32,
    nanoseconds: u32,
    mode: u32,
    size: u32,
    id: &'a [u8],
    path: &'a [u8],
}

impl Entry<'_> {
    fn is_unchanged(&self, file: &Metadata) -> bool {
        // The index keeps the lower half of each number; and where it or the file system has no fractions of a second,
        // they are zero.
        let low = |number: i64| number.to_be_bytes().last_chunk().copied().map(u32::from_be_bytes);
        let is_executable = |mode: u32| mode & EXECUTABLE != 0;
        let fraction = low(file.mtime_nsec());
        low(file.mtime()) == Some(self.seconds)
            && (fraction == Some(self.nanoseconds) || fraction == Some(0) || self.nanoseconds == 0)
            && low(file.size().cast_signed()) == Some(self.size)
            && file.mode() & KIND == self.mode & KIND
            && (file.is_symlink() || is_executable(file.mode()) == is_executable(self.mode))
    }
}

/// Goes through an index of version 2, 3 or 4, as git's `index-format` describes them.
fn read(index: &[u8], length: usize, mut visit: impl FnMut(&Entry<'_>)) -> Option<()> {
    let rest = &mut &*index;
    if take(rest, 4)? != b"DIRC" {
        return None;
    }
    let version = number(rest)?;
    if !(2..=4).contains(&version) {
        return None;
    }
    let mut path = Vec::new();
    for _ in 0..number(rest)? {
        let begin = rest.len();
        take(rest, 8)?;
        let (seconds, nanoseconds) = (number(rest)?, number(rest)?);
        take(rest, 8)?;
        let mode = number(rest)?;
        take(rest, 8)?;
        let size = number(rest)?;
        let id = take(rest, length)?;
        let is_extended = take(rest, 2)?[0] & 0x40 != 0;
        if is_extended {
            take(rest, 2)?;
        }
        // In version 4 a path is the last one, of which some bytes are replaced by others.
        let kept = if version == 4 { path.len().checked_sub(variable(rest)?)? } else { 0 };
        path.truncate(kept);
        let name = rest.iter().position(|byte| *byte == 0)?;
        path.extend_from_slice(take(rest, name)?);
        let used = begin - rest.len();
        take(rest, if version == 4 { 1 } else { 8 - used % 8 })?;
        visit(&Entry { seconds, nanoseconds, mode, size, id, path: &path });
    }
    // Behind them is what can be passed over, unless its name begins with a small letter; and at the end a hash.
    while rest.len() > length {
        let name = take(rest, 4)?;
        let size = number(rest)?;
        take(rest, usize::try_from(size).ok()?)?;
        if !name[0].is_ascii_uppercase() {
            return None;
        }
    }
    Some(())
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

/// A number of seven bits a byte, the highest first, of which each but the last one counts from one.
fn variable(rest: &mut &[u8]) -> Option<usize> {
    let mut byte = take(rest, 1)?[0];
    let mut value = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = take(rest, 1)?[0];
        value = value.checked_add(1)?.checked_mul(0x80)?.checked_add(usize::from(byte & 0x7f))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use super::state;

    fn git(root: &Path, arguments: &[&str]) {
        let command = &mut Command::new("git");
        command.current_dir(root).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let done = command.args(arguments).output().expect("git");
        assert!(done.status.success(), "{done:?}");
    }

    fn state_of(root: &Path) -> Option<u64> {
        state(root, &fs::read(root.join(".git/index")).expect("an index"), 20)
    }

    #[test]
    #[ignore = "needs git: ./tests/run"]
    fn every_version_tells_whether_a_file_has_changed() {
        for version in ["2", "3", "4"] {
            let folder = tempfile::tempdir().expect("a folder");
            let root = folder.path();
            fs::create_dir(root.join("deep")).expect("a folder");
            for name in ["a", "b", "deep/abc", "deep/abcd", "deep/a long name of a file"] {
                fs::write(root.join(name), name).expect("written");
            }
            std::os::unix::fs::symlink("nowhere", root.join("link")).expect("linked");
            git(root, &["init", "-q"]);
            git(root, &["add", "-N", "b"]);
            git(root, &["add", "."]);
            git(root, &["update-index", "--index-version", version]);
            let clean = state_of(root);
            assert!(clean.is_some(), "version {version}");
            fs::write(root.join("new"), "").expect("written");
            assert_eq!(state_of(root), clean, "another file changes nothing");

            let file = fs::File::options().write(true).open(root.join("deep/abcd")).expect("opened");
            let before = file.metadata().expect("there").modified().expect("a time");
            file.set_modified(SystemTime::now() - Duration::from_secs(100)).expect("set");
            assert_ne!(state_of(root), clean, "version {version}: another time");
            file.set_modified(before).expect("set");
            assert_eq!(state_of(root), clean, "version {version}");
            fs::remove_file(root.join("a")).expect("removed");
            let removed = state_of(root);
            assert_ne!(removed, clean);
            assert_eq!(state_of(root), removed, "the same once more");
            git(root, &["add", "new"]);
            assert_ne!(state_of(root), removed, "a file that is added");
        }
    }

    #[test]
    fn what_is_no_index_has_no_state() {
        let empty = [b"DIRC\0\0\0\x02\0\0\0\0".as_slice(), &[7; 20]].concat();
        assert!(state(Path::new("/"), &empty, 20).is_some());
        let with = |extension: &[u8]| [&empty[..12], extension, &[7; 20]].concat();
        assert!(state(Path::new("/"), &with(b"TREE\0\0\0\x02ab"), 20).is_some());
        for bad in [b"link\0\0\0\0".as_slice(), b"sdir\0\0\0\0", b"TREE\0\0\xff\xffab"] {
            assert_eq!(state(Path::new("/"), &with(bad), 20), None);
        }
        for bad in [b"".as_slice(), b"DIRC", b"DIRC\0\0\0\x05\0\0\0\0", b"DIRC\0\0\0\x04\xff\xff\xff\xff"] {
            assert_eq!(state(Path::new("/"), bad, 20), None);
        }
    }
}
