//! Where cases run: a rayon pool, and threads of their own for those beyond it.
//!
//! Cases wait most of their time, for processes or for answers, and there may be thousands of them at once. The threads
//! of rayon look for work in each other's queues, and thousands of them do little else; so rayon has [`MOST`] threads,
//! and what runs at the same time beyond those has threads that are made when they are first needed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

/// How many threads rayon has at most.
pub(super) const MOST: usize = 64;

/// A piece of work.
type Job<'t> = Box<dyn FnOnce() + Send + 't>;

/// Starts work at once. Its threads end when it is dropped and the work is done.
pub(super) struct Pool<'p, 's, 't, 'e> {
    rayon: &'p rayon::Scope<'s>,
    /// How many threads of rayon's have nothing to do.
    free: Arc<AtomicUsize>,
    threads: &'t Scope<'t, 'e>,
    queue: Arc<Queue<'t>>,
}

struct Queue<'t> {
    state: Mutex<State<'t>>,
    changed: Condvar,
}

struct State<'t> {
    jobs: VecDeque<Job<'t>>,
    /// How many threads there are.
    threads: usize,
    /// How many of them wait for a job.
    idle: usize,
    is_over: bool,
}

impl<'p, 's, 't, 'e> Pool<'p, 's, 't, 'e> {
    /// The `workers` threads of rayon's, and none beside them yet.
    pub(super) fn new(rayon: &'p rayon::Scope<'s>, workers: usize, threads: &'t Scope<'t, 'e>) -> Self {
        let state = State { jobs: VecDeque::new(), threads: 0, idle: 0, is_over: false };
        let queue = Arc::new(Queue { state: Mutex::new(state), changed: Condvar::new() });
        Self { rayon, free: Arc::new(AtomicUsize::new(workers)), threads, queue }
    }

    /// Does `work`, and then `tell`s what came of it, which must not take long: the thread counts as free by then.
    pub(super) fn start<T>(
        &self,
        work: impl FnOnce() -> T + Send + 's + 't,
        tell: impl FnOnce(T) + Send + 's + 't,
    ) {
        let take_one = |free: usize| free.checked_sub(1);
        if self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, take_one).is_err() {
            return self.start_beside(move || tell(work()));
        }
        let free = Arc::clone(&self.free);
        self.rayon.spawn(move |_| {
            let came = work();
            free.fetch_add(1, Ordering::AcqRel);
            tell(came);
        });
    }

    /// Starts a job on a thread that has nothing to do or else on a new one. Where the system gives no further thread
    /// the job waits for one of those there are; where there is none at all, it waits for rayon's.
    fn start_beside(&self, job: impl FnOnce() + Send + 's + 't) {
        let mut state = self.queue.lock();
        if state.idle <= state.jobs.len() {
            let queue = Arc::clone(&self.queue);
            let thread = thread::Builder::new().name(format!("worker-{}", MOST + state.threads));
            if thread.spawn_scoped(self.threads, move || queue.work()).is_ok() {
                state.threads += 1;
            } else if state.threads == 0 {
                drop(state);
                return self.rayon.spawn(move |_| job());
            }
        }
        state.jobs.push_back(Box::new(job));
        drop(state);
        self.queue.changed.notify_one();
    }
}

impl Drop for Pool<'_, '_, '_, '_> {
    fn drop(&mut self) {
        self.queue.lock().is_over = true;
        self.queue.changed.notify_all();
    }
}

impl<'t> Queue<'t> {
    fn lock(&self) -> MutexGuard<'_, State<'t>> {
        // The state is valid between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one job after the other.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
            } else if state.is_over {
                return;
            } else {
                state.idle += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use crate::runner::pool::Pool;

    #[test]
    fn jobs_run_beside_each_other_and_all_are_done() {
        let (together, done, in_rayon) = (Barrier::new(100), AtomicUsize::new(0), AtomicUsize::new(0));
        let rayon = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        thread::scope(|threads| {
            rayon.in_place_scope(|scope| {
                let pool = Pool::new(scope, 3, threads);
                for round in 0..3 {
                    for _ in 0..100 {
                        let work = || {
                            // Would wait for ever if one of them waited for another's thread.
                            together.wait();
                            rayon::current_thread_index().is_some()
                        };
                        pool.start(work, |is_rayon| {
                            in_rayon.fetch_add(usize::from(is_rayon), Ordering::Relaxed);
                            done.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                    while done.load(Ordering::Relaxed) < 100 * (round + 1) {
                        thread::yield_now();
                    }
                }
            });
        });
        assert_eq!(done.into_inner(), 300);
        assert_eq!(in_rayon.into_inner(), 9, "all of its threads in each round");
    }
}
