//! How JSON is read that is passed on: as it stands, every key of it kept in its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::descriptor::mirror::LITERAL;
use crate::model::Written;

/// Any value, with its order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verbatim(pub(crate) Written);

impl<'de> Deserialize<'de> for Verbatim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(LITERAL, WrittenVisitor)
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Verbatim;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Verbatim, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Verbatim, E> {
        Ok(Verbatim(Written::Simple(Value::Null)))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Verbatim, E> {
        Ok(Verbatim(Written::Simple(value.into())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Verbatim, E> {
        Ok(Verbatim(Written::Simple(number.into())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Verbatim, E> {
        Ok(Verbatim(Written::Simple(number.into())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Verbatim, E> {
        Ok(Verbatim(Written::Simple(number.into())))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Verbatim, E> {
        Ok(Verbatim(Written::Simple(text.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Verbatim, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or_default());
        while let Some(Verbatim(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Verbatim(Written::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Verbatim, A::Error> {
        let mut members = Vec::new();
        while let Some((name, Verbatim(member))) = map.next_entry()? {
            members.push((name, member));
        }
        Ok(Verbatim(Written::Object(members)))
    }
}
