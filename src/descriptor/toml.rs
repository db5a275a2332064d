//! TOML, read by the crate `toml` with the place of every key and value.

use toml::Spanned;
use toml::de::{DeFloat, DeInteger, DeTable, DeValue};

use crate::descriptor::diagnostic::Problem;
use crate::descriptor::node::{Entry, Node, SourceId, Span, Value};
use crate::descriptor::source::Source;

/// What to do about a number that no value can be.
const IN_QUOTES: &str = "write a finite number, or put it in quotes to make it a string";

/// Reads a whole document.
pub(crate) fn parse(source: &Source, id: SourceId) -> Result<Node, Problem> {
    let table = DeTable::parse(&source.text).map_err(|error| {
        let range = error.span().unwrap_or(0..0);
        let reason = reason(&error);
        let help = help(&reason);
        Problem::new(Span::new(id, range.start, range.end), format!("not valid TOML: {reason}")).help(help)
    })?;
    let span = Span::new(id, 0, source.text.len());
    Ok(Node { span, value: table_value(table.into_inner(), id)? })
}

/// The first line of the parser's message, without what it repeats of the text.
fn reason(error: &toml::de::Error) -> String {
    let line = error.message().lines().next().unwrap_or_default();
    line.chars().take(200).collect()
}

/// What most often is the matter.
fn help(reason: &str) -> &'static str {
    if reason.starts_with("duplicate key") {
        "keep one of them"
    } else if reason.contains("escape") {
        "write a text with backslashes in single quotes, in which they mean nothing"
    } else if reason.contains("recursion") {
        "let the values be flatter"
    } else if reason.contains("missing comma") {
        "put a comma between the values of a list"
    } else if reason.contains("must be quoted") {
        "put quotes around texts"
    } else if reason.contains("string") {
        "close the quotes; a text of several lines stands in three of them"
    } else {
        "TOML has one `key = value` a line, objects as { key = value } on one line, and no null"
    }
}

fn span_of<T>(spanned: &Spanned<T>, id: SourceId) -> Span {
    let range = spanned.span();
    Span::new(id, range.start, range.end)
}

fn table_value(table: DeTable<'_>, id: SourceId) -> Result<Value, Problem> {
    let mut entries = table
        .into_iter()
        .map(|(key, value)| {
            let key_span = span_of(&key, id);
            Ok(Entry { key: key.into_inner().into_owned(), key_span, value: node(value, id)? })
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    // The parser sorts by key; the order of the text is what the other formats have.
    entries.sort_by_key(|entry| entry.key_span.start);
    Ok(Value::Map(entries))
}

fn node(spanned: Spanned<DeValue<'_>>, id: SourceId) -> Result<Node, Problem> {
    let span = span_of(&spanned, id);
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => integer(&number, span)?,
        DeValue::Float(number) => float(&number, span)?,
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(_) => {
            return Err(Problem::new(span, "dates and times are not used in descriptors")
                .help("put it in quotes to make it a string"));
        }
        DeValue::Array(items) => {
            Value::List(items.into_iter().map(|item| node(item, id)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => table_value(table, id)?,
    };
    Ok(Node { span, value })
}

fn integer(number: &DeInteger<'_>, span: Span) -> Result<Value, Problem> {
    i64::from_str_radix(number.as_str(), number.radix()).map(Value::Int).map_err(|_| {
        let message = "TOML has no whole numbers above 9223372036854775807 or below -9223372036854775808";
        Problem::new(span, message)
            .help("put it in quotes to make it a string, or write the file in JSON or YAML")
    })
}

fn float(number: &DeFloat<'_>, span: Span) -> Result<Value, Problem> {
    match number.as_str().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Value::Float(number)),
        _ => Err(Problem::new(span, "the number is not finite").help(IN_QUOTES)),
    }
}
