//! From the mirror to matchers that have a form of their own.

use std::sync::Arc;

use serde_json::{Number, Value};

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::late;
use crate::descriptor::lower::Lowering;
use crate::descriptor::lower_expect::{
    Matching, Place, compile, compiled, located, object_matchers, pattern,
};
use crate::descriptor::lower_file;
use crate::descriptor::mirror::{Later, Literal, Spanned};
use crate::descriptor::node::Span;
use crate::descriptor::paths::{self, Reach};
use crate::descriptor::raw::{Table, Text};
use crate::descriptor::raw_expect::{OneOrMany, RawMatchers};
use crate::descriptor::raw_matchers::{
    RawNode, RawNormalization, RawNormalizations, RawNumber, RawNumberTest,
};
use crate::model::{
    Golden, Late, Matcher, NodeTest, Normalization, NumberTest, Pattern, Query, QueryError, Test, Written,
};
use crate::text::{Template, is_template};

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
            let (pattern, with) = (pattern(lowering, &replace.replace), lowering.template(&replace.with));
            Some(Normalization::Replace { pattern: pattern?, with: with? })
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
pub(crate) fn number(
    lowering: &mut Lowering<'_>,
    raw: &Spanned<Later<RawNumber>>,
) -> Option<Late<NumberTest>> {
    let template = match &raw.value {
        Later::Text(template) => Some(Value::from(template.as_str())),
        Later::Now(RawNumber::Test(test)) => template_of(test),
        Later::Now(RawNumber::Exactly(_)) => None,
    };
    if let Later::Now(RawNumber::Test(test)) = &raw.value {
        let checked = check_keys(test, raw.span);
        lowering.note(checked)?;
    }
    if let Some(template) = template {
        return lowering.late(template, raw.span, |value| late::read(value, |raw| number_of(raw, compiled)));
    }
    let test = number_of(raw, |text| compile(lowering, text));
    lowering.note(test).map(Late::Known)
}

/// What is said of a number, written as JSON, where there is a template in it.
fn template_of(test: &RawNumberTest) -> Option<Value> {
    let RawNumberTest { from, equals, tolerance, min, max } = test;
    let numbers = [("equals", equals), ("tolerance", tolerance), ("min", min), ("max", max)];
    let from = from.as_ref().map(|text| ("from", Value::from(text.as_str())));
    let value = |number: &Spanned<Later<Number>>| match &number.value {
        Later::Now(number) => number.clone().into(),
        Later::Text(template) => Value::from(template.as_str()),
    };
    let numbers = numbers.into_iter().filter_map(|(key, number)| Some((key, value(number.as_ref()?))));
    let members: Vec<_> = numbers.chain(from).collect();
    let is_template = |value: &Value| value.as_str().is_some_and(is_template);
    let has_template = members.iter().any(|(_, value)| is_template(value));
    has_template.then(|| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// What is said of a number that is known.
pub(crate) fn number_of(
    raw: &Spanned<Later<RawNumber>>,
    compile: impl FnOnce(&Text) -> Result<Pattern, Problem>,
) -> Result<NumberTest, Problem> {
    let test = match late::known(raw)? {
        RawNumber::Exactly(number) => {
            return Ok(NumberTest { equals: Some(number.clone()), ..NumberTest::default() });
        }
        RawNumber::Test(test) => test,
    };
    let value = |number: &Option<Spanned<Later<Number>>>| {
        number.as_ref().map(|number| late::known(number).cloned()).transpose()
    };
    let numbers = NumberTest {
        from: None,
        equals: value(&test.equals)?,
        tolerance: value(&test.tolerance)?,
        min: value(&test.min)?,
        max: value(&test.max)?,
    };
    check_number(test, &numbers, raw.span)?;
    Ok(NumberTest { from: test.from.as_ref().map(compile).transpose()?, ..numbers })
}

fn check_number(raw: &RawNumberTest, test: &NumberTest, span: Span) -> Result<(), Problem> {
    check_keys(raw, span)?;
    let float = |number: &Number| number.as_f64().unwrap_or_default();
    let place = |number: &Option<Spanned<Later<Number>>>| number.as_ref().map_or(span, |number| number.span);
    if test.tolerance.as_ref().is_some_and(|tolerance| float(tolerance) < 0.0) {
        return Err(Problem::new(place(&raw.tolerance), "`tolerance` is negative")
            .help("write how far it may be off in either direction, 0 or more"));
    }
    match (&test.min, &test.max) {
        (Some(min), Some(max)) if float(min) > float(max) => {
            Err(Problem::new(place(&raw.max), "`max` is less than `min`, so no number is right")
                .help("exchange them"))
        }
        _ => Ok(()),
    }
}

/// Checks that something is said of the number, whatever that will be.
fn check_keys(raw: &RawNumberTest, span: Span) -> Result<(), Problem> {
    match (&raw.equals, &raw.tolerance, &raw.min, &raw.max) {
        (None, Some(tolerance), ..) => {
            Err(Problem::new(tolerance.span, "`tolerance` belongs beside `equals`")
                .help("add `equals`, the number from which it may be that far off"))
        }
        (None, None, None, None) => {
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
        let query = query(lowering, path);
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
        if let (Some(query), Some(expected)) = (query, expected) {
            collected.push(located(lowering, node.span, Test::JsonPath { query, expected }));
        }
    }
}

/// A JSONPath.
pub(crate) fn query(lowering: &mut Lowering<'_>, path: &Text) -> Option<Late<Query>> {
    if is_template(path) {
        let read = |value: &Value| late::read(value, |path| parsed_query(path, Query::parse_made));
        return lowering.late(path.as_str(), path.span, read);
    }
    let query = parsed_query(path, Query::parse);
    lowering.note(query).map(Late::Known)
}

fn parsed_query(path: &Text, parse: fn(&str) -> Result<Query, QueryError>) -> Result<Query, Problem> {
    parse(path).map_err(|error| {
        let problem = Problem::new(path.span, format!("{} is no JSONPath: {error}", quote(path)));
        let QueryError::Form { after, message } = &error else {
            return problem.help("RFC 9535 tells the form, as in $.users[0].name");
        };
        let rest = path.get(after.len()..).unwrap_or_default();
        let end = after.len() + rest.chars().next().map_or(0, char::len_utf8);
        let help = match message.contains("closing") {
            true => "close each bracket and each quote, as in $['a name'] and $.users[?@.name == 'ada']",
            false => form_of_path(path, after, rest),
        };
        problem.help(help).about(path, after.len()..end)
    })
}

/// What to write where a JSONPath is not understood any more.
fn form_of_path(path: &str, after: &str, rest: &str) -> &'static str {
    if !path.starts_with('$') {
        "a JSONPath begins with `$`, as in $.users[0].name"
    } else if after.ends_with("[?") {
        "a filter compares by `==`, `<` and so on, or asks whether something is there: $.users[?@.age > 17].name, $[?@.name]"
    } else if rest.starts_with('[') {
        "in brackets stands a number, a name in quotes, `*` or a filter: $.users[0], $['a name']"
    } else if rest.is_empty() || rest.starts_with('.') {
        "a name follows each dot, as in $.users[0].name"
    } else {
        "a name with other characters than letters, digits and `_` stands in brackets: $['a-name']"
    }
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
        Value::Object(members) => members.iter().try_for_each(|(key, member)| {
            lowering.scope.template(key, span)?;
            check_json(lowering, member, span)
        }),
        _ => Ok(()),
    }
}
