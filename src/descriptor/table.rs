//! `rows`: a table, one case for each row.

use std::sync::Arc;

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::expand::{Element, Generation, Mentioned};
use crate::descriptor::labels::{Labels, label, shorten};
use crate::descriptor::mirror::{self, Spanned};
use crate::descriptor::node::{Node, SourceId, Span};
use crate::descriptor::raw::{List, Text};
use crate::descriptor::raw_generators::{Datum, RawRows, Record};
use crate::descriptor::source::Source;
use crate::descriptor::variables::{check_name_of_variable, check_variable};
use crate::descriptor::{json, paths};
use crate::text::csv::{Misquoted, header_cells};
use crate::text::{Variables, typed};

/// The longest label of a row, in characters.
const LONGEST: usize = 80;
/// The column that names a row.
const NAME: &str = "name";

/// A row: its values in the order of its columns, and its place.
struct Row {
    values: Vec<(String, Value)>,
    span: Span,
}

/// Reads a table, and the file it stands in.
pub(crate) fn rows(
    raw: &Spanned<RawRows>,
    mentioned: &Mentioned,
    generation: &mut Generation<'_>,
) -> Result<Vec<Element>, Problem> {
    let rows = match &raw.value {
        RawRows::Records(records) => {
            records.0.iter().map(|record| row(record, true)).collect::<Result<_, _>>()?
        }
        RawRows::Columns(columns, rows) => by_columns(columns, rows)?,
        RawRows::File(path) => from_file(path, generation)?,
    };
    if rows.is_empty() {
        return Err(Problem::new(raw.span, "the table has no rows").help("add a row: each makes a case"));
    }
    elements(rows, mentioned)
}

fn elements(rows: Vec<Row>, mentioned: &Mentioned) -> Result<Vec<Element>, Problem> {
    let mut labels = Labels::default();
    let mut elements = Vec::with_capacity(rows.len());
    for row in rows {
        let named = row.values.iter().find(|(column, _)| column == NAME);
        let text = match named {
            Some(_) if mentioned.contains(NAME) => None,
            Some((_, value)) => Some(name_of(value, row.span)?),
            None => {
                let rest = row.values.iter().filter(|(column, _)| !mentioned.contains(column.as_str()));
                let parts: Vec<_> =
                    rest.map(|(column, value)| format!("{column}={}", label(value))).collect();
                (!parts.is_empty()).then(|| shorten(parts.join(","), LONGEST))
            }
        };
        let label = text.map(|text| labels.unique(text));
        let values = Arc::new(row.values.into_iter().collect::<Variables>());
        elements.push(Element { values, place: row.span, label });
    }
    Ok(elements)
}

/// The name that a row gives its case.
fn name_of(value: &Value, span: Span) -> Result<String, Problem> {
    let name = match value {
        Value::String(text) => text.trim().to_owned(),
        other => label(other),
    };
    match name.is_empty() || name.contains(char::is_control) {
        true => Err(Problem::new(span, format!("{} is no name for a case", quote(&name)))
            .help("the column `name` names the cases: write a text of one line in each row, or name the column otherwise")),
        false => Ok(name),
    }
}

/// A row that names its columns; within a descriptor its values may not hold what looks like a template.
fn row(record: &Record, in_descriptor: bool) -> Result<Row, Problem> {
    let values = record.0.iter().map(|(name, value)| {
        match in_descriptor {
            true => check_variable(name, &value.0)?,
            false => check_name_of_variable(name, name.span)?,
        }
        Ok((name.value.clone(), value.0.clone()))
    });
    Ok(Row { values: values.collect::<Result<_, _>>()?, span: record.span })
}

fn by_columns(columns: &List<Text>, rows: &List<Spanned<List<Datum>>>) -> Result<Vec<Row>, Problem> {
    for (index, column) in columns.0.iter().enumerate() {
        check_name_of_variable(column, column.span)?;
        if let Some(first) = columns.0[..index].iter().find(|first| first.value == column.value) {
            let problem = Problem::new(column.span, format!("the column {} stands twice", quote(column)));
            return Err(problem.first_at(first.span).help("give each column a name of its own"));
        }
    }
    let row = |cells: &Spanned<List<Datum>>| {
        let pairs = columns.0.iter().zip(&cells.0);
        if cells.0.len() != columns.0.len() {
            return Err(unequal(cells.span, cells.0.len(), columns.0.len()));
        }
        let values = pairs.map(|(column, cell)| {
            check_variable(&Spanned { value: column.value.clone(), span: cell.span }, &cell.0)?;
            Ok((column.value.clone(), cell.0.clone()))
        });
        Ok(Row { values: values.collect::<Result<_, Problem>>()?, span: cells.span })
    };
    rows.0.iter().map(row).collect()
}

fn unequal(span: Span, found: usize, expected: usize) -> Problem {
    let counted = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let message = format!("the row has {} for {}", counted(found, "value"), counted(expected, "column"));
    Problem::new(span, message).help(match found < expected {
        true => "write a value for each column; in a CSV file, an empty one is nothing between two commas",
        false => {
            "write one value for each column; in a CSV file, one with a comma in it stands in double quotes"
        }
    })
}

/// Reads the rows of a file, by the ending of its name.
fn from_file(path: &Text, generation: &mut Generation<'_>) -> Result<Vec<Row>, Problem> {
    paths::check(path, generation.reach, path.span)?;
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    if !matches!(ending, "csv" | "json") {
        let problem = Problem::new(path.span, format!("{} is neither a CSV nor a JSON file", quote(path)));
        return Err(problem.help("name a file that ends in `.csv` or `.json`"));
    }
    let refused = |message: String| {
        Problem::new(path.span, format!("{}: {message}", quote(path)))
            .help("the path is relative to the descriptor; the file must be there when the cases are read")
    };
    let (bytes, shown) = generation.outside.read(&generation.folder.join(path.as_str())).map_err(refused)?;
    let wrong = std::str::from_utf8(&bytes).err().map(|error| error.valid_up_to());
    let text = String::from_utf8_lossy(&bytes);
    let (text, before) =
        text.strip_prefix('\u{FEFF}').map_or((&*text, 0), |rest| (rest, text.len() - rest.len()));
    let id = generation.sources.next_id();
    let source = Arc::new(Source::new(shown.into(), text.to_owned()));
    *generation.sources = generation.sources.with(Arc::clone(&source));
    if let Some(byte) = wrong {
        let place = Span::new(id, byte - before, byte - before + char::REPLACEMENT_CHARACTER.len_utf8());
        let problem = Problem::new(place, format!("not UTF-8 at byte {byte}"));
        return Err(problem.help("save the file as UTF-8"));
    }
    match ending {
        "csv" => csv_rows(&source, id),
        _ => json_rows(&json::parse(&source, id)?),
    }
}

fn json_rows(node: &Node) -> Result<Vec<Row>, Problem> {
    let records: List<Record> = mirror::read(node)?;
    records.0.iter().map(|record| row(record, false)).collect()
}

/// The rows of a CSV text as of RFC 4180, whose first record names the columns.
fn csv_rows(source: &Source, id: SourceId) -> Result<Vec<Row>, Problem> {
    let text = source.text.as_str();
    let line_at = |byte: u64| {
        let start = usize::try_from(byte).unwrap_or(usize::MAX).min(text.len());
        let start = start + (text[start..].len() - text[start..].trim_start_matches(['\r', '\n']).len());
        Span::new(id, start, start + text[start..].find(['\r', '\n']).unwrap_or(text.len() - start))
    };
    let header = header_cells(text, b',').map_err(|Misquoted { at, message }| {
        let problem = Problem::new(Span::new(id, at, at + 1), message);
        problem.help("within a cell in quotes, write a quote twice; one without may hold single ones")
    })?;
    let cell = |index: usize| {
        header.get(index).map_or_else(|| line_at(0), |cell| Span::new(id, cell.start, cell.end))
    };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let broken = |error: csv::Error| match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let place = line_at(pos.as_ref().map_or(0, csv::Position::byte));
            unequal(place, usize::try_from(*len).unwrap_or(0), usize::try_from(*expected_len).unwrap_or(0))
        }
        _ => Problem::new(Span::new(id, 0, 1), format!("not valid CSV: {error}")),
    };
    let columns: Vec<String> =
        reader.headers().map_err(broken)?.iter().map(|name| name.trim().to_owned()).collect();
    for (index, column) in columns.iter().enumerate() {
        check_name_of_variable(column, cell(index)).map_err(|problem| {
            match column.contains([';', '\t']) {
                true => problem.help("separate the columns by commas"),
                false => problem,
            }
        })?;
        if columns[..index].contains(column) {
            let problem = Problem::new(cell(index), format!("the column {} stands twice", quote(column)));
            return Err(problem.help("give each column a name of its own"));
        }
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let values = columns.iter().zip(record.iter()).map(|(column, cell)| (column.clone(), typed(cell)));
        let span = line_at(record.position().map_or(0, csv::Position::byte));
        rows.push(Row { values: values.collect(), span });
    }
    Ok(rows)
}

/// The names of all columns of a table.
pub(crate) fn columns(elements: &[Element]) -> Vec<&str> {
    let mut names: Vec<_> =
        elements.iter().flat_map(|element| element.values.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}
