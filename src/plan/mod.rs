//! What a run will do: which cases, in which order, and what is decided before any of them starts.
//!
//! Entry point: [`TestPlan::new`]. A skip or a broken file is a result like any other, not a special case. This
//! module runs nothing.

mod after;
mod expression;
mod hooks;
mod order;
mod past;
mod recall;
mod repeat;
mod selection;
mod share;

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::model::{CaseId, CaseResult, Outcome, Shard, Skip, SlotDemand, TestCase};

pub use after::{After, names_others};
pub use expression::{Expression, ExpressionError};
pub use order::Order;
pub use past::{Estimates, PastResult, PastResults};
pub use recall::{Recall, Recalled};
pub use selection::Selection;
pub use share::{Share, ShareError, Split, hash_of};

/// The cases to run and the results that are already known.
#[derive(Clone, Debug, Default)]
pub struct TestPlan {
    /// What runs, in this order.
    pub cases: Vec<Arc<TestCase>>,
    /// What has its result already: skipped cases, broken files.
    pub resolved: Vec<CaseResult>,
    /// How long each case may take, where earlier runs are known.
    pub estimates: Option<Estimates>,
    /// What the order was made from, where it is random.
    pub seed: Option<u64>,
    /// The part of a larger plan that this is.
    pub shard: Option<Shard>,
    /// What must have passed before a case starts. Cases in it that are no part of the plan count as not passed.
    pub after: After,
    /// The teardowns that an earlier run has left: also where their setup captures nothing this time, there is something
    /// to tear down, so no step that uses it is passed over in silence.
    pub left_over: HashSet<CaseId>,
}

impl TestPlan {
    /// The plan for what `selection` selects of these cases.
    ///
    /// `broken` are the results of files that could not be read. They stay, whatever is selected by a pattern,
    /// since nobody knows which cases they hold. `missing` names a program that a case requires and that does
    /// not exist. A selected case brings those that it runs `after`. Cases that run alone come last: the machine has
    /// to be emptied for them only once.
    #[must_use]
    pub fn new(
        cases: Vec<Arc<TestCase>>,
        broken: Vec<CaseResult>,
        selection: &Selection,
        missing: &dyn Fn(&TestCase) -> Option<String>,
    ) -> Self {
        Self::with_others(cases, Vec::new(), broken, selection, missing)
    }

    /// The same, where `others` are in the plan only as far as selected cases run `after` them.
    #[must_use]
    pub fn with_others(
        mut cases: Vec<Arc<TestCase>>,
        others: Vec<Arc<TestCase>>,
        broken: Vec<CaseResult>,
        selection: &Selection,
        missing: &dyn Fn(&TestCase) -> Option<String>,
    ) -> Self {
        let missing_ids = selection.missing(&cases);
        let unwanted: HashSet<_> = others.iter().map(|case| case.info.id.clone()).collect();
        cases.extend(others);
        let (after, wrong) = after::resolve(&cases, &broken);
        let mut plan = Self { after, ..Self::default() };
        plan.resolved.extend(selection.of_broken(broken, &missing_ids));
        let selected = after::with_prerequisites(cases, &plan.after, |info| {
            selection.selects(info) && !unwanted.contains(&info.id)
        });
        let mut wrong: HashMap<_, _> =
            wrong.into_iter().map(|result| (result.info.id.clone(), result)).collect();
        for case in selected {
            if let Some(result) = wrong.remove(&case.info.id) {
                plan.resolved.push(result);
                continue;
            }
            let skip = case.skip.clone().map(Skip::Declared).or_else(|| missing(&case).map(Skip::Missing));
            match skip {
                Some(skip) => {
                    let info = Arc::clone(&case.info);
                    plan.resolved.push(CaseResult::without_attempt(info, Outcome::Skipped(skip), Vec::new()));
                }
                None => plan.cases.push(case),
            }
        }
        plan.cases.sort_by_key(|case| case.resources.exclusive);
        plan.settle();
        plan
    }

    /// Gives the cases their result that cannot run, since one that must have passed before has a result already and
    /// has not. To be called when cases of the plan were given results.
    pub fn settle(&mut self) {
        let hopeless = after::hopeless(&self.cases, &self.resolved, &self.after);
        if hopeless.is_empty() {
            return;
        }
        let resolved = &mut self.resolved;
        self.cases.retain(|case| match hopeless.get(&case.info.id) {
            Some(before) => {
                let outcome = Outcome::Skipped(Skip::After(before.clone()));
                resolved.push(CaseResult::without_attempt(Arc::clone(&case.info), outcome, Vec::new()));
                false
            }
            None => true,
        });
    }

    /// How many results each suite will have, in the order of their first cases.
    #[must_use]
    pub fn suites(&self) -> Vec<(Arc<str>, usize)> {
        let infos =
            self.resolved.iter().map(|result| &result.info).chain(self.cases.iter().map(|case| &case.info));
        let mut places = HashMap::new();
        let mut suites: Vec<(Arc<str>, usize)> = Vec::new();
        for info in infos {
            let place = *places.entry(&info.suite).or_insert_with(|| {
                suites.push((Arc::clone(&info.suite), 0));
                suites.len() - 1
            });
            suites[place].1 += 1;
        }
        suites
    }

    /// How many of so many CPU slots and of so many I/O slots the cases can use at the same time.
    #[must_use]
    pub fn usable_slots(&self, jobs: NonZeroUsize, io_jobs: NonZeroUsize) -> (usize, usize) {
        let waiting = self.cases.iter().filter(|case| case.resources.slots == SlotDemand::Io).count();
        (jobs.get().min(self.cases.len() - waiting), io_jobs.get().min(waiting))
    }

    /// How many cases will have a result.
    #[must_use]
    pub fn total(&self) -> usize {
        self.cases.len() + self.resolved.len()
    }
}

#[cfg(test)]
mod tests;
