//! The mirror of a service.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::descriptor::mirror::Spanned;
use crate::descriptor::raw::{List, RawCase, RawDuration, RawRun, RawScalar, Table, Text};
use crate::descriptor::raw_http::RawHttp;
use crate::descriptor::schema_http::HttpOrAddress;

/// A service: a process that runs beside cases.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Service")]
pub(crate) struct RawService {
    /// A note for readers.
    #[serde(default)]
    #[expect(dead_code, reason = "it is for readers")]
    pub(crate) description: Option<String>,
    /// What is run. It must stay in the foreground; `{{ port }}` is a free port, `{{ url }}` its address.
    pub(crate) run: Spanned<RawRun>,
    /// How it is known to be ready. When it says nothing: by its port, if it uses one.
    #[serde(default)]
    pub(crate) ready: Option<Spanned<RawReady>>,
    /// Which cases share a process: all of the `suite`, those of a `file`, or each `case` has its own.
    #[serde(default)]
    pub(crate) scope: Option<Text>,
    /// The services that must be ready before it starts.
    #[serde(default)]
    pub(crate) services: List<Text>,
    /// Variables of the environment; `null` takes one away that is inherited.
    #[serde(default)]
    pub(crate) env: Option<Table<Option<Spanned<RawScalar>>>>,
    /// Variables taken out of the environment.
    #[serde(default)]
    pub(crate) unset_env: List<Text>,
    /// Variables passed on from partest's own environment.
    #[serde(default)]
    pub(crate) inherit_env: List<Text>,
    /// Files and globs placed in its working directory, which is then a private one.
    #[serde(default)]
    pub(crate) inputs: List<Text>,
    /// Files written into its working directory, which is then a private one.
    #[serde(default)]
    pub(crate) files: Option<Table<Option<Text>>>,
    /// Where it starts; otherwise in the folder of the file that defines it.
    #[serde(default)]
    pub(crate) cwd: Option<Text>,
    /// Whether `cwd` may lie outside of the project.
    #[serde(default)]
    pub(crate) allow_outside: Option<bool>,
    /// The time between TERM and KILL.
    #[serde(default)]
    pub(crate) grace: Option<Spanned<RawDuration>>,
    /// Variables whose values no report shows.
    #[serde(default)]
    pub(crate) secrets: List<Text>,
}

/// What a service says that no case does.
#[derive(Debug)]
pub(crate) struct RawRest {
    pub(crate) ready: Option<Spanned<RawReady>>,
    pub(crate) scope: Option<Text>,
}

impl RawService {
    /// What a case says, too, what no case does, and whether it has files in a directory of its own.
    pub(crate) fn apart(self) -> (RawCase, RawRest, bool) {
        let is_private = !self.inputs.0.is_empty() || self.files.is_some();
        let case = RawCase {
            run: Some(self.run),
            env: self.env,
            unset_env: self.unset_env,
            inherit_env: self.inherit_env,
            inputs: self.inputs,
            files: self.files,
            cwd: self.cwd,
            allow_outside: self.allow_outside,
            grace: self.grace,
            secrets: self.secrets,
            services: self.services,
            ..RawCase::default()
        };
        (case, RawRest { ready: self.ready, scope: self.scope }, is_private)
    }
}

/// A request, or only its address.
#[derive(Debug)]
pub(crate) enum RawProbe {
    Address(String),
    Request(Box<RawHttp>),
}

impl<'de> Deserialize<'de> for RawProbe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ProbeVisitor;

        impl<'de> Visitor<'de> for ProbeVisitor {
            type Value = RawProbe;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or a request as of the step `http`")
            }

            fn visit_str<E: Error>(self, address: &str) -> Result<RawProbe, E> {
                Ok(RawProbe::Address(address.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawProbe, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(RawProbe::Request)
            }
        }

        deserializer.deserialize_any(ProbeVisitor)
    }
}

impl JsonSchema for RawProbe {
    fn schema_name() -> Cow<'static, str> {
        HttpOrAddress::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        HttpOrAddress::json_schema(generator)
    }
}

/// How a service is known to be ready: by one of these.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Ready")]
pub(crate) struct RawReady {
    /// This request, or a GET of this address, is answered with a status from 200 to 399.
    pub(crate) http: Option<Spanned<RawProbe>>,
    /// Somebody accepts connections at this port of 127.0.0.1.
    pub(crate) port: Option<Spanned<RawScalar>>,
    /// A line of its output matches this regular expression.
    pub(crate) log: Option<Text>,
    /// This command exits with 0.
    pub(crate) run: Option<Spanned<RawRun>>,
    /// How long it may take.
    pub(crate) timeout: Option<Spanned<RawDuration>>,
}
