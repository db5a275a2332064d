//! The command line: arguments in, exit code out.
//!
//! Entry point: [`main`]. It turns what was typed into a [`Config`](crate::session::Config), chooses
//! how the console looks, and passes signals on. It knows nothing of how cases run. Each command has a file of its
//! own; `run` is the one without a name.

mod again;
mod arguments;
mod check;
mod commands;
mod completions;
mod config;
mod console;
mod ending;
mod explain;
mod history;
mod init;
mod interfere;
mod man;
mod merge;
mod numbers;
mod pairs;
mod plan;
mod record;
mod recorded;
mod report;
mod resume;
mod run;
mod schema;
mod selection;
mod settings;
mod shards;
mod variables;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::commands::CommandLine;
use crate::process;
use crate::session::ExitStatus;

/// Runs the command with the arguments of the process. Begins with [`init`](crate::init).
pub fn main() -> ExitCode {
    process::init();
    process::hear_signals();
    process::widen_heaps();
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help that nobody reads any more is no failure.
            let _ = error.print();
            return if error.use_stderr() { exit(ExitStatus::Usage) } else { exit(ExitStatus::Success) };
        }
    };
    match line.execute() {
        Ok(status) => exit(status),
        Err(error) => {
            complain(&error.to_string());
            exit(ExitStatus::Internal)
        }
    }
}

fn exit(status: ExitStatus) -> ExitCode {
    ExitCode::from(status.code())
}

/// Says what is wrong on standard error.
fn complain(message: &str) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "partest: {message}");
}

/// Says why a command cannot do its work, and how it ends then.
fn fail(error: &dyn Error, status: ExitStatus) -> ExitStatus {
    complain(&error.to_string());
    status
}

/// Writes to standard output. That nobody reads to the end, as in `partest --list | head`, is no failure.
fn print(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other
            .map_err(|error| io::Error::new(error.kind(), format!("cannot write standard output: {error}"))),
    }
}
