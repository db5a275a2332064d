//! Services of this machine: from their definition to a process that cases can use.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::model::{Captured, Ready, RunCommand, Service, ServiceRecord};
use crate::process::{Command, Output};
use crate::runner::LocalExecutor;
use crate::runner::surroundings::Subject;
use crate::sandbox::Workspace;
use crate::service::{self, Event, Launch, Port, Probe, Readiness, Watched};
use crate::step;
use crate::text::redact::Redactor;
use crate::text::{Template, Variables};

/// How much of the output of a service is attached to a case, in bytes.
const ATTACHED: usize = 16 << 10;

/// How much of what it wrote before, when it wrote nothing while the case ran.
const BEFORE: usize = 2 << 10;

/// Hears, on another thread, how a service goes.
pub type Notify = Box<dyn Fn(Event) + Send + Sync>;

/// A service that runs, for the one who has started it. When it is dropped, it is killed and waited for.
#[derive(Debug)]
pub struct Running {
    service: service::Service,
    beside: Arc<Beside>,
    workspace: Workspace,
    _port: Port,
}

/// A service as the cases see it that it runs beside.
#[derive(Debug)]
pub struct Beside {
    name: Arc<str>,
    /// Which definition it is of.
    id: Arc<str>,
    port: u16,
    watched: Arc<Watched>,
    redactor: Option<Redactor>,
    /// What reports call the files with its standard output and its standard error.
    logs: Option<[String; 2]>,
    /// Whether a case tells why it cannot be used.
    is_blamed: AtomicBool,
}

impl Running {
    /// What cases see of it.
    #[must_use]
    pub fn beside(&self) -> &Arc<Beside> {
        &self.beside
    }

    /// Asks it to end, and gives it its grace period. Does not wait.
    pub fn stop(&self) {
        self.service.stop();
    }

    /// Ends it at once. Does not wait.
    pub fn kill(&self) {
        self.service.kill();
    }

    /// Waits until nothing of it is left; says what could not be removed.
    ///
    /// # Errors
    /// When its directory cannot be removed.
    pub fn finish(self) -> std::io::Result<()> {
        self.service.finish();
        self.workspace.remove()
    }
}

impl Beside {
    /// Why it cannot be used, or not any more.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.watched.failure().map(|mut reason| {
            self.redactor.iter().for_each(|redactor| redactor.excerpts(&mut reason));
            reason
        })
    }

    /// The same, for a case that is to tell it.
    pub(super) fn blame(&self) -> Option<String> {
        let failure = self.failure();
        if failure.is_some() {
            self.is_blamed.store(true, Ordering::Relaxed);
        }
        failure
    }

    /// Whether a case tells why it cannot be used.
    pub(super) fn is_blamed(&self) -> bool {
        self.is_blamed.load(Ordering::Relaxed)
    }

    /// Whether it did not get its port, which something else has taken meanwhile.
    pub(super) fn lost_its_port(&self) -> bool {
        let output = self.watched.output_since(0, ATTACHED);
        let said = output.text().to_ascii_lowercase();
        ["address already in use", "eaddrinuse", "address in use"].iter().any(|words| said.contains(words))
    }

    /// What it has done since a place in its output; its whole output is kept in files from now on.
    pub(super) fn record(&self, place: u64) -> ServiceRecord {
        self.watched.keep_output();
        let mut output = self.watched.output_since(place, ATTACHED);
        if output.written() == 0 {
            output = self.watched.output_since(0, BEFORE);
        }
        if let Some(redactor) = &self.redactor {
            // It may begin in the middle of a secret.
            output.head = redactor.after_gap(&output.head);
            output = output.masked(redactor);
        }
        ServiceRecord { name: self.name.to_string(), failure: self.blame(), output }
    }

    /// The last of all that it has written.
    pub(super) fn last_output(&self, most: usize) -> Captured {
        self.watched.keep_output();
        let output = self.watched.output_since(0, most);
        self.redactor.as_ref().map_or_else(|| output.clone(), |redactor| output.masked(redactor))
    }

    /// The files with its whole output, as reports name them.
    pub(super) fn logs(&self) -> impl Iterator<Item = String> {
        let named = self.logs.iter().flatten().zip([Output::Stdout, Output::Stderr]);
        named.filter(|(_, output)| self.watched.has_written(*output)).map(|(name, _)| name.clone())
    }

    /// A place in its output: here.
    pub(super) fn place(&self) -> u64 {
        self.watched.place()
    }

    pub(super) fn watched(&self) -> &Watched {
        &self.watched
    }
}

/// The value of the variable `services`, with these services in it.
pub(super) fn variable<'a>(services: impl Iterator<Item = &'a Beside>) -> serde_json::Value {
    let values = services.map(|service| {
        let value = json!({ "port": service.port, "url": address(service.port) });
        (service.name.to_string(), value)
    });
    serde_json::Value::Object(values.collect())
}

/// Of these, those that a definition or a case names.
pub(super) fn named<'a>(
    services: &'a [Arc<Beside>],
    names: &'a [Arc<Service>],
) -> impl Iterator<Item = &'a Beside> {
    services.iter().filter(|beside| names.iter().any(|named| named.id == beside.id)).map(AsRef::as_ref)
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

impl LocalExecutor {
    /// Starts a service beside those that it needs.
    pub(super) fn launch(
        &self,
        service: &Service,
        needs: &[Arc<Beside>],
        notify: Notify,
    ) -> Result<Running, String> {
        let fails =
            |error: &dyn std::fmt::Display| format!("service \"{}\" cannot start: {error}", service.name);
        let port = self.ports.take().map_err(|error| fails(&error))?;
        let workspace = Workspace::create(&self.directory)
            .map_err(|error| fails(&format!("cannot create the private directory: {error}")))?;
        let subject = Subject::of_service(service);
        let mut variables = Variables::clone(&service.variables);
        subject.tell_places(&workspace, &mut variables);
        variables.insert("port".to_owned(), port.number().into());
        variables.insert("url".to_owned(), address(port.number()).into());
        variables.insert("services".to_owned(), variable(named(needs, &service.needs)));
        let (place, redactor) =
            subject.prepare(&workspace, &self.environment, &mut variables).map_err(|unready| {
                let mut message = unready.failure.message;
                unready.redactor.iter().for_each(|redactor| redactor.excerpts(&mut message));
                fails(&message)
            })?;
        redactor.iter().for_each(|redactor| self.remember(redactor));
        let program =
            |command: &RunCommand| step::program(command, &variables, &place.environment, &place.directory);
        let mut command = program(&service.command).map_err(|error| fails(&error))?;
        let number = Path::new(workspace.work()).parent().and_then(Path::file_name);
        let number = number.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let logs = self.logs.as_ref().map(|logs| logs.of_service(&service.id, &number, redactor.as_ref()));
        let (spill, logs) = logs.unzip();
        command.spill = spill;
        let ready =
            readiness(&service.ready, &variables, &service.folder, program).map_err(|error| fails(&error))?;
        let launch = Launch {
            name: service.name.to_string(),
            command,
            ready,
            patience: service.patience,
            grace: service.grace,
        };
        let started = service::Service::start(launch, notify).map_err(|error| fails(&error))?;
        let beside = Beside {
            name: Arc::clone(&service.name),
            id: Arc::clone(&service.id),
            port: port.number(),
            watched: Arc::clone(started.watched()),
            redactor,
            logs,
            is_blamed: AtomicBool::new(false),
        };
        Ok(Running { service: started, beside: Arc::new(beside), workspace, _port: port })
    }
}

fn readiness(
    ready: &Ready,
    variables: &Variables,
    folder: &Path,
    program: impl Fn(&RunCommand) -> Result<Command, String>,
) -> Result<Readiness, String> {
    let text = |template: &Template| {
        template.render(variables).map(|text| text.into_owned()).map_err(|error| error.to_string())
    };
    Ok(match ready {
        Ready::Started => Readiness::Started,
        Ready::Log(pattern) => Readiness::Log(pattern.clone()),
        Ready::Http(request) => Readiness::Asked(Probe(step::probe(request, variables, folder)?)),
        Ready::Run(command) => Readiness::Run(Box::new(program(command)?)),
        Ready::Port(port) => {
            let port = text(port)?;
            Readiness::Port(port.trim().parse().map_err(|_| format!("{port:?} is no port"))?)
        }
    })
}
