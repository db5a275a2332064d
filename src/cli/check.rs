//! `partest check`: what is wrong with the descriptors.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;

use crate::cli::run::nothing_found;
use crate::cli::settings::ProfileArgument;
use crate::cli::variables::VariableArguments;
use crate::cli::{complain, fail, print, settings};
use crate::session::{self, Config, ExitStatus, Listing, working_directory};

/// Show what is wrong with the descriptors, and run nothing
///
/// partest.toml and every descriptor and suite file below the paths are read, and what is wrong is shown with its place and a way
/// out. One mistake may hide others of the same case, which show when it is gone.
/// Exit codes: 0 when there is none, 2 when there is one, 4 when there is no descriptor.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckArguments {
    /// Folders to search for descriptors, or descriptors [default: what partest.toml says, or else .]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    profile: ProfileArgument,

    #[command(flatten)]
    variables: VariableArguments,
}

const EXAMPLES: &str = "\
Examples:
  partest check                      what `partest` would run
  partest check suite/api.test.json  one file, as an editor or a hook before commits does";

/// Says what is wrong, or how much was found.
pub(super) fn execute(arguments: &CheckArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let folder = working_directory()?;
    let settings = match settings::load(&folder, arguments.profile.name()) {
        Ok(settings) => settings,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    let paths = match settings::paths(&arguments.paths, &folder, &settings) {
        Ok(paths) => paths,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    let discover = arguments.variables.options(&settings);
    // Slots matter for what could never start.
    let (jobs, io_jobs) = (settings.jobs.value, settings.io_jobs.value);
    let config = Config { jobs, io_jobs, ..Config::of(paths, settings.root, discover) };
    let plan = session::plan(&config).plan;
    if plan.total() == 0 {
        complain(&nothing_found(&config));
        return Ok(ExitStatus::NothingMatched);
    }
    let listing = Listing::new(&plan);
    if listing.has_errors() {
        let (errors, files) = (count(listing.errors(), "error"), count(listing.broken_files(), "file"));
        print(|out| {
            listing.diagnostics().try_for_each(|diagnostic| writeln!(out, "{diagnostic}\n"))?;
            writeln!(out, "{errors} in {files}; {} can run", count(listing.cases(), "case"))
        })?;
        return Ok(ExitStatus::Usage);
    }
    let files = count(plan.suites().len(), "file");
    print(|out| writeln!(out, "{} in {files}, no errors", count(listing.cases(), "case")))?;
    Ok(ExitStatus::Success)
}

/// A number with its noun.
fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}
