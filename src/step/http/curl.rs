//! A request as a command that sends it once more.

use std::path::Path;

use url::form_urlencoded::byte_serialize;

use crate::step::http::proxy::Proxy;
use crate::step::http::request::{Auth, Content, Field, FieldValue, Request};
use crate::text::shell;

/// The command; `cookies` is all that is sent as such, and `decodes` says that what is compressed is shown as it was
/// before.
pub(super) fn line(request: &Request, cookies: Option<&str>, decodes: bool) -> String {
    let mut words: Vec<String> = vec!["curl".to_owned(), "-i".to_owned()];
    let mut add = |option: &str, value: &str| words.extend([option.to_owned(), value.to_owned()]);
    let is_empty_post = request.method == "POST" && matches!(request.content, Content::None);
    let implied = match request.content {
        Content::None if !is_empty_post => "GET",
        _ => "POST",
    };
    if request.method != implied && request.method != "HEAD" {
        add("-X", &request.method);
    }
    match &request.auth {
        Some(Auth::Basic(user, password)) => add("-u", &format!("{user}:{password}")),
        Some(Auth::Bearer(token)) => add("-H", &format!("authorization: Bearer {token}")),
        None => {}
    }
    let is_cookie = |name: &str| name.eq_ignore_ascii_case("cookie");
    for (name, value) in request.headers.iter().filter(|(name, _)| !is_cookie(name)) {
        // An empty value would take the header away.
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        add("-H", &header);
    }
    match cookies {
        // Without a sign of equality it would be the name of a file.
        Some(cookies) if !cookies.contains('=') => add("-H", &format!("cookie: {cookies}")),
        Some(cookies) => add("-b", cookies),
        None => {}
    }
    let has_kind = request.has_header("content-type");
    match &request.content {
        Content::Json(_) if !has_kind => add("-H", "content-type: application/json"),
        Content::Text(_) | Content::File(_) if !has_kind => add("-H", "content-type:"),
        Content::None if is_empty_post && !has_kind => add("-H", "content-type:"),
        _ => {}
    }
    if is_empty_post {
        add("--data-raw", "");
    }
    content(&request.content, &mut add);
    // With `-X` it would repeat this method wherever it is led to, also where a GET is meant.
    let follows =
        request.follow > 0 && (request.method == implied || ["GET", "HEAD"].contains(&&*request.method));
    if follows {
        add("--max-redirs", &request.follow.to_string());
    }
    // Its name and password are in the environment only.
    if let Ok(Some(Proxy { host, port, .. })) = request.proxies.find(&request.url) {
        add("-x", &format!("http://{host}:{port}"));
    }
    let mut file = |option: &str, path: Option<&Path>| {
        if let Some(path) = path {
            add(option, &path.display().to_string());
        }
    };
    file("--cacert", request.tls.ca.as_deref());
    file("--cert", request.tls.client.as_ref().map(|(cert, _)| cert.as_path()));
    file("--key", request.tls.client.as_ref().map(|(_, key)| key.as_path()));
    file("--unix-socket", request.unix.as_deref());
    let url = request.url.as_str();
    let flags = [
        ("-I", request.method == "HEAD"),
        ("-L", follows),
        ("-k", request.tls.insecure),
        ("-g", url.contains(['[', ']', '{', '}'])),
        ("--compressed", decodes),
    ];
    words.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_owned()));
    words.push(url.to_owned());
    shell::join(&words)
}

/// What is sent after the headers.
fn content(content: &Content, add: &mut impl FnMut(&str, &str)) {
    match content {
        Content::None => {}
        Content::Json(text) | Content::Text(text) => add("--data-raw", text),
        Content::File(path) => add("--data-binary", &format!("@{}", path.display())),
        Content::Form(fields) if fields.is_empty() => add("--data-raw", ""),
        Content::Form(fields) => {
            for (name, value) in fields {
                // Only the value is encoded by curl.
                let name: String = byte_serialize(name.as_bytes()).collect();
                add("--data-urlencode", &format!("{name}={value}"));
            }
        }
        Content::Multipart(_, fields) => {
            for Field { name, value } in fields {
                match value {
                    FieldValue::Text(text) => add("--form-string", &format!("{name}={text}")),
                    FieldValue::File { path, kind } => {
                        // Otherwise it would be guessed from the name.
                        let kind = kind.as_deref().unwrap_or("application/octet-stream");
                        let path = path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
                        add("-F", &format!("{name}=@\"{path}\";type={kind}"));
                    }
                }
            }
        }
    }
}
