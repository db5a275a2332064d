//! The directory of a run, below which every attempt has its own.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use rustix::fs::{CWD, IFlags, Mode, OFlags, ioctl_getflags, ioctl_setflags, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::sandbox::remove::remove_tree;
use crate::sandbox::workspace::Place;

/// What the names of all run directories begin with.
const PREFIX: &str = "partest-run-";

/// How many random letters and digits end their names.
const RANDOM: usize = 12;

/// What the name of a lock file has behind that of its directory, beside which it lies.
const LOCK: &str = ".lock";

/// What a lock file begins with; then comes the name of its directory.
const MARK: &str = "partest holds this lock as long as it uses the directory\n";

/// The folder in a run directory that the cases share.
const SHARED: &str = "shared";

/// How often a name is tried when cleaners of other runs are quicker.
const TRIES: u32 = 10;

/// The private directory of one run: 0700, with a name nobody can guess, locked while the run lives.
#[derive(Debug)]
pub struct RunDirectory {
    shared: Arc<Shared>,
    lock: Lock,
    removed: bool,
}

/// The locked file beside a run directory: there before the directory is, and until it is gone.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    /// The kernel gives the lock back when the process ends, however it ends.
    _file: File,
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
            if let Some(lock) = make_lock(&parent).map_err(|cause| at(&parent, &cause))? {
                return make(lock).map_err(|cause| at(&parent, &cause));
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
        let removed = remove(&self.shared.path, &self.lock.path);
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
            let _ = remove(&self.shared.path, &self.lock.path);
        }
    }
}

/// Makes the directory that a lock is for.
fn make(lock: Lock) -> io::Result<RunDirectory> {
    let directory = lock.path.with_extension("");
    match furnish(&directory) {
        Ok(shared) => Ok(RunDirectory { shared: Arc::new(shared), lock, removed: false }),
        Err(cause) => {
            // Without opening anything: there may be no descriptor left, which is why it was not made.
            for folder in [directory.join(SHARED), directory.join(cases_of(&directory)), directory] {
                let _ = std::fs::remove_dir(folder);
            }
            let _ = std::fs::remove_file(&lock.path);
            Err(cause)
        }
    }
}

fn furnish(directory: &Path) -> io::Result<Shared> {
    // Never open to others, not even for a moment: a run that is killed in this moment leaves what no cleaner takes
    // for its own.
    private(directory, 0o700)?;
    let _ = spread(directory);
    let (cases, folder) = (directory.join(cases_of(directory)), directory.join(SHARED));
    // The first mode of a folder shows the umask, which can be read in no other way without changing it for the
    // whole process.
    let umask = 0o777 & !private(&cases, 0o777)?;
    private(&folder, 0o700)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(CWD, &cases, flags, Mode::empty())?;
    let (next, clean) = (AtomicU64::new(0), Mutex::default());
    Ok(Shared { path: directory.to_owned(), cases, fd, folder, next, clean, umask })
}

/// A folder that is 0700 whatever the umask is; gives the mode that it had got first, of the one that was asked for.
fn private(folder: &Path, mode: u32) -> io::Result<u32> {
    DirBuilder::new().mode(mode).create(folder)?;
    let first = folder.symlink_metadata()?.mode();
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700))?;
    Ok(first)
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

/// Makes a lock file with a name nobody can guess, and locks it. `None` when a cleaner of another run has found it
/// before it was locked.
fn make_lock(parent: &Path) -> io::Result<Option<Lock>> {
    let file = tempfile::Builder::new().prefix(PREFIX).suffix(LOCK).rand_bytes(RANDOM).tempfile_in(parent)?;
    // The umask may have taken everything.
    file.as_file().set_permissions(PermissionsExt::from_mode(0o600))?;
    if file.as_file().try_lock().is_err() || !is_at(file.as_file(), file.path()) {
        return Ok(None);
    }
    file.as_file().write_all(mark(&file.path().with_extension("")).as_bytes())?;
    let (file, path) = file.keep()?;
    Ok(Some(Lock { path, _file: file }))
}

/// What stands in the lock file of a directory.
fn mark(directory: &Path) -> String {
    format!("{MARK}{}\n", directory.file_name().unwrap_or_default().display())
}

/// Whether this is still the file of this name.
fn is_at(file: &File, path: &Path) -> bool {
    let key = |metadata: io::Result<std::fs::Metadata>| metadata.ok().map(|file| (file.dev(), file.ino()));
    let own = key(file.metadata());
    own.is_some() && own == key(path.symlink_metadata())
}

/// Removes a run directory, and then its lock: a cleaner that is killed meanwhile leaves what the next one finds.
fn remove(directory: &Path, lock: &Path) -> io::Result<()> {
    remove_tree(directory)?;
    std::fs::remove_file(lock)
}

/// Removes the directories of this user's runs that were killed. What has no lock file of partest's own is not touched,
/// whatever it is called.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(is_lock) {
            let _ = remove_if_abandoned(&entry.path());
        }
    }
}

/// Whether a file has the name of a lock file.
fn is_lock(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(LOCK));
    random.is_some_and(|random| random.len() == RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let lock = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let (metadata, user) = (lock.metadata()?, geteuid().as_raw());
    if !metadata.is_file() || metadata.uid() != user || lock.try_lock().is_err() || !is_at(&lock, path) {
        return Ok(());
    }
    let directory = path.with_extension("");
    let expected = mark(&directory);
    let mut text = Vec::with_capacity(expected.len() + 1);
    (&lock).take(expected.len() as u64 + 1).read_to_end(&mut text)?;
    match directory.symlink_metadata() {
        // A run directory is never open to others: what is, was made by somebody else.
        Ok(metadata) if !metadata.is_dir() || metadata.uid() != user || metadata.mode() & 0o077 != 0 => {
            Ok(())
        }
        Ok(_) if text == expected.as_bytes() => remove(&directory, path),
        Ok(_) => Ok(()),
        // A run that was killed before it had written the lock has no directory yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound && expected.as_bytes().starts_with(&text) => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

fn at(path: &Path, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("cannot create a private directory in {}: {cause}", path.display()))
}

impl AsFd for Shared {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
