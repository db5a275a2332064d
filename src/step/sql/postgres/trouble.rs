//! What the database says of a mistake, and where in the statement it stands.

use std::error::Error as _;
use std::fmt::Write as _;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition};

use crate::step::sql::postgres::script::Sent;
use crate::step::sql::{Refusal, place, shown};

/// What is wrong, with all its reasons.
pub(super) fn chain(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", said.message(), said.code().code());
    }
    let mut whole = error.to_string();
    let mut reason = error.source();
    while let Some(next) = reason {
        let _ = write!(whole, ": {next}");
        reason = next.source();
    }
    whole
}

/// A statement that was refused: `text` is what the descriptor says, and `sent` what the server got of it.
pub(super) fn refused(error: &Error, text: &str, sent: &Sent) -> Refusal {
    let Some(said) = error.as_db_error() else {
        let message = match error.is_closed() {
            true => "the server closed the connection before the statement had ended".to_owned(),
            false => chain(error),
        };
        return Refusal { message, code: None, place: None, detail: shown(text) };
    };
    let code = Some(format!("SQLSTATE {}", said.code().code()));
    let at = match said.position() {
        Some(ErrorPosition::Original(position)) => Some(sent.origin(*position as usize)),
        _ => None,
    };
    Refusal {
        message: said.message().to_owned(),
        code,
        place: at.map(|at| place::line_and_column(text, at)),
        detail: at.map_or_else(|| shown(text), |at| place::caret(text, at)) + &more(said),
    }
}

/// What else the database says, one thing on a line.
fn more(said: &DbError) -> String {
    let mut lines = String::new();
    if let Some(ErrorPosition::Internal { position, query }) = said.position() {
        let at = query.char_indices().nth((*position as usize).saturating_sub(1));
        lines.push_str(&place::caret(query, at.map_or(query.len(), |(at, _)| at)));
    }
    let facts = [
        ("detail", said.detail()),
        ("hint", said.hint()),
        ("context", said.where_()),
        ("constraint", said.constraint()),
    ];
    for (name, text) in facts {
        if let Some(text) = text {
            let _ = writeln!(lines, "{name}: {}", text.trim_end());
        }
    }
    lines
}
