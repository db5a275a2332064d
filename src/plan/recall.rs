//! Cases that are selected by what earlier runs say of them.

use std::collections::HashSet;

use crate::model::{CaseId, CaseInfo, CaseResult, Outcome};
use crate::plan::after::with_prerequisites;
use crate::plan::{PastResult, PastResults, TestPlan};

/// What earlier runs must say of a case for it to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recall {
    /// Its last verdict was a failure.
    LastFailed,
    /// The last run gave it no verdict: it was not selected, or the run ended before it.
    NotRun,
    /// No run has had it.
    New,
}

/// What became of a selection by earlier runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// Only what was wanted is left.
    Selected,
    /// Everything is left, since nothing is known of earlier runs.
    NothingKnown,
    /// Everything is left, since no selected case failed.
    NoneFailed,
}

impl Recall {
    fn wants(self, past: Option<&PastResult>) -> bool {
        match self {
            Self::LastFailed => past.is_some_and(|past| past.failed),
            Self::NotRun => past.is_none_or(|past| !past.in_last_run),
            Self::New => past.is_none(),
        }
    }
}

impl TestPlan {
    /// Leaves what is selected and one of `wanted` wants, with what that runs after, and files that could not be read. Where
    /// failed cases are wanted and nothing is left, everything is.
    pub fn recall(
        &mut self,
        past: &PastResults,
        wanted: &[Recall],
        is_selected: &dyn Fn(&CaseInfo) -> bool,
    ) -> Recalled {
        let wants = |info: &CaseInfo| {
            is_selected(info) && wanted.iter().any(|recall| recall.wants(past.get(&info.id)))
        };
        let nothing = !self.cases.iter().any(|case| wants(&case.info));
        if nothing && wanted.contains(&Recall::LastFailed) {
            return if past.is_empty() { Recalled::NothingKnown } else { Recalled::NoneFailed };
        }
        let is_skipped = |result: &CaseResult| matches!(result.outcome, Outcome::Skipped(_));
        let cases = std::mem::take(&mut self.cases);
        self.cases = with_prerequisites(cases, &self.after, wants);
        self.resolved.retain(|result| !is_skipped(result) || wants(&result.info));
        Recalled::Selected
    }

    /// Leaves the cases that are open, with those that they run after and that have passed: what these have left to them
    /// may lie in the folder of the run, which is another one now. Their old verdicts are taken away.
    pub fn reopen(&mut self, verdicts: &mut Vec<CaseResult>, is_open: impl Fn(&CaseInfo) -> bool) {
        let passed = verdicts.iter().filter(|result| result.has_passed());
        let passed: HashSet<CaseId> = passed.map(|result| result.info.id.clone()).collect();
        let cases = std::mem::take(&mut self.cases);
        self.cases = with_prerequisites(cases, &self.after, &is_open);
        self.cases.retain(|case| is_open(&case.info) || passed.contains(&case.info.id));
        let again: HashSet<&CaseId> = self.cases.iter().map(|case| &case.info.id).collect();
        verdicts.retain(|result| !again.contains(&result.info.id));
    }
}
