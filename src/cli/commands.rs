//! The commands beside running cases, each in a file of its own.

use std::error::Error;

use clap::{Parser, Subcommand};

use crate::cli::arguments::Arguments;
use crate::cli::check::{self, CheckArguments};
use crate::cli::completions::{self, CompletionsArguments};
use crate::cli::config::{self, ConfigArguments};
use crate::cli::explain::{self, ExplainArguments};
use crate::cli::history::{self, FlakyArguments, HistoryArguments};
use crate::cli::init::{self, InitArguments};
use crate::cli::interfere::{self, InterfereArguments};
use crate::cli::man::{self, ManArguments};
use crate::cli::merge::{self, MergeArguments};
use crate::cli::plan::{self, PlanArguments};
use crate::cli::record::{self, RecordArguments};
use crate::cli::report::{self, ReportArguments};
use crate::cli::run;
use crate::cli::schema::{self, SchemaArguments};
use crate::session::ExitStatus;

/// Run test cases that are written as data, in parallel
///
/// Every file named *.test.json, *.test.toml or *.test.yaml below the given paths holds one test case or a list of
/// them: what to run, and what to expect of it. Each case runs in a private directory, within a time limit, and
/// leaves nothing behind.
#[derive(Clone, Debug, Parser)]
#[command(name = "partest", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(after_help = EXAMPLES, after_long_help = LONG_HELP)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    run: Arguments,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    Init(InitArguments),
    Record(RecordArguments),
    Check(CheckArguments),
    Config(ConfigArguments),
    Explain(ExplainArguments),
    Report(ReportArguments),
    Merge(MergeArguments),
    Plan(PlanArguments),
    History(HistoryArguments),
    Flaky(FlakyArguments),
    Interfere(Box<InterfereArguments>),
    Schema(SchemaArguments),
    Completions(CompletionsArguments),
    Man(ManArguments),
}

impl CommandLine {
    /// Does what was asked for.
    pub(super) fn execute(&self) -> Result<ExitStatus, Box<dyn Error>> {
        match &self.command {
            None => run::execute(&self.run),
            Some(Command::Init(arguments)) => init::execute(arguments),
            Some(Command::Record(arguments)) => record::execute(arguments),
            Some(Command::Check(arguments)) => check::execute(arguments),
            Some(Command::Config(arguments)) => config::execute(arguments),
            Some(Command::Explain(arguments)) => explain::execute(arguments),
            Some(Command::Report(arguments)) => report::execute(arguments),
            Some(Command::Merge(arguments)) => merge::execute(arguments),
            Some(Command::Plan(arguments)) => plan::execute(arguments),
            Some(Command::History(arguments)) => history::execute(arguments),
            Some(Command::Flaky(arguments)) => history::execute_flaky(arguments),
            Some(Command::Interfere(arguments)) => interfere::execute(arguments),
            Some(Command::Schema(arguments)) => schema::execute(arguments),
            Some(Command::Completions(arguments)) => completions::execute(arguments),
            Some(Command::Man(arguments)) => man::execute(arguments),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  partest                            run everything below the working directory
  partest ./suite -j 8               eight cases at the same time
  partest --filter login             cases with \"login\" in their id
  partest --filter 'api/*::create*'  a glob for whole ids
  partest --tag smoke                cases with a tag
  partest --list                     only show the ids
  partest --junit report.xml         for a CI
  partest check                      only show what is wrong with the descriptors
  partest init                       write a first suite

Exit codes: 0 all passed, 1 some failed, 2 usage or broken descriptors, 3 partest's own trouble, 4 nothing found";

const LONG_HELP: &str = "\
First suite:
  Save this as hello.test.json and run partest; or begin with partest init.
  {
    \"name\": \"says hello\",
    \"run\": [\"echo\", \"hello\"],
    \"expect\": { \"stdout\": \"hello\\n\" }
  }

Examples:
  partest                            run everything below the working directory
  partest ./suite -j 8               eight cases at the same time
  partest --filter login             cases with \"login\" in their id
  partest --filter 'api/*::create*'  a glob for whole ids
  partest --exact 'api/users::adds'  one case, as a failure tells you to
  partest -E 'tag(smoke) & !id(~slow) | path(api/**)'
                                     cases for which an expression holds
  partest explain 'api/users::adds'  what the case is made of, and where each value stands
  partest --list --format json       the cases, for programs
  partest --junit report.xml         for a CI
  partest --resume                   what the last run did not come to
  partest report --from last         its reports once more
  partest plan -j 8                  how long a run may take, and what would make it shorter
  partest --shard 2/4                the second of four parts; partest merge makes one run of them
  partest --fail-fast                start nothing more after the first failure; --max-fail N after the Nth
  partest --run-timeout 30m          end a run that takes longer
  partest --exact 'api/users::adds' --repeat 100 --until-fail
                                     how steady a case is; --stress 10m: for ten minutes
  partest interfere 'api/users::adds'
                                     which other cases make it fail
  partest --last-failed              what failed when it last ran
  partest history 'api/users::adds'  what came of a case in earlier runs; partest flaky: the unsteady ones
  partest --update                   take what is printed now as what is expected in golden files
  partest check ./suite              what is wrong with the descriptors, without running anything

Files:
  *.test.json, *.test.toml, *.test.yaml, *.test.yml   test cases
  suite.json, suite.toml, suite.yaml, suite.yml       defaults for a folder and everything below it
  partest.toml                                        how the project runs its suites: partest config --help
  .partest/junit.xml                                  the report of the last run
  .partest/runs/*/journal.jsonl                       what happened in the last runs, event by event
  .partest/history.db                                 what came of each case in earlier runs

Exit codes:
  0      every case passed, was skipped or failed as expected
  1      some case failed, timed out, could not be started or was left without a verdict
  2      wrong usage, or a broken descriptor
  3      partest's own trouble: a report cannot be written, an internal error
  4      nothing found
  128+n  ended by signal n (130 after Ctrl-C); the reports are written all the same";
