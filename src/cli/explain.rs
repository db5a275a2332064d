//! `partest explain`: what a case is made of, and where each value stands.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::slice;

use clap::Args;

use crate::cli::settings::ProfileArgument;
use crate::cli::variables::VariableArguments;
use crate::cli::{complain, fail, print, settings};
use crate::descriptor::{Explained, Explanation, Origin};
use crate::discovery;
use crate::plan::Selection;
use crate::runner;
use crate::session::{ExitStatus, no_such_id, working_directory};
use crate::text::redact::Redactor;
use crate::text::terminal::{Colours, printable};

/// Where the places begin, unless a value is longer.
const COLUMN: usize = 48;

/// Show what a case is made of, and where each value stands
///
/// Everything is shown that the case says, that it inherits from its file and from suite files, and that partest adds,
/// with its variables put in.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExplainArguments {
    /// The id of the case, as --list shows it
    #[arg(value_name = "ID")]
    id: String,

    /// Folders to search for it, or descriptors [default: what partest.toml says, or else .]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    profile: ProfileArgument,

    #[command(flatten)]
    variables: VariableArguments,
}

const EXAMPLES: &str = "\
Examples:
  partest explain 'api/users::adds'            what the case is made of
  partest explain 'api/users::adds' --var n=3  with another value for a variable";

/// Explains a case on standard output; what is wrong goes to standard error.
pub(super) fn execute(arguments: &ExplainArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let folder = working_directory()?;
    let settings = match settings::load(&folder, arguments.profile.name()) {
        Ok(settings) => settings,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    let options = arguments.variables.options(&settings);
    let paths = match settings::paths(&arguments.paths, &folder, &settings) {
        Ok(paths) => paths,
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    let id = &arguments.id;
    if let Some(explanation) = discovery::explain(id, &paths, &settings.root, &options) {
        let redactors = match redactors(&explanation) {
            Ok(redactors) => redactors,
            Err(reason) => {
                complain(&reason);
                return Ok(ExitStatus::Usage);
            }
        };
        print(|out| write(&explanation, &redactors, out))?;
        return Ok(ExitStatus::Success);
    }
    let found = discovery::discover_exact(id, &paths, &settings.root, &options);
    let asked = Selection::new(&[], slice::from_ref(id));
    if !asked.unknown(&found.cases, &found.broken).is_empty() {
        let all = discovery::discover(&paths, &settings.root, &options).cases;
        complain(&no_such_id(id, all.iter().map(|case| case.info.id.as_str())));
        return Ok(ExitStatus::NothingMatched);
    }
    for failure in found.broken.iter().flat_map(|result| result.all_failures()) {
        complain(if failure.detail.is_empty() { &failure.message } else { &failure.detail });
    }
    Ok(ExitStatus::Usage)
}

/// What masks the secrets of the case, and of what is beside it.
fn redactors(explanation: &Explanation) -> Result<Vec<Redactor>, String> {
    let redactor = |set: &Vec<_>| runner::redactor(&explanation.secrets, set).transpose();
    explanation.environments.iter().filter_map(redactor).collect()
}

fn write(explanation: &Explanation, redactors: &[Redactor], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", printable(&explanation.id, Colours::Remove))?;
    let write_value = |value: &Explained, out: &mut dyn Write| {
        writeln!(out, "{}", printable(&line(value, redactors), Colours::Remove))
    };
    for value in &explanation.values {
        write_value(value, out)?;
    }
    writeln!(out, "\ntakes {}", printable(&explanation.takes, Colours::Remove))?;
    if !explanation.variables.is_empty() {
        writeln!(out, "\nvariables")?;
    }
    explanation.variables.iter().try_for_each(|value| write_value(value, out))
}

fn line(value: &Explained, redactors: &[Redactor]) -> String {
    let masked = |mut text: String| {
        redactors.iter().for_each(|redactor| redactor.text(&mut text));
        text
    };
    let text = masked(format!("{} = {}", value.path, value.value));
    let origin = match &value.origin {
        Origin::File(position) => position.to_string(),
        Origin::CommandLine => "--var".to_owned(),
        Origin::Default => "default".to_owned(),
    };
    let template =
        value.template.as_ref().map_or_else(String::new, |text| masked(format!(", from {text:?}")));
    format!("  {text:COLUMN$}  # {origin}{template}")
}
