//! How many descriptors this process may have open, and its processes.

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::disk::make_scarce;

/// What one running case has open: both its outputs, what tells its end, and its input or what it asks through before it
/// starts others. Before and after its processes it needs no more.
const PER_JOB: u64 = 4;

/// What it opens at most, while it starts: two pipes for its output, one for its input, a socket to the new process, with both
/// ends, and `/proc`.
const PER_JOB_AT_EASE: u64 = 10;

/// What a service has open: the outputs of its process, what tells its end, four switches, and as long as it is not ready
/// what asks whether it is, which may be another process.
const PER_SERVICE: u64 = 12;

/// What the run itself needs, and the stock from which those take turns that need more than their own.
const OWN: u64 = 32;

/// The soft limit before it was raised.
static ORIGINAL: OnceLock<u64> = OnceLock::new();

/// Makes sure that `jobs` cases find enough descriptors: raises the soft limit of this process as far as is needed
/// and allowed. Beside them run `services` services, and as many more beside each of them as `own_services` says. Processes that it starts keep the original one. Gives the number of
/// jobs that there is room for, which may be smaller. Where there is just enough, they take turns.
#[must_use]
pub fn make_room(jobs: NonZeroUsize, services: usize, own_services: usize) -> NonZeroUsize {
    let own = OWN + services as u64 * PER_SERVICE;
    let of_services = own_services as u64 * PER_SERVICE;
    let needed = (jobs.get() as u64).saturating_mul(PER_JOB_AT_EASE + of_services).saturating_add(own);
    let limit = getrlimit(Resource::Nofile);
    let Some(soft) = limit.current.filter(|soft| *soft < needed) else { return jobs };
    let mut available = soft;
    let raised = limit.maximum.map_or(needed, |hard| hard.min(needed));
    if raised > soft
        && setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }).is_ok()
    {
        let _ = ORIGINAL.set(soft);
        available = raised;
    }
    if available < needed {
        make_scarce();
    }
    let room = usize::try_from(available.saturating_sub(own) / (PER_JOB + of_services)).unwrap_or(usize::MAX);
    NonZeroUsize::new(room).unwrap_or(NonZeroUsize::MIN).min(jobs)
}

/// The soft limit that processes are to have, if it is not that of this process.
pub(in crate::process) fn original_soft_limit() -> Option<u64> {
    ORIGINAL.get().copied()
}
