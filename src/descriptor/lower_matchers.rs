//! From the mirror to matchers that have a form of their own.

use std::sync::Arc;

use serde_json::{Number, Value};

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::lower::Lowering;
use crate::descriptor::lower_expect::{Matching, Place, compile, located, object_matchers};
use crate::descriptor::lower_file;
use crate::descriptor::mirror::{Literal, Spanned};
use crate::descriptor::node::Span;
use crate::descriptor::paths::{self, Reach};
use crate::descriptor::raw::{Table, Text};
use crate::descriptor::raw_expect::{OneOrMany, RawMatchers};
use crate::descriptor::raw_matchers::{
    RawNode, RawNormalization, RawNormalizations, RawNumber, RawNumberTest,
};
use crate::model::{Golden, Matcher, NodeTest, Normalization, NumberTest, Query, Test, Written};
use crate::text::Template;

/// The normalizations that have a name.
pub(in crate::descriptor) const NAMED: [(&str, Normalization); 3] =
    [("ansi", Normalization::Ansi), ("crlf", Normalization::Crlf), ("paths", Normalization::Paths)];

/// The matchers of an object that have a form of their own.
pub(crate) fn special<C, E>(
    lowering: &mut Lowering<'_>,
    raw: &RawMatchers<C, E>,
    collected: &mut Vec<Matcher>,
) {
    if let Some(path) = &raw.file
        && let Some(golden) = golden(lowering, path)
    {
        collected.push(located(lowering, path.span, Test::File(golden)));
    }
    if let Some(texts) = &raw.lines {
        let templates = lines(lowering, texts);
        collected.push(located(lowering, texts.span, Test::Lines(templates)));
    }
    if let Some(texts) = &raw.unordered {
        let templates = lines(lowering, texts);
        collected.push(located(lowering, texts.span, Test::Unordered(templates)));
    }
    if let Some(raw) = &raw.number
        && let Some(test) = number(lowering, raw)
    {
        collected.push(located(lowering, raw.span, Test::Number(Box::new(test))));
    }
    if let Some(bytes) = &raw.bytes
        && let Some(test) = lower_file::bytes(lowering, bytes)
    {
        collected.push(located(lowering, bytes.span, test));
    }
    if let Some(paths) = &raw.jsonpath {
        json_paths(lowering, paths, collected);
    }
}

fn golden(lowering: &mut Lowering<'_>, path: &Text) -> Option<Golden> {
    // Where defaults will be used is known by their cases, which look at the path again.
    if !lowering.scope.is_undecided() {
        let checked = paths::check(path, lowering.reach, path.span);
        lowering.note(checked)?;
    }
    let reach = match lowering.reach {
        Reach::Below => 0,
        Reach::Up(folders) => folders,
    };
    Some(Golden { path: lowering.template(path)?, reach })
}

/// Lets every matcher look at the normalized content.
pub(crate) fn normalized(
    lowering: &mut Lowering<'_>,
    raw: &Spanned<RawNormalizations>,
    matchers: Vec<Matcher>,
) -> Vec<Matcher> {
    let by: Arc<[Normalization]> =
        raw.0.iter().filter_map(|normalization| self::normalization(lowering, normalization)).collect();
    if matchers.is_empty() {
        let problem = Problem::new(raw.span, "`normalize` alone expects nothing");
        lowering.problems.push(problem.help("say beside it what must hold, as in { \"equals\": \"text\" }"));
    }
    let wrap = |Matcher { position, test }| Matcher {
        position,
        test: Test::Normalized { by: Arc::clone(&by), test: Box::new(test) },
    };
    matchers.into_iter().map(wrap).collect()
}

fn normalization(lowering: &mut Lowering<'_>, raw: &Spanned<RawNormalization>) -> Option<Normalization> {
    match &raw.value {
        RawNormalization::Named(name) => {
            if let Some((_, known)) = NAMED.iter().find(|(known, _)| known == name) {
                return Some(known.clone());
            }
            let problem = Problem::new(raw.span, format!("{} is no normalization", quote(name)));
            let help = suggest(name, "known normalizations", &NAMED.map(|(known, _)| known));
            lowering.problems.push(problem.help(help.unwrap_or_default()));
            None
        }
        RawNormalization::Replace(replace) => {
            let pattern = compile(lowering, &replace.replace);
            let pattern = lowering.note(pattern)?;
            Some(Normalization::Replace { pattern, with: replace.with.as_str().into() })
        }
    }
}

/// Lines, each of which may stand alone; a text is its lines, and an empty one has none.
fn lines(lowering: &mut Lowering<'_>, texts: &OneOrMany) -> Vec<Template> {
    let is_empty = |text: &str, span: Span| text.is_empty() && span == texts.span;
    let all = texts.texts.iter().filter(|text| !is_empty(text, text.span));
    all.filter_map(|text| lowering.template(text)).collect()
}

/// What is said of a number.
pub(crate) fn number(lowering: &mut Lowering<'_>, raw: &Spanned<RawNumber>) -> Option<NumberTest> {
    let test = match &raw.value {
        RawNumber::Exactly(number) => {
            return Some(NumberTest { equals: Some(number.clone()), ..NumberTest::default() });
        }
        RawNumber::Test(test) => test,
    };
    let checked = check_number(test, raw.span);
    lowering.note(checked)?;
    let from = match &test.from {
        None => None,
        Some(text) => {
            let pattern = compile(lowering, text);
            Some(lowering.note(pattern)?)
        }
    };
    let value = |number: &Option<Spanned<Number>>| number.as_ref().map(|number| number.value.clone());
    let (equals, tolerance) = (value(&test.equals), value(&test.tolerance));
    Some(NumberTest { from, equals, tolerance, min: value(&test.min), max: value(&test.max) })
}

fn check_number(test: &RawNumberTest, span: Span) -> Result<(), Problem> {
    let float = |number: &Spanned<Number>| number.as_f64().unwrap_or_default();
    if let Some(tolerance) = &test.tolerance {
        if test.equals.is_none() {
            return Err(Problem::new(tolerance.span, "`tolerance` belongs beside `equals`")
                .help("add `equals`, the number from which it may be that far off"));
        }
        if float(tolerance) < 0.0 {
            return Err(Problem::new(tolerance.span, "`tolerance` is negative")
                .help("write how far it may be off in either direction, 0 or more"));
        }
    }
    match (&test.min, &test.max) {
        (Some(min), Some(max)) if float(min) > float(max) => {
            Err(Problem::new(max.span, "`max` is less than `min`, so no number is right")
                .help("exchange them"))
        }
        (None, None) if test.equals.is_none() => {
            let problem = Problem::new(span, "nothing is said about the number");
            Err(problem.help("say `equals`, `min` or `max`"))
        }
        _ => Ok(()),
    }
}

impl Matching for Literal {
    fn matchers(&self, lowering: &mut Lowering<'_>, span: Span, _: Place) -> Vec<Matcher> {
        value(lowering, &self.0, span, true)
    }
}

impl Matching for RawNode {
    fn matchers(&self, lowering: &mut Lowering<'_>, span: Span, place: Place) -> Vec<Matcher> {
        match self {
            Self::Value(expected) => value(lowering, expected, span, false),
            Self::Matchers(raw) => object_matchers(lowering, raw, span, place),
        }
    }
}

/// The matcher that compares with a value within JSON.
fn value(lowering: &mut Lowering<'_>, value: &Value, span: Span, exact: bool) -> Vec<Matcher> {
    let checked = check_json(lowering, value, span);
    let test = lowering.note(checked).map(|()| Test::Value { value: value.clone(), exact });
    test.map(|test| located(lowering, span, test)).into_iter().collect()
}

/// What is expected at some paths.
pub(crate) fn json_paths(
    lowering: &mut Lowering<'_>,
    paths: &Table<Spanned<RawNode>>,
    collected: &mut Vec<Matcher>,
) {
    for (path, node) in &paths.0 {
        let fixed = lowering.scope.fixed(path, path.span);
        let query = fixed.and_then(|()| parse_query(path, path.span));
        let expected = match &node.value {
            RawNode::Value(value) => {
                let checked = check_json(lowering, value, node.span);
                lowering.note(checked).map(|()| NodeTest::Value(value.clone()))
            }
            RawNode::Matchers(raw) => {
                let matchers = object_matchers(lowering, raw, node.span, Place::Node);
                Some(NodeTest::Matchers(matchers))
            }
        };
        if let (Some(query), Some(expected)) = (lowering.note(query), expected) {
            collected.push(located(lowering, node.span, Test::JsonPath { query, expected }));
        }
    }
}

/// Reads a JSONPath.
pub(crate) fn parse_query(path: &str, span: Span) -> Result<Query, Problem> {
    Query::parse(path).map_err(|error| {
        let problem = Problem::new(span, format!("{} is no JSONPath: {error}", quote(path)));
        match path.starts_with('$') {
            true => problem.help("RFC 9535 tells the form, as in $.users[0].name"),
            false => problem.help("a JSONPath begins with `$`, as in $.users[0].name"),
        }
    })
}

/// Checks the templates within a value that is passed on.
pub(crate) fn check_written(lowering: &Lowering<'_>, value: &Written, span: Span) -> Result<(), Problem> {
    value.texts().into_iter().try_for_each(|text| lowering.scope.template(text, span).map(drop))
}

/// Checks the templates within a value.
pub(crate) fn check_json(lowering: &Lowering<'_>, value: &Value, span: Span) -> Result<(), Problem> {
    match value {
        Value::String(text) => lowering.scope.template(text, span).map(drop),
        Value::Array(items) => items.iter().try_for_each(|item| check_json(lowering, item, span)),
        Value::Object(members) => members.values().try_for_each(|member| check_json(lowering, member, span)),
        _ => Ok(()),
    }
}
