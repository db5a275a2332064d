//! The private directory of one attempt.

use std::borrow::Cow;
use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, FileType, IFlags, Mode, OFlags, RawDir, StatxAttributes, StatxFlags, chmodat, flistxattr, fstat,
    ioctl_getflags, mkdirat, openat, statx,
};
use rustix::io::Errno;
use rustix::path::Arg;
use rustix::process::geteuid;

use crate::model::Input;
use crate::sandbox::inputs::{InputError, place};
use crate::sandbox::outputs::WorkingDirectory;
use crate::sandbox::remove::remove_at;
use crate::sandbox::run_directory::{RunDirectory, Shared};

/// A directory for one attempt: `work`, `home` and `tmp`, each 0700 and empty.
#[derive(Debug)]
pub struct Workspace {
    run: Arc<Shared>,
    /// `None` once it was removed or given back.
    place: Option<Place>,
    /// Whether there is anything at its place.
    is_made: bool,
}

/// Where a workspace is, below the run's directory.
#[derive(Debug)]
pub(in crate::sandbox) struct Place {
    name: CString,
    work: PathBuf,
    home: PathBuf,
    tmp: PathBuf,
    /// When the attempt that has it got it.
    taken: Instant,
    /// When it was last found to be as it was made.
    seen: Option<Box<Seen>>,
}

/// The directories of a workspace when they held what they were made with.
#[derive(Debug)]
struct Seen {
    /// When each of them was last changed, in seconds and nanoseconds of the file system's clock.
    changes: [(i64, u32); 4],
    at: Instant,
}

/// From when on a change has another time than an earlier one. The clock that the kernel dates changes by ticks every 10
/// milliseconds at the slowest.
const TICK: Duration = Duration::from_millis(50);

/// How many workspaces are kept for other attempts.
const MOST_CLEAN: usize = 32;

/// Attributes of a directory in which other things are possible than in one that was just made.
const ODD: StatxAttributes =
    StatxAttributes::MOUNT_ROOT.union(StatxAttributes::IMMUTABLE).union(StatxAttributes::APPEND);

/// Attributes that a directory has from the one in which it was made.
const INHERITED: IFlags = IFlags::COMPRESSED
    .union(IFlags::DIRSYNC)
    .union(IFlags::JOURNALING)
    .union(IFlags::NOATIME)
    .union(IFlags::NOCOW)
    .union(IFlags::NODUMP)
    .union(IFlags::NOTAIL)
    .union(IFlags::PROJECT_INHERIT)
    .union(IFlags::SECURE_REMOVAL)
    .union(IFlags::SYNC)
    .union(IFlags::UNRM);

/// The directories in a workspace.
const PARTS: [&str; 3] = ["work", "home", "tmp"];

/// Why a file of a descriptor cannot be written into the working directory.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The path is empty, absolute or leads out.
    #[error("not a path inside the working directory: {0}")]
    Path(PathBuf),
    /// Something of that name is there: an input, or another file.
    #[error("two files for the same place in the working directory: {0}")]
    Exists(PathBuf),
    /// The operating system refuses.
    #[error("cannot write {path} into the working directory: {cause}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The operating system's word.
        cause: io::Error,
    },
}

impl Workspace {
    /// Makes a new one, or takes one that an attempt gave back as it had got it: on a disk, making and removing
    /// four directories can take as long as the process that uses them.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn create(run: &RunDirectory) -> io::Result<Self> {
        let run = Arc::clone(run.shared());
        let clean = run.clean.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut place) = clean {
            place.taken = Instant::now();
            return Ok(Self { run, place: Some(place), is_made: true });
        }
        let number = run.next.fetch_add(1, Ordering::Relaxed).to_string();
        // From here on whatever was made is removed when this is dropped.
        let workspace = Self { place: Some(Place::new(&run, &number)?), run, is_made: true };
        workspace.make(&number)?;
        for part in PARTS {
            workspace.make(&format!("{number}/{part}"))?;
        }
        Ok(workspace)
    }

    /// One that is not there, for an attempt that does nothing with it: its paths lead to nothing.
    ///
    /// # Errors
    /// None at present.
    pub fn unmade(run: &RunDirectory) -> io::Result<Self> {
        let run = Arc::clone(run.shared());
        Ok(Self { place: Some(Place::new(&run, "none")?), run, is_made: false })
    }

    /// The working directory of its processes.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.place().work
    }

    /// Their `HOME`.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.place().home
    }

    /// The folder that all cases of the run may use.
    #[must_use]
    pub fn run_dir(&self) -> &Path {
        &self.run.folder
    }

    /// Their `TMPDIR`.
    #[must_use]
    pub fn tmp(&self) -> &Path {
        &self.place().tmp
    }

    fn place(&self) -> &Place {
        match &self.place {
            Some(place) => place,
            None => unreachable!("only `remove` and `give_back` take it, and they consume the workspace"),
        }
    }

    /// Copies inputs from `folder` into the working directory, under their paths relative to it. A leading
    /// `..` is left out: `../shared/x` becomes `shared/x`.
    ///
    /// A pattern without wildcards names a file, or a directory that is copied whole. One with wildcards
    /// (`*`, `?`, `[…]`, `{a,b}`, and `**` for any number of directories) names files; hidden ones only where it
    /// says so with a dot. Copies keep their mode. A link becomes a copy of what it leads to, which must lie in
    /// the tree the pattern names. Says whether there is a program among them.
    ///
    /// # Errors
    /// [`InputError`] with the pattern and its position: nothing matches, it leads out, or is no file.
    pub fn place_inputs(&self, folder: &Path, inputs: &[Input]) -> Result<bool, InputError> {
        if inputs.is_empty() { Ok(false) } else { place(folder, inputs, self.work()) }
    }

    /// Writes files into the working directory and makes the directories above them. Their mode is 0644, and
    /// 0755 for what begins with `#!`, so that it can be run.
    ///
    /// # Errors
    /// [`WriteError`] for the first that cannot be written. No file that is there is overwritten, and no link is
    /// followed.
    pub fn write_files<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a Path, Cow<'a, str>)>,
    ) -> Result<(), WriteError> {
        for (path, text) in files {
            self.write(path, text.as_bytes()).map_err(|cause| match cause {
                Errno::INVAL => WriteError::Path(path.to_owned()),
                Errno::EXIST | Errno::ISDIR => WriteError::Exists(path.to_owned()),
                cause => WriteError::Io { path: path.to_owned(), cause: cause.into() },
            })?;
        }
        Ok(())
    }

    /// Opens the working directory, to look for what an attempt has left there.
    ///
    /// # Errors
    /// When it is gone, or something else is in its place.
    pub fn open_work(&self) -> io::Result<WorkingDirectory<'_>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = openat(&self.run, self.place().name.as_c_str(), flags, Mode::empty())?;
        let directory = openat(&root, PARTS[0], flags, Mode::empty())?;
        Ok(WorkingDirectory { directory, path: self.work() })
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn remove(mut self) -> io::Result<()> {
        let Some(place) = self.place.take() else { return Ok(()) };
        self.remove_place(&place)
    }

    /// Gives it back for another attempt when it is as it was made, and removes it otherwise. For an attempt of which
    /// nothing runs any more.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn give_back(mut self) -> io::Result<()> {
        let Some(mut place) = self.place.take() else { return Ok(()) };
        if self.is_made && place.is_as_made(&self.run) {
            let mut clean = self.run.clean.lock().unwrap_or_else(PoisonError::into_inner);
            // Of thousands that end at the same time, most will have no other attempt after them.
            if clean.len() < MOST_CLEAN {
                clean.push(place);
                return Ok(());
            }
        }
        self.remove_place(&place)
    }

    fn remove_place(&self, place: &Place) -> io::Result<()> {
        if !self.is_made {
            return Ok(());
        }
        remove_at(self.run.as_fd(), &place.name).map_err(|cause| {
            let cause = io::Error::from(cause);
            let root = place.work.parent().unwrap_or(&place.work).display();
            io::Error::new(cause.kind(), format!("cannot remove {root}: {cause}"))
        })
    }

    fn make(&self, path: &str) -> Result<(), Errno> {
        mkdirat(&self.run, path, Mode::RWXU)?;
        if self.run.umask & 0o700 != 0 {
            chmodat(&self.run, path, Mode::RWXU, AtFlags::empty())?;
        }
        Ok(())
    }

    fn write(&self, path: &Path, text: &[u8]) -> Result<(), Errno> {
        let mut names = path.components().filter(|part| *part != Component::CurDir).map(|part| match part {
            Component::Normal(name) => Ok(name),
            _ => Err(Errno::INVAL),
        });
        let mut name = names.next().ok_or(Errno::INVAL)??;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder: OwnedFd = openat(&self.run, self.work(), flags, Mode::empty())?;
        for next in names {
            let next = next?;
            match mkdirat(&folder, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(cause) => return Err(cause),
            }
            folder = openat(&folder, name, flags, Mode::empty())?;
            name = next;
        }
        let mode = if text.starts_with(b"#!") { 0o755 } else { 0o644 };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&folder, name, flags, Mode::from_raw_mode(mode))?);
        let written = file.write_all(text).and_then(|()| {
            if self.run.umask & mode == 0 {
                Ok(())
            } else {
                file.set_permissions(Permissions::from_mode(mode))
            }
        });
        written.map_err(|cause| Errno::from_io_error(&cause).unwrap_or(Errno::IO))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            // There is nobody to tell; it goes with the run's directory.
            let _ = self.remove_place(&place);
        }
    }
}

impl Place {
    fn new(run: &Shared, name: &str) -> io::Result<Self> {
        let root = run.cases.join(name);
        let [work, home, tmp] = PARTS.map(|part| root.join(part));
        Ok(Self { name: CString::new(name)?, work, home, tmp, taken: Instant::now(), seen: None })
    }

    /// Whether it holds its three directories and nothing else, all of them private.
    ///
    /// To look into them takes as long as a small process. So where they were seen long enough before the attempt, the
    /// times of their last changes tell, which no program can set.
    fn is_as_made(&mut self, run: &Shared) -> bool {
        let Some(changes) = self.changes(run) else { return false };
        let seen = self.seen.take().filter(|seen| seen.changes == changes);
        // A file system that counts whole seconds has the same time for many changes.
        let is_exact = changes.iter().all(|(_, nanoseconds)| *nanoseconds != 0);
        let is_sure = is_exact && seen.as_ref().is_some_and(|seen| seen.at + TICK <= self.taken);
        self.seen = seen.or_else(|| Some(Box::new(Seen { changes, at: Instant::now() })));
        is_sure || self.holds_nothing(run)
    }

    /// When it and its directories were last changed, if all of them are private directories in which everything is possible.
    fn changes(&self, run: &Shared) -> Option<[(i64, u32); 4]> {
        let name = self.name.to_str().ok()?;
        let [work, home, tmp] = PARTS.map(|part| format!("{name}/{part}"));
        let user = geteuid().as_raw();
        let mut changes = [(0, 0); 4];
        for (path, change) in [name, &work, &home, &tmp].into_iter().zip(&mut changes) {
            let found = statx(run, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS).ok()?;
            let mode = found.stx_mode.into();
            let is_directory = FileType::from_raw_mode(mode) == FileType::Directory;
            let is_private = is_directory && mode & 0o7777 == 0o700 && found.stx_uid == user;
            let is_usual = is_private && !found.stx_attributes.intersects(ODD);
            *change = is_usual.then_some((found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec))?;
        }
        Some(changes)
    }

    /// Looks whether it holds its three directories and nothing else, and nothing was done to the directories themselves.
    fn holds_nothing(&self, run: &Shared) -> bool {
        let Ok(root) = open_directory(run.as_fd(), self.name.as_c_str()) else { return false };
        let holds = |directory: &OwnedFd, count| {
            entries(directory) == Some(count) && is_untouched(directory, run).unwrap_or(false)
        };
        let is_empty = |part| open_directory(root.as_fd(), part).is_ok_and(|inner| holds(&inner, 0));
        PARTS.into_iter().all(is_empty) && holds(&root, PARTS.len())
    }
}

/// Whether an empty directory tells nothing of whoever had it: neither by times that were set, nor by another group, by
/// attributes (`chattr`), or by extended ones, access control lists among them.
fn is_untouched(directory: &OwnedFd, run: &Shared) -> Result<bool, Errno> {
    let (found, made) = (fstat(directory)?, fstat(run)?);
    // What comes and goes in a directory changes both times, whatever else is done to it only one.
    let is_dated = (found.st_mtime, found.st_mtime_nsec) != (found.st_ctime, found.st_ctime_nsec);
    let flags = |directory: BorrowedFd<'_>| ioctl_getflags(directory).map(|flags| flags & INHERITED);
    let mut names = [0; 256];
    let length = match flistxattr(directory, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(cause) => return Err(cause),
    };
    // Those of security modules are on every file.
    let mut names = names[..length].split_inclusive(|byte| *byte == 0);
    Ok(!is_dated
        && found.st_gid == made.st_gid
        && flags(directory.as_fd()) == flags(run.as_fd())
        && names.all(|name| name.starts_with(b"security.")))
}

fn open_directory(parent: BorrowedFd<'_>, name: impl Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// How many entries a directory has besides itself and its parent; `None` for more than fit a small buffer.
fn entries(directory: &OwnedFd) -> Option<usize> {
    let mut buffer = [MaybeUninit::uninit(); 256];
    let mut entries = RawDir::new(directory, &mut buffer);
    let mut count = 0;
    while let Some(entry) = entries.next() {
        let entry = entry.ok()?;
        count += usize::from(!matches!(entry.file_name().to_bytes(), b"." | b".."));
        if count > PARTS.len() {
            return None;
        }
    }
    Some(count)
}
