//! How many descriptors this process may have open, and its processes.

use std::num::NonZeroUsize;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What one running case needs at most: while it starts, two pipes for its output, one for its input and one for its
/// shim; later its pidfd, the reading ends, two logs, and what is open while its directory is made or removed or its
/// orphans are looked for, which without a descriptor would not be found.
const PER_JOB: u64 = 8;

/// What the run itself needs.
const OWN: u64 = 32;

/// The soft limit before it was raised.
static ORIGINAL: OnceLock<u64> = OnceLock::new();

/// Makes sure that `jobs` cases find enough descriptors: raises the soft limit of this process as far as is needed
/// and allowed. Processes that it starts keep the original one, at the cost of a millisecond each. Gives the number of
/// jobs that there is room for, which may be smaller.
#[must_use]
pub fn make_room(jobs: NonZeroUsize) -> NonZeroUsize {
    let needed = (jobs.get() as u64).saturating_mul(PER_JOB).saturating_add(OWN);
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
    let room = usize::try_from(available.saturating_sub(OWN) / PER_JOB).unwrap_or(usize::MAX);
    NonZeroUsize::new(room).unwrap_or(NonZeroUsize::MIN).min(jobs)
}

/// The soft limit that processes are to have, if it is not that of this process.
pub(in crate::process) fn original_soft_limit() -> Option<u64> {
    ORIGINAL.get().copied()
}
