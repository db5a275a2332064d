//! `partest interfere`: which cases make one fail that passes alone.

use std::error::Error;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::cli::ending::duration;
use crate::cli::numbers::positive;
use crate::cli::selection::{Asked, SelectionArguments};
use crate::cli::settings::{SettingArguments, StartArguments};
use crate::cli::{complain, fail, print};
use crate::config::Origin;
use crate::model::{CaseId, CaseResult, signal_name};
use crate::process;
use crate::session::{
    Charge, Config, ExitStatus, Finding, Guilt, InterfereError, InterfereProgress as Progress, Investigated,
    Thoroughness, interfere,
};
use crate::text::terminal::{Colours, printable};

/// With fewer slots than these few cases would ever meet.
const FEWEST_SLOTS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// Find the cases that make one fail which passes alone
///
/// The case is run by itself first. Then it is run again and again beside its suspects: the cases that ran beside it when it
/// failed in earlier runs, or else all that are selected. They are halved as long as it fails, and the smallest set is named, with the
/// lock that keeps its cases from each other. Where it fails after others rather than beside them, that is said. These
/// runs leave no journal and no line in the history. Exit codes: 0 when cases were found, 1 when the case fails alone, 4 when it fails
/// neither alone nor in company, 2 for a wrong id or usage, 3 for partest's own trouble, 128+n after signal n.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct InterfereArguments {
    /// The id of the case, as --list shows it
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    selection: SelectionArguments,

    /// How often the case is run alone, and beside suspects before they are taken for innocent
    #[arg(long, value_name = "N", value_parser = positive::<NonZeroUsize>, default_value = "10")]
    tries: NonZeroUsize,

    /// How long all of it may take
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10m")]
    time_limit: Duration,

    #[command(flatten)]
    start: StartArguments,
}

/// A case in its own company.
const ITSELF: &str = "a copy of itself";

const EXAMPLES: &str = "\
Examples:
  partest interfere 'api/users::adds'                  who disturbs it
  partest interfere 'api/users::adds' --tag database   the suspects have this tag
  partest interfere 'api/users::adds' --tries 50       for what happens rarely";

/// Looks for the guilty, and says what it does meanwhile.
pub(super) fn execute(arguments: &InterfereArguments) -> Result<ExitStatus, Box<dyn Error>> {
    let Asked { config, settings, note, .. } =
        match arguments.selection.asked(&SettingArguments::from(&arguments.start)) {
            Ok(asked) => asked,
            Err(error) => return Ok(fail(&error, error.status())),
        };
    note.iter().for_each(|note| complain(note));
    let fewest = match settings.jobs.origin {
        Origin::Flag(_) => NonZeroUsize::MIN,
        _ => FEWEST_SLOTS,
    };
    let config = Config { jobs: config.jobs.max(fewest), ..config };
    let thoroughness = Thoroughness { tries: arguments.tries, time_limit: arguments.time_limit };
    process::narrow_heaps();
    let charge = Charge::take()?;
    charge.complaint().into_iter().for_each(complain);
    let mut tell = |progress| {
        // Whoever does not read it any more does not keep it from the end.
        let _ = print(|out| writeln!(out, "{}", plain(&step(&progress))));
    };
    let investigated = interfere(&config, &arguments.id, thoroughness, charge.control(), &mut tell);
    let Investigated { finding, complaints } = match investigated {
        Ok(investigated) => investigated,
        Err(error @ InterfereError::Session(_)) => return Ok(fail(&error, ExitStatus::Internal)),
        Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
    };
    complaints.iter().for_each(|complaint| complain(&plain(complaint)));
    if let Some(signal) = charge.control().signal() {
        let found = !matches!(finding, Finding::Nothing { .. });
        print(|out| {
            if found {
                write(out, &finding)?;
            }
            writeln!(
                out,
                "interrupted by {}: {}",
                named(signal),
                if found { "not all was tried" } else { "nothing was found yet" }
            )
        })?;
        return Ok(ExitStatus::Signal(signal));
    }
    print(|out| write(out, &finding))?;
    Ok(match finding {
        Finding::Together(_) | Finding::After(_) | Finding::Stays(_) => ExitStatus::Success,
        Finding::FailsAlone { .. } => ExitStatus::Failed,
        Finding::Nothing { .. } => ExitStatus::NothingMatched,
    })
}

fn named(signal: i32) -> String {
    signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// What was done, in a line.
fn step(progress: &Progress) -> String {
    match progress {
        Progress::Alone { case, ran } => format!("{case} passes alone: {ran} of {ran}"),
        Progress::UsedUp { case } => {
            format!(
                "{case} fails where it has run before in the same run: from now on each try is a run of its own"
            )
        }
        Progress::Recorded { suspects, failed } => format!(
            "{} it in {} of earlier runs",
            count(*suspects, "case was beside", "cases were beside"),
            count(*failed, "failed attempt", "failed attempts")
        ),
        Progress::Everybody { suspects } => {
            format!("{}: all that may run beside it", count(*suspects, "suspect", "suspects"))
        }
        Progress::Beside { case, company, ran, failed: 0 } => {
            format!("{case} beside {}: passed {}", among(case, company), count(*ran, "time", "times"))
        }
        Progress::Beside { case, company, ran, .. } => {
            format!("{case} beside {}: failed at run {ran}", among(case, company))
        }
        Progress::Others { case } => format!("it does not fail, but {case} does"),
    }
}

fn write(out: &mut dyn Write, finding: &Finding) -> io::Result<()> {
    match finding {
        Finding::FailsAlone { case, ran, failed, failure } => {
            writeln!(out, "{} fails alone: {failed} of {ran} times", plain(case.as_str()))?;
            write_failure(out, failure.as_ref())?;
            writeln!(
                out,
                "No other case is needed for that, unless one that ran earlier has left something behind."
            )
        }
        Finding::Together(guilt) => write_together(out, guilt),
        Finding::After(guilt) if guilt.set == [guilt.case.clone()] => write_again(out, guilt),
        Finding::After(guilt) => {
            let (case, before) = (plain(guilt.case.as_str()), ids(&guilt.set));
            writeln!(
                out,
                "\nFOUND: {case} fails after {before}, and passes alone ({0} of {0})",
                guilt.alone
            )?;
            write_failure(out, guilt.failure.as_ref())?;
            writeln!(
                out,
                "They need not run at the same time: something is left behind. A lock does not help; let"
            )?;
            writeln!(out, "{before} clean up, or let {case} make sure of what it needs.")
        }
        Finding::Stays(guilt) => {
            let case = plain(guilt.case.as_str());
            writeln!(
                out,
                "\nFOUND: {case} passed alone ({0} of {0}), and fails even alone since others ran",
                guilt.alone
            )?;
            write_failure(out, guilt.failure.as_ref())?;
            match guilt.set.as_slice() {
                [one] => writeln!(
                    out,
                    "It fails after {}, which leaves something behind that stays.",
                    plain(one.as_str())
                ),
                set => {
                    writeln!(out, "It fails after one of these, which leaves something behind that stays:")?;
                    set.iter().try_for_each(|one| writeln!(out, "  {}", plain(one.as_str())))
                }
            }
        }
        Finding::Nothing { case, suspects, is_complete } => {
            let case = plain(case.as_str());
            match is_complete {
                true => writeln!(out, "{case} fails neither alone nor beside {}", others(*suspects))?,
                false => writeln!(out, "the time is over, and {case} has not failed yet")?,
            }
            writeln!(out, "Try --tries with more, or --jobs with another number of slots.")
        }
    }
}

fn write_together(out: &mut dyn Write, guilt: &Guilt) -> io::Result<()> {
    let Guilt { case, set, alone, ran, failed, .. } = guilt;
    let name = plain(case.as_str());
    let beside = if set.as_slice() == [case.clone()] { ITSELF.to_owned() } else { ids(set) };
    writeln!(out, "\nFOUND: {name} fails beside {beside}: {failed} of {ran} times, and 0 of {alone} alone")?;
    write_failure(out, guilt.failure.as_ref())?;
    if !guilt.is_minimal {
        writeln!(out, "There was no time to find out whether fewer of them are enough.")?;
    }
    let Some(remedy) = &guilt.remedy else { return Ok(()) };
    match &remedy.shared {
        Some(shared) => writeln!(out, "They name {}. A lock keeps them from each other:", plain(shared))?,
        None => writeln!(out, "A lock keeps them from each other:")?,
    }
    for change in &remedy.changes {
        writeln!(out, "  {}  {}", plain(&change.place), plain(change.case.as_str()))?;
        writeln!(out, "    {}", plain(&change.text))?;
    }
    Ok(())
}

fn write_again(out: &mut dyn Write, guilt: &Guilt) -> io::Result<()> {
    let Guilt { case, alone, ran, failed, .. } = guilt;
    let case = plain(case.as_str());
    writeln!(
        out,
        "\nFOUND: {case} fails where it has run before in the same run: {failed} of {ran} times, and 0 of {alone} alone"
    )?;
    write_failure(out, guilt.failure.as_ref())?;
    writeln!(
        out,
        "So it is with --repeat, --stress and retries. Something is used up or left behind: let it clean"
    )?;
    writeln!(out, "up, or make sure of what it needs.")
}

fn write_failure(out: &mut dyn Write, failure: Option<&Arc<CaseResult>>) -> io::Result<()> {
    let Some(first) = failure.and_then(|result| result.all_failures().next()) else { return Ok(()) };
    writeln!(out, "  {}:{}: {}", plain(&first.position.file), first.position.line, plain(&first.headline()))
}

/// The cases beside one; how many they are, where they are more than one.
fn among(case: &CaseId, company: &[CaseId]) -> String {
    match company {
        [one] if one == case => ITSELF.to_owned(),
        [one] => one.to_string(),
        _ => others(company.len()),
    }
}

fn ids(set: &[CaseId]) -> String {
    let ids: Vec<_> = set.iter().map(|id| plain(id.as_str())).collect();
    ids.join(" and ")
}

fn others(number: usize) -> String {
    count(number, "other", "others")
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A text in one line that does nothing to a terminal.
fn plain(text: &str) -> String {
    printable(text, Colours::Remove).replace('\n', " ")
}
