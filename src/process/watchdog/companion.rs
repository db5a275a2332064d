//! The watchdog as this process's own child, which no sweep must take for an orphan.

use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;
use rustix::process::Pid;

use crate::process::orphans::unseen;

/// The id of the companion, 0 while there is none.
static COMPANION: AtomicI32 = AtomicI32::new(0);

/// A helper that lives as long as this process.
#[derive(Debug)]
pub(in crate::process) struct Companion(Pid);

impl Companion {
    pub(in crate::process) fn spawn(start: impl FnOnce() -> Result<Pid, Errno>) -> Result<Self, Errno> {
        unseen(|| {
            let pid = start()?;
            COMPANION.store(pid.as_raw_nonzero().get(), Ordering::Release);
            Ok(Self(pid))
        })
    }

    pub(in crate::process) fn pid(&self) -> Pid {
        self.0
    }

    /// The id of the one there is, 0 for none.
    pub(in crate::process) fn current() -> i32 {
        COMPANION.load(Ordering::Acquire)
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        let own = self.0.as_raw_nonzero().get();
        let _ = COMPANION.compare_exchange(own, 0, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// Whether a list of children names nobody but the companion.
pub(in crate::process) fn is_alone(children: &[u8], companion: i32) -> bool {
    let children = children.trim_ascii();
    children.is_empty() || str::from_utf8(children).is_ok_and(|pid| pid.parse() == Ok(companion))
}
