//! What is done before and after the cases of folders, as cases of a plan.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{CaseId, CaseInfo, Step, SuiteHooks, TestCase};
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
        all.iter_mut()
            .filter(|case| self.left_over.contains(&case.info.id))
            .for_each(|case| demand_given(&mut Arc::make_mut(case).steps));
        added.extend(all.iter().map(|case| case.info.id.clone()));
        self.resolved.retain(|result| !added.contains(&result.info.id));
        self.cases = all;
        self
    }

    /// The teardowns of those folders of its cases in which something has begun, inner ones before outer ones. Each is
    /// made a case of its folder, so that it comes after the setup, whatever becomes of that, and knows what it captures.
    #[must_use]
    pub fn teardowns(&self, has_begun: impl Fn(&CaseInfo) -> bool) -> Vec<Arc<TestCase>> {
        let mut known: HashSet<*const SuiteHooks> = HashSet::new();
        let mut found = Vec::new();
        for case in self.cases.iter().filter(|case| !case.hooks.is_empty()) {
            let mut is_begun = has_begun(&case.info);
            for (depth, hooks) in case.hooks.iter().enumerate().rev() {
                is_begun |= hooks.setup.as_ref().is_some_and(|setup| has_begun(&setup.info));
                let Some(teardown) = hooks.teardown.as_ref().filter(|_| is_begun) else { continue };
                if known.insert(Arc::as_ptr(hooks)) {
                    let own = SuiteHooks { setup: hooks.setup.clone(), teardown: None };
                    let around = case.hooks[..depth].iter().cloned().chain([Arc::new(own)]).collect();
                    found.push((depth, Arc::new(TestCase { hooks: around, ..TestCase::clone(teardown) })));
                }
            }
        }
        found.sort_by_key(|(depth, _)| Reverse(*depth));
        found.into_iter().map(|(_, teardown)| teardown).collect()
    }

    /// Adds those of these teardowns, left by an earlier run, that do not come with the cases there are, or with one another.
    pub fn add_teardowns(&mut self, teardowns: Vec<Arc<TestCase>>) {
        let coming = |case: &TestCase| -> Vec<CaseId> {
            let teardowns = case.hooks.iter().filter_map(|hooks| hooks.teardown.as_ref());
            teardowns.map(|teardown| teardown.info.id.clone()).collect()
        };
        let mut known: HashSet<CaseId> = self.cases.iter().flat_map(|case| coming(case)).collect();
        self.left_over = teardowns.iter().map(|teardown| teardown.info.id.clone()).collect();
        for teardown in teardowns {
            if !known.contains(&teardown.info.id) {
                known.extend(coming(&teardown));
                self.cases.push(teardown);
            }
        }
    }
}

/// Lets no step have nothing to do since a name has no value that a setup captures.
fn demand_given(steps: &mut [Step]) {
    let captures = steps.iter().flat_map(|step| &step.captures);
    let own: HashSet<String> = captures.map(|capture| capture.name.clone()).collect();
    steps.iter_mut().for_each(|step| step.needs.retain(|name| own.contains(name)));
}
