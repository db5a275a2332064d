//! Databases of SQLite: a file, or one in memory that lives as long as the attempt.
//!
//! Each step opens its file anew, as it may be another one since. SQLite waits for locks in short turns, between
//! which the deadline is looked at; what runs is interrupted by its progress handler.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, Connection, ErrorCode, OpenFlags, Statement, ToSql, ffi};
use serde_json::Value;

use crate::step::Surroundings;
use crate::step::sql::values::{Bound, Datum};
use crate::step::sql::{
    Answer, Collector, Refusal, SEVERAL, Trouble, Work, given, mismatch, numbered, parameters, place, shown,
    words,
};
use crate::time::{clock, format_duration};

/// How long a step waits for a locked database when the descriptor does not say.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(5);

/// How long SQLite itself waits for a lock before the deadline is looked at.
const TURN: Duration = Duration::from_millis(50);

/// How many of its instructions SQLite carries out before the deadline is looked at.
const INSTRUCTIONS: i32 = 10_000;

/// The database of an attempt that lives in memory, once there is one.
#[derive(Debug, Default)]
pub(in crate::step) struct Memory(RefCell<Option<Connection>>);

/// Carries out statements in the database at a place, which is what stands after `sqlite:` in its URL.
pub(super) fn ask(place: &str, work: &Work<'_>, around: &Surroundings<'_>) -> Result<Answer, Trouble> {
    if place == ":memory:" {
        let mut kept = around.carried.memory.0.borrow_mut();
        if kept.is_none() {
            *kept = Some(Connection::open_in_memory().map_err(|error| unusable(place, &error))?);
        }
        return kept
            .as_mut()
            .map_or(Err(Trouble::Stopped(String::new())), |connection| carry_out(connection, work));
    }
    let Source { path, flags } = Source::read(place).map_err(Trouble::Unusable)?;
    let path = around.directory.join(path);
    let was_there = path.exists();
    let mut connection = Connection::open_with_flags(&path, flags)
        .map_err(|error| unusable(&path.to_string_lossy(), &error))?;
    carry_out(&mut connection, work).map_err(|trouble| match trouble {
        Trouble::Refused(mut refusal) if !was_there && refusal.message.starts_with("no such") => {
            refusal.message.push_str(&format!("; there was no database at {} before", path.display()));
            Trouble::Refused(refusal)
        }
        other => other,
    })
}

/// The file of a database, and how it is opened.
#[derive(Debug, PartialEq)]
struct Source<'a> {
    path: &'a Path,
    flags: OpenFlags,
}

impl<'a> Source<'a> {
    /// Reads what stands after `sqlite:`: a path, and behind a `?` the parameters that SQLite knows of a URI.
    fn read(place: &'a str) -> Result<Self, String> {
        let (path, parameters) = place.split_once('?').unwrap_or((place, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains('\0') {
            return Err(format!("{path:?} is no path of a database"));
        }
        if path == ":memory:" {
            return Err(format!("`sqlite::memory:` takes no parameters such as {parameters:?}"));
        }
        let writing = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let (mut mode, mut cache) = (writing | OpenFlags::SQLITE_OPEN_CREATE, OpenFlags::empty());
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter {
                "mode=ro" => mode = OpenFlags::SQLITE_OPEN_READ_ONLY,
                "mode=rw" => mode = writing,
                "mode=rwc" => mode = writing | OpenFlags::SQLITE_OPEN_CREATE,
                "cache=shared" => cache = OpenFlags::SQLITE_OPEN_SHARED_CACHE,
                "cache=private" => cache = OpenFlags::SQLITE_OPEN_PRIVATE_CACHE,
                "mode=memory" => {
                    return Err("a database in memory is `sqlite::memory:`, not `mode=memory`".to_owned());
                }
                _ => {
                    return Err(format!(
                        "{parameter:?} behind the `?` of a URL of SQLite is not known: expected `mode=ro`, \
                         `mode=rw`, `mode=rwc`, `cache=shared` or `cache=private` (a file with `?` in its name \
                         cannot be used)"
                    ));
                }
            }
        }
        Ok(Self { path: Path::new(path), flags: mode | cache | OpenFlags::SQLITE_OPEN_NO_MUTEX })
    }
}

fn unusable(place: &str, error: &rusqlite::Error) -> Trouble {
    let Wrong { message, code, .. } = Wrong::of(error);
    let code = code.map_or(String::new(), |code| format!(" ({code})"));
    let message = match message.contains(place) {
        true => format!("{message}{code}"),
        false => format!("{place}: {message}{code}"),
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => Trouble::Absent(message),
        _ => Trouble::Unusable(message),
    }
}

fn carry_out(connection: &mut Connection, work: &Work<'_>) -> Result<Answer, Trouble> {
    let (deadline, cancellation) = (work.deadline, work.cancellation.clone());
    let is_over = move || cancellation.is_requested() || deadline.has_passed();
    let set = connection
        .progress_handler(INSTRUCTIONS, Some(is_over))
        .and_then(|()| connection.busy_timeout(TURN.min(patience(work))))
        .and_then(|()| connection.authorizer(Some(permit)));
    set.map_err(|error| refused(&error, "", work))?;
    let answer = all(connection, work);
    // What is left to do must not be interrupted, too.
    let _ = connection.progress_handler(0, None::<fn() -> bool>);
    if work.transaction && answer.is_err() && !connection.is_autocommit() {
        // It fails when the connection is broken, and then the transaction is gone as well.
        let _ = connection.execute_batch("rollback");
    }
    answer
}

/// Lets a statement do everything but name a file by a relative path, as `attach` and `vacuum into` can: SQLite would begin
/// where this whole program was started. A path that is not written in the statement cannot be looked at.
fn permit(asked: AuthContext<'_>) -> Authorization {
    match asked.action {
        AuthAction::Attach { filename } if is_relative(filename) => Authorization::Deny,
        AuthAction::Unknown { code: ffi::SQLITE_ATTACH, .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

/// Whether this names a file, and not by an absolute path: as a path or as a URI, by <https://www.sqlite.org/uri.html>.
fn is_relative(name: &str) -> bool {
    let path = match name.strip_prefix("file:") {
        None => name,
        Some(uri) => {
            let (path, parameters) = uri.split_once('?').unwrap_or((uri, ""));
            if parameters.split('&').any(|parameter| parameter == "mode=memory") {
                return false;
            }
            match path.strip_prefix("//") {
                Some(host) => host.find('/').map_or("", |end| &host[end..]),
                None => path,
            }
        }
    };
    !["", ":memory:"].contains(&path) && !path.starts_with('/')
}

fn all(connection: &Connection, work: &Work<'_>) -> Result<Answer, Trouble> {
    let mut answer = Answer::default();
    let control = |text: &str| {
        let done = patiently(work, || connection.execute_batch(text));
        done.map_err(|error| refused(&error, text, work))
    };
    if work.transaction {
        // At once, since one that reads first and then writes could not wait for another one.
        control("begin immediate")?;
    }
    for (index, (text, bound)) in work.statements.iter().enumerate() {
        let done = match bound.is_empty() {
            true => script(connection, text, work, &mut answer),
            false => bound_statement(connection, text, bound, work, &mut answer),
        };
        done.map_err(|trouble| numbered(trouble, index, work))?;
    }
    if work.transaction {
        control("commit")?;
    }
    Ok(answer)
}

/// Statements without parameters, as many as there are in a text.
fn script(connection: &Connection, text: &str, work: &Work<'_>, answer: &mut Answer) -> Result<(), Trouble> {
    let mut batch = Batch::new(connection, text);
    let mut is_first = true;
    let mut end = 0;
    while let Some(mut statement) =
        patiently(work, || batch.next()).map_err(|error| refused(&error, text, work))?
    {
        is_first = false;
        let count = statement.parameter_count();
        if count > 0 {
            return Err(mismatch(
                &format!("the statement has {}, and none is given", parameters(count)),
                text,
            ));
        }
        let own = statement.expanded_sql().unwrap_or_default();
        let begin = text.get(end..).and_then(|rest| rest.find(own.as_str())).map_or(end, |at| end + at);
        end = begin + own.len();
        run(connection, &mut statement, text, work, answer)
            .map_err(|trouble| trouble.at_its_beginning(text, begin + place::noted(&own)))?;
    }
    match is_first {
        true => Err(mismatch("there is no statement", text)),
        false => Ok(()),
    }
}

/// One statement with parameters.
fn bound_statement(
    connection: &Connection,
    text: &str,
    bound: &Bound,
    work: &Work<'_>,
    answer: &mut Answer,
) -> Result<(), Trouble> {
    let mut batch = Batch::new(connection, text);
    let mut next = || patiently(work, || batch.next());
    let Some(mut statement) = next().map_err(|error| refused(&error, text, work))? else {
        return Err(mismatch("there is no statement", text));
    };
    match next() {
        Ok(None) => {}
        Err(error) if is_locked(&error) => return Err(refused(&error, text, work)),
        // A second one may be refused only because the first one has not been carried out.
        Ok(Some(_)) | Err(_) => return Err(mismatch(SEVERAL, text)),
    }
    let count = statement.parameter_count();
    match bound {
        Bound::Positional(values) if values.len() != count => {
            let message =
                format!("the statement has {}, and {} given", parameters(count), given(values.len()));
            return Err(mismatch(&message, text));
        }
        Bound::Positional(values) => {
            for (value, index) in values.iter().zip(1_usize..) {
                let done = statement.raw_bind_parameter(index, value);
                done.map_err(|error| refused(&error, text, work))?;
            }
        }
        Bound::Named(values) => {
            let mut used = vec![false; values.len()];
            for index in 1..=count {
                // The name begins with what marks it, as in `:id`.
                let name = statement.parameter_name(index).map(|name| name[1..].to_owned());
                let place = name.as_ref().and_then(|name| values.iter().position(|(known, _)| known == name));
                let Some(place) = place else {
                    let name = name.map_or(format!("number {index}"), |name| format!("{name:?}"));
                    return Err(mismatch(&format!("no value is given for the parameter {name}"), text));
                };
                used[place] = true;
                let done = statement.raw_bind_parameter(index, &values[place].1);
                done.map_err(|error| refused(&error, text, work))?;
            }
            if let Some(unused) = used.iter().position(|used| !used) {
                let name = &values[unused].0;
                return Err(mismatch(&format!("the statement has no parameter {name:?}"), text));
            }
        }
    }
    run(connection, &mut statement, text, work, answer)
}

/// Carries out a statement whose parameters have their values.
fn run(
    connection: &Connection,
    statement: &mut Statement<'_>,
    text: &str,
    work: &Work<'_>,
    answer: &mut Answer,
) -> Result<(), Trouble> {
    let before = connection.total_changes();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = columns.len();
    let collected = patiently(work, || {
        let mut collector = Collector::new(columns.clone());
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let values = (0..width).map(|index| row.get_ref(index).map(json));
            collector.push(values.collect::<Result<Vec<_>, _>>()?.into_iter());
        }
        Ok(collector)
    });
    let collected = collected.map_err(|error| {
        let whole = statement.expanded_sql();
        refused(&error, whole.as_deref().unwrap_or(text), work)
    })?;
    if connection.total_changes() != before {
        answer.affected += connection.changes();
    }
    if width > 0 {
        collected.finish(answer);
    }
    Ok(())
}

/// Tries again while the database is locked by others, as long as it may wait.
fn patiently<T>(work: &Work<'_>, mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let begin = clock::now();
    loop {
        match attempt() {
            Err(error)
                if is_locked(&error)
                    && clock::now() - begin < patience(work)
                    && !work.deadline.has_passed() =>
            {
                // SQLite does not wait itself where it sees that waiting is in vain.
                if work.cancellation.wait(Duration::from_millis(1)) {
                    return Err(error);
                }
            }
            other => return other,
        }
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// How long to wait for a locked database.
fn patience(work: &Work<'_>) -> Duration {
    work.busy_timeout.unwrap_or(DEFAULT_PATIENCE)
}

fn refused(error: &rusqlite::Error, text: &str, work: &Work<'_>) -> Trouble {
    if work.cancellation.is_requested() || work.deadline.has_passed() {
        return Trouble::Stopped(shown(text));
    }
    let Wrong { mut message, code, mistake } = Wrong::of(error);
    if error.sqlite_error_code() == Some(ErrorCode::AuthorizationForStatementDenied) {
        message = "the path of a file must be written in the statement, and be absolute: put \"{{ work }}/\" before it"
            .to_owned();
    }
    if is_locked(error) && !patience(work).is_zero() {
        message.push_str(&format!(" for longer than {}", format_duration(patience(work))));
    }
    let at = match mistake {
        // What SQLite was given is the rest of the text from a statement on.
        Some((rest, offset)) => text.strip_suffix(rest).map(|before| before.len() + offset),
        None if message == "incomplete input" => Some(text.trim_end().len()),
        None => None,
    };
    let detail = at.map_or_else(|| shown(text), |at| place::caret(text, at));
    let place = at.map(|at| place::line_and_column(text, at));
    Trouble::Refused(Refusal { message, code, place, detail })
}

/// What is wrong, in SQLite's words.
struct Wrong<'a> {
    message: String,
    code: Option<String>,
    /// What SQLite was given, and where in it the mistake stands, in bytes; where that is known.
    mistake: Option<(&'a str, usize)>,
}

impl<'a> Wrong<'a> {
    fn of(error: &'a rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(error, message) => Self {
                message: message.clone().unwrap_or_else(|| error.to_string()),
                code: Some(words::code(error.extended_code)),
                mistake: None,
            },
            rusqlite::Error::SqlInputError { error, msg, sql, offset } => Self {
                message: msg.clone(),
                code: Some(words::code(error.extended_code)),
                mistake: usize::try_from(*offset).ok().map(|offset| (sql.as_str(), offset)),
            },
            other => Self { message: other.to_string(), code: None, mistake: None },
        }
    }
}

/// A value as JSON: bytes become hexadecimal digits, and what JSON has no number for becomes a text.
fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => {
            serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
        }
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => data_encoding::HEXLOWER.encode(bytes).into(),
    }
}

impl ToSql for Datum {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Boolean(value) => ValueRef::Integer((*value).into()),
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
            Self::Json(value) => return Ok(ToSqlOutput::Owned(value.to_string().into())),
        }))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::OpenFlags;
    use rusqlite::types::ValueRef;
    use serde_json::json as expected;

    use super::{Source, json};

    #[test]
    fn parameters_say_how_a_file_is_opened() {
        let (ro, rw) = (OpenFlags::SQLITE_OPEN_READ_ONLY, OpenFlags::SQLITE_OPEN_READ_WRITE);
        let rwc = rw | OpenFlags::SQLITE_OPEN_CREATE;
        for (place, path, flags) in [
            ("x.db", "x.db", rwc),
            ("///a/x.db?", "/a/x.db", rwc),
            ("x.db?mode=ro", "x.db", ro),
            ("x.db?mode=rw&cache=private", "x.db", rw | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE),
            ("x.db?cache=shared&mode=rwc", "x.db", rwc | OpenFlags::SQLITE_OPEN_SHARED_CACHE),
        ] {
            let source = Source::read(place).expect(place);
            assert_eq!(
                (source.path.to_str(), source.flags - OpenFlags::SQLITE_OPEN_NO_MUTEX),
                (Some(path), flags)
            );
        }
        for (place, part) in [
            ("?mode=ro", "no path"),
            ("x.db?mode=r", "\"mode=r\" behind the `?`"),
            ("x.db?mode=memory", "`sqlite::memory:`"),
            ("what?.db", "a file with `?` in its name"),
            (":memory:?cache=shared", "takes no parameters"),
        ] {
            let reason = Source::read(place).expect_err(place);
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn values_become_json() {
        for (value, json_value) in [
            (ValueRef::Null, expected!(null)),
            (ValueRef::Integer(i64::MIN), expected!(i64::MIN)),
            (ValueRef::Real(0.5), expected!(0.5)),
            (ValueRef::Real(f64::INFINITY), expected!("inf")),
            (ValueRef::Text("ä".as_bytes()), expected!("ä")),
            (ValueRef::Text(b"a\xff"), expected!("a\u{FFFD}")),
            (ValueRef::Blob(&[0, 255]), expected!("00ff")),
        ] {
            assert_eq!(json(value), json_value);
        }
    }
}
