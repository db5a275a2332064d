//! Running cases, or listing them: what partest does when no command is named.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io;

use crate::cli::arguments::{Arguments, Format};
use crate::cli::console::Console;
use crate::cli::selection::Asked;
use crate::cli::{complain, console, fail, print, resume};
use crate::config::{Settings, Verbosity};
use crate::plan::TestPlan;
use crate::process;
use crate::runner::Control;
use crate::session::{self, Charge, Config, Ended, ExitStatus, Listing, Prepared, SessionError, Shortage};
use crate::text::terminal::{Colours, printable};

/// Variables by which systems for continuous integration are known. Not all of them set the first.
const CI: [&str; 11] = [
    "CI",
    "BUILDKITE",
    "CIRCLECI",
    "CODEBUILD_BUILD_ID",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
    "bamboo_buildKey",
];

/// Runs or lists what was asked for.
pub(super) fn execute(arguments: &Arguments) -> Result<ExitStatus, Box<dyn Error>> {
    if let Some(reason) = arguments.selection.misspelt_command() {
        complain(&reason);
        return Ok(ExitStatus::Usage);
    }
    let Asked { mut config, settings, again, note } = match arguments.asked() {
        Ok(asked) => asked,
        Err(error) => return Ok(fail(&error, error.status())),
    };
    let ci = CI.into_iter().find(|name| is_on(env::var_os(name)));
    if let Some(name) = ci.filter(|_| config.update) {
        complain(&format!(
            "--update is refused here: the variable {name} is set, and a CI must not rewrite what it expects",
        ));
        return Ok(ExitStatus::Usage);
    }
    let wrong = session::wrong_places(&config);
    if !wrong.is_empty() {
        wrong.iter().for_each(|reason| complain(reason));
        return Ok(ExitStatus::Usage);
    }
    if arguments.list && config.recall.is_empty() && config.share.is_none() {
        // The list stands in the order of the text: earlier runs have nothing to say of it.
        config.history = false;
    }
    let Prepared { plan, unknown, variables_are_secret: is_secret, .. } = match &arguments.resume {
        None => resume::prepared(&config),
        Some(name) => match resume::plan(name, &mut config, arguments.selection.names_paths()) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(fail(&error, ExitStatus::Usage)),
        },
    };
    note.iter().for_each(|note| complain(note));
    if !unknown.is_empty() {
        if arguments.list {
            list(&plan, arguments.format, &settings)?;
        }
        return Ok(ExitStatus::NothingMatched);
    }
    // A part may well be empty.
    if plan.total() == 0 && plan.shard.as_ref().is_none_or(|shard| shard.cases == 0) {
        complain(&nothing_found(&config));
        if arguments.list {
            // A program that reads the list is given one.
            list(&plan, arguments.format, &settings)?;
        }
        return Ok(ExitStatus::NothingMatched);
    }
    if arguments.list {
        let status = list(&plan, arguments.format, &settings)?;
        // The process ends: to take a large plan apart before would only take time.
        std::mem::forget(plan);
        Ok(status)
    } else {
        let again = if is_secret { again.masked() } else { again };
        let console = console::console(arguments.format, &settings, &again, config.junit.as_deref())?;
        run(plan, &config, console)
    }
}

/// Whether the value of a variable says that something is so.
fn is_on(value: Option<OsString>) -> bool {
    value.is_some_and(|value| {
        !["", "0"].iter().any(|off| value == *off) && !value.eq_ignore_ascii_case("false")
    })
}

fn list(plan: &TestPlan, format: Format, settings: &Settings) -> io::Result<ExitStatus> {
    let listing = Listing::new(plan);
    print(|out| match format {
        Format::Text => match settings.verbosity.value {
            Verbosity::Quiet | Verbosity::Normal => listing.write_text(out),
            Verbosity::Verbose | Verbosity::Outputs => listing.write_details(out),
        },
        Format::Json => listing.write_json(out),
    })?;
    if format == Format::Text {
        listing.diagnostics().for_each(complain);
    }
    Ok(if listing.has_errors() { ExitStatus::Usage } else { ExitStatus::Success })
}

fn run(plan: TestPlan, config: &Config, console: Console) -> Result<ExitStatus, Box<dyn Error>> {
    let is_part = plan.shard.is_some();
    let ended = carry_out(|control| {
        let mut config = config.clone();
        if let Some(Shortage { room, wanted }) = session::fit(&plan, &mut config.jobs, &mut config.io_jobs) {
            complain(&format!(
                "{room} cases at a time instead of {wanted}: the limit on open files (ulimit -Hn) leaves no room for more",
            ));
        }
        let mut ended = session::run(plan, &config, control, console.reporters)?;
        if let Err(complaint) = console.output.finish(Some(control)) {
            ended.complaints.push(complaint);
            // It may have come while only the reader of the output was waited for.
            ended.finished.signal = control.signal();
        }
        Ok(ended)
    })?;
    Ok(match ended.status() {
        ExitStatus::NothingMatched if is_part => ExitStatus::Success,
        status => status,
    })
}

/// Takes charge of the process while cases run, with the signals that stop them, and says what went wrong beside them.
pub(super) fn carry_out(
    start: impl FnOnce(&Control) -> Result<Ended, SessionError>,
) -> Result<Ended, Box<dyn Error>> {
    process::narrow_heaps();
    let charge = Charge::take()?;
    charge.complaint().into_iter().for_each(complain);
    let ended = start(charge.control())?;
    ended.complaints.iter().chain(&ended.warnings).for_each(|line| complain(line));
    for stray in &ended.strays {
        complain(&format!(
            "some case left a process behind, which was ended: {}",
            printable(stray, Colours::Remove)
        ));
    }
    Ok(ended)
}

/// Why there is nothing to do.
pub(super) fn nothing_found(config: &Config) -> String {
    let paths: Vec<_> = config.paths.iter().map(|path| path.display().to_string()).collect();
    let paths = paths.join(", ");
    if !config.recall.is_empty() {
        format!(
            "no test case in {paths} is left: see `partest history`, and `partest --list` without --not-run and --new"
        )
    } else if config.selection.is_everything() {
        format!("no test cases in {paths}: they stand in files named *.test.json, *.test.toml or *.test.yaml")
    } else {
        format!("no test case in {paths} matches; see `partest --list`")
    }
}
