//! The hands of the coordinator: a pool for cases, and a thread for each start and end of a service.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{self, Scope};

use crate::golden::Updater;
use crate::model::Service;
use crate::runner::attempts::{Came, Trying};
use crate::runner::beside::{Beside, Running};
use crate::runner::hands::{Hands, Message, Role, Start};
use crate::runner::policy::RetryBudget;
use crate::runner::pool::Pool;
use crate::runner::{Control, Executor, Given, Policy, attempts, panics};

/// Does what the coordinator asks for, and tells it what came of it.
pub(super) struct Engine<'p, 's, 't, 'e> {
    pub(super) pool: Pool<'p, 's, 't, 'e>,
    pub(super) threads: &'t Scope<'t, 'e>,
    pub(super) sender: Sender<Message>,
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
        let (executor, goldens, sender) = (self.executor, self.goldens, self.sender.clone());
        let (policy, budget, role) = (self.policy, self.budget, start.role);
        let slot = self.slot.unwrap_or(start.slot);
        let cancellation = match role {
            Role::Case => self.control.cancellation(),
            Role::Teardown => self.control.last(),
        };
        let answers = sender.clone();
        let work = move || {
            let tries = std::mem::take(&mut start.tries);
            let Start { job, ref case, ref services, ref captured, ref gauge, files, .. } = start;
            let given = Given { services, captured, slot, files, cancellation, gauge };
            let trying = Trying { executor, given, goldens, policy, budget, role };
            let came = attempts::run(case, &trying, tries, |number| {
                let (case, gauge) = (Arc::clone(case), gauge.clone());
                let _ = sender.send(Message::Retrying { case, attempt: number, gauge });
            });
            match came {
                Came::Over(result, captured) => Message::Finished { job, result, captured },
                Came::Pause(tries, wait) => {
                    Message::Pausing { start: Box::new(Start { tries, ..start }), wait }
                }
            }
        };
        // The coordinator receives until nothing runs, so it is there.
        self.pool.start(work, move |message| drop(answers.send(message)));
    }

    fn launch(&self, index: usize, service: Arc<Service>, needs: Vec<Arc<Beside>>) {
        let (executor, sender) = (self.executor, self.sender.clone());
        let heard = self.sender.clone();
        let notify = Box::new(move |event| drop(heard.send(Message::Heard { index, event })));
        // Its name makes a panic part of the reason.
        let thread = thread::Builder::new().name(format!("worker-{}", service.name));
        let spawned = thread.spawn_scoped(self.threads, move || {
            let launched = AssertUnwindSafe(|| executor.start_service(&service, &needs, notify));
            let launched = catch_unwind(launched).unwrap_or_else(|payload| {
                Err(format!("service \"{}\" cannot start: {}", service.name, panics::describe(&*payload)))
            });
            let _ = sender.send(Message::Launched { index, launched });
        });
        if let Err(error) = spawned {
            let launched = Err(format!("a service cannot start: {error}"));
            let _ = self.sender.send(Message::Launched { index, launched });
        }
    }

    fn remove(&self, index: usize, running: Running) {
        let sender = self.sender.clone();
        let work = move || {
            let complaint = running.finish().err();
            let complaint =
                complaint.map(|error| format!("the directory of a service is left behind: {error}"));
            let _ = sender.send(Message::Removed { index, complaint });
        };
        // Without a thread its end is not lost: it was dropped with the work, which waits for it.
        if thread::Builder::new().spawn_scoped(self.threads, work).is_err() {
            let _ = self.sender.send(Message::Removed { index, complaint: None });
        }
    }
}
