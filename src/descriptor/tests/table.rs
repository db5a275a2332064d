//! The table of matchers in the README names what is read, and nothing else.

use std::collections::BTreeSet;

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use crate::descriptor::raw_expect::RawMatchers;

/// Answers the question for a struct with the names of its fields.
struct FieldNames<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(Error::custom("these are the fields"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct identifier ignored_any option newtype_struct map enum
    }
}

#[test]
fn the_readme_names_every_matcher() {
    let mut known = Vec::new();
    assert!(<RawMatchers>::deserialize(FieldNames(&mut known)).is_err());
    let known: BTreeSet<&str> = known.into_iter().collect();
    assert!(known.len() > 10, "{known:?}");

    let readme = include_str!("../../../README.md");
    let start = readme.find("| matcher | holds when the content |").expect("the table of matchers");
    let end = readme[start..].find("\n### ").expect("the next section");
    let section = &readme[start..start + end];
    // The first cell of each row; `exact` and `normalize` stand beside others, and are told of in the text.
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let cells: String = rows.collect();
    let mut named: BTreeSet<&str> = cells.split('`').skip(1).step_by(2).collect();
    for beside in ["exact", "normalize"] {
        assert!(section.contains(&format!("`{beside}`")), "{beside}");
        named.insert(beside);
    }
    assert_eq!(named, known);
}
