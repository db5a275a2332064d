//! What surrounds the processes of a case or of a service: its variables, its environment, its directory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::descriptor::climbs;
use crate::disk;
use crate::model::{
    Environment, Failure, FailureKind, InlineFile, Input, Position, Service, TestCase, WorkingDirectory,
};
use crate::process::await_starts;
use crate::runner::secrets;
use crate::sandbox::{self, CleanEnvironment, Workspace};
use crate::text::Variables;
use crate::text::redact::Redactor;

/// Whose processes they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// What it is known by to its processes.
    id: &'a str,
    /// Which attempt, from 1.
    attempt: u32,
    /// The number of its slot; a service has none.
    slot: Option<usize>,
    position: &'a Position,
    folder: &'a Path,
    environment: &'a Environment,
    inputs: &'a [Input],
    files: &'a [InlineFile],
    cwd: &'a WorkingDirectory,
    secrets: &'a [String],
}

/// What was made ready.
#[derive(Debug)]
pub(super) struct Place {
    /// The whole environment of processes.
    pub(super) environment: Arc<[(OsString, OsString)]>,
    /// Where they start.
    pub(super) directory: PathBuf,
}

/// Why nothing can start, and what masks the message about it.
#[derive(Debug)]
pub(super) struct Unready {
    pub(super) failure: Box<Failure>,
    pub(super) redactor: Option<Redactor>,
}

impl<'a> Subject<'a> {
    /// An attempt at a case.
    pub(super) fn of_case(case: &'a TestCase, attempt: u32, slot: usize) -> Self {
        Self {
            id: case.info.id.as_str(),
            attempt,
            slot: Some(slot),
            position: &case.info.position,
            folder: &case.folder,
            environment: &case.environment,
            inputs: &case.inputs,
            files: &case.files,
            cwd: &case.cwd,
            secrets: &case.precautions.secrets,
        }
    }

    /// A service.
    pub(super) fn of_service(service: &'a Service) -> Self {
        Self {
            id: &service.id,
            attempt: 1,
            slot: None,
            position: &service.position,
            folder: &service.folder,
            environment: &service.environment,
            inputs: &service.inputs,
            files: &service.files,
            cwd: &service.cwd,
            secrets: &service.secrets,
        }
    }

    /// Adds to `variables` where everything is.
    pub(super) fn tell_places(&self, workspace: &Workspace, variables: &mut Variables) {
        let places = [
            ("dir", self.folder),
            ("work", workspace.work()),
            ("run_dir", workspace.run_dir()),
            ("tmp", workspace.tmp()),
        ];
        // A path that is no text has none: another one would be wrong.
        let texts =
            places.iter().filter_map(|(name, path)| Some(((*name).to_owned(), path.to_str()?.into())));
        variables.extend(texts);
    }

    /// Makes everything ready in a workspace. Templates see the environment as `env.NAME` afterwards, where the
    /// descriptor names a variable.
    pub(super) fn prepare(
        &self,
        workspace: &Workspace,
        clean: &CleanEnvironment,
        variables: &mut Variables,
    ) -> Result<(Place, Option<Redactor>), Unready> {
        let unready = |failure| Unready { failure, redactor: None };
        let environment = self.environment(workspace, clean, variables).map_err(unready)?;
        // First of all, so that nothing that goes wrong from here on can tell a secret.
        let redactor = secrets::redactor(self.secrets, &environment)
            .map_err(|message| unready(not_started(self.position, message)))?;
        match self.place(workspace, variables) {
            Ok(directory) => Ok((Place { environment: environment.into(), directory }, redactor)),
            Err(failure) => Err(Unready { failure, redactor }),
        }
    }

    fn environment(
        &self,
        workspace: &Workspace,
        clean: &CleanEnvironment,
        variables: &mut Variables,
    ) -> Result<Vec<(OsString, OsString)>, Box<Failure>> {
        let mut around = sandbox::Surroundings {
            case: self.id,
            attempt: self.attempt,
            slot: self.slot,
            inherit: &self.environment.inherit,
            set: &[],
            unset: &self.environment.unset,
        };
        if self.environment.names_itself() {
            let before = clean.of_case(workspace, &around);
            variables.insert("env".to_owned(), self.named(&before).into());
        }
        let in_order = self.environment.in_order().map_err(|names| {
            not_started(
                self.position,
                format!("these variables are made of each other: {}", names.join(", ")),
            )
        })?;
        let mut set = Vec::with_capacity(in_order.len());
        for (name, value) in in_order {
            let value = value
                .render(variables)
                .map_err(|error| not_started(self.position, format!("the variable {name}: {error}")))?
                .into_owned();
            if let Some(serde_json::Value::Object(known)) = variables.get_mut("env") {
                known.insert(name.to_owned(), value.as_str().into());
            }
            set.push((name.to_owned(), value));
        }
        around.set = &set;
        let environment = clean.of_case(workspace, &around);
        variables.insert("env".to_owned(), self.named(&environment).into());
        Ok(environment)
    }

    /// The variables of an environment that the descriptor names.
    fn named(&self, environment: &[(OsString, OsString)]) -> serde_json::Map<String, serde_json::Value> {
        let names = self.environment.inherit.iter().chain(self.environment.set.keys());
        let value = |name: &String| {
            let (_, value) = environment.iter().find(|(known, _)| known == name.as_str())?;
            Some((name.clone(), value.to_string_lossy().into()))
        };
        names.filter_map(value).collect()
    }

    /// Puts the files where processes find them; gives the directory where they start.
    fn place(&self, workspace: &Workspace, variables: &Variables) -> Result<PathBuf, Box<Failure>> {
        let position = self.position;
        let directory = match self.cwd {
            WorkingDirectory::Private => workspace.work().to_owned(),
            WorkingDirectory::Beside => self.folder.to_owned(),
            WorkingDirectory::Named { path, within } => {
                let path =
                    path.render(variables).map_err(|error| not_started(position, error.to_string()))?;
                if climbs(Path::new(path.as_ref())) {
                    let message = format!("`cwd` leads out of the private directory: {path}");
                    return Err(not_started(position, message));
                }
                let directory = workspace.work().join(Path::new(path.as_ref()));
                let own = workspace.run_dir().parent().unwrap_or(workspace.run_dir());
                if let Some(root) = within
                    && disk::leads_out(&directory, &[root, own])
                {
                    let message =
                        format!("`cwd` leads out of the project, without `allow_outside: true`: {path}");
                    return Err(not_started(position, message));
                }
                directory
            }
        };
        let mut has_programs = workspace
            .place_inputs(self.folder, self.inputs)
            .map_err(|error| not_started(&error.position, error.to_string()))?;
        let mut files = Vec::with_capacity(self.files.len());
        for file in self.files {
            let text =
                file.text.render(variables).map_err(|error| not_started(position, error.to_string()))?;
            has_programs |= text.starts_with("#!");
            files.push((file.path.as_path(), text));
        }
        workspace.write_files(files).map_err(|error| not_started(position, error.to_string()))?;
        if has_programs {
            // What was started meanwhile may hold them open for writing: then they cannot be run.
            await_starts();
        }
        Ok(directory)
    }
}

/// Something that could not begin.
pub(super) fn not_started(position: &Position, message: String) -> Box<Failure> {
    Box::new(Failure::new(FailureKind::Start, position.clone(), message))
}
