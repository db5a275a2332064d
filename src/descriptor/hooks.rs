//! The keys `setup` and `teardown` of suite files: cases without a name, of what surrounds the cases of a folder.

use std::collections::HashMap;
use std::sync::Arc;

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::kinds::write_out;
use crate::descriptor::node::{Entry, Node, Value, merge};
use crate::descriptor::raw::RawCase;
use crate::descriptor::scope::Scope;
use crate::descriptor::services::{Definitions, find, only};
use crate::descriptor::substitute::Prototype;
use crate::model::{CaseId, CaseInfo, SuiteHooks, TestCase};
use crate::text::Layers;

/// What `setup` and `teardown` take from the defaults of their file: what surrounds a case, not what it does.
const INHERITED: [&str; 16] = [
    "env",
    "unset_env",
    "inherit_env",
    "secrets",
    "inputs",
    "files",
    "outputs",
    "cwd",
    "allow_outside",
    "isolation",
    "timeout",
    "grace",
    "slow_after",
    "limits",
    "leak",
    "exclusive",
];

/// Keys of a case that make no sense here.
const REFUSED: [&str; 12] = [
    "name",
    "vars",
    "matrix",
    "rows",
    "foreach",
    "skip",
    "only_if",
    "requires",
    "xfail",
    "quarantine",
    "tags",
    "after",
];

/// What is done before and after the cases of the folders above, the outermost first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) cases: Arc<[Arc<SuiteHooks>]>,
    /// The names that the setups capture.
    pub(crate) captured: Arc<[String]>,
    /// As they stand in the text, by their keys.
    pub(crate) trees: Vec<(String, Arc<Node>)>,
}

/// What a suite file says of before and after.
#[derive(Default)]
pub(crate) struct RawHooks {
    pub(crate) setup: Option<Entry>,
    pub(crate) teardown: Option<Entry>,
}

impl RawHooks {
    /// Takes `setup` or `teardown`; returns whether it was one of them.
    pub(crate) fn take(&mut self, entry: &Entry) -> bool {
        let place = match entry.key.as_str() {
            "setup" => &mut self.setup,
            "teardown" => &mut self.teardown,
            _ => return false,
        };
        if entry.value.value != Value::Null {
            *place = Some(entry.clone());
        }
        true
    }

    /// The inherited ones and, if there are any, these.
    pub(crate) fn read(self, around: &Definitions<'_>) -> (Hooks, Vec<Problem>) {
        let mut all = around.shared.hooks.clone();
        let own = [("setup", &self.setup), ("teardown", &self.teardown)];
        let trees = own.into_iter().filter_map(|(key, entry)| Some((key, entry.as_ref()?)));
        all.trees.extend(trees.map(|(key, entry)| (key.to_owned(), Arc::new(entry.value.clone()))));
        let mut problems = Vec::new();
        let mut case = |entry: Option<Entry>, given: &[String]| match case(&entry?, given, around) {
            Ok(case) => Some(Arc::new(case)),
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        let setup = case(self.setup, &all.captured);
        let new = setup.iter().flat_map(|setup| &setup.steps).flat_map(|step| &step.captures);
        all.captured = all.captured.iter().chain(new.map(|capture| &capture.name)).cloned().collect();
        let teardown = case(self.teardown, &all.captured);
        let hooks = SuiteHooks { setup, teardown };
        if hooks.setup.is_some() || hooks.teardown.is_some() {
            all.cases = all.cases.iter().cloned().chain([Arc::new(hooks)]).collect();
        }
        (all, problems)
    }
}

fn case(entry: &Entry, given: &[String], around: &Definitions<'_>) -> Result<TestCase, Vec<Problem>> {
    let one = |problem| vec![problem];
    let mut own = as_case(entry).map_err(one)?;
    write_out(&mut own);
    let tree = match &around.shared.case {
        Some(defaults) => merge(&only(defaults, &INHERITED), own),
        None => own,
    };
    let layers = Layers::new(vec![Arc::clone(&around.shared.variables.values), Arc::clone(around.overrides)]);
    let (_, raw) = Prototype::new(&tree).read::<RawCase>(&layers).map_err(one)?;
    let mut patterns = HashMap::new();
    let names = Scope::new(&raw, &layers).given(given).beside(around.file.folder);
    let mut lowering = around.lowering(names, &mut patterns);
    let body = lowering.body(&raw, entry.key_span);
    let (services, problems) = find(&raw.services.0, &around.shared.services, &lowering.scope);
    lowering.problems.extend(problems);
    if !lowering.problems.is_empty() {
        return Err(lowering.problems);
    }
    let info = CaseInfo {
        id: CaseId::new(around.file.path, &entry.key),
        name: entry.key.clone(),
        suite: Arc::clone(around.file.suite),
        position: around.sources.position(entry.key_span),
        number: 0,
        tags: Vec::new(),
        copy_of: None,
        definition: Some(around.sources.digest(around.overrides)),
    };
    Ok(TestCase {
        info: Arc::new(info),
        folder: Arc::clone(around.file.folder),
        steps: body.steps,
        environment: Arc::new(body.environment),
        inputs: body.inputs.into(),
        files: body.files.into(),
        outputs: body.outputs.into(),
        cwd: body.cwd,
        time: Arc::new(body.time),
        retries: Arc::new(body.retries),
        precautions: Arc::new(body.precautions),
        resources: Arc::new(body.resources),
        services: services.into(),
        hooks: Arc::clone(&around.shared.hooks.cases),
        ports: lowering.scope.ports().into(),
        skip: None,
        requires: Arc::default(),
        expected_failure: None,
        quarantine: None,
        variables: Arc::new(lowering.scope.left_to_the_run()),
    })
}

/// The tree of a case: a list is its steps.
fn as_case(entry: &Entry) -> Result<Node, Problem> {
    match &entry.value.value {
        Value::List(_) => {
            let steps =
                Entry { key: "steps".to_owned(), key_span: entry.key_span, value: entry.value.clone() };
            Ok(Node { span: entry.value.span, value: Value::Map(vec![steps]) })
        }
        Value::Map(entries) => match entries.iter().find(|entry| REFUSED.contains(&entry.key.as_str())) {
            Some(refused) => {
                let message = format!("{} cannot stand in `{}`", quote(&refused.key), entry.key);
                Err(Problem::new(refused.key_span, message))
            }
            None => Ok(entry.value.clone()),
        },
        other => {
            let message = format!("expected a list of steps, found {}", other.kind());
            Err(Problem::new(entry.value.span, message)
                .help("or an object with `steps` and other keys of a case"))
        }
    }
}
