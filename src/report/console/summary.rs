//! The end of a run: the failures once more, the slowest cases, and the line that says it all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{CaseId, CaseInfo, CaseResult, Outcome, RunFinished, Standing, signal_name};
use crate::report::console::page::{BAD, FAINT, GOOD, ODD, Page, is_bad, one_line, style, word};
use crate::time::format_duration;

/// How many of the slowest cases are remembered.
const SLOWEST: usize = 3;

/// From which time on a case is worth a mention among the slowest.
const SLOW: Duration = Duration::from_secs(1);

/// From which time on the slowest case is worth a mention in the last line.
const NOTABLE: Duration = Duration::from_millis(100);

/// What is remembered of the cases for the end.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    failures: Vec<(Arc<CaseInfo>, Standing, String)>,
    slowest: Vec<(Duration, CaseId)>,
    repeated: BTreeMap<CaseId, Repeated>,
    /// Whether nobody knows how many copies of a case there are, so that not all that failed are kept.
    pub(crate) is_stress: bool,
    /// How long the run may take, from earlier ones.
    pub(crate) predicted: Option<Duration>,
    /// How many results it is to have.
    pub(crate) total: usize,
}

/// What came of the copies of a case.
#[derive(Debug, Default)]
struct Repeated {
    passed: usize,
    ran: usize,
    /// The name of the first copy that failed.
    failed: Option<String>,
}

impl Summary {
    pub(crate) fn add(&mut self, result: &CaseResult) {
        let standing = result.standing();
        let is_first_failure = self.count(result);
        if is_bad(standing) && (is_first_failure || !self.is_stress) {
            let message = result.all_failures().next().map(|failure| failure.headline().into_owned());
            self.failures.push((Arc::clone(&result.info), standing, message.unwrap_or_default()));
        }
        let duration = result.duration();
        if self.slowest.len() < SLOWEST || self.slowest.last().is_some_and(|(least, _)| duration > *least) {
            self.slowest.push((duration, result.info.id.clone()));
            self.slowest.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            self.slowest.truncate(SLOWEST);
        }
    }

    /// Counts what came of a copy. Says whether it is the first of its case that failed; so is a case without copies.
    fn count(&mut self, result: &CaseResult) -> bool {
        let Some(id) = &result.info.copy_of else { return true };
        if matches!(result.outcome, Outcome::Skipped(_)) {
            return true;
        }
        let repeated = self.repeated.entry(id.clone()).or_default();
        repeated.ran += 1;
        if result.outcome == Outcome::Passed {
            repeated.passed += 1;
            return false;
        }
        let is_first = repeated.failed.is_none();
        repeated.failed.get_or_insert_with(|| result.info.name.clone());
        is_first
    }

    /// Whether another copy of the case has failed already.
    pub(crate) fn has_failed(&self, result: &CaseResult) -> bool {
        let copies = result.info.copy_of.as_ref().and_then(|id| self.repeated.get(id));
        copies.is_some_and(|copies| copies.failed.is_some())
    }

    /// Writes the end.
    pub(crate) fn push(&mut self, page: &mut Page, finished: &RunFinished) {
        self.push_failures(page);
        self.push_slowest(page);
        self.push_repeated(page);
        self.push_interruption(page, finished);
        self.push_prediction(page, finished);
        if finished.stats.denied_retries > 0 {
            let count = words(finished.stats.denied_retries, "case was", "cases were");
            page.paint(ODD, format_args!("no retries left: {count} not tried again")).push('\n');
        }
        self.push_counts(page, finished);
    }

    fn push_failures(&mut self, page: &mut Page) {
        if self.failures.is_empty() {
            return;
        }
        self.failures.sort_by(|(a, ..), (b, ..)| (a.place(), &a.id).cmp(&(b.place(), &b.id)));
        page.paint(BAD.bold(), "failures:").push('\n');
        for (info, standing, message) in &self.failures {
            page.push("  ").paint(style(*standing), format_args!("{:<7}", word(*standing)));
            page.push(' ')
                .inline(info.id.as_str())
                .paint(FAINT, format_args!("  {}", one_line(message)))
                .push('\n');
        }
        page.push('\n');
    }

    fn push_repeated(&self, page: &mut Page) {
        for (id, Repeated { passed, ran, failed }) in &self.repeated {
            let style = if failed.is_some() { BAD } else { GOOD };
            page.paint(style, format_args!("{passed} of {ran} passed")).push("  ").inline(id.as_str());
            if let Some(name) = failed {
                page.paint(FAINT, format_args!("  first failed: {}", one_line(name)));
            }
            page.push('\n');
        }
    }

    fn push_slowest(&self, page: &mut Page) {
        let slow: Vec<_> = self.slowest.iter().filter(|(duration, _)| *duration >= SLOW).collect();
        if slow.len() < 2 {
            // The only one stands in the last line.
            return;
        }
        page.push("slowest:\n");
        for (duration, id) in slow {
            page.push(format_args!("  {:>7}  ", format_duration(*duration))).inline(id.as_str()).push('\n');
        }
        page.push('\n');
    }

    fn push_interruption(&self, page: &mut Page, finished: &RunFinished) {
        let not_run = finished.stats.not_run;
        let Some(signal) = finished.signal else {
            if let Some(halt) = finished.halt {
                page.paint(ODD.bold(), format_args!("{halt}: {not_run} not run")).push('\n');
            }
            return;
        };
        let name = signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned);
        let words = format!("interrupted by {name}: {not_run} not run");
        page.paint(ODD.bold(), words).push('\n');
    }

    /// How long the run took against what earlier ones let expect, where that is long enough to be of interest.
    fn push_prediction(&self, page: &mut Page, finished: &RunFinished) {
        let is_early = finished.signal.is_some() || finished.halt.is_some();
        // So are those of a run that was killed.
        let is_whole = finished.stats.not_run == 0 && finished.stats.total() >= self.total;
        let Some(predicted) = self.predicted.filter(|_| !is_early && is_whole) else { return };
        if predicted.max(finished.duration) >= SLOW {
            let [predicted, took] = [predicted, finished.duration].map(format_duration);
            page.paint(FAINT, format_args!("predicted {predicted}, took {took}")).push('\n');
        }
    }

    fn push_counts(&self, page: &mut Page, finished: &RunFinished) {
        let stats = &finished.stats;
        let is_early = finished.signal.is_some() || finished.halt.is_some();
        let counts = [
            (stats.passed, "passed", "passed", GOOD),
            (stats.flaky, "flaky", "flaky", ODD),
            (stats.failed, "failed", "failed", BAD.bold()),
            (stats.timed_out, "timed out", "timed out", BAD.bold()),
            (stats.errored, "error", "errors", BAD.bold()),
            (stats.quarantined, "quarantined", "quarantined", ODD),
            (stats.skipped, "skipped", "skipped", FAINT),
            (stats.expected_failures, "expected failure", "expected failures", FAINT),
            // After an interruption the line before says it.
            (if is_early { 0 } else { stats.not_run }, "not run", "not run", ODD),
        ];
        let total = stats.total();
        let rest = match finished.duration {
            // Of a run that was killed before anything had ended it is not known.
            Duration::ZERO => words(total, "case", "cases"),
            duration => format!("{} in {}", words(total, "case", "cases"), format_duration(duration)),
        };
        let rest = match (total, self.total) {
            (0, 0) => "no cases".to_owned(),
            (0, total) => format!("none of {} has a result", words(total, "case", "cases")),
            _ => rest,
        };
        let green = total > 0 && stats.failures() == 0 && stats.not_run == 0 && !is_early;
        let counts: Vec<_> = counts.into_iter().filter(|(count, ..)| *count > 0).collect();
        let separator = if counts.is_empty() { "" } else { " · " };
        if green {
            let counts: Vec<_> =
                counts.into_iter().map(|(count, one, many, _)| words(count, one, many)).collect();
            page.paint(GOOD.bold(), format_args!("{}{separator}{rest}", counts.join(", ")));
        } else {
            for (index, (count, one, many, style)) in counts.into_iter().enumerate() {
                page.push(if index > 0 { ", " } else { "" }).paint(style, words(count, one, many));
            }
            page.push(separator).push(&rest);
        }
        if stats.leaked > 0 {
            page.push(" · ")
                .paint(ODD, words(stats.leaked, "case", "cases"))
                .paint(ODD, " left processes behind");
        }
        match self.slowest.first() {
            Some((duration, id)) if *duration >= NOTABLE && total > 1 => {
                let words = format!(" · slowest {} {}", one_line(id.as_str()), format_duration(*duration));
                page.paint(FAINT, words);
            }
            _ => {}
        }
        page.push('\n');
    }
}

fn words(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
