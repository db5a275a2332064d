//! `partest config`: which settings a run would have, and why.

use std::error::Error;

use clap::Args;

use crate::cli::settings::SettingArguments;
use crate::cli::{fail, print};
use crate::session::{ExitStatus, working_directory};

/// Show every setting that a run would have, and where it comes from
///
/// Settings come from partest.toml, in this folder or the nearest one above, then from variables (PARTEST_JOBS,
/// PARTEST_IO_JOBS, PARTEST_JUNIT, PARTEST_ORDER, PARTEST_HISTORY, PARTEST_COLOR, PARTEST_VERBOSITY, PARTEST_TIMEOUT, PARTEST_SLOW_AFTER,
/// PARTEST_GRACE, PARTEST_RETRIES, PARTEST_MAX_FAIL, PARTEST_RUN_TIMEOUT, PARTEST_RETRY_BUDGET,
/// PARTEST_FLAKY, PARTEST_PROFILE), then from flags; each goes before those named earlier.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConfigArguments {
    #[command(flatten)]
    settings: SettingArguments,
}

const EXAMPLES: &str = "\
Examples:
  partest config                settings as they are
  partest config --profile ci   as they would be with --profile ci

A partest.toml:
  [profile.default]
  paths = [\"suite\"]      # what runs when nothing is named, relative to this file
  jobs = 8               # also: junit, order, history, color, verbosity (quiet, normal, verbose, outputs)
  timeout = \"30s\"        # also: slow_after, grace, retries; for cases that say nothing themselves

  [profile.ci]           # has what default has, unless it says inherits = \"other\"
  junit = \"report.xml\"
  max_fail = 10          # also: run_timeout, retry_budget, flaky
  retries = 1";

/// Shows the settings.
pub(super) fn execute(arguments: &ConfigArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let settings = match arguments.settings.load(&working_directory()?) {
        Ok(settings) => settings,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    print(|out| settings.write(out))?;
    Ok(ExitStatus::Success)
}
