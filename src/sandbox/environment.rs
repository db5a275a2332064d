//! The clean environment of a case.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::sandbox::workspace::Workspace;

/// What every case of a run finds in its environment, made once per run from partest's own.
#[derive(Clone, Debug)]
pub struct CleanEnvironment {
    path: OsString,
    outer: Vec<(OsString, OsString)>,
}

/// What differs from case to case.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The case's id, `PARTEST_CASE`.
    pub case: &'a str,
    /// The attempt's number, `PARTEST_ATTEMPT`.
    pub attempt: u32,
    /// The number of its slot, `PARTEST_SLOT`.
    pub slot: Option<usize>,
    /// Variables taken over from partest's own environment where they are set.
    pub inherit: &'a [String],
    /// Variables that are set.
    pub set: &'a [(String, String)],
    /// Variables that are taken away.
    pub unset: &'a [String],
}

impl CleanEnvironment {
    /// The one that partest's own environment, as it is now, leads to.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::new(std::env::vars_os().collect())
    }

    /// The one that the environment `outer` leads to.
    #[must_use]
    pub fn new(outer: Vec<(OsString, OsString)>) -> Self {
        let path = outer.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.as_os_str());
        // A relative folder would mean another place in every working directory.
        let folders = path.into_iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute());
        let path = std::env::join_paths(folders).unwrap_or_default();
        let path = if path.is_empty() { "/usr/local/bin:/usr/bin:/bin".into() } else { path };
        Self { path, outer }
    }

    /// The folders in which programs are looked for, unless a case sets `PATH`.
    #[must_use]
    pub fn path(&self) -> &OsStr {
        &self.path
    }

    /// The whole environment of the processes of an attempt: the clean variables, then those inherited, then
    /// those set; without those unset.
    #[must_use]
    pub fn of_case(&self, workspace: &Workspace, around: &Surroundings<'_>) -> Vec<(OsString, OsString)> {
        let mut variables = Vec::with_capacity(9 + around.inherit.len() + around.set.len());
        let mut clean = |name: &str, value: &OsStr| variables.push((name.into(), value.to_owned()));
        clean("PATH", &self.path);
        clean("HOME", path(workspace.home()));
        clean("TMPDIR", path(workspace.tmp()));
        clean("LANG", OsStr::new("C.UTF-8"));
        clean("TZ", OsStr::new("UTC"));
        clean("PARTEST_CASE", OsStr::new(around.case));
        clean("PARTEST_ATTEMPT", OsStr::new(&around.attempt.to_string()));
        if let Some(slot) = around.slot {
            clean("PARTEST_SLOT", OsStr::new(&slot.to_string()));
        }
        clean("PARTEST_RUN_DIR", path(workspace.run_dir()));
        for name in around.inherit {
            if let Some((name, value)) = self.outer.iter().find(|(outer, _)| outer == OsStr::new(name)) {
                put(&mut variables, name, value);
            }
        }
        for (name, value) in around.set {
            put(&mut variables, OsStr::new(name), OsStr::new(value));
        }
        if !around.unset.is_empty() {
            variables.retain(|(name, _)| !around.unset.iter().any(|unset| name == OsStr::new(unset)));
        }
        variables
    }
}

fn path(path: &Path) -> &OsStr {
    path.as_os_str()
}

/// Sets a variable, replacing what it had.
fn put(variables: &mut Vec<(OsString, OsString)>, name: &OsStr, value: &OsStr) {
    match variables.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => value.clone_into(old),
        None => variables.push((name.to_owned(), value.to_owned())),
    }
}
