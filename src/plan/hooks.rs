//! What is done before and after the cases of folders, as cases of a plan.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{CaseId, SuiteHooks, TestCase};
use crate::plan::TestPlan;

impl TestPlan {
    /// The same with the setups and teardowns of the folders of its cases: each setup before the first case of its
    /// folder, each teardown after the last. What is known of an earlier run of them is dropped.
    #[must_use]
    pub fn with_hooks(mut self) -> Self {
        if self.cases.iter().all(|case| case.hooks.is_empty()) {
            return self;
        }
        let mut last: HashMap<*const SuiteHooks, usize> = HashMap::new();
        for (place, case) in self.cases.iter().enumerate() {
            last.extend(case.hooks.iter().map(|hooks| (Arc::as_ptr(hooks), place)));
        }
        let mut begun: HashSet<*const SuiteHooks> = HashSet::new();
        let mut added: HashSet<CaseId> = HashSet::new();
        let mut all: Vec<Arc<TestCase>> = Vec::with_capacity(self.cases.len() + 2 * last.len());
        for (place, case) in self.cases.into_iter().enumerate() {
            let new = case.hooks.iter().filter(|hooks| begun.insert(Arc::as_ptr(hooks)));
            all.extend(new.filter_map(|hooks| hooks.setup.clone()));
            let hooks = Arc::clone(&case.hooks);
            all.push(case);
            let done = hooks.iter().rev().filter(|hooks| last.get(&Arc::as_ptr(hooks)) == Some(&place));
            all.extend(done.filter_map(|hooks| hooks.teardown.clone()));
        }
        added.extend(all.iter().map(|case| case.info.id.clone()));
        self.resolved.retain(|result| !added.contains(&result.info.id));
        self.cases = all;
        self
    }
}
