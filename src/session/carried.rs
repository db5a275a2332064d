//! Where the files of a run are when its folder was carried elsewhere, as from the machine of a shard.
//!
//! Reports name the logs and the kept files of a run relative to the project's root, `.partest/runs/RUN/logs/…`. Where
//! they lie beside the journal that is read, and that is elsewhere, they are named by that place.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::journal::JournalError;
use crate::model::{CaseResult, TestEvent};

/// What the names of all runs' files begin with.
const RUNS: &str = ".partest/runs/";

/// Whether a path leads nowhere but downwards.
fn is_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Finds the files that a journal names.
#[derive(Debug)]
pub(super) struct Files {
    /// The folder of the journal.
    folder: PathBuf,
    /// The same, as reports name it.
    shown: PathBuf,
    /// What the names of the run's files begin with, once it is known.
    prefix: Option<String>,
    /// Whether the folder comes from elsewhere, so that what it names must lie in it.
    is_foreign: bool,
}

impl Files {
    /// Those of a journal, for reports of the project at `root`.
    pub(super) fn of(journal: &Path, root: &Path) -> Self {
        let folder = journal.parent().unwrap_or(Path::new("")).to_owned();
        let shown = folder.strip_prefix(root).unwrap_or(&folder).to_owned();
        Self { folder, shown, prefix: None, is_foreign: false }
    }

    /// The same for a folder that nobody vouches for: who made it must not choose which files a CI takes for those of the
    /// run.
    pub(super) fn foreign(self) -> Self {
        Self { is_foreign: true, ..self }
    }

    /// The event, with the names by which files are found now.
    ///
    /// # Errors
    /// [`JournalError::Foreign`] when a foreign journal names what cannot be a file of its run.
    pub(super) fn find(&mut self, event: TestEvent) -> Result<TestEvent, JournalError> {
        match event {
            TestEvent::RunStarted(started) => {
                let own = Path::new(".partest/runs").join(&started.run_id);
                self.prefix = (self.is_foreign || self.shown != own).then(|| format!("{}/", own.display()));
                Ok(TestEvent::RunStarted(started))
            }
            TestEvent::CaseFinished(result) if self.prefix.is_some() => {
                let mut result = Arc::unwrap_or_clone(result);
                self.rename(&mut result)?;
                Ok(TestEvent::CaseFinished(Arc::new(result)))
            }
            event => Ok(event),
        }
    }

    fn rename(&self, result: &mut CaseResult) -> Result<(), JournalError> {
        let attempts = result.attempts.iter_mut();
        for names in attempts.flat_map(|attempt| [&mut attempt.logs, &mut attempt.kept.files]) {
            for name in std::mem::take(names) {
                match self.found(&name) {
                    Some(found) => names.push(found),
                    None if !self.is_foreign => names.push(name),
                    // It was not carried here.
                    None if self.may_be_missing(&name) => {}
                    None => return Err(JournalError::Foreign { name }),
                }
            }
        }
        Ok(())
    }

    /// What the file is called now, if it is there, and no link leads to it.
    fn found(&self, name: &str) -> Option<String> {
        let rest = Path::new(name.strip_prefix(self.prefix.as_deref()?)?);
        let is_file = |path: &Path| path.symlink_metadata().is_ok_and(|file| file.is_file());
        let path = self.folder.join(rest);
        let is_there = is_below(rest) && is_file(&path) && !self.is_behind_link(rest);
        is_there.then(|| self.shown.join(rest).to_string_lossy().into_owned())
    }

    /// Whether one of the folders on the way to the file is a link.
    fn is_behind_link(&self, rest: &Path) -> bool {
        let folders = rest.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        folders.map(|above| self.folder.join(above)).any(|folder| folder.is_symlink())
    }

    /// Whether a name is one that a run gives its files, also another run that this one has taken up, and there is none.
    fn may_be_missing(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(RUNS).filter(|rest| is_below(Path::new(rest))) else {
            return false;
        };
        let own = self.prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix)).map(Path::new);
        let is_there = |own: &Path| self.folder.join(own).symlink_metadata().is_ok();
        rest.contains('/') && !own.is_some_and(|own| is_there(own) || self.is_behind_link(own))
    }
}
