//! How a run is remembered, and what of earlier runs is remembered at its beginning.
//!
//! What happens is noted while it happens and written at the end. A run that was killed before that has its journal,
//! which is read when the next one begins.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;

use crate::history::{History, HistoryError, Recorder};
use crate::model::TestEvent;
use crate::plan::PastResults;
use crate::report::Reporter;
use crate::session::PastRun;

/// The memory of one run.
pub(super) struct Memory {
    history: History,
    recorder: Rc<RefCell<Recorder>>,
}

/// The part that hears of events.
pub(super) struct Listener(Rc<RefCell<Recorder>>);

impl Reporter for Listener {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        self.0.borrow_mut().note(event);
        Ok(())
    }
}

impl Memory {
    /// The memory of a run that begins.
    pub(super) fn new(root: &Path) -> Self {
        let history = History::new(&root.join(".partest"));
        Self { history, recorder: Rc::new(RefCell::new(Recorder::here(root))) }
    }

    /// What is to hear of the run's events.
    pub(super) fn listener(&self) -> Listener {
        Listener(Rc::clone(&self.recorder))
    }

    /// Keeps what was noted, and gives what a user should know of that.
    pub(super) fn keep(self) -> Vec<String> {
        let kept = self.history.record(&self.recorder.borrow());
        warnings(&self.history, kept.err(), "the run is not remembered")
    }
}

/// What earlier runs say, and what a user should know of their history.
pub(super) fn recall(root: &Path) -> (PastResults, Vec<String>) {
    let folder = root.join(".partest");
    let history = History::new(&folder);
    let recalled = take_killed_runs(&history, root).and_then(|()| history.past());
    let (past, error) = match recalled {
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

/// Remembers runs that could not do so themselves.
fn take_killed_runs(history: &History, root: &Path) -> Result<(), HistoryError> {
    let Ok(entries) = fs::read_dir(root.join(".partest/runs")) else { return Ok(()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let mut unknown = history.unknown(names)?;
    unknown.sort();
    for run in unknown.iter().filter_map(|name| PastRun::find(root, name).ok()) {
        let mut recorder = Recorder::new();
        if run.was_killed() && run.hear(&mut |event| recorder.note(event)).is_ok() {
            history.record(&recorder)?;
        }
    }
    Ok(())
}
