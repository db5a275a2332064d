//! What standard output is given, and in which looks.

use std::cell::OnceCell;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anstream::AutoStream;

use crate::cli::again::Again;
use crate::cli::arguments::Format;
use crate::config::{self, Color, Settings};
use crate::report::console::{ConsoleOptions, ConsoleReporter, Layout, ProgressLine, Verbosity};
use crate::report::{BareReporter, JournalReporter, JunitReporter, Outlet, Reporters};
use crate::runner::Control;
use crate::text::terminal::Colours;

/// What complaints call it.
const NAME: &str = "standard output";

/// How long a reader has to read what is left once a signal has asked for the end.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// How long it has when the run is to end at once.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// The reporter for standard output, and what is between the two.
pub(super) struct Console {
    pub(super) reporters: Reporters,
    pub(super) output: Output,
}

/// Standard output. It is written to directly where it has another writer: a terminal has a live region, and a report
/// may go to `/dev/stdout`. Whoever else reads it may be slow.
pub(super) struct Output(Option<Outlet>);

impl Output {
    /// Waits until everything is written, but not for ever once a signal has asked for the end.
    ///
    /// # Errors
    /// What went wrong, in a line.
    pub(super) fn finish(self, control: Option<&Control>) -> Result<(), String> {
        let Some(outlet) = self.0 else { return Ok(()) };
        let asked = OnceCell::new();
        let goes_on = || {
            let Some(control) = control.filter(|control| control.signal().is_some()) else { return true };
            let wait = if control.is_killing() { LAST_WAIT } else { LONG_WAIT };
            asked.get_or_init(Instant::now).elapsed() < wait
        };
        match outlet.finish(goes_on) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(format!("cannot write {NAME}: {error}"))
            }
            _ => Ok(()),
        }
    }
}

/// The reporter for standard output; `again` says how a case is run again, and `report` is where a report goes.
///
/// # Errors
/// When there is no thread for the output.
pub(super) fn console(
    format: Format,
    settings: &Settings,
    again: &Again,
    report: Option<&Path>,
) -> io::Result<Console> {
    let is_terminal = io::stdout().is_terminal();
    if format == Format::Text && is_terminal {
        let reporter = ConsoleReporter::new(io::stdout(), options(settings, again, Layout::Terminal));
        let reporter =
            reporter.with_live_region(Box::new(ProgressLine::stderr(colours(settings.color.value))));
        let bare = Box::new(BareReporter::new(io::stdout()));
        let reporters = Reporters::new().with_substitute(NAME, Box::new(reporter), bare);
        return Ok(Console { reporters, output: Output(None) });
    }
    if report.is_some_and(JunitReporter::is_shared) {
        return Ok(Console { reporters: plain(format, settings, again, io::stdout), output: Output(None) });
    }
    let outlet = Outlet::start(io::stdout())?;
    let reporters = plain(format, settings, again, || outlet.clone());
    Ok(Console { reporters, output: Output(Some(outlet)) })
}

/// The reporter for what is no terminal.
fn plain<W: Write + 'static>(
    format: Format,
    settings: &Settings,
    again: &Again,
    out: impl Fn() -> W,
) -> Reporters {
    let reporters = Reporters::new();
    match format {
        Format::Json => reporters.with(NAME, Box::new(JournalReporter::new(out()))),
        Format::Text => {
            let reporter = ConsoleReporter::new(out(), options(settings, again, Layout::Plain));
            reporters.with_substitute(NAME, Box::new(reporter), Box::new(BareReporter::new(out())))
        }
    }
}

fn options(settings: &Settings, again: &Again, layout: Layout) -> ConsoleOptions {
    ConsoleOptions {
        layout,
        colours: colours(settings.color.value),
        verbosity: match settings.verbosity.value {
            config::Verbosity::Quiet => Verbosity::Quiet,
            config::Verbosity::Normal => Verbosity::Normal,
            config::Verbosity::Verbose => Verbosity::Verbose,
            config::Verbosity::Outputs => Verbosity::Outputs,
        },
        program: again.program(),
        paths: again.paths.clone(),
    }
}

/// Whether colours are wanted; when nobody says, the terminal and the usual variables do.
fn colours(choice: Color) -> Colours {
    let wanted = match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    };
    if wanted { Colours::Keep } else { Colours::Remove }
}
