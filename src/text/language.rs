//! What the expressions of templates can do: a part of minijinja, in which nothing becomes large that is short to
//! write.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, ValueOrKwargs};
use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters, functions, tests as checks,
};

use crate::text::budget::{self, ITEM, LIMIT, weigh};
use crate::text::template::shown;

/// Functions of the language.
pub(in crate::text) const FUNCTIONS: [&str; 2] = ["range", "dict"];

/// The filters that templates can use.
pub const FILTERS: [&str; 39] = [
    "abs",
    "bool",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "regex_escape",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

/// The tests that templates can use.
pub const TESTS: [&str; 27] = [
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "even",
    "false",
    "float",
    "ge",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

pub(in crate::text) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // Control characters that no descriptor holds stand in for the delimiters that must not exist.
    let syntax = SyntaxConfig::builder()
        .block_delimiters("\u{1}\u{2}%", "%\u{2}\u{1}")
        .comment_delimiters("\u{1}\u{2}#", "#\u{2}\u{1}")
        .keep_trailing_newline(true)
        .build();
    match syntax {
        Ok(syntax) => environment.set_syntax(syntax),
        Err(error) => unreachable!("the delimiters are constant and distinct: {error}"),
    }
    environment.set_formatter(|out, _, value| Ok(write!(out, "{}", shown(value))?));
    for name in FILTERS {
        let filter = filter(name);
        environment.add_filter(name, move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
            let arguments: Vec<Value> = arguments.0.into_iter().map(Value::from).collect();
            budget::work(&arguments)?;
            budget::foresee(growth(name, &arguments)?)?;
            made(filter.call(state, &arguments))
        });
    }
    for name in TESTS {
        let test = test(name);
        environment.add_test(name, move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
            let arguments: Vec<Value> = arguments.0.into_iter().map(Value::from).collect();
            budget::work(&arguments)?;
            test.call(state, &arguments).map(|holds| holds.is_true())
        });
    }
    let range = Value::from_function(functions::range);
    environment.add_function("range", move |state: &mut State<'_, '_>, arguments: Rest<ValueOrKwargs>| {
        let arguments: Vec<Value> = arguments.0.into_iter().map(Value::from).collect();
        made(range.call(state, &arguments))
    });
    environment.add_function("dict", functions::dict);
    environment
});

fn made(result: Result<Value, Error>) -> Result<Value, Error> {
    result.and_then(|value| budget::charge(&value).map(|()| value))
}

fn filter(name: &str) -> Value {
    match name {
        "abs" => Value::from_function(filters::abs),
        "bool" => Value::from_function(filters::bool),
        "capitalize" => Value::from_function(filters::capitalize),
        "d" | "default" => Value::from_function(filters::default),
        "dictsort" => Value::from_function(filters::dictsort),
        "first" => Value::from_function(filters::first),
        "float" => Value::from_function(filters::float),
        "format" => Value::from_function(filters::format),
        "indent" => Value::from_function(filters::indent),
        "int" => Value::from_function(filters::int),
        "items" => Value::from_function(filters::items),
        "join" => Value::from_function(filters::join),
        "last" => Value::from_function(filters::last),
        "count" | "length" => Value::from_function(filters::length),
        "lines" => Value::from_function(filters::lines),
        "list" => Value::from_function(filters::list),
        "lower" => Value::from_function(filters::lower),
        "map" => Value::from_function(filters::map),
        "max" => Value::from_function(filters::max),
        "min" => Value::from_function(filters::min),
        "regex_escape" => Value::from_function(|text: &str| regex::escape(text)),
        "reject" => Value::from_function(filters::reject),
        "rejectattr" => Value::from_function(filters::rejectattr),
        "replace" => Value::from_function(filters::replace),
        "reverse" => Value::from_function(filters::reverse),
        "round" => Value::from_function(filters::round),
        "select" => Value::from_function(filters::select),
        "selectattr" => Value::from_function(filters::selectattr),
        "sort" => Value::from_function(filters::sort),
        "split" => Value::from_function(filters::split),
        "string" => Value::from_function(filters::string),
        "sum" => Value::from_function(filters::sum),
        "title" => Value::from_function(filters::title),
        "tojson" => Value::from_function(filters::tojson),
        "trim" => Value::from_function(filters::trim),
        "unique" => Value::from_function(filters::unique),
        "upper" => Value::from_function(filters::upper),
        other => unreachable!("no filter {other}"),
    }
}

fn test(name: &str) -> Value {
    match name {
        "boolean" => Value::from_function(checks::is_boolean),
        "defined" => Value::from_function(checks::is_defined),
        "divisibleby" => Value::from_function(checks::is_divisibleby),
        "endingwith" => Value::from_function(checks::is_endingwith),
        "even" => Value::from_function(checks::is_even),
        "false" => Value::from_function(checks::is_false),
        "float" => Value::from_function(checks::is_float),
        "in" => Value::from_function(checks::is_in),
        "integer" => Value::from_function(checks::is_integer),
        "iterable" => Value::from_function(checks::is_iterable),
        "lower" => Value::from_function(checks::is_lower),
        "mapping" => Value::from_function(checks::is_mapping),
        "none" => Value::from_function(checks::is_none),
        "number" => Value::from_function(checks::is_number),
        "odd" => Value::from_function(checks::is_odd),
        "sequence" => Value::from_function(checks::is_sequence),
        "startingwith" => Value::from_function(checks::is_startingwith),
        "string" => Value::from_function(checks::is_string),
        "true" => Value::from_function(checks::is_true),
        "undefined" => Value::from_function(checks::is_undefined),
        "upper" => Value::from_function(checks::is_upper),
        "eq" => Value::from_function(checks::is_eq),
        "ne" => Value::from_function(checks::is_ne),
        "lt" => Value::from_function(checks::is_lt),
        "le" => Value::from_function(checks::is_le),
        "gt" => Value::from_function(checks::is_gt),
        "ge" => Value::from_function(checks::is_ge),
        other => unreachable!("no test {other}"),
    }
}

/// The widest that `format` and `indent` fill up with spaces.
const WIDEST: usize = 1000;

/// About what a filter will make of its arguments, where that can be more than they are.
fn growth(name: &str, arguments: &[Value]) -> Result<usize, Error> {
    let Some((value, rest)) = arguments.split_first() else { return Ok(0) };
    let weight = |value: &Value| weigh(value, LIMIT + 1);
    let text = value.as_str().unwrap_or_default();
    // How often something stands in the text; of another value, at least as often as in its text.
    let count =
        |part: &str| if value.as_str().is_some() { text.matches(part).count() } else { weight(value) };
    Ok(match (name, rest) {
        ("replace", [from, to, ..]) => {
            let longer = to.as_str().map_or_else(|| weight(to), str::len);
            count(from.as_str().unwrap_or_default()).saturating_mul(longer)
        }
        ("join", _) => {
            let joiner = argument(rest, "d").map_or(0, |joiner| weight(&joiner));
            value.len().unwrap_or(LIMIT).saturating_mul(joiner).saturating_add(weight(value))
        }
        ("sort", _) if named(rest, "attribute").is_some() => {
            let keys = named(rest, "attribute").map_or(0, |keys| weight(&keys));
            value.len().unwrap_or(text.len()).saturating_mul(keys.saturating_add(ITEM))
        }
        ("list" | "reverse" | "sort" | "unique" | "map" | "select" | "reject", _) => text.len() * ITEM,
        ("regex_escape", _) => text.len() * 2,
        ("lines", _) => count("\n") * ITEM,
        ("split", [by, ..]) if by.as_str().is_some() => count(by.as_str().unwrap_or_default()) * ITEM,
        ("split", _) => text.len() / 2 * ITEM,
        ("string", _) => weight(value),
        ("tojson", _) => {
            width(name, argument(rest, "indent"))?;
            weight(value)
        }
        ("indent", _) => {
            let width = width(name, argument(rest, "width"))?.unwrap_or(4);
            count("\n").saturating_mul(width)
        }
        ("format", _) => {
            let items: usize = rest.iter().map(weight).fold(0, usize::saturating_add);
            items.saturating_mul(count("%")).saturating_add(widths(text)?)
        }
        ("sum", _) if takes_start(rest) => {
            return Err(refused("`sum` adds numbers, and takes no `start`".to_owned()));
        }
        _ => 0,
    })
}

/// Whether `sum` is told what to begin with, which may be a list.
fn takes_start(arguments: &[Value]) -> bool {
    arguments.len() > 1 || named(arguments, "start").is_some()
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// The number of spaces that a filter is told, if any.
fn width(name: &str, given: Option<Value>) -> Result<Option<usize>, Error> {
    match given.and_then(|given| given.as_usize()) {
        Some(width) if width > WIDEST => {
            Err(refused(format!("`{name}` indents by up to {WIDEST} spaces, not by {width}")))
        }
        width => Ok(width),
    }
}

/// The widths and precisions in a format, together.
fn widths(format: &str) -> Result<usize, Error> {
    let mut sum = 0_usize;
    for conversion in format.split('%').skip(1) {
        let named = conversion.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let conversion = named.map_or(conversion, |(_, rest)| rest);
        let is_of_width = |character: char| character.is_ascii_digit() || "+- #.*".contains(character);
        let end = conversion.find(|character| !is_of_width(character)).unwrap_or(conversion.len());
        let flags = &conversion[..end];
        if flags.contains('*') {
            return Err(refused("`format` takes no width or precision from its arguments".to_owned()));
        }
        for digits in
            flags.split(|character: char| !character.is_ascii_digit()).filter(|part| !part.is_empty())
        {
            match digits.parse::<usize>() {
                Ok(width) if width <= WIDEST => sum = sum.saturating_add(width),
                _ => {
                    let message = format!("`format` has widths and precisions up to {WIDEST}, not {digits}");
                    return Err(refused(message));
                }
            }
        }
    }
    Ok(sum)
}

/// The argument that is given by this name.
fn named(arguments: &[Value], name: &str) -> Option<Value> {
    let named = Kwargs::try_from(arguments.last()?.clone()).ok()?;
    named.peek::<Value>(name).ok()
}

/// The first argument, or the one that has this name.
fn argument(arguments: &[Value], name: &str) -> Option<Value> {
    let named = arguments.last().and_then(|last| Kwargs::try_from(last.clone()).ok());
    match named {
        Some(named) => {
            named.peek::<Value>(name).ok().or_else(|| arguments[..arguments.len() - 1].first().cloned())
        }
        None => arguments.first().cloned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::json;

    use super::{FILTERS, LIMIT, TESTS};
    use crate::text::{Compiled, Layers, Template, Variables};

    fn text(expression: &str) -> Result<String, String> {
        let source = format!("{{{{ {expression} }}}}");
        let variables = Variables::from([("n".to_owned(), json!(7)), ("s".to_owned(), json!("a\nb"))]);
        let layers = Layers::new(vec![Arc::new(variables.clone())]);
        let early = Compiled::parse(&source).and_then(|compiled| compiled.text(&layers));
        let late = Template::parse(&source)
            .and_then(|template| template.render(&variables).map(std::borrow::Cow::into_owned));
        assert_eq!(early.is_ok(), late.is_ok(), "{expression}: {early:?} {late:?}");
        early.map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_short_makes_nothing_large() {
        for bomb in [
            "'%.70000f'|format(1)",
            "'%1000000000d'|format(1)",
            "'a' * 2 ~ 'a' * 18446744073709551615",
            "'%(a)1001d'|format(a=1)",
            "'%*d'|format(1000000000, 1)",
            "('%(a)s'*100000)|format(a='x'*100000)",
            "('x'*100000)|replace('x','y'*100000)|length",
            "range(100000)|map('string')|join('x'*100000)|length",
            "range(100000)|join(d='x'*100000)|length",
            "range(100000)|map('replace','','x'*100000)|list|length",
            "('x\n'*100000)|indent(100000)|length",
            "'x'|indent(2000000000)",
            "'x'|indent(width=2000000000)",
            "([[0]*90000]*90000)|sum(start=[])|length",
            "([[0]*90000]*90000)|sum('x', [])|length",
            "'x'*100000000",
            "100000000*'x'",
            "2 - 1 + 3 // 3 * ('x'*3000)*3000",
            "(s|upper)*10000000",
            "s[0]*n*10000000",
            "('x'|replace('*', 's * 2'))*100000000",
            "[range(100000)]*100000",
            "[range(100000)|list]*100000 ~ ''",
            "(1,)*100000000",
            "range(100000)|map('tojson', 100000)|list|length",
            "n|tojson(indent=100000000)",
            "('\"'*1000000)|tojson|tojson|tojson|tojson|tojson|tojson|tojson|tojson",
            "('x'*8000000)|list|length",
            "('x '*4000000)|split|length",
        ] {
            let error = text(bomb).expect_err(bomb);
            assert!(error.len() < 400, "{bomb}: {error}");
        }
        assert!(text("range(3)|slice(1000000000, 0)|list|length").is_err());
        assert!(text("[1]|batch(1000000000, 0)|list|length").is_err());
    }

    #[test]
    fn what_is_short_takes_no_long_time() {
        for bomb in [
            "range(90000)|select('in', range(90000)|list)|list|length",
            "range(90000)|reject('in', range(90000))|list|length",
            "range(90000)|select('ne', 'x'*1000000)|list|length",
            "range(90000)|map('string')|map('replace', 'xy'*500000, '')|list|length",
            "range(90000)|map('string')|map('trim', 'xy'*500000)|list|length",
            "range(9000)|sort(attribute='a,'*100000)|length",
        ] {
            let error = text(bomb).expect_err(bomb);
            assert!(error.contains("larger than") || error.contains("takes more"), "{bomb}: {error}");
        }
        let (list, other) = ("range(9000)|list", "range(9000)|reverse|sort|list");
        assert_eq!(text(&format!("({list}) == ({other})")), Ok("true".to_owned()));
        assert_eq!(text(&format!("{list}|unique|select('in', [1, 2])|list")), Ok("[1,2]".to_owned()));
    }

    #[test]
    fn what_is_of_use_stays() {
        for (expression, expected) in [
            ("'%03d: %-5s|%.2f'|format(n, 'a', 1.5)", "007: a    |1.50"),
            ("'2 * %d%%'|format(n)", "2 * 7%"),
            ("s|indent(2)", "a\n  b"),
            ("s|replace('a','xx')|upper", "XX\nB"),
            ("range(3)|join(',')", "0,1,2"),
            ("[1, 2]|sum * n", "21"),
            ("s|lines|map('upper')|join('-')", "A-B"),
            ("{'a': [1]}|tojson(indent=2)", "{\n  \"a\": [\n    1\n  ]\n}"),
            ("('x' * 1000)|length", "1000"),
            ("n * 2 ** 3 + 1", "57"),
            ("n // 2 * 2", "6"),
            ("'*' ~ n * 2", "*14"),
            ("[n] * 2", "[7, 7]"),
            ("'a.b(' | regex_escape", "a\\.b\\("),
            ("n is odd and n is not string", "true"),
        ] {
            assert_eq!(text(expression), Ok(expected.to_owned()), "{expression}");
        }
    }

    #[test]
    fn the_readme_lists_what_expressions_can_do() {
        let readme =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
        for (what, names) in [("filters", FILTERS.as_slice()), ("tests", TESTS.as_slice())] {
            let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let list = format!("/{what}/): {}", quoted.join(", "));
            assert!(readme.contains(&list), "{list}");
        }
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec!["'x'", "s", "n", "9000", "[1, 'a']", "range(9000)", "'%999d'"]);
        leaf.prop_map(str::to_owned).prop_recursive(6, 24, 3, |inner| {
            let operator = prop::sample::select(vec!["*", "+", "~", "//", "==", "in"]);
            let filter = prop::sample::select(FILTERS.to_vec());
            prop_oneof![
                (inner.clone(), operator, inner.clone()).prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
                (inner.clone(), filter.clone()).prop_map(|(a, filter)| format!("({a})|{filter}")),
                (inner.clone(), filter.clone(), inner.clone())
                    .prop_map(|(a, filter, b)| format!("({a})|{filter}({b})")),
                (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("({a})|replace({b}, {c})")),
                (inner.clone(), filter).prop_map(|(a, filter)| format!("[{a}]|map('{filter}')|list")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {b}]")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_expression_makes_more_than_it_may(expression in expression()) {
            if let Ok(text) = text(&expression) {
                prop_assert!(text.len() <= 6 * LIMIT, "{} bytes", text.len());
            }
        }
    }
}
