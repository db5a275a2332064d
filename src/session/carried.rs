//! Where the files of a run are when its folder was carried elsewhere, as from the machine of a shard.
//!
//! Reports name the logs and the kept files of a run relative to the project's root, `.partest/runs/RUN/logs/…`. Where
//! they lie beside the journal that is read, and that is elsewhere, they are named by that place.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::model::{CaseResult, TestEvent};

/// Finds the files that a journal names.
#[derive(Debug)]
pub(super) struct Files {
    /// The folder of the journal.
    folder: PathBuf,
    /// The same, as reports name it.
    shown: PathBuf,
    /// What the names of the run's files begin with, once it is known and not the same.
    prefix: Option<String>,
}

impl Files {
    /// Those of a journal, for reports of the project at `root`.
    pub(super) fn of(journal: &Path, root: &Path) -> Self {
        let folder = journal.parent().unwrap_or(Path::new("")).to_owned();
        let shown = folder.strip_prefix(root).unwrap_or(&folder).to_owned();
        Self { folder, shown, prefix: None }
    }

    /// The event, with the names by which files are found now.
    pub(super) fn find(&mut self, event: TestEvent) -> TestEvent {
        match event {
            TestEvent::RunStarted(started) => {
                let own = Path::new(".partest/runs").join(&started.run_id);
                self.prefix = (self.shown != own).then(|| format!("{}/", own.display()));
                TestEvent::RunStarted(started)
            }
            TestEvent::CaseFinished(result) if self.prefix.is_some() => {
                let mut result = Arc::unwrap_or_clone(result);
                self.rename(&mut result);
                TestEvent::CaseFinished(Arc::new(result))
            }
            event => event,
        }
    }

    fn rename(&self, result: &mut CaseResult) {
        let attempts = result.attempts.iter_mut();
        let names = attempts.flat_map(|attempt| attempt.logs.iter_mut().chain(&mut attempt.kept.files));
        for name in names {
            if let Some(found) = self.found(name) {
                *name = found;
            }
        }
    }

    /// What the file is called now, if it is there.
    fn found(&self, name: &str) -> Option<String> {
        let rest = Path::new(name.strip_prefix(self.prefix.as_deref()?)?);
        // A journal that comes from elsewhere must not lead to other files.
        let is_inside = rest.components().all(|part| matches!(part, Component::Normal(_)));
        let is_there =
            is_inside && self.folder.join(rest).symlink_metadata().is_ok_and(|file| file.is_file());
        is_there.then(|| self.shown.join(rest).to_string_lossy().into_owned())
    }
}
