//! Values for parameters, with their types.

use serde_json::Value;

use crate::model::{LateError, SqlParameter, SqlParameters};
use crate::text::{TemplateError, Variables};

/// A value that can be bound.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum {
    /// Nothing.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// A list or an object.
    Json(Value),
}

/// What is bound to the parameters of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Bound {
    /// In their order.
    Positional(Vec<Datum>),
    /// By their names.
    Named(Vec<(String, Datum)>),
}

impl Bound {
    /// Whether there is nothing to bind.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Positional(values) => values.is_empty(),
            Self::Named(values) => values.is_empty(),
        }
    }
}

/// The values that parameters have in this attempt, or why one has none.
pub(super) fn bind(parameters: &SqlParameters, variables: &Variables) -> Result<Bound, String> {
    Ok(match parameters {
        SqlParameters::Positional(all) => {
            let numbered = all.iter().zip(1..);
            let values = numbered.map(|(one, number)| datum(one, variables, &format!("parameter {number}")));
            Bound::Positional(values.collect::<Result<_, _>>()?)
        }
        SqlParameters::Named(all) => {
            let values = all.iter().map(|(name, one)| {
                Ok((name.clone(), datum(one, variables, &format!("parameter {name:?}"))?))
            });
            Bound::Named(values.collect::<Result<_, String>>()?)
        }
    })
}

fn datum(parameter: &SqlParameter, variables: &Variables, what: &str) -> Result<Datum, String> {
    if let SqlParameter::Blob(bytes) = parameter {
        let bytes = bytes.value(variables).map_err(|error| format!("{what}: {error}"))?;
        return Ok(Datum::Blob(bytes.into_owned()));
    }
    Ok(match json(parameter, variables).map_err(|error| format!("{what}: {error}"))? {
        Value::Null => Datum::Null,
        Value::Bool(value) => Datum::Boolean(value),
        Value::String(text) => Datum::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Datum::Integer(whole),
            (None, Some(real)) if !number.is_u64() => Datum::Real(real),
            _ => return Err(format!("{what}: the whole number {number} is out of range")),
        },
        nested @ (Value::Array(_) | Value::Object(_)) => Datum::Json(nested),
    })
}

fn json(parameter: &SqlParameter, variables: &Variables) -> Result<Value, TemplateError> {
    Ok(match parameter {
        SqlParameter::Blob(bytes) => {
            let bytes =
                bytes.value(variables).map_err(|LateError { message, .. }| TemplateError { message })?;
            data_encoding::HEXLOWER.encode(&bytes).into()
        }
        SqlParameter::Value(value) => value.clone(),
        SqlParameter::Template(template) => template.value(variables)?,
        SqlParameter::List(items) => {
            let items = items.iter().map(|item| json(item, variables));
            items.collect::<Result<Vec<_>, _>>()?.into()
        }
        SqlParameter::Object(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), json(value, variables)?)));
            Value::Object(members.collect::<Result<_, TemplateError>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Bound, Datum, bind};
    use crate::model::{SqlParameter, SqlParameters};
    use crate::text::{Template, Variables};

    #[test]
    fn values_keep_their_types() {
        let variables: Variables =
            [("id".to_owned(), json!(7)), ("list".to_owned(), json!([1]))].into_iter().collect();
        let template = |text: &str| SqlParameter::Template(Template::parse(text).expect("a template"));
        let value = |value: Value| SqlParameter::Value(value);
        let all = vec![
            template("{{ id }}"),
            template("no {{ id }}"),
            value(json!(null)),
            value(json!(true)),
            value(json!(-1)),
            value(json!(0.5)),
            value(json!("7")),
            SqlParameter::Blob(vec![0, 255].into()),
        ];
        let expected = vec![
            Datum::Integer(7),
            Datum::Text("no 7".to_owned()),
            Datum::Null,
            Datum::Boolean(true),
            Datum::Integer(-1),
            Datum::Real(0.5),
            Datum::Text("7".to_owned()),
            Datum::Blob(vec![0, 255]),
        ];
        let bound = bind(&SqlParameters::Positional(all), &variables);
        assert_eq!(bound, Ok(Bound::Positional(expected)));
        let list = SqlParameters::Named(vec![("ids".to_owned(), template("{{ list }}"))]);
        let named = |value| Ok(Bound::Named(vec![("ids".to_owned(), value)]));
        assert_eq!(bind(&list, &variables), named(Datum::Json(json!([1]))));
        let nested = SqlParameter::List(vec![
            SqlParameter::Object(vec![("id".to_owned(), template("{{ id }}"))]),
            template("x{{ id }}"),
        ]);
        let nested = SqlParameters::Named(vec![("ids".to_owned(), nested)]);
        assert_eq!(bind(&nested, &variables), named(Datum::Json(json!([{ "id": 7 }, "x7"]))));
        let large = SqlParameters::Positional(vec![value(json!(u64::MAX))]);
        assert!(bind(&large, &variables).is_err());
    }
}
