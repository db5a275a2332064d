//! Groups the cases into suites and renders the whole, one suite at a time.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use junit_report::{OffsetDateTime, Report, TestResult, TestSuite};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, Event};
use quick_xml::reader::Reader;
use siphasher::sip::SipHasher13;

use crate::model::CaseInfo;
use crate::report::junit::JunitOptions;
use crate::report::junit::annotate::{Annotation, Suite};
use crate::report::junit::case::{Record, milliseconds};
use crate::text::xml;

/// How many cases are rendered at once.
const PART: usize = 1000;

/// What the root element says.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a JunitOptions,
    pub(crate) started_at: SystemTime,
    pub(crate) duration: Duration,
    /// When the first case of each suite began, and when the last one ended.
    pub(crate) spans: &'a HashMap<Arc<str>, (SystemTime, SystemTime)>,
    /// What kept processes from escaping.
    pub(crate) safeguards: &'a str,
}

/// The document, read once more by a parser. Should that fail, the outputs of cases are left out: a report
/// without them is better than none.
///
/// # Errors
/// Why even that one is not well-formed.
pub(crate) fn render(run: &Run<'_>, records: &mut [Record]) -> Result<Vec<u8>, String> {
    records.sort_by(|a, b| by_suite(&a.info, &b.info));
    tell_apart(records);
    first_well_formed([&|| render_once(run, records), &|| {
        render_once(run, &records.iter().map(Record::without_outputs).collect::<Vec<_>>())
    }])
}

/// The order of cases in a report.
fn by_suite(a: &CaseInfo, b: &CaseInfo) -> Ordering {
    // Cases of one file share the texts that name it.
    let texts = |a: &Arc<str>, b: &Arc<str>| if Arc::ptr_eq(a, b) { Ordering::Equal } else { a.cmp(b) };
    let place = |info: &CaseInfo| (info.position.line, info.position.column, info.number);
    texts(&a.suite, &b.suite)
        .then_with(|| texts(&a.position.file, &b.position.file))
        .then_with(|| place(a).cmp(&place(b)))
        .then_with(|| a.name.cmp(&b.name))
}

/// Makes `classname.name` unique: a dot may stand in both, and a line break becomes a blank.
fn tell_apart(records: &mut [Record]) {
    let hash = |suite: &str, name: &str| {
        let mut hasher = SipHasher13::new();
        hasher.write(xml::one_line(suite).as_bytes());
        hasher.write_u8(b'.');
        hasher.write(xml::one_line(name).as_bytes());
        hasher.finish()
    };
    // Their texts would take much more room; where two hashes are the same by chance, a place is added in vain.
    let mut seen = HashSet::with_capacity(records.len());
    for record in records {
        let CaseInfo { suite, name, position, .. } = &*record.info;
        if seen.insert(hash(suite, name)) {
            continue;
        }
        let marked = format!("{name} ({}:{})", position.file, position.line);
        let numbered = (2..).map(|number| format!("{marked} {number}"));
        let mut names = std::iter::once(marked.clone()).chain(numbered);
        if let Some(unique) = names.find(|name| seen.insert(hash(suite, name))) {
            drop(names);
            record.rename(unique);
        }
    }
}

type Attempt<'a> = &'a dyn Fn() -> Result<Vec<u8>, String>;

/// The first of the documents that a parser reads.
pub(crate) fn first_well_formed<const N: usize>(attempts: [Attempt<'_>; N]) -> Result<Vec<u8>, String> {
    let mut reason = "it was not rendered".to_owned();
    for attempt in attempts {
        match attempt().and_then(|document| check_well_formed(&document).map(|()| document)) {
            Ok(document) => return Ok(document),
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

fn render_once(run: &Run<'_>, records: &[Record]) -> Result<Vec<u8>, String> {
    let mut writer = Writer::new(Vec::with_capacity(512 * records.len() + 1024));
    let mut root = BytesStart::new("testsuites");
    root.push_attribute(("name", &*xml::one_line(&run.options.name)));
    root.push_attribute(("tests", &*records.len().to_string()));
    root.push_attribute(("failures", &*count(records, is_failure).to_string()));
    root.push_attribute(("errors", &*count(records, is_error).to_string()));
    root.push_attribute(("skipped", &*count(records, is_skipped).to_string()));
    root.push_attribute(("time", &*seconds(run.duration)));
    root.push_attribute(("timestamp", &*timestamp(run.started_at)));

    let words = |error: std::io::Error| error.to_string();
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None))).map_err(words)?;
    writer.get_mut().push(b'\n');
    writer.write_event(Event::Start(root)).map_err(words)?;
    let hostname = xml::one_line(&run.options.hostname.clone().unwrap_or_else(hostname)).into_owned();
    for (id, suite) in records.chunk_by(|a, b| a.info.suite == b.info.suite).enumerate() {
        writer.get_mut().push(b'\n');
        // Cases run beside each other; and parts of a merged run may have run at any time.
        let (began, ended) =
            run.spans.get(&suite[0].info.suite).copied().unwrap_or((run.started_at, run.started_at));
        let wall = ended.duration_since(began).unwrap_or_default().min(run.duration);
        let mut annotation = Annotation::new(Suite {
            id,
            errors: count(suite, is_error),
            failures: count(suite, is_failure),
            skipped: count(suite, is_skipped),
            time: seconds(wall),
            timestamp: timestamp(began),
            safeguards: run.safeguards,
            cases: suite,
        });
        // The crate keeps a suite whole three times over, of which one may have a million cases.
        for part in suite.chunks(PART) {
            annotation.copy(&render_part(part, &hostname, run.started_at)?, &mut writer)?;
        }
        annotation.end(&mut writer)?;
    }
    writer.get_mut().push(b'\n');
    writer.write_event(Event::End(BytesEnd::new("testsuites"))).map_err(words)?;
    writer.get_mut().push(b'\n');
    Ok(writer.into_inner())
}

fn count(records: &[Record], is: fn(&TestResult) -> bool) -> usize {
    records.iter().filter(|record| is(record.result())).count()
}

fn is_failure(result: &TestResult) -> bool {
    matches!(result, TestResult::Failure { .. })
}

fn is_error(result: &TestResult) -> bool {
    matches!(result, TestResult::Error { .. })
}

fn is_skipped(result: &TestResult) -> bool {
    matches!(result, TestResult::Skipped | TestResult::SkippedWithCause { .. })
}

/// Some cases of one suite in a document of their own, as the crate writes it.
fn render_part(records: &[Record], hostname: &str, run_started_at: SystemTime) -> Result<Vec<u8>, String> {
    let mut suite = TestSuite::new(&xml::one_line(&records[0].info.suite));
    // Jenkins puts it before the name, with a dot between them.
    suite.package = String::new();
    suite.hostname = hostname.to_owned();
    suite.timestamp = date(run_started_at);
    suite.testcases = records.iter().map(Record::case).collect();
    let mut report = Report::new();
    report.add_testsuite(suite);
    let mut rendered = Vec::new();
    report.write_xml(&mut rendered).map_err(|error| error.to_string())?;
    Ok(rendered)
}

/// Seconds with three decimals: as text, since binary fractions are not always the shortest.
pub(crate) fn seconds(duration: Duration) -> String {
    let milliseconds = u64::try_from(milliseconds(duration).whole_milliseconds()).unwrap_or_default();
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// The time in UTC to the second, by RFC 3339.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let date = date(time);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second()
    )
}

/// Since 1970; nothing for times before.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn date(time: SystemTime) -> OffsetDateTime {
    i64::try_from(since_epoch(time).as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The machine's name, as Linux tells it, or else `localhost`.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// Whether a strict parser reads the document. quick-xml accepts every character, so they are looked at here.
fn check_well_formed(document: &[u8]) -> Result<(), String> {
    let text = str::from_utf8(document).map_err(|error| error.to_string())?;
    if xml::is_suspicious(document)
        && let Some(c) = text.chars().find(|c| !xml::is_allowed(*c))
    {
        return Err(format!("it holds the character U+{:04X}", c as u32));
    }
    let mut reader = Reader::from_str(text);
    let mut depth = 0_usize;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(element) => {
                depth += 1;
                check_attributes(&element)?;
            }
            Event::Empty(element) => check_attributes(&element)?,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(text) if text.windows(3).any(|three| three == b"]]>") => {
                return Err("it holds the end of a section without its beginning".to_owned());
            }
            Event::Text(text) if depth == 0 && !text.trim_ascii().is_empty() => {
                return Err("it holds text outside of its root".to_owned());
            }
            Event::Eof if depth == 0 => return Ok(()),
            Event::Eof => return Err("an element is not closed".to_owned()),
            _ => {}
        }
    }
}

fn check_attributes(element: &BytesStart<'_>) -> Result<(), String> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if attribute.value.contains(&b'<') {
            return Err("an attribute holds markup".to_owned());
        }
        if attribute.value.contains(&b'&') {
            let value = String::from_utf8_lossy(&attribute.value);
            quick_xml::escape::unescape(&value).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check_well_formed, first_well_formed};

    #[test]
    fn what_parsers_refuse_is_refused() {
        assert_eq!(check_well_formed(b"<a b=\"1\"><c/><![CDATA[<x>]]>&amp;</a>\n"), Ok(()));
        let bad: [&[u8]; 9] = [
            b"<a>\x1b</a>",
            b"<a>\xff</a>",
            b"<a>]]></a>",
            b"<a><![CDATA[]]>]]></a>",
            b"<a>",
            b"<a></b>",
            b"<a b=\"1\" b=\"2\"/>",
            b"<a b=\"&x;\"/>",
            b"<a/>text",
        ];
        for document in bad {
            assert!(check_well_formed(document).is_err(), "{}", String::from_utf8_lossy(document));
        }
    }

    #[test]
    fn a_bad_document_is_followed_by_the_next() {
        let bad = || Ok(b"<a>\x1b</a>".to_vec());
        let good = || Ok(b"<a/>".to_vec());
        assert_eq!(first_well_formed([&bad, &good]), Ok(b"<a/>".to_vec()));
        assert_eq!(first_well_formed([&bad, &bad]), Err("it holds the character U+001B".to_owned()));
    }
}
