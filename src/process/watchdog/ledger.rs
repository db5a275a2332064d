//! The children of a run, in memory that outlives it.
//!
//! An anonymous file (`memfd_create(2)`) shared with the watchdog, in the byte order of the machine:
//! - from 0, the ids of leaders as `i32`, where 0 is an empty place;
//! - from [`ORPHANS`], the ids of orphans as `i32`, up to the first 0. What these two name is not reaped, so each
//!   id is that process's own until the run is gone;
//! - from [`PIPES`], the inodes of the pipes that the last process of each thread was given, as `u64`. They are
//!   noted before it is started, and so mark even a process that nobody could note any more.
//!
//! Leaders and pipes are noted for every case, and so by storing to its memory, without a system call.
#![expect(unsafe_code, reason = "shared memory: no safe wrapper")]

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fstat, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap};

/// Where the orphans begin, in bytes.
const ORPHANS: usize = 1 << 22;

/// Where the pipes begin, in bytes.
const PIPES: usize = 1 << 23;

/// How large it is, in bytes. Memory is used only where something was noted.
const SIZE: usize = PIPES + (1 << 20);

/// How much of it is there from the beginning for leaders, and for pipes, in bytes: enough for a thousand jobs.
const AT_ONCE: usize = 1 << 14;

/// The most orphans that are noted.
const MOST: usize = 1 << 16;

static LEDGER: OnceLock<Ledger> = OnceLock::new();

struct Ledger {
    file: File,
    /// The same, to store to. Without it, as where files may not become so large, leaders and pipes are not noted, which
    /// leaves the other marks.
    memory: Option<Memory>,
}

/// The memory of a ledger, which stays where it is as long as this process lives.
struct Memory(NonNull<u8>);

// SAFETY: whoever has it only stores to it, atomically.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn of(file: &File) -> io::Result<Self> {
        ftruncate(file, SIZE as u64)?;
        // To store where there is no memory would end this process: so the first of it is taken at once, and nobody who
        // opens the file can make it smaller.
        for begin in [0, PIPES] {
            fallocate(file, FallocateFlags::empty(), begin as u64, AT_ONCE as u64)?;
        }
        fcntl_add_seals(file, SealFlags::GROW | SealFlags::SHRINK)?;
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: where is left to the kernel, so nothing else is there.
        let memory = unsafe { mmap(ptr::null_mut(), SIZE, protection, flags, file, 0) }?;
        NonNull::new(memory.cast()).map(Self).ok_or_else(|| Errno::NOMEM.into())
    }

    /// Notes a leader at a place, in bytes.
    fn note_id(&self, place: usize, id: i32) {
        if place < ORPHANS {
            // SAFETY: within the memory, which nobody gives back; a multiple of 4 from a page's begin; all of it is accessed atomically.
            unsafe { AtomicI32::from_ptr(self.0.as_ptr().add(place).cast()) }.store(id, Ordering::Release);
        }
    }

    /// Notes a pipe at a place, in bytes.
    fn note_inode(&self, place: usize, inode: u64) {
        if place < SIZE {
            // SAFETY: as above, with 8 for 4.
            unsafe { AtomicU64::from_ptr(self.0.as_ptr().add(place).cast()) }.store(inode, Ordering::Release);
        }
    }
}

/// Begins the ledger, if there is none yet; gives a handle for the watchdog.
pub(in crate::process) fn open() -> io::Result<OwnedFd> {
    let ledger = match LEDGER.get() {
        Some(ledger) => ledger,
        None => {
            let file =
                File::from(memfd_create("partest-ledger", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
            let memory = Memory::of(&file).ok();
            LEDGER.get_or_init(|| Ledger { file, memory })
        }
    };
    Ok(ledger.file.try_clone()?.into())
}

fn memory() -> Option<&'static Memory> {
    LEDGER.get()?.memory.as_ref()
}

/// Notes the leader at this place, 0 for none.
pub(in crate::process) fn note_leader(place: usize, pid: i32) {
    if let Some(memory) = memory() {
        memory.note_id(place * size_of::<i32>(), pid);
    }
}

/// Notes the orphans there are now. Costs nothing while there are none.
pub(in crate::process) fn note_orphans(pids: &[i32]) {
    static ANY: AtomicBool = AtomicBool::new(false);
    let change = !pids.is_empty() || ANY.load(Ordering::Acquire);
    if let Some(ledger) = LEDGER.get().filter(|_| change) {
        ANY.store(!pids.is_empty(), Ordering::Release);
        let pids = pids.iter().take(MOST).chain([&0]);
        let bytes: Vec<u8> = pids.flat_map(|pid| pid.to_ne_bytes()).collect();
        let _ = ledger.file.write_all_at(&bytes, ORPHANS as u64);
    }
}

/// Notes the pipes of a process that this thread is about to start.
pub(in crate::process) fn note_pipes(pipes: [&OwnedFd; 2]) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PLACE: usize = PIPES + NEXT.fetch_add(1, Ordering::Relaxed) * 2 * size_of::<u64>();
    }
    if let Some(memory) = memory() {
        for (pipe, number) in pipes.into_iter().zip(0..) {
            let inode = fstat(pipe).map_or(0, |stat| stat.st_ino);
            memory.note_inode(PLACE.with(|place| place + number * size_of::<u64>()), inode);
        }
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
    let leaders = words(file, 0, ORPHANS as u64).into_iter().map(i32::from_ne_bytes).filter(|pid| *pid != 0);
    let orphans = words(file, ORPHANS as u64, PIPES as u64).into_iter().map(i32::from_ne_bytes);
    let pids = leaders.chain(orphans.take_while(|pid| *pid != 0)).collect();
    let inodes = words(file, PIPES as u64, u64::MAX).into_iter().map(u64::from_ne_bytes);
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
