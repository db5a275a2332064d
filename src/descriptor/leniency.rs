//! The keys `retries` and `quarantine`: their mirror, and what they mean.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor, value};

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::lower::{Lowering, check_name};
use crate::descriptor::mirror::Spanned;
use crate::descriptor::raw::{RawDuration, Reason, Text};
use crate::model::{Backoff, Quarantine, Retries};
use crate::time::Day;

/// What `"jitter": true` stands for.
const USUAL_JITTER: f64 = 0.5;

/// The words for how the wait grows.
pub(crate) const BACKOFFS: [&str; 2] = ["fixed", "exponential"];

/// A count, or a count with more.
#[derive(Debug, Default)]
pub(crate) struct RawRetries {
    pub(crate) count: u32,
    pub(crate) delay: Option<Spanned<RawDuration>>,
    pub(crate) backoff: Option<Text>,
    pub(crate) jitter: Option<Spanned<RawJitter>>,
}

/// The share of a wait that is left to chance.
#[derive(Debug)]
pub(crate) struct RawJitter(f64);

/// Who takes care of a case that breaks no run, why, and for how long.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Quarantine")]
pub(crate) struct RawQuarantine {
    /// Who takes care of it.
    pub(crate) owner: Text,
    /// Why it is there.
    pub(crate) reason: Spanned<Reason>,
    /// Its last day in UTC, as in "2027-01-31"; after that the case breaks the run again when it fails.
    #[serde(default)]
    pub(crate) until: Option<Text>,
}

impl<'de> Deserialize<'de> for RawRetries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            count: u32,
            #[serde(default)]
            delay: Option<Spanned<RawDuration>>,
            #[serde(default)]
            backoff: Option<Text>,
            #[serde(default)]
            jitter: Option<Spanned<RawJitter>>,
        }

        struct RetriesVisitor;

        impl<'de> Visitor<'de> for RetriesVisitor {
            type Value = RawRetries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count or { \"count\", \"delay\", \"backoff\", \"jitter\" }")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawRetries, E> {
                let count = u32::try_from(number)
                    .map_err(|_| E::custom(format_args!("{number} is no count of retries\nwrite how many further attempts there may be, from 0 to {}", u32::MAX)))?;
                Ok(RawRetries { count, ..RawRetries::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawRetries, A::Error> {
                let full: Full = Deserialize::deserialize(value::MapAccessDeserializer::new(map))?;
                let Full { count, delay, backoff, jitter } = full;
                Ok(RawRetries { count, delay, backoff, jitter })
            }
        }

        deserializer.deserialize_any(RetriesVisitor)
    }
}

impl<'de> Deserialize<'de> for RawJitter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JitterVisitor;

        impl Visitor<'_> for JitterVisitor {
            type Value = RawJitter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a share of the wait from 0 to 1")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<RawJitter, E> {
                Ok(RawJitter(if value { USUAL_JITTER } else { 0.0 }))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawJitter, E> {
                match number {
                    0 => Ok(RawJitter(0.0)),
                    1 => Ok(RawJitter(1.0)),
                    _ => Err(E::custom(format_args!(
                        "{number} is no share of the wait\nwrite one from 0 to 1"
                    ))),
                }
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<RawJitter, E> {
                if (0.0..=1.0).contains(&number) {
                    return Ok(RawJitter(number));
                }
                Err(E::custom(format_args!("{number} is no share of the wait\nwrite one from 0 to 1")))
            }
        }

        deserializer.deserialize_any(JitterVisitor)
    }
}

/// How often a failed attempt is tried again.
pub(crate) fn retries(lowering: &mut Lowering<'_>, retries: Option<&RawRetries>) -> Retries {
    let Some(retries) = retries else { return Retries::default() };
    let delay = lowering.duration(retries.delay.as_ref());
    if retries.delay.is_none() {
        let backoff = retries.backoff.as_ref().map(|backoff| ("backoff", backoff.span));
        let jitter = retries.jitter.as_ref().map(|jitter| ("jitter", jitter.span));
        for (key, span) in backoff.into_iter().chain(jitter) {
            let problem =
                Problem::new(span, format!("`{key}` needs a `delay`, of which it changes the length"));
            lowering.problems.push(problem.help("write `\"delay\": \"1s\"` beside it"));
        }
    }
    let backoff = retries.backoff.as_ref().and_then(|word| {
        let read = lowering.scope.fixed(word, word.span).and_then(|()| match word.as_str() {
            "fixed" => Ok(Backoff::Fixed),
            "exponential" => Ok(Backoff::Exponential),
            other => {
                let problem =
                    Problem::new(word.span, format!("{} is no way for a wait to grow", quote(other)));
                Err(problem.help(suggest(other, "choices", &BACKOFFS).unwrap_or_default()))
            }
        });
        lowering.note(read)
    });
    Retries {
        count: retries.count,
        delay: delay.unwrap_or_default(),
        backoff: backoff.unwrap_or_default(),
        jitter: retries.jitter.as_ref().map_or(0.0, |jitter| jitter.value.0),
    }
}

/// The quarantine of a case.
pub(crate) fn quarantine(lowering: &mut Lowering<'_>, raw: Option<&RawQuarantine>) -> Option<Quarantine> {
    let raw = raw?;
    let owner = lowering
        .scope
        .fixed(&raw.owner, raw.owner.span)
        .and_then(|()| check_name(&raw.owner, raw.owner.span).map(|()| raw.owner.value.clone()));
    let owner = lowering.note(owner);
    let reason = lowering.reason(Some(&raw.reason));
    let until = match &raw.until {
        None => Some(None),
        Some(text) => {
            let day = lowering.scope.fixed(text, text.span).and_then(|()| {
                Day::parse(text).ok_or_else(|| {
                    let problem = Problem::new(text.span, format!("{} is no day", quote(text)));
                    problem.help("write the year, the month and the day, as in \"2027-01-31\"")
                })
            });
            lowering.note(day).map(Some)
        }
    };
    Some(Quarantine { owner: owner?, reason: reason?, until: until? })
}
