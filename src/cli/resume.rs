//! `--resume`: which run is taken up, and with which paths.

use std::path::PathBuf;

use crate::cli::complain;
use crate::discovery;
use crate::plan::Selection;
use crate::session::{self, Config, PastError, PastRun, Prepared};

/// The plan of what has no verdict in the run of this name, with the verdicts there are. When no paths were named,
/// they become those of the run.
///
/// # Errors
/// When there is no such run, or its journal cannot be read.
pub(super) fn plan(name: &str, config: &mut Config, mut names_paths: bool) -> Result<Prepared, PastError> {
    let mut found = PastRun::find(&config.root, name);
    let path = config.root.join(name);
    let is_descriptor = discovery::is_read(&path) && path.is_file();
    if is_descriptor || matches!(found, Err(PastError::Unknown { .. })) && path.is_dir() {
        // `--resume ./suite` names no run but a path.
        if !names_paths {
            config.paths.clear();
        }
        config.paths.push(PathBuf::from(name));
        names_paths = true;
        found = PastRun::find(&config.root, "last");
    }
    let run = match found {
        Ok(run) => run,
        // It may have been killed before it could leave anything.
        Err(error @ PastError::NoRuns { .. }) => {
            complain(&format!("{error}: everything is run"));
            return Ok(prepared(config));
        }
        Err(error) => return Err(error),
    };
    let paths = run.paths(&config.root);
    if !names_paths && let Some(paths) = &paths {
        config.paths.clone_from(paths);
    }
    config.repeat = run.repeat()?;
    let mut prepared = prepared(config);
    // What is left out now is still of the run, and whoever takes this one up finds it in all of its paths.
    for path in paths.into_iter().flatten() {
        if !config.paths.contains(&path) {
            config.paths.push(path);
        }
    }
    let is_narrowed = names_paths || !config.selection.is_everything();
    let whole = is_narrowed.then(|| {
        let whole = Config { selection: Selection::default(), history: false, ..config.clone() };
        session::plan(&whole).plan
    });
    match run.take_up(&mut prepared.plan, whole)? {
        0 => {}
        1 => complain("a case of the run is not among the descriptors any more"),
        lost => complain(&format!("{lost} cases of the run are not among the descriptors any more")),
    }
    Ok(prepared)
}

/// The plan, when what there is to say of it has been said.
pub(super) fn prepared(config: &Config) -> Prepared {
    let prepared = session::plan(config);
    prepared.notes.iter().chain(&prepared.unknown).for_each(|note| complain(note));
    prepared
}
