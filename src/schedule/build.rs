//! From a list of jobs to a schedule.

use std::collections::HashMap;
use std::num::NonZeroU32;

use crate::schedule::class::{Class, ClassId, Need};
use crate::schedule::demand::{Capacities, Demand, GateId, JobIndex, LockId, PoolId};
use crate::schedule::dependencies::Dependencies;
use crate::schedule::dispatch::Schedule;
use crate::schedule::resource::{LOCK, NAMED, Resource, ResourceId};

/// Why jobs make no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// There are more jobs or resources than numbers for them.
    #[error("there are more than {} jobs", u32::MAX)]
    TooMany,
    /// A job depends on one that does not exist.
    #[error("job {} depends on job {}, which does not exist", job.0, after.0)]
    NoSuchJob {
        /// The job.
        job: JobIndex,
        /// What it depends on.
        after: JobIndex,
    },
    /// These jobs wait for each other.
    #[error("{} jobs would wait for each other forever", .0.len())]
    Endless(Vec<JobIndex>),
    /// A job needs more of a pool than there is.
    #[error("job {} needs {amount} of a pool that holds {capacity}", job.0)]
    TooMuch {
        /// The job.
        job: JobIndex,
        /// How much it needs.
        amount: u64,
        /// How much there is.
        capacity: u64,
    },
}

/// Takes jobs, in the order of their priority, and makes a [`Schedule`] of them.
#[derive(Debug)]
pub struct Builder {
    capacities: Capacities,
    resources: Vec<Resource>,
    locks: HashMap<String, LockId>,
    classes: Vec<Class>,
    known: HashMap<Box<[Need]>, ClassId>,
    class_of: Vec<ClassId>,
    /// A job and one that it depends on.
    pairs: Vec<(u32, u32)>,
    /// How many gates there are.
    gates: u32,
    /// A job and a gate that it is behind.
    held: Vec<(u32, GateId)>,
    error: Option<ScheduleError>,
}

impl Builder {
    /// No job yet.
    #[must_use]
    pub fn new(capacities: Capacities) -> Self {
        let slots = [LOCK, capacities.cpu.get() as u64, capacities.io.get() as u64];
        Self {
            capacities,
            resources: slots.into_iter().map(Resource::new).collect(),
            locks: HashMap::new(),
            classes: Vec::new(),
            known: HashMap::new(),
            class_of: Vec::new(),
            pairs: Vec::new(),
            gates: 0,
            held: Vec::new(),
            error: None,
        }
    }

    /// The lock of this name.
    pub fn lock(&mut self, name: &str) -> LockId {
        if let Some(known) = self.locks.get(name) {
            return *known;
        }
        let lock = LockId(self.resource(LOCK));
        self.locks.insert(name.to_owned(), lock);
        lock
    }

    /// A new pool that holds so many.
    pub fn pool(&mut self, capacity: NonZeroU32) -> PoolId {
        PoolId(self.resource(u64::from(capacity.get())))
    }

    /// A new gate, which is closed.
    pub fn gate(&mut self) -> GateId {
        let gate = GateId(self.gates);
        self.gates = self.gates.saturating_add(1);
        gate
    }

    /// Puts a job behind a gate: it starts only once that was opened.
    pub fn hold(&mut self, job: JobIndex, gate: GateId) {
        match u32::try_from(job.0) {
            Ok(job) => self.held.push((job, gate)),
            Err(_) => drop(self.error.get_or_insert(ScheduleError::TooMany)),
        }
    }

    fn resource(&mut self, capacity: u64) -> ResourceId {
        self.resources.push(Resource::new(capacity));
        ResourceId::try_from(self.resources.len() - 1).unwrap_or_else(|_| {
            self.error.get_or_insert(ScheduleError::TooMany);
            NAMED
        })
    }

    /// Adds a job behind those there are. It starts only after the jobs in `after` have passed, wherever in the list
    /// they are.
    pub fn push(&mut self, demand: &Demand, after: &[JobIndex]) {
        let job = JobIndex(self.class_of.len());
        let needs = demand.needs(self.capacities).into_boxed_slice();
        for need in &needs {
            let capacity = self.resources[need.resource as usize].capacity;
            if need.amount > capacity {
                let error = ScheduleError::TooMuch { job, amount: need.amount, capacity };
                self.error.get_or_insert(error);
            }
        }
        let class = match self.known.get(&needs) {
            Some(class) => *class,
            None => {
                let class = ClassId::try_from(self.classes.len()).unwrap_or_else(|_| {
                    self.error.get_or_insert(ScheduleError::TooMany);
                    0
                });
                self.classes.push(Class::new(needs.clone()));
                self.known.insert(needs, class);
                class
            }
        };
        self.class_of.push(class);
        for after in after {
            match (u32::try_from(job.0), u32::try_from(after.0)) {
                (Ok(job), Ok(after)) => self.pairs.push((job, after)),
                _ => drop(self.error.get_or_insert(ScheduleError::TooMany)),
            }
        }
    }

    /// The schedule.
    ///
    /// # Errors
    /// [`ScheduleError`] when some job could never start.
    pub fn build(mut self) -> Result<Schedule, ScheduleError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let count = self.class_of.len();
        self.pairs.sort_unstable();
        self.pairs.dedup();
        if let Some((job, after)) = self.pairs.iter().find(|(_, after)| *after as usize >= count) {
            let [job, after] = [job, after].map(|number| JobIndex(*number as usize));
            return Err(ScheduleError::NoSuchJob { job, after });
        }
        // To what depends on it, a gate is one more job, behind all others.
        let nodes = u32::try_from(count).ok().and_then(|jobs| jobs.checked_add(self.gates));
        if nodes.is_none() {
            return Err(ScheduleError::TooMany);
        }
        if let Some((job, _)) = self.held.iter().find(|(job, _)| *job as usize >= count) {
            let job = JobIndex(*job as usize);
            return Err(ScheduleError::NoSuchJob { job, after: job });
        }
        self.pairs.extend(self.held.iter().map(|(job, GateId(gate))| (*job, count as u32 + gate)));
        self.pairs.sort_unstable();
        self.pairs.dedup();
        let dependencies = Dependencies::new(count + self.gates as usize, &self.pairs);
        let dependencies = dependencies.map_err(ScheduleError::Endless)?;
        Ok(Schedule::new(self.resources, self.classes, self.class_of, dependencies))
    }
}
