//! Who was beside a case when it failed in earlier runs, from their journals.

use std::path::Path;

use crate::interference::{Company, Span};
use crate::model::{CaseId, TestEvent};
use crate::session::PastRun;

/// The company of `victim` in the runs whose journals are kept below `root`. What cannot be read is passed over: it is only a hint.
pub(super) fn company(root: &Path, victim: &CaseId) -> Company {
    let mut company = Company::default();
    for run in PastRun::find_all(root, ".partest/runs").unwrap_or_default() {
        let Ok(events) = run.events() else { continue };
        let results = events.filter_map(|event| match event {
            Ok(TestEvent::CaseFinished(result)) => Some(result),
            _ => None,
        });
        let spans: Vec<Span> = results.flat_map(|result| Span::of(&result).collect::<Vec<_>>()).collect();
        company.add(victim, &spans);
    }
    company
}
