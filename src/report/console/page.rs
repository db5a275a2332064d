//! A text in the making, with or without colours.

use std::borrow::Cow;
use std::fmt::Display;

use anstyle::{AnsiColor, Style};

use crate::model::Standing;
use crate::text::terminal::{Colours, printable};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
pub(crate) const HUNK: Style = AnsiColor::Cyan.on_default();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

/// What is to be printed next.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    colours: Colours,
}

impl Page {
    pub(crate) fn new(colours: Colours) -> Self {
        Self { text: String::new(), colours }
    }

    /// Adds text of our own.
    pub(crate) fn push(&mut self, text: impl Display) -> &mut Self {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{text}");
        self
    }

    /// Adds text of our own in a style.
    pub(crate) fn paint(&mut self, style: Style, text: impl Display) -> &mut Self {
        match self.colours {
            Colours::Keep => self.push(style).push(text).push(format_args!("{style:#}")),
            Colours::Remove => self.push(text),
        }
    }

    /// Adds foreign text that belongs on one line.
    pub(crate) fn inline(&mut self, text: &str) -> &mut Self {
        self.push(one_line(text))
    }

    /// Adds lines of foreign text. Each begins with a bar, so that none begins with a command for a CI server;
    /// `style` may be chosen by the line.
    pub(crate) fn foreign(&mut self, text: &str, style: impl Fn(&str) -> Style) -> &mut Self {
        let text = text.strip_suffix('\n').unwrap_or(text);
        for line in text.split('\n') {
            let shown = printable(line.strip_suffix('\r').unwrap_or(line), self.colours);
            let shown = without_commands(&shown);
            self.push("    ").paint(FAINT, "|");
            if !shown.is_empty() {
                let style = style(line);
                self.push(' ');
                if style.is_plain() {
                    self.push(shown)
                } else {
                    self.paint(style, shown)
                };
            }
            self.push('\n');
        }
        self
    }

    /// Takes what is to be printed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
    }
}

/// Foreign text on one line, without colours.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let shown = printable(text, Colours::Remove);
    let shown = match shown.contains(['\n', '\t']) {
        true => Cow::Owned(shown.replace('\n', "␊").replace('\t', " ")),
        false => shown,
    };
    match without_commands(&shown) {
        Cow::Borrowed(_) => shown,
        Cow::Owned(changed) => Cow::Owned(changed),
    }
}

/// Breaks what CI servers take for a command wherever it stands in a line: `##[error]`, `##vso[…]` and
/// `##teamcity[…]`. (GitHub's `::error::` counts at the beginning alone, but blanks before it do not help.)
fn without_commands(line: &str) -> Cow<'_, str> {
    let commands = ["##[", "##vso[", "##teamcity["];
    if !line.contains("##") || !commands.iter().any(|command| line.contains(command)) {
        return Cow::Borrowed(line);
    }
    let mut line = line.to_owned();
    for command in commands {
        line = line.replace(command, &format!("# {}", &command[1..]));
    }
    Cow::Owned(line)
}

/// The word for a standing, as every case's line begins.
pub(crate) fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Passed => "PASS",
        Standing::Flaky => "FLAKY",
        Standing::ExpectedFailure => "XFAIL",
        Standing::Failed => "FAIL",
        Standing::TimedOut => "TIMEOUT",
        Standing::Errored => "ERROR",
        Standing::Skipped => "SKIP",
        Standing::Quarantined => "Q-FAIL",
        Standing::NotRun => "NOT-RUN",
    }
}

/// The colour of a standing.
pub(crate) fn style(standing: Standing) -> Style {
    match standing {
        Standing::Passed => GOOD,
        Standing::Failed | Standing::TimedOut | Standing::Errored => BAD.bold(),
        Standing::Flaky | Standing::NotRun | Standing::Quarantined => ODD,
        Standing::ExpectedFailure | Standing::Skipped => FAINT,
    }
}

/// Whether a standing breaks the run.
pub(crate) fn is_bad(standing: Standing) -> bool {
    matches!(standing, Standing::Failed | Standing::TimedOut | Standing::Errored)
}
