//! A result as one element `testcase`, cleaned and bounded.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use junit_report::{TestCase, TestResult};

use crate::model::{Attempt, CaseInfo, CaseResult, Failure, Outcome, Skip, Standing, StepRecord};
use crate::report::junit::limits::Limits;
use crate::report::junit::output::{foreign, foreign_line, output, with_attachments, with_services};
use crate::text::excerpt::{Bounds, excerpt};
use crate::text::xml;

/// One case as it will be written. There may be a million, of which most have nothing but passed.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Which case. Its texts are not yet cleaned.
    pub(crate) info: Arc<CaseInfo>,
    /// When its first attempt began.
    pub(crate) started_at: Option<SystemTime>,
    /// How long it took.
    pub(crate) duration: Duration,
    /// What is to be said besides; `None` when it has passed and there is nothing.
    said: Option<Box<Said>>,
}

/// What is said of a case.
#[derive(Clone, Debug)]
struct Said {
    result: TestResult,
    system_out: Option<String>,
    system_err: Option<String>,
    extra: Extra,
}

/// What the crate `junit-report` has no words for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    /// Names and values.
    pub(crate) properties: Vec<(&'static str, String)>,
    /// Failed attempts before the last.
    pub(crate) reruns: Vec<Rerun>,
}

/// A failed attempt that was followed by another one.
#[derive(Clone, Debug)]
pub(crate) struct Rerun {
    /// `flakyFailure` when the case passed in the end, else `rerunFailure`.
    pub(crate) element: &'static str,
    /// The kind of the failure.
    pub(crate) kind: &'static str,
    /// What went wrong, in one line.
    pub(crate) message: String,
    /// All of it.
    pub(crate) text: String,
    /// How long the attempt took.
    pub(crate) duration: Duration,
    /// What it printed.
    pub(crate) system_out: Option<String>,
    /// What it printed to standard error.
    pub(crate) system_err: Option<String>,
}

impl Rerun {
    /// Its parts that are elements, by their names, in the order that the schema of Surefire has.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let outputs = [("system-out", &self.system_out), ("system-err", &self.system_err)];
        let outputs = outputs.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
        std::iter::once(("stackTrace", self.text.as_str())).chain(outputs)
    }
}

impl Record {
    pub(crate) fn new(result: &CaseResult, limits: Limits) -> Self {
        let info = &result.info;
        let last = result.attempts.last();
        let limit = limits.output;
        let [stdout, stderr] = last.map_or([None, None], |last| {
            [output(last, |step| &step.stdout, limit), output(last, |step| &step.stderr, limit)]
        });
        let said = Said {
            result: outcome(result, limits.text),
            system_out: with_attachments(stdout, result, limits.attachments),
            system_err: with_services(stderr, last, limit),
            extra: Extra { properties: properties(result), reruns: reruns(result, limits) },
        };
        Self {
            info: Arc::clone(info),
            started_at: result.attempts.first().map(|attempt| attempt.started_at),
            duration: result.duration(),
            said: (!said.is_nothing()).then(|| Box::new(said)),
        }
    }

    /// What the crate writes.
    pub(crate) fn case(&self) -> TestCase {
        let said = self.said.as_deref();
        TestCase {
            name: xml::one_line(&self.info.name).into_owned(),
            time: milliseconds(self.duration),
            result: self.result().clone(),
            classname: Some(xml::one_line(&self.info.suite).into_owned()),
            filepath: Some(xml::one_line(&self.info.position.file).into_owned()),
            system_out: said.and_then(|said| said.system_out.clone()),
            system_err: said.and_then(|said| said.system_err.clone()),
        }
    }

    /// What came of it.
    pub(crate) fn result(&self) -> &TestResult {
        self.said.as_ref().map_or(&TestResult::Success, |said| &said.result)
    }

    /// What is added to it.
    pub(crate) fn extra(&self) -> &Extra {
        static NOTHING: Extra = Extra { properties: Vec::new(), reruns: Vec::new() };
        self.said.as_ref().map_or(&NOTHING, |said| &said.extra)
    }

    /// Lets it stand for all copies of a case, of which more is to be said.
    pub(crate) fn stand_for(&mut self, name: &str, properties: impl Iterator<Item = (&'static str, String)>) {
        self.rename(name.to_owned());
        let said = self.said.get_or_insert_with(|| {
            let extra = Extra::default();
            Box::new(Said { result: TestResult::Success, system_out: None, system_err: None, extra })
        });
        said.extra.properties.extend(properties);
    }

    /// How many bytes it takes to say what is said besides that it passed.
    pub(crate) fn size(&self) -> usize {
        // The tags of an element and what stands around a text.
        const MARKUP: usize = 64;
        let Some(said) = self.said.as_deref() else { return 0 };
        let text = |text: &Option<String>| text.as_ref().map_or(0, |text| MARKUP + text.len());
        let result = match &said.result {
            TestResult::Error { message, cause, .. }
            | TestResult::Failure { message, cause, .. }
            | TestResult::SkippedWithCause { message, cause, .. } => {
                MARKUP + in_attribute(message) + text(cause)
            }
            TestResult::Success | TestResult::Skipped => 0,
        };
        let reruns = said.extra.reruns.iter().map(|rerun| {
            let parts: usize = rerun.parts().map(|(_, text)| MARKUP + text.len()).sum();
            MARKUP + in_attribute(&rerun.message) + parts
        });
        let properties =
            said.extra.properties.iter().map(|(name, value)| MARKUP + name.len() + in_attribute(value));
        let outputs = text(&said.system_out) + text(&said.system_err);
        result + outputs + reruns.sum::<usize>() + properties.sum::<usize>()
    }

    /// Gives it another name.
    pub(crate) fn rename(&mut self, name: String) {
        self.info = Arc::new(CaseInfo { name, ..CaseInfo::clone(&self.info) });
    }

    /// The same without anything that a case printed.
    pub(crate) fn without_outputs(&self) -> Self {
        let mut record = self.clone();
        if let Some(said) = record.said.as_deref_mut() {
            said.system_out = None;
            said.system_err = None;
            match &mut said.result {
                TestResult::Error { cause, .. }
                | TestResult::Failure { cause, .. }
                | TestResult::SkippedWithCause { cause, .. } => *cause = None,
                TestResult::Success | TestResult::Skipped => {}
            }
            said.extra = Extra::default();
        }
        record
    }
}

impl Said {
    fn is_nothing(&self) -> bool {
        let Self { result, system_out, system_err, extra: Extra { properties, reruns } } = self;
        matches!(result, TestResult::Success)
            && system_out.is_none()
            && system_err.is_none()
            && properties.is_empty()
            && reruns.is_empty()
    }
}

/// The most steps whose commands are told of a case that failed; the last ones.
const MOST_COMMANDS: usize = 3;

/// The one element that says what came of a case.
fn outcome(result: &CaseResult, limit: usize) -> TestResult {
    let (type_, message, cause) = summary(result.all_failures(), limit);
    let type_ = type_.to_owned();
    let cause = cause.map(|text| text + &commands(result));
    if let (Standing::Quarantined, Some(quarantine)) = (result.standing(), &result.quarantine) {
        let message = xml::one_line(&format!("{quarantine} ({message})")).into_owned();
        return TestResult::SkippedWithCause { type_: "quarantined".to_owned(), message, cause };
    }
    match &result.outcome {
        Outcome::Passed => match &result.expected_failure {
            None => TestResult::Success,
            Some(reason) => TestResult::SkippedWithCause {
                type_: "xfail".to_owned(),
                message: xml::one_line(&format!("xfail: {reason}")).into_owned(),
                cause,
            },
        },
        Outcome::Failed => TestResult::Failure { type_, message, cause },
        Outcome::TimedOut => TestResult::Failure { type_: "timeout".to_owned(), message, cause },
        Outcome::Errored => TestResult::Error { type_, message, cause },
        Outcome::Skipped(skip) => {
            let type_ = match skip {
                Skip::Declared(_) => "skipped",
                Skip::Missing(_) => "missing-program",
                Skip::After(_) => "after",
                Skip::Interrupted => "interrupted",
                Skip::NotRun | Skip::Halted(_) => "not-run",
            };
            let message = xml::one_line(&skip.reason()).into_owned();
            TestResult::SkippedWithCause { type_: type_.to_owned(), message, cause }
        }
    }
}

/// The type, the message and the whole text of failures.
fn summary<'a>(
    failures: impl Iterator<Item = &'a Failure>,
    limit: usize,
) -> (&'static str, String, Option<String>) {
    let failures: Vec<&Failure> = failures.collect();
    let Some(first) = failures.first() else { return ("failure", "no reason was given".to_owned(), None) };
    let mut message = foreign_line(&first.headline());
    if failures.len() > 1 {
        message.push_str(&format!(" (and {} more)", failures.len() - 1));
    }
    let mut text = String::new();
    for failure in &failures {
        let (position, headline) = (&failure.position, failure.headline());
        text.push_str(&format!("{}:{}: {headline}\n", position.file, position.line));
        text.push_str(&failure.detail);
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    let text = excerpt(&text, Bounds::bytes(limit));
    (first.kind.as_str(), message, Some(foreign(&text)))
}

/// What the last attempt ran, the last steps of it.
fn commands(result: &CaseResult) -> String {
    let steps = result.attempts.last().map_or(&[][..], |attempt| &attempt.steps);
    let shown = &steps[steps.len().saturating_sub(MOST_COMMANDS)..];
    let line = |step: &StepRecord| {
        let ended =
            step.status.as_ref().map_or_else(|| "not started".to_owned(), |status| status.to_string());
        format!("command: {} ({ended})\n", excerpt(&step.command, Bounds::bytes(1 << 10)))
    };
    let text: String = shown.iter().filter(|step| !step.command.is_empty()).map(line).collect();
    foreign(&text)
}

fn properties(result: &CaseResult) -> Vec<(&'static str, String)> {
    let tags = result.info.tags.iter().map(|tag| ("tag", tag.clone()));
    let attempts = (result.attempts.len() > 1).then(|| ("attempts", result.attempts.len().to_string()));
    let leaked = result.attempts.iter().flat_map(|attempt| &attempt.leaked).take(20);
    let updated = result.updated.iter().map(|updated| ("golden-updated", updated.path.clone()));
    let quarantine = result.quarantine.iter().flat_map(|quarantine| {
        let until = quarantine.until.map(|until| ("quarantine-until", until.to_string()));
        let texts = [("quarantine-owner", &quarantine.owner), ("quarantine-reason", &quarantine.reason)];
        texts.map(|(name, text)| (name, text.clone())).into_iter().chain(until)
    });
    tags.chain(attempts)
        .chain(quarantine)
        .chain(updated)
        .chain(leaked.map(|command| ("leaked", excerpt(command, Bounds::bytes(1024)).into_owned())))
        .map(|(name, value)| (name, xml::one_line(&value).into_owned()))
        .collect()
}

fn reruns(result: &CaseResult, limits: Limits) -> Vec<Rerun> {
    let element = match result.outcome {
        _ if result.standing() == Standing::Quarantined => return Vec::new(),
        Outcome::Passed if result.expected_failure.is_none() => "flakyFailure",
        Outcome::Failed | Outcome::TimedOut | Outcome::Errored => "rerunFailure",
        // A skipped element has no such children.
        _ => return Vec::new(),
    };
    let Some((_, earlier)) = result.attempts.split_last() else { return Vec::new() };
    // All of them together have as much room as the streams of the last attempt.
    let limit = limits.rerun.min(limits.output / earlier.len().max(1));
    let rerun = |attempt: &Attempt| {
        let (kind, message, text) = summary(attempt.failures.iter(), limit);
        Rerun {
            element,
            kind: if attempt.outcome == Outcome::TimedOut { "timeout" } else { kind },
            message,
            text: text.unwrap_or_default(),
            duration: attempt.duration,
            system_out: output(attempt, |step| &step.stdout, limit),
            system_err: output(attempt, |step| &step.stderr, limit),
        }
    };
    earlier.iter().map(rerun).collect()
}

/// The bytes of a text in an attribute, where some characters need more than one.
fn in_attribute(text: &str) -> usize {
    let special = text.bytes().filter(|byte| matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\''));
    text.len() + special.count() * 5
}

/// Rounded to milliseconds, since schemas allow three decimals.
pub(crate) fn milliseconds(duration: Duration) -> junit_report::Duration {
    let rounded = duration.saturating_add(Duration::from_micros(500)).as_millis();
    junit_report::Duration::milliseconds(i64::try_from(rounded).unwrap_or(i64::MAX))
}
