//! Databases of PostgreSQL.
//!
//! Each step has a connection of its own. The client is driven by the thread of the case, over a socket whose waits end
//! at the deadline; what still runs in the server then is ended there, too.

mod address;
mod lexer;
mod parameters;
mod rows;
mod script;
mod session;
mod socket;
mod tls;
mod trouble;

use std::pin::pin;

use futures_util::TryStreamExt as _;
use tokio_postgres::{Error, Row, Statement};

use crate::step::Surroundings;
use crate::step::rows::{MOST_BYTES, MOST_ROWS, TooMany};
use crate::step::sql::postgres::parameters::Parameter;
use crate::step::sql::postgres::rows::Reading;
use crate::step::sql::postgres::script::{Kind, Sent};
use crate::step::sql::postgres::session::Session;
use crate::step::sql::postgres::socket::Stopped;
use crate::step::sql::values::{Bound, Datum};
use crate::step::sql::{
    Answer, Collector, Refusal, SEVERAL, Trouble, Work, given, mismatch, numbered, parameters, place, shown,
};

/// Carries out statements in the database of a URL.
pub(super) fn ask(url: &str, work: &Work<'_>, around: &Surroundings<'_>) -> Result<Answer, Trouble> {
    let mut target = address::read(url, around.directory).map_err(Trouble::Unusable)?;
    // What depends on the time zone of the server's machine would be different on another one.
    let mut options = "-c TimeZone=UTC".to_owned();
    if let Some(patience) = work.busy_timeout {
        // 0 would be for ever, and more than fits the server does not know.
        options.push_str(&format!(" -c lock_timeout={}", patience.as_millis().clamp(1, i32::MAX as u128)));
    }
    if let Some(own) = target.config.get_options() {
        options.push_str(&format!(" {own}"));
    }
    target.config.options(options);
    let mut session = Session::open(&target, work)?;
    let answer = all(&mut session, work);
    match &answer {
        Err(Trouble::Stopped(_)) => session.cancel(),
        Err(_) if work.transaction => session.roll_back(),
        _ => {}
    }
    session.close();
    answer
}

fn all(session: &mut Session, work: &Work<'_>) -> Result<Answer, Trouble> {
    let mut answer = Answer::default();
    if work.transaction {
        control(session, "begin")?;
    }
    for (index, (text, bound)) in work.statements.iter().enumerate() {
        script(session, text, bound, &mut answer).map_err(|trouble| numbered(trouble, index, work))?;
    }
    if work.transaction {
        control(session, "commit")?;
    }
    Ok(answer)
}

fn control(session: &mut Session, text: &str) -> Result<(), Trouble> {
    let sent = script::plain(text, 0..text.len());
    let done = session.wire.drive(session.client.batch_execute(text));
    outcome(session, done, text, &sent)
}

/// What came of something that was asked.
fn outcome<T>(
    session: &mut Session,
    done: Result<Result<T, Error>, Stopped>,
    text: &str,
    sent: &Sent,
) -> Result<T, Trouble> {
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            // Whoever waits for an answer only learns that the connection is closed; why, the connection knows.
            let error = if error.is_closed() { session.wire.take_failure().unwrap_or(error) } else { error };
            let notes = sent.text[..place::noted(&sent.text)].chars().count();
            Err(Trouble::Refused(trouble::refused(&error, text, sent))
                .at_its_beginning(text, sent.origin(notes + 1)))
        }
        Err(Stopped) => Err(Trouble::Stopped(shown(&sent.text))),
    }
}

/// The statements of a text.
fn script(session: &mut Session, text: &str, bound: &Bound, answer: &mut Answer) -> Result<(), Trouble> {
    let statements = script::statements(text);
    if statements.is_empty() {
        return Err(mismatch("there is no statement", text));
    }
    if statements.len() > 1 && !bound.is_empty() {
        return Err(mismatch(SEVERAL, text));
    }
    for statement in statements {
        match bound {
            Bound::Positional(values) => {
                let values: Vec<&Datum> = values.iter().collect();
                run(session, text, &script::plain(text, statement), &values, answer)?;
            }
            Bound::Named(all) => {
                let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
                let sent = script::named(text, statement, &names);
                if let Some(unused) = (0..names.len()).find(|index| !sent.values.contains(index)) {
                    let message = format!("the statement has no parameter {:?}", names[unused]);
                    return Err(mismatch(&message, text));
                }
                let values: Vec<&Datum> = sent.values.iter().map(|index| &all[*index].1).collect();
                run(session, text, &sent, &values, answer)?;
            }
        }
    }
    Ok(())
}

/// Carries out one statement.
fn run(
    session: &mut Session,
    text: &str,
    sent: &Sent,
    values: &[&Datum],
    answer: &mut Answer,
) -> Result<(), Trouble> {
    let kind = script::kind(&sent.text);
    if kind == Kind::Exchange {
        return Err(mismatch(
            "`copy` from or to its client is not possible here; name a file or use rows",
            text,
        ));
    }
    let done = session.wire.drive(session.client.prepare(&sent.text));
    let statement = outcome(session, done, text, sent).map_err(|trouble| marked(trouble, text, values))?;
    let wanted = statement.params();
    if wanted.len() != values.len() {
        let given = if values.is_empty() { "none is".to_owned() } else { given(values.len()) };
        let message = format!("the statement has {}, and {given} given", parameters(wanted.len()));
        return Err(marked(mismatch(&message, text), text, values));
    }
    let bound: Vec<_> = values.iter().zip(wanted).map(|(datum, of)| Parameter::new(datum, of)).collect();
    let (rows, count, affected) = fetch(session, &statement, bound, text, sent)?;
    if kind == Kind::Change {
        answer.affected += affected;
    }
    if !statement.columns().is_empty() {
        collect(session, &statement, rows, count, text, sent)?.finish(answer);
    }
    Ok(())
}

/// Says how parameters are written, where somebody wrote `?`.
fn marked(trouble: Trouble, text: &str, values: &[&Datum]) -> Trouble {
    match trouble {
        Trouble::Refused(mut refusal) if !values.is_empty() && text.contains('?') => {
            refusal.detail.push_str("note: the parameters of PostgreSQL are $1, $2, and so on\n");
            Trouble::Refused(refusal)
        }
        other => other,
    }
}

/// The rows of a statement, as far as they are kept, how many there are, and how many it changed.
type Fetched = (Result<Vec<Row>, TooMany>, u64, u64);

fn fetch(
    session: &mut Session,
    statement: &Statement,
    bound: Vec<Parameter>,
    text: &str,
    sent: &Sent,
) -> Result<Fetched, Trouble> {
    let done = session.wire.drive(session.client.query_raw(statement, bound));
    let mut stream = pin!(outcome(session, done, text, sent)?);
    let (mut rows, mut count, mut bytes) = (Ok(Vec::new()), 0, 0);
    loop {
        let done = session.wire.drive(stream.try_next());
        let Some(row) = outcome(session, done, text, sent)? else { break };
        count += 1;
        if let Ok(kept) = &mut rows {
            bytes += row.raw_size_bytes();
            kept.push(row);
            if kept.len() > MOST_ROWS || bytes > MOST_BYTES {
                rows = Err(TooMany);
            }
        }
    }
    Ok((rows, count, stream.rows_affected().unwrap_or(0)))
}

/// The rows of a statement as JSON.
fn collect(
    session: &mut Session,
    statement: &Statement,
    rows: Result<Vec<Row>, TooMany>,
    count: u64,
    text: &str,
    sent: &Sent,
) -> Result<Collector, Trouble> {
    let columns = statement.columns();
    let mut collector = Collector::new(columns.iter().map(|column| column.name().to_owned()).collect());
    let unreadable = columns.iter().find(|column| rows::reading(column.type_()) == Reading::None);
    let rows = match (rows, unreadable) {
        (Ok(rows), None) => rows,
        (Err(many), _) => {
            collector.give_up(count, many.to_string());
            return Ok(collector);
        }
        (_, Some(column)) => {
            let (name, of) = (column.name(), column.type_().name());
            let reason = format!("the column {name:?} is of the type {of}; make it a text by `::text`");
            collector.give_up(count, reason);
            return Ok(collector);
        }
    };
    let bad = |error: Box<dyn std::error::Error + Sync + Send>| {
        mismatch(&format!("the server sent what cannot be read: {error}"), text)
    };
    let mut all = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let of = column.type_();
        let texts = match rows::reading(of) {
            Reading::Foreign => {
                Some(told(session, rows::foreign(&rows, index, of).map_err(bad)?, text, sent)?)
            }
            Reading::Own | Reading::None => None,
        };
        all.push(rows::column(&rows, index, of, texts).map_err(bad)?);
    }
    for row in rows::transposed(all, rows.len()) {
        collector.push(row.into_iter());
    }
    Ok(collector)
}

/// The texts that the server makes of values.
fn told(
    session: &mut Session,
    foreign: rows::Foreign<'_>,
    text: &str,
    sent: &Sent,
) -> Result<Vec<String>, Trouble> {
    if foreign.is_empty() {
        return Ok(Vec::new());
    }
    let question = foreign.statement();
    let done = session.wire.drive(session.client.query(&question, &[&foreign.values]));
    let answers = outcome(session, done, text, sent)?;
    let texts = answers.iter().map(|row| row.try_get::<_, String>(0));
    texts.collect::<Result<_, _>>().map_err(|error| {
        let message = format!("the server sent what cannot be read: {}", trouble::chain(&error));
        Trouble::Refused(Refusal { message, code: None, place: None, detail: shown(text) })
    })
}
