//! How many cases there are open files for.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::model::{Service, ServiceScope};
use crate::plan::TestPlan;
use crate::process;

/// What a run has to do with less of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// How many cases can run at the same time.
    pub room: usize,
    /// How many could, were there more.
    pub wanted: usize,
}

/// Makes sure that the cases of a plan find enough open files, and lowers the numbers of slots where there cannot be
/// enough: what mostly waits gives way first, since it loses least.
pub fn fit(plan: &TestPlan, jobs: &mut NonZeroUsize, io_jobs: &mut NonZeroUsize) -> Option<Shortage> {
    let (cpu, io) = plan.usable_slots(*jobs, *io_jobs);
    let wanted = NonZeroUsize::new(cpu + io)?;
    let (shared, own) = services(plan);
    let room = process::make_room(wanted, shared, own);
    if room >= wanted {
        return None;
    }
    let (room, wanted) = (room.get(), wanted.get());
    let at_most = |count: usize| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    let io = room.saturating_sub(cpu).max(io.min(1));
    *io_jobs = at_most(io);
    *jobs = at_most(cpu.min(room.saturating_sub(io)));
    Some(Shortage { room, wanted })
}

/// How many services may run that the whole run shares, and how many more with each case: its own, and those of its
/// file, as there are never those of more files than of cases that run.
fn services(plan: &TestPlan) -> (usize, usize) {
    let (mut shared, mut own) = (HashSet::new(), 0);
    for case in plan.cases.iter().filter(|case| !case.services.is_empty()) {
        let all = Service::with_needs(&case.services);
        let of_run = all.iter().filter(|service| service.scope == ServiceScope::Suite).map(Arc::as_ptr);
        let of_run: Vec<_> = of_run.collect();
        own = own.max(all.len() - of_run.len());
        shared.extend(of_run);
    }
    (shared.len(), own)
}
