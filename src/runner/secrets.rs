//! The secrets of a case, masked in all that is told of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use globset::Glob;

use crate::model::{GoldenChange, Outcome};
use crate::runner::Tried;
use crate::text::redact::{Redactor, SHORTEST};

/// What masks the values that these secrets have in this environment, or else in partest's own. A name with `*` stands
/// for every variable that it matches. A variable that is not set, or empty, has nothing to mask.
///
/// # Errors
/// A message that names a variable whose value is too short.
pub fn redactor(names: &[String], environment: &[(OsString, OsString)]) -> Result<Option<Redactor>, String> {
    let mut values = Vec::new();
    for name in names {
        if name.contains('*') {
            matching(name, environment, &mut values)?;
            continue;
        }
        let own =
            environment.iter().find(|(known, _)| known == OsStr::new(name)).map(|(_, value)| value.clone());
        if let Some(value) = own.or_else(|| std::env::var_os(name)) {
            push(name, &value, &mut values)?;
        }
    }
    Redactor::new(values.iter().map(String::as_str))
        .map_err(|error| format!("the secrets cannot be masked: {error}"))
}

/// Adds the values of all variables whose names match. What is too short counts only where the case sees it.
fn matching(
    pattern: &str,
    environment: &[(OsString, OsString)],
    values: &mut Vec<String>,
) -> Result<(), String> {
    let glob = Glob::new(pattern).map_err(|error| format!("the secrets cannot be masked: {error}"))?;
    let glob = glob.compile_matcher();
    for (name, value) in environment.iter().filter(|(name, _)| glob.is_match(name)) {
        push(&name.to_string_lossy(), value, values)?;
    }
    for (name, value) in std::env::vars_os().filter(|(name, _)| glob.is_match(name)) {
        let _ = push(&name.to_string_lossy(), &value, values);
    }
    Ok(())
}

fn push(name: &str, value: &OsStr, values: &mut Vec<String>) -> Result<(), String> {
    if value.len() >= SHORTEST {
        values.push(value.to_string_lossy().into_owned());
    } else if !value.is_empty() {
        return Err(format!(
            "the secret {name} has fewer than {SHORTEST} characters, which cannot be masked: it would be found everywhere"
        ));
    }
    Ok(())
}

/// Masks every text and every output of an attempt, and what is said of golden files. One that would hold a secret is
/// not changed, which is a failure.
pub(super) fn mask(redactor: &Redactor, tried: &mut Tried) {
    let attempt = &mut tried.attempt;
    let tells = |change: &GoldenChange| {
        let holds =
            || redactor.finds_in(&change.content) || redactor.finds_in(change.path.as_os_str().as_bytes());
        change.differs && holds()
    };
    for mut change in tried.goldens.extract_if(.., |change| tells(change)) {
        change.failure.message.push_str("; it is not rewritten, since it would hold a secret");
        attempt.failures.push(change.failure);
        if attempt.outcome == Outcome::Passed {
            attempt.outcome = Outcome::Failed;
        }
    }
    for failure in
        attempt.failures.iter_mut().chain(tried.goldens.iter_mut().map(|change| &mut change.failure))
    {
        redactor.excerpts(&mut failure.message);
        redactor.excerpts(&mut failure.detail);
    }
    for step in &mut attempt.steps {
        redactor.text(&mut step.command);
        for captured in [&mut step.stdout, &mut step.stderr] {
            *captured = captured.masked(redactor);
        }
    }
    for service in &mut attempt.services {
        service.output = service.output.masked(redactor);
        service.failure.iter_mut().for_each(|reason| redactor.excerpts(reason));
    }
    attempt.leaked.iter_mut().for_each(|line| redactor.excerpts(line));
}
