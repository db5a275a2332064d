//! What a process may use, as the kernel takes it.

use rustix::process::{Resource, Rlimit, getrlimit};

use crate::model::ResourceLimits;
use crate::process::descriptors::original_soft_limit;

/// The limits to set in a new process. Each is the least of what is asked for and what this process itself may use.
pub(in crate::process) fn rlimits(limits: &ResourceLimits) -> Vec<(Resource, Rlimit)> {
    let same = |limit: u64| (Some(limit), Some(limit));
    // The kernel counts whole seconds. At the soft limit it sends XCPU, at the hard one KILL.
    let cpu = limits.cpu.map(|time| time.as_secs() + u64::from(time.subsec_nanos() > 0));
    let files = limits.open_files.map(same).or(original_soft_limit().map(|soft| (Some(soft), None)));
    [
        // Private writable memory, unlike RLIMIT_AS, which counts what is only reserved, too.
        (Resource::Data, limits.memory.map(same)),
        (Resource::Cpu, cpu.map(|seconds| (Some(seconds), Some(seconds + 1)))),
        (Resource::Fsize, limits.file_size.map(same)),
        (Resource::Nofile, files),
    ]
    .into_iter()
    .filter_map(|(resource, wanted)| Some((resource, within(resource, wanted?))))
    .collect()
}

/// A soft and a hard limit, where `None` is that of this process, within those of this process.
fn within(resource: Resource, (soft, hard): (Option<u64>, Option<u64>)) -> Rlimit {
    let known = getrlimit(resource);
    let maximum = least(hard, known.maximum);
    let current = if soft.is_some() { least(soft, maximum) } else { known.current };
    Rlimit { current, maximum }
}

/// The lower of two limits, where `None` is none.
fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}
