//! Values on their way into statements: as texts, which the server reads as what the statement wants.

use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::step::sql::values::Datum;

/// A value for a parameter, or none.
#[derive(Debug, PartialEq)]
pub(super) struct Parameter(Option<String>);

impl Parameter {
    /// A value for a parameter of this type.
    pub(super) fn new(datum: &Datum, wanted: &Type) -> Self {
        Self(match datum {
            Datum::Null => None,
            Datum::Boolean(value) => Some(value.to_string()),
            Datum::Integer(number) => Some(number.to_string()),
            Datum::Real(number) => Some(number.to_string()),
            Datum::Text(text) => Some(text.clone()),
            Datum::Blob(bytes) => Some(format!("\\x{}", data_encoding::HEXLOWER.encode(bytes))),
            Datum::Json(value) => Some(match (value, element(wanted)) {
                (Value::Array(items), Some(element)) => list(items, element),
                _ => value.to_string(),
            }),
        })
    }
}

/// The type of the elements, where this is the type of an array.
fn element(wanted: &Type) -> Option<&Type> {
    match wanted.kind() {
        Kind::Array(element) => Some(element),
        Kind::Domain(base) => element(base),
        _ => None,
    }
}

/// An array as PostgreSQL writes it.
fn list(items: &[Value], of: &Type) -> String {
    let is_json = [Type::JSON, Type::JSONB].contains(of);
    let items = items.iter().map(|item| match item {
        Value::Null => "NULL".to_owned(),
        Value::Array(items) if !is_json => list(items, of),
        Value::String(text) if !is_json => quoted(text),
        other => quoted(&other.to_string()),
    });
    format!("{{{}}}", items.collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl ToSql for Parameter {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match &self.0 {
            None => IsNull::Yes,
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                IsNull::No
            }
        })
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio_postgres::types::Type;

    use super::Parameter;
    use crate::step::sql::values::Datum;

    #[test]
    fn values_become_texts_that_the_server_reads() {
        for (datum, wanted, expected) in [
            (Datum::Boolean(true), Type::BOOL, "true"),
            (Datum::Integer(-7), Type::NUMERIC, "-7"),
            (Datum::Real(0.1), Type::FLOAT8, "0.1"),
            (Datum::Text("ä'\\".to_owned()), Type::TEXT, "ä'\\"),
            (Datum::Blob(vec![0, 255]), Type::BYTEA, "\\x00ff"),
            (Datum::Json(json!({ "a": [1] })), Type::JSONB, r#"{"a":[1]}"#),
            (Datum::Json(json!([1, null])), Type::JSON, "[1,null]"),
            (Datum::Json(json!([1, null, -2])), Type::INT4_ARRAY, r#"{"1",NULL,"-2"}"#),
            (Datum::Json(json!(["a \"b\" \\", "NULL", ""])), Type::TEXT_ARRAY, r#"{"a \"b\" \\","NULL",""}"#),
            (Datum::Json(json!([[1, 2], [3, 4]])), Type::INT4_ARRAY, r#"{{"1","2"},{"3","4"}}"#),
            (Datum::Json(json!([])), Type::INT4_ARRAY, "{}"),
            (Datum::Json(json!([[1], "x"])), Type::JSONB_ARRAY, r#"{"[1]","\"x\""}"#),
        ] {
            assert_eq!(Parameter::new(&datum, &wanted), Parameter(Some(expected.to_owned())));
        }
        assert_eq!(Parameter::new(&Datum::Null, &Type::TEXT), Parameter(None));
    }
}
