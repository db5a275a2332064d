//! What cases need beside them: services, and what is done before and after the cases of a folder.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::model::case::{Environment, InlineFile, Input, RunCommand, TestCase, WorkingDirectory};
use crate::model::http::HttpRequest;
use crate::model::pattern::Pattern;
use crate::model::position::Position;
use crate::text::{Template, Variables};

/// A process that runs beside the cases that need it. Cases that share one share the `Arc`.
#[derive(Clone, Debug)]
pub struct Service {
    /// The name by which cases ask for it.
    pub name: Arc<str>,
    /// The file that defines it, and its name: `folder/suite.toml::services.api`.
    pub id: Arc<str>,
    /// Where it stands.
    pub position: Position,
    /// The absolute folder of the file that defines it.
    pub folder: Arc<Path>,
    /// What is run.
    pub command: RunCommand,
    /// The environment of its process.
    pub environment: Environment,
    /// Files copied into its working directory.
    pub inputs: Vec<Input>,
    /// Files written into its working directory.
    pub files: Vec<InlineFile>,
    /// Where it starts.
    pub cwd: WorkingDirectory,
    /// How it is known to be ready.
    pub ready: Ready,
    /// How long it may take until it is.
    pub patience: Duration,
    /// How long it has between TERM and KILL.
    pub grace: Duration,
    /// Which cases share a process.
    pub scope: ServiceScope,
    /// The services that must be ready before it starts.
    pub needs: Vec<Arc<Service>>,
    /// The user's variables.
    pub variables: Arc<Variables>,
    /// Variables whose values no report shows.
    pub secrets: Vec<String>,
}

impl Service {
    /// These services with all that they need, each once and after those it needs.
    #[must_use]
    pub fn with_needs(services: &[Arc<Self>]) -> Vec<Arc<Self>> {
        fn add(service: &Arc<Service>, all: &mut Vec<Arc<Service>>) {
            if !all.iter().any(|known| Arc::ptr_eq(known, service)) {
                service.needs.iter().for_each(|need| add(need, all));
                all.push(Arc::clone(service));
            }
        }
        let mut all = Vec::new();
        services.iter().for_each(|service| add(service, &mut all));
        all
    }
}

/// How a service is known to be ready.
#[derive(Clone, Debug)]
pub enum Ready {
    /// It has started.
    Started,
    /// Somebody accepts connections at this port.
    Port(Template),
    /// This request is answered with a status from 200 to 399.
    Http(Box<HttpRequest>),
    /// A line of its output matches.
    Log(Pattern),
    /// This command exits with 0.
    Run(RunCommand),
}

/// Which cases share a process of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ServiceScope {
    /// All that need it.
    #[default]
    Suite,
    /// Those of one file.
    File,
    /// Each attempt at a case has its own.
    Case,
}

/// What is done before the first and after the last case of a folder, each a case of its own in reports.
#[derive(Clone, Debug)]
pub struct SuiteHooks {
    /// What comes before.
    pub setup: Option<Arc<TestCase>>,
    /// What comes after, whatever became of the cases.
    pub teardown: Option<Arc<TestCase>>,
}
