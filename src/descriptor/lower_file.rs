//! From the mirror to the step `file`, and to what can be expected of it.

use std::path::Path;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::late;
use crate::descriptor::lower::Lowering;
use crate::descriptor::lower_expect::{Place, compiled, located, matchers, object_matchers};
use crate::descriptor::lower_matchers::{check_json, number, number_of};
use crate::descriptor::mirror::{Later, Spanned};
use crate::descriptor::node::Span;
use crate::descriptor::paths::climbs;
use crate::descriptor::raw::Text;
use crate::descriptor::raw_expect::RawExpect;
use crate::descriptor::raw_file::{RawBytes, RawBytesAt, RawFile};
use crate::descriptor::raw_matchers::RawNode;
use crate::model::{BytesTest, Check, FileStep, Late, NumberTest, StepAction, Subject, Test};
use crate::text::is_template;

/// Why what a template has become says nothing of rows.
const COUNT_ALONE: &str =
    "expected a number of rows; rows that were captured are expected by { \"json\": \"{{ name }}\" }";

/// The digits of a SHA-256.
const DIGITS: usize = 64;

/// A look at a file.
pub(crate) fn file(lowering: &mut Lowering<'_>, raw: &RawFile) -> Option<StepAction> {
    let checked = check_path(&raw.path);
    let delimiter = match &raw.delimiter {
        None => Some(b','.into()),
        Some(text) if is_template(text) => {
            lowering.late(text.as_str(), text.span, |value| late::read(value, delimiter))
        }
        Some(text) => {
            let delimiter = delimiter(text);
            lowering.note(delimiter).map(Late::Known)
        }
    };
    let path = lowering.template(&raw.path);
    let checked = lowering.note(checked);
    checked.and(Some(StepAction::File(FileStep { path: path?, delimiter: delimiter? })))
}

/// What separates the cells of a table.
fn delimiter(text: &Text) -> Result<u8, Problem> {
    match text.as_bytes() {
        [one] if one.is_ascii() && !matches!(one, b'\n' | b'\r' | b'"') => Ok(*one),
        _ => Err(Problem::new(text.span, format!("{} separates no cells", quote(text)))
            .help("give one ASCII character, as in \";\"")),
    }
}

/// Refuses what is no path, or leads out of the working directory without saying so.
fn check_path(path: &Text) -> Result<(), Problem> {
    if path.is_empty() {
        return Err(Problem::new(path.span, "the path is empty"));
    }
    if path.contains('\0') {
        return Err(Problem::new(path.span, "the path holds a NUL byte"));
    }
    match !is_template(path) && climbs(Path::new(&path.value)) {
        true => Err(Problem::new(path.span, format!("{} leads out of the working directory", quote(path)))
            .help("`{{ dir }}` is the folder of the descriptor")),
        false => Ok(()),
    }
}

/// What is expected of a file or of a table. Of a file of which nothing is said about its existence, it must exist:
/// see [`must_exist`].
pub(crate) fn checks(lowering: &mut Lowering<'_>, expect: &RawExpect, checks: &mut Vec<Check>) {
    let mut add = |lowering: &Lowering<'_>, subject: Subject, span: Span, test: Test| {
        checks.push(Check { subject, matcher: located(lowering, span, test) });
    };
    if let Some(exists) = &expect.exists
        && let Some(expected) = lowering.now_or_late(exists)
    {
        add(lowering, Subject::Content, exists.span, Test::Exists(expected));
    }
    if let Some(size) = &expect.size
        && let Some(test) = number(lowering, size)
    {
        add(lowering, Subject::Size, size.span, Test::Number(Box::new(test)));
    }
    for (text, subject, form) in [
        (
            &expect.sha256,
            Subject::Sha256,
            Digits { read: digest, read_late: |value| late::read(value, digest) },
        ),
        (&expect.mode, Subject::Mode, Digits { read: mode, read_late: |value| late::read(value, mode) }),
    ] {
        if let Some(text) = text
            && let Some(digits) = form.lower(lowering, text)
        {
            add(lowering, subject, text.span, Test::Digits(digits));
        }
    }
    if let Some(content) = &expect.content {
        let matchers = matchers(lowering, content, Place::Stream);
        checks.extend(matchers.into_iter().map(|matcher| Check { subject: Subject::Content, matcher }));
    }
    if let Some(rows) = &expect.rows {
        table(lowering, rows, checks);
    }
}

/// Puts before what is expected of a file that it exists, unless something is said of that.
pub(crate) fn must_exist(
    lowering: &mut Lowering<'_>,
    expect: Option<&Spanned<Box<RawExpect>>>,
    span: Span,
    checks: &mut Vec<Check>,
) {
    let exists = expect.and_then(|expect| expect.exists.as_ref());
    match exists {
        None => {
            let matcher = located(lowering, span, Test::Exists(true.into()));
            checks.insert(0, Check { subject: Subject::Content, matcher });
        }
        Some(exists) if exists.value == Later::Now(false) && checks.len() > 1 => {
            let problem =
                Problem::new(exists.span, "nothing else can be expected of a file that does not exist");
            lowering.problems.push(problem.help("`null` removes what is inherited"));
        }
        Some(_) => {}
    }
}

/// Rows: all of them as a list, how many there are, or matchers for them as JSON.
fn table(lowering: &mut Lowering<'_>, rows: &Spanned<RawNode>, checks: &mut Vec<Check>) {
    let test = match &rows.value {
        RawNode::Matchers(raw) => {
            let matchers = object_matchers(lowering, raw, rows.span, Place::Stream);
            checks.extend(matchers.into_iter().map(|matcher| Check { subject: Subject::Rows, matcher }));
            return;
        }
        RawNode::Value(value @ Value::Array(items)) if items.iter().all(|item| item.is_object()) => {
            let checked = check_json(lowering, value, rows.span);
            lowering
                .note(checked)
                .map(|()| (Subject::Rows, Test::Json { value: value.clone(), exact: false }))
        }
        RawNode::Value(Value::Number(count)) if count.is_u64() => {
            let test = NumberTest { equals: Some(count.clone()), ..NumberTest::default() };
            Some((Subject::RowCount, Test::Number(Box::new(test.into()))))
        }
        RawNode::Value(Value::String(template)) if is_template(template) => {
            let count = lowering.late(template.as_str(), rows.span, |value| {
                late::read(value, |raw| number_of(raw, compiled)).map_err(|_| COUNT_ALONE.to_owned())
            });
            count.map(|test| (Subject::RowCount, Test::Number(Box::new(test))))
        }
        RawNode::Value(_) => {
            let problem = Problem::new(rows.span, "`rows` is neither a list of objects nor a number of rows");
            lowering.problems.push(problem.help("write [{ \"column\": value }, …], a number, or matchers"));
            None
        }
    };
    if let Some((subject, test)) = test {
        checks.push(Check { subject, matcher: located(lowering, rows.span, test) });
    }
}

/// How digits are read, from a descriptor and from what a template has become.
struct Digits {
    read: fn(&Text) -> Result<Box<str>, Problem>,
    read_late: fn(&Value) -> Result<Box<str>, String>,
}

impl Digits {
    fn lower(&self, lowering: &mut Lowering<'_>, text: &Text) -> Option<Late<Box<str>>> {
        if is_template(text) {
            return lowering.late(text.as_str(), text.span, self.read_late);
        }
        let digits = (self.read)(text);
        lowering.note(digits).map(Late::Known)
    }
}

/// The digits of a SHA-256, in lower case.
fn digest(text: &Text) -> Result<Box<str>, Problem> {
    match text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase().into()),
        false => {
            let message = format!("{} is no SHA-256", quote(text));
            Err(Problem::new(text.span, message)
                .help("it has 64 hexadecimal digits; `sha256sum` prints them"))
        }
    }
}

/// Permissions as four octal digits.
fn mode(text: &Text) -> Result<Box<str>, Problem> {
    match (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
        true => Ok(format!("{:0>4}", text.value).into()),
        false => {
            let problem = Problem::new(text.span, format!("{} are no permissions", quote(text)));
            Err(problem.help("write octal digits as a string, as in \"0644\""))
        }
    }
}

/// The bytes that a matcher names.
pub(crate) fn bytes(lowering: &mut Lowering<'_>, raw: &Spanned<Box<RawBytes>>) -> Option<Test> {
    let RawBytesAt { hex, base64, at } = &raw.0;
    let text = |key: &str, text: &Option<Text>| Some((key.to_owned(), Value::from(text.as_ref()?.as_str())));
    let at = at.as_ref().map(|at| match &at.value {
        Later::Now(at) => ("at".to_owned(), Value::from(*at)),
        Later::Text(template) => ("at".to_owned(), Value::from(template.as_str())),
    });
    let members: Vec<_> = [text("hex", hex), text("base64", base64), at].into_iter().flatten().collect();
    let is_template = |value: &Value| value.as_str().is_some_and(is_template);
    let test = match members.iter().any(|(_, value)| is_template(value)) {
        true => {
            let template: Value = members.into_iter().collect();
            lowering.late(template, raw.span, |value| late::read(value, bytes_of))
        }
        false => {
            let test = bytes_of(raw);
            lowering.note(test).map(Late::Known)
        }
    };
    test.map(|test| Test::Bytes(Box::new(test)))
}

fn bytes_of(raw: &Spanned<Box<RawBytes>>) -> Result<BytesTest, Problem> {
    let bytes = match (&raw.0.hex, &raw.0.base64) {
        (Some(digits), None) => hex(digits)?,
        (None, Some(text)) => base64(text)?,
        _ => return Err(Problem::new(raw.span, "`bytes` says either `hex` or `base64`")),
    };
    Ok(BytesTest { bytes: bytes.into(), at: raw.0.at.as_ref().map(late::now).transpose()? })
}

/// The bytes that pairs of hexadecimal digits stand for.
pub(crate) fn hex(digits: &Text) -> Result<Vec<u8>, Problem> {
    let dense: String = digits.split_whitespace().collect();
    HEXLOWER_PERMISSIVE.decode(dense.as_bytes()).map_err(|_| {
        let problem = Problem::new(digits.span, format!("{} are no hexadecimal bytes", quote(digits)));
        problem.help("write two digits for each byte, as in \"89 50 4e 47\"")
    })
}

/// The bytes that a text in Base64 stands for.
pub(crate) fn base64(text: &Text) -> Result<Vec<u8>, Problem> {
    let dense: String = text.split_whitespace().collect();
    let decoded = BASE64.decode(dense.as_bytes());
    decoded.map_err(|error| {
        let problem = Problem::new(text.span, format!("{} is no Base64: {error}", quote(text)));
        problem.help(
            "write it as the command `base64` does, with `=` at the end where it is needed: \"aGVsbG8=\"",
        )
    })
}
