//! Variables that are given on the command line.

use std::sync::Arc;

use clap::Args;

use crate::config::Settings;
use crate::descriptor::parse_variable;
use crate::discovery::DiscoverOptions;

/// What descriptors are given.
#[derive(Clone, Debug, Args)]
pub(super) struct VariableArguments {
    /// Give a variable a value, before what descriptors and suite files say under vars
    ///
    /// May be given several times. In descriptors it is {{ NAME }}.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_variable)]
    variables: Vec<(String, serde_json::Value)>,
}

impl VariableArguments {
    /// The flags as they were given.
    pub(super) fn flags(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.variables.iter().map(|(name, value)| match value {
            serde_json::Value::String(text) => ("--var", format!("{name}={text}")),
            // A value has another type only where it is written just as it was given.
            other => ("--var", format!("{name}={other}")),
        })
    }

    /// How descriptors are read, with these variables and the defaults of `settings`.
    pub(super) fn options(&self, settings: &Settings) -> DiscoverOptions {
        DiscoverOptions {
            defaults: settings.defaults.clone(),
            variables: Arc::new(self.variables.iter().cloned().collect()),
        }
    }
}
