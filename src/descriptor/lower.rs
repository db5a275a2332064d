//! From the mirror of a case to the case as it will be executed, every value checked.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::late;
use crate::descriptor::leniency;
use crate::descriptor::lower_expect;
use crate::descriptor::mirror::Spanned;
use crate::descriptor::node::Span;
use crate::descriptor::outputs;
use crate::descriptor::paths::{self, Reach, Within, below_dir, climbs};
use crate::descriptor::precautions;
use crate::descriptor::raw::{List, RawCase, RawDuration, RawScalar, Reason, Table, Text};
use crate::descriptor::resources::{self, Pools};
use crate::descriptor::scope::Scope;
use crate::descriptor::source::Sources;
use crate::model::{
    Environment, ExpectedFailure, InlineFile, Input, Late, OutputFiles, Pattern, Precautions, Quarantine,
    Resources, Retries, Step, TimeLimits, WorkingDirectory,
};
use crate::text::{Template, is_template};
use crate::time::parse_duration;

/// The limit of an attempt when the descriptor names none.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The time between TERM and KILL when the descriptor names none.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(2);
/// When a case counts as slow, when the descriptor does not say.
pub const DEFAULT_SLOW_AFTER: Duration = Duration::from_secs(10);
/// The length from which Linux refuses one argument or variable, in bytes (`MAX_ARG_STRLEN`, with its NUL).
const LONGEST_ARGUMENT: usize = 128 << 10;

const A_TAG: &str = "a tag";
const A_PROGRAM: &str = "the name of a program";

/// What is known around a case while it is lowered, and what was found wrong with it.
pub(crate) struct Lowering<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) scope: Scope<'a>,
    pub(crate) reach: Reach,
    /// What `cwd` and the files of `stdin` must not leave; `None` where they may, or where it is not known yet.
    pub(crate) within: Option<Within<'a>>,
    /// The pools that suite files and `partest.toml` declare.
    pub(crate) pools: &'a Pools,
    /// The regular expressions of the file, each compiled once: cases inherit and repeat them.
    pub(crate) patterns: &'a mut HashMap<String, Pattern>,
    pub(crate) problems: Vec<Problem>,
}

/// A case without what identifies it.
pub(crate) struct Body {
    pub(crate) steps: Vec<Step>,
    pub(crate) environment: Environment,
    pub(crate) inputs: Vec<Input>,
    pub(crate) files: Vec<InlineFile>,
    pub(crate) outputs: Vec<OutputFiles>,
    pub(crate) cwd: WorkingDirectory,
    pub(crate) time: TimeLimits,
    pub(crate) retries: Retries,
    pub(crate) precautions: Precautions,
    pub(crate) resources: Resources,
    pub(crate) tags: Vec<String>,
    pub(crate) requires: Vec<Template>,
    pub(crate) expected_failure: Option<ExpectedFailure>,
    pub(crate) quarantine: Option<Quarantine>,
}

impl Lowering<'_> {
    /// Notes a problem, if there is one.
    pub(crate) fn note<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// A text with its names checked.
    pub(crate) fn template(&mut self, text: &Text) -> Option<Template> {
        let template = self.scope.template(text, text.span);
        self.note(template)
    }

    /// Everything but the identity of a case that stands at `span`.
    pub(crate) fn body(&mut self, case: &RawCase, span: Span) -> Body {
        self.within = self.within.filter(|_| case.allow_outside != Some(true));
        let steps = self.steps(case, span);
        Body {
            resources: resources::lower(self, case, &steps),
            steps,
            environment: self.environment(case),
            inputs: case.inputs.0.iter().filter_map(|text| self.input(text)).collect(),
            files: self.files(case.files.as_ref()),
            outputs: outputs::lower(self, case.outputs.as_ref()),
            cwd: self.cwd(case.cwd.as_ref()),
            time: TimeLimits {
                timeout: self.duration(case.timeout.as_ref()).unwrap_or(DEFAULT_TIMEOUT),
                grace: self.duration(case.grace.as_ref()).unwrap_or(DEFAULT_GRACE),
                slow_after: self.duration(case.slow_after.as_ref()).unwrap_or(DEFAULT_SLOW_AFTER),
            },
            retries: leniency::retries(self, case.retries.as_ref()),
            precautions: precautions::lower(self, case),
            tags: self.words(&case.tags, A_TAG),
            requires: self.programs(&case.requires),
            expected_failure: case.xfail.as_ref().and_then(|xfail| {
                let reason = self.reason(Some(&xfail.reason))?;
                Some(ExpectedFailure { reason, strict: xfail.strict })
            }),
            quarantine: leniency::quarantine(self, case.quarantine.as_ref()),
        }
    }

    /// A reason, which reports need before anything runs.
    pub(crate) fn reason(&mut self, reason: Option<&Spanned<Reason>>) -> Option<String> {
        let reason = reason?;
        let checked = self.scope.fixed(&reason.0, reason.span);
        self.note(checked).map(|()| reason.0.clone())
    }

    /// Checks what can be checked of defaults before it is known which case inherits them.
    pub(crate) fn defaults(&mut self, case: &RawCase) {
        if let Some(expect) = &case.expect {
            lower_expect::all_checks(self, expect, None);
        }
        if let Some(run) = &case.run {
            self.run(run, None);
        }
        if let Some(worker) = &case.worker {
            self.worker(worker);
        }
        self.environment(case);
        self.files(case.files.as_ref());
        outputs::lower(self, case.outputs.as_ref());
        self.cwd(case.cwd.as_ref());
        for duration in [&case.timeout, &case.grace, &case.slow_after] {
            self.duration(duration.as_ref());
        }
        leniency::retries(self, case.retries.as_ref());
        leniency::quarantine(self, case.quarantine.as_ref());
        precautions::lower(self, case);
        resources::lower(self, case, &[]);
        self.words(&case.tags, A_TAG);
        self.programs(&case.requires);
    }

    fn environment(&mut self, case: &RawCase) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in case.env.iter().flat_map(|table| &table.0) {
            let checked = self.scope.fixed(name, name.span).and_then(|()| check_variable_name(name));
            let Some(value) = value else { continue };
            if self.note(checked).is_none() {
                continue;
            }
            let text = &*scalar(self.sources, value, value.span);
            let checked = check_argument(text, name.len() + 1 + text.len(), value.span);
            if self.note(checked).is_none() {
                continue;
            }
            let template = self.scope.template(text, value.span);
            if let Some(template) = self.note(template) {
                environment.set.insert(name.value.clone(), template);
            }
        }
        if let Err(names) = environment.in_order() {
            let written = case.env.iter().flat_map(|table| &table.0).map(|(name, _)| name);
            let first = written.into_iter().find(|name| names.contains(&name.as_str()));
            let names: Vec<String> = names.iter().map(|name| quote(name)).collect();
            let message = format!("these variables are made of each other: {}", names.join(", "));
            let help = "let one of them name no other";
            self.problems.extend(first.map(|name| Problem::new(name.span, message).help(help)));
        }
        environment.unset = self.variable_names(&case.unset_env);
        environment.inherit = self.variable_names(&case.inherit_env);
        environment
    }

    fn variable_names(&mut self, names: &List<Text>) -> Vec<String> {
        let checked = names.0.iter().map(|name| {
            self.scope.fixed(name, name.span)?;
            check_variable_name(name).map(|()| name.value.clone())
        });
        let checked: Vec<_> = checked.collect();
        checked.into_iter().filter_map(|name| self.note(name)).collect()
    }

    fn input(&mut self, text: &Text) -> Option<Input> {
        let checked = paths::check(text, self.reach, text.span).and_then(|()| {
            self.scope.fixed(text, text.span)?;
            paths::check_glob(text, text.span)
        });
        self.note(checked)?;
        Some(Input { pattern: text.value.clone(), position: self.sources.position(text.span) })
    }

    fn files(&mut self, files: Option<&Table<Option<Text>>>) -> Vec<InlineFile> {
        let mut lowered = Vec::new();
        for (path, text) in files.into_iter().flat_map(|table| &table.0) {
            let checked = paths::check(path, Reach::Below, path.span).and_then(|()| {
                self.scope.fixed(path, path.span)?;
                match path.ends_with('/') || Path::new(&path.value).file_name().is_none() {
                    true => Err(Problem::new(path.span, format!("{} is no path of a file", quote(path)))
                        .help("name the file in the folder, as in \"folder/in.txt\"")),
                    false => Ok(()),
                }
            });
            let Some(text) = text else { continue };
            if let (Some(()), Some(text)) = (self.note(checked), self.template(text)) {
                lowered.push(InlineFile { path: PathBuf::from(&path.value), text });
            }
        }
        lowered
    }

    fn cwd(&mut self, cwd: Option<&Text>) -> WorkingDirectory {
        let Some(cwd) = cwd else { return WorkingDirectory::Private };
        if cwd.is_empty() || cwd.contains('\0') {
            self.problems
                .push(Problem::new(cwd.span, "`cwd` is no path").help("name a folder, or take the key out"));
        } else if !is_template(cwd) && climbs(Path::new(&cwd.value)) {
            let message = format!("{} leads out of the private directory", quote(cwd));
            let help = "`{{ dir }}` is the folder of the descriptor";
            self.problems.push(Problem::new(cwd.span, message).help(help));
        }
        if below_dir(cwd) == Some("") {
            return WorkingDirectory::Beside;
        }
        let checked = self.within.map_or(Ok(()), |within| within.check(cwd, cwd.span));
        let (checked, path) = (self.note(checked), self.template(cwd));
        match checked.and(path) {
            Some(path) => WorkingDirectory::Named { path, within: self.root() },
            None => WorkingDirectory::Private,
        }
    }

    /// The folder that paths must not leave when the case runs.
    pub(crate) fn root(&self) -> Option<Arc<Path>> {
        self.within.map(|within| within.root.into())
    }

    /// A duration, if one is given and is one.
    pub(crate) fn duration(&mut self, duration: Option<&Spanned<RawDuration>>) -> Option<Duration> {
        let duration = duration?;
        let fixed = self.scope.fixed(&duration.0, duration.span);
        let parsed = fixed.and_then(|()| parsed_duration(duration));
        self.note(parsed)
    }

    /// A duration of a step, if one is given and is one, as far as that is known.
    pub(crate) fn late_duration(
        &mut self,
        duration: Option<&Spanned<RawDuration>>,
    ) -> Option<Late<Duration>> {
        let duration = duration?;
        if is_template(&duration.0) {
            let read = |value: &Value| late::read(value, parsed_duration);
            return self.late(duration.0.as_str(), duration.span, read);
        }
        let parsed = parsed_duration(duration);
        self.note(parsed).map(Late::Known)
    }

    /// Programs, whose paths may name the folder of the descriptor: it is known before the case runs.
    fn programs(&mut self, programs: &List<Text>) -> Vec<Template> {
        let is_below_folder = |scope: &Scope<'_>, text: &Text| {
            let template = scope.template(text, text.span);
            template.is_ok_and(|template| template.names().iter().eq(["dir"]))
        };
        let lowered = programs.0.iter().filter_map(|program| match is_below_folder(&self.scope, program) {
            true => self.template(program),
            false => self.word(program, A_PROGRAM).map(|word| Template::literal(&word)),
        });
        lowered.collect()
    }

    fn words(&mut self, words: &List<Text>, what: &str) -> Vec<String> {
        let mut lowered: Vec<String> = Vec::with_capacity(words.0.len());
        for word in &words.0 {
            lowered.extend(self.word(word, what).filter(|word| !lowered.contains(word)));
        }
        lowered
    }

    fn word(&mut self, word: &Text, what: &str) -> Option<String> {
        let fixed = self.scope.fixed(word, word.span);
        self.note(fixed)?;
        if word.is_empty() || word.trim() != word.as_str() || word.contains(char::is_control) {
            let problem = Problem::new(word.span, format!("{} is not {what}", quote(word)));
            self.problems.push(problem.help(match word.is_empty() {
                true => "write a word, or take it out of the list",
                false => "write it on one line, without white space at its ends",
            }));
            return None;
        }
        Some(word.value.clone())
    }
}

/// A duration as people write them.
pub(crate) fn parsed_duration(duration: &Spanned<RawDuration>) -> Result<Duration, Problem> {
    parse_duration(&duration.0).map_err(|error| {
        Problem::new(duration.span, format!("{} is no duration", quote(&duration.0))).help(error.to_string())
    })
}

/// The first character of a place, for what is missing from it.
pub(crate) fn start_of(span: Span) -> Span {
    Span { end: span.start + 1, ..span }
}

/// What a value says that is taken as a text: a number as it is written at its place.
pub(crate) fn scalar<'t>(sources: &'t Sources, value: &'t RawScalar, span: Span) -> Cow<'t, str> {
    match value {
        RawScalar::Text(text) => text.into(),
        RawScalar::Number(number) => sources.number(span).unwrap_or_else(|| number.into()),
    }
}

/// Refuses what no process can be given as an argument or variable of this length.
pub(crate) fn check_argument(text: &str, length: usize, span: Span) -> Result<(), Problem> {
    if text.contains('\0') {
        return Err(Problem::new(span, "the text holds a NUL byte, which no process can be given")
            .help("take `\\0` or `\\u0000` out; a file with one can be an `inputs`"));
    }
    if length >= LONGEST_ARGUMENT {
        let message =
            format!("the text has {length} bytes; a process can be given fewer than {LONGEST_ARGUMENT}");
        return Err(Problem::new(span, message).help("pass it by `stdin` or `files`"));
    }
    Ok(())
}

pub(crate) fn check_variable_name(name: &Text) -> Result<(), Problem> {
    let reason = match name.as_str() {
        "" => "the name of the variable is empty".to_owned(),
        text if text.contains('=') => {
            format!("the name of a variable cannot hold `=`, as {} does", quote(text))
        }
        text if text.contains('\0') => "the name of the variable holds a NUL byte".to_owned(),
        _ => return Ok(()),
    };
    Err(Problem::new(name.span, reason).help(
        "write the name alone, such as NAME; in `env` its value stands after it: { \"NAME\": \"value\" }",
    ))
}

/// Refuses names that reports could not show on one line.
pub(crate) fn check_name(name: &str, span: Span) -> Result<(), Problem> {
    let problem = |reason: &str| Err(Problem::new(span, reason).help("write a name of one line"));
    if name.trim().is_empty() {
        problem("the name is empty")
    } else if name.contains(char::is_control) {
        problem("the name holds a line break or another control character")
    } else if name.trim() != name {
        problem("the name begins or ends with white space")
    } else {
        Ok(())
    }
}
