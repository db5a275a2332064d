//! How paths are written in ids and positions.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::descriptor::{Format, below};
use crate::text::terminal::is_unprintable;

/// What stands between the stem and the ending of a descriptor.
const MARK: &str = ".test";
/// The stem of files that hold defaults for their folder.
pub(crate) const SUITE_STEM: &str = "suite";

/// The format of a file whose name is that of a descriptor, `*.test.json` and so on.
pub(crate) fn descriptor_format(name: &OsStr) -> Option<Format> {
    let (stem, format) = split_ending(name)?;
    (stem.len() > MARK.len() && stem.ends_with(MARK.as_bytes())).then_some(format)
}

/// Whether a file has the name of a suite file.
pub(crate) fn is_suite_file(name: &OsStr) -> bool {
    split_ending(name).is_some_and(|(stem, _)| stem == SUITE_STEM.as_bytes())
}

/// The format by the ending alone.
pub(crate) fn format(name: &OsStr) -> Option<Format> {
    split_ending(name).map(|(_, format)| format)
}

fn split_ending(name: &OsStr) -> Option<(&[u8], Format)> {
    let bytes = name.as_bytes();
    let dot = bytes.iter().rposition(|byte| *byte == b'.')?;
    let ending = std::str::from_utf8(&bytes[dot + 1..]).ok()?;
    Some((&bytes[..dot], Format::of_ending(ending)?))
}

/// The path without `.test.json` or another such ending; other paths stay whole.
pub(crate) fn suite_of(path: &str) -> &str {
    Format::ENDINGS
        .into_iter()
        .find_map(|ending| path.strip_suffix(ending)?.strip_suffix('.')?.strip_suffix(MARK))
        .filter(|stem| !stem.is_empty() && !stem.ends_with('/'))
        .unwrap_or(path)
}

/// The names of the files whose cases have ids that begin with `suite`.
pub(crate) fn candidates(suite: &str) -> impl Iterator<Item = String> {
    let marked = Format::ENDINGS.into_iter().map(move |ending| format!("{suite}{MARK}.{ending}"));
    marked.chain([suite.to_owned()])
}

/// A path as people read it. Bytes that are not UTF-8 and characters that control, hide or reorder are written as
/// `\xNN`; in such a path, and in one that already holds `\x`, a backslash is doubled, so that no two paths look the same.
pub(crate) fn display(path: &Path) -> Cow<'_, str> {
    let bytes = path.as_os_str().as_bytes();
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(is_plain) => text.into(),
        Ok(text) if !text.contains(is_hidden) && !text.contains(r"\x") => text.into(),
        _ => escape(bytes).into(),
    }
}

/// The same, relative to a folder that the path lies in; a path that lies elsewhere stays whole.
pub(crate) fn display_below<'p>(path: &'p Path, folder: &Path) -> Cow<'p, str> {
    display(below(path, folder).unwrap_or(path))
}

/// Whether an id may hold an escaped path.
pub(crate) fn may_be_escaped(id: &str) -> bool {
    id.contains(r"\x")
}

fn is_hidden(character: char) -> bool {
    character.is_control() || is_unprintable(character)
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    let push_bytes = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str(r"\\"),
                hidden if is_hidden(hidden) => {
                    push_bytes(&mut text, hidden.encode_utf8(&mut [0; 4]).as_bytes());
                }
                other => text.push(other),
            }
        }
        push_bytes(&mut text, chunk.invalid());
    }
    text
}

/// An absolute path without `.` and `..`, by its text alone: links keep the name the user gave them.
pub(crate) fn absolute(path: &Path, root: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in root.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
