//! Locks, pools and exclusive cases under nextest, which starts a process for each test: files that are locked between
//! the processes.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError, create_dir_all};
use std::hash::{Hash, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use crate::model::{LockAccess, Pool, TestCase};
use crate::runner::Control;
use crate::session::state_folder;

/// How often locks that others hold are tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// What cases take that processes share; held until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _held: Vec<File>,
}

/// What has to be held while some cases run.
#[derive(Debug)]
struct Wanted {
    /// The folder of the lock files.
    folder: PathBuf,
    machine: LockAccess,
    locks: BTreeMap<String, LockAccess>,
    pools: Vec<(Arc<Pool>, u32)>,
}

/// Waits until these cases may run beside those of other processes: their locks and what they take of pools are
/// free, and no case runs alone, or, for one that does, no other. Gives none when the run is stopped.
///
/// Everything is taken at once or nothing, so that no two processes wait for each other.
///
/// # Errors
/// When the lock files in `.partest` cannot be used.
pub(super) fn wait(root: &Path, cases: &[Arc<TestCase>], control: &Control) -> io::Result<Option<Turn>> {
    let wanted = Wanted::of(cases, state_folder(root)?.join("nextest"));
    create_dir_all(&wanted.folder)?;
    while control.signal().is_none() {
        match wanted.try_take()? {
            Some(held) => return Ok(Some(Turn { _held: held })),
            None => std::thread::sleep(PAUSE),
        }
    }
    Ok(None)
}

impl Wanted {
    fn of(cases: &[Arc<TestCase>], folder: PathBuf) -> Self {
        let mut wanted =
            Self { folder, machine: LockAccess::Shared, locks: BTreeMap::new(), pools: Vec::new() };
        for resources in cases.iter().map(|case| &case.resources) {
            if resources.exclusive {
                wanted.machine = LockAccess::Exclusive;
            }
            for (name, access) in &resources.locks {
                let held = wanted.locks.entry(name.clone()).or_insert(*access);
                if *access == LockAccess::Exclusive {
                    *held = *access;
                }
            }
            for (pool, count) in &resources.pools {
                let most = pool.capacity.get();
                match wanted.pools.iter_mut().find(|(known, _)| known == pool) {
                    Some((_, taken)) => *taken = taken.saturating_add(count.get()).min(most),
                    None => wanted.pools.push((Arc::clone(pool), count.get())),
                }
            }
        }
        wanted
    }

    /// Everything, or nothing when others hold some of it.
    fn try_take(&self) -> io::Result<Option<Vec<File>>> {
        let mut held = Vec::new();
        let machine = [("machine".to_owned(), self.machine)];
        let locks = self.locks.iter().map(|(name, access)| (format!("lock-{:016x}", hash(name)), *access));
        for (name, access) in machine.into_iter().chain(locks) {
            match self.try_lock(&name, access)? {
                Some(file) => held.push(file),
                None => return Ok(None),
            }
        }
        for (pool, count) in &self.pools {
            let mut missing = *count;
            for place in 0..pool.capacity.get() {
                if missing == 0 {
                    break;
                }
                let name = format!("pool-{:016x}-{place}", hash(pool));
                if let Some(file) = self.try_lock(&name, LockAccess::Exclusive)? {
                    held.push(file);
                    missing -= 1;
                }
            }
            if missing > 0 {
                return Ok(None);
            }
        }
        Ok(Some(held))
    }

    fn try_lock(&self, name: &str, access: LockAccess) -> io::Result<Option<File>> {
        let file = File::options().create(true).append(true).open(self.folder.join(name))?;
        let locked = match access {
            LockAccess::Shared => file.try_lock_shared(),
            LockAccess::Exclusive => file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// What stands for a name in that of a file, which cannot hold every name. Two names that come to the same only wait
/// for each other.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::{LockAccess, Pool, Wanted};
    use crate::model::Position;
    use std::num::NonZeroU32;
    use std::path::Path;
    use std::sync::Arc;

    fn wanted(folder: &Path, locks: &[(&str, LockAccess)], gpus: u32) -> Wanted {
        let declared = Position { file: "suite.toml".into(), line: 1, column: 1 };
        let pool = Pool { name: "gpu".to_owned(), capacity: NonZeroU32::new(3).expect("not zero"), declared };
        Wanted {
            folder: folder.to_owned(),
            machine: LockAccess::Shared,
            locks: locks.iter().map(|(name, access)| ((*name).to_owned(), *access)).collect(),
            pools: if gpus > 0 { vec![(Arc::new(pool), gpus)] } else { Vec::new() },
        }
    }

    #[test]
    fn everything_is_held_or_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let take = |locks: &[_], gpus| wanted(folder.path(), locks, gpus).try_take().expect("usable");
        let shared = [("a/b", LockAccess::Shared)];
        let alone = [("a/b", LockAccess::Exclusive)];
        let first = take(&shared, 2).expect("free");
        let second = take(&shared, 1).expect("free");
        assert!(take(&alone, 0).is_none() && take(&[], 1).is_none());
        assert!(take(&[("free", LockAccess::Exclusive)], 1).is_none());
        assert!(take(&[("free", LockAccess::Exclusive)], 0).is_some(), "nothing was kept");
        drop(first);
        assert!(take(&[], 2).is_some() && take(&[], 3).is_none());
        drop(second);
        assert!(take(&alone, 3).is_some());
        let machine = Wanted { machine: LockAccess::Exclusive, ..wanted(folder.path(), &[], 0) };
        let held = machine.try_take().expect("usable").expect("free");
        assert!(take(&[], 0).is_none());
        drop(held);
    }
}
