//! Finding a program by its name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::process::error::StartError;

/// The longest `PATH` that a message repeats, in bytes.
const SHORT: usize = 60;

/// How many folders of a longer one it names.
const SHOWN: usize = 3;

/// The absolute path of the program `name`.
///
/// A name with a `/` is a path, relative to `cwd`; whether it can be run shows when it is started. Any other is
/// looked for in the folders of `path`, of which only absolute ones count: what is run must not depend on the
/// folder one happens to be in.
///
/// # Errors
/// [`StartError::NotInPath`] when no folder has it, [`StartError::NotExecutable`] when the only files of that
/// name may not be executed, [`StartError::Relative`] when `cwd` is needed and not absolute.
pub fn find_program(name: &OsStr, path: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, StartError> {
    if name.as_bytes().contains(&b'/') {
        let program = cwd.join(name);
        return if program.is_absolute() {
            Ok(program)
        } else {
            Err(StartError::Relative { what: "the folder of a program", path: cwd.to_owned() })
        };
    }
    let mut not_executable = None;
    let folders = path.into_iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute());
    for folder in folders.filter(|_| !name.is_empty()) {
        let candidate = folder.join(name);
        if is_program(&candidate) {
            return Ok(candidate);
        }
        if not_executable.is_none() && candidate.is_file() {
            not_executable = Some(candidate);
        }
    }
    Err(match not_executable {
        Some(program) => StartError::NotExecutable { program },
        None => {
            let mut searched = searched(path);
            // A program beside the case is not in PATH, and most often meant.
            if !name.is_empty() && cwd.join(name).is_file() {
                searched.push_str(&format!("; the one in the working directory is \"./{}\"", name.display()));
            }
            StartError::NotInPath { name: name.to_string_lossy().into_owned(), searched }
        }
    })
}

/// Whether there is a file that may be executed.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    access(path, Access::EXEC_OK).is_ok() && path.is_file()
}

/// What was searched, in a few words.
fn searched(path: Option<&OsStr>) -> String {
    let Some(path) = path else { return "which is not set".to_owned() };
    let text = path.to_string_lossy();
    if text.len() <= SHORT {
        return text.into_owned();
    }
    let folders: Vec<_> = std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect();
    let shown: Vec<_> = folders.iter().take(SHOWN).map(|folder| folder.display().to_string()).collect();
    format!("{} folders: {}, …", folders.len(), shown.join(", "))
}
