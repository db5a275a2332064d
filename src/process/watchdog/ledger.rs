//! The children of a run, in memory that outlives it.
//!
//! An anonymous file (`memfd_create(2)`) shared with the watchdog, in the byte order of the machine:
//! - from 0, the ids of leaders as `i32`, where 0 is an empty place;
//! - from [`ORPHANS`], the ids of orphans as `i32`, up to the first 0. What these two name is not reaped, so each
//!   id is that process's own until the run is gone;
//! - from [`PIPES`], the inodes of the pipes that the last process of each thread was given, as `u64`. They are
//!   noted before it is started, and so mark even a process that nobody could note any more.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, fstat, memfd_create};

/// Where the orphans begin, in bytes.
const ORPHANS: u64 = 1 << 22;

/// Where the pipes begin, in bytes.
const PIPES: u64 = 1 << 23;

/// The most orphans that are noted.
const MOST: usize = 1 << 16;

static LEDGER: OnceLock<File> = OnceLock::new();

/// Begins the ledger, if there is none yet; gives a handle for the watchdog.
pub(in crate::process) fn open() -> io::Result<OwnedFd> {
    let file = match LEDGER.get() {
        Some(file) => file,
        None => {
            let file = File::from(memfd_create("partest-ledger", MemfdFlags::CLOEXEC)?);
            LEDGER.get_or_init(|| file)
        }
    };
    Ok(file.try_clone()?.into())
}

/// Notes the leader at this place, 0 for none. Costs one system call, and nothing without a watchdog.
pub(in crate::process) fn note_leader(place: usize, pid: i32) {
    if let Some(file) = LEDGER.get() {
        // Memory that is full leaves the other two marks.
        let _ = file.write_all_at(&pid.to_ne_bytes(), place as u64 * 4);
    }
}

/// Notes the orphans there are now. Costs nothing while there are none.
pub(in crate::process) fn note_orphans(pids: &[i32]) {
    static ANY: AtomicBool = AtomicBool::new(false);
    let change = !pids.is_empty() || ANY.load(Ordering::Acquire);
    if let Some(file) = LEDGER.get().filter(|_| change) {
        ANY.store(!pids.is_empty(), Ordering::Release);
        let pids = pids.iter().take(MOST).chain([&0]);
        let bytes: Vec<u8> = pids.flat_map(|pid| pid.to_ne_bytes()).collect();
        let _ = file.write_all_at(&bytes, ORPHANS);
    }
}

/// Notes the pipes of a process that this thread is about to start.
pub(in crate::process) fn note_pipes(pipes: [&OwnedFd; 2]) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static PLACE: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(file) = LEDGER.get() {
        let inode = |pipe| fstat(pipe).map_or(0, |stat| stat.st_ino);
        let bytes: Vec<u8> = pipes.into_iter().flat_map(|pipe| inode(pipe).to_ne_bytes()).collect();
        let _ = file.write_all_at(&bytes, PIPES + PLACE.with(|place| place * 16));
    }
}

/// Everything that is noted in a ledger.
#[derive(Debug, Default)]
pub(in crate::process) struct Noted {
    pub(in crate::process) pids: HashSet<i32>,
    /// As the links in `/proc/PID/fd` show them.
    pub(in crate::process) pipes: HashSet<String>,
}

/// Reads a ledger.
pub(in crate::process) fn read(file: &File) -> Noted {
    let leaders = words(file, 0, ORPHANS).into_iter().map(i32::from_ne_bytes).filter(|pid| *pid != 0);
    let orphans = words(file, ORPHANS, PIPES).into_iter().map(i32::from_ne_bytes);
    let pids = leaders.chain(orphans.take_while(|pid| *pid != 0)).collect();
    let inodes = words(file, PIPES, u64::MAX).into_iter().map(u64::from_ne_bytes);
    Noted { pids, pipes: inodes.filter(|inode| *inode != 0).map(|inode| format!("pipe:[{inode}]")).collect() }
}

/// The whole words of `N` bytes between two places.
fn words<const N: usize>(file: &File, start: u64, end: u64) -> Vec<[u8; N]> {
    let size = file.metadata().map_or(0, |metadata| metadata.len()).min(end);
    let mut bytes = vec![0; usize::try_from(size.saturating_sub(start)).unwrap_or(0)];
    if file.read_exact_at(&mut bytes, start).is_err() {
        return Vec::new();
    }
    bytes.as_chunks().0.to_vec()
}
