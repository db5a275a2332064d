//! What a case is made of, and where each value stands.

use std::borrow::Cow;
use std::ffi::OsString;

use serde_json::json;

use crate::descriptor::load::{Around, Defaults, DescriptorFile, FileReader, begin};
use crate::descriptor::lower::{DEFAULT_GRACE, DEFAULT_SLOW_AFTER, DEFAULT_TIMEOUT};
use crate::descriptor::node::{Entry, Node, Span, Value};
use crate::descriptor::source::Sources;
use crate::descriptor::variables::Defined;
use crate::model::Position;
use crate::text::{Template, Variables, is_template};

/// A case with everything it inherits, its variables put in.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Its id.
    pub id: String,
    /// Its values, in the order in which they are read; what partest adds itself comes last.
    pub values: Vec<Explained>,
    /// The variables that its templates may name, by name.
    pub variables: Vec<Explained>,
    /// What it takes of what cases share while it runs, and why.
    pub takes: String,
    /// The names of variables that hold secrets, of the case and of what is beside it.
    pub secrets: Vec<String>,
    /// The environment that the case sets, and those that are set beside it.
    pub environments: Vec<Vec<(OsString, OsString)>>,
}

/// One value of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// Where it is in the case: `run[0]`, `expect.stdout.contains`, `env.NAME`.
    pub path: String,
    /// What it is, as JSON: no object or list, unless an empty one; those of variables are whole. A number is as it is
    /// written.
    pub value: String,
    /// Who says so.
    pub origin: Origin,
    /// The template it was, where it is the value of one.
    pub template: Option<String>,
}

/// Who gives a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(Position),
    /// An argument, such as `--var`.
    CommandLine,
    /// Nobody: it is what partest does when nothing is said.
    Default,
}

/// Explains the case with this id, if the file has it and it is not broken.
#[must_use]
pub fn explain(
    file: &DescriptorFile<'_>,
    inherited: &Defaults,
    around: &Around<'_>,
    id: &str,
) -> Option<Explanation> {
    let (mut reader, root) = begin(file, inherited, around).ok()?;
    reader.wanted = Some(id);
    reader.read(root, inherited);
    reader.explained
}

/// A case whose variables were put in.
pub(crate) struct Made<'a> {
    pub(crate) id: String,
    /// What it became.
    pub(crate) tree: &'a Node,
    /// What it was.
    pub(crate) template: &'a Node,
    pub(crate) variables: &'a Defined,
    /// The variables of this one case, each layer with its place.
    pub(crate) own: &'a [(std::sync::Arc<Variables>, Span)],
    /// The services beside it, and what is done before and after the cases of its folders, as they stand in the text.
    pub(crate) beside: &'a [(String, std::sync::Arc<Node>)],
}

impl FileReader<'_> {
    pub(in crate::descriptor) fn explain(&self, made: &Made<'_>) -> Explanation {
        let mut values = Vec::new();
        flatten(made.tree, Some(made.template), String::new(), &self.sources, &mut values);
        for (path, value) in defaults(made.tree) {
            let value = value.to_string();
            values.push(Explained { path: path.to_owned(), value, origin: Origin::Default, template: None });
        }
        for (path, tree) in made.beside {
            flatten(tree, None, path.clone(), &self.sources, &mut values);
        }
        let mut variables = std::collections::BTreeMap::new();
        for (name, value) in made.variables.values.as_ref() {
            let place =
                made.variables.places.get(name).map(|place| Origin::File(self.sources.position(*place)));
            variables.insert(name.clone(), (value.clone(), place.unwrap_or(Origin::Default)));
        }
        for (name, value) in self.around.overrides.as_ref() {
            variables.insert(name.clone(), (value.clone(), Origin::CommandLine));
        }
        for (layer, place) in made.own {
            for (name, value) in layer.as_ref() {
                let origin = Origin::File(self.sources.position(*place));
                variables.insert(name.clone(), (value.clone(), origin));
            }
        }
        let known = variables.iter().map(|(name, (value, _))| (name.clone(), value.clone())).collect();
        let (mut secrets, mut environments) = (Vec::new(), Vec::new());
        for tree in made.beside.iter().map(|(_, tree)| &**tree).chain([made.tree]) {
            gather(tree, &self.sources, &known, &mut secrets, &mut environments);
        }
        let row = |(path, (value, origin)): (_, (serde_json::Value, _))| {
            let value = value.to_string();
            Explained { path, value, origin, template: None }
        };
        Explanation {
            id: made.id.clone(),
            values,
            variables: variables.into_iter().map(row).collect(),
            takes: String::new(),
            secrets,
            environments,
        }
    }
}

/// Takes what a case or a service, or each of a list of them, calls secret, and the environment that it sets.
fn gather(
    tree: &Node,
    sources: &Sources,
    variables: &Variables,
    secrets: &mut Vec<String>,
    environments: &mut Vec<Vec<(OsString, OsString)>>,
) {
    if let Value::List(trees) = &tree.value {
        trees.iter().for_each(|tree| gather(tree, sources, variables, secrets, environments));
    }
    if let Some(Value::List(names)) = tree.get("secrets").map(|names| &names.value) {
        secrets.extend(names.iter().filter_map(|name| Some(name.to_json().as_str()?.to_owned())));
    }
    let set = match tree.get("env").map(|set| &set.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let variable = |entry: &Entry| {
        let value = match &entry.value.value {
            // It is taken away.
            Value::Null => return None,
            Value::String(text) => Template::parse(text).ok()?.render(variables).ok()?.into_owned(),
            _ => in_json(&entry.value, sources),
        };
        Some((OsString::from(&entry.key), OsString::from(value)))
    };
    environments.push(set.iter().filter_map(variable).collect());
}

/// A value as JSON; a number as it is written.
fn in_json(node: &Node, sources: &Sources) -> String {
    let written = match &node.value {
        Value::Int(_) | Value::Large(_) | Value::Float(_) => sources.number(node.span),
        _ => None,
    };
    written.map_or_else(|| node.to_json().to_string(), Cow::into_owned)
}

/// What partest does where the case says nothing.
fn defaults(tree: &Node) -> Vec<(&'static str, serde_json::Value)> {
    let is_said = |key: &str| tree.get(key).is_some_and(|value| value.value != Value::Null);
    let expects = |key: &str| tree.get("expect").and_then(|expect| expect.get(key)).is_some();
    let mut added = Vec::new();
    if is_said("run") && !is_said("steps") && !expects("exit") && !expects("signal") {
        added.push(("expect.exit", json!(0)));
    }
    let durations =
        [("timeout", DEFAULT_TIMEOUT), ("grace", DEFAULT_GRACE), ("slow_after", DEFAULT_SLOW_AFTER)];
    for (key, duration) in durations {
        if !is_said(key) {
            added.push((key, format!("{}s", duration.as_secs()).into()));
        }
    }
    if !is_said("retries") {
        added.push(("retries", json!(0)));
    }
    added
}

/// The leaves of a tree; `template` is what its part of the case was before.
fn flatten(node: &Node, template: Option<&Node>, path: String, sources: &Sources, rows: &mut Vec<Explained>) {
    let was = template.and_then(|template| match &template.value {
        Value::String(text) if is_template(text) && template.value != node.value => Some(text.clone()),
        _ => None,
    });
    match &node.value {
        Value::Map(entries) if !entries.is_empty() && was.is_none() => {
            for (index, entry) in entries.iter().enumerate() {
                let template = template.and_then(|template| match &template.value {
                    Value::Map(entries) => entries.get(index).map(|entry| &entry.value),
                    _ => None,
                });
                flatten(&entry.value, template, joined(&path, &entry.key), sources, rows);
            }
        }
        Value::List(items) if !items.is_empty() && was.is_none() => {
            for (index, item) in items.iter().enumerate() {
                let template = template.and_then(|template| match &template.value {
                    Value::List(items) => items.get(index),
                    _ => None,
                });
                flatten(item, template, format!("{path}[{index}]"), sources, rows);
            }
        }
        _ => rows.push(Explained {
            path,
            value: in_json(node, sources),
            origin: Origin::File(sources.position(node.span)),
            template: was,
        }),
    }
}

fn joined(path: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key.chars().all(|character| character.is_alphanumeric() || "_-".contains(character));
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{}]", json!(key)),
    }
}
