//! Removing a directory with everything in it, whatever a test has made of it.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, FileType, IFlags, Mode, OFlags, RawDir, chmod, fstat, ioctl_getflags, ioctl_setflags,
    openat, renameat, unlinkat,
};
use rustix::io::Errno;

use crate::disk::is_scarce;

/// How many directories are open below each other. What lies deeper is moved up, so that neither descriptors
/// nor stack are used up by a deep tree.
const DEPTH: u32 = 12;

/// The same where descriptors are scarce: these two, the top one once more, and one that is moved are four.
const LEAST_DEPTH: u32 = 1;

/// How long something that keeps writing into the tree is contended with.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one pass may take: a folder that is filled faster than it is emptied has no end.
const LONGEST_PASS: Duration = Duration::from_secs(60);

/// Removes the directory `path` with all that is in it, or the file or link of that name. What does not exist
/// is fine.
///
/// It works relative to open directories and follows no link, so it cannot leave the tree even while a process
/// rearranges it. Directories of this user that forbid it are made accessible. When something in the tree is
/// being written meanwhile, it is tried again for five seconds.
///
/// # Errors
/// The first thing that could not be removed; everything else is gone by then.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let error = |cause: Errno| {
        let cause = io::Error::from(cause);
        io::Error::new(cause.kind(), format!("cannot remove {}: {cause}", path.display()))
    };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(error(Errno::INVAL));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = match openat(CWD, parent, flags, Mode::empty()) {
        Ok(parent) => parent,
        Err(Errno::NOENT) => return Ok(()),
        Err(cause) => return Err(error(cause)),
    };
    rustix::path::Arg::into_with_c_str(name, |name| remove_at(parent.as_fd(), name)).map_err(error)
}

/// Removes the entry `name` of `parent` with all that is in it.
pub(in crate::sandbox) fn remove_at(parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    remove_within(LONGEST_PASS, parent, name)
}

/// The same with another limit for one pass.
pub(in crate::sandbox) fn remove_within(
    longest: Duration,
    parent: BorrowedFd<'_>,
    name: &CStr,
) -> Result<(), Errno> {
    let begin = Instant::now();
    let mut pause = Duration::from_millis(1);
    let deepest = if is_scarce() { LEAST_DEPTH } else { DEPTH };
    let mut removal = Removal { deepest, top: None, moved: 0, failed: None, end: begin };
    loop {
        removal.end = Instant::now() + longest;
        match removal.remove(parent, name, FileType::Directory, 0) {
            // Something deep was moved up, or is written at this moment.
            Err(Errno::NOTEMPTY) => {}
            result => return result,
        }
        if let Some(cause) = removal.failed {
            return Err(cause);
        }
        if std::mem::take(&mut removal.moved) > 0 {
            continue;
        }
        if begin.elapsed() > PATIENCE {
            return Err(Errno::NOTEMPTY);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// One removal.
struct Removal {
    /// How deep it goes.
    deepest: u32,
    /// The directory whose tree is removed: where deep ones are moved to. It is opened by the first pass.
    top: Option<OwnedFd>,
    /// How many directories the current pass has moved there.
    moved: u32,
    /// The first error that trying again will not mend.
    failed: Option<Errno>,
    /// When the current pass is given up.
    end: Instant,
}

impl Removal {
    /// Removes one entry. `NOTEMPTY` says that a directory could not be emptied yet.
    fn remove(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        depth: u32,
    ) -> Result<(), Errno> {
        // The kind is what the directory said when it was read; it may be unknown, or another by now.
        if !matches!(kind, FileType::Directory | FileType::Unknown) {
            match unlink(parent, name, AtFlags::empty()) {
                Err(Errno::ISDIR) => {}
                result => return result,
            }
        }
        match unlink(parent, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTDIR) => return unlink(parent, name, AtFlags::empty()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            result => return result,
        }
        if depth > self.deepest {
            return self.move_up(parent, name);
        }
        let directory = match open(parent, name) {
            Ok(directory) => directory,
            // Gone, or replaced by something else, which the next pass removes.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(Errno::NOTEMPTY),
            Err(cause) => return Err(cause),
        };
        if depth == 0 {
            self.top = Some(openat(&directory, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?);
        }
        self.empty(directory.as_fd(), depth)?;
        match unlink(parent, name, AtFlags::REMOVEDIR) {
            Err(Errno::EXIST) => Err(Errno::NOTEMPTY),
            result => result,
        }
    }

    /// Removes what is in a directory, as far as it can be read in one pass.
    fn empty(&mut self, directory: BorrowedFd<'_>, depth: u32) -> Result<(), Errno> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(Errno::NOENT) => break, // The directory itself has been removed.
                Err(cause) => return Err(cause),
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if Instant::now() >= self.end {
                self.failed = self.failed.or(Some(Errno::NOTEMPTY));
                break;
            }
            match self.remove(directory, name, entry.file_type(), depth + 1) {
                // Not yet empty, or gone or exchanged in between: the next pass sees.
                Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(cause) => self.failed = self.failed.or(Some(cause)),
            }
        }
        Ok(())
    }

    /// Moves a directory that lies too deep into the top one, for the next pass.
    fn move_up(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        let Some(top) = &self.top else { return Err(Errno::NOTEMPTY) };
        // The number of an inode is its alone within a file system; what has the name nevertheless is older
        // rubbish, which is being removed as well.
        let descriptor = open_path(parent, name)?;
        let inode = fstat(&descriptor)?.st_ino;
        for attempt in 0..100u32 {
            let target = format!(".partest-{inode}-{attempt}");
            match renameat(parent, name, top, &target) {
                Ok(()) => {
                    self.moved += 1;
                    return Err(Errno::NOTEMPTY);
                }
                Err(Errno::NOENT) => return Ok(()),
                // To move a directory is to write its "..".
                Err(Errno::ACCESS) if attempt == 0 => {
                    let _ = allow(parent);
                    let _ = allow(descriptor.as_fd());
                }
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                Err(cause) => return Err(cause),
            }
        }
        Err(Errno::NOTEMPTY)
    }
}

/// Removes one name; what is gone is fine. A directory that forbids it is made to allow it.
fn unlink(parent: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> Result<(), Errno> {
    let result = match unlinkat(parent, name, flags) {
        Err(Errno::ACCESS) if allow(parent).is_ok() => unlinkat(parent, name, flags),
        Err(Errno::PERM) if unlock(parent, name) => unlinkat(parent, name, flags),
        result => result,
    };
    match result {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Takes away what `chattr +i` and `+a` forbid, which only root can do, and only root can have done. A file that has other
/// names stays as it is.
fn unlock(parent: BorrowedFd<'_>, name: &CStr) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    // One that was just moved up has been opened only for its place.
    let parent = openat(parent, c".", flags, Mode::empty());
    let entry = parent.as_ref().ok().and_then(|parent| openat(parent, name, flags, Mode::empty()).ok());
    let is_own = |entry: &OwnedFd| {
        let stat = fstat(entry);
        stat.is_ok_and(|stat| {
            FileType::from_raw_mode(stat.st_mode) == FileType::Directory || stat.st_nlink == 1
        })
    };
    let locks = IFlags::IMMUTABLE | IFlags::APPEND;
    let unlocked = [parent.ok(), entry.filter(is_own)].into_iter().flatten().filter(|locked| {
        let flags = ioctl_getflags(locked).unwrap_or(IFlags::empty());
        flags.intersects(locks) && ioctl_setflags(locked, flags - locks).is_ok()
    });
    unlocked.count() > 0
}

/// Opens a directory for reading without following a link, making it readable if it is not.
fn open(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // Either of the two may be what forbids it.
            let _ = allow(parent);
            let _ = allow(open_path(parent, name)?.as_fd());
            openat(parent, name, flags, Mode::empty())
        }
        result => result,
    }
}

/// Opens a directory without permission to do anything with it.
fn open_path(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Gives the owner all rights to an open directory, if this user is the owner.
fn allow(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    let stat = fstat(directory)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Errno::ACCESS);
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.contains(Mode::RWXU) {
        return Err(Errno::ACCESS); // It is not the mode that forbids it.
    }
    // A descriptor opened with O_PATH takes no fchmod; its name in /proc leads to the very same directory.
    chmod(format!("/proc/self/fd/{}", directory.as_raw_fd()), mode | Mode::RWXU)
}
