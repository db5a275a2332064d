//! What jobs need, and what there is.

use std::num::{NonZeroU32, NonZeroUsize};

use crate::schedule::class::Need;
use crate::schedule::resource::{CPU, IO, LOCK, MACHINE, ResourceId};

/// The place of a job in the list that a schedule was made from. Earlier jobs go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobIndex(pub usize);

/// How many slots there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacities {
    /// For jobs that compute.
    pub cpu: NonZeroUsize,
    /// For jobs that wait.
    pub io: NonZeroUsize,
}

/// A lock of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LockId(pub(super) ResourceId);

/// A pool of a schedule: something of which there is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolId(pub(super) ResourceId);

/// A gate of a schedule: something that is no job and that jobs wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GateId(pub(super) u32);

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Beside others who share it.
    Shared,
    /// Alone.
    Exclusive,
}

/// The slots that a job takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slots {
    /// So many CPU slots; all of them, when there are not so many.
    Cpu(NonZeroU32),
    /// One I/O slot.
    Io,
}

/// What a job needs while it runs. All of it is taken when it starts and given back at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The slots it takes.
    pub slots: Slots,
    /// How it shares the machine: exclusively when no other job may run beside it.
    pub machine: Access,
    /// The locks it holds.
    pub locks: Vec<(LockId, Access)>,
    /// How many it takes of pools.
    pub pools: Vec<(PoolId, NonZeroU32)>,
}

impl Default for Demand {
    /// One CPU slot and nothing else.
    fn default() -> Self {
        let slots = Slots::Cpu(NonZeroU32::MIN);
        Self { slots, machine: Access::Shared, locks: Vec::new(), pools: Vec::new() }
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Jobs that depend on it may start.
    Passed,
    /// They will not.
    NotPassed,
}

/// A job that will not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// The job.
    pub job: JobIndex,
    /// The job it depends on that has not passed.
    pub after: JobIndex,
}

impl Demand {
    /// Everything that is taken, each resource once: locks and pools by number, then the machine, then the slots.
    pub(super) fn needs(&self, capacities: Capacities) -> Vec<Need> {
        let mut needs: Vec<Need> = Vec::with_capacity(self.locks.len() + self.pools.len() + 2);
        for (LockId(lock), access) in &self.locks {
            let amount = of_lock(*access);
            match needs.iter_mut().find(|need| need.resource == *lock) {
                Some(need) => need.amount = need.amount.max(amount),
                None => needs.push(Need { resource: *lock, amount }),
            }
        }
        for (PoolId(pool), count) in &self.pools {
            let amount = u64::from(count.get());
            match needs.iter_mut().find(|need| need.resource == *pool) {
                Some(need) => need.amount += amount,
                None => needs.push(Need { resource: *pool, amount }),
            }
        }
        needs.sort_unstable_by_key(|need| need.resource);
        needs.push(Need { resource: MACHINE, amount: of_lock(self.machine) });
        needs.push(match self.slots {
            Slots::Cpu(weight) => {
                Need { resource: CPU, amount: u64::from(weight.get()).min(capacities.cpu.get() as u64) }
            }
            Slots::Io => Need { resource: IO, amount: 1 },
        });
        needs
    }
}

fn of_lock(access: Access) -> u64 {
    match access {
        Access::Shared => 1,
        Access::Exclusive => LOCK,
    }
}
