//! JSON that is passed on as it was written.

use std::fmt::Write as _;

use serde_json::Value;

use crate::text::{Template, TemplateError, Variables};

/// A value whose objects keep the order in which their keys were written. Texts in it may be templates.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// Nothing, a truth value, a number or a text.
    Simple(Value),
    /// A list.
    List(Vec<Written>),
    /// An object.
    Object(Vec<(String, Written)>),
}

impl Written {
    /// Every text in it, but for the names of its objects.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Simple(Value::String(text)) => vec![text],
            Self::Simple(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::texts).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, member)| member.texts()).collect(),
        }
    }

    /// Its JSON, with every text rendered; one that is an expression keeps the type of its value.
    ///
    /// # Errors
    /// [`TemplateError`] of a text that cannot be rendered.
    pub fn render(&self, variables: &Variables) -> Result<String, TemplateError> {
        let mut json = String::new();
        self.push(&mut json, variables)?;
        Ok(json)
    }

    fn push(&self, json: &mut String, variables: &Variables) -> Result<(), TemplateError> {
        // Writing to a String cannot fail.
        let mut value = |value: &Value| {
            let _ = write!(json, "{value}");
        };
        match self {
            Self::Simple(Value::String(text)) => value(&Template::parse(text)?.value(variables)?),
            Self::Simple(simple) => value(simple),
            Self::List(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    item.push(json, variables)?;
                }
                json.push(']');
            }
            Self::Object(members) => {
                json.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    let _ = write!(json, "{comma}{}:", Value::from(name.as_str()));
                    member.push(json, variables)?;
                }
                json.push('}');
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Written;
    use crate::text::Variables;

    #[test]
    fn the_order_is_that_of_the_text() {
        let simple = |value| Written::Simple(value);
        let inner = Written::Object(vec![
            ("\"b".to_owned(), simple(json!(1.5))),
            ("a".to_owned(), simple(json!(null))),
        ]);
        let list = Written::List(vec![simple(json!("{{ n }}")), simple(json!("x{{ n }}")), inner]);
        let value =
            Written::Object(vec![("z".to_owned(), list), ("a".to_owned(), Written::List(Vec::new()))]);
        let variables = Variables::from([("n".to_owned(), json!(7))]);
        assert_eq!(
            value.render(&variables).expect("rendered"),
            r#"{"z":[7,"x7",{"\"b":1.5,"a":null}],"a":[]}"#
        );
        assert_eq!(value.texts(), ["{{ n }}", "x{{ n }}"]);
        assert!(value.render(&Variables::new()).is_err());
    }
}
