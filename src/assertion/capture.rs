//! Takes values out of what was seen.

use serde_json::Value;

use crate::assertion::content::{Files, Reading};
use crate::assertion::lines::lines;
use crate::assertion::matcher::{Context, Problem};
use crate::assertion::{Setting, reading, wording};
use crate::model::{Capture, Failure, Observation, Part};

/// The values that a step captures, by name; or what could not be found, all of it.
///
/// # Errors
/// A failure for each capture that finds nothing.
pub fn capture(
    captures: &[Capture],
    observation: &Observation,
    setting: &Setting<'_>,
) -> Result<Vec<(String, Value)>, Vec<Failure>> {
    let mut files = Files::new(&observation.directory);
    let (mut values, mut failures) = (Vec::with_capacity(captures.len()), Vec::new());
    for capture in captures {
        match capture_one(capture, observation, setting, &mut files) {
            Ok(value) => values.push((capture.name.clone(), value)),
            Err(Problem { kind, message, detail, .. }) => failures.push(Failure {
                kind,
                position: capture.position.clone(),
                step: None,
                message: format!("{message} (captured as `{}`)", capture.name),
                detail,
            }),
        }
    }
    if failures.is_empty() { Ok(values) } else { Err(failures) }
}

fn capture_one(
    capture: &Capture,
    observation: &Observation,
    setting: &Setting<'_>,
    files: &mut Files<'_>,
) -> Result<Value, Problem> {
    let (name, reading) = reading(&capture.subject, observation, setting, files)?;
    let context = Context { name: &name, reading, is_found: false, setting };
    match &capture.part {
        Part::Whole => {
            if let Reading::Value(value, _) = &context.reading {
                return Ok((*value).clone());
            }
            let text = context.text()?;
            Ok(text.strip_suffix('\n').unwrap_or(&text).into())
        }
        Part::Line(number) => {
            let number = *context.late(number)?;
            let line = match context.reading.large() {
                Some(large) => context.line_of_large(large, number)?,
                None => nth_line(&lines(&context.text()?), number),
            };
            line.map(Into::into)
                .map_err(|count| context.nothing(format!("{name} has no line {number}, only {count}")))
        }
        Part::Match(pattern) => {
            let pattern = context.late(pattern)?;
            let text = context.text()?;
            pattern
                .first_group(&text)
                .map(Into::into)
                .ok_or_else(|| context.nothing(format!("{name} {}", wording::without_group(&pattern, &text))))
        }
        Part::Column(column) => {
            let column = &*context.render(column)?;
            let value = context.parsed_json()?;
            let Some(first) = value.as_array().and_then(|rows| rows.first()) else {
                return Err(context.nothing(format!("{name}: there is no row")));
            };
            first.get(column).cloned().ok_or_else(|| {
                let keys: Vec<_> = first.as_object().into_iter().flat_map(|row| row.keys()).collect();
                context.nothing(format!("{name}: there is no column {column:?} among {keys:?}"))
            })
        }
        Part::Query(query) => {
            let query = context.late(query)?;
            let value = context.parsed_json()?;
            let found = query.find(&value);
            match found.as_slice() {
                [] => Err(context.nothing(format!("{name}: {query} finds nothing"))),
                [one] => Ok(one.value.clone()),
                several => Ok(several.iter().map(|found| found.value.clone()).collect()),
            }
        }
    }
}

/// The line of this number, from 1, or from the end where it is negative; or how many there are.
fn nth_line(lines: &[&str], number: i64) -> Result<String, u64> {
    let index = match usize::try_from(number) {
        Ok(number) => number.checked_sub(1),
        Err(_) => usize::try_from(number.unsigned_abs()).ok().and_then(|back| lines.len().checked_sub(back)),
    };
    let line = index.and_then(|index| lines.get(index));
    line.map(|line| (*line).to_owned()).ok_or(lines.len() as u64)
}
