//! The live region on a terminal: a bar, and below it the cases that have been running for longest.

use std::io;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::Amount;
use crate::report::console::page::one_line;
use crate::report::console::{LiveRegion, Progress};
use crate::text::terminal::Colours;
use crate::time::format_duration;

/// How often it is drawn, in times per second.
const RATE: u8 = 10;

/// The most cases that are named.
const MOST_NAMED: usize = 4;

/// The longest id, in characters, that is shown whole.
const LONGEST_ID: usize = 60;

/// From when on a case is named.
const NAMED_AFTER: Duration = Duration::from_millis(500);

/// A progress bar on standard error; nothing where that is no terminal.
pub struct ProgressLine {
    bar: ProgressBar,
    drawn: Option<Instant>,
}

impl ProgressLine {
    /// A bar that is drawn as soon as something happens.
    #[must_use]
    pub fn stderr(colours: Colours) -> Self {
        Self::drawn_to(ProgressDrawTarget::stderr_with_hz(RATE), colours)
    }

    fn drawn_to(target: ProgressDrawTarget, colours: Colours) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template = match colours {
            Colours::Keep => "{bar:24.green/dim} {pos}/{len}{msg}",
            Colours::Remove => "{bar:24} {pos}/{len}{msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self { bar, drawn: None }
    }
}

impl LiveRegion for ProgressLine {
    fn update(&mut self, progress: &Progress) {
        let now = Instant::now();
        let pause = Duration::from_secs(1) / u32::from(RATE);
        if self.bar.is_hidden() || self.drawn.is_some_and(|drawn| now.duration_since(drawn) < pause) {
            return;
        }
        self.drawn = Some(now);
        let (position, length) = match progress.stress {
            None => (progress.finished as u64, progress.total as u64),
            Some(time) => (progress.started.elapsed().min(time).as_secs(), time.as_secs()),
        };
        if self.bar.length() != Some(length) {
            self.bar.set_length(length);
        }
        self.bar.set_position(position);
        self.bar.set_message(message(progress));
    }

    fn suspend(&mut self, print: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.bar.suspend(print)
    }

    fn clear(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What stands behind the bar and below it.
fn message(progress: &Progress) -> String {
    let mut message = format!("  {}", format_duration(progress.started.elapsed()));
    if progress.stress.is_some() {
        message.push_str(&format!("  {} run", progress.finished));
    }
    if progress.failures > 0 {
        message.push_str(&format!("  {} failed", progress.failures));
    }
    let running = progress.running();
    let long =
        running.iter().filter(|running| running.since.elapsed() >= NAMED_AFTER.min(running.slow_after));
    for running in long.take(MOST_NAMED) {
        let id = one_line(running.info.id.as_str());
        let cut = id.char_indices().nth(LONGEST_ID).map(|(at, _)| &id[..at]);
        let slow = if running.is_slow() { "  SLOW" } else { "" };
        let time = format_duration(running.since.elapsed());
        let amount = running.gauge.read().map_or_else(String::new, |amount| format!("  {}", words(amount)));
        let more = cut.map_or("", |_| "…");
        message.push_str(&format!("\n  {time:>7}  {}{more}{amount}{slow}", cut.unwrap_or(&id)));
    }
    message
}

/// How much of a download is there.
fn words(amount: Amount) -> String {
    match amount {
        Amount { done, of: Some(of) } if of > 0 => {
            let percent = u128::from(done.min(of)) * 100 / u128::from(of);
            format!("{percent}% of {}", bytes(of))
        }
        Amount { done, .. } => bytes(done),
    }
}

/// A number of bytes, rounded.
fn bytes(number: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", number as f64 / unit as f64),
        None => format!("{number} B"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indicatif::ProgressDrawTarget;

    use super::{ProgressLine, message, words};
    use crate::model::{Amount, Gauge, TestEvent};
    use crate::report::console::{LiveRegion as _, Progress};
    use crate::report::tests::{info, results, run};
    use crate::text::terminal::Colours;

    #[test]
    fn slow_cases_are_named() {
        let mut progress = Progress::default();
        let results = results();
        let failures =
            results.iter().filter(|result| crate::report::console::page::is_bad(result.standing())).count();
        run(results, None).iter().for_each(|event| progress.handle(event));
        for n in 0..6 {
            let info = info("suite", &format!("{n}{}\u{1b}[2J\n", "x".repeat(100)), 1);
            let gauge = Gauge::default();
            gauge.show(Amount { done: 420 << 20, of: (n == 0).then_some(1 << 30) });
            progress.handle(&TestEvent::CaseStarted { info, attempt: 1, slow_after: Duration::ZERO, gauge });
        }
        let message = message(&progress);
        let lines: Vec<&str> = message.lines().collect();
        assert!(lines[0].ends_with(&format!("  {failures} failed")), "{message}");
        assert_eq!(lines.len(), 5);
        assert!(
            lines[1].contains("  suite::0xxx") && lines[1].ends_with("xxx…  41% of 1.0 GiB  SLOW"),
            "{message}"
        );
        assert!(lines[2].ends_with("xxx…  420.0 MiB  SLOW"), "{message}");
        assert!(lines[1].chars().count() < 100 && !message.contains('\u{1b}'));
    }

    #[test]
    fn amounts_are_rounded() {
        for (done, of, expected) in [
            (0, Some(0), "0 B"),
            (1023, None, "1023 B"),
            (1536, None, "1.5 KiB"),
            (5, Some(1000), "0% of 1000 B"),
            (u64::MAX - 1, Some(u64::MAX - 1), "100% of 17179869184.0 GiB"),
        ] {
            assert_eq!(words(Amount { done, of }), expected);
        }
    }

    #[test]
    fn printing_goes_through() {
        let mut line = ProgressLine::drawn_to(ProgressDrawTarget::hidden(), Colours::Remove);
        line.update(&Progress::default());
        let mut printed = false;
        line.suspend(&mut || {
            printed = true;
            Ok(())
        })
        .expect("printed");
        line.clear();
        assert!(printed);
    }
}
