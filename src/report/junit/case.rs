//! A result as one element `testcase`, cleaned and bounded.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use junit_report::{TestCase, TestResult};

use crate::model::{Attempt, Captured, CaseInfo, CaseResult, Failure, Outcome, Skip, Standing, StepRecord};
use crate::report::junit::{OUTPUT_OF_FAILED, OUTPUT_OF_MANY, OUTPUT_OF_PASSED};
use crate::text::excerpt::{Bounds, excerpt, excerpt_bytes};
use crate::text::xml;

/// How many bytes are kept of each text of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of a stream of a case that passed.
    passed: usize,
    /// Of a stream of a case that did not pass.
    failed: usize,
    /// Of what its failures say together.
    text: usize,
    /// Of what those of an earlier attempt say.
    rerun: usize,
}

impl Limits {
    /// As long as there is room.
    pub(crate) const USUAL: Self =
        Self { passed: OUTPUT_OF_PASSED, failed: OUTPUT_OF_FAILED, text: 64 << 10, rerun: 8 << 10 };

    /// When there are very many failures.
    pub(crate) const OF_MANY: Self = Self {
        passed: OUTPUT_OF_MANY,
        failed: OUTPUT_OF_MANY,
        text: OUTPUT_OF_MANY,
        rerun: OUTPUT_OF_MANY / 4,
    };
}

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
}

impl Record {
    pub(crate) fn new(result: &CaseResult, limits: Limits) -> Self {
        let info = &result.info;
        let last = result.attempts.last();
        let limit = match result.outcome {
            Outcome::Passed if result.expected_failure.is_none() => limits.passed,
            _ => limits.failed,
        };
        let output =
            |stream: fn(&StepRecord) -> &Captured| last.and_then(|last| output(&last.steps, stream, limit));
        let said = Said {
            result: outcome(result, limits.text),
            system_out: with_attachments(output(|step| &step.stdout), result),
            system_err: with_services(output(|step| &step.stderr), last, limit),
            extra: Extra { properties: properties(result), reruns: reruns(result, limits.rerun) },
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
        self.info = Arc::new(CaseInfo { name: name.to_owned(), ..CaseInfo::clone(&self.info) });
        let said = self.said.get_or_insert_with(|| {
            let extra = Extra::default();
            Box::new(Said { result: TestResult::Success, system_out: None, system_err: None, extra })
        });
        said.extra.properties.extend(properties);
    }

    /// How many bytes of texts there are.
    pub(crate) fn size(&self) -> usize {
        let Some(said) = self.said.as_deref() else { return 0 };
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let cause = match &said.result {
            TestResult::Error { cause, .. }
            | TestResult::Failure { cause, .. }
            | TestResult::SkippedWithCause { cause, .. } => length(cause),
            TestResult::Success | TestResult::Skipped => 0,
        };
        let reruns: usize = said.extra.reruns.iter().map(|rerun| rerun.text.len()).sum();
        length(&said.system_out) + length(&said.system_err) + cause + reruns
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

/// The most files that are named of a case.
const MOST_ATTACHMENTS: usize = 100;

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
    let mut message = xml::one_line(&first.headline()).into_owned();
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
    (first.kind.as_str(), message, Some(xml::cdata(&text).into_owned()))
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
    xml::cdata(&text).into_owned()
}

/// A stream of all steps together, or nothing when it is empty.
fn output(steps: &[StepRecord], stream: impl Fn(&StepRecord) -> &Captured, limit: usize) -> Option<String> {
    let written: Vec<&StepRecord> = steps.iter().filter(|step| stream(step).written() > 0).collect();
    let mut text = String::new();
    for step in &written {
        let Captured { head, tail, dropped } = stream(step);
        if steps.len() > 1 {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("$ {}\n", excerpt(&step.command, Bounds::bytes(256))));
        }
        text.push_str(&excerpt_bytes(head, *dropped, tail, Bounds::bytes(limit / written.len())));
    }
    let text = xml::cdata(&text);
    (!text.is_empty()).then(|| text.into_owned())
}

/// The output, and after it what the services wrote that ran beside the case, each under its name.
fn with_services(output: Option<String>, last: Option<&Attempt>, limit: usize) -> Option<String> {
    let mut text = output.unwrap_or_default();
    for service in last.map_or(&[][..], |last| &last.services) {
        if service.output.written() == 0 {
            continue;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let Captured { head, tail, dropped } = &service.output;
        let said = excerpt_bytes(head, *dropped, tail, Bounds::bytes(limit));
        text.push_str(&xml::cdata(&format!("== service {} ==\n{said}", xml::one_line(&service.name))));
    }
    (!text.is_empty()).then_some(text)
}

/// The output, and after it files as Jenkins and GitLab find attachments, each on a line of its own. First what the last
/// attempt has left, since GitLab shows one only; then the files with all of the output, and what earlier attempts have
/// left.
fn with_attachments(output: Option<String>, result: &CaseResult) -> Option<String> {
    let Some((last, earlier)) = result.attempts.split_last() else { return output };
    let own = last.kept.files.iter().chain(&last.logs);
    let files = own.chain(earlier.iter().rev().flat_map(|attempt| &attempt.kept.files));
    let attachments = files.map(|file| format!("[[ATTACHMENT|{}]]\n", xml::one_line(file)));
    let missing = last.kept.left_out.iter().map(|reason| format!("not kept: {}\n", xml::one_line(reason)));
    let lines: String = attachments.take(MOST_ATTACHMENTS).chain(missing).collect();
    if lines.is_empty() {
        return output;
    }
    let mut text = output.unwrap_or_default();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&xml::cdata(&lines));
    Some(text)
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

fn reruns(result: &CaseResult, limit: usize) -> Vec<Rerun> {
    let element = match result.outcome {
        _ if result.standing() == Standing::Quarantined => return Vec::new(),
        Outcome::Passed if result.expected_failure.is_none() => "flakyFailure",
        Outcome::Failed | Outcome::TimedOut | Outcome::Errored => "rerunFailure",
        // A skipped element has no such children.
        _ => return Vec::new(),
    };
    let Some((_, earlier)) = result.attempts.split_last() else { return Vec::new() };
    let rerun = |attempt: &Attempt| {
        let (kind, message, text) = summary(attempt.failures.iter(), limit);
        let kind = if attempt.outcome == Outcome::TimedOut { "timeout" } else { kind };
        Rerun { element, kind, message, text: text.unwrap_or_default(), duration: attempt.duration }
    };
    earlier.iter().map(rerun).collect()
}

/// Rounded to milliseconds, since schemas allow three decimals.
pub(crate) fn milliseconds(duration: Duration) -> junit_report::Duration {
    let rounded = duration.saturating_add(Duration::from_micros(500)).as_millis();
    junit_report::Duration::milliseconds(i64::try_from(rounded).unwrap_or(i64::MAX))
}
