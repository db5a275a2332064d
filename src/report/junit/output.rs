//! What cases print, and the files they leave, as texts of a report.

use crate::model::{Attempt, Captured, CaseResult, StepRecord};
use crate::text::excerpt::{Bounds, excerpt, excerpt_bytes};
use crate::text::xml;

/// How a line begins by which Jenkins and GitLab find a file.
const ATTACHMENT: &str = "[[ATTACHMENT|";

/// What becomes of it in a text that is not partest's own: a case must not name files of the CI's machine.
const NO_ATTACHMENT: &str = "[[ATTACHMENT\\|";

/// A text of a case, for the inside of a CDATA section.
pub(crate) fn foreign(text: &str) -> String {
    let clean = xml::clean(text);
    match clean.contains(ATTACHMENT) {
        true => xml::cdata(&clean.replace(ATTACHMENT, NO_ATTACHMENT)).into_owned(),
        false => xml::cdata(&clean).into_owned(),
    }
}

/// A text of a case in one line.
pub(crate) fn foreign_line(text: &str) -> String {
    xml::one_line(text).replace(ATTACHMENT, NO_ATTACHMENT)
}

/// A stream of all steps of an attempt together, or nothing when it is empty or nothing is to be kept of it.
pub(crate) fn output(
    attempt: &Attempt,
    stream: impl Fn(&StepRecord) -> &Captured,
    limit: usize,
) -> Option<String> {
    let steps = &attempt.steps;
    let written: Vec<&StepRecord> = steps.iter().filter(|step| stream(step).written() > 0).collect();
    if limit == 0 {
        return None;
    }
    let mut text = String::new();
    for step in &written {
        let Captured { head, tail, dropped } = stream(step);
        if steps.len() > 1 {
            begin_line(&mut text);
            text.push_str(&format!("$ {}\n", excerpt(&step.command, Bounds::bytes(256))));
        }
        text.push_str(&excerpt_bytes(head, *dropped, tail, Bounds::bytes(limit / written.len())));
    }
    let text = foreign(&text);
    (!text.is_empty()).then_some(text)
}

/// The output, and after it what the services wrote that ran beside the case, each under its name.
pub(crate) fn with_services(output: Option<String>, last: Option<&Attempt>, limit: usize) -> Option<String> {
    let mut text = output.unwrap_or_default();
    let services = last.map_or(&[][..], |last| &last.services);
    for service in services.iter().filter(|service| service.output.written() > 0 && limit > 0) {
        begin_line(&mut text);
        let Captured { head, tail, dropped } = &service.output;
        let said = excerpt_bytes(head, *dropped, tail, Bounds::bytes(limit / services.len()));
        text.push_str(&foreign(&format!("== service {} ==\n{said}", xml::one_line(&service.name))));
    }
    (!text.is_empty()).then_some(text)
}

/// The output, and after it at most so many files as Jenkins and GitLab find attachments, each on a line of its own.
/// First what the last attempt has left, since GitLab shows one only; then the files with all of its output, and what
/// earlier attempts have left and printed.
pub(crate) fn with_attachments(output: Option<String>, result: &CaseResult, most: usize) -> Option<String> {
    let Some((last, earlier)) = result.attempts.split_last() else { return output };
    let own = last.kept.files.iter().chain(&last.logs);
    let before = earlier.iter().rev();
    let files = own.chain(before.flat_map(|attempt| attempt.kept.files.iter().chain(&attempt.logs)));
    let attachments = files.map(|file| format!("{ATTACHMENT}{}]]\n", xml::one_line(file)));
    let missing = last.kept.left_out.iter().map(|reason| format!("not kept: {}\n", foreign_line(reason)));
    let lines: String = attachments.take(most).chain(missing.take(most)).collect();
    if lines.is_empty() {
        return output;
    }
    let mut text = output.unwrap_or_default();
    begin_line(&mut text);
    text.push_str(&xml::cdata(&lines));
    Some(text)
}

/// Lets what follows stand at the beginning of a line.
fn begin_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}
