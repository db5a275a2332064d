//! Values on their way out of rows, as JSON.
//!
//! The client gets them in the binary form of their types. Numbers, truth values, texts, bytes, JSON, UUIDs and arrays
//! are read here; of everything else, known or not, the server itself is asked for the text, which is what `psql` shows.

use bytes::BytesMut;
use postgres_protocol::types::{Array, ArrayDimension, array_from_sql, array_to_sql};
use serde_json::{Number, Value};
use tokio_postgres::Row;
use tokio_postgres::fallible_iterator::FallibleIterator as _;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::text::from_json;

/// What goes wrong in the crates that know the binary forms.
type Bad = Box<dyn std::error::Error + Sync + Send>;

/// A value in the form of its type, or none.
struct Raw<'a>(Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Bad> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Bad> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Values of one type that are sent to the server in the form in which they came.
#[derive(Debug)]
pub(super) struct Returned<'a>(Vec<&'a [u8]>);

/// The values of a column that only the server can make a text of.
pub(super) struct Foreign<'a> {
    /// Their type.
    pub(super) of: &'a Type,
    /// The values.
    pub(super) values: Returned<'a>,
}

/// How the values of a type become JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Here.
    Own,
    /// By the text that the server makes of them.
    Foreign,
    /// Not at all.
    None,
}

impl Foreign<'_> {
    /// Whether there is no value.
    pub(super) fn is_empty(&self) -> bool {
        self.values.0.is_empty()
    }

    /// The statement whose parameter the values are, and whose rows are their texts.
    pub(super) fn statement(&self) -> String {
        let quote = postgres_protocol::escape::escape_identifier;
        let name = format!("{}.{}", quote(self.of.schema()), quote(self.of.name()));
        format!("select pg_catalog.unnest($1::{name}[])::text")
    }
}

/// How the values of a type, or the elements of its arrays, become JSON.
pub(super) fn reading(of: &Type) -> Reading {
    let of = leaf(of);
    match of.kind() {
        Kind::Enum(_) => Reading::Own,
        Kind::Pseudo if *of == Type::VOID => Reading::Own,
        Kind::Pseudo if *of != Type::UNKNOWN => Reading::None,
        _ => match own(of, &[]) {
            None => Reading::Foreign,
            Some(_) => Reading::Own,
        },
    }
}

/// The type below arrays and domains.
fn leaf(of: &Type) -> &Type {
    match of.kind() {
        Kind::Array(inner) | Kind::Domain(inner) => leaf(inner),
        _ => of,
    }
}

/// The values of a column that only the server can make a text of, in their order.
pub(super) fn foreign<'a>(rows: &'a [Row], column: usize, of: &'a Type) -> Result<Foreign<'a>, Bad> {
    let mut values = Vec::new();
    for row in rows {
        let Raw(raw) = row.try_get(column)?;
        walk(of, raw, &mut |_, raw| {
            values.push(raw);
            Ok(Value::Null)
        })?;
    }
    Ok(Foreign { of: leaf(of), values: Returned(values) })
}

/// The values of a column. `texts` are those of its foreign values, in their order.
pub(super) fn column(
    rows: &[Row],
    column: usize,
    of: &Type,
    texts: Option<Vec<String>>,
) -> Result<Vec<Value>, Bad> {
    let is_foreign = texts.is_some();
    let mut texts = texts.into_iter().flatten();
    let values = rows.iter().map(|row| {
        let Raw(raw) = row.try_get(column)?;
        walk(of, raw, &mut |of, raw| match is_foreign {
            true => texts.next().map(|text| told(of, text)).ok_or_else(|| "a value is missing".into()),
            false => own(of, raw).unwrap_or_else(|| Err("an unknown form".into())),
        })
    });
    values.collect()
}

/// What a text of the server is as JSON: a number, where JSON's hold all of its digits, or itself.
fn told(of: &Type, text: String) -> Value {
    let number = if *of == Type::NUMERIC { exact(&text) } else { None };
    number.map_or(Value::String(text), Value::Number)
}

/// A decimal number, if JSON's hold all of its digits.
fn exact(text: &str) -> Option<Number> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        return whole.parse::<i64>().ok().map(Number::from);
    }
    let digits = whole.trim_start_matches(['-', '0']).len() + fraction.len();
    (digits <= 15).then(|| text.parse().ok().and_then(Number::from_f64)).flatten()
}

/// Reads a value that is no array.
type Read<'r, 'a> = dyn FnMut(&Type, &'a [u8]) -> Result<Value, Bad> + 'r;

/// Goes through the dimensions of arrays to the values in them.
fn walk<'a>(of: &Type, raw: Option<&'a [u8]>, read: &mut Read<'_, 'a>) -> Result<Value, Bad> {
    let Some(raw) = raw else { return Ok(Value::Null) };
    match of.kind() {
        Kind::Domain(base) => walk(base, Some(raw), read),
        Kind::Array(element) => {
            let array: Array<'a> = array_from_sql(raw)?;
            let dimensions = array.dimensions().map(|one| Ok(usize::try_from(one.len)?));
            let dimensions: Vec<usize> = dimensions.collect()?;
            let mut values = Vec::new();
            let mut found = array.values();
            while let Some(value) = found.next()? {
                values.push(walk(element, value, read)?);
            }
            Ok(nested(values, &dimensions))
        }
        _ => read(of, raw),
    }
}

/// The values of an array, in lists of lists where it has several dimensions.
fn nested(values: Vec<Value>, dimensions: &[usize]) -> Value {
    let inner: usize = dimensions.iter().skip(1).product();
    if dimensions.len() < 2 || inner == 0 {
        return values.into();
    }
    let mut values = values.into_iter();
    let lists = (0..dimensions[0]).map(|_| nested(values.by_ref().take(inner).collect(), &dimensions[1..]));
    Value::Array(lists.collect())
}

/// A value of a type that is known here.
fn own(of: &Type, raw: &[u8]) -> Option<Result<Value, Bad>> {
    fn real(number: f64) -> Value {
        let text = || number.to_string().replace("inf", "Infinity");
        Number::from_f64(number).map_or_else(|| text().into(), Value::Number)
    }
    let json = |raw: &[u8]| from_json(std::str::from_utf8(raw)?).map_err(Bad::from);
    Some(match *of {
        Type::BOOL => bool::from_sql(of, raw).map(Value::from),
        Type::INT2 => i16::from_sql(of, raw).map(Value::from),
        Type::INT4 => i32::from_sql(of, raw).map(Value::from),
        Type::INT8 => i64::from_sql(of, raw).map(Value::from),
        Type::OID => u32::from_sql(of, raw).map(Value::from),
        // The shortest digits of the number as it is, not of what it would be with twice the bits.
        Type::FLOAT4 => {
            f32::from_sql(of, raw).map(|number| real(number.to_string().parse().unwrap_or(number.into())))
        }
        Type::FLOAT8 => f64::from_sql(of, raw).map(real),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::CHAR | Type::VOID => {
            Ok(String::from_utf8_lossy(raw).into())
        }
        Type::BYTEA => Ok(data_encoding::HEXLOWER.encode(raw).into()),
        Type::JSON => json(raw),
        // The first byte is the version of the form.
        Type::JSONB => json(raw.get(1..).unwrap_or_default()),
        Type::UUID => Ok(uuid(raw).into()),
        _ if matches!(of.kind(), Kind::Enum(_)) => Ok(String::from_utf8_lossy(raw).into()),
        _ => return None,
    })
}

fn uuid(raw: &[u8]) -> String {
    let digits = data_encoding::HEXLOWER.encode(raw);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

impl ToSql for Returned<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Bad> {
        let Kind::Array(element) = of.kind() else { return Err("no array is wanted".into()) };
        let dimension = ArrayDimension { len: i32::try_from(self.0.len())?, lower_bound: 1 };
        array_to_sql(
            Some(dimension),
            element.oid(),
            &self.0,
            |value, out| {
                out.extend_from_slice(value);
                Ok(postgres_protocol::IsNull::No)
            },
            out,
        )?;
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Rows as JSON objects are made by others; these are the values of each row, from those of the columns.
pub(super) fn transposed(columns: Vec<Vec<Value>>, count: usize) -> impl Iterator<Item = Vec<Value>> {
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    (0..count).map(move |_| columns.iter_mut().filter_map(Iterator::next).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio_postgres::types::Type;

    use super::{Reading, exact, nested, own, reading, uuid};

    #[test]
    fn numbers_are_numbers_as_long_as_no_digit_is_lost() {
        for (text, expected) in [
            ("0", Some(json!(0))),
            ("-12", Some(json!(-12))),
            ("2.0000000000000000", Some(json!(2))),
            ("12.50", Some(json!(12.5))),
            ("-0.001", Some(json!(-0.001))),
            ("9223372036854775807", Some(json!(i64::MAX))),
            ("9223372036854775808", None),
            ("0.33333333333333333333", None),
            ("1234567890123.456", None),
            ("NaN", None),
            ("Infinity", None),
        ] {
            assert_eq!(exact(text).map(Value::Number), expected, "{text}");
        }
    }

    #[test]
    fn known_types_are_read_here() {
        for (of, raw, expected) in [
            (Type::BOOL, &[1][..], json!(true)),
            (Type::INT4, &[255, 255, 255, 254], json!(-2)),
            (Type::FLOAT4, &0.1_f32.to_be_bytes(), json!(0.1)),
            (Type::FLOAT8, &f64::INFINITY.to_be_bytes(), json!("Infinity")),
            (Type::TEXT, "ä".as_bytes(), json!("ä")),
            (Type::BYTEA, &[0, 255], json!("00ff")),
            (Type::JSONB, b"\x01{\"a\": 1}", json!({ "a": 1 })),
        ] {
            assert_eq!(own(&of, raw).expect("known").expect("read"), expected, "{of}");
        }
        assert!(own(&Type::INT4, &[1]).expect("known").is_err());
        assert_eq!(reading(&Type::INT4_ARRAY), Reading::Own);
        assert_eq!(reading(&Type::NUMERIC_ARRAY), Reading::Foreign);
        assert_eq!(reading(&Type::RECORD), Reading::None);
        assert_eq!(uuid(&[0xab; 16]), "abababab-abab-abab-abab-abababababab");
    }

    #[test]
    fn dimensions_become_lists() {
        let values = |count: i32| (0..count).map(Value::from).collect::<Vec<_>>();
        assert_eq!(nested(values(3), &[3]), json!([0, 1, 2]));
        assert_eq!(nested(values(4), &[2, 2]), json!([[0, 1], [2, 3]]));
        assert_eq!(nested(values(4), &[2, 1, 2]), json!([[[0, 1]], [[2, 3]]]));
        assert_eq!(nested(Vec::new(), &[]), json!([]));
    }
}
