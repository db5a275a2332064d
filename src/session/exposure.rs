//! Places from which somebody else could change what a run executes.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::plan::TestPlan;

/// The bit of a mode that lets everybody write.
const OTHERS_WRITE: u32 = 0o002;

/// What a user should know of the surroundings of a run, a line each: descriptors and the program itself that
/// everybody may replace, and folders of `PATH` that depend on where a process stands.
pub(super) fn warnings(plan: &TestPlan, path: Option<&OsStr>) -> Vec<String> {
    let folders: BTreeSet<&Path> = plan.cases.iter().map(|case| &*case.folder).collect();
    let mut open = folders.into_iter().filter(|folder| is_open(folder));
    let mut warnings = Vec::new();
    if let Some(first) = open.next() {
        let more = match open.count() {
            0 => String::new(),
            count => format!(" (and {count} more)"),
        };
        warnings.push(format!(
            "warning: everybody may write to the folder {}{more}, and so decide what its descriptors run",
            first.display()
        ));
    }
    if let Some(place) = own_places().into_iter().find(|place| is_open(place)) {
        warnings
            .push(format!("warning: everybody may replace this program: {} is writable", place.display()));
    }
    let relative = path.into_iter().flat_map(env::split_paths).filter(|folder| !folder.is_absolute());
    let relative: Vec<_> = relative.map(|folder| format!("{:?}", folder.display().to_string())).collect();
    if !relative.is_empty() {
        warnings.push(format!(
            "warning: PATH holds {}, where no program is looked for, and which cases do not get",
            relative.join(", ")
        ));
    }
    warnings
}

/// This program and its folder.
fn own_places() -> Vec<PathBuf> {
    let Ok(program) = env::current_exe() else { return Vec::new() };
    let folder = program.parent().map(Path::to_owned);
    folder.into_iter().chain([program]).collect()
}

fn is_open(place: &Path) -> bool {
    place.metadata().is_ok_and(|metadata| metadata.mode() & OTHERS_WRITE != 0)
}
