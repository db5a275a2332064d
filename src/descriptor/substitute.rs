//! Replaces, in the tree of a case, the variables that are known when it is read.
//!
//! A text that is one expression becomes that expression's value, with its type: so numbers, durations, truth
//! values and whole lists can be variables. What names something that only the run knows is left as it stands.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::descriptor::diagnostic::Problem;
use crate::descriptor::late::of_number;
use crate::descriptor::mirror;
use crate::descriptor::node::{Entry, Node, Span, Value, refuse_duplicates};
use crate::descriptor::scope::{about_name, broken, check_variable_of, is_of_the_run, split, too_late};
use crate::descriptor::variables::holds_template;
use crate::text::{Compiled, Layers, TemplateError, is_template};

/// A tree whose texts are templates, compiled once for all cases that are made of it.
pub(crate) struct Prototype<'n> {
    tree: &'n Node,
    /// Whether no text of it is a template.
    is_plain: bool,
    compiled: HashMap<&'n str, Result<Compiled<'n>, TemplateError>>,
    /// Places where a text is wanted, whatever the type of the value.
    texts: HashSet<Span>,
}

/// What a tree became.
struct Substituted {
    tree: Node,
    /// Where an expression gave a number or truth value.
    typed: Vec<Span>,
    /// What was left to the run.
    left: Vec<Span>,
}

/// Keys whose value is a reason, or, from an expression, `false` where there is none.
const REASONS: [&str; 2] = ["skip", "xfail"];

impl Substituted {
    fn is_reason(&self, span: Span) -> bool {
        REASONS.iter().any(|key| self.tree.get(key).is_some_and(|value| value.span == span))
    }

    fn remove_false_reasons(&mut self) {
        let Value::Map(entries) = &mut self.tree.value else { return };
        let is_false = |entry: &&mut Entry| entry.value.value == Value::Bool(false);
        let reasons = entries.iter_mut().filter(|entry| REASONS.contains(&entry.key.as_str()));
        for entry in reasons.filter(is_false).filter(|entry| self.typed.contains(&entry.value.span)) {
            entry.value.value = Value::Null;
        }
    }
}

impl<'n> Prototype<'n> {
    /// The tree of a case without what makes several of it.
    pub(crate) fn new(tree: &'n Node) -> Self {
        Self { tree, is_plain: is_plain(tree), compiled: HashMap::new(), texts: HashSet::new() }
    }

    /// The tree as it stands in the text.
    pub(crate) fn tree(&self) -> &'n Node {
        self.tree
    }

    /// The tree with these values, and the mirror of it.
    ///
    /// A value that is a number where a text is wanted is taken as its text.
    pub(crate) fn read<T: for<'de> Deserialize<'de>>(
        &mut self,
        layers: &Layers,
    ) -> Result<(Cow<'n, Node>, T), Problem> {
        if self.is_plain {
            return mirror::read(self.tree).map(|read| (Cow::Borrowed(self.tree), read));
        }
        let mut first: Option<Problem> = None;
        loop {
            let mut done = self.substitute(layers)?;
            done.remove_false_reasons();
            let problem = match mirror::read(&done.tree) {
                Ok(read) => return Ok((Cow::Owned(done.tree), read)),
                Err(problem) => problem,
            };
            if let Some(first) = first.take_if(|first| first.span == problem.span) {
                // Neither the value nor its text will do.
                self.texts.remove(&first.span);
                return Err(first);
            }
            if done.typed.contains(&problem.span) && !done.is_reason(problem.span) {
                self.texts.insert(problem.span);
                first = Some(problem);
                continue;
            }
            if done.left.contains(&problem.span) {
                return Err(self.left_too_late(problem, layers));
            }
            return Err(problem);
        }
    }

    fn substitute(&mut self, layers: &Layers) -> Result<Substituted, Problem> {
        let mut typed = Vec::new();
        let mut left = Vec::new();
        let mut walk = Walk { prototype: self, layers, typed: &mut typed, left: &mut left };
        let tree = walk.prototype.tree;
        let tree = walk.node(tree)?;
        Ok(Substituted { tree, typed, left })
    }

    /// Says why a text that was left as it stands is not what is wanted.
    fn left_too_late(&self, problem: Problem, layers: &Layers) -> Problem {
        let Some(text) = text_at(self.tree, problem.span) else { return problem };
        let Some(Ok(compiled)) = self.compiled.get(text) else { return problem };
        let captured = captured(self.tree);
        let is_late = |name: &String| is_of_the_run(name) || captured.contains(split(name).0);
        let unknown = |name: &&String| !is_late(name);
        for name in compiled.names().iter().filter(unknown) {
            if let Err(unknown) = check_variable_of(name, layers, problem.span) {
                return about_name(unknown, text, name);
            }
        }
        match compiled.names().iter().find(|name| is_late(name)) {
            Some(name) => about_name(too_late(name, problem.span), text, name),
            None => problem,
        }
    }
}

/// Whether a tree holds no template.
fn is_plain(node: &Node) -> bool {
    match &node.value {
        Value::String(text) => !is_template(text),
        Value::List(items) => items.iter().all(is_plain),
        Value::Map(entries) => entries.iter().all(|entry| !is_template(&entry.key) && is_plain(&entry.value)),
        _ => true,
    }
}

/// The names that the steps of a case capture.
fn captured(tree: &Node) -> HashSet<&str> {
    let steps = match tree.get("steps").map(|steps| &steps.value) {
        Some(Value::List(steps)) => steps.as_slice(),
        _ => &[],
    };
    let tables = steps.iter().chain([tree]).filter_map(|step| step.get("capture"));
    let names = tables.flat_map(|table| match &table.value {
        Value::Map(entries) => entries.as_slice(),
        _ => &[],
    });
    names.map(|entry| entry.key.as_str()).collect()
}

fn text_at(node: &Node, span: Span) -> Option<&str> {
    match &node.value {
        Value::String(text) if node.span == span => Some(text),
        Value::List(items) => items.iter().find_map(|item| text_at(item, span)),
        Value::Map(entries) => entries.iter().find_map(|entry| match entry.key_span == span {
            true => Some(entry.key.as_str()),
            false => text_at(&entry.value, span),
        }),
        _ => None,
    }
}

struct Walk<'w, 'n> {
    prototype: &'w mut Prototype<'n>,
    layers: &'w Layers,
    typed: &'w mut Vec<Span>,
    left: &'w mut Vec<Span>,
}

impl<'n> Walk<'_, 'n> {
    fn node(&mut self, node: &'n Node) -> Result<Node, Problem> {
        let value = match &node.value {
            Value::String(text) if is_template(text) => self.text(text, node.span)?,
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.node(item)).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|entry| self.entry(entry)).collect::<Result<_, Problem>>()?;
                refuse_duplicates(&entries)?;
                Value::Map(entries)
            }
            other => other.clone(),
        };
        Ok(Node { span: node.span, value })
    }

    fn entry(&mut self, entry: &'n Entry) -> Result<Entry, Problem> {
        let key = match is_template(&entry.key) {
            true => self.key(&entry.key, entry.key_span)?,
            false => entry.key.clone(),
        };
        Ok(Entry { key, key_span: entry.key_span, value: self.node(&entry.value)? })
    }

    fn key(&mut self, key: &'n str, span: Span) -> Result<String, Problem> {
        let layers = self.layers;
        match self.known(key) {
            Some(compiled) => {
                let text =
                    compiled.text(layers).map_err(|error| without_value(compiled, error, layers, span))?;
                Ok(if is_template(&text) { key.to_owned() } else { text })
            }
            None => Ok(key.to_owned()),
        }
    }

    fn text(&mut self, text: &'n str, span: Span) -> Result<Value, Problem> {
        let layers = self.layers;
        let as_text = self.prototype.texts.contains(&span);
        let Some(compiled) = self.known(text) else {
            self.left.push(span);
            return Ok(Value::String(text.to_owned()));
        };
        let value = match as_text {
            true => compiled.text(layers).map(serde_json::Value::String),
            false => compiled.value(layers),
        };
        let value = value.map_err(|error| without_value(compiled, error, layers, span))?;
        match value {
            // It is not to be read as a template again, so it is put in when the case runs.
            serde_json::Value::String(value) if is_template(&value) => {
                self.left.push(span);
                Ok(Value::String(text.to_owned()))
            }
            value if holds_template(&value) => {
                let message = "a text in this value holds `{{`, which has a meaning of its own here";
                Err(Problem::new(span, message))
            }
            value => {
                let node = from_json(value, span)?;
                if matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Large(_) | Value::Float(_)) {
                    self.typed.push(span);
                }
                Ok(node.value)
            }
        }
    }

    /// The template, when all it names is known before the run.
    fn known(&mut self, text: &'n str) -> Option<&Compiled<'n>> {
        let layers = self.layers;
        let compiled = self.prototype.compiled.entry(text).or_insert_with(|| Compiled::parse(text));
        // What cannot be read is told when the case is lowered, together with all else that is wrong with it.
        let Ok(compiled) = compiled else { return None };
        let is_known = |name: &String| {
            let (head, _) = split(name);
            !is_of_the_run(name) && layers.get(head).is_some()
        };
        compiled.names().iter().all(is_known).then_some(compiled)
    }
}

/// Why an expression has no value: most often since a part of a variable does not exist.
pub(crate) fn without_value(
    compiled: &Compiled<'_>,
    error: TemplateError,
    layers: &Layers,
    span: Span,
) -> Problem {
    let missing = compiled.names().iter().find_map(|name| {
        let unknown = check_variable_of(name, layers, span).err()?;
        Some(about_name(unknown, compiled.source(), name))
    });
    missing.unwrap_or_else(|| {
        if error.message.ends_with(" is unknown") {
            return broken(&error, compiled.source(), span);
        }
        let help = help_without_value(&error.message);
        Problem::new(span, format!("the template has no value: {error}")).help(help)
    })
}

/// What to do about an expression without a value, all names of which are known.
fn help_without_value(message: &str) -> &'static str {
    if message.contains("no value") || message.contains("undefined") {
        "there is no such item or part; `| default('…')` says what to take instead"
    } else if message.contains("larger than") || message.contains("up to") {
        "give a long text to the case as a file, or let the program make it"
    } else if message.contains("divide")
        || message.contains("not finite")
        || message.contains("unable to calculate")
    {
        "see that what it divides by is not 0 and that the result is a number that can be written"
    } else {
        "see that each filter and operator gets the types it is for: `| int`, `| string` and `| list` turn values \
         into others"
    }
}

/// A value as a tree, all of which stands at one place.
fn from_json(value: serde_json::Value, span: Span) -> Result<Node, Problem> {
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => of_number(&number),
        serde_json::Value::String(text) => Value::String(text),
        serde_json::Value::Array(items) => {
            Value::List(items.into_iter().map(|item| from_json(item, span)).collect::<Result<_, _>>()?)
        }
        serde_json::Value::Object(members) => {
            let entry = |(key, value)| Ok(Entry { key, key_span: span, value: from_json(value, span)? });
            Value::Map(members.into_iter().map(entry).collect::<Result<_, Problem>>()?)
        }
    };
    Ok(Node { span, value })
}
