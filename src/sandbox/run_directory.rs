//! The directory of a run, below which every attempt has its own.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{CWD, IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::sandbox::remove::remove_tree;
use crate::sandbox::workspace::Place;

/// What the names of all run directories begin with.
const PREFIX: &str = "partest-";

/// What follows that until they are locked; then the process that makes them.
const UNBORN: &str = "new-";

/// How many random letters end their names.
const RANDOM: usize = 12;

/// The folder in a run directory that the cases share.
const SHARED: &str = "shared";

/// The lock file in a run directory.
const LOCK: &str = "lock";

/// What it is called until it is locked.
const NEW_LOCK: &str = "lock.new";

/// How long a directory may take to get its lock file.
const BIRTH: Duration = Duration::from_secs(60);

/// How often a name is tried when cleaners of other runs are quicker.
const TRIES: u32 = 3;

/// The private directory of one run: 0700, with a name nobody can guess, locked while the run lives.
#[derive(Debug)]
pub struct RunDirectory {
    shared: Arc<Shared>,
    /// The locked file. The kernel gives the lock back when the process ends, however it ends.
    _lock: File,
    removed: bool,
}

/// What the workspaces of a run need of it.
#[derive(Debug)]
pub(in crate::sandbox) struct Shared {
    pub(in crate::sandbox) path: PathBuf,
    /// The folder of the workspaces.
    pub(in crate::sandbox) cases: PathBuf,
    /// That folder, open.
    pub(in crate::sandbox) fd: OwnedFd,
    /// What the cases of the run share.
    pub(in crate::sandbox) folder: PathBuf,
    /// The number of the next workspace.
    pub(in crate::sandbox) next: AtomicU64,
    /// Workspaces that attempts gave back as they had got them.
    pub(in crate::sandbox) clean: Mutex<Vec<Place>>,
    /// Permissions that the process's umask takes away.
    pub(in crate::sandbox) umask: u32,
}

impl RunDirectory {
    /// Creates the directory in `$TMPDIR` or `/tmp`, and removes those that killed runs of this user left
    /// there: the ones whose lock is free.
    ///
    /// # Errors
    /// When the directory cannot be made. What another run left behind and cannot be removed is no error.
    pub fn create() -> io::Result<Self> {
        let parent = std::env::var_os("TMPDIR").map(PathBuf::from).filter(|path| path.is_absolute());
        Self::create_in(&parent.unwrap_or_else(|| PathBuf::from("/tmp")))
    }

    /// The same in another directory.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_in(parent: &Path) -> io::Result<Self> {
        let parent = parent.canonicalize().map_err(|cause| at(parent, &cause))?;
        remove_abandoned(&parent);
        for _ in 0..TRIES {
            if let Some(created) = try_create(&parent).map_err(|cause| at(&parent, &cause))? {
                return Ok(created);
            }
        }
        Err(io::Error::other(format!("other runs keep removing new directories in {}", parent.display())))
    }

    /// Its absolute path, free of links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// What could not be removed. Another run will try again later.
    pub fn remove(mut self) -> io::Result<()> {
        self.removed = true;
        let removed = remove_tree(&self.shared.path);
        // Once more: the last process of a run that was killed may have held its lock when this one began.
        if let Some(parent) = self.shared.path.parent() {
            remove_abandoned(parent);
        }
        removed
    }

    pub(in crate::sandbox) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        if !self.removed {
            // There is nobody to tell; the next run removes it.
            let _ = remove_tree(&self.shared.path);
        }
    }
}

/// One try. `None` when a cleaner has taken the new directory for an abandoned one, since this took too long.
///
/// Who holds the lock owns the directory: a cleaner removes nothing whose lock is held, and nothing without one
/// whose maker is still there and may be about to lock it.
fn try_create(parent: &Path) -> io::Result<Option<RunDirectory>> {
    let prefix = format!("{PREFIX}{UNBORN}{}-", std::process::id());
    let unborn = tempfile::Builder::new().prefix(&prefix).rand_bytes(RANDOM).tempdir_in(parent)?.keep();
    let name = unborn.to_string_lossy();
    let directory = parent.join(format!("{PREFIX}{}", &name[name.len() - RANDOM..]));
    let made = claim(&unborn, &directory);
    if made.is_err() {
        // Without opening anything: there may be no descriptor left, which is why it was not made.
        for place in [&unborn, &directory] {
            let _ = std::fs::remove_file(place.join(NEW_LOCK));
            let _ = std::fs::remove_file(place.join(LOCK));
            let _ = std::fs::remove_dir(place.join(SHARED));
            let _ = std::fs::remove_dir(place.join(cases_of(&directory)));
            let _ = std::fs::remove_dir(place);
        }
    }
    made
}

/// Gives a new directory its lock, then its name, and then all else.
fn claim(unborn: &Path, directory: &Path) -> io::Result<Option<RunDirectory>> {
    let gone = |cause: io::Error| (cause.kind() == io::ErrorKind::NotFound).then_some(None).ok_or(cause);
    // mkdir(2) gave it 0700 less the umask.
    if let Err(cause) = std::fs::set_permissions(unborn, PermissionsExt::from_mode(0o700)) {
        return gone(cause);
    }
    let (lock, umask) = match make_lock(unborn) {
        Ok(made) => made,
        Err(cause) => return gone(cause),
    };
    if let Err(cause) = std::fs::rename(unborn, directory) {
        return gone(cause);
    }
    let _ = spread(directory);
    let (cases, folder) = (directory.join(cases_of(directory)), directory.join(SHARED));
    if let Err(cause) = [&cases, &folder].into_iter().try_for_each(|folder| private(folder)) {
        return gone(cause);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match openat(CWD, &cases, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(cause) => return gone(cause.into()),
    };
    let shared = Shared {
        path: directory.to_owned(),
        cases,
        fd,
        folder,
        next: AtomicU64::new(0),
        clean: Mutex::default(),
        umask,
    };
    Ok(Some(RunDirectory { shared: Arc::new(shared), _lock: lock, removed: false }))
}

/// A folder that is 0700 whatever the umask is.
fn private(folder: &Path) -> io::Result<()> {
    std::fs::create_dir(folder)?;
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700))
}

/// Lets the folders in a directory lie anywhere on an ext4 disk, as those of unrelated things do (`chattr +T`). Near the
/// directory there may be thousands of places whose folders were removed a moment ago, as runs do; ext4 passes over each
/// of them for every folder that is made, which can take a hundred times as long as all else. Other file systems refuse.
fn spread(directory: &Path) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(CWD, directory, flags, Mode::empty())?;
    ioctl_setflags(&directory, ioctl_getflags(&directory)? | IFlags::TOPDIR)
}

/// The name of the folder of the workspaces. It decides where on the disk the folder lies: a few places in turn.
fn cases_of(directory: &Path) -> String {
    let last = directory.as_os_str().as_encoded_bytes().last().copied().unwrap_or_default();
    format!("cases{}", last % 16)
}

/// Makes the lock file, which is locked before it has its name, so that no cleaner ever finds it free.
///
/// Its first mode shows the umask, which can be read in no other way without changing it for the whole process.
fn make_lock(directory: &Path) -> io::Result<(File, u32)> {
    let unnamed = directory.join(NEW_LOCK);
    let lock = OpenOptions::new().write(true).create_new(true).mode(0o777).open(&unnamed)?;
    let umask = 0o777 & !lock.metadata()?.mode();
    lock.try_lock()?;
    lock.set_permissions(PermissionsExt::from_mode(0o600))?;
    std::fs::rename(unnamed, directory.join(LOCK))?;
    Ok((lock, umask))
}

/// Removes the directories of this user's runs that were killed.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    for entry in entries.flatten().filter(|entry| ours(&entry.file_name())) {
        let _ = remove_if_abandoned(&entry.path());
    }
}

fn remove_if_abandoned(directory: &Path) -> io::Result<()> {
    let metadata = directory.symlink_metadata()?;
    // A run directory is never open to others: what is, was made by somebody else.
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
        return Ok(());
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let is_abandoned = match OpenOptions::new().write(true).custom_flags(flags).open(directory.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match maker(directory) {
            Some(process) => {
                !Path::new("/proc").join(process).exists()
                    || metadata.modified()?.elapsed().is_ok_and(|age| age > BIRTH)
            }
            // It had one: whoever was removing it may have been killed.
            None => true,
        },
        Err(error) => return Err(error),
    };
    if is_abandoned { remove_tree(directory) } else { Ok(()) }
}

/// The process that is making this directory, as its name says.
fn maker(directory: &Path) -> Option<&str> {
    let name = directory.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_prefix(UNBORN)?;
    name.split('-').next()
}

fn at(path: &Path, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("cannot create a private directory in {}: {cause}", path.display()))
}

impl AsFd for Shared {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
