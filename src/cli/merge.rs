//! `partest merge`: one run of the journals of its shards.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;

use crate::cli::again::Again;
use crate::cli::arguments::Format;
use crate::cli::settings::{self, LookArguments};
use crate::cli::{complain, console, fail};
use crate::session::{self, ExitStatus, MergeError, MergeOptions, working_directory};

/// Make one run of the shards of a run, with every report; nothing is run
///
/// The new run lies in .partest/runs and is the last one from then on. Exit codes: those of a run, as if it had not been
/// divided; 2 for runs that are not shards of the same run; 3 when a shard is missing, is there twice, or was cut off.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MergeArguments {
    /// The shards: journals, folders with a journal, or folders with such folders
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    /// Write a JUnit XML report to this file, besides .partest/junit.xml
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// What is written to standard output: text for people, or the journal
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    /// Do not remember the run
    #[arg(long)]
    no_history: bool,

    #[command(flatten)]
    look: LookArguments,
}

const EXAMPLES: &str = "\
Examples:
  partest --shard 1/2                              on one machine, and keep .partest/runs
  partest --shard 2/2                              on another one
  partest merge shard-1 shard-2 --junit report.xml  where both folders have been brought";

/// Merges the shards.
pub(super) fn execute(arguments: &MergeArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let folder = working_directory()?;
    let mut settings = match settings::load(&folder, None) {
        Ok(settings) => settings,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    arguments.look.apply(&mut settings);
    let runs = match session::find_shards(&settings.root, &folder, &arguments.runs) {
        Ok(runs) => runs,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    let options = MergeOptions {
        root: settings.root.clone(),
        junit: arguments.junit.clone(),
        history: settings.history.value && !arguments.no_history,
    };
    let console =
        console::console(arguments.format, &settings, &Again::default(), arguments.junit.as_deref())?;
    match session::merge(&runs, &options, console.reporters) {
        Ok(mut ended) => {
            ended.complaints.extend(console.output.finish(None).err());
            ended.complaints.iter().chain(&ended.warnings).for_each(|line| complain(line));
            Ok(match ended.status() {
                // Shards without cases are shards.
                ExitStatus::NothingMatched => ExitStatus::Success,
                status => status,
            })
        }
        Err(MergeError::Session(error)) => Err(error.into()),
        Err(error) => Ok(fail(&error, ExitStatus::Usage)),
    }
}
