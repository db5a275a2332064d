//! Several copies of each case.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use crate::model::{CaseId, SlotDemand, TestCase};
use crate::plan::{After, TestPlan};

/// How many copies there are of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copies {
    /// So many, which their names say.
    Counted(u32),
    /// So many at the same time, and nobody knows how many in the end.
    Overlapping(u32),
}

impl TestPlan {
    /// Makes so many copies of each case, one after the other in the order. What a case runs after, it runs after all
    /// copies of that.
    pub fn repeat(&mut self, times: NonZeroU32) {
        if times.get() > 1 {
            self.multiply(|_| Copies::Counted(times.get()));
        }
    }

    /// Makes as many copies of each case as there are slots for it, to be run again and again.
    pub fn overlap(&mut self, jobs: NonZeroUsize, io_jobs: NonZeroUsize) {
        let count = |count: usize| Copies::Overlapping(u32::try_from(count.max(1)).unwrap_or(u32::MAX));
        self.multiply(|case| match case.resources.slots {
            _ if case.resources.exclusive => count(1),
            SlotDemand::Cpu(weight) => count(jobs.get() / weight.get() as usize),
            SlotDemand::Io => count(io_jobs.get()),
        });
    }

    /// Makes so many copies of each case, to be run again and again; those of which there are none are run once.
    pub fn run_again(&mut self, mut copies: impl FnMut(&CaseId) -> u32) {
        self.multiply(|case| Copies::Overlapping(copies(&case.info.id)));
    }

    fn multiply(&mut self, mut copies_of: impl FnMut(&TestCase) -> Copies) {
        let mut copies = |case: &Arc<TestCase>| -> Vec<Arc<TestCase>> {
            let (count, of) = match copies_of(case) {
                Copies::Overlapping(0) => return vec![Arc::clone(case)],
                Copies::Overlapping(count) => (count, None),
                Copies::Counted(count) => (count, Some(count)),
            };
            let copy = |number| {
                Arc::new(TestCase { info: Arc::new(case.info.copy(number, of)), ..TestCase::clone(case) })
            };
            (1..=count).map(copy).collect()
        };
        let all: Vec<(CaseId, Vec<Arc<TestCase>>)> =
            self.cases.iter().map(|case| (case.info.id.clone(), copies(case))).collect();
        let ids = |copies: &[Arc<TestCase>]| copies.iter().map(|copy| copy.info.id.clone()).collect();
        let ids: HashMap<&CaseId, Vec<CaseId>> = all.iter().map(|(id, copies)| (id, ids(copies))).collect();
        let mut after = After::new();
        for (case, before) in &self.after {
            let Some(copies) = ids.get(case) else { continue };
            let before: Arc<[CaseId]> = before
                .iter()
                .flat_map(|id| ids.get(id).cloned().unwrap_or_else(|| vec![id.clone()]))
                .collect();
            after.extend(copies.iter().map(|copy| (copy.clone(), Arc::clone(&before))));
        }
        self.after = after;
        self.cases = all.into_iter().flat_map(|(_, copies)| copies).collect();
        // What earlier runs say, they say of one copy.
        self.estimates = None;
    }
}
