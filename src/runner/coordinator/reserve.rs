//! The cases that stand by, so that no worker waits for the coordinator between two short ones.

use crate::model::{CaseResult, Gauge};
use crate::runner::coordinator::Coordinator;
use crate::runner::hands::Hands;
use crate::runner::relief;
use crate::schedule::JobIndex;

impl Coordinator<'_> {
    /// Has the next cases stand by, once there are few of them. None of those stands by that are run again and again, or
    /// beside others that wait for a retry: what comes next is known only when it is its turn.
    pub(super) fn fill_reserve(&mut self, hands: &impl Hands) {
        let is_open = self.stopping.is_none() && self.halt.is_none();
        let is_simple = self.rounds.are_none() && self.pauses.are_none();
        if !is_open || !is_simple || hands.standing_by() > relief::MOST / 2 {
            return;
        }
        for _ in hands.standing_by()..relief::MOST {
            let Some(job) = self.schedule.stand_by() else { return };
            // No job depends on another, so none needs a service.
            let start = self.prepare(job, Vec::new());
            hands.stand_by(start);
        }
    }

    /// Brings those back into the list that no worker has taken.
    pub(super) fn dissolve_reserve(&mut self, hands: &impl Hands) {
        for job in hands.dissolve() {
            self.schedule.stand_down(job);
        }
    }

    /// A case has passed, and one that stood by runs in its place.
    pub(super) fn relieve(
        &mut self,
        job: JobIndex,
        result: CaseResult,
        (by, gauge): (JobIndex, Gauge),
        hands: &impl Hands,
    ) {
        self.schedule.relieve(job, by);
        self.conclude_job(job, result, hands);
        if let Some(case) = self.cases[by.0].clone() {
            self.announce(&case, 1, gauge);
        }
    }
}
