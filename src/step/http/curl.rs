//! A request as a command that sends it once more.

use std::path::Path;

use crate::step::http::proxy::Proxy;
use crate::step::http::request::{Auth, Content, FieldValue, Request};
use crate::text::shell;

/// The command; `cookies` is all that is sent as such.
pub(super) fn line(request: &Request, cookies: Option<&str>) -> String {
    let mut words: Vec<String> = vec!["curl".to_owned(), "-i".to_owned()];
    let mut add = |option: &str, value: &str| words.extend([option.to_owned(), value.to_owned()]);
    let implied = if matches!(request.content, Content::None) { "GET" } else { "POST" };
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
    if let Some(cookies) = cookies {
        add("-b", cookies);
    }
    let has_kind = request.has_header("content-type");
    match &request.content {
        Content::None | Content::Form(_) | Content::Multipart(..) => {}
        Content::Json(_) if !has_kind => add("-H", "content-type: application/json"),
        Content::Text(_) | Content::File(_) if !has_kind => add("-H", "content-type:"),
        Content::Json(_) | Content::Text(_) | Content::File(_) => {}
    }
    match &request.content {
        Content::None => {}
        Content::Json(text) | Content::Text(text) => add("--data-raw", text),
        Content::File(path) => add("--data-binary", &format!("@{}", path.display())),
        Content::Form(fields) => {
            for (name, value) in fields {
                add("--data-urlencode", &format!("{name}={value}"));
            }
        }
        Content::Multipart(_, fields) => {
            for field in fields {
                match &field.value {
                    FieldValue::Text(text) => add("--form-string", &format!("{}={text}", field.name)),
                    FieldValue::File { path, kind } => {
                        let kind = kind.as_ref().map_or_else(String::new, |kind| format!(";type={kind}"));
                        add("-F", &format!("{}=@{}{kind}", field.name, path.display()));
                    }
                }
            }
        }
    }
    if request.follow > 0 {
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
    let flags = [("-I", request.method == "HEAD"), ("-L", request.follow > 0), ("-k", request.tls.insecure)];
    words.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_owned()));
    words.push(request.url.to_string());
    shell::join(&words)
}
