//! How a project runs its suites: `partest.toml`, the variables `PARTEST_*`, and what flags say over them.
//!
//! Entry point: [`Settings::load`]. Every value knows its [`Origin`]. What cases inherit from here lies below
//! every suite file, as [`Settings::defaults`]. This module reads one file and the variables it is given; it runs
//! nothing, and a mistake in either is a [`Diagnostic`] with its place.
//!
//! ```toml
//! [profile.default]
//! jobs = 8
//! timeout = "30s"
//!
//! [profile.ci]        # inherits from `default` unless `inherits` names another
//! junit = "report.xml"
//! retries = 1
//! ```

mod file;
mod profiles;
mod schema;
mod show;
mod values;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use crate::config::profiles::{DEFAULT, Layers};
use crate::descriptor::{Defaults, Diagnostic};
use crate::model::Position;

pub use schema::schema;
pub use values::{Color, Flaky, Order, Verbosity};

/// How many cases run beside the others that mostly wait, when nobody says it: enough to hide the delays of a network,
/// and not so many that a small machine or server is overrun.
pub const IO_JOBS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// The name of the file.
pub const FILE: &str = "partest.toml";

/// Every setting of a run, with where it comes from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The project's root, absolute: the folder of `partest.toml`, or else the working directory.
    pub root: PathBuf,
    /// Whether there is a `partest.toml` in it.
    pub has_file: bool,
    /// Which profile.
    pub profile: Setting<String>,
    /// What is run when nothing is named: relative to the root, or, unless the file says something, to the working
    /// directory.
    pub paths: Setting<Vec<PathBuf>>,
    /// How many cases run at the same time.
    pub jobs: Setting<NonZeroUsize>,
    /// How many cases that mostly wait run beside them.
    pub io_jobs: Setting<NonZeroUsize>,
    /// Where the JUnit report goes, besides `.partest/junit.xml`.
    pub junit: Setting<Option<PathBuf>>,
    /// In which order cases start.
    pub order: Setting<Order>,
    /// Whether runs are remembered, and earlier ones asked.
    pub history: Setting<bool>,
    /// After how many failed cases no more are started.
    pub max_fail: Setting<Option<NonZeroUsize>>,
    /// How long a run may take.
    pub run_timeout: Setting<Option<Duration>>,
    /// How many further attempts at cases there may be in a run.
    pub retry_budget: Setting<Option<u32>>,
    /// What a case comes to that passes only when it is tried again.
    pub flaky: Setting<Flaky>,
    /// When colours are used.
    pub color: Setting<Color>,
    /// How much the console shows.
    pub verbosity: Setting<Verbosity>,
    /// What cases inherit, below every suite file.
    pub defaults: Defaults,
    /// What is wrong with the paths of the file: those that lead nowhere.
    unfound: Vec<Diagnostic>,
    /// The keys of `defaults`, as they are shown.
    case: Vec<(&'static str, Setting<String>)>,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a setting comes from; each of these goes before those above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody has said anything.
    BuiltIn,
    /// The file.
    File {
        /// The place of the value.
        position: Position,
        /// The profile it stands in.
        profile: String,
    },
    /// The variable of this name.
    Variable(&'static str),
    /// The flag of this name.
    Flag(&'static str),
}

impl<T> Setting<T> {
    fn built_in(value: T) -> Self {
        Self { value, origin: Origin::BuiltIn }
    }

    /// Replaces the value by what a flag says, if it says something.
    pub fn override_by(&mut self, flag: &'static str, value: Option<T>) {
        if let Some(value) = value {
            *self = Self { value, origin: Origin::Flag(flag) };
        }
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file or a variable is wrong.
    #[error("{}", rendered(.0))]
    Wrong(Vec<Diagnostic>),
    /// There is no such profile.
    #[error("there is no profile {name}: {help}")]
    NoProfile {
        /// The name as messages show it.
        name: String,
        /// Which there are.
        help: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn rendered(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| diagnostic.rendered.as_str()).collect::<Vec<_>>().join("\n\n")
}

impl Settings {
    /// The settings for a run that is started in `folder`, an absolute path, where `profile` is what a flag names and
    /// `variable` gives the variables of the environment.
    ///
    /// # Errors
    /// [`SettingsError`] when the file or a variable is wrong, or the profile does not exist.
    pub fn load(
        folder: &Path,
        profile: Option<&str>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let file = file::find(folder)?;
        let root = file.as_ref().map_or(folder, |file| file.folder.as_path()).to_owned();
        let profile = match (profile, variable("PARTEST_PROFILE").filter(|name| !name.is_empty())) {
            (Some(name), _) => Setting { value: name.to_owned(), origin: Origin::Flag("--profile") },
            (None, Some(name)) => Setting {
                value: name.to_string_lossy().into_owned(),
                origin: Origin::Variable("PARTEST_PROFILE"),
            },
            (None, None) => Setting::built_in(DEFAULT.to_owned()),
        };
        let layers = Layers::new(file.as_ref(), &profile.value, variable)?;
        let has_file = file.is_some();
        Self::resolve(root, has_file, profile, layers)
    }

    /// The paths to search where none are named.
    ///
    /// # Errors
    /// Those of the file that are not there, each with its place.
    pub fn own_paths(&self) -> Result<&[PathBuf], SettingsError> {
        match (&self.paths.origin, self.unfound.is_empty()) {
            (Origin::File { .. }, false) => Err(SettingsError::Wrong(self.unfound.clone())),
            _ => Ok(&self.paths.value),
        }
    }

    fn resolve(
        root: PathBuf,
        has_file: bool,
        profile: Setting<String>,
        mut layers: Layers,
    ) -> Result<Self, SettingsError> {
        let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let jobs = layers.take("jobs", values::jobs);
        let io_jobs = layers.take("io_jobs", values::jobs);
        let junit = layers.take("junit", values::path);
        let order = layers.take("order", values::order);
        let history = layers.take("history", values::switch);
        let max_fail = layers.take_optional("max_fail", values::max_fail);
        let run_timeout = layers.take_optional("run_timeout", values::duration);
        let retry_budget = layers.take_optional("retry_budget", values::retry_budget);
        let flaky = layers.take("flaky", values::flaky);
        let color = layers.take("color", values::color);
        let verbosity = layers.take("verbosity", values::verbosity);
        let unfound = layers.unfound_paths(&root);
        let paths = layers.take("paths", values::paths);
        let below_root = |path: PathBuf, origin: &Origin| match origin {
            Origin::File { .. } => root.join(path),
            _ => path,
        };
        let case = layers.case_settings();
        let defaults = layers.into_defaults()?;
        Ok(Self {
            profile,
            jobs: jobs.unwrap_or_else(|| Setting::built_in(cores)),
            io_jobs: io_jobs.unwrap_or_else(|| Setting::built_in(IO_JOBS)),
            junit: junit.map_or_else(
                || Setting::built_in(None),
                |Setting { value, origin }| Setting { value: Some(below_root(value, &origin)), origin },
            ),
            order: order.unwrap_or_else(|| Setting::built_in(Order::Longest)),
            history: history.unwrap_or_else(|| Setting::built_in(true)),
            max_fail,
            run_timeout,
            retry_budget,
            flaky: flaky.unwrap_or_else(|| Setting::built_in(Flaky::Pass)),
            color: color.unwrap_or_else(|| Setting::built_in(Color::Auto)),
            verbosity: verbosity.unwrap_or_else(|| Setting::built_in(Verbosity::Normal)),
            paths: paths.map_or_else(
                || Setting::built_in(vec![PathBuf::from(".")]),
                |Setting { value, origin }| Setting {
                    value: value.into_iter().map(|path| below_root(path, &origin)).collect(),
                    origin,
                },
            ),
            defaults,
            unfound,
            case,
            has_file,
            root,
        })
    }
}

#[cfg(test)]
mod tests;
