//! What people read while a run goes on: a line for each case or each file, failures in full, and a summary.
//!
//! There are two layouts. The plain one is for files and CI servers: a line for each case, as it ends. The one
//! for terminals has a line for each descriptor and, by [`LiveRegion`], a part that shows what is running.
//! Nothing that a case printed moves the cursor or begins a line, where a CI server could take it for a command.

mod block;
#[cfg(feature = "cli")]
mod live;
mod page;
mod progress;
mod suites;
mod summary;

use std::io::{self, Write};

use crate::model::{CaseResult, Halt, Outcome, RunStarted, Shard, Skip, Standing, TestEvent, signal_name};
use crate::report::console::page::{FAINT, ODD, Page, is_bad};
use crate::report::console::suites::Suites;
use crate::report::console::summary::Summary;
use crate::report::{Reporter, joined};
use crate::text::terminal::Colours;
use crate::time::format_duration;

#[cfg(feature = "cli")]
pub use live::ProgressLine;
pub use progress::{Progress, Running};

/// How lines are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A line for each case.
    Plain,
    /// A line for each descriptor, beside a live region.
    Terminal,
}

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Failures and the summary.
    Quiet,
    /// What the layout is meant for.
    #[default]
    Normal,
    /// A line for each case, in either layout, also of those that were not run.
    Verbose,
    /// What cases printed that passed, too.
    Outputs,
}

/// How a console is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// How lines are laid out.
    pub layout: Layout,
    /// Whether colours are used, and kept in what cases printed.
    pub colours: Colours,
    /// How much is said.
    pub verbosity: Verbosity,
    /// The command that runs a case again, such as `partest`, as a shell reads it.
    pub program: String,
    /// The paths that it is given, where the file of a case would not lead to the same id: ids of what lies outside
    /// of the working directory depend on how it was found.
    pub paths: Vec<String>,
}

/// All there is to know of a case that failed, without colours: where a whole console has no place.
#[must_use]
pub fn failure_text(result: &CaseResult) -> String {
    let mut page = Page::new(Colours::Remove);
    block::failure_block(&mut page, result);
    page.text().to_owned()
}

/// The part of a terminal below the lines that are printed.
pub trait LiveRegion {
    /// Shows how far the run is. Called often; must be cheap.
    fn update(&mut self, progress: &Progress);

    /// Takes the region away, calls `print`, and shows the region again.
    ///
    /// # Errors
    /// What `print` returns.
    fn suspend(&mut self, print: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;

    /// Takes the region away for good.
    fn clear(&mut self);
}

/// Writes to a console.
pub struct ConsoleReporter<W> {
    out: W,
    options: ConsoleOptions,
    live: Option<Box<dyn LiveRegion>>,
    page: Page,
    progress: Progress,
    suites: Suites,
    summary: Summary,
}

impl<W: Write> ConsoleReporter<W> {
    /// A reporter that writes to `out`, to which escape sequences for colours go as `options` say.
    pub fn new(out: W, options: ConsoleOptions) -> Self {
        Self {
            out,
            live: None,
            page: Page::new(options.colours),
            progress: Progress::default(),
            suites: Suites::default(),
            summary: Summary::default(),
            options,
        }
    }

    /// The same with a live region.
    #[must_use]
    pub fn with_live_region(self, live: Box<dyn LiveRegion>) -> Self {
        Self { live: Some(live), ..self }
    }

    fn started(&mut self, started: &RunStarted) {
        self.suites = Suites::new(started);
        self.summary.predicted = started.predicted;
        self.summary.total = started.total;
        self.summary.is_stress = started.stress.is_some();
        if self.options.verbosity == Verbosity::Quiet {
            return;
        }
        if let Some(shard) = &started.shard {
            let Shard { number, of, cases, .. } = shard;
            let total = started.total;
            self.page
                .paint(FAINT, format_args!("shard {number} of {of}: {total} of {cases} cases"))
                .push('\n');
        }
        if let Some(time) = started.stress {
            let (time, count) = (format_duration(time), started.total);
            self.page
                .paint(FAINT, format_args!("stress: {count} copies, again and again for {time}"))
                .push('\n');
        }
        if let Some(seed) = started.seed {
            self.page.paint(FAINT, format_args!("random order: --seed {seed}")).push('\n');
        }
        if self.options.verbosity >= Verbosity::Verbose {
            self.page.paint(FAINT, format_args!("safeguards: {}", joined(started.safeguards))).push('\n');
        }
    }

    fn finished(&mut self, result: &CaseResult) {
        let standing = result.standing();
        let verbosity = self.options.verbosity;
        let (page, bad) = (&mut self.page, is_bad(standing));
        let every_case = match self.options.layout {
            Layout::Plain => verbosity >= Verbosity::Normal,
            Layout::Terminal => verbosity >= Verbosity::Verbose,
        };
        // Of a stress run, what failed first.
        let is_repeated = self.summary.is_stress && result.info.copy_of.is_some();
        if is_repeated && verbosity < Verbosity::Verbose && (!bad || self.summary.has_failed(result)) {
            return self.summary.add(result);
        }
        // After an interruption there may be thousands that were never begun.
        let is_never_begun = matches!(result.outcome, Outcome::Skipped(Skip::NotRun | Skip::Halted(_)));
        let never_begun = is_never_begun && verbosity < Verbosity::Verbose;
        let notable = verbosity > Verbosity::Quiet
            && (matches!(standing, Standing::Flaky | Standing::Quarantined) || result.has_leaked());
        // What changes the user's files is said however little is wanted.
        if bad || notable || !result.updated.is_empty() || (every_case && !never_begun) {
            block::case_line(page, result);
        }
        block::updated_block(page, result, verbosity > Verbosity::Quiet);
        if bad {
            block::failure_block(page, result);
            block::rerun_line(page, result, &self.options);
        } else if notable {
            block::odd_block(page, result);
            block::push_leaked(page, result);
        }
        if !bad && verbosity >= Verbosity::Outputs {
            block::output_block(page, result);
        }
        if self.options.layout == Layout::Terminal && verbosity == Verbosity::Normal {
            self.suites.add(result, page);
        }
        self.summary.add(result);
    }

    fn slow(&mut self) {
        for running in self.progress.newly_slow() {
            let time = format!(">{}", format_duration(running.slow_after));
            self.page.paint(ODD, "SLOW   ").paint(FAINT, format_args!(" {time:>7}")).push("  ");
            self.page.inline(running.info.id.as_str()).push('\n');
        }
    }

    /// Writes what has been laid out.
    fn print(&mut self) -> io::Result<()> {
        if self.page.text().is_empty() {
            return Ok(());
        }
        let (out, text) = (&mut self.out, self.page.text());
        let mut write = || out.write_all(text.as_bytes()).and_then(|()| out.flush());
        let result = match &mut self.live {
            Some(live) => live.suspend(&mut write),
            None => write(),
        };
        self.page.clear();
        result
    }
}

impl<W: Write> Reporter for ConsoleReporter<W> {
    fn handle(&mut self, event: &TestEvent) -> io::Result<()> {
        self.progress.handle(event);
        match event {
            TestEvent::RunStarted(started) => self.started(started),
            TestEvent::CaseStarted { .. } => {}
            TestEvent::CaseFinished(result) => self.finished(result),
            TestEvent::Interrupted { signal } => {
                let name = signal_name(*signal).unwrap_or("a signal");
                self.page.paint(ODD, format_args!("{name}: ending the cases that run")).push('\n');
            }
            TestEvent::Halted(halt) => {
                let words = match halt {
                    Halt::Failures(1) => "a case has failed: no more are started".to_owned(),
                    Halt::Failures(count) => format!("{count} cases have failed: no more are started"),
                    Halt::Timeout(limit) => {
                        format!("the run has taken {}: ending the cases that run", format_duration(*limit))
                    }
                };
                self.page.paint(ODD, words).push('\n');
            }
            TestEvent::Warned { message } => {
                self.page.paint(ODD, "warning: ").inline(message).push('\n');
            }
            TestEvent::RunFinished(finished) => {
                if let Some(mut live) = self.live.take() {
                    live.clear();
                }
                if self.options.verbosity > Verbosity::Quiet && finished.stats.total() > 0 {
                    self.page.push('\n');
                }
                self.summary.push(&mut self.page, finished);
            }
        }
        if let Some(live) = &mut self.live {
            live.update(&self.progress);
        }
        self.print()
    }

    fn tick(&mut self) -> io::Result<()> {
        if let Some(live) = &mut self.live {
            live.update(&self.progress);
        } else if self.options.layout == Layout::Plain && self.options.verbosity > Verbosity::Quiet {
            self.slow();
        }
        self.print()
    }
}

#[cfg(test)]
mod tests;
