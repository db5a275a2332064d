//! Reads bodies, compressed ones as what they were before.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead as _, BufReader, Cursor, Read};
use std::rc::Rc;

use brotli_decompressor::Decompressor;
use encoding_rs::Encoding;
use flate2::bufread::GzDecoder;
use flate2::read::{DeflateDecoder, ZlibDecoder};
use ureq::http::response::Parts;
use ureq::http::{HeaderMap, Version};
use ureq::{Body, BodyReader};

use crate::model::Captured;
use crate::step::http::Trouble;
use crate::step::http::failure::Received;
use crate::step::http::line::Line;

/// How many bytes are read at once.
const PIECE: usize = 64 << 10;

/// The codings of content that are undone, as a request names them.
pub(super) const CODINGS: &str = "gzip, deflate, br";

/// The first byte of what was compressed by gzip.
const GZIP: u8 = 0x1f;

/// Gives a body to `sink`, piece by piece.
///
/// # Errors
/// Why it did not come whole; or a message of `sink`.
pub(super) fn read(
    body: Body,
    parts: &Parts,
    line: &Line,
    sink: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), Trouble> {
    read_as(codings(&parts.headers), body, parts, line, sink)
}

/// The same with the bytes as they are on the wire.
///
/// # Errors
/// As [`read`].
pub(super) fn read_plain(
    body: Body,
    parts: &Parts,
    line: &Line,
    sink: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), Trouble> {
    read_as(Vec::new(), body, parts, line, sink)
}

fn read_as(
    codings: Vec<Coding>,
    body: Body,
    parts: &Parts,
    line: &Line,
    sink: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), Trouble> {
    let wire = Wire { body: Rc::new(RefCell::new(body.into_reader())), state: Rc::default() };
    let is_coded = !codings.is_empty();
    let mut copied = decoded(Box::new(wire.clone()), codings)
        .map_err(Broken::Wire)
        .and_then(|body| copy(body, line, sink));
    if copied.is_ok() && is_coded {
        // What is behind the end of what was compressed does not matter, but that it comes does.
        copied = copy(wire.clone(), line, |_| Ok(()));
    }
    let Progress { bytes, has_failed } = wire.state.get();
    let of = length(&parts.headers);
    let received = Received { status: parts.status.as_u16(), bytes, of };
    let error = match copied {
        Ok(()) => return Trouble::at_end(line, is_chunked(parts), received).map_or(Ok(()), Err),
        Err(Broken::Sink(message)) => return Err(Trouble::start(message)),
        Err(Broken::Wire(error)) => error,
    };
    if is_coded && !has_failed && line.stop().is_none() {
        let named = encoding(&parts.headers);
        let message = format!("the body is not what `content-encoding: {named}` says: {error}");
        return Err(Trouble::connection(message));
    }
    Err(Trouble::in_body(error, line, received))
}

/// Whether the body has an end of its own, whatever becomes of the connection.
fn is_chunked(parts: &Parts) -> bool {
    let names = parts.headers.get_all("transfer-encoding").iter().filter_map(|value| value.to_str().ok());
    parts.version != Version::HTTP_10
        && names.flat_map(|names| names.split(',')).any(|name| name.trim().eq_ignore_ascii_case("chunked"))
}

/// How many bytes the body has on the wire, where that is told and counts.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key("transfer-encoding") {
        return None;
    }
    headers.get("content-length")?.to_str().ok()?.trim().parse().ok()
}

/// A body in UTF-8, where its head names another charset. One that is UTF-8 nevertheless stays as it is.
pub(super) fn in_utf8(body: Captured, headers: &HeaderMap) -> Captured {
    let Some((charset, whole)) = charset(headers).zip(body.whole()) else { return body };
    if std::str::from_utf8(&whole).is_ok() {
        return body;
    }
    let (text, _, has_errors) = charset.decode(&whole);
    if has_errors {
        return body;
    }
    Captured { head: text.into_owned().into_bytes(), ..Captured::default() }
}

fn charset(headers: &HeaderMap) -> Option<&'static Encoding> {
    let kind = headers.get("content-type")?.to_str().ok()?;
    let mut parameters = kind.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, charset) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Encoding::for_label(charset.trim().trim_matches('"').as_bytes())
}

/// What was done to a body before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

fn encoding(headers: &HeaderMap) -> String {
    let values = headers.get_all("content-encoding").iter();
    values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", ")
}

/// What is to be undone, in this order. Nothing where there is a coding that is not known.
fn codings(headers: &HeaderMap) -> Vec<Coding> {
    let encoding = encoding(headers).to_ascii_lowercase();
    let names = encoding.split(',').rev().map(str::trim).filter(|name| !matches!(*name, "" | "identity"));
    let known = names.map(|name| match name {
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        "deflate" => Some(Coding::Deflate),
        "br" => Some(Coding::Brotli),
        _ => None,
    });
    known.collect::<Option<_>>().unwrap_or_default()
}

/// A body as it was before these codings; no bytes, as in an answer to HEAD, are no bytes in every coding.
fn decoded(mut body: Box<dyn Read>, codings: Vec<Coding>) -> io::Result<Box<dyn Read>> {
    for coding in codings {
        let begin = beginning(&mut body)?;
        if begin.is_empty() {
            return Ok(Box::new(io::empty()));
        }
        let has_head = matches!(begin[..], [a, b] if a & 15 == 8 && u16::from_be_bytes([a, b]) % 31 == 0);
        let whole = Cursor::new(begin).chain(body);
        body = match coding {
            Coding::Gzip => Box::new(Members(Some(GzDecoder::new(BufReader::with_capacity(PIECE, whole))))),
            // Some send it without the head that the standard asks for.
            Coding::Deflate if has_head => Box::new(ZlibDecoder::new(whole)),
            Coding::Deflate => Box::new(DeflateDecoder::new(whole)),
            Coding::Brotli => Box::new(Decompressor::new(whole, PIECE)),
        };
    }
    Ok(body)
}

/// What was compressed by gzip: one member behind the other. `None` behind the last.
struct Members<R>(Option<GzDecoder<BufReader<R>>>);

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            // The decoder would only say that a member does not begin like that.
            match member.get_mut().fill_buf()?.first() {
                None => self.0 = None,
                Some(&GZIP) => self.0 = self.0.take().map(|member| GzDecoder::new(member.into_inner())),
                Some(_) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "there is data after its end"));
                }
            }
        }
        Ok(0)
    }
}

/// The first two bytes, or what there is.
fn beginning(body: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut begin = Vec::with_capacity(2);
    body.take(2).read_to_end(&mut begin)?;
    Ok(begin)
}

enum Broken {
    Wire(io::Error),
    Sink(String),
}

fn copy(
    mut from: impl Read,
    line: &Line,
    mut sink: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), Broken> {
    let mut piece = vec![0; PIECE];
    loop {
        // What is compressed can be much longer than what is waited for.
        line.go_on().map_err(Broken::Wire)?;
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => sink(&piece[..count]).map_err(Broken::Sink)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Broken::Wire(error)),
        }
    }
}

/// A body as it comes. Clones are one.
#[derive(Clone)]
struct Wire {
    body: Rc<RefCell<BodyReader<'static>>>,
    state: Rc<Cell<Progress>>,
}

/// What has come of a body.
#[derive(Clone, Copy, Default)]
struct Progress {
    bytes: u64,
    /// Whether there was an error below what undoes the codings.
    has_failed: bool,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.borrow_mut().read(buffer);
        let Progress { bytes, has_failed } = self.state.get();
        self.state.set(match &read {
            Ok(count) => Progress { bytes: bytes + *count as u64, has_failed },
            Err(error) => {
                Progress { bytes, has_failed: has_failed || error.kind() != io::ErrorKind::Interrupted }
            }
        });
        read
    }
}
