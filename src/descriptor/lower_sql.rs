//! From the mirror to the step `sql`, and to what can be expected of it.

use std::time::Duration;

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::late;
use crate::descriptor::lower::{Lowering, parsed_duration};
use crate::descriptor::lower_expect::{Place, located, matchers};
use crate::descriptor::lower_file::{base64, hex};
use crate::descriptor::lower_matchers::{check_json, number};
use crate::descriptor::mirror::{Literal, Spanned};
use crate::descriptor::node::Span;
use crate::descriptor::raw::{RawDuration, Text};
use crate::descriptor::raw_expect::RawExpect;
use crate::descriptor::raw_sql::{RawParams, RawSql};
use crate::model::{
    Check, Late, SqlParameter, SqlParameters, SqlStatement, SqlStep, StepAction, Subject, Test,
};
use crate::text::is_template;

/// The beginning of URLs, the feature that they need, and whether this build has it.
type Scheme = (&'static str, &'static str, bool);

/// What databases there are.
const SCHEMES: [Scheme; 3] = [
    ("sqlite", "sqlite", cfg!(feature = "sqlite")),
    ("postgres", "postgres", cfg!(feature = "postgres")),
    ("postgresql", "postgres", cfg!(feature = "postgres")),
];

/// Statements for a database, which stand at `span`.
pub(crate) fn sql(lowering: &mut Lowering<'_>, raw: &RawSql, span: Span) -> Option<StepAction> {
    let checked = check_url(&raw.url, SCHEMES);
    let checked = lowering.note(checked);
    let url = lowering.template(&raw.url);
    let statements = statements(lowering, raw, span);
    let busy_timeout = busy_timeout(lowering, raw.busy_timeout.as_ref());
    let transaction = match &raw.transaction {
        None => Some(false.into()),
        Some(transaction) => lowering.now_or_late(transaction),
    };
    checked?;
    let step = SqlStep {
        url: url?,
        statements: statements?,
        transaction: transaction?,
        busy_timeout: busy_timeout?,
    };
    Some(StepAction::Sql(Box::new(step)))
}

/// Refuses URLs of what is not known, as far as the URL is known before the run.
fn check_url(url: &Text, schemes: [Scheme; 3]) -> Result<(), Problem> {
    let known = url.split("{{").next().unwrap_or_default();
    let help = "write \"sqlite:path\", \"sqlite::memory:\" or \"postgres://user@host/database\"";
    let Some((scheme, rest)) = known.split_once(':') else {
        return match known.len() == url.len() {
            true => Err(Problem::new(url.span, format!("{} is no URL of a database", quote(url))).help(help)),
            false => Ok(()),
        };
    };
    let Some((_, feature, is_built)) = schemes.iter().find(|(name, ..)| *name == scheme) else {
        let names = schemes.map(|(name, ..)| name);
        let problem = Problem::new(url.span, format!("{} is no kind of database", quote(scheme)));
        return Err(problem.help(suggest(scheme, "known kinds", &names).unwrap_or_else(|| help.to_owned())));
    };
    if !is_built {
        return Err(Problem::not_built(url.span, feature));
    }
    let is_whole = known.len() == url.len();
    let begins = |text: &str| rest.starts_with(text) || (!is_whole && text.starts_with(rest));
    if (rest.is_empty() && is_whole) || (feature == &"postgres" && !begins("//")) {
        return Err(Problem::new(url.span, "the URL names no database").help(help));
    }
    Ok(())
}

fn statements(lowering: &mut Lowering<'_>, raw: &RawSql, span: Span) -> Option<Vec<SqlStatement>> {
    match (&raw.query, &raw.statements) {
        (Some(query), None) => Some(vec![statement(lowering, query, raw.params.as_ref())?]),
        (None, Some(list)) if list.0.is_empty() => {
            lowering.problems.push(Problem::new(list.span, "`statements` is empty"));
            None
        }
        (None, Some(list)) => {
            if let Some(params) = &raw.params {
                let problem =
                    Problem::new(params.span, "`params` beside `statements` belong to none of them");
                lowering.problems.push(problem.help("write { \"query\": …, \"params\": … } in the list"));
            }
            let all: Vec<_> =
                list.0.iter().map(|one| statement(lowering, &one.query, one.params.as_ref())).collect();
            all.into_iter().collect()
        }
        (Some(_), Some(list)) => {
            let problem = Problem::new(list.span, "`sql` has either a `query` or `statements`");
            lowering.problems.push(problem);
            None
        }
        (None, None) => {
            let problem = Problem::new(span, "nothing is asked of the database");
            lowering.problems.push(problem.help("add a `query`, or several `statements`"));
            None
        }
    }
}

fn statement(
    lowering: &mut Lowering<'_>,
    query: &Text,
    params: Option<&Spanned<RawParams>>,
) -> Option<SqlStatement> {
    if query.trim().is_empty() {
        lowering.problems.push(Problem::new(query.span, "the statement is empty"));
    } else if query.contains('\0') {
        lowering.problems.push(Problem::new(query.span, "the statement holds a NUL byte"));
    }
    let parameters = match params.map(|params| &params.value) {
        None => SqlParameters::Positional(Vec::new()),
        Some(RawParams::Positional(values)) => {
            let all = values.iter().map(|value| parameter(lowering, value)).collect::<Vec<_>>();
            SqlParameters::Positional(all.into_iter().collect::<Option<_>>()?)
        }
        Some(RawParams::Named(values)) => {
            let named = values.0.iter().map(|(name, value)| {
                let fixed = lowering.scope.fixed(name, name.span);
                lowering.note(fixed)?;
                let plain = name.trim_start_matches([':', '@', '$']).to_owned();
                Some((plain, parameter(lowering, value)?))
            });
            let named: Vec<_> = named.collect();
            SqlParameters::Named(named.into_iter().collect::<Option<_>>()?)
        }
    };
    Some(SqlStatement { text: lowering.template(query)?, parameters })
}

fn parameter(lowering: &mut Lowering<'_>, value: &Spanned<Literal>) -> Option<SqlParameter> {
    match &value.0 {
        Value::Object(members) if members.len() == 1 => {
            let text = |key: &str| match members.get(key) {
                Some(Value::String(text)) => Some(Spanned { value: text.clone(), span: value.span }),
                _ => None,
            };
            let blob = match (text("hex"), text("base64")) {
                (Some(digits), _) => blob(lowering, &digits, hex, |value| late::read(value, hex)),
                (_, Some(text)) => blob(lowering, &text, base64, |value| late::read(value, base64)),
                _ => return json(lowering, &value.0, value.span),
            };
            blob.map(SqlParameter::Blob)
        }
        other => json(lowering, other, value.span),
    }
}

/// Bytes, as a text says them.
fn blob(
    lowering: &mut Lowering<'_>,
    text: &Text,
    decode: fn(&Text) -> Result<Vec<u8>, Problem>,
    read: fn(&Value) -> Result<Vec<u8>, String>,
) -> Option<Late<Vec<u8>>> {
    if is_template(text) {
        return lowering.late(text.as_str(), text.span, read);
    }
    let bytes = decode(text);
    lowering.note(bytes).map(Late::Known)
}

/// A value in whose texts, however deep, variables may stand.
fn json(lowering: &mut Lowering<'_>, value: &Value, span: Span) -> Option<SqlParameter> {
    match value {
        Value::String(text) if is_template(text) => {
            let template = lowering.scope.template(text, span);
            lowering.note(template).map(SqlParameter::Template)
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| json(lowering, item, span));
            items.collect::<Option<_>>().map(SqlParameter::List)
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| {
                let fixed = lowering.scope.fixed(name, span);
                lowering.note(fixed)?;
                Some((name.clone(), json(lowering, value, span)?))
            });
            members.collect::<Option<_>>().map(SqlParameter::Object)
        }
        simple => Some(SqlParameter::Value(simple.clone())),
    }
}

/// How long to wait for locks, if that is said; none when it is wrong.
fn busy_timeout(
    lowering: &mut Lowering<'_>,
    raw: Option<&Spanned<RawDuration>>,
) -> Option<Option<Late<Duration>>> {
    let Some(raw) = raw else { return Some(None) };
    if is_template(&raw.0) {
        return lowering.late(raw.0.as_str(), raw.span, |value| late::read(value, patience)).map(Some);
    }
    let patience = patience(raw);
    lowering.note(patience).map(|patience| Some(patience.into()))
}

fn patience(raw: &Spanned<RawDuration>) -> Result<Duration, Problem> {
    match raw.0.trim() {
        "0s" | "0ms" => Ok(Duration::ZERO),
        _ => parsed_duration(raw),
    }
}

/// What is expected of a database.
pub(crate) fn checks(lowering: &mut Lowering<'_>, expect: &RawExpect, checks: &mut Vec<Check>) {
    if let Some(columns) = &expect.columns {
        let names: Value = columns.0.iter().map(|name| Value::from(name.as_str())).collect();
        let checked = check_json(lowering, &names, columns.span);
        if lowering.note(checked).is_some() {
            let matcher = located(lowering, columns.span, Test::Json { value: names, exact: true });
            checks.push(Check { subject: Subject::Columns, matcher });
        }
    }
    if let Some(affected) = &expect.rows_affected
        && let Some(test) = number(lowering, affected)
    {
        let matcher = located(lowering, affected.span, Test::Number(Box::new(test)));
        checks.push(Check { subject: Subject::RowsAffected, matcher });
    }
    if let Some(error) = &expect.error {
        let matchers = matchers(lowering, error, Place::Stream);
        checks.extend(matchers.into_iter().map(|matcher| Check { subject: Subject::Error, matcher }));
    }
}

#[cfg(test)]
mod tests {
    use super::{SCHEMES, check_url};
    use crate::descriptor::mirror::Spanned;
    use crate::descriptor::node::{SourceId, Span};

    #[test]
    fn what_was_left_out_of_this_build_is_named() {
        let url = |text: &str| Spanned { value: text.to_owned(), span: Span::new(SourceId(0), 0, 0) };
        let without = SCHEMES.map(|(name, feature, _)| (name, feature, false));
        for (text, feature) in [
            ("sqlite:a.db", "sqlite"),
            ("postgres://u@h/d", "postgres"),
            ("postgresql://{{ host }}/d", "postgres"),
        ] {
            let problem = check_url(&url(text), without).expect_err("refused");
            let told = format!("{problem:?}");
            assert!(told.contains(&format!("built without the feature `{feature}`")), "{told}");
            assert!(told.contains(&format!("add `{feature}` to the features")), "{told}");
        }
        let with = SCHEMES.map(|(name, feature, _)| (name, feature, true));
        for text in ["postgres://h", "postgresql:{{ rest }}", "postgres:/{{ rest }}", "{{ url }}", "sqlite:x"]
        {
            assert!(check_url(&url(text), with).is_ok(), "{text}");
        }
        for text in ["postgres:", "postgres:shop", "mysql://h", "sqlite:"] {
            assert!(check_url(&url(text), with).is_err(), "{text}");
        }
    }
}
