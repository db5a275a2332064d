//! Files and folders that partest makes for itself. The umask takes from their modes what it likes, even from their owner:
//! what it has taken is given back.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes a folder that is 0700, with those above it that are not there. One that is there stays as it is.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    let make = || match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    };
    match (make(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            private_folder(parent)?;
            make()
        }
        (made, _) => made,
    }
}

/// Makes a file that is 0600 and was not there, to be appended to.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Gives the owner of a file or folder these rights if he has not got them, and leaves those of others as they are.
pub(crate) fn let_owner(path: &Path, rights: u32) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    match mode & rights == rights {
        true => Ok(()),
        false => fs::set_permissions(path, Permissions::from_mode((mode | rights) & 0o7777)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{let_owner, private_file, private_folder};

    #[test]
    fn they_are_for_their_owner_alone() {
        let parent = tempfile::tempdir().expect("a folder");
        let mode = |path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let folder = parent.path().join("a/b");
        private_folder(&folder).expect("made");
        private_folder(&folder).expect("there");
        assert_eq!((mode(folder.clone()), mode(parent.path().join("a"))), (0o700, 0o700));
        let file = folder.join("file");
        private_file(&file).expect("made");
        assert!(private_file(&file).is_err() && private_folder(&file).is_err());
        assert_eq!(mode(file.clone()), 0o600);
        fs::set_permissions(&file, PermissionsExt::from_mode(0o004)).expect("mine");
        let_owner(&file, 0o600).expect("mine");
        assert_eq!(mode(file), 0o604);
    }
}
