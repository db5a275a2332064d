//! Strings with `{{ name }}` in them, rendered by minijinja.
//!
//! Only expressions exist: `{%` and `{#` mean nothing, since shell scripts are full of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use minijinja::ErrorKind;
use minijinja::value::{Object, Serde, Value, ValueKind};

use crate::text::language::{ENVIRONMENT, FUNCTIONS};
use crate::text::slices::without_slices;
use crate::text::{budget, repetition};

/// The values a template may name; nested objects are reached with dots, as in `{{ env.HOME }}`.
pub type Variables = BTreeMap<String, serde_json::Value>;

/// A string that is either plain or holds `{{ expressions }}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// Plain text, taken as it stands.
    Literal(Arc<str>),
    /// Text with at least one `{{`, whose syntax has been checked.
    Expression(Arc<str>),
}

/// Why a template cannot be read or rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong, in one line.
    pub message: String,
}

impl From<minijinja::Error> for TemplateError {
    fn from(error: minijinja::Error) -> Self {
        Self { message: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned) }
    }
}

impl Template {
    /// Plain text, even if it holds `{{`.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self::Literal(text.into())
    }

    /// Reads a string as the user wrote it.
    ///
    /// # Errors
    /// [`TemplateError`] when an expression is not closed or is no expression, or when it uses a filter or test
    /// that does not exist.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        if !is_template(source) {
            return Ok(Self::literal(source));
        }
        let anything = Value::from_object(Anything);
        // A filter is looked up when it is used, so the template is rendered once with values that stand for any.
        evaluate(source, &anything, || match compile(source)?.render(anything.clone()) {
            Err(error) if is_unknown(&error) => Err(error.into()),
            _ => Ok(Self::Expression(source.into())),
        })
    }

    /// What the user wrote.
    #[must_use]
    pub fn source(&self) -> &str {
        match self {
            Self::Literal(text) | Self::Expression(text) => text,
        }
    }

    /// The variables it names, dotted ones whole.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        match self {
            Self::Literal(_) => BTreeSet::new(),
            Self::Expression(source) => named(source),
        }
    }

    /// The text with every expression replaced by its value.
    ///
    /// # Errors
    /// [`TemplateError`] when a name has no value.
    pub fn render<'a>(&'a self, variables: &Variables) -> Result<Cow<'a, str>, TemplateError> {
        match self {
            Self::Literal(text) => Ok(Cow::Borrowed(text)),
            Self::Expression(source) => {
                let context = Known::of(variables);
                let rendered = || ENVIRONMENT.render_str(source, context.clone());
                let render = || rendered().map_err(|error| told(error, source, &context));
                evaluate(source, &context, render).map(Cow::Owned)
            }
        }
    }

    /// The value: with its own type where the whole text is one expression, else the rendered text.
    ///
    /// # Errors
    /// [`TemplateError`] when a name has no value.
    pub fn value(&self, variables: &Variables) -> Result<serde_json::Value, TemplateError> {
        let whole = self.source().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        // A sign next to the braces is about white space, and no part of the expression.
        let is_plain = |expression: &&str| {
            !expression.contains("}}")
                && !expression.starts_with(['-', '+'])
                && !expression.ends_with(['-', '+'])
        };
        match (self, whole.filter(is_plain)) {
            (Self::Expression(_), Some(expression)) => {
                let context = Known::of(variables);
                evaluate(self.source(), &context, || {
                    let value = ENVIRONMENT.compile_expression(expression)?.eval(context.clone());
                    let value = value.map_err(|error| told(error, self.source(), &context))?;
                    if value.is_undefined() {
                        return Err(no_value(expression));
                    }
                    serde_json::to_value(value).map_err(|error| TemplateError { message: error.to_string() })
                })
            }
            _ => Ok(self.render(variables)?.into_owned().into()),
        }
    }
}

/// The error of a template that cannot be rendered; where something has no value, with the expression that is meant.
fn told(error: minijinja::Error, source: &str, context: &Value) -> TemplateError {
    let is_meant = |expression: &&str| {
        let value = ENVIRONMENT.compile_expression(expression).and_then(|found| found.eval(context.clone()));
        value.map_or_else(|error| error.kind() == ErrorKind::UndefinedError, |value| value.is_undefined())
    };
    // A sign next to the braces is about white space.
    let mut all = expressions(source).map(|place| source[place].trim_matches(['-', '+']));
    match error.kind() {
        ErrorKind::UndefinedError => all.find(is_meant).map_or_else(|| error.into(), no_value),
        _ => error.into(),
    }
}

fn no_value(expression: &str) -> TemplateError {
    TemplateError { message: format!("`{}` has no value", expression.trim()) }
}

/// Whether a text holds an expression, or the beginning of one.
#[must_use]
pub fn is_template(text: &str) -> bool {
    // Most texts have no brace at all, which is seen at once.
    text.as_bytes().contains(&b'{') && text.contains("{{")
}

/// The value with every text in it rendered, its keys among them; one that is an expression keeps the type of its
/// value.
///
/// # Errors
/// [`TemplateError`] when a text is no template or a name has no value, or when two keys become the same.
pub fn render_value(
    value: &serde_json::Value,
    variables: &Variables,
) -> Result<serde_json::Value, TemplateError> {
    Ok(match value {
        serde_json::Value::String(text) => Template::parse(text)?.value(variables)?,
        serde_json::Value::Array(items) => {
            items.iter().map(|item| render_value(item, variables)).collect::<Result<_, _>>()?
        }
        serde_json::Value::Object(members) => {
            let mut rendered = serde_json::Map::new();
            for (key, member) in members {
                let key = Template::parse(key)?.render(variables)?.into_owned();
                if rendered.contains_key(&key) {
                    return Err(TemplateError { message: format!("the key {key:?} stands twice") });
                }
                rendered.insert(key, render_value(member, variables)?);
            }
            serde_json::Value::Object(rendered)
        }
        other => other.clone(),
    })
}

/// The longest expression, in bytes. Chains of operators make minijinja recurse, so that a few megabytes of them
/// would overflow the stack.
const LONGEST_EXPRESSION: usize = 2000;

/// Does what compiles or evaluates a template: within the bounds of what one may make, and so that a panic of the
/// engine is an error of this template.
pub(in crate::text) fn evaluate<T>(
    source: &str,
    context: &Value,
    work: impl FnOnce() -> Result<T, TemplateError>,
) -> Result<T, TemplateError> {
    let guarded = || {
        let mut spent = 0;
        for place in expressions(source) {
            let expression = &source[place];
            if expression.len() > LONGEST_EXPRESSION {
                let message = format!("an expression is longer than {LONGEST_EXPRESSION} bytes");
                return Err(TemplateError { message });
            }
            spent += repetition::weight(&ENVIRONMENT, expression, context)?;
            budget::begin(0);
            budget::foresee(spent)?;
        }
        budget::begin(spent);
        work()
    };
    catch_unwind(AssertUnwindSafe(guarded)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(TemplateError { message: format!("it cannot be evaluated: {text}") })
    })
}

/// Compiles a template, within [`evaluate`].
pub(in crate::text) fn compile(source: &str) -> Result<minijinja::Template<'_, '_>, TemplateError> {
    Ok(ENVIRONMENT.template_from_str(source)?)
}

/// The places of what stands between braces; with one that is broken, rather too much.
fn expressions(source: &str) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + source.get(from..)?.find("{{")? + 2;
        from = start + expression_length(&source.as_bytes()[start..]);
        Some(start..from)
    })
}

/// Where, with its braces, the expression of a text stands that names a variable.
#[must_use]
pub fn place_of_name(source: &str, name: &str) -> Option<Range<usize>> {
    let is_named = |place: &Range<usize>| {
        let without = without_slices(&source[place.clone()]);
        let expression = ENVIRONMENT.compile_expression(&without);
        expression.is_ok_and(|expression| expression.undeclared_variables(true).contains(name))
    };
    expressions(source).find(is_named).map(|place| with_braces(source, &place))
}

/// Where, with its braces, the first expression of a text stands that is none, or uses a filter or test that does not
/// exist.
#[must_use]
pub fn place_of_mistake(source: &str) -> Option<Range<usize>> {
    let mut places = expressions(source).map(|place| with_braces(source, &place));
    places.find(|place| Template::parse(&source[place.clone()]).is_err())
}

fn with_braces(source: &str, place: &Range<usize>) -> Range<usize> {
    place.start - 2..(place.end + 2).min(source.len())
}

/// How many bytes stand before the `}}` that is neither within a text nor closes a brace of the expression; with
/// one that is broken, rather too many.
fn expression_length(bytes: &[u8]) -> usize {
    let mut quote = None;
    let mut braces = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{') => braces += 1,
            (None, b'}') if braces > 0 => braces -= 1,
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The variables that a template names, dotted ones whole; none where it cannot be read.
pub(in crate::text) fn named(source: &str) -> BTreeSet<String> {
    let mut without = String::with_capacity(source.len());
    let mut from = 0;
    for place in expressions(source) {
        without.push_str(&source[from..place.start]);
        without.push_str(&without_slices(&source[place.clone()]));
        from = place.end;
    }
    without.push_str(&source[from..]);
    let names = ENVIRONMENT.template_from_str(&without).map(|template| template.undeclared_variables(true));
    names.into_iter().flatten().filter(|name| !FUNCTIONS.contains(&name.as_str())).collect()
}

fn is_unknown(error: &minijinja::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest)
}

/// Has a value for every name, and so has each of them.
#[derive(Debug)]
struct Anything;

impl Object for Anything {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from_dyn_object(Arc::clone(self)))
    }
}

/// The variables of a template, each of which counts when it is named.
#[derive(Debug)]
struct Known(Value);

impl Known {
    fn of(variables: &Variables) -> Value {
        Value::from_object(Self(Value::from(Serde(variables))))
    }
}

impl Object for Known {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let value = self.0.get_item(key).ok().filter(|value| !value.is_undefined())?;
        Some(budget::named(key.as_str().unwrap_or_default(), value))
    }
}

/// A value within a text: texts and numbers as they are, all else as JSON.
pub(in crate::text) fn shown(value: &Value) -> Cow<'_, str> {
    match value.kind() {
        ValueKind::Bool | ValueKind::None | ValueKind::Seq | ValueKind::Map => {
            serde_json::to_string(value).map_or_else(|_| Cow::Owned(value.to_string()), Cow::Owned)
        }
        ValueKind::String => value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed),
        _ => Cow::Owned(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Template, Variables};

    fn render(source: &str) -> Result<String, String> {
        let variables = Variables::from([
            ("dir".to_owned(), "/suite".into()),
            ("env".to_owned(), serde_json::json!({ "LANG": "de" })),
            ("n".to_owned(), 3.into()),
        ]);
        let template = Template::parse(source).map_err(|error| error.to_string())?;
        template.render(&variables).map(String::from).map_err(|error| error.to_string())
    }

    #[test]
    fn the_expression_that_has_no_value_is_named() {
        for (source, expression) in [
            ("{{ env.NOTSET }}", "env.NOTSET"),
            ("{{ dir }}/{{ env.NOTSET }}/{{ nobody }}", "env.NOTSET"),
            ("{{- env.NOTSET -}}", "env.NOTSET"),
            ("x{{ env.NOTSET | upper }}", "env.NOTSET | upper"),
            ("{{ env.NOTSET.inner }}", "env.NOTSET.inner"),
        ] {
            let named = format!("`{expression}` has no value");
            assert_eq!(render(source), Err(named.clone()), "{source}");
            let variables =
                Variables::from([("env".to_owned(), serde_json::json!({})), ("dir".to_owned(), "/".into())]);
            let value = Template::parse(source).expect("a template").value(&variables);
            assert_eq!(value.expect_err(source).message, named, "{source}");
        }
    }

    #[test]
    fn expressions_are_replaced_and_the_rest_is_kept() {
        assert_eq!(render("{{ dir }}/{{ env.LANG }}-{{n}}\n"), Ok("/suite/de-3\n".to_owned()));
        assert_eq!(render("<{{ dir }}>"), Ok("</suite>".to_owned()));
    }

    #[test]
    fn shell_and_json_are_left_alone() {
        for text in ["${#array[@]} {% no block %} {# no comment #}", "{\"a\":{\"b\":1}}", "${var%.txt}"] {
            assert_eq!(render(text), Ok(text.to_owned()));
            let beside = format!("{text}{{{{ n }}}}");
            assert_eq!(render(&beside), Ok(format!("{text}3")));
        }
    }

    #[test]
    fn a_brace_pair_can_be_written() {
        assert_eq!(render("{{ '{{' }} .Name }}"), Ok("{{ .Name }}".to_owned()));
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(render("{{ dir").is_err());
        assert!(render("{{ }}").is_err());
        assert!(render("{{ unknown }}").is_err());
        for source in
            ["{{ dir | nofilter }}", "{{ dir is notest }}", "{{ env.X | nofilter }}", "{{ 1 | nofilter }}"]
        {
            assert!(Template::parse(source).is_err(), "{source}");
        }
        for source in ["{{ dir | upper }}", "{{ attempt + 1 }}", "{{ env.X.y | length }}", "{{ range(dir) }}"]
        {
            assert!(Template::parse(source).is_ok(), "{source}");
        }
    }

    #[test]
    fn a_whole_expression_keeps_its_type() {
        let variables =
            Variables::from([("n".to_owned(), 3.into()), ("l".to_owned(), serde_json::json!([1, "a"]))]);
        let value = |source: &str| Template::parse(source).expect("valid").value(&variables).ok();
        assert_eq!(value("{{ n }}"), Some(3.into()));
        assert_eq!(value("{{ l }}"), Some(serde_json::json!([1, "a"])));
        for (text, rendered) in [("{{ n }} ", "3 "), ("{{- n -}}", "3"), ("{{ '}}' }}", "}}"), ("n", "n")] {
            assert_eq!(value(text), Some(rendered.into()), "{text}");
        }
        assert_eq!(value("<{{ n }}>"), Some("<3>".into()));
        assert_eq!(value("{{ n }}{{ n }}"), Some("33".into()));
        assert_eq!(value("{{ unknown }}"), None);
    }

    #[test]
    fn expressions_have_a_reasonable_length() {
        let chain = |links: usize| format!("{{{{ dir{} }}}}", "|upper".repeat(links));
        assert!(Template::parse(&chain(300)).is_ok());
        for hidden in ["", "{{ dir }} ", "{{ '}}' }} ", "{{ {'a': {}}['a'] }}{", "}} "] {
            assert!(Template::parse(&format!("{hidden}{}", chain(400))).is_err(), "{hidden}");
        }
        assert!(Template::parse(&"{{ dir }} text ".repeat(1000)).is_ok());
        for closing in ["{{ '}}' + dir", "{{ {'a': {}} + dir", "{{ '\\'}}' + dir"] {
            assert!(
                Template::parse(&format!("{closing}{} }}}}", "|upper".repeat(400))).is_err(),
                "{closing}"
            );
        }
    }

    #[test]
    fn names_are_listed_whole() {
        let template = Template::parse("{{ dir }} {{ env.LANG }} {{ dir }} {{ id[n:] }}").expect("valid");
        assert_eq!(template.names().into_iter().collect::<Vec<_>>(), ["dir", "env.LANG", "id", "n"]);
    }
}
