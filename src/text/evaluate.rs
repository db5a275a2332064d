//! Expressions that are evaluated many times, with values in layers.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, Serde};
use minijinja::{Expression, Value};

use crate::text::budget;
use crate::text::language::ENVIRONMENT;
use crate::text::template::{TemplateError, Variables, compile, evaluate, named, shown};

/// Variables in layers: a name means what the last layer says that has it.
#[derive(Clone, Debug, Default)]
pub struct Layers(Arc<Vec<Arc<Variables>>>);

impl Layers {
    /// The layers, the one that wins last.
    #[must_use]
    pub fn new(layers: Vec<Arc<Variables>>) -> Self {
        Self(Arc::new(layers))
    }

    /// These with more that win over them.
    #[must_use]
    pub fn with<'l>(&'l self, more: impl Iterator<Item = &'l Arc<Variables>>) -> Self {
        let mut more = more.peekable();
        match more.peek() {
            None => self.clone(),
            Some(_) => Self::new(self.0.iter().chain(more).cloned().collect()),
        }
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&serde_json::Value> {
        self.0.iter().rev().find_map(|layer| layer.get(name))
    }

    /// Every name; one that several layers have comes several times.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|layer| layer.keys()).map(String::as_str)
    }
}

impl Object for Layers {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key).map(|value| budget::named(key, Value::from(Serde(value))))
    }
}

/// A text with `{{ expressions }}`, compiled.
pub struct Compiled<'s> {
    source: &'s str,
    form: Form<'s>,
    names: Vec<String>,
}

enum Form<'s> {
    /// One expression is all there is, so that its value keeps its type.
    Value(Expression<'s, 's>),
    /// Expressions with text around them.
    Text(minijinja::Template<'s, 's>),
}

impl fmt::Debug for Compiled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<'s> Compiled<'s> {
    /// Compiles a text as the user wrote it.
    ///
    /// # Errors
    /// [`TemplateError`] when an expression is not closed or is no expression.
    pub fn parse(source: &'s str) -> Result<Self, TemplateError> {
        // What is repeated is known only with the variables, and so is looked at once more with those.
        evaluate(source, &Value::from_object(Layers::default()), || {
            let template = compile(source)?;
            let names = named(source).into_iter().collect();
            let form = match single(source).and_then(|inner| ENVIRONMENT.compile_expression(inner).ok()) {
                Some(expression) => Form::Value(expression),
                None => Form::Text(template),
            };
            Ok(Self { source, form, names })
        })
    }

    /// The text as the user wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        self.source
    }

    /// The variables it names, dotted ones whole, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Its value: of the expression's own type where nothing stands beside the expression, and else a text.
    ///
    /// # Errors
    /// [`TemplateError`] when something has no value, or none that JSON could write.
    pub fn value(&self, layers: &Layers) -> Result<serde_json::Value, TemplateError> {
        let Form::Value(expression) = &self.form else { return Ok(self.text(layers)?.into()) };
        let context = Value::from_object(layers.clone());
        let problem = |message: &str| Err(TemplateError { message: message.to_owned() });
        evaluate(self.source, &context, || {
            let value = expression.eval(context.clone())?;
            if value.is_undefined() {
                return problem("the expression has no value");
            }
            if f64::try_from(value.clone()).is_ok_and(|number| !number.is_finite()) {
                return problem("the number is not finite");
            }
            serde_json::to_value(&value).map_err(|error| TemplateError { message: error.to_string() })
        })
    }

    /// Its value as text.
    ///
    /// # Errors
    /// [`TemplateError`] when something has no value.
    pub fn text(&self, layers: &Layers) -> Result<String, TemplateError> {
        let context = Value::from_object(layers.clone());
        evaluate(self.source, &context, || match &self.form {
            Form::Text(template) => Ok(template.render(context.clone())?),
            Form::Value(expression) => {
                let value = expression.eval(context.clone())?;
                if value.is_undefined() {
                    return Err(TemplateError { message: "the expression has no value".to_owned() });
                }
                Ok(shown(&value).into_owned())
            }
        })
    }
}

/// What stands between the braces of a text that may be one expression. A `-` or `+` at a brace is about
/// white space, so such a text is none.
fn single(source: &str) -> Option<&str> {
    let inner = source.strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.starts_with(['-', '+']) && !inner.ends_with(['-', '+'])).then_some(inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::{Compiled, Layers};
    use crate::text::Variables;

    fn layers() -> Layers {
        let layer = |pairs: &[(&str, serde_json::Value)]| {
            Arc::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
        };
        Layers::new(vec![
            layer(&[("n", json!(1)), ("list", json!(["a", 2]))]),
            layer(&[("n", json!(3)), ("map", json!({"k": true})), ("odd", json!("{{ x }}"))]),
            Arc::new(Variables::new()),
        ])
    }

    fn value(source: &str) -> Result<serde_json::Value, String> {
        let compiled = Compiled::parse(source).map_err(|error| error.to_string())?;
        compiled.value(&layers()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_single_expression_keeps_its_type() {
        assert_eq!(value("{{ n }}"), Ok(json!(3)), "the last layer wins");
        assert_eq!(value("{{n + 1}}"), Ok(json!(4)));
        assert_eq!(value("{{ n > 1 }}"), Ok(json!(true)));
        assert_eq!(value("{{ list }}"), Ok(json!(["a", 2])));
        assert_eq!(value("{{ map.k }}"), Ok(json!(true)));
        assert_eq!(value("{{ map }}"), Ok(json!({"k": true})));
        assert_eq!(value("{{ none }}"), Ok(json!(null)));
        assert_eq!(value("{{ n / 2 }}"), Ok(json!(1.5)));
    }

    #[test]
    fn text_beside_an_expression_makes_a_text() {
        assert_eq!(value("{{ n }}\n"), Ok(json!("3\n")));
        assert_eq!(value("{{ n }}{{ n }}"), Ok(json!("33")));
        assert_eq!(value("{{- n -}}"), Ok(json!("3")));
        assert_eq!(value("is {{ map.k }}"), Ok(json!("is true")));
        assert_eq!(value("{{ map }} {{ list }} {{ none }}"), Ok(json!(r#"{"k":true} ["a",2] null"#)));
        assert_eq!(value("{{ odd }}"), Ok(json!("{{ x }}")), "values are not templates again");
        assert_eq!(Compiled::parse("{{ n }}").expect("valid").text(&layers()), Ok("3".to_owned()));
    }

    #[test]
    fn what_has_no_value_is_an_error() {
        for source in
            ["{{ map.none }}", "{{ nothing }}", "{{ n | nofilter }}", "{{ 1.0 / 0 }}", "a{{ map.x }}"]
        {
            assert!(value(source).is_err(), "{source}: {:?}", value(source));
        }
    }
}
