//! `partest history` and `partest flaky`: what is remembered of earlier runs.

use std::error::Error;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::arguments::Format;
use crate::cli::numbers::positive;
use crate::cli::{complain, fail, print, settings};
use crate::descriptor::nearest;
use crate::history::{CaseRun, Flaky, History, RecordedRun};
use crate::model::Standing;
use crate::session::{ExitStatus, working_directory};
use crate::text::terminal::{Colours, printable};
use crate::time::format_duration;

/// Show earlier runs, or what came of one case in them
///
/// Every run is remembered in .partest/history.db, unless --no-history, history = false in partest.toml or
/// PARTEST_HISTORY=false says otherwise. Exit codes: 0 when there is something to show, 4 when there is not.
#[derive(Clone, Debug, Args)]
#[command(after_help = HISTORY_EXAMPLES)]
pub(super) struct HistoryArguments {
    /// The case, as --list shows it
    #[arg(value_name = "ID")]
    id: Option<String>,

    #[command(flatten)]
    shape: ShapeArguments,
}

/// Show cases that do not always come to the same, the worst first
///
/// A case is flaky when it passed only after a failed attempt, or when it both passed and failed at the same commit,
/// while neither a file that git knows nor the case's own descriptor was changed. Outside of git only retries tell.
#[derive(Clone, Debug, Args)]
#[command(after_help = FLAKY_EXAMPLES)]
pub(super) struct FlakyArguments {
    #[command(flatten)]
    shape: ShapeArguments,
}

#[derive(Clone, Debug, Args)]
struct ShapeArguments {
    /// Show no more than this
    #[arg(short = 'n', long, value_name = "N", value_parser = positive::<NonZeroUsize>, default_value = "20")]
    limit: NonZeroUsize,

    /// What is written to standard output: text for people, or JSON
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

const HISTORY_EXAMPLES: &str = "\
Examples:
  partest history                         the last 20 runs
  partest history 'api/users::adds'       outcomes and times of a case, oldest first
  partest history -n 100 --format json    for programs";

const FLAKY_EXAMPLES: &str = "\
Examples:
  partest flaky                  the 20 worst
  partest flaky --format json    for programs";

/// Shows runs, or those of one case.
pub(super) fn execute(arguments: &HistoryArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let history = match open()? {
        Ok(history) => history,
        Err(status) => return Ok(status),
    };
    let status = match &arguments.id {
        None => show_runs(&history, &arguments.shape),
        Some(id) => show_case(&history, id, &arguments.shape),
    };
    history.warnings().iter().for_each(|warning| complain(warning));
    status
}

/// Shows the flaky cases. That there is none is as good an answer.
pub(super) fn execute_flaky(arguments: &FlakyArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let history = match open()? {
        Ok(history) => history,
        Err(status) => return Ok(status),
    };
    let cases = history.flaky(arguments.shape.limit.get())?;
    history.warnings().iter().for_each(|warning| complain(warning));
    print(|out| match arguments.shape.format {
        Format::Json => write_json(out, cases.iter().map(flaky_json).collect()),
        Format::Text if cases.is_empty() => writeln!(out, "no flaky case is known"),
        Format::Text => {
            writeln!(out, "{:>6} {:>6} {:>6} {:>6}  case", "runs", "flaky", "failed", "mixed")?;
            cases.iter().try_for_each(|case| {
                let Flaky { id, runs, flaky, failed, mixed } = case;
                writeln!(out, "{runs:>6} {flaky:>6} {failed:>6} {mixed:>6}  {}", plain(id))
            })?;
            writeln!(
                out,
                "\nflaky: passed after a failed attempt; mixed: at so many commits it both passed and failed, with nothing changed"
            )
        }
    })?;
    Ok(ExitStatus::Success)
}

fn open() -> Result<Result<History, ExitStatus>, Box<dyn Error>> {
    Ok(match settings::load(&working_directory()?, None) {
        Ok(settings) => Ok(History::new(&settings.root.join(".partest"))),
        Err(error) => Err(fail(&error, ExitStatus::Usage)),
    })
}

fn show_runs(history: &History, shape: &ShapeArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let runs = history.runs(shape.limit.get())?;
    if shape.format == Format::Json {
        print(|out| write_json(out, runs.iter().map(run_json).collect()))?;
    } else {
        print(|out| runs.iter().try_for_each(|run| write_run(out, run)))?;
    }
    if runs.is_empty() {
        complain("no run is remembered yet");
        return Ok(ExitStatus::NothingMatched);
    }
    Ok(ExitStatus::Success)
}

fn write_run(out: &mut dyn Write, run: &RecordedRun) -> io::Result<()> {
    let time = run.duration.map_or_else(|| "killed".to_owned(), format_duration);
    let counts: Vec<_> =
        run.counts.iter().map(|(standing, count)| format!("{count} {}", word(*standing))).collect();
    let counts = if counts.is_empty() { "no cases".to_owned() } else { counts.join(", ") };
    write!(out, "{}  {time:>7}  {counts}", date(run.started_at))?;
    if let Some(revision) = &run.revision {
        write!(out, "  {}", short(revision))?;
    }
    writeln!(out, "  {}", plain(&run.name))
}

fn show_case(history: &History, id: &str, shape: &ShapeArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let runs = history.case(id, shape.limit.get())?;
    if shape.format == Format::Json {
        print(|out| write_json(out, runs.iter().map(case_json).collect()))?;
    }
    if runs.is_empty() {
        let known = history.ids()?;
        let help = match nearest(id, known.iter().map(String::as_str)) {
            Some(near) => format!(": did you mean {}?", plain(near)),
            None => "; see `partest --list`".to_owned(),
        };
        complain(&format!("no run with the case {} is remembered{help}", plain(id)));
        return Ok(ExitStatus::NothingMatched);
    }
    if shape.format == Format::Text {
        print(|out| write_case(out, id, &runs))?;
    }
    Ok(ExitStatus::Success)
}

fn write_case(out: &mut dyn Write, id: &str, runs: &[CaseRun]) -> io::Result<()> {
    writeln!(out, "{}", plain(id))?;
    let strip: String = runs.iter().map(|run| mark(run.standing)).collect();
    writeln!(out, "{strip}  {}", legend(runs))?;
    let count = |standings: &[Standing]| runs.iter().filter(|run| standings.contains(&run.standing)).count();
    let failed = count(&[Standing::Failed, Standing::TimedOut, Standing::Errored]);
    let judged = runs.len() - count(&[Standing::Skipped, Standing::NotRun]);
    let flaky = count(&[Standing::Flaky]);
    let share = |part: usize| format!("{part} of {judged} ({} %)", part * 100 / judged.max(1));
    writeln!(out, "failed {}, flaky {}", share(failed), share(flaky))?;
    // What was interrupted would have taken longer.
    let is_timed = |run: &&CaseRun| run.attempts > 0 && run.standing != Standing::NotRun;
    let mut times: Vec<Duration> = runs.iter().filter(is_timed).map(|run| run.duration).collect();
    if let Some(last) = times.last().copied() {
        times.sort_unstable();
        let (least, most) = (times[0], times[times.len() - 1]);
        let [last, median, least, most] = [last, times[times.len() / 2], least, most].map(format_duration);
        writeln!(out, "took {last} the last time, {least} to {most}, half of the times up to {median}")?;
    }
    writeln!(out)?;
    for run in runs {
        let time = if run.attempts > 0 { format_duration(run.duration) } else { String::new() };
        write!(out, "{}  {:<16} {time:>7}", date(run.started_at), word(run.standing))?;
        if run.attempts > 1 {
            write!(out, "  {} attempts", run.attempts)?;
        }
        if let Some(revision) = &run.revision {
            write!(out, "  {}", short(revision))?;
        }
        writeln!(out, "  {}", plain(&run.run))?;
    }
    Ok(())
}

/// What the marks of a strip mean, as far as they are in it.
fn legend(runs: &[CaseRun]) -> String {
    let mut known: Vec<Standing> = Vec::new();
    for run in runs {
        if !known.contains(&run.standing) {
            known.push(run.standing);
        }
    }
    known.sort_unstable();
    let words: Vec<_> =
        known.into_iter().map(|standing| format!("{} {}", mark(standing), word(standing))).collect();
    format!("({})", words.join(", "))
}

fn mark(standing: Standing) -> char {
    match standing {
        Standing::Passed => '.',
        Standing::Flaky => 'f',
        Standing::ExpectedFailure => 'x',
        Standing::Failed => 'F',
        Standing::TimedOut => 'T',
        Standing::Errored => 'E',
        Standing::Skipped => 's',
        Standing::Quarantined => 'q',
        Standing::NotRun => '-',
    }
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Passed => "passed",
        Standing::Flaky => "flaky",
        Standing::ExpectedFailure => "expected failure",
        Standing::Failed => "failed",
        Standing::TimedOut => "timed out",
        Standing::Errored => "error",
        Standing::Skipped => "skipped",
        Standing::Quarantined => "quarantined",
        Standing::NotRun => "not run",
    }
}

fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// A commit as git shows it in short.
fn short(revision: &str) -> String {
    plain(revision).chars().take(9).collect()
}

/// A text that does nothing to a terminal: the file may be anybody's.
fn plain(text: &str) -> String {
    printable(text, Colours::Remove).into_owned()
}

fn write_json(out: &mut dyn Write, items: Vec<Value>) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &items)?;
    writeln!(out)
}

fn run_json(run: &RecordedRun) -> Value {
    let counts = run.counts.iter().map(|(standing, count)| (word(*standing).to_owned(), json!(count)));
    json!({
        "run": run.name,
        "started_at": date(run.started_at),
        "seconds": run.duration.map(|duration| duration.as_secs_f64()),
        "jobs": run.jobs,
        "host": run.host,
        "revision": run.revision,
        "counts": counts.collect::<serde_json::Map<_, _>>(),
    })
}

fn case_json(run: &CaseRun) -> Value {
    json!({
        "run": run.run,
        "started_at": date(run.started_at),
        "revision": run.revision,
        "outcome": word(run.standing),
        "attempts": run.attempts,
        "seconds": run.duration.as_secs_f64(),
    })
}

fn flaky_json(case: &Flaky) -> Value {
    let Flaky { id, runs, flaky, failed, mixed } = case;
    json!({ "case": id, "runs": runs, "flaky": flaky, "failed": failed, "mixed": mixed })
}
