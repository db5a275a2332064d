//! `partest schema`: the JSON Schema of descriptors, for editors.

use std::error::Error;

use clap::Args;

use crate::cli::print;
use crate::config;
use crate::descriptor::{descriptor_schema, suite_schema};
use crate::session::ExitStatus;

/// Print the JSON Schema of descriptors, with which editors complete and check them
///
/// The schema is one for the three spellings. It is written to standard output, as of draft 2020-12.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SchemaArguments {
    /// The schema of suite.json, suite.toml and suite.yaml instead
    #[arg(long)]
    suite: bool,

    /// The schema of partest.toml instead
    #[arg(long, conflicts_with = "suite")]
    config: bool,
}

const EXAMPLES: &str = "\
Examples:
  partest schema > partest.schema.json          for *.test.json, *.test.toml and *.test.yaml
  partest schema --suite > suite.schema.json    for suite.json, suite.toml and suite.yaml
  partest schema --config > config.schema.json  for partest.toml

Then name it in a descriptor, relative to that file:
  JSON  { \"$schema\": \"../partest.schema.json\", ... }
  TOML  #:schema ../partest.schema.json
  YAML  # yaml-language-server: $schema=../partest.schema.json";

/// Prints the schema.
pub(super) fn execute(arguments: &SchemaArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let schema = match (arguments.suite, arguments.config) {
        (true, _) => suite_schema(),
        (false, true) => config::schema(),
        (false, false) => descriptor_schema(),
    };
    print(|out| {
        serde_json::to_writer_pretty(&mut *out, &schema)?;
        writeln!(out)
    })?;
    Ok(ExitStatus::Success)
}
