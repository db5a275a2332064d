//! What must hold for any input, however hostile. `fuzz/` looks for input that breaks it.

#[cfg(test)]
mod random;

use std::collections::HashSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use partest::descriptor::{self, Around, Defaults, DescriptorFile, Format, Outside};
use partest::journal::{Reader, Writer};
use partest::model::{CaseId, CaseInfo, Position, TestEvent};
use partest::plan::Expression;
use partest::text::redact::{Masking, Redactor, SHORTEST};
use partest::text::terminal::{Colours, printable, visible};
use partest::text::{Template, Variables, xml};

/// The most bytes of what is said about one mistake.
const LONGEST_DIAGNOSTIC: usize = 2 << 10;

/// No file, and no variable.
#[derive(Debug)]
struct Nothing;

impl Outside for Nothing {
    fn read(&self, _: &Path) -> Result<(Vec<u8>, String), String> {
        Err("no such file".to_owned())
    }

    fn matching(&self, _: &Path, _: &str) -> Result<Vec<PathBuf>, String> {
        Err("matches nothing".to_owned())
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

/// The first byte chooses the format, the others are a descriptor and a suite file.
pub(crate) fn descriptor(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let format = [Format::Json, Format::Toml, Format::Yaml][usize::from(*choice % 3)];
    let file = DescriptorFile {
        path: &Arc::from("folder/a.test.any"),
        suite: &Arc::from("folder/a"),
        folder: &Arc::from(Path::new("/project/folder")),
        root: Path::new("/project"),
        format,
        bytes,
    };
    let around = Around { outside: &Nothing, overrides: &Arc::default(), turn: None };
    let loaded = descriptor::read(&file, &Defaults::default(), &around);
    let mut ids = HashSet::new();
    let infos =
        loaded.cases.iter().map(|case| &case.info).chain(loaded.broken.iter().map(|broken| &broken.info));
    for info in infos {
        let id = info.id.as_str();
        assert!(!id.contains(char::is_control), "{id:?}");
        assert!(ids.insert(id.to_owned()), "{id:?} is there twice");
    }
    for broken in &loaded.broken {
        assert!(!broken.diagnostics.is_empty(), "{:?} is broken for no reason", broken.info);
        broken.diagnostics.iter().for_each(is_readable);
    }
    for case in &loaded.cases {
        assert!(!case.steps.is_empty(), "{:?} does nothing", case.info);
    }
    if let Err(diagnostics) = descriptor::read_suite(&file, &Defaults::default(), &std::sync::Arc::default())
    {
        assert!(!diagnostics.is_empty(), "refused for no reason");
        diagnostics.iter().for_each(is_readable);
    }
}

fn is_readable(diagnostic: &descriptor::Diagnostic) {
    for text in [&diagnostic.message, &diagnostic.rendered] {
        assert!(text.len() <= LONGEST_DIAGNOSTIC, "{} bytes: {text}", text.len());
        assert!(!text.contains(['\u{1b}', '\u{7}', '\r']), "{text:?}");
    }
}

/// A template is refused, or means the same each time.
pub(crate) fn template(text: &str) {
    let Ok(template) = Template::parse(text) else { return };
    assert_eq!(template.source(), text);
    let _ = template.names();
    let variables: Variables = [
        ("a".to_owned(), "x".into()),
        ("b".to_owned(), vec![1, 2].into()),
        ("c".to_owned(), serde_json::json!({ "d": null, "e": 1.5, "f": "ü" })),
    ]
    .into();
    let rendered = template.render(&variables).ok();
    assert_eq!(rendered, template.render(&variables).ok());
    let _ = template.value(&variables);
    let literal = Template::literal(text);
    assert_eq!(literal.render(&Variables::new()).ok().as_deref(), Some(text));
}

/// A filter expression is refused at a place within it, or says yes or no.
pub(crate) fn expression(text: &str) {
    match Expression::parse(text) {
        Ok(expression) => {
            let info = CaseInfo {
                number: 0,
                id: CaseId::new("api/login", "refuses [1]"),
                name: "refuses [1]".to_owned(),
                suite: "api/login".into(),
                tags: vec!["slow".to_owned(), "näher".to_owned()],
                copy_of: None,
                definition: None,
                position: Position { file: "api/login.test.yaml".into(), line: 3, column: 1 },
            };
            assert_eq!(expression.holds(&info), expression.holds(&info));
        }
        Err(error) => {
            assert!(error.place.start <= text.len() && error.place.start < error.place.end, "{error:?}");
            assert!(text.is_char_boundary(error.place.start), "{error:?}");
        }
    }
}

/// A journal is refused, or what is read of it and written again is read as the same.
pub(crate) fn journal(bytes: &[u8]) {
    let events = |bytes: &[u8]| -> Vec<TestEvent> {
        Reader::new(bytes).map_or_else(|_| Vec::new(), |reader| reader.map_while(Result::ok).collect())
    };
    let mut read = events(bytes);
    // A journal begins with the start of its run, and lines about cases that begin wait for the next event.
    if !matches!(read.first(), Some(TestEvent::RunStarted(_))) {
        return;
    }
    read.push(TestEvent::Interrupted { signal: 2 });
    let mut writer = Writer::new(Vec::new());
    read.iter().for_each(|event| writer.record(event).expect("memory"));
    let again = events(&writer.into_inner());
    assert_eq!(shown(&read), shown(&again));
}

fn shown(value: &impl Debug) -> String {
    format!("{value:?}")
}

/// What CDATA sections hold, without the beginning of the first and the end of the last; between two of them stand
/// references to carriage returns.
fn read_sections(mut rest: &str) -> String {
    let mut read = String::new();
    while let Some((section, after)) = rest.split_once("]]>") {
        read.push_str(section);
        let (between, next) = after.split_once("<![CDATA[").expect("another section");
        read.extend(between.split_terminator(';').map(|reference| match reference {
            "&#13" => '\r',
            other => panic!("{other}"),
        }));
        rest = next;
    }
    read + rest
}

/// Any text is safe in XML and on a console.
pub(crate) fn foreign_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let clean = xml::clean(&text);
    assert!(clean.chars().all(xml::is_allowed));
    assert_eq!(read_sections(&xml::cdata(&text)), clean);
    assert!(!xml::one_line(&text).contains(['\n', '\r', '\t']));
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(!printable(&text, Colours::Remove).contains(is_control));
    assert!(!visible(bytes).contains(is_control));
    let mut rest = &*printable(&text, Colours::Keep);
    while let Some(at) = rest.find('\u{1b}') {
        let body = rest[at + 1..].strip_prefix('[').expect("a sequence of attributes");
        let end = body.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ';' | ':'));
        rest = end.strip_prefix('m').expect("its end");
    }
}

/// The first line holds secrets with NUL bytes between them, the rest is a stream; its second byte says how it is cut.
pub(crate) fn redaction(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some((secrets, stream)) = text.split_once('\n') else { return };
    let secrets: Vec<&str> = secrets.split('\0').filter(|secret| secret.len() >= SHORTEST).collect();
    let Ok(Some(redactor)) = Redactor::new(secrets.iter().copied()) else { return };
    let whole = redactor.bytes(stream.as_bytes()).into_owned();
    let cut = usize::from(bytes.get(1).copied().unwrap_or(1) % 17) + 1;
    let mut masking = Masking::new(redactor.clone());
    let mut masked = Vec::new();
    for chunk in stream.as_bytes().chunks(cut) {
        masked.extend(masking.push(chunk));
    }
    masked.extend(masking.finish());
    assert_eq!(String::from_utf8_lossy(&masked), String::from_utf8_lossy(&whole));
    let mut text = stream.to_owned();
    redactor.text(&mut text);
    assert_eq!(text.as_bytes(), whole);
    let mut excerpt = stream.to_owned();
    redactor.excerpts(&mut excerpt);
    let _ = (redactor.before_gap(stream.as_bytes()), redactor.after_gap(stream.as_bytes()));
    // What stood as it is in the stream does not stand in what is told, unless masks and rests make it up.
    for secret in secrets.iter().filter(|secret| !secret.contains('*') && !stream.contains('*')) {
        assert!(
            !whole.windows(secret.len()).any(|part| part == secret.as_bytes()),
            "{secret:?} in {whole:?}"
        );
    }
}
