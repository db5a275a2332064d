//! A schedule driven in simulated time, as a run drives it in real time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::Duration;

use crate::schedule::demand::{Ending, GateId, JobIndex};
use crate::schedule::dispatch::Schedule;

/// What would happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulation {
    /// When the last job would end, from the beginning.
    pub wall: Duration,
    /// When each job would start and end; none for one that would never start.
    pub spans: Vec<Option<(Duration, Duration)>>,
}

/// Drives a schedule to its end with jobs that take so long and all pass, each in its place of the list; one without a
/// duration takes no time. Gates are open from the beginning, but for those in `closed`; which of them open when a job
/// ends, `opened_by` says.
#[must_use]
pub fn simulate<G: IntoIterator<Item = GateId>>(
    mut schedule: Schedule,
    durations: &[Duration],
    closed: &HashSet<GateId>,
    mut opened_by: impl FnMut(JobIndex) -> G,
) -> Simulation {
    schedule.open_all_but(closed);
    let mut simulation = Simulation { wall: Duration::ZERO, spans: vec![None; schedule.jobs()] };
    let mut running: BinaryHeap<Reverse<(Duration, JobIndex)>> = BinaryHeap::new();
    loop {
        while let Some(job) = schedule.start_next() {
            let end = simulation.wall + durations.get(job.0).copied().unwrap_or_default();
            simulation.spans[job.0] = Some((simulation.wall, end));
            running.push(Reverse((end, job)));
        }
        let Some(Reverse((end, job))) = running.pop() else { return simulation };
        simulation.wall = end;
        schedule.finish(job, Ending::Passed);
        opened_by(job).into_iter().for_each(|gate| schedule.open(gate));
    }
}
