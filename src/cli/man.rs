//! `partest man`: the manual pages.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::commands::CommandLine;
use crate::cli::print;
use crate::session::ExitStatus;

/// Print the manual page, or write the pages of all commands
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ManArguments {
    /// Write partest.1, partest-check.1 and so on into this folder, replacing what is there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  partest man | man -l -                    read it
  partest man --dir ~/.local/share/man/man1  then: man partest, man partest-record";

/// Prints or writes the pages.
pub(super) fn execute(arguments: &ManArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let mut command = CommandLine::command().disable_help_subcommand(true);
    command.build();
    match &arguments.dir {
        None => print(|out| page(&command, out))?,
        Some(folder) => {
            fs::create_dir_all(folder).map_err(|error| about(folder, &error))?;
            write(&command, folder)?;
            for command in command.get_subcommands() {
                write(command, folder)?;
            }
        }
    }
    Ok(ExitStatus::Success)
}

fn write(command: &Command, folder: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    page(command, &mut text)?;
    fs::write(&path, text).map_err(|error| about(&path, &error))
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

/// One page. What stands after the options in the long help is laid out by its lines, which a manual page would fill.
fn page(command: &Command, out: &mut dyn Write) -> io::Result<()> {
    let extra = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
    let man = Man::new(command.clone()).source(concat!("partest ", env!("CARGO_PKG_VERSION")));
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    for line in extra.unwrap_or_default().lines() {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            // A heading ends what is laid out by lines.
            Some(heading) => write!(out, ".SH \"{}\"\n.nf\n", heading.to_uppercase())?,
            None => writeln!(out, "{}", literally(line))?,
        }
    }
    Ok(())
}

/// A line that roff prints as it stands.
fn literally(line: &str) -> String {
    let text = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}
