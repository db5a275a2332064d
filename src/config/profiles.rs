//! Profiles laid over each other, and the variables over them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use crate::config::file::ConfigFile;
use crate::config::{FILE, Origin, Setting, SettingsError, show, values};
use crate::descriptor::{
    DEFAULT_GRACE, DEFAULT_SLOW_AFTER, DEFAULT_TIMEOUT, Defaults, Diagnostic, Entry, Node, POOLS, Problem,
    Source, Sources, Span, Value, quote, suggest, unknown_key,
};

/// The profile that every other inherits from, unless it names another.
pub(super) const DEFAULT: &str = "default";
/// The one key of the file.
pub(super) const PROFILE: &str = "profile";
const INHERITS: &str = "inherits";
/// The keys of a profile.
pub(super) const KEYS: [&str; 18] = [
    INHERITS,
    "paths",
    "jobs",
    "io_jobs",
    POOLS,
    "junit",
    "order",
    "history",
    "max_fail",
    "run_timeout",
    "retry_budget",
    "flaky",
    "color",
    "verbosity",
    "timeout",
    "slow_after",
    "grace",
    "retries",
];
/// Those of them that cases inherit.
pub(super) const CASE_KEYS: [&str; 4] = ["timeout", "slow_after", "grace", "retries"];
/// What the text of a variable is read as, where it can be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Switch,
}

/// Those that a variable can set.
const VARIABLES: [(&str, &str, Kind); 15] = [
    ("jobs", "PARTEST_JOBS", Kind::Number),
    ("io_jobs", "PARTEST_IO_JOBS", Kind::Number),
    ("junit", "PARTEST_JUNIT", Kind::Text),
    ("order", "PARTEST_ORDER", Kind::Text),
    ("history", "PARTEST_HISTORY", Kind::Switch),
    ("max_fail", "PARTEST_MAX_FAIL", Kind::Number),
    ("run_timeout", "PARTEST_RUN_TIMEOUT", Kind::Text),
    ("retry_budget", "PARTEST_RETRY_BUDGET", Kind::Number),
    ("flaky", "PARTEST_FLAKY", Kind::Text),
    ("color", "PARTEST_COLOR", Kind::Text),
    ("verbosity", "PARTEST_VERBOSITY", Kind::Text),
    ("timeout", "PARTEST_TIMEOUT", Kind::Text),
    ("slow_after", "PARTEST_SLOW_AFTER", Kind::Text),
    ("grace", "PARTEST_GRACE", Kind::Text),
    ("retries", "PARTEST_RETRIES", Kind::Number),
];

impl Kind {
    fn read(self, text: &str) -> Value {
        let word = text.trim();
        match (self, word.parse(), word) {
            (Self::Number, Ok(number), _) => Value::Int(number),
            (Self::Switch, _, "true" | "1") => Value::Bool(true),
            (Self::Switch, _, "false" | "0") => Value::Bool(false),
            _ => Value::String(text.to_owned()),
        }
    }
}

/// The value of each key that counts.
pub(super) struct Layers {
    sources: Sources,
    given: BTreeMap<&'static str, Given>,
}

struct Given {
    entry: Entry,
    origin: Origin,
}

impl Layers {
    /// What the file says in a profile and those it inherits from, and what variables say over it. All of the file is
    /// checked, whichever profile is used.
    pub(super) fn new(
        file: Option<&ConfigFile>,
        profile: &str,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let sources = file.map(|file| file.sources.clone()).unwrap_or_default();
        let mut layers = Self { sources, given: BTreeMap::new() };
        match file {
            Some(file) => layers.add_file(file, profile)?,
            None if profile == DEFAULT => {}
            None => {
                let help = format!("there is no {FILE} here or in a folder above");
                return Err(SettingsError::NoProfile { name: quote(profile), help });
            }
        }
        layers.add_variables(variable)?;
        Ok(layers)
    }

    fn add_file(&mut self, file: &ConfigFile, profile: &str) -> Result<(), SettingsError> {
        let mut problems = Vec::new();
        let profiles = profiles(&file.tree, &mut problems);
        for (_, entries) in &profiles {
            check(entries, &profiles, &self.sources, &mut problems);
        }
        if !problems.is_empty() {
            return Err(self.wrong(problems));
        }
        let names: Vec<_> = profiles.iter().map(|(entry, _)| entry.key.as_str()).collect();
        let mut chain = Vec::new();
        let mut next = Some(profile);
        while let Some(name) = next {
            let Some((_, entries)) = profiles.iter().find(|(entry, _)| entry.key == name) else {
                if name != DEFAULT {
                    let named = names.iter().copied().filter(|name| *name != DEFAULT);
                    let known: Vec<_> = [DEFAULT].into_iter().chain(named).collect();
                    let help = suggest(name, "known profiles", &known).unwrap_or_default();
                    return Err(SettingsError::NoProfile { name: quote(name), help });
                }
                break;
            };
            chain.push((name, *entries));
            next = parent(name, entries);
        }
        for (name, entries) in chain.into_iter().rev() {
            for key in KEYS.into_iter().filter(|key| *key != INHERITS) {
                if let Some(entry) = entries.iter().find(|entry| entry.key == key) {
                    let position = self.sources.position(entry.value.span);
                    let origin = Origin::File { position, profile: name.to_owned() };
                    self.given.insert(key, Given { entry: entry.clone(), origin });
                }
            }
        }
        Ok(())
    }

    fn add_variables(&mut self, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<(), SettingsError> {
        let mut problems = Vec::new();
        for (key, name, kind) in VARIABLES {
            let Some(text) = variable(name).filter(|text| !text.is_empty()) else { continue };
            let text = text.to_string_lossy().into_owned();
            let span = Span::new(self.sources.next_id(), 0, text.len());
            let value = kind.read(&text);
            self.sources = self.sources.with(Arc::new(Source::new(name.into(), text)));
            let entry = Entry { key: key.to_owned(), key_span: span, value: Node { span, value } };
            check_entry(&entry, &self.sources, &mut problems);
            self.given.insert(key, Given { entry, origin: Origin::Variable(name) });
        }
        if problems.is_empty() { Ok(()) } else { Err(self.wrong(problems)) }
    }

    fn wrong(&self, mut problems: Vec<Problem>) -> SettingsError {
        problems.sort_by_key(|problem| (problem.span.source.0, problem.span.start));
        SettingsError::Wrong(problems.into_iter().map(|problem| problem.diagnose(&self.sources)).collect())
    }

    /// What is wrong with paths that the file gives and that are not there.
    pub(super) fn unfound_paths(&self, root: &Path) -> Vec<Diagnostic> {
        let Some(Given { entry, origin: Origin::File { .. } }) = self.given.get("paths") else {
            return Vec::new();
        };
        let nodes = match &entry.value.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(&entry.value),
        };
        let unfound = nodes.iter().filter_map(|node| {
            let path = values::text(node).ok().filter(|path| !root.join(path).exists())?;
            let problem = Problem::new(node.span, format!("there is no file or folder {}", quote(path)));
            let help = "paths are relative to the folder of partest.toml";
            Some(problem.help(help).diagnose(&self.sources))
        });
        unfound.collect()
    }

    /// The value of a key, if something gives one.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Node) -> Result<T, Problem>,
    ) -> Option<Setting<T>> {
        let Given { entry, origin } = self.given.remove(key)?;
        // It was checked when it was given.
        read(&entry.value).ok().map(|value| Setting { value, origin })
    }

    /// The value of a key, or none where nothing gives one.
    pub(super) fn take_optional<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Node) -> Result<T, Problem>,
    ) -> Setting<Option<T>> {
        match self.take(key, read) {
            Some(Setting { value, origin }) => Setting { value: Some(value), origin },
            None => Setting::built_in(None),
        }
    }

    /// What cases inherit, as it is shown.
    pub(super) fn case_settings(&self) -> Vec<(&'static str, Setting<String>)> {
        let built_in = |key: &str| match key {
            "timeout" => show::quoted(&humantime::format_duration(DEFAULT_TIMEOUT).to_string()),
            "slow_after" => show::quoted(&humantime::format_duration(DEFAULT_SLOW_AFTER).to_string()),
            "grace" => show::quoted(&humantime::format_duration(DEFAULT_GRACE).to_string()),
            POOLS => "{}".to_owned(),
            _ => "0".to_owned(),
        };
        let setting = |key| match self.given.get(key) {
            Some(given) => Setting { value: show::node(&given.entry.value), origin: given.origin.clone() },
            None => Setting::built_in(built_in(key)),
        };
        [POOLS].into_iter().chain(CASE_KEYS).map(|key| (key, setting(key))).collect()
    }

    /// What cases inherit.
    pub(super) fn into_defaults(mut self) -> Result<Defaults, SettingsError> {
        let pools = self.given.remove(POOLS);
        let entries = self.given.into_values().map(|given| given.entry);
        let entries = entries.filter(|entry| CASE_KEYS.contains(&entry.key.as_str())).collect();
        let defaults = Defaults::outermost(self.sources, entries).map_err(SettingsError::Wrong)?;
        match pools {
            Some(pools) => defaults.with_pools(&pools.entry.value).map_err(SettingsError::Wrong),
            None => Ok(defaults),
        }
    }
}

/// The name of the profile that one inherits from.
fn parent<'a>(name: &str, entries: &'a [Entry]) -> Option<&'a str> {
    match entries.iter().find(|entry| entry.key == INHERITS) {
        Some(entry) => values::text(&entry.value).ok(),
        None => (name != DEFAULT).then_some(DEFAULT),
    }
}

type Profile<'a> = (&'a Entry, &'a [Entry]);

/// The profiles of the file, each with its keys.
fn profiles<'a>(tree: &'a Node, problems: &mut Vec<Problem>) -> Vec<Profile<'a>> {
    let Value::Map(entries) = &tree.value else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| !is_note(&entry.key)) {
        match &entry.value.value {
            _ if KEYS.contains(&entry.key.as_str()) => {
                let problem =
                    Problem::new(entry.key_span, format!("{} belongs to a profile", quote(&entry.key)));
                problems.push(problem.help("write it below `[profile.default]`"));
            }
            _ if entry.key != PROFILE => problems.push(unknown_key(entry.key_span, &entry.key, &[PROFILE])),
            Value::Map(profiles) => {
                for profile in profiles {
                    match &profile.value.value {
                        Value::Map(keys) => found.push((profile, keys.as_slice())),
                        other => problems.push(not_a_table(&profile.value, other)),
                    }
                }
            }
            other => problems.push(not_a_table(&entry.value, other)),
        }
    }
    found
}

fn not_a_table(node: &Node, value: &Value) -> Problem {
    let problem = Problem::new(node.span, format!("expected a profile, found {}", value.kind()));
    problem.help("write `[profile.NAME]` and the keys below it")
}

fn is_note(key: &str) -> bool {
    key.starts_with("x-") || key == "$schema"
}

fn check(entries: &[Entry], profiles: &[Profile<'_>], sources: &Sources, problems: &mut Vec<Problem>) {
    for entry in entries.iter().filter(|entry| !is_note(&entry.key)) {
        if entry.key == INHERITS {
            problems.extend(check_parent(entry, entries, profiles).err());
        } else if KEYS.contains(&entry.key.as_str()) {
            check_entry(entry, sources, problems);
        } else {
            problems.push(unknown_key(entry.key_span, &entry.key, &KEYS));
        }
    }
}

/// Refuses a profile that inherits from none, or from itself by whatever way round.
fn check_parent(entry: &Entry, own: &[Entry], profiles: &[Profile<'_>]) -> Result<(), Problem> {
    let mut name = values::text(&entry.value)?;
    let keys_of = |name: &str| profiles.iter().find(|(known, _)| known.key == name).map(|(_, keys)| *keys);
    if keys_of(name).is_none() && name != DEFAULT {
        let known = profiles.iter().map(|(known, _)| known.key.as_str()).filter(|known| *known != DEFAULT);
        let known: Vec<_> = [DEFAULT].into_iter().chain(known).collect();
        let problem = Problem::new(entry.value.span, format!("there is no profile {}", quote(name)));
        return Err(match suggest(name, "known profiles", &known) {
            Some(help) => problem.help(help),
            None => problem,
        });
    }
    for _ in 0..=profiles.len() {
        let Some(keys) = keys_of(name) else { return Ok(()) };
        if std::ptr::eq(keys, own) {
            return Err(Problem::new(entry.value.span, "the profile inherits from itself")
                .help("take `inherits` out, or name a profile that does not lead back here"));
        }
        match parent(name, keys) {
            Some(next) => name = next,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Finds what is wrong with the value of a key.
fn check_entry(entry: &Entry, sources: &Sources, problems: &mut Vec<Problem>) {
    let node = &entry.value;
    let checked = match entry.key.as_str() {
        "jobs" | "io_jobs" => values::jobs(node).map(drop),
        POOLS => {
            problems.extend(Defaults::problems_of_pools(sources, node));
            Ok(())
        }
        "junit" => values::path(node).map(drop),
        "order" => values::order(node).map(drop),
        "history" => values::switch(node).map(drop),
        "max_fail" => values::max_fail(node).map(drop),
        "run_timeout" => values::duration(node).map(drop),
        "retry_budget" => values::retry_budget(node).map(drop),
        "flaky" => values::flaky(node).map(drop),
        "color" => values::color(node).map(drop),
        "verbosity" => values::verbosity(node).map(drop),
        "paths" => values::paths(node).map(drop),
        _ => {
            problems.extend(Defaults::problems_of(sources, entry));
            Ok(())
        }
    };
    problems.extend(checked.err());
}
