//! From the mirror of `expect` to checks.

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::kinds::Kind;
use crate::descriptor::late;
use crate::descriptor::lower::Lowering;
use crate::descriptor::lower_file;
use crate::descriptor::lower_http;
use crate::descriptor::lower_matchers::{check_json, json_paths, normalized, special};
use crate::descriptor::lower_sql;
use crate::descriptor::mirror::{Later, Spanned};
use crate::descriptor::node::Span;
use crate::descriptor::paths::{self, Reach};
use crate::descriptor::raw::Text;
use crate::descriptor::raw_expect::{
    ExitCode, OneOrMany, RawContent, RawExit, RawExpect, RawMatchers, RawSignal,
};
use crate::model::{Check, ExitCodes, Late, Matcher, Pattern, Subject, Test, signal_name, signal_number};
use crate::text::{Template, is_template};

/// What must hold after a step of this kind that stands at `span`. Of a process of which nothing is said about how
/// it ends, it must exit with 0.
pub(crate) fn checks(
    lowering: &mut Lowering<'_>,
    expect: Option<&Spanned<Box<RawExpect>>>,
    kind: &Kind,
    span: Span,
) -> Vec<Check> {
    let mut checks = expect.map_or_else(Vec::new, |expect| all_checks(lowering, expect, Some(kind)));
    let is_said = expect.is_some_and(|expect| expect.exit.is_some() || expect.signal.is_some());
    if kind.key == "run" && !is_said {
        let test = Test::Exit(ExitCodes::OneOf(vec![0]).into());
        checks.insert(0, Check { subject: Subject::Exit, matcher: located(lowering, span, test) });
    }
    if kind.key == "file" {
        lower_file::must_exist(lowering, expect, span, &mut checks);
    }
    if matches!(kind.key, "http" | "download") && expect.is_none_or(|expect| expect.status.is_none()) {
        checks.insert(0, lower_http::success(lowering, span));
    }
    // They live as long as their case, of which there may be a million.
    checks.shrink_to_fit();
    checks
}

/// What must hold by these words, of a kind of step or, where it is not known yet, of any.
pub(crate) fn all_checks(lowering: &mut Lowering<'_>, expect: &RawExpect, kind: Option<&Kind>) -> Vec<Check> {
    let mut checks = Vec::with_capacity(2);
    if let Some((place, test)) = ending(lowering, expect) {
        checks.push(Check { subject: Subject::Exit, matcher: located(lowering, place, test) });
    }
    let outputs = [
        (Subject::Stdout, &expect.stdout),
        (Subject::Stderr, &expect.stderr),
        (Subject::Output, &expect.output),
    ];
    for (subject, content) in outputs {
        if let Some(content) = content {
            content_checks(lowering, &subject, content, &mut checks);
        }
    }
    for (path, content) in expect.files.iter().flat_map(|table| &table.0) {
        let checked = paths::check(path, Reach::Below, path.span);
        let Some(content) = content else { continue };
        if let (Some(()), Some(template)) = (lowering.note(checked), lowering.template(path)) {
            content_checks(lowering, &Subject::File(template), content, &mut checks);
        }
    }
    lower_file::checks(lowering, expect, &mut checks);
    lower_http::checks(lowering, expect, &mut checks);
    lower_sql::checks(lowering, expect, &mut checks);
    if let Some(paths) = &expect.jsonpath {
        let subject = kind.and_then(|kind| kind.outputs.first()).map_or(&Subject::Body, |(_, first)| first);
        let mut collected = Vec::new();
        json_paths(lowering, paths, &mut collected);
        checks.extend(collected.into_iter().map(|matcher| Check { subject: subject.clone(), matcher }));
    }
    checks
}

fn ending(lowering: &mut Lowering<'_>, expect: &RawExpect) -> Option<(Span, Test)> {
    match (&expect.exit, &expect.signal) {
        (Some(_), Some(signal)) => {
            let problem = Problem::new(signal.span, "a process cannot both exit and be ended by a signal");
            lowering
                .problems
                .push(problem.help("keep one of `exit` and `signal`; `null` removes an inherited one"));
            None
        }
        (Some(exit), None) => exit_of(lowering, exit).map(|codes| (exit.span, Test::Exit(codes))),
        (None, Some(signal)) => {
            let number = match &signal.value {
                RawSignal::Name(name) if is_template(name) => {
                    lowering.late(name.as_str(), signal.span, |value| late::read(value, signal_of))
                }
                _ => {
                    let number = signal_of(signal);
                    lowering.note(number).map(Late::Known)
                }
            };
            number.map(|number| (signal.span, Test::Signal(number)))
        }
        (None, None) => None,
    }
}

/// The exit codes that are right.
fn exit_of(lowering: &mut Lowering<'_>, exit: &Spanned<Later<RawExit>>) -> Option<Late<ExitCodes>> {
    let read = |value: &Value| late::read(value, codes_of);
    let template = match &exit.value {
        Later::Text(template) => Value::from(template.as_str()),
        Later::Now(RawExit::Codes(codes))
            if codes.iter().any(|code| matches!(code.value, Later::Text(_))) =>
        {
            let item = |code: &Spanned<Later<ExitCode>>| match &code.value {
                Later::Text(template) => Value::from(template.as_str()),
                Later::Now(code) => code.0.into(),
            };
            codes.iter().map(item).collect()
        }
        Later::Now(_) => {
            let codes = codes_of(exit);
            return lowering.note(codes).map(Late::Known);
        }
    };
    lowering.late(template, exit.span, read)
}

fn codes_of(exit: &Spanned<Later<RawExit>>) -> Result<ExitCodes, Problem> {
    Ok(match late::known(exit)? {
        RawExit::Nonzero => ExitCodes::Nonzero,
        RawExit::Codes(codes) => {
            let code = |code: &Spanned<Later<ExitCode>>| late::now(code).map(|code| code.0);
            ExitCodes::OneOf(codes.iter().map(code).collect::<Result<_, _>>()?)
        }
    })
}

fn signal_of(signal: &Spanned<RawSignal>) -> Result<i32, Problem> {
    match &signal.value {
        RawSignal::Number(number) => {
            let known = i32::try_from(*number).ok().filter(|number| (1..=64).contains(number));
            known.ok_or_else(|| {
                Problem::new(signal.span, format!("{number} is no number of a signal"))
                    .help("they go from 1 to 64; a name such as \"TERM\" says more")
            })
        }
        RawSignal::Name(name) => signal_number(name).ok_or_else(|| {
            let known: Vec<_> = (1..32).filter_map(signal_name).collect();
            let problem = Problem::new(signal.span, format!("{} is no signal", quote(name)));
            let full = if name.starts_with("SIG") { name.clone() } else { format!("SIG{name}") };
            match suggest(&full, "known signals", &known) {
                Some(help) => problem.help(help),
                None => problem,
            }
        }),
    }
}

fn content_checks(
    lowering: &mut Lowering<'_>,
    subject: &Subject,
    content: &Spanned<RawContent>,
    checks: &mut Vec<Check>,
) {
    let place = if matches!(subject, Subject::File(_)) { Place::File } else { Place::Stream };
    for matcher in matchers(lowering, content, place) {
        checks.push(Check { subject: subject.clone(), matcher });
    }
}

/// What a matcher looks at, as far as it matters where it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An output.
    Stream,
    /// A file, which may not exist.
    File,
    /// What a JSONPath finds, which may be nothing.
    Node,
}

/// What stands for matchers.
pub(crate) trait Matching {
    /// The matchers that it stands for at `span`.
    fn matchers(&self, lowering: &mut Lowering<'_>, span: Span, place: Place) -> Vec<Matcher>;
}

impl Matching for String {
    fn matchers(&self, lowering: &mut Lowering<'_>, span: Span, _: Place) -> Vec<Matcher> {
        let template = lowering.scope.template(self, span);
        let test = lowering.note(template).map(Test::Equals);
        test.map(|test| located(lowering, span, test)).into_iter().collect()
    }
}

impl Matching for RawContent {
    fn matchers(&self, lowering: &mut Lowering<'_>, span: Span, place: Place) -> Vec<Matcher> {
        match self {
            Self::Text(text) => text.matchers(lowering, span, place),
            Self::All(contents) if contents.is_empty() => {
                let problem = Problem::new(span, "the list of matchers is empty");
                lowering.problems.push(problem.help("name a matcher, or take the key out"));
                Vec::new()
            }
            Self::All(contents) => {
                contents.iter().flat_map(|content| matchers(lowering, content, place)).collect()
            }
            Self::Matchers(raw) => object_matchers(lowering, raw, span, place),
        }
    }
}

/// The matchers that a content stands for.
pub(crate) fn matchers<C: Matching>(
    lowering: &mut Lowering<'_>,
    content: &Spanned<C>,
    place: Place,
) -> Vec<Matcher> {
    content.value.matchers(lowering, content.span, place)
}

/// The matchers of an object that stands at `span`.
pub(crate) fn object_matchers<C: Matching, E: Matching>(
    lowering: &mut Lowering<'_>,
    raw: &RawMatchers<C, E>,
    span: Span,
    place: Place,
) -> Vec<Matcher> {
    let before = lowering.problems.len();
    let mut collected = Vec::new();
    if let Some(equals) = &raw.equals {
        collected.extend(matchers(lowering, equals, place));
    }
    text_matchers(lowering, raw, &mut collected);
    special(lowering, raw, &mut collected);
    other_matchers(lowering, raw, place, &mut collected);
    if let Some(raw) = &raw.normalize {
        return normalized(lowering, raw, collected);
    }
    if collected.is_empty() && lowering.problems.len() == before {
        let problem = Problem::new(span, "no matcher is given");
        lowering.problems.push(problem.help("say what must hold, as in { \"contains\": \"text\" }"));
    }
    collected
}

/// A test with its place.
pub(crate) fn located(lowering: &Lowering<'_>, span: Span, test: Test) -> Matcher {
    Matcher { position: lowering.sources.position(span), test }
}

fn text_matchers<C, E>(lowering: &mut Lowering<'_>, raw: &RawMatchers<C, E>, collected: &mut Vec<Matcher>) {
    let mut single = |text: &Option<Text>, test: fn(Template) -> Test| {
        if let Some(text) = text
            && let Some(template) = lowering.template(text)
        {
            collected.push(located(lowering, text.span, test(template)));
        }
    };
    single(&raw.starts_with, Test::StartsWith);
    single(&raw.ends_with, Test::EndsWith);
    for text in texts(lowering, raw.contains.as_ref()) {
        if let Some(template) = lowering.template(text) {
            collected.push(located(lowering, text.span, Test::Contains(template)));
        }
    }
    for text in texts(lowering, raw.not_contains.as_ref()) {
        if let Some(template) = lowering.template(text) {
            let inner = located(lowering, text.span, Test::Contains(template));
            collected.push(located(lowering, text.span, Test::Not(vec![inner])));
        }
    }
    for text in texts(lowering, raw.matches.as_ref()) {
        if let Some(pattern) = pattern(lowering, text) {
            collected.push(located(lowering, text.span, Test::Matches(pattern)));
        }
    }
}

/// A regular expression of a step.
pub(crate) fn pattern(lowering: &mut Lowering<'_>, text: &Text) -> Option<Late<Pattern>> {
    if is_template(text) {
        return lowering.late(text.as_str(), text.span, |value| late::read(value, compiled));
    }
    let pattern = compile(lowering, text);
    lowering.note(pattern).map(Late::Known)
}

/// A regular expression, compiled once.
pub(crate) fn compile(lowering: &mut Lowering<'_>, text: &Text) -> Result<Pattern, Problem> {
    if let Some(known) = lowering.patterns.get(text.as_str()) {
        return Ok(known.clone());
    }
    lowering.scope.fixed(text, text.span)?;
    let pattern = compiled(text)?;
    lowering.patterns.insert(text.value.clone(), pattern.clone());
    Ok(pattern)
}

/// A regular expression.
pub(crate) fn compiled(text: &Text) -> Result<Pattern, Problem> {
    Pattern::new(text).map_err(|error| {
        let message = format!("not a regular expression: {error}");
        Problem::new(text.span, message).help(error.help).about(text, error.place)
    })
}

fn texts<'a>(lowering: &mut Lowering<'_>, texts: Option<&'a OneOrMany>) -> &'a [Text] {
    let Some(texts) = texts else { return &[] };
    if texts.texts.is_empty() {
        lowering
            .problems
            .push(Problem::new(texts.span, "the list is empty").help("name a text, or take the key out"));
    }
    &texts.texts
}

fn other_matchers<C: Matching, E>(
    lowering: &mut Lowering<'_>,
    raw: &RawMatchers<C, E>,
    place: Place,
    collected: &mut Vec<Matcher>,
) {
    if let Some(empty) = &raw.empty
        && let Some(expected) = lowering.now_or_late(empty)
    {
        collected.push(located(lowering, empty.span, Test::Empty(expected)));
    }
    if let Some(exists) = &raw.exists {
        match place {
            Place::Stream => {
                let message = "`exists` is only for `files`, `headers` and `jsonpath`";
                let help = "take it out; `\"empty\": true` says that nothing is written";
                lowering.problems.push(Problem::new(exists.span, message).help(help));
            }
            Place::File | Place::Node => {
                let expected = lowering.now_or_late(exists);
                collected
                    .extend(expected.map(|expected| located(lowering, exists.span, Test::Exists(expected))));
            }
        }
    }
    if let Some(choices) = &raw.one_of {
        let alternatives = choices.0.iter().map(|choice| matchers(lowering, choice, place)).collect();
        match choices.0.is_empty() {
            true => {
                let problem = Problem::new(choices.span, "`one_of` is empty");
                lowering.problems.push(problem.help("name what it may be, or take the key out"));
            }
            false => collected.push(located(lowering, choices.span, Test::OneOf(alternatives))),
        }
    }
    if let Some(not) = &raw.not {
        let inner = matchers(lowering, not, place);
        collected.push(located(lowering, not.span, Test::Not(inner)));
    }
    match (&raw.json, &raw.exact) {
        (Some(json), exact) => {
            let checked = check_json(lowering, &json.0, json.span);
            if lowering.note(checked).is_some() {
                let exact = exact.as_ref().is_some_and(|exact| exact.value);
                collected.push(located(lowering, json.span, Test::Json { value: json.0.clone(), exact }));
            }
        }
        (None, Some(exact)) => {
            let problem = Problem::new(exact.span, "`exact` belongs beside `json`");
            lowering.problems.push(problem.help("add `json`, the value that is meant, or take `exact` out"));
        }
        (None, None) => {}
    }
}
