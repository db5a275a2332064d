//! `partest report`: the reports of a run once more, from its journal.

use std::error::Error;
use std::path::PathBuf;

use clap::Args;

use crate::cli::again::Again;
use crate::cli::arguments::Format;
use crate::cli::settings::{self, LookArguments};
use crate::cli::{complain, console, fail};
use crate::report::{JunitOptions, JunitReporter};
use crate::session::{ExitStatus, PastRun, working_directory};

/// Show the reports of a run once more, from its journal; nothing is run
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ReportArguments {
    /// Which run: "last", a folder of .partest/runs, or a journal
    #[arg(long, value_name = "RUN", default_value = "last")]
    from: String,

    /// Write a JUnit XML report to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// What is written to standard output: text for people, or the journal
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    #[command(flatten)]
    look: LookArguments,
}

const EXAMPLES: &str = "\
Examples:
  partest report                      the last run
  partest report -q                   only what failed in it
  partest report --junit report.xml   and a JUnit report of it";

/// Shows the run. Success is to have shown it, whatever came of its cases.
pub(super) fn execute(arguments: &ReportArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let mut settings = match settings::load(&working_directory()?, None) {
        Ok(settings) => settings,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    arguments.look.apply(&mut settings);
    let run = match PastRun::find(&settings.root, &arguments.from) {
        Ok(run) => run,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    let console =
        console::console(arguments.format, &settings, &Again::default(), arguments.junit.as_deref())?;
    let mut reporters = console.reporters;
    if let Some(path) = &arguments.junit {
        JunitReporter::check_writable(path)?;
        let junit = JunitReporter::new(vec![path.clone()], JunitOptions::default());
        reporters = reporters.with("the JUnit report", Box::new(junit));
    }
    let mut shown = match run.show(reporters) {
        Ok(shown) => shown,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    shown.complaints.extend(console.output.finish(None).err());
    if shown.missing > 0 {
        complain(&format!(
            "the run was killed, or its journal could not be written: {} of its cases have no result (`partest --resume` runs them)",
            shown.missing
        ));
    }
    shown.complaints.iter().for_each(|complaint| complain(complaint));
    Ok(if shown.complaints.is_empty() { ExitStatus::Success } else { ExitStatus::Internal })
}
