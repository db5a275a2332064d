//! Which jobs wait for which to pass.

use std::collections::HashSet;

use crate::schedule::demand::JobIndex;

/// The dependencies between jobs, by what others depend on.
#[derive(Debug, Default)]
pub(super) struct Dependencies {
    /// Where the dependents of each job begin; empty when no job depends on another.
    begins: Vec<u32>,
    dependents: Vec<u32>,
    /// How many jobs each one still waits for.
    pending: Vec<u32>,
}

impl Dependencies {
    /// Those of `count` jobs, given as pairs of a job and one that it depends on.
    ///
    /// # Errors
    /// The jobs that could never start, as they wait for each other.
    pub(super) fn new(count: usize, pairs: &[(u32, u32)]) -> Result<Self, Vec<JobIndex>> {
        if pairs.is_empty() {
            return Ok(Self::default());
        }
        let mut begins = vec![0_u32; count + 1];
        let mut pending = vec![0_u32; count];
        for (job, after) in pairs {
            begins[*after as usize + 1] += 1;
            pending[*job as usize] += 1;
        }
        for at in 1..begins.len() {
            begins[at] += begins[at - 1];
        }
        let mut next = begins.clone();
        let mut dependents = vec![0_u32; pairs.len()];
        for (job, after) in pairs {
            let place = &mut next[*after as usize];
            dependents[*place as usize] = *job;
            *place += 1;
        }
        let all = Self { begins, dependents, pending };
        let endless = all.endless();
        if endless.is_empty() { Ok(all) } else { Err(endless) }
    }

    /// How many jobs and gates there are; zero when none depends on another.
    pub(super) fn nodes(&self) -> usize {
        self.pending.len()
    }

    /// The jobs that would still wait when every other one had passed.
    fn endless(&self) -> Vec<JobIndex> {
        let mut pending = self.pending.clone();
        let mut free: Vec<usize> = (0..pending.len()).filter(|job| pending[*job] == 0).collect();
        while let Some(job) = free.pop() {
            for JobIndex(dependent) in self.dependents(JobIndex(job)) {
                pending[dependent] -= 1;
                if pending[dependent] == 0 {
                    free.push(dependent);
                }
            }
        }
        (0..pending.len()).filter(|job| pending[*job] > 0).map(JobIndex).collect()
    }

    /// Whether a job still waits for others.
    pub(super) fn is_pending(&self, job: JobIndex) -> bool {
        self.pending.get(job.0).is_some_and(|pending| *pending > 0)
    }

    /// The jobs that depend on this one.
    pub(super) fn dependents(&self, job: JobIndex) -> impl Iterator<Item = JobIndex> + '_ {
        let range = match self.begins.get(job.0..job.0 + 2) {
            Some([begin, end]) => *begin as usize..*end as usize,
            _ => 0..0,
        };
        self.dependents[range].iter().map(|dependent| JobIndex(*dependent as usize))
    }

    /// Lets each of these jobs wait once more for those of them that it depends on, and for nothing else.
    pub(super) fn renew(&mut self, jobs: &[JobIndex]) {
        if self.pending.is_empty() {
            return;
        }
        jobs.iter().for_each(|job| self.pending[job.0] = 0);
        let again: HashSet<_> = jobs.iter().copied().collect();
        for job in jobs {
            let dependents: Vec<_> = self.dependents(*job).filter(|job| again.contains(job)).collect();
            dependents.into_iter().for_each(|dependent| self.pending[dependent.0] += 1);
        }
    }

    /// Notes that a job has passed; gives the jobs that wait for no other any more.
    pub(super) fn pass(&mut self, job: JobIndex) -> Vec<JobIndex> {
        let dependents: Vec<_> = self.dependents(job).collect();
        let mut ready = Vec::new();
        for dependent in dependents {
            // What is over for good does not wait any more, though this one may pass once more.
            if self.pending[dependent.0] == 0 {
                continue;
            }
            self.pending[dependent.0] -= 1;
            if self.pending[dependent.0] == 0 {
                ready.push(dependent);
            }
        }
        ready
    }
}
