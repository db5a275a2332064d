//! `partest completions`: what a shell needs to complete the command line.

use std::error::Error;

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use crate::cli::commands::CommandLine;
use crate::cli::print;
use crate::session::ExitStatus;

/// Print the script with which a shell completes commands and flags
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompletionsArguments {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  partest completions bash > ~/.local/share/bash-completion/completions/partest
  partest completions zsh > \"${fpath[1]}/_partest\"
  partest completions fish > ~/.config/fish/completions/partest.fish";

/// Prints the script.
pub(super) fn execute(arguments: &CompletionsArguments) -> Result<ExitStatus, Box<dyn Error>> {
    // The generator takes no failure of its writer for an answer.
    let mut script = Vec::new();
    generate(arguments.shell, &mut CommandLine::command(), "partest", &mut script);
    print(|out| out.write_all(&script))?;
    Ok(ExitStatus::Success)
}
