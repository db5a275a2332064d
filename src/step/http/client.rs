//! Who sends requests: a client that keeps the cookies of an attempt.

use std::sync::Arc;

use data_encoding::BASE64;
use rustls::ClientConfig;
use ureq::http::{self, HeaderName, HeaderValue, Method, Response};
use ureq::unversioned::transport::Connector as _;
use ureq::{Agent, Body, SendBody};
use url::Url;

use crate::process::Cancellation;
use crate::step::http::body;
use crate::step::http::connected::Connected;
use crate::step::http::cookies::Jar;
use crate::step::http::failure::Trouble;
use crate::step::http::line::{Line, Phase};
use crate::step::http::proxy::Proxy;
use crate::step::http::request::{Auth, Content, Request, target_of};
use crate::step::http::resolver::HostResolver;
use crate::step::http::socket::SocketConnector;
use crate::step::http::tls::{self, TlsConnector};
use crate::time::Deadline;

/// The name that requests give, unless they give another.
const USER_AGENT: &str = concat!("partest/", env!("CARGO_PKG_VERSION"));

/// Sends the requests of an attempt. Each has a connection of its own.
#[derive(Debug)]
pub(in crate::step) struct Client {
    agent: Agent,
    cookies: Jar,
    pub(super) line: Line,
}

/// An answer, whose body has not been read.
pub(super) struct Answer {
    pub(super) response: Response<Body>,
    /// The redirects before it: the status, and where it led.
    pub(super) hops: Vec<(u16, String)>,
}

impl Client {
    pub(in crate::step) fn new(cancellation: &Cancellation) -> Self {
        let line = Line::new(cancellation.clone());
        let connector =
            ().chain(SocketConnector(line.clone()))
                .chain(TlsConnector(line.clone()))
                .chain(Connected(line.clone()));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            .proxy(None)
            .user_agent(USER_AGENT)
            .build();
        let agent = Agent::with_parts(config, connector, HostResolver(line.clone()));
        Self { agent, cookies: Jar::default(), line }
    }

    /// Says how long the requests of a step may take.
    pub(super) fn begin(&self, request: &Request, deadline: Deadline) {
        self.line.begin(deadline, request.timeouts, request.unix.clone());
    }

    /// The cookies that a request sends.
    pub(super) fn cookies(&self, request: &Request) -> Option<String> {
        let is_own = |name: &str| name.eq_ignore_ascii_case("cookie");
        let own = request.headers.iter().filter(|(name, _)| is_own(name)).map(|(_, value)| value.as_str());
        self.cookies.header(&request.url, &own.collect::<Vec<_>>())
    }

    /// Sends a request, and follows redirects as far as it says.
    ///
    /// # Errors
    /// What kept an answer from coming.
    pub(super) fn send(&self, request: &Request) -> Result<Answer, Trouble> {
        let tls = tls::config(&request.tls).map_err(Trouble::start)?;
        let mut next = request.clone();
        let mut hops = Vec::new();
        loop {
            let target = next.target();
            let response = self.send_one(&next, Arc::clone(&tls), &target)?;
            let status = response.status().as_u16();
            let Some(location) = location(&response).filter(|_| request.follow > 0) else {
                return Ok(Answer { response, hops });
            };
            if hops.len() >= request.follow as usize {
                return Err(Trouble::too_many_redirects(request.follow, &hops));
            }
            let url = next.url.join(&location).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let Some(url) = url else {
                return Err(Trouble::bad_redirect(status, &location));
            };
            hops.push((status, url.to_string()));
            redirect(&mut next, status, url);
        }
    }

    fn send_one(
        &self,
        request: &Request,
        tls: Arc<ClientConfig>,
        target: &str,
    ) -> Result<Response<Body>, Trouble> {
        let content = request.content.open().map_err(Trouble::start)?;
        let mut builder = http::Request::builder()
            .method(
                Method::from_bytes(request.method.as_bytes())
                    .map_err(|error| Trouble::start(error.to_string()))?,
            )
            .uri(request.url.as_str());
        let length = content.as_ref().map(|content| content.length);
        let proxy = request.proxies.find(&request.url).map_err(Trouble::start)?;
        let headers = headers(request, length, self.cookies(request), proxy.as_ref());
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|error| Trouble::start(error.to_string()))?;
            let value = HeaderValue::try_from(value).map_err(|error| Trouble::start(error.to_string()))?;
            builder = builder.header(name, value);
        }
        let body = content.map_or_else(SendBody::none, |content| SendBody::from_owned_reader(content.reader));
        let ready = builder.body(body).map_err(|error| Trouble::start(error.to_string()))?;
        let through = proxy.as_ref().map(|proxy| format!("the proxy {}:{}", proxy.host, proxy.port));
        self.line.begin_request(proxy, tls);
        match self.agent.run(ready) {
            Ok(response) => {
                self.line.reach(Phase::Receiving);
                self.cookies.keep(&request.url, response.headers());
                Ok(response)
            }
            Err(error) => Err(Trouble::before_answer(error, &self.line, target, through.as_deref())),
        }
    }
}

/// The headers of a request whose content has this length.
fn headers(
    request: &Request,
    length: Option<u64>,
    cookies: Option<String>,
    proxy: Option<&Proxy>,
) -> Vec<(String, String)> {
    let mut headers = request.headers.clone();
    if let Some(cookies) = cookies {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("cookie"));
        headers.push(("cookie".to_owned(), cookies));
    }
    let mut add = |name: &str, value: String| {
        if !request.has_header(name) {
            headers.push((name.to_owned(), value));
        }
    };
    match &request.auth {
        Some(Auth::Basic(user, password)) => {
            add("authorization", format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes())));
        }
        Some(Auth::Bearer(token)) => add("authorization", format!("Bearer {token}")),
        None => {}
    }
    // Through one for https only bytes go that it cannot read.
    if let Some(name) =
        proxy.and_then(|proxy| proxy.authorization.clone()).filter(|_| request.url.scheme() == "http")
    {
        add("proxy-authorization", name);
    }
    if let Some(kind) = request.content.kind() {
        add("content-type", kind);
    }
    add("accept-encoding", body::CODINGS.to_owned());
    match length {
        Some(length) => add("content-length", length.to_string()),
        None if matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") => {
            add("content-length", "0".to_owned());
        }
        None => {}
    }
    headers
}

/// Where a redirect leads. What is no ASCII is sent back as the bytes that it is, in the form of addresses.
fn location(response: &Response<Body>) -> Option<String> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get("location").filter(|_| is_redirect)?;
    let readable = |byte: &u8| match byte {
        byte if byte.is_ascii() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    Some(location.as_bytes().iter().map(readable).collect())
}

/// The request that follows a redirect: as browsers and curl make it.
fn redirect(request: &mut Request, status: u16, url: Url) {
    let becomes_get = match status {
        301 | 302 => request.method == "POST",
        303 => request.method != "HEAD",
        _ => false,
    };
    if becomes_get {
        request.method = "GET".to_owned();
        request.content = Content::None;
        let describes_content = |name: &str| name.to_ascii_lowercase().starts_with("content-");
        request.headers.retain(|(name, _)| !describes_content(name));
    }
    // Whoever is led to must not learn what another was told in confidence.
    if target_of(&url) != target_of(&request.url) || url.scheme() != request.url.scheme() {
        request.auth = None;
        let is_private = |name: &str| {
            ["authorization", "cookie", "host"].iter().any(|private| name.eq_ignore_ascii_case(private))
        };
        request.headers.retain(|(name, _)| !is_private(name));
    }
    request.url = url;
}
