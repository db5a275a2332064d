//! The key `outputs`: its mirror, and what it means.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::lower::Lowering;
use crate::descriptor::mirror::Spanned;
use crate::descriptor::paths::{self, Reach};
use crate::descriptor::raw::Text;
use crate::descriptor::raw_expect::OneOrMany;
use crate::model::{KeepWhen, OutputFiles};

pub(crate) const ALWAYS: &str = "always";
pub(crate) const FAILURE: &str = "failure";

/// One or several.
#[derive(Debug)]
pub(crate) enum RawOutputs {
    One(RawOutput),
    Many(Vec<Spanned<RawOutput>>),
}

/// A glob, or globs with when their files are kept.
#[derive(Debug)]
pub(crate) enum RawOutput {
    Glob(String),
    When { paths: OneOrMany, on: Option<Text> },
}

impl<'de> Deserialize<'de> for RawOutput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OutputVisitor;

        impl<'de> Visitor<'de> for OutputVisitor {
            type Value = RawOutput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a glob or { \"paths\": globs, \"on\": \"failure\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawOutput, E> {
                Ok(RawOutput::Glob(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawOutput, A::Error> {
                read_when(map)
            }
        }

        deserializer.deserialize_any(OutputVisitor)
    }
}

impl<'de> Deserialize<'de> for RawOutputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OutputsVisitor;

        impl<'de> Visitor<'de> for OutputsVisitor {
            type Value = RawOutputs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of globs or { \"paths\": globs, \"on\": \"failure\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawOutputs, E> {
                Ok(RawOutputs::One(RawOutput::Glob(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawOutputs, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(RawOutputs::Many)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawOutputs, A::Error> {
                read_when(map).map(RawOutputs::One)
            }
        }

        deserializer.deserialize_any(OutputsVisitor)
    }
}

fn read_when<'de, A: MapAccess<'de>>(map: A) -> Result<RawOutput, A::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct When {
        paths: OneOrMany,
        #[serde(default)]
        on: Option<Text>,
    }

    let When { paths, on } = Deserialize::deserialize(value::MapAccessDeserializer::new(map))?;
    Ok(RawOutput::When { paths, on })
}

/// The files of a case that are kept.
pub(crate) fn lower(lowering: &mut Lowering<'_>, raw: Option<&Spanned<RawOutputs>>) -> Vec<OutputFiles> {
    let mut lowered = Vec::new();
    let Some(Spanned { value, span }) = raw else { return lowered };
    match value {
        RawOutputs::One(RawOutput::Glob(text)) => {
            let text = Text { value: text.clone(), span: *span };
            push(lowering, &text, KeepWhen::Always, &mut lowered);
        }
        RawOutputs::One(output) => several(lowering, output, &mut lowered),
        RawOutputs::Many(outputs) => {
            for Spanned { value, span } in outputs {
                match value {
                    RawOutput::Glob(text) => {
                        let text = Text { value: text.clone(), span: *span };
                        push(lowering, &text, KeepWhen::Always, &mut lowered);
                    }
                    output => several(lowering, output, &mut lowered),
                }
            }
        }
    }
    lowered
}

fn several(lowering: &mut Lowering<'_>, output: &RawOutput, lowered: &mut Vec<OutputFiles>) {
    let RawOutput::When { paths, on } = output else { return };
    let when = on.as_ref().map_or(Some(KeepWhen::Always), |on| {
        let read = lowering.scope.fixed(on, on.span).and_then(|()| match on.as_str() {
            ALWAYS => Ok(KeepWhen::Always),
            FAILURE => Ok(KeepWhen::OnFailure),
            other => {
                let problem =
                    Problem::new(on.span, format!("{} does not say when to keep files", quote(other)));
                Err(problem.help(suggest(other, "choices", &[ALWAYS, FAILURE]).unwrap_or_default()))
            }
        });
        lowering.note(read)
    });
    for text in &paths.texts {
        push(lowering, text, when.unwrap_or_default(), lowered);
    }
}

fn push(lowering: &mut Lowering<'_>, text: &Text, when: KeepWhen, lowered: &mut Vec<OutputFiles>) {
    let checked = lowering
        .scope
        .fixed(text, text.span)
        .and_then(|()| paths::check(text, Reach::Below, text.span))
        .and_then(|()| paths::check_glob(text, text.span));
    if lowering.note(checked).is_some() {
        lowered.push(OutputFiles { pattern: text.value.clone(), when });
    }
}
