//! The step `call`: a question to a worker, one line of JSON, and its answer, another.

use std::ffi::OsString;
use std::fmt;

use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::model::{
    CallInput, CallStep, Captured, Excess, ExitStatus, Fact, Failure, FailureKind, Observation, Outcome,
    Step, StepRecord, StepStatus, Subject,
};
use crate::step::program::arguments;
use crate::step::{StepResult, Surroundings, judge, leaks, limits, needs_directory, time_limit};
use crate::text::excerpt::{Bounds, excerpt};
use crate::text::{TemplateError, Variables, from_json};
use crate::time::{Deadline, clock};

/// How much of a question is shown in reports, and of an answer that is none.
const SHOWN: usize = 200;

/// The most characters of the first line of a worker's message that are the message of its failure.
const MESSAGE: usize = 1000;

/// How much is kept of the other lines, or of all if the first one is longer.
const DETAIL: Bounds = Bounds { first_lines: 160, last_lines: 40, bytes: 32 << 10 };

/// Who knows the workers of a run.
pub trait Callee: fmt::Debug + Sync {
    /// Asks a worker, started with these arguments if none is idle. `is_answer` says of its line whether it can
    /// be asked again.
    fn ask(
        &self,
        arguments: Vec<OsString>,
        question: &str,
        deadline: Deadline,
        around: &Surroundings<'_>,
        is_answer: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Heard;
}

/// What came of a question.
#[derive(Debug)]
pub struct Heard {
    /// How it ended.
    pub end: HeardEnd,
    /// What the worker wrote to its standard error meanwhile.
    pub stderr: Captured,
    /// The command lines of processes that a worker which is gone left behind.
    pub leaked: Vec<String>,
}

/// How a question ended.
#[derive(Debug)]
pub enum HeardEnd {
    /// With a line, which `is_answer` has seen.
    Line,
    /// No worker could be started, for this reason.
    NotStarted(String),
    /// The worker has gone before it answered, and had written this much.
    Gone(Departure, Vec<u8>),
    /// It did not keep to one line for each question, in these words.
    Disorder(String),
    /// It wanted more processes than it may have, and was ended.
    Crowd(Excess),
    /// It was not in time, and was ended.
    Late,
    /// The run is being stopped.
    Interrupted,
}

/// How a worker goes. Said of "the worker".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Its process has ended.
    Ended(ExitStatus),
    /// It can say nothing more, and stayed until it was ended.
    Closed,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(ExitStatus::Exited(code)) => write!(f, "exited with code {code}"),
            Self::Ended(status) => write!(f, "was ended by {status}"),
            Self::Closed => f.write_str("closed its standard output"),
        }
    }
}

/// A question, but for its input.
#[derive(Serialize)]
struct Question<'a> {
    case: &'a str,
    name: &'a str,
    attempt: &'a Value,
    dir: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<&'a str>,
}

/// An answer. What else a worker says is left alone.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    case: Option<String>,
    #[serde(deserialize_with = "verdict")]
    outcome: Verdict,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    output: Value,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Pass,
    Fail,
}

/// A verdict that is a text: serde also takes an object with the name of a variant as its key.
fn verdict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
    Verdict::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

pub(super) fn execute(
    step: &Step,
    call: &CallStep,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    let not_started = |error: &dyn fmt::Display| {
        StepResult::not_started(StepRecord::new("call".to_owned()), &step.position, error.to_string())
    };
    let (arguments, input) = match arguments(&call.worker, around.variables)
        .and_then(|arguments| Ok((arguments, input(&call.input, around.variables)?)))
    {
        Ok(both) => both,
        Err(error) => return not_started(&error),
    };
    let question = match question(&input, around) {
        Ok(question) => question,
        Err(error) => return not_started(&error),
    };
    let mut record = StepRecord::new(format!("call {}", shortened(&input)));
    let begin = clock::now();
    let mut answer = None;
    let heard = around.callee.ask(arguments, &question, deadline, around, &mut |line| {
        let read = read(line, around.case.info.id.as_str());
        let is_answer = read.is_ok();
        answer = Some(read);
        is_answer
    });
    record.duration = clock::now().duration_since(begin);
    let Heard { end, stderr, leaked } = heard;
    record.stderr = stderr;
    let result = match (end, answer) {
        (HeardEnd::Line, Some(Ok(answer))) => conclude(step, answer, record, deadline, around),
        (HeardEnd::Line, answer) => {
            let reason = answer.and_then(Result::err).unwrap_or_default();
            silent(step, record, Outcome::Errored, reason)
        }
        (HeardEnd::NotStarted(reason), _) => StepResult::not_started(record, &step.position, reason),
        (HeardEnd::Disorder(reason), _) => silent(step, record, Outcome::Errored, reason),
        (HeardEnd::Gone(departure, begun), _) => {
            silent(step, record, Outcome::Failed, farewell(departure, &begun))
        }
        (HeardEnd::Crowd(excess), _) => {
            let failure = limits::too_many(&around.case.precautions.limits, excess, &step.position);
            StepResult { failures: vec![failure], ..StepResult::new(record, Outcome::Failed) }
        }
        (HeardEnd::Interrupted, _) => StepResult::interrupted(record, Vec::new()),
        (HeardEnd::Late, _) => {
            let message = format!("timed out after {}; the worker was ended", time_limit(step, around));
            let failure = Failure::new(FailureKind::Timeout, step.position.clone(), message);
            StepResult { failures: vec![failure], ..StepResult::new(record, Outcome::TimedOut) }
        }
    };
    leaks::mind(step, leaked, result, around)
}

/// What an answer means for the step.
fn conclude(
    step: &Step,
    answer: Answer,
    mut record: StepRecord,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    if !answer.output.is_null() {
        let text = match &answer.output {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        record.stdout = Captured { head: text.into_bytes(), ..Captured::default() };
    }
    match answer.outcome {
        Verdict::Pass => {
            record.status = Some(StepStatus::Done("pass".to_owned()));
            let facts = vec![(Subject::Output, Fact::Value(answer.output))];
            let observation = Observation { facts, directory: around.directory.to_owned() };
            judge::compare(step, &observation, record, deadline, around)
        }
        Verdict::Fail => {
            record.status = Some(StepStatus::Done("fail".to_owned()));
            let mut message = answer.message.filter(|message| !message.trim().is_empty());
            // What is cut cannot be masked any more.
            if let (Some(message), Some(redactor)) = (&mut message, around.redactor) {
                redactor.text(message);
            }
            let message = message.as_deref().unwrap_or("the worker says that it failed").trim_end();
            let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
            let cut = beginning(first, MESSAGE);
            let detail = if cut == first { rest } else { message };
            let failure = Failure::new(FailureKind::Expectation, step.position.clone(), cut);
            let failure = Failure { detail: excerpt(detail, DETAIL).into_owned(), ..failure };
            StepResult { failures: vec![failure], ..StepResult::new(record, Outcome::Failed) }
        }
    }
}

/// A step without an answer.
fn silent(step: &Step, record: StepRecord, outcome: Outcome, message: String) -> StepResult {
    let failure = Failure::new(FailureKind::Worker, step.position.clone(), message);
    StepResult { failures: vec![failure], ..StepResult::new(record, outcome) }
}

fn farewell(departure: Departure, begun: &[u8]) -> String {
    let how = format!("the worker {departure} before it answered");
    match begun {
        [] => how,
        begun => format!("{how}; it had written {}", quote(begun)),
    }
}

/// Reads an answer to a question about the case with this id.
fn read(line: &[u8], case: &str) -> Result<Answer, String> {
    let read = std::str::from_utf8(line).map_or_else(|_| serde_json::from_slice(line), from_json);
    let unreadable = |reason: &str| format!("the worker's answer cannot be read: {reason}: {}", quote(line));
    let answer: Answer = read.map_err(|error| {
        let error = error.to_string();
        let reason = error.rsplit_once(" at line ").map_or(error.as_str(), |(reason, _)| reason);
        unreadable(&shortened(reason))
    })?;
    // serde also takes a list of the values.
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(unreadable("it is no object"));
    }
    match &answer.case {
        Some(other) if other != case => {
            Err(format!("the worker has answered for another case: {}", quote(other.as_bytes())))
        }
        _ => Ok(answer),
    }
}

/// The question as one line.
fn question(input: &str, around: &Surroundings<'_>) -> Result<String, serde_json::Error> {
    let dir = around.case.folder.to_string_lossy();
    let work = needs_directory(around.case).then(|| around.directory.to_string_lossy());
    let mut line = serde_json::to_string(&Question {
        case: around.case.info.id.as_str(),
        name: around.case.info.lasting_name(),
        attempt: around.variables.get("attempt").unwrap_or(&Value::Null),
        dir: &dir,
        work: work.as_deref(),
    })?;
    // An object that is not empty.
    line.pop();
    line.push_str(",\"input\":");
    line.push_str(input);
    line.push_str("}\n");
    Ok(line)
}

/// The input as JSON of one line.
fn input<'a>(
    input: &'a CallInput,
    variables: &Variables,
) -> Result<std::borrow::Cow<'a, str>, TemplateError> {
    match input {
        CallInput::Fixed(json) => Ok(json.as_ref().into()),
        CallInput::Template(value) => value.render(variables).map(Into::into),
    }
}

/// As much of a text as is shown of what workers read and write.
#[must_use]
pub fn shortened(text: &str) -> String {
    beginning(text, SHOWN)
}

/// At most so many characters from the beginning of a text.
fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The beginning of what a worker wrote, in quotes.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    format!("{:?}", shortened(&String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN)])))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn an_answer_is_an_object_with_an_outcome() {
        let answer = read(br#"{"case":"a","outcome":"pass","output":{"n":1},"more":0}"#, "a").expect("valid");
        assert_eq!(answer.output, serde_json::json!({ "n": 1 }));
        assert!(read(br#"{"outcome":"fail"}"#, "a").is_ok());
        for (line, reason) in [
            ("", "the worker's answer cannot be read: EOF while parsing a value: \"\""),
            ("Traceback", "the worker's answer cannot be read: expected value: \"Traceback\""),
            ("{}", "the worker's answer cannot be read: missing field `outcome`: \"{}\""),
            (r#"{"case":"b","outcome":"pass"}"#, "the worker has answered for another case: \"b\""),
        ] {
            assert_eq!(read(line.as_bytes(), "a").expect_err(line), reason);
        }
        for line in [
            r#"[null,"pass",null,null]"#,
            r#"{"outcome":{"pass":null}}"#,
            r#"{"outcome":null}"#,
            r#" ["a","pass"]"#,
        ] {
            let reason = read(line.as_bytes(), "a").expect_err(line);
            assert!(reason.starts_with("the worker's answer cannot be read: "), "{reason}");
        }
        let unknown = read(br#"{"outcome":"maybe"}"#, "a").expect_err("unknown");
        assert!(unknown.contains("unknown variant `maybe`, expected `pass` or `fail`"), "{unknown}");
        let long = "x".repeat(9000);
        for line in [
            &[0xff; 9000][..],
            format!(r#"{{"outcome":"{long}"}}"#).as_bytes(),
            format!("\"{long}\"").as_bytes(),
        ] {
            assert!(read(line, "a").expect_err("garbage").len() < 900);
        }
    }
}
