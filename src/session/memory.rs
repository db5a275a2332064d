//! How a run is remembered, and what of earlier runs is remembered at its beginning.
//!
//! What happens is noted while it happens and written at the end, while others write their reports. A run that was killed
//! before that has its journal, which is read when the next one begins.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::history::{History, HistoryError, Recorder};
use crate::model::TestEvent;
use crate::plan::PastResults;
use crate::report::Reporter;
use crate::session::PastRun;

/// What it means when a run cannot be kept.
const NOT_KEPT: &str = "the run is not remembered";

/// The memory of one run.
#[derive(Default)]
pub(super) struct Memory(Rc<RefCell<Keeping>>);

/// The part that hears of events.
pub(super) struct Listener {
    folder: PathBuf,
    recorder: Recorder,
    memory: Memory,
}

/// How far the keeping of a run is; what a user should know of it are a few lines.
#[derive(Default)]
enum Keeping {
    #[default]
    Ahead,
    Going(JoinHandle<Vec<String>>),
    Over(Vec<String>),
}

impl Reporter for Listener {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        self.recorder.note(event);
        if let TestEvent::RunFinished(_) = event {
            let (folder, recorder) = (self.folder.clone(), std::mem::take(&mut self.recorder));
            *self.memory.0.borrow_mut() = keep(folder, recorder);
        }
        Ok(())
    }
}

/// Keeps what was noted, in a thread of its own if there is one.
fn keep(folder: PathBuf, recorder: Recorder) -> Keeping {
    let keep = |folder: &Path, recorder: &Recorder| {
        let history = History::new(folder);
        let kept = history.record(recorder);
        warnings(&history, kept.err(), NOT_KEPT)
    };
    let noted = Arc::new((folder, recorder));
    let own = Arc::clone(&noted);
    let thread = thread::Builder::new().name("history".to_owned());
    match thread.spawn(move || keep(&own.0, &own.1)) {
        Ok(thread) => Keeping::Going(thread),
        Err(_) => Keeping::Over(keep(&noted.0, &noted.1)),
    }
}

impl Memory {
    /// What is to hear of the events of a run that begins, and to keep them when it is over.
    pub(super) fn listener(&self, root: &Path) -> Listener {
        let folder = root.join(".partest");
        Listener { folder, recorder: Recorder::here(root), memory: Self(Rc::clone(&self.0)) }
    }

    /// Waits until everything is kept, and gives what a user should know of that.
    pub(super) fn warnings(self) -> Vec<String> {
        match self.0.take() {
            Keeping::Ahead => Vec::new(),
            Keeping::Going(thread) => {
                thread.join().unwrap_or_else(|_| vec![format!("warning: {NOT_KEPT}: internal error")])
            }
            Keeping::Over(warnings) => warnings,
        }
    }
}

/// What earlier runs say, and what a user should know of their history.
pub(super) fn recall(root: &Path) -> (PastResults, Vec<String>) {
    let history = History::new(&root.join(".partest"));
    let (past, error) = match past(&history, root) {
        Ok(past) => (past, None),
        Err(error) => (PastResults::default(), Some(error)),
    };
    (past, warnings(&history, error, "earlier runs are not known"))
}

fn warnings(history: &History, error: Option<HistoryError>, consequence: &str) -> Vec<String> {
    let mut warnings = history.warnings();
    warnings.extend(error.map(|error| format!("warning: {consequence}: {error}")));
    warnings
}

/// What is known of every case, also from runs that could not remember it themselves.
fn past(history: &History, root: &Path) -> Result<PastResults, HistoryError> {
    let entries = fs::read_dir(root.join(".partest/runs"));
    let names = entries.into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let (past, mut unknown) = history.recall(names.collect())?;
    unknown.sort();
    let mut is_more_known = false;
    for run in unknown.iter().filter_map(|name| PastRun::find(root, name).ok()) {
        let mut recorder = Recorder::new();
        if run.was_killed() && run.hear(&mut |event| recorder.note(event)).is_ok() {
            history.record(&recorder)?;
            is_more_known = true;
        }
    }
    if is_more_known { history.past() } else { Ok(past) }
}
