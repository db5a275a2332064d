//! The steps `http` and `download`: requests, and what is expected of their answers.
//!
//! [`client`] sends requests, over sockets ([`socket`]) whose waits end at the deadline and when the run is stopped;
//! [`line`] is what both know of how far a request has come, and [`failure`] puts that into words.

mod body;
mod client;
mod connected;
mod cookies;
mod curl;
mod download;
mod failure;
mod line;
mod proxy;
mod range;
mod request;
mod resolver;
mod socket;
mod tls;

use std::path::Path;
use std::time::Duration;

use ureq::http::Version;
use ureq::http::response::Parts;

use crate::model::{
    Captured, Fact, HttpRequest, HttpStep, Observation, Step, StepRecord, StepStatus, Subject,
};
use crate::process::Capture;
use crate::step::http::client::Answer;
use crate::step::http::failure::Trouble;
use crate::step::http::proxy::Proxies;
use crate::step::http::request::Request;
use crate::step::{Probe, StepResult, Surroundings, judge};
use crate::text::{Template, Variables};
use crate::time::{Deadline, clock};

pub(super) use client::Client;
pub(super) use download::download;

/// How many bytes of a body are kept; of more, the first and the last half.
const CAPTURE: usize = 8 << 20;

/// Sends a request, and looks at the answer.
pub(super) fn execute(
    step: &Step,
    http: &HttpStep,
    deadline: Deadline,
    around: &Surroundings<'_>,
) -> StepResult {
    let client = around.carried.client(around.cancellation);
    let mut record = StepRecord::new(String::new());
    let request = match begin(client, &http.request, deadline, around, &mut record, true) {
        Ok(request) => request,
        Err(message) => return StepResult::not_started(record, &step.position, message),
    };
    let begin = clock::now();
    let answer = client.send(&request);
    let answer = match answer {
        Ok(answer) => answer,
        Err(trouble) => {
            record.duration = clock::now() - begin;
            return trouble.conclude(step, record, around);
        }
    };
    let Answer { response, hops, .. } = answer;
    let (parts, body) = response.into_parts();
    let head = head(&hops, &parts);
    record.status = Some(StepStatus::Done(format!("status {}", parts.status.as_u16())));
    let mut capture = Capture::of_output(CAPTURE, around.spill);
    let read = body::read(body, &parts, &client.line, |bytes| {
        capture.push(bytes);
        Ok(())
    });
    record.duration = clock::now() - begin;
    let body = capture.finish();
    if let Err(trouble) = read {
        record.stdout = after(head, body);
        return trouble.conclude(step, record, around);
    }
    let mut facts = facts_of_head(&parts, record.duration);
    facts.push((Subject::Body, Fact::Content(body::in_utf8(body, &parts.headers))));
    let mut observation = Observation { facts, directory: around.directory.to_owned() };
    let mut result = judge::compare(step, &observation, record, deadline, around);
    result.record.stdout = after(head, observation.take_content(&Subject::Body));
    result
}

/// Asks whether a service is ready.
pub(super) fn probe(model: &HttpRequest, variables: &Variables, folder: &Path) -> Result<Box<Probe>, String> {
    let request = Request::of(model, variables, folder)?;
    Ok(Box::new(move |limit, cancellation| {
        let client = Client::new(cancellation);
        client.begin(&request, Deadline::after(Some(limit)));
        let answer = client.send(&request).map_err(|trouble| trouble.into_message())?;
        match answer.response.status().as_u16() {
            200..=399 => Ok(()),
            status => Err(format!("{} answered with status {status}", request.url)),
        }
    }))
}

/// Makes the request that is sent, and notes the command that would send it. `decodes` says that a compressed body is
/// looked at as it was before.
fn begin(
    client: &Client,
    model: &HttpRequest,
    deadline: Deadline,
    around: &Surroundings<'_>,
    record: &mut StepRecord,
    decodes: bool,
) -> Result<Request, String> {
    let mut request = Request::of(model, around.variables, &around.case.folder)?;
    if request.unix.is_none() {
        request.proxies = Proxies::of(around.environment);
    }
    // In an address, a secret may be written in a way in which it is not found any more.
    let masked = around.redactor.map(|redactor| redactor.variables(around.variables));
    let shown = masked.and_then(|variables| Request::of(model, &variables, &around.case.folder).ok());
    let shown = shown.map(|shown| Request { proxies: request.proxies.clone(), ..shown });
    let shown = shown.as_ref().unwrap_or(&request);
    record.command = curl::line(shown, client.cookies(shown).as_deref(), decodes);
    client.begin(&request, deadline);
    Ok(request)
}

/// What the head of an answer says, and how long it took.
fn facts_of_head(parts: &Parts, took: Duration) -> Vec<(Subject, Fact)> {
    let mut facts = vec![
        (Subject::Status, Fact::Value(parts.status.as_u16().into())),
        (Subject::Duration, Fact::Value(took.as_secs_f64().into())),
    ];
    for name in parts.headers.keys() {
        let values: Vec<_> = parts.headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        let content = Captured { head: values.join(&b'\n'), ..Captured::default() };
        facts.push((Subject::Header(Template::literal(name.as_str())), Fact::Content(content)));
    }
    facts
}

/// The head of an answer as it came, after the redirects that led to it.
fn head(hops: &[(u16, String)], parts: &Parts) -> Vec<u8> {
    let mut head = Vec::new();
    for (status, url) in hops {
        head.extend_from_slice(format!("({status} led to {url})\n").as_bytes());
    }
    let version = if parts.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let reason = parts.status.canonical_reason().unwrap_or_default();
    head.extend_from_slice(format!("{version} {} {reason}\n", parts.status.as_u16()).as_bytes());
    for (name, value) in &parts.headers {
        head.extend_from_slice(format!("{name}: ").as_bytes());
        head.extend_from_slice(value.as_bytes());
        head.push(b'\n');
    }
    head.push(b'\n');
    head
}

/// A body after its head.
fn after(mut head: Vec<u8>, mut body: Captured) -> Captured {
    head.append(&mut body.head);
    Captured { head, ..body }
}
