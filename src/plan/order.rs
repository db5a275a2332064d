//! In which order cases start.

use std::cmp::Reverse;

use crate::model::CaseInfo;
use crate::plan::after::chosen_and_prerequisites;
use crate::plan::{PastResults, TestPlan};

/// The order in which cases start, as far as slots and exclusive cases allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// That of the files and of what stands in them.
    Path,
    /// Those that take longest first, so that none of them runs alone at the end; the rest as by path.
    Longest,
    /// Another one for each seed.
    Random {
        /// What the order is made from.
        seed: u64,
    },
}

impl TestPlan {
    /// Learns from earlier runs how long the cases may take.
    pub fn estimate(&mut self, past: &PastResults) {
        let hooks = self.cases.iter().flat_map(|case| case.hooks.iter());
        let hooks = hooks.flat_map(|hooks| hooks.setup.iter().chain(&hooks.teardown));
        let infos: Vec<&CaseInfo> = self.cases.iter().chain(hooks).map(|case| &*case.info).collect();
        self.estimates = past.estimates(&infos);
    }

    /// Puts the cases into this order; those that run alone still come last.
    pub fn arrange(&mut self, order: Order) {
        match order {
            Order::Path => {}
            Order::Longest => {
                if let Some(estimates) = &self.estimates {
                    self.cases.sort_by_cached_key(|case| Reverse(estimates.of(&case.info.id)));
                }
            }
            Order::Random { seed } => {
                self.seed = Some(seed);
                fastrand::Rng::with_seed(seed).shuffle(&mut self.cases);
            }
        }
        self.cases.sort_by_key(|case| case.resources.exclusive);
    }

    /// Puts the cases whose last verdict was a failure before the others, with what they run after.
    pub fn put_failed_first(&mut self, past: &PastResults) {
        let failed = |info: &CaseInfo| past.get(&info.id).is_some_and(|past| past.failed);
        let first = chosen_and_prerequisites(&self.cases, &self.after, failed);
        self.cases.sort_by_cached_key(|case| (case.resources.exclusive, !first.contains(&case.info.id)));
    }
}
