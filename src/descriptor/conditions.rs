//! `only_if`: the systems, architectures and environments that a case is for.

use std::env::consts::{ARCH, OS};
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::lower::{Lowering, check_variable_name};
use crate::descriptor::mirror::Spanned;
use crate::descriptor::node::Span;
use crate::descriptor::outside::Outside;
use crate::descriptor::raw::{Table, Text};
use crate::descriptor::raw_expect::OneOrMany;

/// Systems as Rust names them.
const SYSTEMS: [&str; 11] = [
    "android",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "linux",
    "macos",
    "netbsd",
    "openbsd",
    "windows",
];
/// Architectures as Rust names them.
const ARCHITECTURES: [&str; 11] = [
    "aarch64",
    "arm",
    "loongarch64",
    "mips",
    "mips64",
    "powerpc",
    "powerpc64",
    "riscv64",
    "s390x",
    "x86",
    "x86_64",
];

/// Conditions of which one must hold.
#[derive(Debug)]
pub(crate) struct RawConditions(Vec<RawCondition>);

/// All that is given must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Condition")]
pub(crate) struct RawCondition {
    /// The system is one of these.
    os: Option<OneOrMany>,
    /// The architecture is one of these.
    arch: Option<OneOrMany>,
    /// Variables of partest's own environment have these values.
    env: Option<Table<RawVariable>>,
}

/// What a variable must be.
#[derive(Debug)]
pub(crate) enum RawVariable {
    /// Set to one of these values.
    OneOf(OneOrMany),
    /// Set, or not.
    Set(bool),
}

/// The reason for which a case is not run, unless its conditions hold.
pub(crate) fn unmet(
    lowering: &mut Lowering<'_>,
    conditions: Option<&Spanned<RawConditions>>,
    outside: &dyn Outside,
) -> Option<String> {
    let conditions = conditions?;
    let mut reasons = Vec::new();
    for condition in &conditions.0 {
        check(lowering, condition.os.as_ref(), "system", &SYSTEMS);
        check(lowering, condition.arch.as_ref(), "architecture", &ARCHITECTURES);
        for (name, wanted) in condition.env.iter().flat_map(|table| &table.0) {
            let fixed = lowering.scope.fixed(name, name.span).and_then(|()| check_variable_name(name));
            lowering.note(fixed);
            wanted.check(lowering);
        }
        let own = [("os", &condition.os, OS), ("arch", &condition.arch, ARCH)];
        let own = own.into_iter().find_map(|(key, wanted, here)| {
            let wanted = wanted.as_ref()?;
            let holds = wanted.texts.iter().any(|text| text.value == here);
            (!holds).then(|| format!("only if {key} is {}, and this is {here}", either(&wanted.texts)))
        });
        let variables = condition.env.iter().flat_map(|table| &table.0);
        let unmet =
            own.or_else(|| variables.into_iter().find_map(|(name, wanted)| wanted.unmet(name, outside)));
        reasons.push(unmet);
    }
    reasons.into_iter().collect::<Option<Vec<_>>>().map(|reasons| reasons.join("; "))
}

fn check(lowering: &mut Lowering<'_>, wanted: Option<&OneOrMany>, what: &str, known: &[&str]) {
    wanted
        .into_iter()
        .filter(|wanted| wanted.texts.is_empty())
        .for_each(|wanted| empty(lowering, wanted.span));
    for text in wanted.into_iter().flat_map(|wanted| &wanted.texts) {
        let fixed = lowering.scope.fixed(text, text.span);
        if lowering.note(fixed).is_some() && !known.contains(&text.as_str()) {
            let problem = Problem::new(text.span, format!("{} is no {what}", quote(text)));
            lowering.problems.push(match suggest(text, "known names", known) {
                Some(help) => problem.help(help),
                None => problem,
            });
        }
    }
}

/// None of no values is the right one, so that the case would never run.
fn empty(lowering: &mut Lowering<'_>, span: Span) {
    lowering.problems.push(Problem::new(span, "the list is empty").help("name one, or take the key out"));
}

fn either(texts: &[Text]) -> String {
    texts.iter().map(|text| text.as_str()).collect::<Vec<_>>().join(" or ")
}

impl RawVariable {
    fn check(&self, lowering: &mut Lowering<'_>) {
        let Self::OneOf(wanted) = self else { return };
        if wanted.texts.is_empty() {
            empty(lowering, wanted.span);
        }
        for text in &wanted.texts {
            let fixed = lowering.scope.fixed(text, text.span);
            lowering.note(fixed);
        }
    }

    /// Why it does not hold. Values of the environment may be secret, so that the reason repeats none.
    fn unmet(&self, name: &str, outside: &dyn Outside) -> Option<String> {
        let value = outside.variable(name);
        match (self, value) {
            (Self::Set(true), None) => Some(format!("only if the variable {name} is set")),
            (Self::Set(false), Some(_)) => Some(format!("only if the variable {name} is not set")),
            (Self::Set(_), _) => None,
            (Self::OneOf(wanted), Some(value)) if wanted.texts.iter().any(|text| text.value == value) => None,
            (Self::OneOf(wanted), value) => {
                let found = if value.is_some() { "another value" } else { "not set" };
                Some(format!("only if the variable {name} is {}, and it is {found}", either(&wanted.texts)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for RawConditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ConditionsVisitor;

        impl<'de> Visitor<'de> for ConditionsVisitor {
            type Value = RawConditions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with `os`, `arch` and `env`, or a list of such objects")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawConditions, A::Error> {
                let one = Deserialize::deserialize(value::MapAccessDeserializer::new(map))?;
                Ok(RawConditions(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawConditions, A::Error> {
                let all: Vec<_> = Deserialize::deserialize(value::SeqAccessDeserializer::new(seq))?;
                match all.is_empty() {
                    true => Err(A::Error::custom(
                        "the list of conditions is empty\nname one, or take the key out",
                    )),
                    false => Ok(RawConditions(all)),
                }
            }
        }

        deserializer.deserialize_any(ConditionsVisitor)
    }
}

impl<'de> Deserialize<'de> for RawVariable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VariableVisitor;

        enum Either {
            Set(bool),
            One(String),
            Many(Vec<Text>),
        }

        impl<'de> Visitor<'de> for VariableVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a list of strings, true (it is set) or false (it is not)")
            }

            fn visit_bool<E: Error>(self, set: bool) -> Result<Either, E> {
                Ok(Either::Set(set))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Either, E> {
                Ok(Either::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Either, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(Either::Many)
            }
        }

        impl<'de> Deserialize<'de> for Either {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(VariableVisitor)
            }
        }

        let Spanned { value, span } = Deserialize::deserialize(deserializer)?;
        Ok(match value {
            Either::Set(set) => Self::Set(set),
            Either::One(value) => Self::OneOf(OneOrMany { texts: vec![Spanned { value, span }], span }),
            Either::Many(texts) => Self::OneOf(OneOrMany { texts, span }),
        })
    }
}
