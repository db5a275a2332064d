//! One line for each descriptor file, when its last case is over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use anstyle::Style;

use crate::model::{CaseResult, RunStarted, RunStats};
use crate::report::console::page::{BAD, FAINT, GOOD, ODD, Page, one_line};
use crate::time::format_duration;

/// The widest column of names.
const WIDEST: usize = 48;

/// The suites of a run.
#[derive(Debug, Default)]
pub(crate) struct Suites {
    width: usize,
    left: HashMap<Arc<str>, Suite>,
}

#[derive(Debug, Default)]
struct Suite {
    left: usize,
    stats: RunStats,
    first: Option<SystemTime>,
    last: Option<SystemTime>,
}

impl Suites {
    pub(crate) fn new(started: &RunStarted) -> Self {
        let width = started.suites.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let suites = started.suites.iter();
        let left = suites.map(|(name, count)| (name.clone(), Suite { left: *count, ..Suite::default() }));
        Self { width: width.min(WIDEST), left: left.collect() }
    }

    /// Takes note of a result; writes the line of its suite if it was the last.
    pub(crate) fn add(&mut self, result: &CaseResult, page: &mut Page) {
        let Some(suite) = self.left.get_mut(&result.info.suite) else { return };
        suite.stats.add(result);
        for attempt in &result.attempts {
            let end = attempt.started_at.checked_add(attempt.duration);
            suite.first = Some(suite.first.map_or(attempt.started_at, |first| first.min(attempt.started_at)));
            suite.last = suite.last.max(end);
        }
        suite.left = suite.left.saturating_sub(1);
        if suite.left == 0
            && let Some(suite) = self.left.remove(&result.info.suite)
        {
            self.push(&result.info.suite, &suite, page);
        }
    }

    fn push(&self, name: &str, suite: &Suite, page: &mut Page) {
        let stats = &suite.stats;
        if stats.total() == stats.not_run {
            // The end of the run says how many were not run.
            return;
        }
        let (mark, style) = match () {
            () if stats.failures() > 0 => ("✗", BAD.bold()),
            () if stats.not_run > 0 || stats.flaky > 0 => ("!", ODD),
            () if stats.passed + stats.expected_failures == 0 => ("-", FAINT),
            () => ("✓", GOOD),
        };
        let counts: [(usize, &str, Style); 8] = [
            (stats.passed, "passed", Style::new()),
            (stats.flaky, "flaky", ODD),
            (stats.failed, "failed", BAD),
            (stats.timed_out, "timed out", BAD),
            (stats.errored, "in error", BAD),
            (stats.skipped, "skipped", FAINT),
            (stats.expected_failures, "failed as expected", FAINT),
            (stats.not_run, "not run", ODD),
        ];
        page.paint(style, mark);
        page.push(format_args!(" {:<width$}  ", one_line(name), width = self.width));
        for (index, (count, word, style)) in counts.into_iter().filter(|(count, ..)| *count > 0).enumerate() {
            page.push(if index > 0 { ", " } else { "" }).paint(style, format_args!("{count} {word}"));
        }
        if let (Some(first), Some(last)) = (suite.first, suite.last) {
            let wall = last.duration_since(first).unwrap_or_default();
            page.paint(FAINT, format_args!("  {}", format_duration(wall)));
        }
        page.push('\n');
    }
}
