//! What others tell the coordinator, in order.
//!
//! Of short cases there are thousands in a second, and to be woken for each of their results costs more than to take
//! note of it. So what can wait for a moment does not wake the coordinator while there is much of it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::runner::hands::Message;

/// How long a message waits at most that can wait.
const MOMENT: Duration = Duration::from_millis(2);

/// The messages that the coordinator has not taken yet.
#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    called: Condvar,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    /// Whether some of those that were taken last could have waited.
    is_calm: bool,
    listens_for: Option<Urgency>,
}

/// What wakes the coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Whatever comes.
    CanWait,
    /// What cannot wait.
    Urgent,
}

impl Mailbox {
    /// Adds a message.
    pub(super) fn send(&self, message: Message, urgency: Urgency) {
        let mut state = self.lock();
        state.messages.push_back(message);
        state.is_calm |= urgency == Urgency::CanWait;
        if state.listens_for.is_some_and(|least| urgency >= least) {
            state.listens_for = None;
            drop(state);
            self.called.notify_one();
        }
    }

    /// The oldest message; waits for one until `timeout` is over.
    pub(super) fn receive(&self, timeout: Duration) -> Option<Message> {
        let end = Instant::now() + timeout;
        let mut state = self.lock();
        if state.messages.is_empty() && std::mem::take(&mut state.is_calm) {
            state = self.wait(state, Urgency::Urgent, timeout.min(MOMENT));
        }
        if state.messages.is_empty() {
            state = self.wait(state, Urgency::CanWait, end.saturating_duration_since(Instant::now()));
        }
        state.messages.pop_front()
    }

    /// Waits for something that is so urgent.
    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        least: Urgency,
        time: Duration,
    ) -> MutexGuard<'a, State> {
        state.listens_for = Some(least);
        let waited = self.called.wait_timeout_while(state, time, |state| state.listens_for.is_some());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.listens_for = None;
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is valid between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
