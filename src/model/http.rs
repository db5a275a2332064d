//! Steps that speak HTTP.

use std::time::Duration;

use crate::model::late::{Late, Pending};
use crate::model::written::Written;
use crate::text::Template;

/// A step that sends a request and looks at the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpStep {
    /// What is sent.
    pub request: HttpRequest,
}

/// A step that fetches a file.
#[derive(Clone, Debug, PartialEq)]
pub struct DownloadStep {
    /// What is asked for, with GET.
    pub request: HttpRequest,
    /// Where the file is put: a path in the working directory.
    pub to: Template,
}

/// A request, and how it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRequest {
    /// The method, as it stands in the request.
    pub method: Late<String>,
    /// The address, with `http` or `https`.
    pub url: Template,
    /// What is added to the address after its `?`, in order.
    pub query: Vec<(Template, Template)>,
    /// Headers beyond those that every request has, in order.
    pub headers: Vec<(Template, Template)>,
    /// What is sent after the headers.
    pub body: HttpBody,
    /// Who asks.
    pub auth: Option<HttpAuth>,
    /// How many redirects are followed.
    pub follow: Late<u32>,
    /// How long its phases may take, within the time of the step.
    pub timeouts: HttpTimeouts,
    /// What is different where the address begins with `https`.
    pub tls: HttpTls,
    /// The socket to connect to in place of the host of the address.
    pub unix: Option<Template>,
}

impl HttpRequest {
    /// The values in it that may be made only when it is sent.
    pub(in crate::model) fn pending(&self) -> Vec<&dyn Pending> {
        let timeouts = [&self.timeouts.connect, &self.timeouts.first_byte];
        let timeouts = timeouts.into_iter().flatten().map(|timeout| timeout as &dyn Pending);
        let others: [&dyn Pending; 3] = [&self.method, &self.follow, &self.tls.insecure];
        timeouts.chain(others).collect()
    }

    /// Whether a template in it is like this.
    pub fn has_template(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        let is = |template: &Template| is_meant(template.source());
        let either = |pairs: &[(Template, Template)]| pairs.iter().any(|(name, value)| is(name) || is(value));
        let in_body = match &self.body {
            HttpBody::None => false,
            HttpBody::Text(template) | HttpBody::File(template) => is(template),
            HttpBody::Json(value) => value.texts().into_iter().any(&is_meant),
            HttpBody::Form(fields) => either(fields),
            HttpBody::Multipart(fields) => fields.iter().any(|field| {
                is(&field.name)
                    || match &field.value {
                        HttpValue::Text(text) => is(text),
                        HttpValue::File { path, kind } => is(path) || kind.as_ref().is_some_and(is),
                    }
            }),
        };
        let in_auth = match &self.auth {
            None => false,
            Some(HttpAuth::Basic { user, password }) => is(user) || is(password),
            Some(HttpAuth::Bearer(token)) => is(token),
        };
        let HttpTls { ca, cert, key, insecure: _ } = &self.tls;
        in_body
            || in_auth
            || is(&self.url)
            || either(&self.query)
            || either(&self.headers)
            || [ca, cert, key, &self.unix].into_iter().flatten().any(is)
    }
}

/// What is sent after the headers.
#[derive(Clone, Debug, PartialEq)]
pub enum HttpBody {
    /// Nothing.
    None,
    /// A text.
    Text(Template),
    /// A value as JSON.
    Json(Written),
    /// The content of a file, relative to the descriptor's folder.
    File(Template),
    /// Fields as `application/x-www-form-urlencoded`.
    Form(Vec<(Template, Template)>),
    /// Fields and files as `multipart/form-data`.
    Multipart(Vec<HttpField>),
}

/// One part of `multipart/form-data`.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpField {
    /// Its name.
    pub name: Template,
    /// What it holds.
    pub value: HttpValue,
}

/// What a part of `multipart/form-data` holds.
#[derive(Clone, Debug, PartialEq)]
pub enum HttpValue {
    /// A text.
    Text(Template),
    /// The content of a file.
    File {
        /// Its path, relative to the descriptor's folder.
        path: Template,
        /// Its `Content-Type`, if one is given.
        kind: Option<Template>,
    },
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpAuth {
    /// By name and password.
    Basic {
        /// The name.
        user: Template,
        /// The password.
        password: Template,
    },
    /// By a token.
    Bearer(Template),
}

/// How long the phases of a request may take; what is not given has the time of the step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpTimeouts {
    /// Until the host is connected to, including the handshake of TLS.
    pub connect: Option<Late<Duration>>,
    /// From then until the head of the answer is there.
    pub first_byte: Option<Late<Duration>>,
}

/// Certificates and what is done with them. Paths are relative to the descriptor's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpTls {
    /// The file of the certificates that are trusted in place of the usual ones.
    pub ca: Option<Template>,
    /// The file of the client's certificate.
    pub cert: Option<Template>,
    /// The file of its key.
    pub key: Option<Template>,
    /// Whether any certificate will do.
    pub insecure: Late<bool>,
}

impl Default for HttpTls {
    fn default() -> Self {
        Self { ca: None, cert: None, key: None, insecure: false.into() }
    }
}

/// Which status codes are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpStatus {
    /// This one.
    Code(u16),
    /// All whose first digit is this.
    Class(u16),
}

impl HttpStatus {
    /// Whether a code is right.
    #[must_use]
    pub fn holds(self, code: u64) -> bool {
        match self {
            Self::Code(expected) => u64::from(expected) == code,
            Self::Class(digit) => u64::from(digit) == code / 100,
        }
    }
}

impl std::fmt::Display for HttpStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Class(digit) => write!(f, "{digit}xx"),
        }
    }
}
