//! The keys `limits`, `leak`, `secrets` and `isolation`: their mirror, and what they mean.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use globset::Glob;

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::lower::{Lowering, check_variable_name};
use crate::descriptor::mirror::Spanned;
use crate::descriptor::raw::{RawCase, RawDuration, Text};
use crate::model::{LeakPolicy, Precautions, ResourceLimits};

/// The least memory with which a program can be loaded, in bytes.
const LEAST_MEMORY: u64 = 1 << 20;

/// The fewest descriptors with which a program can be loaded.
const FEWEST_FILES: u64 = 8;

/// What the processes of a case may use.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Limits")]
pub(crate) struct RawLimits {
    /// The address space of each process.
    pub(crate) memory: Option<Spanned<RawSize>>,
    /// The processor time of each process.
    pub(crate) cpu: Option<Spanned<RawDuration>>,
    /// The size of each file that is written.
    pub(crate) file_size: Option<Spanned<RawSize>>,
    /// How many processes there are at once.
    pub(crate) processes: Option<Spanned<u64>>,
    /// How many files each process has open.
    pub(crate) open_files: Option<Spanned<u64>>,
}

/// A number of bytes.
#[derive(Debug)]
pub(crate) struct RawSize(pub(crate) u64);

/// A number of bytes: a number, or a text such as `64MiB`.
impl<'de> Deserialize<'de> for RawSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = RawSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"64MiB\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawSize, E> {
                let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let factor: u64 = match text[number.len()..].trim() {
                    "B" => 1,
                    "kB" => 1000,
                    "MB" => 1_000_000,
                    "GB" => 1_000_000_000,
                    "KiB" => 1 << 10,
                    "MiB" => 1 << 20,
                    "GiB" => 1 << 30,
                    _ => 0,
                };
                let digits = number.trim_end();
                let size = digits.parse().ok().and_then(|number: u64| number.checked_mul(factor));
                if size.is_none()
                    && factor > 0
                    && !digits.is_empty()
                    && digits.bytes().all(|byte| byte.is_ascii_digit())
                {
                    let most = u64::MAX >> 30;
                    return Err(E::custom(format_args!(
                        "{} is too large\nwrite at most {most}GiB",
                        quote(text)
                    )));
                }
                size.filter(|_| factor > 0).map(RawSize).ok_or_else(|| {
                    E::custom(format_args!(
                        "{} is no size\nwrite a whole number with a unit, as in \"512KiB\", \"64MiB\" or \"2GiB\"",
                        quote(text)
                    ))
                })
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<RawSize, E> {
                Err(E::custom(format_args!(
                    "a size needs a unit\nwrite it as a string, as in \"{number}MiB\""
                )))
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

/// Refuses levels of isolation that there are not.
fn check_isolation(isolation: &Text) -> Result<(), Problem> {
    match isolation.as_str() {
        "process" => Ok(()),
        "sandbox" | "sandbox?" => {
            let message = format!("`isolation: {}` is not supported by this version yet", isolation.value);
            Err(Problem::new(isolation.span, message).help("take it out: nothing in its place would be kept"))
        }
        other => Err(Problem::new(isolation.span, format!("{} is no level of isolation", quote(other)))
            .help("write \"process\", or take the key out")),
    }
}

/// The precautions that a case asks for.
pub(crate) fn lower(lowering: &mut Lowering<'_>, case: &RawCase) -> Precautions {
    if let Some(isolation) = &case.isolation {
        let checked =
            lowering.scope.fixed(isolation, isolation.span).and_then(|()| check_isolation(isolation));
        lowering.note(checked);
    }
    let leak = case.leak.as_ref().map(|leak| {
        let policy = match leak.as_str() {
            "fail" => Ok(LeakPolicy::Fail),
            "warn" => Ok(LeakPolicy::Warn),
            "allow" => Ok(LeakPolicy::Allow),
            other => Err(Problem::new(leak.span, format!("{} is no policy for leaks", quote(other)))
                .help("write \"fail\", \"warn\" or \"allow\"")),
        };
        lowering.note(policy).unwrap_or_default()
    });
    let secrets = case.secrets.0.iter().map(|name| {
        lowering.scope.fixed(name, name.span)?;
        check_variable_name(name)?;
        if name.contains('*')
            && let Err(error) = Glob::new(name)
        {
            return Err(Problem::new(name.span, format!("no pattern for names: {}", error.kind())));
        }
        Ok(name.value.clone())
    });
    let secrets: Vec<_> = secrets.collect();
    Precautions {
        limits: case.limits.as_ref().map(|raw| limits(lowering, raw)).unwrap_or_default(),
        leak: leak.unwrap_or_default(),
        secrets: secrets.into_iter().filter_map(|name| lowering.note(name)).collect(),
    }
}

fn limits(lowering: &mut Lowering<'_>, raw: &RawLimits) -> ResourceLimits {
    let mut number = |value: Option<Spanned<u64>>, least: u64, unit: &str| {
        let Spanned { value, span } = value?;
        let enough = if value >= least {
            Ok(value)
        } else {
            Err(Problem::new(span, format!("the limit must be at least {least}{unit}")))
        };
        lowering.note(enough)
    };
    let size = |size: &Spanned<RawSize>| Spanned { value: size.0, span: size.span };
    let whole = |count: &Spanned<u64>| Spanned { value: count.value, span: count.span };
    ResourceLimits {
        memory: number(raw.memory.as_ref().map(size), LEAST_MEMORY, " bytes"),
        file_size: number(raw.file_size.as_ref().map(size), 0, " bytes"),
        processes: number(raw.processes.as_ref().map(whole), 1, ""),
        open_files: number(raw.open_files.as_ref().map(whole), FEWEST_FILES, ""),
        cpu: lowering.duration(raw.cpu.as_ref()),
    }
}
