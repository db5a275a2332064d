//! The folder `.partest`, where runs leave what later commands read.
//!
//! ```text
//! .partest/.gitignore               everything here stays out of version control
//! .partest/junit.xml                the JUnit report of the last run
//! .partest/runs/RUN/plan.json       what the run was to do
//! .partest/runs/RUN/journal.jsonl   what happened, while it happens
//! .partest/runs/RUN/logs/           the whole output of cases that did not pass
//! .partest/runs/RUN/outputs/        files of cases that say so with `outputs`
//! ```

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::disk;
use crate::session::past::{JOURNAL, PLAN};

/// How many runs are kept.
const KEPT_RUNS: usize = 20;

/// The folder of one run. Its journal is locked while the run goes on.
#[derive(Debug)]
pub(super) struct RunFolder {
    pub(super) id: String,
    pub(super) journal: File,
    pub(super) junit: PathBuf,
}

/// The folder `.partest` of the project at `root`, made if it is not there.
///
/// # Errors
/// When it cannot be made.
pub fn folder(root: &Path) -> io::Result<PathBuf> {
    let state = root.join(".partest");
    fs::create_dir_all(&state)?;
    // Others may look into it as far as the umask lets them, its owner in any case.
    disk::let_owner(&state, 0o700)?;
    let ignore = state.join(".gitignore");
    if ignore.symlink_metadata().is_err() {
        fs::write(&ignore, "*\n")?;
        disk::let_owner(&ignore, 0o600)?;
    }
    Ok(state)
}

/// Opens the folder of a new run below `root`, and removes the oldest of those that are no longer in use.
/// `intent` is what the run is to do, written before there is a journal.
pub(super) fn open(root: &Path, intent: &[u8]) -> io::Result<RunFolder> {
    let state = folder(root)?;
    let runs = state.join("runs");
    disk::private_folder(&runs)?;
    let (id, folder) = create(&runs)?;
    disk::private_file(&folder.join(PLAN))?.write_all(intent)?;
    let journal = disk::private_file(&folder.join(JOURNAL))?;
    journal.lock()?;
    prune(&runs)?;
    Ok(RunFolder { id, journal, junit: state.join("junit.xml") })
}

/// A new folder named after the time, so that names sort by age.
fn create(runs: &Path) -> io::Result<(String, PathBuf)> {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string().replace([':', '-'], "");
    for attempt in 0..1000 {
        let id = format!("{time}-{:x}{attempt:03}", std::process::id());
        let folder = runs.join(&id);
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => {
                fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
                return Ok((id, folder));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name for the folder of the run"))
}

fn prune(runs: &Path) -> io::Result<()> {
    let mut folders: Vec<_> = fs::read_dir(runs)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(KEPT_RUNS);
    for folder in folders.into_iter().take(surplus) {
        // A journal that is locked belongs to a run that goes on; one that is missing was never begun.
        let free = disk::open(&folder.join(JOURNAL)).map_or(true, |journal| journal.try_lock().is_ok());
        if free {
            // Another run may prune at the same time, so a folder that is gone is as good.
            let _ = fs::remove_dir_all(&folder);
        }
    }
    Ok(())
}
