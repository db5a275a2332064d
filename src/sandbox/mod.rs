//! Where a case runs: a private directory, the files it is given, a clean environment.
//!
//! Entry points: [`RunDirectory::create`], [`Workspace::create`], [`CleanEnvironment`], [`remove_tree`].
//!
//! It must never follow a link out of a directory it fills, reads or removes, change the mode of what it does not
//! own, or remove the directory of a run that is alive.

mod environment;
mod inputs;
mod outputs;
mod remove;
mod run_directory;
#[cfg(test)]
mod tests;
mod workspace;

pub use environment::{CleanEnvironment, Surroundings};
pub use inputs::{InputError, InputFault, matching_files};
pub use outputs::{OutputFault, OutputFile, Outputs, WorkingDirectory};
pub use remove::remove_tree;
pub use run_directory::RunDirectory;
pub use workspace::{Workspace, WriteError};
