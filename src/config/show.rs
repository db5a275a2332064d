//! Settings as text: TOML with the origin of each value in a comment.

use std::io::{self, Write};
use std::path::Path;

use crate::config::{FILE, Origin, Setting, Settings};
use crate::descriptor::{Node, Value};

impl Settings {
    /// Writes every setting on a line of its own, with its origin.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let root =
            if self.has_file { format!("the folder of {FILE}") } else { "the working directory".to_owned() };
        let mut lines = vec![("root", path(&self.root), root)];
        let mut line = |key, value: String, origin: &Origin| lines.push((key, value, describe(origin)));
        line("profile", quoted(&self.profile.value), &self.profile.origin);
        let paths: Vec<_> = self.paths.value.iter().map(|named| path(named)).collect();
        line("paths", format!("[{}]", paths.join(", ")), &self.paths.origin);
        line("jobs", self.jobs.value.to_string(), &self.jobs.origin);
        line("io_jobs", self.io_jobs.value.to_string(), &self.io_jobs.origin);
        let junit = self.junit.value.as_deref().map_or_else(|| quoted(""), path);
        line("junit", junit, &self.junit.origin);
        line("order", quoted(self.order.value.as_str()), &self.order.origin);
        line("history", self.history.value.to_string(), &self.history.origin);
        let max_fail = self.max_fail.value.map_or_else(|| quoted(""), |count| count.to_string());
        line("max_fail", max_fail, &self.max_fail.origin);
        let duration = |duration| quoted(&humantime::format_duration(duration).to_string());
        let run_timeout = self.run_timeout.value.map_or_else(|| quoted(""), duration);
        line("run_timeout", run_timeout, &self.run_timeout.origin);
        let retry_budget = self.retry_budget.value.map_or_else(|| quoted(""), |count| count.to_string());
        line("retry_budget", retry_budget, &self.retry_budget.origin);
        line("flaky", quoted(self.flaky.value.as_str()), &self.flaky.origin);
        line("color", quoted(self.color.value.as_str()), &self.color.origin);
        line("verbosity", quoted(self.verbosity.value.as_str()), &self.verbosity.origin);
        for (key, Setting { value, origin }) in &self.case {
            line(key, value.clone(), origin);
        }
        let width = lines.iter().map(|(_, value, _)| value.chars().count()).max().unwrap_or(0).min(40);
        for (key, value, origin) in lines {
            writeln!(out, "{key:<12} = {value:<width$}  # {origin}")?;
        }
        Ok(())
    }
}

fn describe(origin: &Origin) -> String {
    match origin {
        Origin::BuiltIn => "built in".to_owned(),
        Origin::File { position, profile } => format!("{position}, profile {profile}"),
        Origin::Variable(name) => format!("the variable {name}"),
        Origin::Flag(name) => format!("the flag {name}"),
    }
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// A text as TOML writes it; JSON's strings are such.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value as TOML writes it on one line.
pub(super) fn node(node: &Node) -> String {
    match &node.value {
        Value::Null => "{}".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Large(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(self::node).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let member =
                |entry: &crate::descriptor::Entry| format!("{} = {}", entry.key, self::node(&entry.value));
            format!("{{ {} }}", entries.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}
