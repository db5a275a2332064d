//! From the mirror of `capture` and `until` to what a step is given.

use std::time::Duration;

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::kinds::Kind;
use crate::descriptor::late;
use crate::descriptor::lower::{DEFAULT_TIMEOUT, Lowering, parsed_duration};
use crate::descriptor::lower_expect::pattern;
use crate::descriptor::lower_http::header_name;
use crate::descriptor::lower_matchers::query;
use crate::descriptor::mirror::{Later, Spanned};
use crate::descriptor::node::Span;
use crate::descriptor::paths::{self, Reach};
use crate::descriptor::raw::{RawDuration, Table, Text};
use crate::descriptor::raw_capture::{RawCapture, RawFrom, RawPart, RawUntil};
use crate::model::{Capture, Late, Part, Subject, Until};
use crate::text::is_template;
use crate::time::parse_duration;

/// The wait between two tries when the descriptor names none.
const DEFAULT_EVERY: Duration = Duration::from_millis(200);

/// What a step captures.
pub(crate) fn captures(
    lowering: &mut Lowering<'_>,
    table: Option<&Table<Spanned<RawCapture>>>,
    kind: &Kind,
) -> Vec<Capture> {
    let mut captures = Vec::new();
    for (name, raw) in table.into_iter().flat_map(|table| &table.0) {
        let checked = lowering.scope.check_capture(name);
        let is_named = lowering.note(checked).is_some();
        let lowered = match &raw.value {
            RawCapture::Whole(output) => {
                let subject = output_of(output, kind, raw.span);
                lowering.note(subject).map(|subject| (subject, Part::Whole))
            }
            RawCapture::Part(part) => part_of(lowering, part, kind, raw.span),
        };
        if let (true, Some((subject, part))) = (is_named, lowered) {
            let position = lowering.sources.position(name.span);
            captures.push(Capture { name: name.value.clone(), position, subject, part });
        }
    }
    captures
}

/// How a step is tried again, within a case that may take as long as `timeout` says.
pub(crate) fn until(
    lowering: &mut Lowering<'_>,
    raw: Option<&Spanned<RawUntil>>,
    timeout: Option<&Spanned<RawDuration>>,
) -> Option<Box<Late<Until>>> {
    let raw = raw?;
    let every = raw.every.as_ref();
    let is_late = [every, Some(&raw.limit)].into_iter().flatten().any(|duration| is_template(&duration.0));
    if is_late {
        let durations = [("every", every), ("for", Some(&raw.limit))];
        let given = durations.into_iter().filter_map(|(key, duration)| Some((key, &duration?.0)));
        let template: Value = given.map(|(key, text)| (key.to_owned(), Value::from(text.as_str()))).collect();
        return lowering.late(template, raw.span, |value| late::read(value, until_of)).map(Box::new);
    }
    let until = until_of(raw);
    let until = lowering.note(until)?;
    // A timeout that is no duration is told elsewhere.
    let of_case = timeout.map_or(Ok(DEFAULT_TIMEOUT), |timeout| parse_duration(&timeout.0));
    if of_case.is_ok_and(|of_case| until.limit > of_case) {
        let message = format!("{} is longer than the timeout of the case", quote(&raw.limit.0));
        lowering
            .problems
            .push(Problem::new(raw.limit.span, message).help("give the case a longer `timeout`"));
    }
    Some(Box::new(until.into()))
}

fn until_of(raw: &Spanned<RawUntil>) -> Result<Until, Problem> {
    let every = raw.every.as_ref().map_or(Ok(DEFAULT_EVERY), parsed_duration)?;
    let limit = parsed_duration(&raw.limit)?;
    match every < limit {
        true => Ok(Until { every, limit }),
        false => {
            let problem = Problem::new(raw.span, "`every` must be shorter than `for`");
            Err(problem.help("or the step would be tried only once"))
        }
    }
}

fn output_of(name: &str, kind: &Kind, span: Span) -> Result<Subject, Problem> {
    match kind.outputs.iter().find(|(known, _)| *known == name) {
        Some((_, subject)) => Ok(subject.clone()),
        None => {
            let problem = Problem::new(span, format!("{} is no output of `{}`", quote(name), kind.key));
            let known: Vec<_> = kind.outputs.iter().map(|(known, _)| *known).collect();
            Err(match suggest(name, "known outputs", &known) {
                Some(help) => problem.help(help),
                None => problem.help(format!("nothing can be captured of `{}`", kind.key)),
            })
        }
    }
}

/// A header, or a part of it.
fn part_of_header(
    lowering: &mut Lowering<'_>,
    raw: &RawPart,
    name: &Text,
    kind: &Kind,
) -> Option<(Subject, Part)> {
    let name_of_header = header_name(lowering, name)?;
    let problem = if !kind.has_headers() {
        let problem = Problem::new(name.span, format!("`{}` has no headers", kind.key));
        Some(match kind.outputs.is_empty() {
            true => problem.help("only `http` and `download` have some: take the capture out"),
            false => problem.help("only `http` and `download` have some: write `regex` for a part of a text"),
        })
    } else if raw.from.is_some() || raw.jsonpath.is_some() || raw.line.is_some() {
        let problem = Problem::new(name.span, "only a `regex` can take a part of a `header`");
        Some(problem.help("remove the other keys"))
    } else {
        None
    };
    if let Some(problem) = problem {
        lowering.problems.push(problem);
        return None;
    }
    let part = match &raw.regex {
        None => Part::Whole,
        Some(regex) => Part::Match(pattern(lowering, regex)?),
    };
    Some((Subject::Header(name_of_header), part))
}

/// The value of a column, which only tables have.
fn column_of(lowering: &Lowering<'_>, name: &Text, subject: &Subject, kind: &Kind) -> Result<Part, Problem> {
    match subject {
        Subject::Rows => lowering.scope.template(name, name.span).map(Part::Column),
        _ => {
            let problem = Problem::new(name.span, "only rows have columns");
            Err(match kind.outputs.iter().any(|(name, _)| *name == "rows") {
                true => problem.help("add \"from\": \"rows\""),
                false => problem.help("of a text take `regex`, `line` or `jsonpath`"),
            })
        }
    }
}

fn part_of(lowering: &mut Lowering<'_>, raw: &RawPart, kind: &Kind, span: Span) -> Option<(Subject, Part)> {
    if let Some(name) = &raw.header {
        return part_of_header(lowering, raw, name, kind);
    }
    let subject = match raw.from.as_ref().map(|from| (&from.value, from.span)) {
        None => match kind.outputs.first() {
            Some((_, subject)) => subject.clone(),
            None => {
                let message = format!("`{}` gives nothing that could be captured", kind.key);
                lowering.problems.push(Problem::new(span, message).help("take the capture out"));
                return None;
            }
        },
        Some((RawFrom::Output(name), span)) => {
            let subject = output_of(name, kind, span);
            lowering.note(subject)?
        }
        Some((RawFrom::File(path), span)) => {
            let checked = paths::check(path, Reach::Below, span);
            lowering.note(checked)?;
            Subject::File(lowering.template(path)?)
        }
    };
    let ways = [raw.jsonpath.is_some(), raw.regex.is_some(), raw.line.is_some(), raw.column.is_some()];
    if ways.into_iter().filter(|is_given| *is_given).count() > 1 {
        let message = "only one of `jsonpath`, `regex`, `line` and `column` can be captured";
        lowering.problems.push(Problem::new(span, message).help("give each a name of its own"));
        return None;
    }
    let part = if let Some(path) = &raw.jsonpath {
        query(lowering, path).map(Part::Query)
    } else if let Some(regex) = &raw.regex {
        pattern(lowering, regex).map(Part::Match)
    } else if let Some(column) = &raw.column {
        let column = column_of(lowering, column, &subject, kind);
        lowering.note(column)
    } else if let Some(line) = &raw.line {
        line_of(lowering, line).map(Part::Line)
    } else if raw.from.is_some() {
        Some(Part::Whole)
    } else {
        let problem = Problem::new(span, "nothing is said of what is captured");
        let output = kind.outputs.first().map_or("stdout", |(name, _)| *name);
        let help = format!("say `jsonpath`, `regex` or `line`, or {output:?} for all of it");
        lowering.problems.push(problem.help(help));
        None
    };
    part.map(|part| (subject, part))
}

/// The number of a line.
fn line_of(lowering: &mut Lowering<'_>, line: &Spanned<Later<i64>>) -> Option<Late<i64>> {
    if let Later::Text(template) = &line.value {
        return lowering.late(template.as_str(), line.span, |value| late::read(value, line_number));
    }
    let number = line_number(line);
    lowering.note(number).map(Late::Known)
}

fn line_number(line: &Spanned<Later<i64>>) -> Result<i64, Problem> {
    match late::now(line)? {
        0 => {
            let problem = Problem::new(line.span, "there is no line 0");
            Err(problem.help("the first line is 1, the last one -1"))
        }
        number => Ok(number),
    }
}
