//! What can be typed to run cases.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::ending::{EndArguments, duration};
use crate::cli::numbers::positive;
use crate::cli::selection::{Asked, ConfigError, SelectionArguments};
use crate::cli::settings::SettingArguments;
use crate::session::Config;

/// The arguments of a run.
#[derive(Clone, Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) selection: SelectionArguments,

    /// Show what would run, and run nothing
    #[arg(short, long)]
    pub(super) list: bool,

    /// What is written to standard output: text for people, or JSON
    ///
    /// With --list, JSON is one document with the keys "cases" and "errors". With a run it is the journal: one event a
    /// line, while the run goes on.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) format: Format,

    /// Rewrite the golden files that differ, instead of failing
    ///
    /// Golden files are what expectations of the form { "file": "expected.txt" } name. Refused where CI or
    /// another variable of a CI is set, such as TF_BUILD: a CI that rewrites what it expects tests nothing. What was changed
    /// is shown, unless with -q.
    #[arg(long, conflicts_with = "list")]
    update: bool,

    /// Run only what has no verdict in an earlier run, and report both together
    ///
    /// RUN is "last" (the default), a folder of .partest/runs, or a journal. Without paths, those of that run are used. What
    /// is not selected stays without a verdict, for the next --resume.
    #[arg(long, num_args = 0..=1, default_missing_value = "last", value_name = "RUN")]
    #[arg(conflicts_with_all = ["list", "last_failed", "not_run", "new", "shard"])]
    pub(super) resume: Option<String>,

    /// Run every selected case this many times, as far as there are slots at the same time
    ///
    /// The copies are told apart by their names, as in "adds [2/10]"; the summary says how many of them passed. Locks and
    /// the like hold between them, too.
    #[arg(long, value_name = "N", value_parser = positive::<NonZeroU32>)]
    #[arg(group = "repetition", conflicts_with_all = ["list", "update", "resume"])]
    repeat: Option<NonZeroU32>,

    /// Run the selected cases again and again for this long, with copies of the same case beside each other
    ///
    /// There are as many copies of a case as there are slots, and all cases have their turn equally often. What runs at the end
    /// comes to its end, and each case runs once at least. The summary says how many copies passed; of a case that failed
    /// only the first failure is told, in every report.
    #[arg(long, value_name = "DURATION", value_parser = duration, group = "repetition")]
    #[arg(conflicts_with_all = ["list", "update", "resume", "shard"])]
    stress: Option<Duration>,

    /// With --repeat or --stress, start nothing more after the first failure
    #[arg(long, requires = "repetition", conflicts_with_all = ["max_fail", "fail_fast"])]
    until_fail: bool,

    #[command(flatten)]
    settings: SettingArguments,

    #[command(flatten)]
    end: EndArguments,
}

/// What is written to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

impl Arguments {
    /// What the arguments mean.
    pub(super) fn asked(&self) -> Result<Asked, ConfigError> {
        let mut asked = self.selection.asked(&self.settings)?;
        let mut policy = self.end.policy(&mut asked.settings);
        if self.until_fail {
            policy.max_fail = Some(NonZeroUsize::MIN);
        }
        Ok(Asked {
            config: Config {
                update: self.update,
                repeat: self.repeat,
                stress: self.stress,
                policy,
                ..asked.config
            },
            ..asked
        })
    }
}
