//! Texts of several statements, and parameters that have names.
//!
//! PostgreSQL tells the types of columns for one statement at a time only, and knows numbered parameters only.

use std::ops::Range;

use crate::step::sql::postgres::lexer::{Lexer, Token, begins_name, is_of_name};

/// A statement as the server gets it.
#[derive(Debug, PartialEq)]
pub(super) struct Sent {
    /// Its text.
    pub(super) text: String,
    /// Which of the values is the first parameter, the second, and so on.
    pub(super) values: Vec<usize>,
    /// Where parts of it begin, and where they stand in the text of the descriptor, in bytes.
    parts: Vec<(usize, usize)>,
}

impl Sent {
    /// The place in the text of the descriptor, in bytes, of what the server calls by a number of characters from 1.
    pub(super) fn origin(&self, position: usize) -> usize {
        let at = self.text.char_indices().nth(position.saturating_sub(1));
        let at = at.map_or(self.text.len(), |(at, _)| at);
        let part = self.parts.iter().rev().find(|(begin, _)| *begin <= at);
        part.map_or(at, |(begin, origin)| origin + (at - begin))
    }
}

/// What a statement does, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It changes rows, and how many is known.
    Change,
    /// It exchanges data with its client.
    Exchange,
    /// Anything else.
    Other,
}

/// Where the statements of a text stand, without those that are empty.
pub(super) fn statements(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut state = State::default();
    let mut begin = 0;
    let mut end = None;
    for (token, range) in Lexer::new(text) {
        match token {
            Token::Sign(';') if state.is_outside() => {
                found.extend(end.take().map(|end| begin..end));
                begin = range.end;
                state = State::default();
            }
            _ => {
                if end.is_none() {
                    begin = range.start;
                }
                end = Some(range.end);
                state.see(token, &text[range]);
            }
        }
    }
    found.extend(end.map(|end| begin..end));
    found
}

/// Whether a `;` ends the statement.
#[derive(Default)]
struct State {
    parentheses: u32,
    /// How many of `begin atomic` and `case` have no `end`.
    blocks: u32,
    creates: bool,
    before: String,
}

impl State {
    fn is_outside(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn see(&mut self, token: Token, text: &str) {
        let word = if token == Token::Word { text.to_ascii_lowercase() } else { String::new() };
        match token {
            Token::Sign('(') => self.parentheses += 1,
            Token::Sign(')') => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        match word.as_str() {
            "create" if self.before.is_empty() => self.creates = true,
            "atomic" if self.creates && self.before == "begin" => self.blocks += 1,
            "case" if self.blocks > 0 => self.blocks += 1,
            "end" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
        self.before = if word.is_empty() { text.to_owned() } else { word };
    }
}

/// What a statement does.
pub(super) fn kind(statement: &str) -> Kind {
    let mut depth = 0_u32;
    let mut has_common = false;
    let mut copies = false;
    for (token, range) in Lexer::new(statement) {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth = depth.saturating_sub(1),
            Token::Word if depth == 0 => match statement[range].to_ascii_lowercase().as_str() {
                "insert" | "update" | "delete" | "merge" => return Kind::Change,
                "stdin" | "stdout" if copies => return Kind::Exchange,
                "copy" if !has_common => copies = true,
                "with" if !has_common => has_common = true,
                "select" | "values" | "table" if has_common => return Kind::Other,
                _ if has_common || copies => {}
                _ => return Kind::Other,
            },
            _ => {}
        }
    }
    if copies { Kind::Change } else { Kind::Other }
}

/// A statement of a text, with parameters that have numbers only.
pub(super) fn plain(text: &str, statement: Range<usize>) -> Sent {
    let parts = vec![(0, statement.start)];
    Sent { text: text[statement].to_owned(), values: Vec::new(), parts }
}

/// A statement of a text in which `:name` stands for the value of that name. What has no value stays as it is, since
/// it may be something else, such as the bounds of a slice.
pub(super) fn named(text: &str, statement: Range<usize>, names: &[&str]) -> Sent {
    let (source, start) = (&text[statement.clone()], statement.start);
    let mut sent = Sent { text: String::new(), values: Vec::new(), parts: Vec::new() };
    let mut done = 0;
    let mut before = None;
    for (token, range) in Lexer::new(source) {
        let is_cast = before == Some((Token::Sign(':'), range.start));
        before = Some((token, range.end));
        if token != Token::Sign(':') || is_cast {
            continue;
        }
        let rest = &source[range.end..];
        let name = match rest.starts_with(begins_name) {
            true => &rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())],
            false => continue,
        };
        let Some(value) = names.iter().position(|known| *known == name) else { continue };
        sent.parts.push((sent.text.len(), start + done));
        sent.text.push_str(&source[done..range.start]);
        let known = sent.values.iter().position(|known| *known == value);
        let number = known.unwrap_or_else(|| {
            sent.values.push(value);
            sent.values.len() - 1
        });
        sent.parts.push((sent.text.len(), start + range.start));
        sent.text.push_str(&format!("${}", number + 1));
        done = range.end + name.len();
    }
    sent.parts.push((sent.text.len(), start + done));
    sent.text.push_str(&source[done..]);
    sent
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind, named, plain, statements};

    #[test]
    fn statements_end_where_postgresql_ends_them() {
        for (text, expected) in [
            ("select 1", vec!["select 1"]),
            ("select 1;", vec!["select 1"]),
            (" ; -- nothing\n;", vec![]),
            ("insert into t values (';'); select 2 ", vec!["insert into t values (';')", "select 2"]),
            ("do $$ begin; end $$; select 1", vec!["do $$ begin; end $$", "select 1"]),
            (
                "create rule r as on insert to t do (select 1; select 2); select 3",
                vec!["create rule r as on insert to t do (select 1; select 2)", "select 3"],
            ),
            (
                "create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3",
                vec![
                    "create function f() returns int begin atomic select case when true then 1 end; select 2; end",
                    "select 3",
                ],
            ),
            ("begin; select 1; end; select 2", vec!["begin", "select 1", "end", "select 2"]),
        ] {
            let found: Vec<_> = statements(text).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_changes_rows_is_known() {
        for (text, expected) in [
            ("insert into t values (1)", Kind::Change),
            ("/* x */ UPDATE t set a = 1", Kind::Change),
            ("with a as (select 1) delete from t", Kind::Change),
            ("with a as (delete from t returning *) select * from a", Kind::Other),
            ("select 'insert'", Kind::Other),
            ("create table t as select 1", Kind::Other),
            ("explain analyze insert into t values (1)", Kind::Other),
            ("copy t from stdin", Kind::Exchange),
            ("copy (select 1) to stdout with csv", Kind::Exchange),
            ("copy t from '/tmp/stdin'", Kind::Change),
            ("", Kind::Other),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn names_become_numbers_and_places_are_found_again() {
        let text = "select 0; select :b, ':b', x::text, :a || :b, y[1:n], :c";
        let range = statements(text).pop().expect("the second");
        let sent = named(text, range.clone(), &["a", "b", "text"]);
        assert_eq!(sent.text, "select $1, ':b', x::text, $2 || $1, y[1:n], :c");
        assert_eq!(sent.values, [1, 0]);
        for found in ["select :b", ":b", "x::text", ":a ||", "y[", ":c"] {
            let origin = text.match_indices(found).map(|(at, _)| at).find(|at| *at >= 10).expect("there");
            let in_sent = match found {
                "select :b" => "select $1",
                ":b" => "$1",
                ":a ||" => "$2 ||",
                other => other,
            };
            let position = sent.text[..sent.text.find(in_sent).expect("there")].chars().count() + 1;
            assert_eq!(sent.origin(position), origin, "{found}");
        }
        assert_eq!(plain("ä; b", 4..5).origin(1), 4);
        assert_eq!(plain("a; ää b", 3..8).origin(4), 8);
    }
}
