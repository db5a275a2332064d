//! `partest plan`: how long a run may take, and what would make it shorter.

use std::error::Error;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::arguments::Format;
use crate::cli::selection::{Asked, SelectionArguments};
use crate::cli::settings::{SettingArguments, StartArguments};
use crate::cli::{complain, fail, print, resume, run};
use crate::plan::{Share, Split};
use crate::runner::{Change, Forecast, forecast, outlook};
use crate::schedule::Capacities;
use crate::session::{ExitStatus, Listing, Prepared};
use crate::text::terminal::{Colours, printable};
use crate::time::format_duration;

/// Show how long a run may take, and what would make it shorter; nothing is run
///
/// The times of earlier runs are put into the schedule that a run would have. What would be gained by a change is found by
/// making it and putting them in again. Exit codes: 0, or 2 when a descriptor is broken, or 4 when no times are known.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    selection: SelectionArguments,

    /// Also show how long each of so many shards may take
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), conflicts_with = "shard")]
    shards: Option<u32>,

    /// What is written to standard output: text for people, or JSON
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    #[command(flatten)]
    start: StartArguments,
}

const EXAMPLES: &str = "\
Examples:
  partest plan                   a run with these settings
  partest plan -j 16 --shards 4  on four machines with sixteen slots each";

/// Shows the plan.
pub(super) fn execute(arguments: &PlanArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let Asked { config, .. } = match arguments.selection.asked(&SettingArguments::from(&arguments.start)) {
        Ok(asked) => asked,
        Err(error) => return Ok(fail(&error, error.status())),
    };
    let Prepared { plan, unknown, .. } = resume::prepared(&config);
    if !unknown.is_empty() {
        return Ok(ExitStatus::NothingMatched);
    }
    if plan.total() == 0 {
        complain(&run::nothing_found(&config));
        return Ok(ExitStatus::NothingMatched);
    }
    let listing = Listing::new(&plan);
    listing.diagnostics().for_each(complain);
    let status = if listing.has_errors() { ExitStatus::Usage } else { ExitStatus::Success };
    let jobs = config.jobs;
    let capacities = Capacities { cpu: jobs, io: config.io_jobs };
    let Some(whole) = forecast(&plan.clone().with_hooks(), capacities)? else {
        if listing.has_errors() {
            return Ok(status);
        }
        complain("how long cases take is not known yet: run them once, with the history");
        return Ok(ExitStatus::NothingMatched);
    };
    let mut shards = Vec::new();
    for number in 1..=arguments.shards.unwrap_or(0) {
        let mut part = plan.clone();
        part.take_share(Share::new(number.into(), arguments.shards.unwrap_or(0).into(), Split::Balanced)?);
        part.arrange(config.order);
        shards.extend(outlook(&part.with_hooks(), capacities)?);
    }
    print(|out| match arguments.format {
        Format::Text => write_text(out, &whole, &shards, jobs),
        Format::Json => write_json(out, &whole, &shards, jobs),
    })?;
    Ok(status)
}

fn write_text(
    out: &mut dyn Write,
    whole: &Forecast,
    shards: &[Forecast],
    jobs: NonZeroUsize,
) -> io::Result<()> {
    let Forecast { wall, work, cases, gains } = whole;

    let [wall, work] = [*wall, *work].map(format_duration);
    writeln!(
        out,
        "predicted {wall} for {} of {work} together, at {}",
        count(*cases, "case"),
        count(jobs.get(), "slot")
    )?;
    match gains.first() {
        None => writeln!(out, "nothing would make it much shorter")?,
        Some(best) => {
            writeln!(out, "bound by {}", bound(&best.change))?;
            for gain in gains {
                let gained = format_duration(whole.wall.saturating_sub(gain.wall));
                let wall = format_duration(gain.wall);
                writeln!(out, "  {:<52} {wall:>7}, {gained} less", words(&gain.change))?;
            }
        }
    }
    if !shards.is_empty() {
        writeln!(out)?;
    }
    for (index, shard) in shards.iter().enumerate() {
        let wall = format_duration(shard.wall);
        writeln!(out, "shard {} of {}: {wall:>7}, {}", index + 1, shards.len(), count(shard.cases, "case"))?;
    }
    Ok(())
}

/// What holds the run up, if this change is the best.
fn bound(change: &Change) -> String {
    match change {
        Change::Split { case, duration } => {
            format!("the case {}, which takes {}", plain(case.as_str()), format_duration(*duration))
        }
        Change::Lock { name, held } if !held.is_zero() => {
            format!("the lock {}, which is held for {}", plain(name), format_duration(*held))
        }
        Change::Lock { name, .. } => format!("the lock {}", plain(name)),
        Change::Pool { name } => format!("the pool {}", plain(name)),
        Change::After => "cases that run after others".to_owned(),
        Change::Alone { held } => {
            format!("cases that run alone, which take {}", format_duration(*held))
        }
        Change::Slots { .. } => "the number of slots".to_owned(),
    }
}

/// What would be changed.
fn words(change: &Change) -> String {
    match change {
        Change::Split { case, .. } => format!("with {} in two halves", plain(case.as_str())),
        Change::Lock { name, .. } => format!("without the lock {}", plain(name)),
        Change::Pool { name } => format!("with enough in the pool {}", plain(name)),
        Change::After => "with no case that runs after others".to_owned(),
        Change::Alone { .. } => "with no case that runs alone".to_owned(),
        Change::Slots { jobs } => format!("with -j {jobs}"),
    }
}

fn write_json(
    out: &mut dyn Write,
    whole: &Forecast,
    shards: &[Forecast],
    jobs: NonZeroUsize,
) -> io::Result<()> {
    let mut value = json(whole);
    value["jobs"] = json!(jobs);
    let gains = whole.gains.iter().map(|gain| {
        json!({ "change": words(&gain.change), "bound_by": bound(&gain.change), "seconds": seconds(gain.wall) })
    });
    value["changes"] = gains.collect();
    if !shards.is_empty() {
        value["shards"] = shards.iter().map(json).collect();
    }
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

fn json(forecast: &Forecast) -> Value {
    let Forecast { wall, work, cases, .. } = forecast;
    json!({ "seconds": seconds(*wall), "work_seconds": seconds(*work), "cases": cases })
}

/// To the millisecond: more is not known.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A text that does nothing to a terminal.
fn plain(text: &str) -> String {
    printable(text, Colours::Remove).into_owned()
}
