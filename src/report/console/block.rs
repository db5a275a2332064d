//! What is said of one case: its line, and all there is to know when it failed.

use anstyle::Style;

use crate::model::{
    Attempt, Captured, CaseResult, Failure, FailureKind, KeptFiles, Outcome, Standing, StepRecord,
};
use crate::report::console::ConsoleOptions;
use crate::report::console::page::{BAD, FAINT, GOOD, HUNK, ODD, Page, STRONG, one_line, style, word};
use crate::text::excerpt::{Bounds, excerpt, excerpt_bytes};
use crate::text::shell;
use crate::time::format_duration;

/// How much of a stream is shown: its end, since that is where failures announce themselves.
const OUTPUT: Bounds = Bounds { first_lines: 0, last_lines: 20, bytes: 4 << 10 };

/// How much of the output of a case that passed is shown when it is asked for.
const ALL_OUTPUT: Bounds = Bounds { first_lines: 100, last_lines: 100, bytes: 32 << 10 };

/// How much of a diff or of another detail is shown.
const DETAIL: Bounds = Bounds { first_lines: 80, last_lines: 20, bytes: 16 << 10 };

/// How much of a command is shown.
const COMMAND: Bounds = Bounds::bytes(1 << 10);

/// The most steps that are shown of a case; the last ones.
const MOST_STEPS: usize = 3;

/// How many files are named that are kept of a case.
const MOST_KEPT: usize = 10;

/// Output no longer than this, in bytes, stands whole in the message about it.
const IN_MESSAGE: u64 = 72;

/// `FAIL    0.31s  folder/file::case  (reason)`.
pub(crate) fn case_line(page: &mut Page, result: &CaseResult) {
    let standing = result.standing();
    let time = if result.attempts.is_empty() { String::new() } else { format_duration(result.duration()) };
    page.paint(style(standing), format_args!("{:<7}", word(standing)));
    page.paint(FAINT, format_args!(" {time:>7}")).push("  ").inline(result.info.id.as_str());
    let reason = match (&result.outcome, &result.expected_failure) {
        (Outcome::Skipped(skip), _) => Some(skip.reason()),
        (_, Some(reason)) => Some(reason.clone()),
        _ if result.quarantine.is_some() => result.quarantine.as_ref().map(ToString::to_string),
        _ if standing == Standing::Flaky => Some(format!("attempt {} passed", result.attempts.len())),
        _ if result.has_denied_retries => Some("not tried again: the run has no retries left".to_owned()),
        _ if result.attempts.last().is_some_and(|last| last.outcome == Outcome::Passed) => None,
        _ if result.attempts.len() > 1 => Some(format!("none of {} attempts passed", result.attempts.len())),
        _ => None,
    };
    if let Some(reason) = reason {
        page.paint(FAINT, format_args!("  ({})", one_line(&reason)));
    }
    if result.has_leaked() {
        page.push("  ").paint(ODD, "LEAK");
    }
    page.push('\n');
}

/// What went wrong and what the case printed.
pub(crate) fn failure_block(page: &mut Page, result: &CaseResult) {
    let mut last = None;
    for failure in result.all_failures() {
        push_failure(page, failure, last != Some(&failure.position));
        last = Some(&failure.position);
    }
    if let Some(attempt) = result.attempts.last() {
        push_steps(page, attempt, |step, name| !is_shown(result, step, name), OUTPUT);
        push_services(page, attempt);
    }
    push_leaked(page, result);
    push_earlier_logs(page, result);
    if let Some(attempt) = result.attempts.last() {
        push_logs(page, attempt);
        push_kept(page, attempt);
    }
}

/// How to run the case again. For a file that cannot be read there is nothing to run.
pub(crate) fn rerun_line(page: &mut Page, result: &CaseResult, options: &ConsoleOptions) {
    let (id, file) = (result.info.lasting_id().as_str(), &*result.info.position.file);
    // What is done before or after the cases of a folder is done with them.
    if result.info.is_file() || result.info.is_hook() {
        page.push('\n');
        return;
    }
    // A file's name with a backslash may be an escaped one, by which it is not found.
    let names_file = options.paths.is_empty() && !file.contains('\\');
    page.push("    ").paint(FAINT, "rerun: ").push(&options.program);
    for path in options.paths.iter().map(String::as_str).chain(names_file.then_some(file)) {
        let guard = if path.starts_with('-') { "./" } else { "" };
        page.push(' ').inline(&shell::quote_visibly(&format!("{guard}{path}")));
    }
    let guard = if id.starts_with('-') { '=' } else { ' ' };
    page.push(" --exact").push(guard).inline(&shell::quote_visibly(id));
    page.push("\n\n");
}

/// What went wrong in a case that breaks no run: in the failed attempts of one that passed in the end, or in all of one
/// that is in quarantine.
pub(crate) fn odd_block(page: &mut Page, result: &CaseResult) {
    if result.standing() == Standing::Quarantined {
        result.failures.iter().for_each(|failure| push_failure(page, failure, true));
    }
    for attempt in result.attempts.iter().filter(|attempt| attempt.outcome != Outcome::Passed) {
        for failure in &attempt.failures {
            page.push("    ").paint(FAINT, format_args!("attempt {}: ", attempt.number));
            page.inline(&failure.headline()).push('\n');
        }
        push_logs(page, attempt);
    }
}

/// The output of a case that passed.
pub(crate) fn output_block(page: &mut Page, result: &CaseResult) {
    if let Some(attempt) = result.attempts.last() {
        push_steps(page, attempt, |_, _| true, ALL_OUTPUT);
        push_kept(page, attempt);
    }
}

/// The golden files that were rewritten; what was changed in them where `details` are wanted.
pub(crate) fn updated_block(page: &mut Page, result: &CaseResult, details: bool) {
    for updated in &result.updated {
        let verb = if updated.created { "created: " } else { "updated: " };
        page.push("    ").paint(ODD, verb).inline(&updated.path).push('\n');
        if details && !updated.detail.is_empty() {
            page.foreign(&excerpt(&updated.detail, DETAIL), diff_style);
        }
    }
}

/// The processes that were left behind.
pub(crate) fn push_leaked(page: &mut Page, result: &CaseResult) {
    for command in result.attempts.iter().flat_map(|attempt| &attempt.leaked) {
        page.push("    ").paint(ODD, "left behind: ").inline(&excerpt(command, COMMAND)).push('\n');
    }
}

/// What the services wrote that ran beside it.
fn push_services(page: &mut Page, attempt: &Attempt) {
    for service in attempt.services.iter().filter(|service| service.output.written() > 0) {
        page.push("    ").paint(STRONG, "service ").inline(&service.name).push(":\n");
        let Captured { head, dropped, tail } = &service.output;
        page.foreign(&excerpt_bytes(head, *dropped, tail, OUTPUT), |_| Style::new());
    }
}

/// Where the whole output of an attempt is.
fn push_logs(page: &mut Page, attempt: &Attempt) {
    for log in &attempt.logs {
        page.push("    ").paint(FAINT, "log: ").inline(log).push('\n');
    }
}

/// Where the whole output of the attempts before the last one is; of the newest of them, where there are many.
fn push_earlier_logs(page: &mut Page, result: &CaseResult) {
    let Some((_, earlier)) = result.attempts.split_last() else { return };
    let logs =
        |attempt: &Attempt| attempt.logs.iter().map(|log| (attempt.number, log.clone())).collect::<Vec<_>>();
    let all: Vec<_> = earlier.iter().flat_map(logs).collect();
    let left_out = all.len().saturating_sub(MOST_KEPT);
    for (number, log) in &all[left_out..] {
        page.push("    ").paint(FAINT, format_args!("log of attempt {number}: ")).inline(log).push('\n');
    }
    if left_out > 0 {
        page.push("    ").paint(FAINT, format_args!("logs: {left_out} more of earlier attempts")).push('\n');
    }
}

/// The files that are kept of an attempt, and what is not.
fn push_kept(page: &mut Page, attempt: &Attempt) {
    let KeptFiles { files, left_out } = &attempt.kept;
    for file in files.iter().take(MOST_KEPT) {
        page.push("    ").paint(FAINT, "kept: ").inline(file).push('\n');
    }
    if files.len() > MOST_KEPT {
        let more = files.len() - MOST_KEPT;
        page.push("    ").paint(FAINT, format_args!("kept: {more} more beside them")).push('\n');
    }
    for reason in left_out.iter().take(MOST_KEPT) {
        page.push("    ").paint(ODD, "not kept: ").inline(reason).push('\n');
    }
}

fn push_failure(page: &mut Page, failure: &Failure, with_position: bool) {
    if failure.kind == FailureKind::Descriptor && !failure.detail.is_empty() {
        // The detail is the whole diagnostic, with its place and its message.
        page.foreign(&failure.detail, |_| Style::new());
        return;
    }
    if with_position {
        page.push("    ").paint(FAINT, "at ").inline(&failure.position.to_string()).push('\n');
    }
    // A message may hold a file's name: it must not begin the line as a command for a CI server.
    let headline = failure.headline();
    let message = one_line(&headline);
    let guard = if message.trim_start().starts_with("::") { "| " } else { "" };
    page.push("    ").push(guard).paint(BAD, message).push('\n');
    if !failure.detail.is_empty() {
        let is_diff = is_diff(failure);
        page.foreign(&excerpt(&failure.detail, DETAIL), |line| {
            if is_diff { diff_style(line) } else { Style::new() }
        });
    }
}

fn is_diff(failure: &Failure) -> bool {
    failure.detail.starts_with("-expected +actual\n")
}

fn diff_style(line: &str) -> Style {
    match line {
        "-expected +actual" => FAINT,
        line if line.starts_with('-') => BAD,
        line if line.starts_with('+') => GOOD,
        line if line.starts_with("@@") => HUNK,
        line if line.starts_with('\\') => FAINT,
        _ => Style::new(),
    }
}

/// Whether the failures show all of a stream.
fn is_shown(result: &CaseResult, step: &StepRecord, name: &str) -> bool {
    let Some((_, stream)) = step.outputs().into_iter().find(|(known, _)| *known == name) else {
        return false;
    };
    let about = |failure: &&Failure| failure.message.starts_with(name) && failure.step == step.step;
    result.all_failures().filter(about).any(|failure| {
        is_diff(failure) || (stream.written() <= IN_MESSAGE && failure.message.contains(", found \""))
    })
}

/// The commands of the last steps and what they printed, as far as `wants` says.
fn push_steps(page: &mut Page, attempt: &Attempt, wants: impl Fn(&StepRecord, &str) -> bool, bounds: Bounds) {
    let left_out = attempt.steps.len().saturating_sub(MOST_STEPS);
    let steps = attempt.steps.iter().enumerate().skip(left_out);
    // Of a step that lacks a value nothing is known.
    for (index, step) in steps.filter(|(_, step)| !step.command.is_empty()) {
        let label = match step.step {
            None if attempt.steps.len() == 1 => "command: ".to_owned(),
            None => format!("step {}: ", index + 1),
            Some(step) => format!("{step}: "),
        };
        page.push("    ").paint(FAINT, label).inline(&excerpt(&step.command, COMMAND));
        if let Some(status) = &step.status {
            page.paint(FAINT, format_args!("  ({status}, {})", format_duration(step.duration)));
        }
        page.push('\n');
        for (name, stream) in step.outputs() {
            if stream.written() > 0 && wants(step, name) {
                page.push("    ").paint(STRONG, name).push(":\n");
                page.foreign(&excerpt_bytes(&stream.head, stream.dropped, &stream.tail, bounds), |_| {
                    Style::new()
                });
            }
        }
    }
}
