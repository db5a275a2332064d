//! The hands of the coordinator: a pool for cases, and a thread for each start and end of a service.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, Scope};
use std::time::Duration;

use crate::golden::Updater;
use crate::model::Service;
use crate::runner::attempts::{Came, Trying};
use crate::runner::beside::{Beside, Running};
use crate::runner::hands::{Hands, Message, Role, Start};
use crate::runner::mailbox::{Mailbox, Urgency};
use crate::runner::policy::RetryBudget;
use crate::runner::pool::Pool;
use crate::runner::relief::{Relief, Successor};
use crate::runner::{Control, Executor, Given, Policy, attempts, panics};
use crate::schedule::JobIndex;

/// Of cases that take less there are so many in a second that not each of them is told at once.
const BRIEF: Duration = Duration::from_millis(20);

/// Does what the coordinator asks for, and tells it what came of it.
pub(super) struct Engine<'p, 's, 't, 'e> {
    pub(super) pool: Pool<'p, 's, 't, 'e>,
    pub(super) threads: &'t Scope<'t, 'e>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) relief: Arc<Relief>,
    pub(super) executor: &'e dyn Executor,
    pub(super) control: &'e Control,
    pub(super) goldens: Option<&'e Updater>,
    pub(super) policy: &'e Policy,
    pub(super) budget: &'e RetryBudget,
    /// The slot of all cases, where somebody else gives them theirs.
    pub(super) slot: Option<usize>,
}

impl<'s, 'e: 's> Hands for Engine<'_, 's, '_, 'e> {
    fn start(&self, mut start: Start) {
        let (executor, goldens) = (self.executor, self.goldens);
        let (mailbox, relief) = (Arc::clone(&self.mailbox), Arc::clone(&self.relief));
        let (policy, budget, role) = (self.policy, self.budget, start.role);
        let slot = self.slot.unwrap_or(start.slot);
        let cancellation = match role {
            Role::Case => self.control.cancellation(),
            Role::Teardown => self.control.last(),
        };
        let answers = Arc::clone(&self.mailbox);
        let work = move || loop {
            let tries = std::mem::take(&mut start.tries);
            let Start { job, ref case, ref services, ref captured, ref gauge, files, .. } = start;
            let given = Given { services, captured, slot, files, cancellation, gauge };
            let trying = Trying { executor, given, goldens, policy, budget, role };
            let came = attempts::run(case, &trying, tries, |number| {
                let (case, gauge) = (Arc::clone(case), gauge.clone());
                mailbox.send(Message::Retrying { case, attempt: number, gauge }, Urgency::Urgent);
            });
            let (result, captured) = match came {
                Came::Over(result, captured) => (result, captured),
                Came::Pause(tries, wait) => {
                    return Message::Pausing { start: Box::new(Start { tries, ..start }), wait };
                }
            };
            let has_passed = result.has_passed();
            if !has_passed {
                relief.hold();
            }
            let goes_on = has_passed && !cancellation.is_requested();
            let successor = if goes_on { relief.take(start.likeness) } else { None };
            let Some(Successor { start: next, is_one_of_the_last }) = successor else {
                return Message::Finished { job, result, captured };
            };
            let (by, gauge) = (next.job, next.gauge.clone());
            let can_wait = !is_one_of_the_last && result.duration() < BRIEF;
            let urgency = if can_wait { Urgency::CanWait } else { Urgency::Urgent };
            mailbox.send(Message::Relieved { job, result, captured, by, gauge }, urgency);
            start = next;
        };
        self.pool.start(work, move |message| answers.send(message, Urgency::Urgent));
    }

    fn stand_by(&self, start: Start) {
        self.relief.add(start);
    }

    fn standing_by(&self) -> usize {
        self.relief.count()
    }

    fn dissolve(&self) -> Vec<JobIndex> {
        self.relief.dissolve().into_iter().map(|start| start.job).collect()
    }

    fn launch(&self, index: usize, service: Arc<Service>, needs: Vec<Arc<Beside>>) {
        let (executor, mailbox) = (self.executor, Arc::clone(&self.mailbox));
        let heard = Arc::clone(&self.mailbox);
        let notify = Box::new(move |event| heard.send(Message::Heard { index, event }, Urgency::Urgent));
        // Its name makes a panic part of the reason.
        let thread = thread::Builder::new().name(format!("worker-{}", service.name));
        let spawned = thread.spawn_scoped(self.threads, move || {
            let launched = AssertUnwindSafe(|| executor.start_service(&service, &needs, notify));
            let launched = catch_unwind(launched).unwrap_or_else(|payload| {
                Err(format!("service \"{}\" cannot start: {}", service.name, panics::describe(&*payload)))
            });
            mailbox.send(Message::Launched { index, launched }, Urgency::Urgent);
        });
        if let Err(error) = spawned {
            let launched = Err(format!("a service cannot start: {error}"));
            self.mailbox.send(Message::Launched { index, launched }, Urgency::Urgent);
        }
    }

    fn remove(&self, index: usize, running: Running) {
        let mailbox = Arc::clone(&self.mailbox);
        let work = move || {
            let complaint = running.finish().err();
            let complaint =
                complaint.map(|error| format!("the directory of a service is left behind: {error}"));
            mailbox.send(Message::Removed { index, complaint }, Urgency::Urgent);
        };
        // Without a thread its end is not lost: it was dropped with the work, which waits for it.
        if thread::Builder::new().spawn_scoped(self.threads, work).is_err() {
            self.mailbox.send(Message::Removed { index, complaint: None }, Urgency::Urgent);
        }
    }
}
