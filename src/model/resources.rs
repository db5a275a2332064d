//! What a case takes of what cases share while it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::model::position::Position;
use crate::text::mistake::SourceLine;

/// Everything that a case takes when it starts, and what must have passed before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// The slots it takes.
    pub slots: SlotDemand,
    /// Why these.
    pub because: SlotReason,
    /// Whether it must run with no other case beside it.
    pub exclusive: bool,
    /// The locks it holds, by name.
    pub locks: BTreeMap<String, LockAccess>,
    /// How many it takes of pools.
    pub pools: Vec<(Arc<Pool>, NonZeroU32)>,
    /// The cases that must have passed before.
    pub after: Vec<Prerequisite>,
}

/// The slots that a case takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotDemand {
    /// CPU slots.
    Cpu(NonZeroU32),
    /// An I/O slot, since it mostly waits.
    Io,
}

/// Why a case takes the slots that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotReason {
    /// A step of it may compute, and nothing else is said.
    #[default]
    MayCompute,
    /// All its steps wait, and nothing else is said.
    OnlyWaits,
    /// `exclusive` says so.
    Exclusive,
    /// `weight` says so.
    Weight,
    /// `waits` says so.
    Waits,
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockAccess {
    /// Beside others who share it.
    Shared,
    /// Alone.
    Exclusive,
}

/// Something of which there is a number, such as licences or devices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// The name by which cases ask for it.
    pub name: String,
    /// How many there are.
    pub capacity: NonZeroU32,
    /// Where that is said. The same name at two places means two pools.
    pub declared: Position,
}

/// One entry of `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prerequisite {
    /// The name of a case in the same file, an id, or either with `*` and `?` in it.
    pub text: String,
    /// Where it stands.
    pub position: Position,
    /// The line in which it stands, for messages about it.
    pub line: SourceLine,
}

impl Default for SlotDemand {
    fn default() -> Self {
        Self::Cpu(NonZeroU32::MIN)
    }
}

impl fmt::Display for SlotReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MayCompute => "a step of it may compute",
            Self::OnlyWaits => "all its steps wait",
            Self::Exclusive => "`exclusive`",
            Self::Weight => "`weight`",
            Self::Waits => "`waits`",
        })
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slots {
            _ if self.exclusive => f.write_str("the whole machine")?,
            SlotDemand::Io => f.write_str("1 I/O slot")?,
            SlotDemand::Cpu(NonZeroU32::MIN) => f.write_str("1 CPU slot")?,
            SlotDemand::Cpu(weight) => write!(f, "{weight} CPU slots")?,
        }
        for (name, access) in &self.locks {
            match access {
                LockAccess::Exclusive => write!(f, ", lock {name}")?,
                LockAccess::Shared => write!(f, ", lock {name} shared")?,
            }
        }
        for (pool, count) in &self.pools {
            write!(f, ", {count} of pool {}", pool.name)?;
        }
        write!(f, " ({})", self.because)
    }
}

#[cfg(test)]
mod tests {
    use super::{LockAccess, Resources, SlotDemand, SlotReason};

    #[test]
    fn what_a_case_takes_is_told_in_words() {
        let mut resources = Resources::default();
        assert_eq!(resources.to_string(), "1 CPU slot (a step of it may compute)");
        (resources.slots, resources.because) = (SlotDemand::Io, SlotReason::OnlyWaits);
        resources.locks.insert("db".to_owned(), LockAccess::Shared);
        resources.locks.insert("log".to_owned(), LockAccess::Exclusive);
        assert_eq!(resources.to_string(), "1 I/O slot, lock db shared, lock log (all its steps wait)");
        (resources.exclusive, resources.because) = (true, SlotReason::Exclusive);
        assert_eq!(resources.to_string(), "the whole machine, lock db shared, lock log (`exclusive`)");
    }
}
