//! The key `services` of suite files and descriptors: its mirror, and what it means.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::descriptor::diagnostic::{Problem, nearest, quote, suggest};
use crate::descriptor::load::{DescriptorFile, Shared};
use crate::descriptor::lower::{Body, Lowering};
use crate::descriptor::lower_expect::compile;
use crate::descriptor::mirror::Spanned;
use crate::descriptor::node::{Entry, Node, Value, merge};
use crate::descriptor::paths::{Reach, Within};
use crate::descriptor::raw::{List, RawCase, RawScalar, Text};
use crate::descriptor::raw_http::RawHttp;
use crate::descriptor::raw_services::{RawProbe, RawReady, RawRest, RawService};
use crate::descriptor::scope::Scope;
use crate::descriptor::source::Sources;
use crate::descriptor::substitute::Prototype;
use crate::descriptor::variables::check_name_of;
use crate::model::{
    HttpRequest, Pattern, Ready, RunCommand, Service, ServiceScope, StepAction, WorkingDirectory,
};
use crate::text::{Layers, Template, Variables, is_template, typed};

/// How long a service may take until it is ready, when it does not say.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);

/// What a service takes from the defaults of its file.
const INHERITED: [&str; 5] = ["env", "unset_env", "inherit_env", "secrets", "grace"];

/// The names that a service has of its own, whatever users call their variables.
const OWN_NAMES: [&str; 2] = ["port", "url"];

/// The services that cases can ask for, by name.
pub(crate) type Services = Arc<BTreeMap<String, Definition>>;

/// A service and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) service: Arc<Service>,
    /// Its definition with what it inherits.
    tree: Arc<Node>,
}

/// What surrounds the definitions of a file.
pub(crate) struct Definitions<'a> {
    pub(crate) file: &'a DescriptorFile<'a>,
    pub(crate) sources: &'a Sources,
    /// What cases of the file share.
    pub(crate) shared: &'a Shared,
    pub(crate) overrides: &'a Arc<Variables>,
}

/// The inherited services with those of a table over them, name by name, and what is wrong with the table.
pub(crate) fn define(table: &Node, around: &Definitions<'_>) -> (Services, Vec<Problem>) {
    let Value::Map(entries) = &table.value else {
        let message = format!("expected an object of services, found {}", table.value.kind());
        let help = "write `services.NAME`, with `run` and the like in it";
        return (Services::default(), vec![Problem::new(table.span, message).help(help)]);
    };
    let mut known = BTreeMap::clone(&around.shared.services);
    known.retain(|name, _| !entries.iter().any(|entry| entry.key == *name));
    let mut reader =
        Reader { around, entries, known, open: Vec::new(), broken: Vec::new(), problems: Vec::new() };
    for entry in entries.iter().filter(|entry| entry.value.value != Value::Null) {
        reader.define(entry);
    }
    (Arc::new(reader.known), reader.problems)
}

/// The services of these names, or what is wrong with the names.
pub(crate) fn find<'t>(
    names: impl IntoIterator<Item = &'t Text>,
    services: &Services,
    scope: &Scope<'_>,
) -> (Vec<Arc<Service>>, Vec<Problem>) {
    let (mut found, mut problems): (Vec<Arc<Service>>, Vec<Problem>) = Default::default();
    for name in names {
        match (scope.fixed(name, name.span), services.get(name.as_str())) {
            (Err(problem), _) => problems.push(problem),
            (_, None) => problems.push(unknown(name, services)),
            (_, Some(Definition { service, .. })) => {
                if !found.iter().any(|known| Arc::ptr_eq(known, service)) {
                    found.push(Arc::clone(service));
                }
            }
        }
    }
    (found, problems)
}

/// The definitions of these services and of all that they need, each with its path.
pub(crate) fn trees(services: &[Arc<Service>], known: &Services) -> Vec<(String, Arc<Node>)> {
    let definition = |service: Arc<Service>| {
        let definition = known.values().find(|known| Arc::ptr_eq(&known.service, &service))?;
        Some((format!("services.{}", service.name), Arc::clone(&definition.tree)))
    };
    Service::with_needs(services).into_iter().filter_map(definition).collect()
}

fn unknown(name: &Text, services: &Services) -> Problem {
    let known: Vec<_> = services.keys().map(String::as_str).collect();
    let problem = Problem::new(name.span, format!("unknown service {}", quote(name)));
    match suggest(name, "known services", &known) {
        Some(help) => problem.help(help),
        None => problem.help("define it under `services` of a suite file, or beside `cases`"),
    }
}

struct Reader<'r> {
    around: &'r Definitions<'r>,
    entries: &'r [Entry],
    known: BTreeMap<String, Definition>,
    /// Those that are being read, each needed by the one before.
    open: Vec<String>,
    broken: Vec<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads a service after those that it needs. Nothing, when that was tried before.
    fn define(&mut self, entry: &Entry) {
        if self.known.contains_key(&entry.key) || self.broken.contains(&entry.key) {
            return;
        }
        self.open.push(entry.key.clone());
        let read = self.service(entry);
        self.open.pop();
        match read {
            Ok(definition) => drop(self.known.insert(entry.key.clone(), definition)),
            Err(problems) => {
                self.problems.extend(problems);
                self.broken.push(entry.key.clone());
            }
        }
    }

    fn service(&mut self, entry: &Entry) -> Result<Definition, Vec<Problem>> {
        let around = self.around;
        let one = |problem| vec![problem];
        check_name_of("service", &entry.key, entry.key_span).map_err(one)?;
        let tree = match &around.shared.case {
            Some(defaults) => merge(&only(defaults, &INHERITED), entry.value.clone()),
            None => entry.value.clone(),
        };
        let layers = layers(around);
        let (_, raw) = Prototype::new(&tree).read::<RawService>(&layers).map_err(one)?;
        let (case, RawRest { scope, ready }, is_private) = raw.apart();
        let mut patterns = HashMap::new();
        let names = Scope::new(&case, &layers).of_service().beside(around.file.folder);
        let mut lowering = around.lowering(names, &mut patterns);
        let body = lowering.body(&case, entry.key_span);
        let scope = scope_of(&mut lowering, scope.as_ref());
        let uses_port = !lowering.scope.ports().is_empty();
        let (ready, patience) = readiness(&mut lowering, ready, uses_port);
        let needs = self.needs(&case.services, scope, &mut lowering);
        if !lowering.problems.is_empty() {
            return Err(lowering.problems);
        }
        let (Some(command), Some(ready)) = (command_of(&body), ready) else { return Err(Vec::new()) };
        let variables = Arc::new(lowering.scope.left_to_the_run());
        let service = Service {
            name: entry.key.as_str().into(),
            id: format!("{}::services.{}", around.file.path, entry.key).into(),
            position: around.sources.position(entry.key_span),
            folder: Arc::clone(around.file.folder),
            command,
            environment: body.environment,
            inputs: body.inputs,
            files: body.files,
            cwd: cwd_of(body.cwd, is_private),
            ready,
            patience: patience.unwrap_or(DEFAULT_PATIENCE),
            grace: body.time.grace,
            scope,
            needs,
            variables,
            secrets: body.precautions.secrets,
        };
        Ok(Definition { service: Arc::new(service), tree: Arc::new(tree) })
    }

    /// The services that one needs, read first if they stand in the same file.
    fn needs(
        &mut self,
        names: &List<Text>,
        scope: ServiceScope,
        lowering: &mut Lowering<'_>,
    ) -> Vec<Arc<Service>> {
        let mut needs = Vec::new();
        for name in &names.0 {
            if let Some(begin) = self.open.iter().position(|open| *open == name.value) {
                let around: Vec<_> =
                    self.open[begin..].iter().chain([&name.value]).map(|name| quote(name)).collect();
                let message = format!("these services wait for each other: {}", around.join(" → "));
                lowering.problems.push(Problem::new(name.span, message));
                continue;
            }
            let entries = self.entries;
            if let Some(entry) = entries.iter().find(|entry| entry.key == name.value) {
                self.define(entry);
            }
            match self.known.get(&name.value) {
                Some(Definition { service: need, .. }) if width(need.scope) < width(scope) => {
                    let message = format!("{} has a narrower scope than this service", quote(name));
                    let help = "let both have the same `scope`, or this one the narrower";
                    lowering.problems.push(Problem::new(name.span, message).help(help));
                }
                Some(need) => needs.push(Arc::clone(&need.service)),
                None if self.broken.contains(&name.value) => {
                    let message = format!("the service {}, which this one needs, is broken", quote(name));
                    lowering.problems.push(Problem::new(name.span, message));
                }
                None => {
                    let names = self.known.keys().chain(entries.iter().map(|entry| &entry.key));
                    let near = nearest(name, names.map(String::as_str));
                    let problem = Problem::new(name.span, format!("unknown service {}", quote(name)));
                    lowering.problems.push(match near {
                        Some(near) => problem.help(format!("did you mean {}?", quote(near))),
                        None => problem,
                    });
                }
            }
        }
        needs
    }
}

impl<'a> Definitions<'a> {
    pub(crate) fn lowering<'l>(
        &'l self,
        scope: Scope<'l>,
        patterns: &'l mut HashMap<String, Pattern>,
    ) -> Lowering<'l>
    where
        'a: 'l,
    {
        Lowering {
            sources: self.sources,
            scope,
            reach: Reach::to_root(self.file.folder, self.file.root),
            within: Some(Within { folder: self.file.folder, root: self.file.root }),
            pools: &self.shared.pools,
            patterns,
            problems: Vec::new(),
        }
    }
}

/// Where a service starts: as it says, or else beside its file unless it has files of its own.
fn cwd_of(said: WorkingDirectory, is_private: bool) -> WorkingDirectory {
    match said {
        WorkingDirectory::Private if !is_private => WorkingDirectory::Beside,
        said => said,
    }
}

/// How much a scope covers.
fn width(scope: ServiceScope) -> u8 {
    match scope {
        ServiceScope::Suite => 2,
        ServiceScope::File => 1,
        ServiceScope::Case => 0,
    }
}

/// A tree with only some of its keys.
pub(crate) fn only(tree: &Node, keys: &[&str]) -> Node {
    let entries = match &tree.value {
        Value::Map(entries) => {
            entries.iter().filter(|entry| keys.contains(&entry.key.as_str())).cloned().collect()
        }
        _ => Vec::new(),
    };
    Node { span: tree.span, value: Value::Map(entries) }
}

/// The user's variables, less those of the names that a service has of its own.
fn layers(around: &Definitions<'_>) -> Layers {
    let layers = [&around.shared.variables.values, around.overrides].map(|layer| {
        if OWN_NAMES.iter().any(|name| layer.contains_key(*name)) {
            let mut layer = Variables::clone(layer);
            layer.retain(|name, _| !OWN_NAMES.contains(&name.as_str()));
            return Arc::new(layer);
        }
        Arc::clone(layer)
    });
    Layers::new(layers.into())
}

fn scope_of(lowering: &mut Lowering<'_>, scope: Option<&Text>) -> ServiceScope {
    let Some(scope) = scope else { return ServiceScope::default() };
    match scope.as_str() {
        "suite" => ServiceScope::Suite,
        "file" => ServiceScope::File,
        "case" => ServiceScope::Case,
        other => {
            let problem = Problem::new(scope.span, format!("{} is no scope", quote(other)));
            lowering.problems.push(problem.help("write \"suite\", \"file\" or \"case\""));
            ServiceScope::default()
        }
    }
}

/// The command of a body that was made of nothing but one.
fn command_of(body: &Body) -> Option<RunCommand> {
    match body.steps.first().map(|step| &step.action) {
        Some(StepAction::Run(run)) => Some(run.command.clone()),
        _ => None,
    }
}

/// How a service is known to be ready, and how long that may take.
fn readiness(
    lowering: &mut Lowering<'_>,
    raw: Option<Spanned<RawReady>>,
    uses_port: bool,
) -> (Option<Ready>, Option<Duration>) {
    let by_itself = || match uses_port {
        true => Template::parse("{{ port }}").ok().map(Ready::Port),
        false => Some(Ready::Started),
    };
    let Some(Spanned { value: RawReady { http, port, log, run, timeout }, span }) = raw else {
        return (by_itself(), None);
    };
    let patience = lowering.duration(timeout.as_ref());
    let ways = [http.is_some(), port.is_some(), log.is_some(), run.is_some()];
    if ways.iter().filter(|is_said| **is_said).count() > 1 {
        let problem = Problem::new(span, "a service is known to be ready by one thing");
        lowering.problems.push(problem.help("keep one of `http`, `port`, `log` and `run`"));
    }
    let ready = match (http, port, log, run) {
        (Some(probe), ..) => request(lowering, probe).map(|request| Ready::Http(Box::new(request))),
        (_, Some(port), ..) => number(lowering, &port).map(Ready::Port),
        (_, _, Some(log), _) => {
            let compiled = compile(lowering, &log);
            lowering.note(compiled).map(Ready::Log)
        }
        (_, _, _, Some(run)) => {
            let span = run.span;
            let case = RawCase { run: Some(run), ..RawCase::default() };
            command_of(&lowering.body(&case, span)).map(Ready::Run)
        }
        _ => by_itself(),
    };
    (ready, patience)
}

fn request(lowering: &mut Lowering<'_>, probe: Spanned<RawProbe>) -> Option<HttpRequest> {
    let Spanned { value, span } = probe;
    let request = match value {
        RawProbe::Address(url) => {
            Box::new(RawHttp { url: Some(Spanned { value: url, span }), ..RawHttp::default() })
        }
        RawProbe::Request(request) => request,
    };
    match lowering.http(&Spanned { value: request, span })? {
        StepAction::Http(http) => Some(http.request),
        _ => None,
    }
}

fn number(lowering: &mut Lowering<'_>, port: &Spanned<RawScalar>) -> Option<Template> {
    let (RawScalar::Text(text) | RawScalar::Number(text)) = &port.value;
    let text = Spanned { value: text.clone(), span: port.span };
    let is_port = typed(&text).as_u64().is_some_and(|number| (1..=0xffff).contains(&number));
    if !is_port && !is_template(&text) {
        let problem = Problem::new(text.span, format!("{} is no port", quote(&text)));
        lowering.problems.push(problem.help("write a number from 1 to 65535, or \"{{ port }}\""));
    }
    lowering.template(&text)
}
