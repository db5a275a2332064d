//! The step `sql`: statements for a database, and what they give.
//!
//! What the kinds of databases have in common stands here: a step becomes a [`Work`], and a kind makes an [`Answer`]
//! or a [`Trouble`] of it.

#![cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "there is no kind of database")
)]

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod place;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod values;
#[cfg(feature = "sqlite")]
mod words;

#[cfg(feature = "sqlite")]
pub(super) use sqlite::Memory;

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use crate::model::{
    Fact, Failure, FailureKind, Observation, Outcome, SqlStep, Step, StepRecord, StepStatus, Subject,
};
use crate::process::Cancellation;
use crate::step::rows::{Rows, twice};
use crate::step::sql::values::{Bound, bind};
use crate::step::{StepResult, Surroundings, judge};
use crate::text::excerpt::{Bounds, excerpt};
use crate::time::{Deadline, clock};

/// How much of a statement is shown.
const SHOWN: Bounds = Bounds { first_lines: 20, last_lines: 5, bytes: 4096 };

/// How many characters of the first statement name the step.
const LONGEST_NAME: usize = 100;

/// How many bytes of rows a report shows of a step that did not pass.
const REPORTED: usize = 16 << 10;

/// What is wrong with parameters beside more than one statement.
const SEVERAL: &str = "parameters are given to several statements; make each an item of `statements`";

/// What is to be done, with every value known.
struct Work<'a> {
    statements: Vec<(String, Bound)>,
    transaction: bool,
    busy_timeout: Option<Duration>,
    deadline: Deadline,
    cancellation: &'a Cancellation,
}

/// What statements gave.
#[derive(Debug)]
struct Answer {
    /// The columns of the last statement that has any.
    columns: Vec<String>,
    /// Its rows, or why they were not kept.
    rows: Result<Vec<Value>, String>,
    /// How many rows it gave.
    count: u64,
    /// How many rows were changed by all statements.
    affected: u64,
}

impl Default for Answer {
    fn default() -> Self {
        Self { columns: Vec::new(), rows: Ok(Vec::new()), count: 0, affected: 0 }
    }
}

/// Why statements were not carried out.
#[derive(Debug)]
enum Trouble {
    /// The database refuses one.
    Refused(Refusal),
    /// There is no database, and there may be one later.
    Absent(String),
    /// It cannot be used as it is asked for.
    Unusable(String),
    /// The time was over, or the run was stopped, while this was done.
    Stopped(String),
}

/// A statement that was refused.
#[derive(Debug)]
struct Refusal {
    /// What the database says.
    message: String,
    /// The name of its code for that, if it was the database that saw it.
    code: Option<String>,
    /// The line and the column of the mistake in the text of the descriptor, where they are known.
    place: Option<(usize, usize)>,
    /// The statement, and what else the database says.
    detail: String,
}

impl Refusal {
    /// What the database says, with its code and the place.
    fn whole(&self) -> String {
        let place = self.place.map(|(line, column)| format!("line {line}, column {column}"));
        let more: Vec<&str> = [&self.code, &place].into_iter().flatten().map(String::as_str).collect();
        match more.is_empty() {
            true => self.message.clone(),
            false => format!("{} ({})", self.message, more.join(", ")),
        }
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Trouble {
    /// The same of a statement that begins at this place of a text of several, where no mistake in it is known.
    fn at_its_beginning(mut self, text: &str, begin: usize) -> Self {
        if let Self::Refused(refusal) = &mut self
            && text.get(..begin).is_some_and(|before| !before.trim().is_empty())
        {
            refusal.place.get_or_insert_with(|| place::line_and_column(text, begin));
        }
        self
    }
}

/// A mistake that the database does not see.
fn mismatch(message: &str, text: &str) -> Trouble {
    let message = message.to_owned();
    Trouble::Refused(Refusal { message, code: None, place: None, detail: shown(text) })
}

/// Says which of several statements is in trouble.
fn numbered(trouble: Trouble, index: usize, work: &Work<'_>) -> Trouble {
    match trouble {
        Trouble::Refused(refusal) if work.statements.len() > 1 => {
            let message =
                format!("statement {} of {}: {}", index + 1, work.statements.len(), refusal.message);
            Trouble::Refused(Refusal { message, ..refusal })
        }
        other => other,
    }
}

/// So many parameters, in words.
fn parameters(count: usize) -> String {
    format!("{count} parameter{}", if count == 1 { "" } else { "s" })
}

/// That so many are given, in words.
fn given(count: usize) -> String {
    format!("{count} {}", if count == 1 { "is" } else { "are" })
}

/// Collects the rows of a statement.
struct Collector {
    columns: Vec<String>,
    rows: Result<Rows, String>,
    count: u64,
}

impl Collector {
    fn new(columns: Vec<String>) -> Self {
        let rows = match twice(&columns) {
            None => Ok(Rows::new(columns.clone())),
            Some(name) => Err(format!("two columns are called {name:?}; name one of them with `as`")),
        };
        Self { columns, rows, count: 0 }
    }

    fn push(&mut self, values: impl Iterator<Item = Value>) {
        self.count += 1;
        if let Ok(rows) = &mut self.rows
            && let Err(many) = rows.push(values)
        {
            self.rows = Err(many.to_string());
        }
    }

    /// Keeps no rows; there were so many.
    #[cfg(feature = "postgres")]
    fn give_up(&mut self, count: u64, reason: String) {
        self.count = count;
        self.rows = self.rows.as_ref().map_err(String::clone).and(Err(reason));
    }

    fn finish(self, answer: &mut Answer) {
        answer.columns = self.columns;
        answer.rows = self.rows.map(Rows::into_values);
        answer.count = self.count;
    }
}

pub(super) fn execute(
    step: &Step,
    sql: &SqlStep,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    let mut record = StepRecord::new("sql".to_owned());
    let (url, work) = match prepare(sql, deadline, around) {
        Ok(prepared) => prepared,
        Err(message) => return StepResult::not_started(record, &step.position, message),
    };
    record.command = name(&url, &work.statements);
    let begin = clock::now();
    let answer = ask(&url, &work, around);
    record.duration = clock::now() - begin;
    match answer {
        Ok(answer) => {
            let plural = |count: u64| if count == 1 { "" } else { "s" };
            let (count, affected) = (answer.count, answer.affected);
            let status = match answer.columns.is_empty() {
                true => format!("{affected} row{} affected", plural(affected)),
                false => format!("{count} row{}", plural(count)),
            };
            record.status = Some(StepStatus::Done(status));
            record.stdout.head = reported(&answer);
            // A database may look at the time only between the instructions of its own program.
            if deadline.has_passed() {
                return StepResult::timed_out(step, record, around);
            }
            judge::compare(step, &observed(answer, around), record, deadline, around)
        }
        Err(Trouble::Unusable(message)) => StepResult::not_started(record, &step.position, message),
        Err(Trouble::Absent(message)) => StepResult::not_connected(record, &step.position, message),
        Err(Trouble::Stopped(_)) if around.cancellation.is_requested() => {
            StepResult::interrupted(record, Vec::new())
        }
        Err(Trouble::Stopped(detail)) => {
            let mut result = StepResult::timed_out(step, record, around);
            result.failures.iter_mut().for_each(|failure| failure.detail.clone_from(&detail));
            result
        }
        Err(Trouble::Refused(refusal)) => refused(step, refusal, record, deadline, around),
    }
}

/// What came of a step whose statement was refused.
fn refused(
    step: &Step,
    refusal: Refusal,
    mut record: StepRecord,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    record.status = Some(StepStatus::Done(refusal.code.clone().unwrap_or_else(|| "refused".to_owned())));
    if step.checks.iter().any(|check| check.subject == Subject::Error) {
        let facts = vec![(Subject::Error, Fact::Value(refusal.message.into()))];
        let observation = Observation { facts, directory: around.directory.to_owned() };
        return judge::compare(step, &observation, record, deadline, around);
    }
    let failure = Failure::new(FailureKind::Expectation, step.position.clone(), refusal.whole());
    let failures = vec![Failure { detail: refusal.detail, ..failure }];
    StepResult { failures, ..StepResult::new(record, Outcome::Failed) }
}

/// The URL and what is to be done, with all values.
fn prepare<'a>(
    sql: &SqlStep,
    deadline: Deadline,
    around: &Surroundings<'a>,
) -> Result<(String, Work<'a>), String> {
    let variables = around.variables;
    let url = sql.url.render(variables).map_err(|error| error.to_string())?;
    let statements = sql.statements.iter().map(|statement| {
        let text = statement.text.render(variables).map_err(|error| error.to_string())?;
        Ok((text.into_owned(), bind(&statement.parameters, variables)?))
    });
    let busy_timeout = sql.busy_timeout.as_ref().map(|timeout| timeout.value(variables)).transpose();
    let work = Work {
        statements: statements.collect::<Result<_, String>>()?,
        transaction: *sql.transaction.value(variables).map_err(|error| error.message)?,
        busy_timeout: busy_timeout.map_err(|error| error.message)?.map(Cow::into_owned),
        deadline,
        cancellation: around.cancellation,
    };
    Ok((url.into_owned(), work))
}

/// What the step does, on one line.
fn name(url: &str, statements: &[(String, Bound)]) -> String {
    let first = statements.first().map_or("", |(text, _)| text.as_str());
    let mut words = first.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = words.char_indices().nth(LONGEST_NAME) {
        words.truncate(at);
        words.push('…');
    }
    let more = match statements.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    format!("sql {}: {words}{more}", masked(url))
}

/// The URL without the password that it may hold.
fn masked(url: &str) -> String {
    let (place, options) = url.split_once('?').map_or((url, None), |(place, options)| (place, Some(options)));
    let begin = place.find("://").map_or(place.len(), |at| at + 3);
    let (scheme, rest) = place.split_at(begin);
    let mut masked = match rest.rsplit_once('@') {
        Some((who, host)) => {
            let user = who.split_once(':').map_or(who.to_owned(), |(user, _)| format!("{user}:***"));
            format!("{scheme}{user}@{host}")
        }
        None => place.to_owned(),
    };
    if let Some(options) = options {
        let options = options.split('&').map(|option| match option.split_once('=') {
            Some((key, _)) if key.contains("password") => format!("{key}=***"),
            _ => option.to_owned(),
        });
        masked.push('?');
        masked.push_str(&options.collect::<Vec<_>>().join("&"));
    }
    masked
}

#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(unused_variables, reason = "there is nothing to ask")
)]
fn ask(url: &str, work: &Work<'_>, around: &Surroundings<'_>) -> Result<Answer, Trouble> {
    match url.split_once(':') {
        #[cfg(feature = "sqlite")]
        Some(("sqlite", place)) => sqlite::ask(place, work, around),
        #[cfg(feature = "postgres")]
        Some(("postgres" | "postgresql", _)) => postgres::ask(url, work, around),
        _ => {
            let url = masked(url);
            Err(Trouble::Unusable(format!("{url:?} is no URL of a database that this partest knows")))
        }
    }
}

/// What was seen of an answer.
fn observed(answer: Answer, around: &Surroundings<'_>) -> Observation {
    let rows = match answer.rows {
        Ok(rows) => Fact::Value(rows.into()),
        Err(reason) => Fact::Unreadable(reason),
    };
    let none = "every statement was carried out".to_owned();
    let facts = vec![
        (Subject::Rows, rows),
        (Subject::RowCount, Fact::Value(answer.count.into())),
        (Subject::Columns, Fact::Value(answer.columns.into())),
        (Subject::RowsAffected, Fact::Value(answer.affected.into())),
        (Subject::Error, Fact::Unreadable(none)),
    ];
    Observation { facts, directory: around.directory.to_owned() }
}

/// The rows as reports show them, one on a line.
fn reported(answer: &Answer) -> Vec<u8> {
    let mut lines = Vec::new();
    for row in answer.rows.iter().flatten() {
        if lines.len() > REPORTED {
            lines.extend_from_slice("…\n".as_bytes());
            break;
        }
        lines.extend_from_slice(row.to_string().as_bytes());
        lines.push(b'\n');
    }
    lines
}

/// A statement as it is shown below a message.
fn shown(text: &str) -> String {
    format!("{}\n", excerpt(text.trim(), SHOWN))
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn passwords_are_not_shown() {
        for (url, expected) in [
            ("sqlite:a@b:c", "sqlite:a@b:c"),
            ("postgres://h/d", "postgres://h/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://u:p@h:1/d?x=1", "postgres://u:***@h:1/d?x=1"),
            ("postgres://u:p:/@q@h/d", "postgres://u:***@h/d"),
            ("postgres://h/d?user=u&password=p", "postgres://h/d?user=u&password=***"),
        ] {
            assert_eq!(masked(url), expected);
        }
    }
}
