//! From the tree of a file to its cases.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use foldhash::fast::RandomState;

use crate::descriptor::diagnostic::{Diagnostic, Problem, quote};
use crate::descriptor::entry::{Mistakes, Parts};
use crate::descriptor::explain::Explanation;
use crate::descriptor::format::{Format, read_tree};
use crate::descriptor::hooks::{Hooks, RawHooks};
use crate::descriptor::kinds::write_out;
use crate::descriptor::lower::{Lowering, start_of};
use crate::descriptor::mirror;
use crate::descriptor::node::{Entry, Node, Span, Value, merge};
use crate::descriptor::outside::Outside;
use crate::descriptor::paths::Reach;
use crate::descriptor::raw::{RawCase, Table};
use crate::descriptor::raw_generators::Datum;
use crate::descriptor::resources::{self, Pools};
use crate::descriptor::scope::Scope;
use crate::descriptor::services::{self, Definitions, Services};
use crate::descriptor::source::Sources;
use crate::descriptor::variables::Defined;
use crate::model::{CaseId, CaseInfo, Pattern, Position, TestCase};
use crate::text::{Variables, is_template};

/// The key that names a schema for editors.
pub(crate) const SCHEMA: &str = "$schema";
/// The keys of a file that lists cases.
pub(crate) const FILE_KEYS: [&str; 4] = ["cases", "defaults", "services", "vars"];
/// The key by which a suite file, or a profile of `partest.toml`, declares pools.
pub(crate) const POOLS: &str = "pools";
/// The keys of a suite file.
pub(crate) const SUITE_KEYS: [&str; 6] = ["defaults", POOLS, "services", "setup", "teardown", "vars"];
/// The keys of a case that cannot be inherited.
pub(crate) const OWN_KEYS: [&str; 6] = ["name", "description", "steps", "capture", "until", "vars"];

/// Enough of a stack for the deepest document that the parsers let pass, in a build without optimisation, too.
pub(crate) const STACK: usize = 8 << 20;

/// A file to read.
#[derive(Clone, Copy, Debug)]
pub struct DescriptorFile<'a> {
    /// The path by which positions name it.
    pub path: &'a Arc<str>,
    /// The path without its ending: what ids begin with, and the `suite` of its cases.
    pub suite: &'a Arc<str>,
    /// The absolute folder that holds it.
    pub folder: &'a Arc<Path>,
    /// The absolute root of the project, which no path may leave.
    pub root: &'a Path,
    /// How it is spelled.
    pub format: Format,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// What surrounds descriptors.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Files and variables beside them.
    pub outside: &'a dyn Outside,
    /// Variables that win over every `vars`.
    pub overrides: &'a Arc<Variables>,
    /// The turn to read a file with threads of its own, which one of many files has at a time; `None` where there are to be
    /// none.
    pub turn: Option<&'a Mutex<()>>,
}

/// What the suite files above a descriptor give to its cases.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    sources: Sources,
    shared: Shared,
}

impl Defaults {
    /// What cases inherit below every suite file: keys of a case, whose places are in `sources`.
    ///
    /// # Errors
    /// Everything that is wrong with the values.
    pub(crate) fn outermost(sources: Sources, entries: Vec<Entry>) -> Result<Self, Vec<Diagnostic>> {
        let problems: Vec<_> = entries.iter().flat_map(|entry| Self::problems_of(&sources, entry)).collect();
        if !problems.is_empty() {
            return Err(diagnose(problems, &sources));
        }
        let node =
            entries.first().map(|entry| Node { span: entry.value.span, value: Value::Map(entries.clone()) });
        Ok(Self { sources, shared: Shared { case: node.map(Arc::new), ..Shared::default() } })
    }

    /// The same, with the pools that a table declares.
    ///
    /// # Errors
    /// Everything that is wrong with the table, whose places are in the sources these defaults were made from.
    pub(crate) fn with_pools(mut self, table: &Node) -> Result<Self, Vec<Diagnostic>> {
        let (pools, problems) = resources::declare(table, &self.sources, &self.shared.pools);
        if problems.is_empty() {
            self.shared.pools = Arc::new(pools);
            return Ok(self);
        }
        Err(diagnose(problems, &self.sources))
    }

    /// What is wrong with a table that declares pools.
    pub(crate) fn problems_of_pools(sources: &Sources, table: &Node) -> Vec<Problem> {
        resources::declare(table, sources, &Pools::new()).1
    }

    /// What is wrong with one key of a case as a default.
    pub(crate) fn problems_of(sources: &Sources, entry: &Entry) -> Vec<Problem> {
        let node = Node { span: entry.value.span, value: Value::Map(vec![entry.clone()]) };
        check_defaults(&node, sources).unwrap_or_else(|problem| vec![problem])
    }
}

/// What a file held.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The cases that can be executed, in the order of the file.
    pub cases: Vec<Arc<TestCase>>,
    /// What cannot.
    pub broken: Vec<Broken>,
}

/// A case that cannot be executed, or the part of a file that is no case.
#[derive(Clone, Debug)]
pub struct Broken {
    /// What reports say of it. Its id is that of the file unless the case has a usable name.
    pub info: Arc<CaseInfo>,
    /// What is wrong, at least one thing.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads the cases of a descriptor.
#[must_use]
pub fn read(file: &DescriptorFile<'_>, inherited: &Defaults, around: &Around<'_>) -> Loaded {
    let read = |around: &Around<'_>| match begin(file, inherited, around) {
        Ok((reader, root)) => reader.finish(root, inherited),
        Err(diagnostic) => {
            Some(Loaded { cases: Vec::new(), broken: vec![broken_file(file, vec![diagnostic])] })
        }
    };
    read(around).or_else(|| read(&Around { turn: None, ..*around })).unwrap_or_default()
}

/// Reads the tree of a file, and makes ready for its cases.
pub(in crate::descriptor) fn begin<'a>(
    file: &'a DescriptorFile<'a>,
    inherited: &'a Defaults,
    around: &'a Around<'a>,
) -> Result<(FileReader<'a>, Node), Diagnostic> {
    let (sources, root) = read_tree(file.path, file.bytes, file.format, &inherited.sources)?;
    let definition = sources.digest(around.overrides);
    let reader = FileReader::new(file, around, (sources, definition), &inherited.shared.pools);
    Ok((reader, root))
}

/// Reads a suite file, whose defaults, variables and services lie over the inherited ones. `overrides` are variables
/// that win over every `vars`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_suite(
    file: &DescriptorFile<'_>,
    inherited: &Defaults,
    overrides: &Arc<Variables>,
) -> Result<Defaults, Vec<Diagnostic>> {
    let (sources, root) = read_tree(file.path, file.bytes, file.format, &inherited.sources)
        .map_err(|diagnostic| vec![diagnostic])?;
    let mut problems = Vec::new();
    let Node { value: Value::Map(entries), .. } = root else { return Ok(inherited.clone()) };
    let mut shared = inherited.shared.clone();
    let (mut services, mut hooks) = (None, RawHooks::default());
    for entry in entries {
        if entry.key == "services" {
            services = Some(entry.value);
        } else if entry.key == POOLS {
            let (declared, found) = resources::declare(&entry.value, &sources, &shared.pools);
            problems.extend(found);
            shared.pools = Arc::new(declared);
        } else if !shared.take(&entry, &sources, overrides, &mut problems)
            && !hooks.take(&entry)
            && !is_note(&entry.key)
        {
            problems.push(mirror::unknown_key(entry.key_span, &entry.key, &SUITE_KEYS));
        }
    }
    if problems.is_empty() {
        problems = shared.define(services.as_ref(), file, &sources, overrides);
    }
    if problems.is_empty() {
        let around = Definitions { file, sources: &sources, shared: &shared, overrides };
        let (hooks, found) = hooks.read(&around);
        problems = found;
        shared.hooks = hooks;
    }
    if problems.is_empty() {
        return Ok(Defaults { sources, shared });
    }
    Err(diagnose(problems, &sources))
}

/// Looks up and renders what was found, in the order of the text.
pub(in crate::descriptor) fn diagnose(mut problems: Vec<Problem>, sources: &Sources) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| (problem.span.source.0, problem.span.start));
    problems.into_iter().map(|problem| problem.diagnose(sources)).collect()
}

/// The result that stands for a file as a whole.
fn broken_file(file: &DescriptorFile<'_>, diagnostics: Vec<Diagnostic>) -> Broken {
    let position = diagnostics.first().map_or_else(
        || Position { file: Arc::clone(file.path), line: 1, column: 1 },
        |diagnostic| diagnostic.position.clone(),
    );
    let info = CaseInfo {
        id: CaseId::of_file(file.path),
        name: file.path.to_string(),
        suite: Arc::clone(file.suite),
        position,
        number: 0,
        tags: Vec::new(),
        copy_of: None,
        definition: None,
    };
    Broken { info: Arc::new(info), diagnostics }
}

fn is_note(key: &str) -> bool {
    key == SCHEMA || key.starts_with("x-")
}

/// What the cases of a file share.
#[derive(Clone, Debug, Default)]
pub(in crate::descriptor) struct Shared {
    /// The keys of a case, merged; `None` when there are none.
    pub(in crate::descriptor) case: Option<Arc<Node>>,
    pub(in crate::descriptor) variables: Defined,
    pub(in crate::descriptor) services: Services,
    pub(in crate::descriptor) hooks: Hooks,
    /// The pools that cases may ask for.
    pub(in crate::descriptor) pools: Arc<Pools>,
}

impl Shared {
    /// Lays services over the inherited ones, once all else of the file is known.
    fn define(
        &mut self,
        table: Option<&Node>,
        file: &DescriptorFile<'_>,
        sources: &Sources,
        overrides: &Arc<Variables>,
    ) -> Vec<Problem> {
        let Some(table) = table.filter(|table| table.value != Value::Null) else { return Vec::new() };
        let (services, problems) =
            services::define(table, &Definitions { file, sources, shared: self, overrides });
        self.services = services;
        problems
    }

    /// Takes `defaults` or `vars` in; returns whether it was one of them.
    fn take(
        &mut self,
        entry: &Entry,
        sources: &Sources,
        overrides: &Arc<Variables>,
        problems: &mut Vec<Problem>,
    ) -> bool {
        match entry.key.as_str() {
            "vars" => match mirror::read::<Option<Table<Datum>>>(&entry.value) {
                Ok(table) => {
                    let table = table.unwrap_or(Table(Vec::new()));
                    let (variables, mut found) = self.variables.with(table, overrides);
                    self.variables = variables;
                    problems.append(&mut found);
                }
                Err(problem) => problems.push(problem),
            },
            "defaults" => {
                let mut own = entry.value.clone();
                write_out(&mut own);
                match check_defaults(&own, sources) {
                    Ok(found) if !found.is_empty() => problems.extend(found),
                    Ok(_) => {
                        let merged = match &self.case {
                            Some(inherited) => merge(inherited, own),
                            None => own,
                        };
                        self.case = Some(Arc::new(merged));
                    }
                    Err(problem) => problems.push(problem),
                }
            }
            _ => return false,
        }
        true
    }
}

/// Finds what no case could inherit, so that it is told once and not by every case.
fn check_defaults(defaults: &Node, sources: &Sources) -> Result<Vec<Problem>, Problem> {
    let Value::Map(entries) = &defaults.value else {
        let message = format!("expected an object of keys of a case, found {}", defaults.value.kind());
        return Err(Problem::new(defaults.span, message));
    };
    if let Some(entry) = entries.iter().find(|entry| OWN_KEYS.contains(&entry.key.as_str())) {
        let problem = Problem::new(entry.key_span, format!("{} cannot be a default", quote(&entry.key)));
        return Err(match entry.key.as_str() {
            "vars" => problem.help("put `vars` beside `defaults`"),
            _ => problem.help("each case has its own"),
        });
    }
    // What holds a template can be read only with the values of a case; that it is one can be told now.
    let mut problems = Vec::new();
    let Some(plain) = without_templates(defaults, true, &mut problems) else { return Ok(problems) };
    let raw: RawCase = mirror::read_without(&plain, &OWN_KEYS)?;
    let mut lowering = Lowering {
        sources,
        scope: Scope::undecided(),
        reach: Reach::Below,
        within: None,
        pools: &Pools::new(),
        patterns: &mut HashMap::new(),
        problems,
    };
    lowering.defaults(&raw);
    Ok(lowering.problems)
}

/// Keys whose objects make sense without some of their members.
const LOOSE_KEYS: [&str; 3] = ["expect", "env", "files"];

/// A tree without the values that hold templates, which are checked by themselves.
fn without_templates(node: &Node, loose: bool, problems: &mut Vec<Problem>) -> Option<Node> {
    let value = match &node.value {
        Value::String(text) if is_template(text) => {
            problems.extend(Scope::undecided().template(text, node.span).err());
            return None;
        }
        Value::List(items) => {
            let kept: Vec<_> =
                items.iter().filter_map(|item| without_templates(item, false, problems)).collect();
            if kept.len() < items.len() {
                return None;
            }
            Value::List(kept)
        }
        Value::Map(entries) => {
            let mut kept = Vec::with_capacity(entries.len());
            for entry in entries {
                let inner = loose && LOOSE_KEYS.contains(&entry.key.as_str());
                let value = match is_template(&entry.key) {
                    true => None,
                    false => without_templates(&entry.value, inner, problems),
                };
                kept.extend(value.map(|value| Entry { value, ..entry.clone() }));
            }
            if kept.len() < entries.len() && !loose {
                return None;
            }
            Value::Map(kept)
        }
        other => other.clone(),
    };
    Some(Node { span: node.span, value })
}

pub(in crate::descriptor) struct FileReader<'a> {
    pub(in crate::descriptor) file: &'a DescriptorFile<'a>,
    pub(in crate::descriptor) around: &'a Around<'a>,
    pub(in crate::descriptor) sources: Sources,
    /// A hash of what its cases are read from.
    pub(in crate::descriptor) definition: u32,
    /// The names used so far and where.
    pub(in crate::descriptor) seen: HashMap<Arc<str>, Span, RandomState>,
    /// The regular expressions that were compiled.
    pub(in crate::descriptor) patterns: HashMap<String, Pattern>,
    /// What its last case was made of.
    pub(in crate::descriptor) shared: Parts,
    /// What was wrong with the entry that is being read.
    pub(in crate::descriptor) mistakes: Mistakes,
    /// Problems that belong to no case with a name of its own.
    pub(in crate::descriptor) loose: Vec<Problem>,
    pub(in crate::descriptor) loaded: Loaded,
    /// The pools that its cases may ask for.
    pub(in crate::descriptor) pools: &'a Pools,
    /// The id of the case to explain.
    pub(in crate::descriptor) wanted: Option<&'a str>,
    pub(in crate::descriptor) explained: Option<Explanation>,
    /// Whether several threads found that something is wrong, so that one is to read it again.
    pub(in crate::descriptor) is_in_vain: bool,
}

impl<'a> FileReader<'a> {
    /// One that has read nothing yet of a file with these texts, and their hash.
    pub(in crate::descriptor) fn new(
        file: &'a DescriptorFile<'a>,
        around: &'a Around<'a>,
        (sources, definition): (Sources, u32),
        pools: &'a Pools,
    ) -> Self {
        Self {
            file,
            around,
            sources,
            definition,
            seen: HashMap::default(),
            patterns: HashMap::new(),
            shared: Parts::last(),
            mistakes: Mistakes::default(),
            loose: Vec::new(),
            loaded: Loaded::default(),
            pools,
            wanted: None,
            explained: None,
            is_in_vain: false,
        }
    }

    /// Reads the whole tree; `None` when it is to be read again by one thread.
    fn finish(mut self, root: Node, inherited: &Defaults) -> Option<Loaded> {
        self.read(root, inherited);
        let Self { file, mut loaded, loose, sources, shared, is_in_vain, .. } = self;
        shared.keep();
        if !loose.is_empty() {
            loaded.broken.push(broken_file(file, diagnose(loose, &sources)));
        }
        (!is_in_vain).then_some(loaded)
    }

    pub(in crate::descriptor) fn read(&mut self, mut root: Node, inherited: &Defaults) {
        let shared = &inherited.shared;
        let span = root.span;
        if let Value::Map(entries) = &mut root.value {
            entries.retain(|entry| entry.key != SCHEMA);
        }
        if root.get("cases").is_none() && root.get("defaults").is_none() {
            if let Some(Node { value: Value::Map(_), span }) = root.get("services") {
                let problem = Problem::new(*span, "a case lists the names of its services");
                let help = "services are defined in a suite file, or beside `cases`";
                return self.loose.push(problem.help(help));
            }
            let stem = self.file.suite.rsplit('/').next().unwrap_or_default().to_owned();
            return self.entry(root, shared, Some(stem));
        }
        let mut shared = shared.clone();
        let Value::Map(entries) = root.value else { return };
        let (mut cases, mut services) = (None, None);
        for entry in entries {
            if entry.key == "cases" {
                cases = Some(entry.value);
            } else if entry.key == "services" {
                services = Some(entry.value);
            } else if !shared.take(&entry, &self.sources, self.around.overrides, &mut self.loose)
                && !is_note(&entry.key)
            {
                let known = mirror::unknown_key(entry.key_span, &entry.key, &FILE_KEYS);
                self.loose.push(match mirror::has_field::<RawCase>(&entry.key) {
                    true => Problem::new(entry.key_span, format!("{} belongs to a case", quote(&entry.key)))
                        .help("move it into `defaults`, or into each of the `cases`"),
                    false => known,
                });
            }
        }
        if self.loose.is_empty() {
            self.loose = shared.define(services.as_ref(), self.file, &self.sources, self.around.overrides);
        }
        if !self.loose.is_empty() {
            return;
        }
        match cases {
            None => self
                .loose
                .push(Problem::new(start_of(span), "`cases` is missing").help("add `cases`, a list")),
            Some(Node { value: Value::List(cases), span }) if cases.is_empty() => {
                let problem = Problem::new(span, "`cases` is empty");
                self.loose.push(
                    problem.help("add a case, such as { \"name\": \"first\", \"run\": [\"./program\"] }"),
                );
            }
            Some(Node { value: Value::List(cases), .. }) => {
                self.loaded.cases.reserve(cases.len());
                for case in cases {
                    self.entry(case, &shared, None);
                }
            }
            Some(other) => {
                let message = format!("expected a list of cases, found {}", other.value.kind());
                self.loose.push(
                    Problem::new(other.span, message).help("write the cases in brackets, each in braces"),
                );
            }
        }
    }
}
