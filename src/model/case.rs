//! A test case: what to run, in which surroundings, for how long, and what to expect.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::model::capture::Capture;
use crate::model::expectation::Check;
use crate::model::file::FileStep;
use crate::model::http::{DownloadStep, HttpStep};
use crate::model::late::{Late, Pending};
use crate::model::leniency::{Quarantine, Retries};
use crate::model::position::Position;
use crate::model::precaution::Precautions;
use crate::model::resources::Resources;
use crate::model::service::{Service, SuiteHooks};
use crate::model::sql::SqlStep;
use crate::model::written::Written;
use crate::text::{Template, Variables};

/// The identity of a case, `folder/file::case name`: unique in a run and stable between runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseId(Arc<str>);

impl CaseId {
    /// The id of the case `name` in the suite `suite`.
    #[must_use]
    pub fn new(suite: &str, name: &str) -> Self {
        Self([suite, "::", name].concat().into())
    }

    /// The id that stands for a whole file, as a broken one has no cases.
    #[must_use]
    pub fn of_file(path: &str) -> Self {
        Self(path.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What reports say of a case, whether it ran or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseInfo {
    /// The identity.
    pub id: CaseId,
    /// The name, readable alone.
    pub name: String,
    /// The descriptor without its ending, `folder/file`: JUnit's `classname`.
    pub suite: Arc<str>,
    /// Where the case begins.
    pub position: Position,
    /// Which of the cases that begin there it is, from 0.
    pub number: u32,
    /// The user's labels.
    pub tags: Vec<String>,
    /// The case that this is one of several copies of, in a run that repeats its cases.
    pub copy_of: Option<CaseId>,
    /// A hash of everything that its definition was read from: two results with the same one are of the same case as it
    /// was written then. None where that is not known.
    pub definition: Option<u32>,
}

impl CaseInfo {
    /// By which cases are put in the order of the text: file, line, column, and the number among those of one entry.
    #[must_use]
    pub fn place(&self) -> (&Position, u32) {
        (&self.position, self.number)
    }

    /// The id by which the case is known beyond this run.
    #[must_use]
    pub fn lasting_id(&self) -> &CaseId {
        self.copy_of.as_ref().unwrap_or(&self.id)
    }

    /// One of `of` copies of the case, or of nobody knows how many, with a name and an id of its own.
    #[must_use]
    pub fn copy(&self, number: u32, of: Option<u32>) -> Self {
        let of = of.map_or_else(String::new, |of| format!("/{of}"));
        let mark = |text: &str| format!("{text} [{number}{of}]");
        Self {
            id: CaseId(mark(self.id.as_str()).into()),
            name: mark(&self.name),
            copy_of: Some(self.id.clone()),
            ..self.clone()
        }
    }

    /// The name of the case itself, of which this may be a copy.
    #[must_use]
    pub fn lasting_name(&self) -> &str {
        // The same mark is at the end of both.
        let mark = self.id.as_str().len() - self.lasting_id().as_str().len();
        self.name.get(..self.name.len().saturating_sub(mark)).unwrap_or(&self.name)
    }

    /// A copy of the same case that has this number, of nobody knows how many.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let case = Self {
            id: self.lasting_id().clone(),
            name: self.lasting_name().to_owned(),
            copy_of: None,
            ..self.clone()
        };
        case.copy(number, None)
    }

    /// Whether it is no case of its own but what is done before or after those of a folder.
    #[must_use]
    pub fn is_hook(&self) -> bool {
        // A suite file has no cases of its own.
        is_suite_file(&self.position.file) && !self.is_file()
    }

    /// Whether it stands for a whole file or folder that cannot be read, and not for a case.
    #[must_use]
    pub fn is_file(&self) -> bool {
        let rest = self.id.as_str().strip_prefix(&*self.suite);
        rest.is_none_or(|rest| !rest.starts_with("::"))
    }
}

/// Whether a path is that of a suite file, which says what the cases of its folder share.
#[must_use]
pub fn is_suite_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.strip_prefix("suite.").is_some_and(|ending| ["json", "toml", "yaml", "yml"].contains(&ending))
}

/// One case as it will be executed: everything inherited and checked. Cases that are made of one entry share what
/// is equal between them.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// Identity and place.
    pub info: Arc<CaseInfo>,
    /// The absolute folder of the descriptor: relative paths start here, and it is `{{ dir }}`.
    pub folder: Arc<Path>,
    /// What to do, in order. Never empty.
    pub steps: Vec<Step>,
    /// The environment of its processes.
    pub environment: Arc<Environment>,
    /// Files copied into the working directory before each attempt.
    pub inputs: Arc<[Input]>,
    /// Files written into the working directory before each attempt.
    pub files: Arc<[InlineFile]>,
    /// What it leaves in the working directory and is kept beside the reports.
    pub outputs: Arc<[OutputFiles]>,
    /// Where its processes start.
    pub cwd: WorkingDirectory,
    /// How long it may take.
    pub time: Arc<TimeLimits>,
    /// How often a failed attempt is tried again.
    pub retries: Arc<Retries>,
    /// What it must not do to the machine, to others and to its reports.
    pub precautions: Arc<Precautions>,
    /// What it takes of what cases share.
    pub resources: Arc<Resources>,
    /// The services that run beside it.
    pub services: Arc<[Arc<Service>]>,
    /// What its folder and those above it do before and after their cases, the outermost first.
    pub hooks: Arc<[Arc<SuiteHooks>]>,
    /// The names of the free ports that its templates ask for.
    pub ports: Arc<[String]>,
    /// The user's variables, named in templates as `{{ name }}`.
    pub variables: Arc<Variables>,
    /// The reason for which it is not run.
    pub skip: Option<String>,
    /// Programs without which it is skipped: names, and paths relative to the descriptor's folder.
    pub requires: Arc<[Template]>,
    /// Set when it is known to fail.
    pub expected_failure: Option<Box<ExpectedFailure>>,
    /// Set when it breaks no run.
    pub quarantine: Option<Box<Quarantine>>,
}

/// What a case's processes find in their environment beyond the clean one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Variables that are set.
    pub set: BTreeMap<String, Template>,
    /// Variables of the clean environment that are taken away.
    pub unset: Vec<String>,
    /// Variables passed on from partest's own environment, when they are set there.
    pub inherit: Vec<String>,
}

impl Environment {
    /// The variables that are set, each behind those that its value names by `env.NAME`. One that names itself means what
    /// it is without being set.
    ///
    /// # Errors
    /// The names of those that are made of each other.
    pub fn in_order(&self) -> Result<Vec<(&str, &Template)>, Vec<&str>> {
        if !self.names_itself() {
            return Ok(self.set.iter().map(|(name, value)| (name.as_str(), value)).collect());
        }
        let mut ordered = Vec::with_capacity(self.set.len());
        let mut waiting: Vec<(&str, BTreeSet<String>)> =
            self.set.iter().map(|(name, value)| (name.as_str(), variables_of(value))).collect();
        while !waiting.is_empty() {
            let names: BTreeSet<&str> = waiting.iter().map(|(name, _)| *name).collect();
            let waits = |(name, named): &(&str, BTreeSet<String>)| {
                named.iter().any(|other| other != name && names.contains(other.as_str()))
            };
            let (later, ready): (Vec<_>, Vec<_>) = waiting.into_iter().partition(waits);
            if ready.is_empty() {
                return Err(made_of_each_other(later));
            }
            ordered.extend(ready.into_iter().map(|(name, _)| (name, &self.set[name])));
            waiting = later;
        }
        Ok(ordered)
    }

    /// Whether a value that is set names a variable of the environment.
    #[must_use]
    pub fn names_itself(&self) -> bool {
        self.set.values().any(|value| !variables_of(value).is_empty())
    }
}

/// Of variables that all wait for another one, those that another one waits for, too: not what is only made of them.
fn made_of_each_other(mut waiting: Vec<(&str, BTreeSet<String>)>) -> Vec<&str> {
    loop {
        let others = waiting.iter().flat_map(|(name, named)| named.iter().filter(move |other| other != name));
        let awaited: BTreeSet<String> = others.cloned().collect();
        let before = waiting.len();
        waiting.retain(|(name, _)| awaited.contains(*name));
        if waiting.len() == before {
            return waiting.into_iter().map(|(name, _)| name).collect();
        }
    }
}

/// The variables of the environment that a text names.
fn variables_of(text: &Template) -> BTreeSet<String> {
    // To read a template for its names takes time.
    if !text.source().contains("env") {
        return BTreeSet::new();
    }
    let names = text.names().into_iter();
    names.filter_map(|name| Some(name.strip_prefix("env.")?.split('.').next()?.to_owned())).collect()
}

/// A file, or all files that match a glob, copied into the working directory under its path relative to the
/// descriptor's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// A path or glob, relative to the descriptor's folder.
    pub pattern: String,
    /// Where it stands.
    pub position: Position,
}

/// A file whose text stands in the descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineFile {
    /// Its path in the working directory: relative, without `..`.
    pub path: PathBuf,
    /// Its text.
    pub text: Template,
}

/// Files in the working directory that are kept after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFiles {
    /// A path or glob, relative to the working directory, without `..`.
    pub pattern: String,
    /// After which attempts.
    pub when: KeepWhen,
}

/// After which attempts files are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeepWhen {
    /// After every attempt.
    #[default]
    Always,
    /// After one that failed, in whatever way.
    OnFailure,
}

/// Where the processes of a case start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkingDirectory {
    /// In the private directory of the attempt.
    Private,
    /// In a folder that the user names; relative ones start at the private directory.
    Named {
        /// Its path, relative to the private directory.
        path: Template,
        /// The folder that it must not leave, if there is one, but for the directories of the run.
        within: Option<Arc<Path>>,
    },
    /// In the folder of the descriptor.
    Beside,
}

/// How long a case may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// The limit of one attempt.
    pub timeout: Duration,
    /// How long a process has between TERM and KILL.
    pub grace: Duration,
    /// When a case counts as slow.
    pub slow_after: Duration,
}

/// A case that is known to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFailure {
    /// Why it fails.
    pub reason: String,
    /// Whether passing is a failure.
    pub strict: bool,
}

/// One thing a case does.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands.
    pub position: Position,
    /// What it does.
    pub action: StepAction,
    /// What must hold afterwards.
    pub checks: Vec<Check>,
    /// What it gives to later steps.
    pub captures: Vec<Capture>,
    /// The captured names that it uses; where one has no value, since the step that captures it did not pass, a
    /// step that always runs has nothing to do.
    pub needs: Vec<String>,
    /// A limit of its own, within the case's; of each try where it is tried again.
    pub timeout: Option<Late<Duration>>,
    /// How it is tried again until everything holds.
    pub until: Option<Box<Late<Until>>>,
    /// Whether it runs after a failed step, too.
    pub always: bool,
}

/// How a step is tried again until everything that is expected of it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Until {
    /// The wait between two tries.
    pub every: Duration,
    /// The time of all of them together.
    pub limit: Duration,
}

/// The kinds of steps. Those with much to say are boxed: most steps run a process, and there may be a million of them.
#[derive(Clone, Debug)]
pub enum StepAction {
    /// Runs a process.
    Run(RunStep),
    /// Waits for this long.
    Sleep(Late<Duration>),
    /// Looks at a file.
    File(FileStep),
    /// Sends a request.
    Http(Box<HttpStep>),
    /// Fetches a file.
    Download(Box<DownloadStep>),
    /// Asks a database.
    Sql(Box<SqlStep>),
    /// Asks a worker.
    Call(CallStep),
}

impl StepAction {
    /// The values in it that may be made only when it begins.
    #[must_use]
    pub fn pending(&self) -> Vec<&dyn Pending> {
        match self {
            Self::Run(_) | Self::Call(_) => Vec::new(),
            Self::Sleep(duration) => vec![duration],
            Self::File(file) => vec![&file.delimiter],
            Self::Http(http) => http.request.pending(),
            Self::Download(download) => download.request.pending(),
            Self::Sql(sql) => {
                let timeout = sql.busy_timeout.iter().map(|timeout| timeout as &dyn Pending);
                timeout.chain([&sql.transaction as &dyn Pending]).collect()
            }
        }
    }

    /// Whether it waits for something most of the time, and needs next to no processor for it.
    #[must_use]
    pub fn waits(&self) -> bool {
        match self {
            // Nobody knows what a process does; files are read at once.
            Self::Run(_) | Self::Call(_) | Self::File(_) => false,
            Self::Sql(sql) => sql.is_remote(),
            Self::Sleep(_) | Self::Http(_) | Self::Download(_) => true,
        }
    }
}

/// A step that runs a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStep {
    /// What is run.
    pub command: RunCommand,
    /// What it reads.
    pub stdin: StepInput,
}

/// A step that asks a worker, which is a process that stays and serves one case after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct CallStep {
    /// How a worker is started.
    pub worker: RunCommand,
    /// What it is asked.
    pub input: CallInput,
}

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum CallInput {
    /// This JSON, as it stands.
    Fixed(Arc<str>),
    /// This value, of which texts are templates.
    Template(Written),
}

/// A program with arguments, or a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunCommand {
    /// A program and its arguments, executed as they stand. Never empty.
    Program(Vec<Template>),
    /// A script for `sh -eu -c`.
    Shell(Template),
}

/// What a process reads from its standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepInput {
    /// Nothing: the end of the file at once.
    Null,
    /// A text.
    Text(Template),
    /// The content of a file.
    File {
        /// Its path, relative to the descriptor's folder.
        path: Template,
        /// The folder that it must lie in, if there is one, or else in the directories of the run.
        within: Option<Arc<Path>>,
    },
}
