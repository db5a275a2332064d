//! From one entry of a file to its cases: one, or as many as `matrix`, `rows` and `foreach` make of it.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::descriptor::conditions;
use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::expand::{Combination, Expansion, Generation, Mentioned};
use crate::descriptor::explain::Made;
use crate::descriptor::hooks::Hooks;
use crate::descriptor::kinds::{fitting, is_of_step, write_out};
use crate::descriptor::load::{Broken, FileReader, Shared, diagnose};
use crate::descriptor::lower::{
    DEFAULT_GRACE, DEFAULT_SLOW_AFTER, DEFAULT_TIMEOUT, Lowering, check_name, start_of,
};
use crate::descriptor::mirror::{self, Spanned};
use crate::descriptor::node::{Entry, Node, Span, Value, merge};
use crate::descriptor::paths::{Reach, Within};
use crate::descriptor::raw::{RawCase, Table, Text};
use crate::descriptor::raw_generators::{Datum, RawGenerators};
use crate::descriptor::scope::{Scope, broken, check_variable_of, is_of_the_run, split, too_late};
use crate::descriptor::services::{self, Services, find};
use crate::descriptor::substitute::{Prototype, without_value};
use crate::descriptor::variables::Defined;
use crate::model::{
    CaseId, CaseInfo, Environment, InlineFile, Input, OutputFiles, Precautions, Resources, Retries, Service,
    SuiteHooks, TestCase, TimeLimits,
};
use crate::text::{Compiled, Layers, Template, Variables, is_template};

/// The keys that make several cases of an entry.
const GENERATORS: [&str; 3] = ["matrix", "rows", "foreach"];
/// How many different mistakes of one entry are told.
const MISTAKES: usize = 20;

/// An entry, ready for its cases to be made.
struct Source<'s> {
    /// Where it stands.
    span: Span,
    /// Variables that all its cases share.
    variables: Cow<'s, Defined>,
    /// Whether it is to make several cases.
    generates: bool,
    services: &'s Services,
    hooks: &'s Hooks,
}

/// What the cases of an entry are made of.
struct Making<'m> {
    /// What each is called, if it is a template, and as it stands.
    compiled: Option<Compiled<'m>>,
    name: &'m Text,
    /// The entry without what makes several cases of it.
    tree: &'m Node,
    /// The variables that all of them have.
    base: Layers,
    expansion: Expansion,
    source: Source<'m>,
}

/// Parts of the case that was made last: the next one is most often made of the same.
pub(in crate::descriptor) struct Parts {
    folder: Arc<Path>,
    environment: Arc<Environment>,
    inputs: Arc<[Input]>,
    files: Arc<[InlineFile]>,
    outputs: Arc<[OutputFiles]>,
    requires: Arc<[Template]>,
    ports: Arc<[String]>,
    services: Arc<[Arc<Service>]>,
    hooks: Arc<[Arc<SuiteHooks>]>,
    resources: Arc<Resources>,
    time: Arc<TimeLimits>,
    retries: Arc<Retries>,
    precautions: Arc<Precautions>,
    /// What cases share that leave no variable to the run.
    no_variables: Arc<Variables>,
}

thread_local! {
    /// What the last case was made of that this thread has made, for the next file. Threads that count the uses of the
    /// same parts wait for each other, so each has its own.
    static LAST: Cell<Option<Parts>> = const { Cell::new(None) };
}

impl Parts {
    /// Those of the case that this thread has made last, or of one that says nothing.
    pub(in crate::descriptor) fn last() -> Self {
        LAST.take().unwrap_or_else(|| Self {
            folder: Path::new("").into(),
            environment: Arc::default(),
            // The default of a slice in an `Arc` would be one for all threads.
            inputs: Arc::new([]),
            files: Arc::new([]),
            outputs: Arc::new([]),
            requires: Arc::new([]),
            ports: Arc::new([]),
            services: Arc::new([]),
            hooks: Arc::new([]),
            resources: Arc::default(),
            time: Arc::new(TimeLimits {
                timeout: DEFAULT_TIMEOUT,
                grace: DEFAULT_GRACE,
                slow_after: DEFAULT_SLOW_AFTER,
            }),
            retries: Arc::default(),
            precautions: Arc::default(),
            no_variables: Arc::default(),
        })
    }

    /// Keeps them for the next file.
    pub(in crate::descriptor) fn keep(self) {
        LAST.set(Some(self));
    }

    fn folder(&mut self, own: &Path) -> Arc<Path> {
        if self.folder.as_os_str() != own.as_os_str() {
            self.folder = own.into();
        }
        Arc::clone(&self.folder)
    }
}

fn share_one<T: PartialEq>(last: &mut Arc<T>, own: T) -> Arc<T> {
    if **last != own {
        *last = Arc::new(own);
    }
    Arc::clone(last)
}

fn share<T: PartialEq>(last: &mut Arc<[T]>, own: Vec<T>) -> Arc<[T]> {
    if **last != *own {
        *last = own.into();
    }
    Arc::clone(last)
}

/// The same for what is compared by being the same.
fn share_same<T>(last: &mut Arc<[Arc<T>]>, own: &[Arc<T>]) -> Arc<[Arc<T>]> {
    let is_same = |(last, own): (&Arc<T>, &Arc<T>)| Arc::ptr_eq(last, own);
    if last.len() != own.len() || !last.iter().zip(own).all(is_same) {
        *last = own.into();
    }
    Arc::clone(last)
}

impl FileReader<'_> {
    /// Reads one entry; `stem` is its name when it gives none itself.
    pub(in crate::descriptor) fn entry(&mut self, own: Node, shared: &Shared, stem: Option<String>) {
        let span = own.span;
        if !matches!(own.value, Value::Map(_)) {
            let message = format!("expected a case, found {}", own.value.kind());
            let help = "write an object with a name and what is done: in JSON { \"name\": \"first\", \"run\": [\"./program\"] }";
            return self.loose.push(Problem::new(span, message).help(help));
        }
        let name = match name_of(&own, stem) {
            Ok(name) => name,
            Err(problem) => return self.loose.push(problem),
        };
        if let Err(problems) = self.cases(own, shared, &name) {
            match self.claim(&name, &name) {
                Ok(shown) => self.broken_case(&shown, (span, 0), problems),
                Err(problem) => self.loose.extend(problems.into_iter().chain([problem])),
            }
        }
    }

    /// Makes the cases of an entry.
    fn cases(&mut self, own: Node, shared: &Shared, name: &Text) -> Result<(), Vec<Problem>> {
        let span = own.span;
        let one = |problem| vec![problem];
        let (variables, problems) = match own.get("vars").map(mirror::read::<Option<Table<Datum>>>) {
            Some(Ok(Some(table))) => {
                let (variables, problems) = shared.variables.with(table, self.around.overrides);
                (Cow::Owned(variables), problems)
            }
            Some(Err(problem)) => return Err(one(problem)),
            _ => (Cow::Borrowed(&shared.variables), Vec::new()),
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        // The name of a file is no template.
        let is_template = own.get("name").is_some() && is_template(name);
        let mut tree = prepare(own, shared.case.as_deref()).map_err(one)?;
        let generators = take_generators(&mut tree);
        let base = [&variables.values, self.around.overrides].into_iter().filter(|layer| !layer.is_empty());
        let base = Layers::new(base.cloned().collect());
        let compiled = is_template.then(|| Compiled::parse(name)).transpose();
        let compiled = compiled.map_err(|error| one(broken(&error, name, name.span)))?;
        let mentioned =
            compiled.iter().flat_map(Compiled::names).map(|name| split(name).0.to_owned()).collect();
        let expansion = self.expansion(&generators, &mentioned, &base).map_err(one)?;
        let source = Source {
            span,
            variables,
            generates: generators.value != Value::Map(Vec::new()),
            services: &shared.services,
            hooks: &shared.hooks,
        };
        let making = Making { name, compiled, tree: &tree, base, expansion, source };
        self.mistakes = Mistakes::default();
        self.loaded.cases.reserve(making.expansion.len());
        self.seen.reserve(making.expansion.len());
        self.each(making.expansion.len(), |reader, part| reader.make(&making, part))?;
        self.loose.extend(std::mem::take(&mut self.mistakes).rest(span));
        Ok(())
    }

    /// Makes some of the cases of an entry, by their numbers.
    fn make(&mut self, making: &Making<'_>, numbers: Range<usize>) -> Result<(), Vec<Problem>> {
        let Making { name, compiled, tree, base, expansion, source } = making;
        let one = |problem| vec![problem];
        let mut prototype = Prototype::new(tree);
        for number in numbers {
            let combination = expansion.combination(number);
            let layers = base.with(combination.layers.iter().map(|(layer, _)| layer));
            let mut shown = render_name(name, compiled.as_ref(), &layers).map_err(one)?;
            shown.push_str(&combination.suffix);
            let shown = match self.claim(&shown, name) {
                Ok(shown) => shown,
                Err(problem) => {
                    self.loose.extend(self.mistakes.new_ones(one(problem)));
                    continue;
                }
            };
            match self.case(&mut prototype, source, &shown, &layers, &combination) {
                Ok(case) => self.loaded.cases.push(Arc::new(case)),
                Err(problems) if !source.generates => self.broken_case(&shown, (source.span, 0), problems),
                Err(problems) => {
                    let new = self.mistakes.new_ones(problems);
                    if !new.is_empty() {
                        self.broken_case(&shown, (source.span, combination.number), new);
                    }
                }
            }
        }
        Ok(())
    }

    fn expansion(
        &mut self,
        generators: &Node,
        mentioned: &Mentioned,
        layers: &Layers,
    ) -> Result<Expansion, Problem> {
        if generators.value == Value::Map(Vec::new()) {
            return Ok(Expansion::default());
        }
        let (_, raw) = Prototype::new(generators).read::<RawGenerators>(layers)?;
        let mut generation = Generation {
            sources: &mut self.sources,
            outside: self.around.outside,
            folder: self.file.folder,
            reach: Reach::to_root(self.file.folder, self.file.root),
        };
        Expansion::new(&raw, mentioned, &mut generation)
    }

    /// Takes a name, unless another case of the file has it.
    fn claim(&mut self, name: &str, stated: &Text) -> Result<Arc<str>, Problem> {
        check_name(name, stated.span)?;
        match self.seen.get(name) {
            None => {
                let name: Arc<str> = name.into();
                self.seen.insert(Arc::clone(&name), stated.span);
                Ok(name)
            }
            Some(first) if *first == stated.span => {
                let message = format!("two cases of this entry are named {}", quote(name));
                Err(Problem::new(stated.span, message)
                    .help("let the name say more of the values, or leave all of them out of it"))
            }
            Some(first) => {
                let message = format!("a second case is named {}", quote(name));
                let problem = Problem::new(stated.span, message).first_at(*first);
                Err(problem.help("give each case a name of its own"))
            }
        }
    }

    fn broken_case(&mut self, name: &str, place: (Span, u32), problems: Vec<Problem>) {
        let info = Arc::new(self.info(name, place, Vec::new()));
        self.loaded.broken.push(Broken { info, diagnostics: diagnose(problems, &self.sources) });
    }

    fn info(&self, name: &str, (span, number): (Span, u32), tags: Vec<String>) -> CaseInfo {
        CaseInfo {
            id: CaseId::new(self.file.suite, name),
            name: name.to_owned(),
            suite: Arc::clone(self.file.suite),
            position: self.sources.position(span),
            number,
            tags,
            copy_of: None,
            definition: Some(self.definition),
        }
    }

    /// One case of an entry, with the values of `layers`.
    fn case(
        &mut self,
        prototype: &mut Prototype<'_>,
        source: &Source<'_>,
        name: &str,
        layers: &Layers,
        combination: &Combination,
    ) -> Result<TestCase, Vec<Problem>> {
        let (tree, raw) = prototype.read::<RawCase>(layers).map_err(|problem| vec![problem])?;
        if self.wanted.is_some_and(|wanted| wanted == CaseId::new(self.file.suite, name).as_str()) {
            let (template, variables, own) = (prototype.tree(), &*source.variables, &combination.layers);
            let id = CaseId::new(self.file.suite, name).to_string();
            let (named, _) = find(&raw.services.0, source.services, &Scope::undecided());
            let mut beside = services::trees(&named, source.services);
            beside.extend(source.hooks.trees.iter().cloned());
            let made = Made { id, tree: &tree, template, variables, own, beside: &beside };
            self.explained = Some(self.explain(&made));
        }
        let mut lowering = Lowering {
            sources: &self.sources,
            scope: Scope::new(&raw, layers).given(&source.hooks.captured).beside(self.file.folder),
            reach: Reach::to_root(self.file.folder, self.file.root),
            within: Some(Within { folder: self.file.folder, root: self.file.root }),
            pools: self.pools,
            patterns: &mut self.patterns,
            problems: Vec::new(),
        };
        let body = lowering.body(&raw, source.span);
        let (services, problems) = find(&raw.services.0, source.services, &lowering.scope);
        lowering.problems.extend(problems);
        let skip = lowering.reason(raw.skip.as_ref());
        let unmet = conditions::unmet(&mut lowering, raw.only_if.as_ref(), self.around.outside);
        if !lowering.problems.is_empty() {
            return Err(lowering.problems);
        }
        let ports = lowering.scope.ports();
        // Most cases of a thousand leave nothing to the run; the others need their own values.
        let own = source.generates || !self.around.overrides.is_empty();
        let used = if own { lowering.scope.left_to_the_run() } else { Variables::new() };
        let variables = match own {
            true if !used.is_empty() => Arc::new(used),
            false if !source.variables.values.is_empty() => Arc::clone(&source.variables.values),
            _ => Arc::clone(&self.shared.no_variables),
        };
        if let Some(explained) = self.explained.as_mut().filter(|explained| explained.takes.is_empty()) {
            explained.takes = body.resources.to_string();
        }
        Ok(TestCase {
            info: Arc::new(self.info(name, (source.span, combination.number), body.tags)),
            folder: self.shared.folder(self.file.folder),
            steps: body.steps,
            environment: share_one(&mut self.shared.environment, body.environment),
            inputs: share(&mut self.shared.inputs, body.inputs),
            files: share(&mut self.shared.files, body.files),
            outputs: share(&mut self.shared.outputs, body.outputs),
            cwd: body.cwd,
            time: share_one(&mut self.shared.time, body.time),
            retries: share_one(&mut self.shared.retries, body.retries),
            precautions: share_one(&mut self.shared.precautions, body.precautions),
            resources: share_one(&mut self.shared.resources, body.resources),
            skip: skip.or(unmet),
            requires: share(&mut self.shared.requires, body.requires),
            expected_failure: body.expected_failure.map(Box::new),
            quarantine: body.quarantine.map(Box::new),
            services: share_same(&mut self.shared.services, &services),
            hooks: share_same(&mut self.shared.hooks, &source.hooks.cases),
            ports: share(&mut self.shared.ports, ports),
            variables,
        })
    }
}

/// The mistakes of an entry that were told, so that a thousand cases do not tell the same one.
#[derive(Default)]
pub(in crate::descriptor) struct Mistakes {
    told: HashSet<(Span, String)>,
    untold: usize,
}

impl Mistakes {
    /// Those that were not told before.
    fn new_ones(&mut self, problems: Vec<Problem>) -> Vec<Problem> {
        let is_new = |problem: &Problem| {
            self.told.len() < MISTAKES && self.told.insert((problem.span, problem.message.clone()))
        };
        let new: Vec<_> = problems.into_iter().filter(is_new).collect();
        self.untold += usize::from(new.is_empty());
        new
    }

    /// What to say of the cases that told nothing.
    fn rest(self, span: Span) -> Option<Problem> {
        let message = match self.untold {
            0 => return None,
            1 => "one more case of this entry is broken".to_owned(),
            untold => format!("{untold} more cases of this entry are broken"),
        };
        Some(Problem::new(start_of(span), message).help("most likely by the same mistake"))
    }
}

/// The name of an entry, which may be a template.
fn name_of(case: &Node, stem: Option<String>) -> Result<Text, Problem> {
    match (case.get("name"), stem) {
        (Some(node), _) => {
            let name: Text = mirror::read(node)?;
            check_name(&name, name.span).map(|()| name)
        }
        (None, Some(stem)) => Ok(Spanned { value: stem, span: case.span }),
        (None, None) => {
            let problem = Problem::new(start_of(case.span), "the case has no name");
            Err(problem.help("add `name`: every case under `cases` needs one"))
        }
    }
}

fn render_name(name: &Text, compiled: Option<&Compiled<'_>>, layers: &Layers) -> Result<String, Problem> {
    let Some(compiled) = compiled else { return Ok(name.value.clone()) };
    for mentioned in compiled.names() {
        if is_of_the_run(mentioned) {
            return Err(too_late(mentioned, name.span));
        }
        check_variable_of(mentioned, layers, name.span)?;
    }
    compiled.text(layers).map_err(|error| without_value(compiled, error, layers, name.span))
}

/// Takes what makes several cases out of a tree, and what only the whole entry has.
fn take_generators(tree: &mut Node) -> Node {
    let mut taken = Vec::new();
    if let Value::Map(entries) = &mut tree.value {
        entries.retain(|entry| !["name", "vars"].contains(&entry.key.as_str()));
        let makes_several =
            |entry: &mut Entry| GENERATORS.contains(&entry.key.as_str()) && entry.value.value != Value::Null;
        taken.extend(entries.extract_if(.., makes_several));
    }
    Node { span: tree.span, value: Value::Map(taken) }
}

/// Lays a case over its defaults. Where the case has `steps`, what it inherits for a process is laid under each
/// of them instead.
fn prepare(mut own: Node, defaults: Option<&Node>) -> Result<Node, Problem> {
    write_out(&mut own);
    if own.get("steps").is_none_or(|steps| steps.value == Value::Null) {
        return Ok(match defaults {
            Some(defaults) => merge(&fitting(defaults, &own), own),
            None => own,
        });
    }
    if let Value::Map(entries) = &own.value
        && let Some(entry) = entries.iter().find(|entry| is_of_step(&entry.key))
    {
        let message = format!("{} beside `steps` belongs to no step", quote(&entry.key));
        return Err(
            Problem::new(entry.key_span, message).help("move it into one of the steps, or remove `steps`")
        );
    }
    let Some(Node { value: Value::Map(inherited), span }) = defaults else { return Ok(own) };
    let is_for_steps = |entry: &&Entry| is_of_step(&entry.key);
    let for_steps: Vec<_> = inherited.iter().filter(is_for_steps).cloned().collect();
    let for_case: Vec<_> = inherited.iter().filter(|entry| !is_for_steps(entry)).cloned().collect();
    let mut merged = merge(&Node { span: *span, value: Value::Map(for_case) }, own);
    let step_defaults = Node { span: *span, value: Value::Map(for_steps) };
    if let Value::Map(entries) = &mut merged.value
        && let Some(steps) = entries.iter_mut().find(|entry| entry.key == "steps")
        && let Value::List(steps) = &mut steps.value.value
    {
        for step in steps {
            let own = std::mem::replace(step, Node { span: step.span, value: Value::Null });
            *step = merge(&fitting(&step_defaults, &own), own);
        }
    }
    Ok(merged)
}
