//! What a case must not do to the machine, to others and to its reports.

use std::fmt;
use std::time::Duration;

/// The precautions that are taken with a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precautions {
    /// What its processes may use.
    pub limits: ResourceLimits,
    /// What it means when it leaves processes behind.
    pub leak: LeakPolicy,
    /// Names of variables of its environment whose values no report shows.
    pub secrets: Vec<String>,
}

/// What the processes of a case may use; `None` is no limit beyond partest's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResourceLimits {
    /// Private memory of each process, in bytes.
    pub memory: Option<u64>,
    /// Processor time of each process.
    pub cpu: Option<Duration>,
    /// The size of each file that is written, in bytes.
    pub file_size: Option<u64>,
    /// How many processes there may be at a time.
    pub processes: Option<u64>,
    /// How many descriptors each process may have open.
    pub open_files: Option<u64>,
}

/// One of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Private memory.
    Memory,
    /// Processor time.
    Cpu,
    /// The size of a file.
    FileSize,
    /// The number of processes.
    Processes,
    /// The number of open descriptors.
    OpenFiles,
}

/// What it means when a case leaves processes behind, which are killed in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeakPolicy {
    /// It fails.
    Fail,
    /// It is marked.
    #[default]
    Warn,
    /// Nothing.
    Allow,
}

impl ResourceLimits {
    /// The limits that are set, as people read them.
    pub fn each(&self) -> impl Iterator<Item = (Resource, String)> {
        let number = |n: u64| n.to_string();
        let all = [
            (Resource::Memory, self.memory.map(bytes)),
            (Resource::Cpu, self.cpu.map(|time| format!("{}s", time.as_secs_f64()))),
            (Resource::FileSize, self.file_size.map(bytes)),
            (Resource::Processes, self.processes.map(number)),
            (Resource::OpenFiles, self.open_files.map(number)),
        ];
        all.into_iter().filter_map(|(resource, limit)| Some((resource, limit?)))
    }

    /// One of the limits, as people read it.
    #[must_use]
    pub fn of(&self, resource: Resource) -> String {
        self.each().find(|(known, _)| *known == resource).map(|(_, limit)| limit).unwrap_or_default()
    }
}

impl fmt::Display for Resource {
    /// The key in descriptors.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::FileSize => "file_size",
            Self::Processes => "processes",
            Self::OpenFiles => "open_files",
        })
    }
}

/// A number of bytes with the largest unit that leaves it whole.
fn bytes(number: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = |(shift, _): &(u32, &str)| number > 0 && number.trailing_zeros() >= *shift;
    match units.into_iter().find(fits) {
        Some((shift, unit)) => format!("{}{unit}", number >> shift),
        None => format!("{number}B"),
    }
}
