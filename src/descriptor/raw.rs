//! The mirror of what users write: one field per key, unknown keys refused, nothing interpreted yet.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use crate::descriptor::conditions::RawConditions;
use crate::descriptor::leniency::{RawQuarantine, RawRetries};
use crate::descriptor::mirror::{Literal, Spanned};
use crate::descriptor::outputs::RawOutputs;
use crate::descriptor::precautions::RawLimits;
use crate::descriptor::raw_capture::{RawCapture, RawUntil};
use crate::descriptor::raw_expect::{OneOrMany, RawExpect};
use crate::descriptor::raw_file::RawFile;
use crate::descriptor::raw_generators::{RawMatrix, RawRows};
use crate::descriptor::raw_http::{RawDownload, RawHttp};
use crate::descriptor::raw_sql::RawSql;
use crate::descriptor::resources::RawLocks;
use crate::descriptor::schema_http::HttpOrAddress;
use crate::descriptor::written::Verbatim;

/// A text and its place.
pub(crate) type Text = Spanned<String>;

/// One case.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Case")]
pub(crate) struct RawCase {
    /// The name, unique in the file.
    #[schemars(regex(pattern = r"\S"))]
    pub(crate) name: Option<Text>,
    /// A note for readers.
    pub(crate) description: Option<String>,
    /// A process: a case of one step, or what every step runs that names nothing itself.
    pub(crate) run: Option<Spanned<RawRun>>,
    /// What is done, in order.
    #[schemars(length(min = 1))]
    pub(crate) steps: Option<Spanned<List<Spanned<RawStep>>>>,
    /// What the process reads.
    pub(crate) stdin: Option<Spanned<RawStdin>>,
    /// Waits for this long.
    pub(crate) sleep: Option<Spanned<RawDuration>>,
    /// Looks at a file.
    pub(crate) file: Option<Spanned<RawFile>>,
    /// Sends a request.
    #[schemars(with = "Option<HttpOrAddress>")]
    pub(crate) http: Option<Spanned<Box<RawHttp>>>,
    /// Fetches a file.
    pub(crate) download: Option<Spanned<Box<RawDownload>>>,
    /// Asks a database.
    pub(crate) sql: Option<Spanned<Box<RawSql>>>,
    /// Asks a worker this.
    pub(crate) call: Option<Spanned<Verbatim>>,
    /// The process that answers calls, of many cases one after the other.
    pub(crate) worker: Option<Spanned<RawRun>>,
    /// Variables of the environment; `null` takes one away that is inherited.
    pub(crate) env: Option<Table<Option<Spanned<RawScalar>>>>,
    /// Variables taken out of the environment.
    pub(crate) unset_env: List<Text>,
    /// Variables passed on from partest's own environment.
    pub(crate) inherit_env: List<Text>,
    /// Files and globs placed in the working directory.
    pub(crate) inputs: List<Text>,
    /// Files written into the working directory.
    pub(crate) files: Option<Table<Option<Text>>>,
    /// Files and globs in the working directory that are kept after each attempt.
    pub(crate) outputs: Option<Spanned<RawOutputs>>,
    /// Where the processes start.
    pub(crate) cwd: Option<Text>,
    /// Whether `cwd` and the file of `stdin` may lie outside of the project.
    pub(crate) allow_outside: Option<bool>,
    /// How far the processes are kept from the machine: `process`, the default, is the only level of this version.
    pub(crate) isolation: Option<Text>,
    /// What must hold afterwards.
    pub(crate) expect: Option<Spanned<Box<RawExpect>>>,
    /// What is given to later steps.
    pub(crate) capture: Option<Table<Spanned<RawCapture>>>,
    /// How it is tried again until everything holds.
    pub(crate) until: Option<Spanned<RawUntil>>,
    /// The limit of one attempt.
    pub(crate) timeout: Option<Spanned<RawDuration>>,
    /// When the case counts as slow.
    pub(crate) slow_after: Option<Spanned<RawDuration>>,
    /// The time between TERM and KILL.
    pub(crate) grace: Option<Spanned<RawDuration>>,
    /// How often a failed attempt is tried again.
    pub(crate) retries: Option<RawRetries>,
    /// What its processes may use.
    pub(crate) limits: Option<RawLimits>,
    /// What it means when it leaves processes behind.
    pub(crate) leak: Option<Text>,
    /// Variables whose values no report shows.
    pub(crate) secrets: List<Text>,
    /// The services that run beside it.
    pub(crate) services: List<Text>,
    /// Whether it runs alone.
    pub(crate) exclusive: Option<bool>,
    /// How many CPU slots it takes.
    #[schemars(range(min = 1))]
    pub(crate) weight: Option<Spanned<i64>>,
    /// Whether it mostly waits, and so takes an I/O slot and no CPU slot.
    pub(crate) waits: Option<bool>,
    /// The locks it holds.
    pub(crate) locks: Option<RawLocks>,
    /// How many it takes of pools.
    pub(crate) pools: Option<Table<Option<Spanned<i64>>>>,
    /// The cases that must have passed before: names of the same file, ids, or either with `*` and `?`.
    pub(crate) after: List<Text>,
    /// Labels.
    pub(crate) tags: List<Text>,
    /// The reason for which it is not run.
    pub(crate) skip: Option<Spanned<Reason>>,
    /// What must hold of the machine, or else it is not run.
    pub(crate) only_if: Option<Spanned<RawConditions>>,
    /// Programs that must exist: names, or paths relative to the descriptor.
    pub(crate) requires: List<Text>,
    /// Set when it is known to fail.
    pub(crate) xfail: Option<RawXfail>,
    /// Set when it breaks no run.
    pub(crate) quarantine: Option<RawQuarantine>,
    /// Values for `{{ name }}`.
    pub(crate) vars: Option<Table<Literal>>,
    /// Makes a case of every combination of some values.
    pub(crate) matrix: Option<Spanned<RawMatrix>>,
    /// Makes a case of every row of a table.
    pub(crate) rows: Option<Spanned<RawRows>>,
    /// Makes a case of every file that a glob matches.
    pub(crate) foreach: Option<OneOrMany>,
}

/// One step.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Step")]
pub(crate) struct RawStep {
    /// A process.
    pub(crate) run: Option<Spanned<RawRun>>,
    /// What it reads.
    pub(crate) stdin: Option<Spanned<RawStdin>>,
    /// Waits for this long.
    pub(crate) sleep: Option<Spanned<RawDuration>>,
    /// Looks at a file.
    pub(crate) file: Option<Spanned<RawFile>>,
    /// Sends a request.
    #[schemars(with = "Option<HttpOrAddress>")]
    pub(crate) http: Option<Spanned<Box<RawHttp>>>,
    /// Fetches a file.
    pub(crate) download: Option<Spanned<Box<RawDownload>>>,
    /// Asks a database.
    pub(crate) sql: Option<Spanned<Box<RawSql>>>,
    /// Asks a worker this.
    pub(crate) call: Option<Spanned<Verbatim>>,
    /// The process that answers calls, of many cases one after the other.
    pub(crate) worker: Option<Spanned<RawRun>>,
    /// What must hold afterwards.
    pub(crate) expect: Option<Spanned<Box<RawExpect>>>,
    /// What is given to later steps.
    pub(crate) capture: Option<Table<Spanned<RawCapture>>>,
    /// How it is tried again until everything holds.
    pub(crate) until: Option<Spanned<RawUntil>>,
    /// A limit of its own.
    pub(crate) timeout: Option<Spanned<RawDuration>>,
    /// Whether it runs after a failed step, too.
    pub(crate) always: bool,
}

/// A table whose keys are the user's, in the order of the text.
#[derive(Debug)]
pub(crate) struct Table<T>(pub(crate) Vec<(Text, T)>);

/// Values in order; `null` is none.
#[derive(Debug)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A program with arguments, or a script.
#[derive(Debug)]
pub(crate) enum RawRun {
    Program(Vec<Text>),
    Shell(String),
}

/// A text, or the file that holds it.
#[derive(Debug)]
pub(crate) enum RawStdin {
    Text(Text),
    File(Text),
}

/// A text, or a number or truth value taken as text.
#[derive(Debug)]
pub(crate) enum RawScalar {
    Text(String),
    /// As partest would write it; what stands in the file is what counts.
    Number(String),
}

/// A duration with its unit.
#[derive(Debug)]
pub(crate) struct RawDuration(pub(crate) String);

/// A reason, as every report shows it.
#[derive(Debug)]
pub(crate) struct Reason(pub(crate) String);

/// A reason, or a reason with more.
#[derive(Debug)]
pub(crate) struct RawXfail {
    pub(crate) reason: Spanned<Reason>,
    pub(crate) strict: bool,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Table(entries))
            }
        }

        deserializer.deserialize_map(TableVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(List::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Deserialize::deserialize(value::SeqAccessDeserializer::new(seq)).map(List)
            }
        }

        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}
