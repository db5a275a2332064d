//! From the mirror of `capture` and `until` to what a step is given.

use std::time::Duration;

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::kinds::Kind;
use crate::descriptor::lower::{DEFAULT_TIMEOUT, Lowering};
use crate::descriptor::lower_expect::compile;
use crate::descriptor::lower_http::check_header_name;
use crate::descriptor::lower_matchers::parse_query;
use crate::descriptor::mirror::Spanned;
use crate::descriptor::node::Span;
use crate::descriptor::paths::{self, Reach};
use crate::descriptor::raw::{RawDuration, Table, Text};
use crate::descriptor::raw_capture::{RawCapture, RawFrom, RawPart, RawUntil};
use crate::model::{Capture, Part, Subject, Until};
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
) -> Option<Box<Until>> {
    let raw = raw?;
    let every = match &raw.every {
        None => DEFAULT_EVERY,
        every => lowering.duration(every.as_ref())?,
    };
    let limit = lowering.duration(Some(&raw.limit))?;
    // A timeout that is no duration is told elsewhere.
    let of_case = timeout.map_or(Ok(DEFAULT_TIMEOUT), |timeout| parse_duration(&timeout.0));
    if of_case.is_ok_and(|of_case| limit > of_case) {
        let message = format!("{} is longer than the timeout of the case", quote(&raw.limit.0));
        lowering
            .problems
            .push(Problem::new(raw.limit.span, message).help("give the case a longer `timeout`"));
    } else if every >= limit {
        let message = "`every` must be shorter than `for`";
        lowering.problems.push(Problem::new(raw.span, message).help("or the step would be tried only once"));
    }
    Some(Box::new(Until { every, limit }))
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
    let fixed = lowering.scope.fixed(name, name.span).and_then(|()| check_header_name(name));
    lowering.note(fixed)?;
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
        Some(pattern) => {
            let compiled = compile(lowering, pattern);
            Part::Match(lowering.note(compiled)?)
        }
    };
    Some((Subject::Header(name.to_ascii_lowercase()), part))
}

/// The value of a column, which only tables have.
fn column_of(name: &Text, subject: &Subject, kind: &Kind) -> Result<Part, Problem> {
    match subject {
        Subject::Rows => Ok(Part::Column(name.value.clone())),
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
        let fixed = lowering.scope.fixed(path, path.span);
        fixed.and_then(|()| parse_query(path, path.span)).map(Part::Query)
    } else if let Some(pattern) = &raw.regex {
        compile(lowering, pattern).map(Part::Match)
    } else if let Some(column) = &raw.column {
        column_of(column, &subject, kind)
    } else {
        match &raw.line {
            Some(line) if line.value == 0 => {
                let problem = Problem::new(line.span, "there is no line 0");
                Err(problem.help("the first line is 1, the last one -1"))
            }
            Some(line) => Ok(Part::Line(line.value)),
            None if raw.from.is_some() => Ok(Part::Whole),
            None => {
                let problem = Problem::new(span, "nothing is said of what is captured");
                let output = kind.outputs.first().map_or("stdout", |(name, _)| *name);
                Err(problem.help(format!("say `jsonpath`, `regex` or `line`, or {output:?} for all of it")))
            }
        }
    };
    lowering.note(part).map(|part| (subject, part))
}
