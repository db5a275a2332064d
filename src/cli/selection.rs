//! What can be typed to say which cases are run, and in which order.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::BuildHasher as _;
use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use crate::cli::again::Again;
use crate::cli::commands::CommandLine;
use crate::cli::settings::{self, SettingArguments};
use crate::cli::shards::{ShardArgument, ShardError};
use crate::cli::variables::VariableArguments;
use crate::config::{self, Origin, Setting, Settings, SettingsError};
use crate::descriptor::nearest;
use crate::discovery::is_below;
use crate::plan::{Expression, ExpressionError, Order, Recall, Selection};
use crate::runner::Policy;
use crate::session::{Config, ExitStatus, working_directory};

/// Which cases.
#[derive(Clone, Debug, Args)]
pub(super) struct SelectionArguments {
    /// Folders to search for descriptors, or descriptors [default: what partest.toml says, or else .]
    ///
    /// A folder that is called like a command is named with a path: ./check.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Run only cases whose id matches: a part of it, or a glob with * and ? for the whole
    ///
    /// May be given several times: a case that matches one of the patterns runs.
    #[arg(short, long = "filter", value_name = "PATTERN")]
    filters: Vec<String>,

    /// Run only the case with this id, as --list shows it
    ///
    /// May be given several times, also beside --filter: what either names runs. An id that no case has ends the command.
    #[arg(short, long, value_name = "ID", allow_hyphen_values = true)]
    exact: Vec<String>,

    /// Run only cases for which an expression holds, as in 'tag(smoke) & !id(~slow) | path(api/**)'
    ///
    /// Predicates are id(PATTERN), name(PATTERN), path(PATTERN), suite(PATTERN) and tag(PATTERN). A pattern is ~part,
    /// =whole, /regex/, or a glob for the whole. They are joined by ! & | or the words not, and, or, and by parentheses. In path and suite a *
    /// stays within a folder, and ** does not.
    ///
    /// May be given several times: a case for which one of them holds runs. Beside it, --filter and --exact must name the
    /// case as well, and --tag one of its tags.
    #[arg(short = 'E', long = "expression", value_name = "EXPRESSION")]
    expressions: Vec<String>,

    /// Run only cases with this tag
    ///
    /// May be given several times: a case with one of the tags runs. It is short for -E 'tag(TAG)'.
    #[arg(short, long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    #[command(flatten)]
    past: PastArguments,

    /// Run one of several parts of the cases that are selected, as in 2/4
    ///
    /// All parts together are the whole, and take about the same time each, as far as earlier runs tell: all of them need
    /// the same .partest/history.db then, or none. hash:2/4 and slice:2/4 need none: by the hash of the id, or one after
    /// another. "auto" takes both numbers from the variables of a CI, and fails where they are not set:
    /// those of GitLab, Heroku CI, CircleCI, Buildkite, Bitbucket, Semaphore, Azure Pipelines, Bazel, googletest, Slurm and Cloud Run; auto/N
    /// also those of Kubernetes and AWS Batch, which say no number of shards.
    #[arg(long, value_name = "K/N")]
    shard: Option<ShardArgument>,

    #[command(flatten)]
    variables: VariableArguments,
}

/// What earlier runs must say of a case, and where it stands among the others.
#[derive(Clone, Debug, Args)]
struct PastArguments {
    /// Run only cases that failed when they last ran; all that are selected, if none did
    ///
    /// Of --last-failed, --not-run and --new, several mean "or". What else is selected must hold, too.
    #[arg(long)]
    last_failed: bool,

    /// Run only cases that the last run gave no verdict: those that it did not select or did not come to
    #[arg(long)]
    not_run: bool,

    /// Run only cases that no run has had
    #[arg(long)]
    new: bool,

    /// Run cases first that failed when they last ran
    #[arg(long)]
    failed_first: bool,

    /// Run cases in the random order that this number stands for, as the first line of such a run says
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl PastArguments {
    fn recall(&self) -> Vec<Recall> {
        let wanted =
            [(self.last_failed, Recall::LastFailed), (self.not_run, Recall::NotRun), (self.new, Recall::New)];
        wanted.into_iter().filter_map(|(wanted, recall)| wanted.then_some(recall)).collect()
    }

    fn order(&self, setting: &Setting<config::Order>) -> Result<Order, ConfigError> {
        match (self.seed, setting.value) {
            (Some(_), config::Order::Path | config::Order::Longest)
                if matches!(setting.origin, Origin::Flag(_)) =>
            {
                Err(ConfigError::Seed(setting.value.as_str()))
            }
            (Some(seed), _) => Ok(Order::Random { seed }),
            (None, config::Order::Random) => {
                // Short enough to be typed.
                Ok(Order::Random { seed: RandomState::new().hash_one(()) % 1_000_000 })
            }
            (None, config::Order::Path) => Ok(Order::Path),
            (None, config::Order::Longest) => Ok(Order::Longest),
        }
    }
}

/// What a run is given.
pub(super) struct Asked {
    /// For the engine.
    pub(super) config: Config,
    /// For the console.
    pub(super) settings: Settings,
    /// How a case is run again.
    pub(super) again: Again,
    /// What to tell at once.
    pub(super) note: Option<String>,
}

/// Why a run cannot be configured.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    /// A filter expression is wrong.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// There is no such shard.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// A seed is given for an order that has none.
    #[error("--seed is for --order random, and --order {0} is not random")]
    Seed(&'static str),
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The working directory does not exist any more.
    #[error(transparent)]
    WorkingDirectory(#[from] io::Error),
}

impl ConfigError {
    /// What it says to the shell.
    pub(super) fn status(&self) -> ExitStatus {
        match self {
            Self::Expression(_) | Self::Settings(_) | Self::Seed(_) | Self::Shard(_) => ExitStatus::Usage,
            Self::WorkingDirectory(_) => ExitStatus::Internal,
        }
    }
}

impl SelectionArguments {
    /// Whether paths were named.
    pub(super) fn names_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    /// What the arguments mean.
    pub(super) fn asked(&self, settings: &SettingArguments) -> Result<Asked, ConfigError> {
        let folder = working_directory()?;
        let profile = settings.profile();
        let settings = settings.load(&folder)?;
        let shard = self.shard.map(|shard| shard.find(&|name| env::var_os(name))).transpose()?;
        let config = Config {
            paths: settings::paths(&self.paths, &folder, &settings)?,
            root: settings.root.clone(),
            selection: self.selection()?,
            recall: self.past.recall(),
            share: shard.as_ref().map(|found| found.share),
            order: self.past.order(&settings.order)?,
            failed_first: self.past.failed_first,
            history: settings.history.value,
            jobs: settings.jobs.value,
            io_jobs: settings.io_jobs.value,
            junit: settings.junit.value.clone(),
            discover: self.variables.options(&settings),
            update: false,
            repeat: None,
            stress: None,
            policy: Policy::default(),
        };
        let plain = folder == settings.root && self.paths.iter().all(|path| is_below(path, &folder));
        let paths = if plain { &[][..] } else { &config.paths };
        let again = Again {
            flags: profile.flag().into_iter().chain(self.variables.flags()).collect(),
            paths: paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        };
        Ok(Asked { config, settings, again, note: shard.and_then(|found| found.note) })
    }

    /// What to say where the first path does not exist and a command was meant by it.
    pub(super) fn misspelt_command(&self) -> Option<String> {
        let (path, others) = self.paths.split_first()?;
        let word = path.to_str().filter(|word| word.len() > 2 && !path.exists())?;
        let command = CommandLine::command();
        let commands = || command.get_subcommands().map(clap::Command::get_name);
        if commands().any(|name| name == word) {
            return Some(format!("the command `{word}` stands before all flags: partest {word} …"));
        }
        let near = if others.is_empty() { nearest(word, commands()) } else { None };
        near.map(|near| format!("there is no such file or folder; did you mean the command `{near}`?"))
    }

    fn selection(&self) -> Result<Selection, ExpressionError> {
        let mut selection = Selection::new(&self.filters, &self.exact);
        if !self.expressions.is_empty() {
            let expressions = self.expressions.iter().map(|text| Expression::parse(text));
            selection = selection.and(Expression::any(expressions.collect::<Result<_, _>>()?));
        }
        if !self.tags.is_empty() {
            selection = selection.and(Expression::tagged(&self.tags)?);
        }
        Ok(selection)
    }
}
