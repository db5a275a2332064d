//! The descriptor that `partest record` writes.

use std::path::Path;

use regex::Regex;
use serde::Serialize;
use serde_json::Value;

use crate::model::{CaseResult, ExitStatus, StepStatus, signal_name};

/// A case that was recorded, as its descriptor has it.
#[derive(Debug, Serialize)]
pub(super) struct Recorded {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    run: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin: Option<Stdin>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expect: Option<Expect>,
    /// What the case is called when it has no name of its own.
    #[serde(skip)]
    stem: String,
}

/// What the command reads.
#[derive(Debug)]
pub(super) enum Stdin {
    Text(String),
    File(String),
}

impl Serialize for Stdin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct InFile<'a> {
            file: &'a str,
        }

        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::File(file) => InFile { file }.serialize(serializer),
        }
    }
}

#[derive(Debug, Serialize)]
struct Expect {
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
}

impl Recorded {
    /// A case without expectations. `name` is its name, if it has one, and what it is called otherwise; `cwd` is where
    /// it runs, relative to the descriptor, unless in a private directory.
    pub(super) fn new(
        name: (Option<String>, String),
        words: &[String],
        stdin: Option<Stdin>,
        cwd: Option<&str>,
        inputs: &[String],
    ) -> Self {
        Self {
            name: name.0,
            stem: name.1,
            run: words.iter().map(|word| literally(word)).collect(),
            stdin: stdin.map(|stdin| match stdin {
                Stdin::Text(text) => Stdin::Text(literally(&text)),
                Stdin::File(path) => Stdin::File(literally(&path)),
            }),
            inputs: inputs.to_vec(),
            cwd: cwd.map(|path| match path {
                "" => "{{ dir }}".to_owned(),
                path => format!("{{{{ dir }}}}/{}", literally(path)),
            }),
            retries: None,
            expect: None,
        }
    }

    /// The descriptor by which the command is run once.
    pub(super) fn draft(&mut self) -> serde_json::Result<String> {
        let name = self.name.clone();
        self.name.get_or_insert_with(|| self.stem.clone());
        self.retries = Some(0);
        let text = self.text();
        self.retries = None;
        self.name = name;
        text
    }

    /// The descriptor as it is written.
    pub(super) fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Expects what was seen of the command, which was started in `here`, in a descriptor that lies in `folder`. Gives
    /// what a user should know.
    pub(super) fn take(&mut self, result: &CaseResult, folder: &Path, here: &Path) -> Vec<String> {
        let mut notes = Vec::new();
        let Some(step) = result.attempts.last().and_then(|attempt| attempt.steps.last()) else {
            return notes;
        };
        let (exit, signal) = match &step.status {
            Some(StepStatus::Process(ExitStatus::Signaled(number))) => {
                (None, Some(signal_name(*number).map_or_else(|| (*number).into(), Value::from)))
            }
            Some(StepStatus::Process(ExitStatus::Exited(code))) => (Some(*code), None),
            Some(StepStatus::Done(_)) | None => (None, None),
        };
        let mut text = |captured: &crate::model::Captured, what: &str| {
            let Some(bytes) = captured.whole() else {
                notes.push(format!("{what} is too long to be kept, so nothing is expected of it"));
                return None;
            };
            let Ok(text) = std::str::from_utf8(&bytes) else {
                notes.push(format!("{what} is not UTF-8, so nothing is expected of it"));
                return None;
            };
            let text = portable(&literally(text), folder);
            if folder != here && text.contains(&*here.to_string_lossy()) {
                notes.push(format!(
                    "{what} names the folder {}, which is elsewhere on other machines",
                    here.display()
                ));
            }
            if text.contains("/partest-run-") {
                notes.push(format!("{what} seems to name a private directory, which differs in every run"));
            }
            Some(text)
        };
        let (stdout, stderr) = (text(&step.stdout, "standard output"), text(&step.stderr, "standard error"));
        if result.has_leaked() {
            notes.push("the command left processes behind, which were killed".to_owned());
        }
        self.expect = Some(Expect { exit, signal, stdout, stderr });
        notes
    }

    /// What is expected, in a line.
    pub(super) fn summary(&self) -> String {
        let Some(expect) = &self.expect else { return String::new() };
        let status = match (&expect.exit, &expect.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        };
        let lines = |text: &Option<String>| match text.as_ref().map(|text| text.lines().count()) {
            None => "anything".to_owned(),
            Some(0) => "nothing".to_owned(),
            Some(1) => "1 line".to_owned(),
            Some(lines) => format!("{lines} lines"),
        };
        format!("{status}, {} on stdout, {} on stderr", lines(&expect.stdout), lines(&expect.stderr))
    }
}

/// The text as a template that stands for itself.
fn literally(text: &str) -> String {
    text.replace("{{", "{{ '{{' }}")
}

/// The text with folders that are elsewhere on other machines, or in other runs, by their names.
fn portable(text: &str, folder: &Path) -> String {
    let mut text = text.to_owned();
    let replace = |text: &str, pattern: &str, by: &str| match Regex::new(pattern) {
        Ok(regex) => regex.replace_all(text, by).into_owned(),
        Err(_) => text.to_owned(),
    };
    for (name, variable) in [("work", "{{ work }}"), ("tmp", "{{ tmp }}")] {
        text = replace(
            &text,
            &format!(r"(?:/[^\s/]+)+/partest-run-[[:alnum:]]{{12}}/cases[0-9]+/[0-9]+/{name}\b"),
            variable,
        );
    }
    // Where a longer name begins with that of the folder, it is another one.
    let folder = folder.to_string_lossy();
    if folder.len() > 1 {
        let pattern = format!(r"{}(?P<end>[^\w.-]|\.?$|\.\s)", regex::escape(&folder));
        text = replace(&text, &format!("(?m){pattern}"), "{{ dir }}$end");
    }
    text
}
