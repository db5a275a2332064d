//! From the cases of a plan to the jobs of a schedule, and to what surrounds them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{CaseId, LockAccess, Pool, Resources, SlotDemand, TestCase};
use crate::plan::After;
use crate::runner::fixtures::Fixtures;
use crate::runner::rounds::{Repetition, Rounds};
use crate::runner::suites::Suites;
use crate::schedule::{
    Access, Builder, Capacities, Demand, JobIndex, PoolId, Schedule, ScheduleError, Slots,
};

/// What is to be done, and in which order it may be.
#[derive(Debug)]
pub(super) struct Jobs {
    /// Who may start now.
    pub(super) schedule: Schedule,
    /// What is done before and after the cases of folders.
    pub(super) suites: Suites,
    /// The services beside them.
    pub(super) fixtures: Fixtures,
    /// Which of them are run again and again.
    pub(super) rounds: Rounds,
}

impl Jobs {
    /// The jobs of these cases, in this order, each of which starts after others.
    pub(super) fn new(
        cases: &[Arc<TestCase>],
        after: &After,
        capacities: Capacities,
        repetition: Option<&Repetition>,
    ) -> Result<Self, ScheduleError> {
        let mut builder = Builder::new(capacities);
        let suites = Suites::new(cases, &mut builder);
        let mut pools: HashMap<Arc<Pool>, PoolId> = HashMap::new();
        let places: HashMap<&CaseId, JobIndex> = match after.is_empty() {
            true => HashMap::new(),
            false => (0..).map(JobIndex).zip(cases).map(|(job, case)| (&case.info.id, job)).collect(),
        };
        // Cases made of one entry share what they take.
        let mut last: Option<(&Arc<Resources>, Demand)> = None;
        for (index, case) in cases.iter().enumerate() {
            let demand = match last.take() {
                Some((resources, demand)) if Arc::ptr_eq(resources, &case.resources) => demand,
                _ => demand(&case.resources, &mut builder, &mut pools),
            };
            // What is not among the cases has passed already, or else this one would have its result.
            let before = after.get(&case.info.id).into_iter().flat_map(|before| before.iter());
            let before = before.filter_map(|id| places.get(id).copied());
            let before: Vec<_> = suites.before(JobIndex(index)).chain(before).collect();
            builder.push(&demand, &before);
            last = Some((&case.resources, demand));
        }
        let fixtures = Fixtures::new(cases, &suites.setups(), capacities.cpu.get(), &mut builder);
        let is_copy = |id: &CaseId| places.get(id).is_some_and(|job| cases[job.0].info.copy_of.is_some());
        let is_strict = after.values().any(|before| before.iter().any(is_copy));
        let rounds = Rounds::new(repetition, cases, is_strict);
        Ok(Self { schedule: builder.build()?, suites, fixtures, rounds })
    }
}

fn demand(resources: &Resources, builder: &mut Builder, pools: &mut HashMap<Arc<Pool>, PoolId>) -> Demand {
    let access = |access: &LockAccess| match access {
        LockAccess::Shared => Access::Shared,
        LockAccess::Exclusive => Access::Exclusive,
    };
    Demand {
        slots: match resources.slots {
            SlotDemand::Cpu(weight) => Slots::Cpu(weight),
            SlotDemand::Io => Slots::Io,
        },
        machine: if resources.exclusive { Access::Exclusive } else { Access::Shared },
        locks: resources.locks.iter().map(|(name, own)| (builder.lock(name), access(own))).collect(),
        pools: resources
            .pools
            .iter()
            .map(|(pool, count)| {
                let id = pools.entry(Arc::clone(pool)).or_insert_with(|| builder.pool(pool.capacity));
                (*id, *count)
            })
            .collect(),
    }
}
