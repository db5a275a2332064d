//! Requests with every `{{ name }}` replaced.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;
use url::form_urlencoded::Serializer;

use crate::model::{HttpAuth, HttpBody, HttpRequest, HttpTimeouts, HttpTls, HttpValue, Late};
use crate::step::http::proxy::Proxies;
use crate::text::{Template, TemplateError, Variables};

/// A request as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Content,
    pub(super) auth: Option<Auth>,
    pub(super) follow: u32,
    pub(super) tls: Tls,
    pub(super) unix: Option<PathBuf>,
    pub(super) proxies: Proxies,
    pub(super) timeouts: Timeouts,
}

/// How long the phases of a request may take; what is not given has the time of the step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeouts {
    /// Until the host is connected to, including the handshake of TLS.
    pub(super) connect: Option<Duration>,
    /// From then until the head of the answer is there.
    pub(super) first_byte: Option<Duration>,
}

impl Timeouts {
    fn of(timeouts: &HttpTimeouts, variables: &Variables) -> Result<Self, String> {
        let time =
            |time: &Option<Late<Duration>>| time.as_ref().map(|time| known(time, variables)).transpose();
        Ok(Self { connect: time(&timeouts.connect)?, first_byte: time(&timeouts.first_byte)? })
    }
}

/// What is sent after the headers.
#[derive(Clone, Debug)]
pub(super) enum Content {
    None,
    Json(String),
    Text(String),
    File(PathBuf),
    Form(Vec<(String, String)>),
    /// With what stands between its parts.
    Multipart(String, Vec<Field>),
}

/// One part of a form.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: FieldValue,
}

#[derive(Clone, Debug)]
pub(super) enum FieldValue {
    Text(String),
    File { path: PathBuf, kind: Option<String> },
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Auth {
    Basic(String, String),
    Bearer(String),
}

/// Files with certificates.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    pub(super) ca: Option<PathBuf>,
    pub(super) client: Option<(PathBuf, PathBuf)>,
    pub(super) insecure: bool,
}

impl Request {
    /// The request with these values. Paths start at `folder`.
    ///
    /// # Errors
    /// A message: a template has no value, or the address is none.
    pub(super) fn of(request: &HttpRequest, variables: &Variables, folder: &Path) -> Result<Self, String> {
        let render = |template: &Template| text(template, variables).map_err(|error| error.to_string());
        let path = |template: &Template| render(template).map(|path| folder.join(path));
        let optional = |template: &Option<Template>| template.as_ref().map(path).transpose();
        let pairs = |pairs: &[(Template, Template)]| -> Result<Vec<_>, String> {
            pairs.iter().map(|(name, value)| Ok((render(name)?, render(value)?))).collect()
        };
        let mut url = address(&render(&request.url)?)?;
        let query = pairs(&request.query)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut auth = match &request.auth {
            None => None,
            Some(HttpAuth::Basic { user, password }) => Some(Auth::Basic(render(user)?, render(password)?)),
            Some(HttpAuth::Bearer(token)) => Some(Auth::Bearer(render(token)?)),
        };
        if auth.is_none() && !url.username().is_empty() {
            auth = Some(Auth::Basic(decoded(url.username()), decoded(url.password().unwrap_or_default())));
        }
        // They are sent as a header only.
        let _ = (url.set_username(""), url.set_password(None));
        let mut headers = Vec::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let (name, value) = (render(name)?, render(value)?);
            if value.contains(|c: char| c.is_control() && c != '\t') {
                return Err(format!(
                    "the value of the header {name} holds a line break or control character"
                ));
            }
            headers.push((name, value));
        }
        let content = match &request.body {
            HttpBody::None => Content::None,
            HttpBody::Text(text) => Content::Text(render(text)?),
            HttpBody::Json(value) => {
                Content::Json(value.render(variables).map_err(|error| error.to_string())?)
            }
            HttpBody::File(file) => Content::File(path(file)?),
            HttpBody::Form(form) => Content::Form(pairs(form)?),
            HttpBody::Multipart(fields) => {
                let field = |field: &crate::model::HttpField| -> Result<Field, String> {
                    let value = match &field.value {
                        HttpValue::Text(text) => FieldValue::Text(render(text)?),
                        HttpValue::File { path: file, kind } => {
                            let kind = kind.as_ref().map(render).transpose()?;
                            FieldValue::File { path: path(file)?, kind }
                        }
                    };
                    Ok(Field { name: render(&field.name)?, value })
                };
                let fields = fields.iter().map(field).collect::<Result<_, _>>()?;
                Content::Multipart(format!("partest-{:032x}", fastrand::u128(..)), fields)
            }
        };
        let HttpTls { ca, cert, key, insecure } = &request.tls;
        let client = optional(cert)?.zip(optional(key)?);
        Ok(Self {
            method: known(&request.method, variables)?,
            url,
            headers,
            content,
            auth,
            follow: known(&request.follow, variables)?,
            tls: Tls { ca: optional(ca)?, client, insecure: known(insecure, variables)? },
            unix: optional(&request.unix)?,
            proxies: Proxies::default(),
            timeouts: Timeouts::of(&request.timeouts, variables)?,
        })
    }

    /// Whether a header of this name is among those that the user gives.
    pub(super) fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Where the connection goes, in words.
    pub(super) fn target(&self) -> String {
        match &self.unix {
            Some(path) => path.display().to_string(),
            None => target_of(&self.url),
        }
    }
}

/// The host and port of an address.
pub(super) fn target_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is no address: {error}"))?;
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(_)) => Ok(url),
        ("http" | "https", None) => Err(format!("the address {text:?} names no host")),
        _ => Err(format!("the address {text:?} does not begin with http:// or https://")),
    }
}

/// A name or password as it was before it was written into an address.
pub(super) fn decoded(text: &str) -> String {
    // A plus sign means itself here, and not a space.
    let text = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(text.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

fn known<T: Clone>(late: &Late<T>, variables: &Variables) -> Result<T, String> {
    late.value(variables).map(std::borrow::Cow::into_owned).map_err(|error| error.message)
}

fn text(template: &Template, variables: &Variables) -> Result<String, TemplateError> {
    template.render(variables).map(std::borrow::Cow::into_owned)
}

impl Content {
    /// Its `Content-Type`, where it has one of its own.
    pub(super) fn kind(&self) -> Option<String> {
        match self {
            Self::None | Self::Text(_) | Self::File(_) => None,
            Self::Json(_) => Some("application/json".to_owned()),
            Self::Form(_) => Some("application/x-www-form-urlencoded".to_owned()),
            Self::Multipart(boundary, _) => Some(format!("multipart/form-data; boundary={boundary}")),
        }
    }

    /// Its bytes from the beginning. `None` when there is no content.
    ///
    /// # Errors
    /// A message that names a file which cannot be read.
    pub(super) fn open(&self) -> Result<Option<Pieces>, String> {
        let mut pieces = Pieces::default();
        match self {
            Self::None => return Ok(None),
            Self::Json(text) | Self::Text(text) => pieces.bytes(text.clone()),
            Self::File(path) => pieces.file(path)?,
            Self::Form(fields) => {
                let mut form = Serializer::new(String::new());
                form.extend_pairs(fields);
                pieces.bytes(form.finish());
            }
            Self::Multipart(boundary, fields) => {
                for field in fields {
                    let name = quoted(&field.name);
                    let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
                    match &field.value {
                        FieldValue::Text(text) => pieces.bytes(format!("{head}\r\n\r\n{text}")),
                        FieldValue::File { path, kind } => {
                            let file = path.file_name().unwrap_or_default().to_string_lossy();
                            let kind = kind.as_deref().unwrap_or("application/octet-stream");
                            let file = quoted(&file);
                            pieces.bytes(format!(
                                "{head}; filename=\"{file}\"\r\nContent-Type: {kind}\r\n\r\n"
                            ));
                            pieces.file(path)?;
                        }
                    }
                    pieces.bytes("\r\n".to_owned());
                }
                pieces.bytes(format!("--{boundary}--\r\n"));
            }
        }
        Ok(Some(pieces))
    }
}

/// The name of a field or file within quotation marks, as browsers write it.
fn quoted(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

/// Bytes one after the other.
pub(super) struct Pieces {
    pub(super) reader: Box<dyn Read>,
    /// How many there are.
    pub(super) length: u64,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { reader: Box::new(io::empty()), length: 0 }
    }
}

impl Pieces {
    fn add(&mut self, piece: impl Read + 'static, length: u64) {
        let before = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(before.chain(piece));
        self.length += length;
    }

    fn bytes(&mut self, text: String) {
        let length = text.len() as u64;
        self.add(Cursor::new(text), length);
    }

    fn file(&mut self, path: &Path) -> Result<(), String> {
        let failed = |reason: &dyn std::fmt::Display| format!("cannot send {}: {reason}", path.display());
        let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
        // Anything else might never come to an end.
        if !metadata.is_file() {
            return Err(failed(&"it is no regular file"));
        }
        let file = File::open(path).map_err(|error| failed(&error))?;
        self.add(file.take(metadata.len()), metadata.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Field, FieldValue, Pieces, decoded};

    fn sent(content: &Content) -> String {
        let Pieces { mut reader, length } = content.open().expect("opened").expect("content");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).expect("read");
        assert_eq!(text.len() as u64, length);
        text
    }

    #[test]
    fn a_form_is_encoded() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form = Content::Form(vec![pair("a b", "ä&="), pair("c", "")]);
        assert_eq!(sent(&form), "a+b=%C3%A4%26%3D&c=");
    }

    #[test]
    fn parts_stand_between_boundaries() {
        let field = Field { name: "a\"\r\nb".to_owned(), value: FieldValue::Text("x\n".to_owned()) };
        let text = sent(&Content::Multipart("B".to_owned(), vec![field]));
        let expected = "--B\r\nContent-Disposition: form-data; name=\"a%22%0D%0Ab\"\r\n\r\nx\n\r\n--B--\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn names_in_addresses_are_decoded() {
        assert_eq!(decoded("a%40b+c&d"), "a@b+c&d");
    }
}
