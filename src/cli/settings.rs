//! The flags that stand above `partest.toml` and the variables.

use std::env;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, ColorChoice, ValueEnum};

use crate::cli::numbers::positive;
use crate::config::{Color, Order, Settings, SettingsError, Verbosity};

/// Which profile.
#[derive(Clone, Debug, Args)]
pub(super) struct ProfileArgument {
    /// Use this profile of partest.toml [default: $PARTEST_PROFILE, or else "default"]
    #[arg(short = 'P', long, value_name = "NAME")]
    profile: Option<String>,
}

impl ProfileArgument {
    /// Its name, where one is given.
    pub(super) fn name(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// The flag as it was given.
    pub(super) fn flag(&self) -> Option<(&'static str, String)> {
        Some(("--profile", self.profile.clone()?))
    }
}

/// How cases start, whatever is made of their results.
#[derive(Clone, Debug, Args)]
pub(super) struct StartArguments {
    #[command(flatten)]
    profile: ProfileArgument,

    /// How many cases run at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = positive::<NonZeroUsize>)]
    jobs: Option<NonZeroUsize>,

    /// How many cases that mostly wait run beside them [default: 64]
    #[arg(long, value_name = "N", value_parser = positive::<NonZeroUsize>)]
    io_jobs: Option<NonZeroUsize>,

    /// In which order cases start: as the files stand, those first that took longest in earlier runs, or at random
    /// [default: longest]
    #[arg(long, value_enum, value_name = "ORDER")]
    order: Option<OrderArgument>,
}

/// How a run is carried out, rather than of what.
#[derive(Clone, Debug, Args)]
pub(super) struct SettingArguments {
    #[command(flatten)]
    start: StartArguments,

    /// Write a JUnit XML report to this file, besides .partest/junit.xml
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Neither remember this run nor ask earlier ones
    #[arg(long)]
    no_history: bool,

    #[command(flatten)]
    look: LookArguments,
}

/// In which order cases start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OrderArgument {
    Path,
    Longest,
    Random,
}

/// How the console looks.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct LookArguments {
    /// When to use colours; auto, the default, also heeds NO_COLOR and CLICOLOR_FORCE
    #[arg(long, value_enum, value_name = "WHEN")]
    color: Option<ColorChoice>,

    /// Show failures and the summary only
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,

    /// Show every case, also on a terminal; twice: with the output of those that pass
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

impl From<&StartArguments> for SettingArguments {
    /// For a command that has no other flags for settings.
    fn from(start: &StartArguments) -> Self {
        Self { start: start.clone(), junit: None, no_history: false, look: LookArguments::default() }
    }
}

impl SettingArguments {
    /// Which profile.
    pub(super) fn profile(&self) -> &ProfileArgument {
        &self.start.profile
    }

    /// The settings for a run in `folder`: these flags, over the variables, over `partest.toml`.
    pub(super) fn load(&self, folder: &Path) -> Result<Settings, SettingsError> {
        let start = &self.start;
        let mut settings = load(folder, start.profile.name())?;
        settings.jobs.override_by("--jobs", start.jobs);
        settings.io_jobs.override_by("--io-jobs", start.io_jobs);
        settings.junit.override_by("--junit", self.junit.clone().map(Some));
        let order = start.order.map(|order| match order {
            OrderArgument::Path => Order::Path,
            OrderArgument::Longest => Order::Longest,
            OrderArgument::Random => Order::Random,
        });
        settings.order.override_by("--order", order);
        settings.history.override_by("--no-history", self.no_history.then_some(false));
        self.look.apply(&mut settings);
        Ok(settings)
    }
}

impl LookArguments {
    /// Puts these flags over the settings.
    pub(super) fn apply(&self, settings: &mut Settings) {
        settings.color.override_by(
            "--color",
            self.color.map(|choice| match choice {
                ColorChoice::Auto => Color::Auto,
                ColorChoice::Always => Color::Always,
                ColorChoice::Never => Color::Never,
            }),
        );
        settings.verbosity.override_by("--quiet", self.quiet.then_some(Verbosity::Quiet));
        settings.verbosity.override_by(
            "--verbose",
            match self.verbose {
                0 => None,
                1 => Some(Verbosity::Verbose),
                _ => Some(Verbosity::Outputs),
            },
        );
    }
}

/// The settings for a command in `folder` that has no flags for them.
pub(super) fn load(folder: &Path, profile: Option<&str>) -> Result<Settings, SettingsError> {
    Settings::load(folder, profile, &|name| env::var_os(name))
}

/// The paths to search: those that were named, relative to `folder`, or those of the settings.
pub(super) fn paths(
    named: &[PathBuf],
    folder: &Path,
    settings: &Settings,
) -> Result<Vec<PathBuf>, SettingsError> {
    let paths = if named.is_empty() { settings.own_paths()? } else { named };
    // As they were typed, where that means the same.
    if folder == settings.root {
        return Ok(paths.to_vec());
    }
    Ok(paths.iter().map(|path| folder.join(path)).collect())
}
