//! From the command of a descriptor to a process that can be started.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use crate::model::{ResourceLimits, RunCommand};
use crate::process::{self, Command, Input};
use crate::text::{TemplateError, Variables};

/// The process of a command, which reads nothing and is not bounded. `environment` is its whole environment, and
/// `directory` the absolute path of where it starts.
///
/// # Errors
/// A message: a template has no value, or the program is not found.
pub fn program(
    command: &RunCommand,
    variables: &Variables,
    environment: &Arc<[(OsString, OsString)]>,
    directory: &Path,
) -> Result<Command, String> {
    let arguments = arguments(command, variables).map_err(|error| error.to_string())?;
    process_of(arguments, environment, directory)
}

/// The program and its arguments, with every `{{ name }}` replaced.
pub(super) fn arguments(command: &RunCommand, variables: &Variables) -> Result<Vec<OsString>, TemplateError> {
    match command {
        RunCommand::Program(arguments) => {
            arguments.iter().map(|argument| Ok(argument.render(variables)?.into_owned().into())).collect()
        }
        RunCommand::Shell(script) => {
            let script = script.render(variables)?.into_owned();
            Ok(["/bin/sh".to_owned(), "-eu".to_owned(), "-c".to_owned(), script].map(OsString::from).into())
        }
    }
}

/// The process of a program and its arguments.
pub(super) fn process_of(
    args: Vec<OsString>,
    environment: &Arc<[(OsString, OsString)]>,
    directory: &Path,
) -> Result<Command, String> {
    let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    let name = args.first().map_or(OsStr::new(""), OsString::as_os_str);
    let program = process::find_program(name, path, directory).map_err(|error| error.to_string())?;
    let (env, cwd) = (Arc::clone(environment), directory.to_owned());
    let limits = ResourceLimits::default();
    Ok(Command { program, args, env, cwd, stdin: Input::Null, limits, spill: None })
}
