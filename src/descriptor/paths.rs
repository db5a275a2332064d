//! Which paths a descriptor may name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::node::Span;
use crate::text::is_template;

/// What paths that start in a folder must not leave.
#[derive(Clone, Copy)]
pub(crate) struct Within<'a> {
    /// The folder of the descriptor.
    pub(crate) folder: &'a Path,
    /// The root of the project.
    pub(crate) root: &'a Path,
}

impl Within<'_> {
    /// Refuses a working directory that lies outside, as far as its text tells. A relative one begins in the private
    /// directory.
    pub(crate) fn check(&self, path: &str, span: Span) -> Result<(), Problem> {
        let (start, rest) = match below_dir(path) {
            Some(rest) => (self.folder, rest.trim_start_matches('/')),
            None => (Path::new("/"), path),
        };
        let is_relative = below_dir(path).is_none() && Path::new(path).is_relative();
        if is_relative || is_template(rest) {
            return Ok(());
        }
        let mut place = start.to_owned();
        for component in Path::new(rest).components() {
            match component {
                Component::ParentDir => drop(place.pop()),
                Component::Normal(name) => place.push(name),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        match place.starts_with(self.root) {
            true => Ok(()),
            false => Err(Problem::new(span, format!("{} leads out of the project", quote(path))).help(
                "name a folder below the one in which partest is started, or say `allow_outside: true`",
            )),
        }
    }
}

/// What follows `{{ dir }}` at the beginning of a path: nothing, or a path of its own.
pub(crate) fn below_dir(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("{{")?.trim_start().strip_prefix("dir")?.trim_start().strip_prefix("}}")?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// How far `..` may go up.
#[derive(Clone, Copy)]
pub(crate) enum Reach {
    /// Not at all: the path must stay below where it starts.
    Below,
    /// So many folders, up to the root of the project.
    Up(usize),
}

impl Reach {
    /// From a folder up to the root; a folder outside of the root reaches nothing above itself.
    pub(crate) fn to_root(folder: &Path, root: &Path) -> Self {
        Self::Up(below(folder, root).map_or(0, |below| below.components().count()))
    }
}

/// What of a path lies below a folder, as `Path::strip_prefix` tells it, but several times faster where both are spelled
/// alike.
pub(crate) fn below<'p>(path: &'p Path, folder: &Path) -> Option<&'p Path> {
    let (text, above) = (path.as_os_str().as_bytes(), folder.as_os_str().as_bytes());
    match text.strip_prefix(above).filter(|_| !above.is_empty()) {
        // Another slash, or a dot, may have to be left out.
        Some([b'/', rest @ ..]) if !rest.starts_with(b"/") && !rest.starts_with(b".") => {
            Some(Path::new(OsStr::from_bytes(rest)))
        }
        Some([]) => Some(Path::new("")),
        _ => path.strip_prefix(folder).ok(),
    }
}

/// Whether a relative path leads above the folder where it starts; an absolute one names its place openly.
#[must_use]
pub fn climbs(path: &Path) -> bool {
    let mut depth = 0_i64;
    path.is_relative()
        && path.components().any(|component| {
            depth += match component {
                Component::Normal(_) => 1,
                Component::ParentDir => -1,
                Component::CurDir | Component::RootDir | Component::Prefix(_) => 0,
            };
            depth < 0
        })
}

/// Refuses what is no path.
pub(crate) fn check_anywhere(path: &str, span: Span) -> Result<(), Problem> {
    if path.is_empty() {
        return Err(Problem::new(span, "the path is empty").help("name a file"));
    }
    if path.contains('\0') {
        return Err(Problem::new(span, "the path holds a NUL byte").help("no file has such a name"));
    }
    Ok(())
}

/// Refuses paths that are empty, absolute or lead out of where they may lead.
pub(crate) fn check(path: &str, reach: Reach, span: Span) -> Result<(), Problem> {
    check_anywhere(path, span)?;
    let mut depth = match reach {
        Reach::Below => 0,
        Reach::Up(folders) => folders,
    };
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => match (reach, depth.checked_sub(1)) {
                (Reach::Up(_), Some(up)) => depth = up,
                (Reach::Up(_), None) => {
                    return Err(Problem::new(span, format!("{} leads out of the project", quote(path)))
                        .help("name a path below the folder in which partest is started"));
                }
                (Reach::Below, _) => {
                    return Err(Problem::new(span, format!("{} must not hold `..`", quote(path)))
                        .help("name a path below the working directory"));
                }
            },
            Component::RootDir | Component::Prefix(_) => {
                let help = match reach {
                    Reach::Below => "name a path below the working directory",
                    Reach::Up(_) => "name a path relative to the descriptor, within the project",
                };
                return Err(
                    Problem::new(span, format!("the path {} is not relative", quote(path))).help(help)
                );
            }
        }
    }
    Ok(())
}

/// Refuses what is no glob. A path without wildcards is none and may hold anything.
pub(crate) fn check_glob(text: &str, span: Span) -> Result<(), Problem> {
    if !text.contains(['*', '?', '[', ']', '{', '}', '\\']) {
        return Ok(());
    }
    globset::GlobBuilder::new(text).literal_separator(true).build().map(drop).map_err(|error| {
        Problem::new(span, format!("{} is no glob: {}", quote(text), error.kind())).help(
            "write a character that is meant as it stands with a backslash before it, or in brackets: `[[]`",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::below;

    #[test]
    fn what_lies_below_a_folder_is_what_the_standard_library_says() {
        let paths = ["/", "/a", "/a/", "/a/b", "/a//b", "/a/./b", "/ab/c", "/a/b/c", "a", "a/b", ""];
        for path in paths.map(Path::new) {
            for folder in paths.map(Path::new) {
                assert_eq!(below(path, folder), path.strip_prefix(folder).ok(), "{path:?} below {folder:?}");
            }
        }
    }
}
