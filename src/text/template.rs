//! Strings with `{{ name }}` in them, rendered by minijinja.
//!
//! Only expressions exist: `{%` and `{#` mean nothing, since shell scripts are full of them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, Value, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};

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
        if !source.contains("{{") {
            return Ok(Self::literal(source));
        }
        let template = compile(source)?;
        // A filter is looked up when it is used, so the template is rendered once with values that stand for any.
        match template.render(Value::from_object(Anything)) {
            Err(error) if is_unknown(&error) => Err(error.into()),
            _ => Ok(Self::Expression(source.into())),
        }
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
            Self::Expression(source) => {
                ENVIRONMENT.template_from_str(source).map(|template| named(&template)).unwrap_or_default()
            }
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
                Ok(Cow::Owned(ENVIRONMENT.render_str(source, minijinja::value::Serde(variables))?))
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
                let value =
                    ENVIRONMENT.compile_expression(expression)?.eval(minijinja::value::Serde(variables))?;
                if value.is_undefined() {
                    return Err(TemplateError { message: "undefined value".to_owned() });
                }
                serde_json::to_value(value).map_err(|error| TemplateError { message: error.to_string() })
            }
            _ => Ok(self.render(variables)?.into_owned().into()),
        }
    }
}

/// The longest expression, in bytes. Chains of operators make minijinja recurse, so that a few megabytes of them
/// would overflow the stack.
const LONGEST_EXPRESSION: usize = 2000;

/// Compiles a template whose expressions have a reasonable length.
pub(in crate::text) fn compile(source: &str) -> Result<minijinja::Template<'_, '_>, TemplateError> {
    let mut rest = source;
    while let Some(start) = rest.find("{{") {
        let length = expression_length(&rest.as_bytes()[start + 2..]);
        if length > LONGEST_EXPRESSION {
            let message = format!("an expression is longer than {LONGEST_EXPRESSION} bytes");
            return Err(TemplateError { message });
        }
        rest = rest.get(start + 2 + length..).unwrap_or_default();
    }
    Ok(ENVIRONMENT.template_from_str(source)?)
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

/// Functions of the template language.
const FUNCTIONS: [&str; 2] = ["range", "dict"];

/// The variables that a template names, dotted ones whole.
pub(in crate::text) fn named(template: &minijinja::Template<'_, '_>) -> BTreeSet<String> {
    let names = template.undeclared_variables(true);
    names.into_iter().filter(|name| !FUNCTIONS.contains(&name.as_str())).collect()
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

pub(in crate::text) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
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
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(|out, _, value| Ok(write!(out, "{}", shown(value))?));
    environment
});

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
        let template = Template::parse("{{ dir }} {{ env.LANG }} {{ dir }}").expect("valid");
        assert_eq!(template.names().into_iter().collect::<Vec<_>>(), ["dir", "env.LANG"]);
    }
}
