//! Why there is no whole answer, in words.

use std::io;

use rustls::CertificateError;
use ureq::Error;

use crate::model::{Failure, FailureKind, Outcome, Step, StepRecord};
use crate::step::http::line::{Ending, Line, Phase, Stop};
use crate::step::{StepResult, Surroundings, time_limit};
use crate::time::format_duration;

/// How many redirects a message names.
const NAMED_REDIRECTS: usize = 3;

/// How many fields of a head the library reads.
const MOST_HEADERS: usize = 128;

/// What kept an answer from coming.
#[derive(Debug)]
pub(super) struct Trouble {
    kind: Kind,
    message: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// The request could not be made.
    Start,
    /// The connection could not be made, broke, or said what it should not.
    Connection,
    /// Who was asked for the rest of a file does not give it.
    Refused,
    /// The time of the step was over.
    Deadline,
    /// The time of a phase was over.
    Phase,
    /// The run is being stopped.
    Cancelled,
}

/// How much of a body has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) bytes: u64,
    /// How many there should be, where that was told.
    pub(super) of: Option<u64>,
}

impl Trouble {
    pub(super) fn start(message: String) -> Self {
        Self { kind: Kind::Start, message }
    }

    pub(super) fn connection(message: String) -> Self {
        Self { kind: Kind::Connection, message }
    }

    /// What was broken off by this is not gone on with.
    pub(super) fn no_rest(broken: &str, status: u16) -> Self {
        let kind = if status >= 500 { Kind::Connection } else { Kind::Refused };
        Self { kind, message: format!("{broken}; asked once more, the answer is status {status}") }
    }

    pub(super) fn too_many_redirects(most: u32, hops: &[(u16, String)]) -> Self {
        let last: Vec<_> =
            hops.iter().rev().take(NAMED_REDIRECTS).rev().map(|(_, url)| url.as_str()).collect();
        let more = if hops.len() > NAMED_REDIRECTS { "… → " } else { "" };
        let times = if most == 1 { "once".to_owned() } else { format!("{most} times") };
        let message = format!("redirected more than {times}: {more}{}", last.join(" → "));
        Self::connection(message)
    }

    pub(super) fn bad_redirect(status: u16, location: &str) -> Self {
        Self::connection(format!("status {status} leads to {location:?}, which is no http address"))
    }

    /// No head of an answer came from `target`, perhaps `through` a proxy.
    pub(super) fn before_answer(error: Error, line: &Line, target: &str, through: Option<&str>) -> Self {
        let phase = line.phase();
        // Until it is connected to, all is between us and the proxy.
        let host = target;
        let target = through.unwrap_or(target);
        let end = through.map_or_else(|| host.to_owned(), |proxy| format!("{host} through {proxy}"));
        let state = match phase {
            Phase::Resolving => format!("the host of {target} was not found"),
            Phase::Connecting => format!("not connected to {target}"),
            Phase::Tunneling => format!("connected to {target}, but it did not connect to {host}"),
            Phase::Agreeing => format!("connected to {end}, but TLS was not agreed upon"),
            Phase::Sending => format!("connected to {target}, but the request was not sent"),
            Phase::Waiting | Phase::Receiving => format!("connected to {target}, but no answer"),
        };
        if let Some(stopped) = Self::stopped(line, &state) {
            return stopped;
        }
        if let Some(message) = tls_message(&error, host) {
            return Self::connection(message);
        }
        let reason = io_error(&error);
        let ended = reason.is_some_and(|reason| reason.kind() == io::ErrorKind::UnexpectedEof);
        let reset = reason.is_some_and(|reason| reason.kind() == io::ErrorKind::ConnectionReset);
        let words = words(&error);
        Self::connection(match (&error, phase) {
            (Error::ConnectProxyFailed(reason), _) => {
                format!("{target} does not connect to {host}: {reason}")
            }
            (Error::HostNotFound, _) | (_, Phase::Resolving) => {
                format!("the host of {target} cannot be found: {words}")
            }
            (_, Phase::Connecting) => format!("cannot connect to {target}: {words}"),
            (_, Phase::Tunneling) => {
                format!("the connection to {target} broke before it was connected to {host}: {words}")
            }
            (_, Phase::Agreeing) => {
                format!("the connection to {end} broke before TLS was agreed upon: {words}")
            }
            (_, Phase::Sending) if reason.is_some() => {
                format!("the connection to {target} broke while the request was sent: {words}")
            }
            (_, Phase::Sending) => format!("the request cannot be sent: {words}"),
            _ if ended => format!("{target} closed the connection without an answer"),
            _ if reset => format!("{target} reset the connection before an answer"),
            (Error::LargeResponseHeader(_, most), _) => {
                format!("what {target} answers has a head of more than {} KiB", most >> 10)
            }
            (Error::Protocol(_), _) if words.contains("too many headers") => {
                format!("what {target} answers has more than {MOST_HEADERS} header fields")
            }
            (Error::Protocol(_), _) => {
                let is_name = words.contains("header name");
                let help = if is_name { " (nor may a header go on in the next line)" } else { "" };
                format!("what {target} answers is not HTTP: {words}{help}")
            }
            _ => format!("no answer from {target}: {words}"),
        })
    }

    /// The body did not come whole.
    pub(super) fn in_body(error: io::Error, line: &Line, received: Received) -> Self {
        let Received { status, bytes, of } = received;
        let amount = match of {
            Some(of) => format!("{bytes} of {of} bytes"),
            None => format!("{bytes} bytes"),
        };
        if let Some(stopped) =
            Self::stopped(line, &format!("status {status}, but the body did not end, after {amount}"))
        {
            return stopped;
        }
        let ended = error.kind() == io::ErrorKind::UnexpectedEof;
        Self::connection(match line.ending() {
            Some(Ending::Broken(io::ErrorKind::ConnectionReset)) => {
                format!("the connection was reset in the middle of the body, after {amount}")
            }
            ending if ended || ending == Some(Ending::Closed) => {
                format!("the connection was closed in the middle of the body, after {amount}")
            }
            _ => format!("the body cannot be read, after {amount}: {}", words(&Error::from(error))),
        })
    }

    /// The body came to an end without an error, but that end is none: it has chunks and the last one is missing, or it
    /// ends with a connection that was reset.
    pub(super) fn at_end(line: &Line, is_chunked: bool, received: Received) -> Option<Self> {
        match line.ending()? {
            // Many servers close what is over TLS without its own end (close_notify), so that tells nothing.
            Ending::Closed | Ending::Broken(io::ErrorKind::UnexpectedEof) if !is_chunked => None,
            Ending::Broken(kind) if kind != io::ErrorKind::UnexpectedEof => {
                Some(Self::in_body(kind.into(), line, received))
            }
            _ => Some(Self::in_body(io::ErrorKind::UnexpectedEof.into(), line, received)),
        }
    }

    /// The reason for which the wire gave up, if it did, in a state that is put into words.
    fn stopped(line: &Line, state: &str) -> Option<Self> {
        Some(match line.stop()? {
            Stop::Cancelled => Self { kind: Kind::Cancelled, message: String::new() },
            Stop::Deadline => Self { kind: Kind::Deadline, message: state.to_owned() },
            Stop::Phase(limit) => {
                Self { kind: Kind::Phase, message: format!("{state} within {}", format_duration(limit)) }
            }
        })
    }

    /// The run is being stopped.
    pub(super) fn cancelled() -> Self {
        Self { kind: Kind::Cancelled, message: String::new() }
    }

    /// The same, after a broken connection was taken up again so often.
    pub(super) fn after_resumes(mut self, times: u32) -> Self {
        let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
        self.message.push_str(&format!(" (resumed {times})"));
        self
    }

    /// Whether the connection broke, so that another might not.
    pub(super) fn may_pass(&self) -> bool {
        self.kind == Kind::Connection
    }

    /// It in words.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// It in words, and nothing else.
    pub(super) fn into_message(self) -> String {
        self.message
    }

    /// What this means for the step.
    pub(super) fn conclude(self, step: &Step, record: StepRecord, around: &Surroundings<'_>) -> StepResult {
        let position = step.position.clone();
        let failed = |record, kind, outcome, message| {
            let failure = Failure::new(kind, position.clone(), message);
            StepResult { failures: vec![failure], ..StepResult::new(record, outcome) }
        };
        match self.kind {
            Kind::Start => StepResult::not_started(record, &step.position, self.message),
            Kind::Cancelled => StepResult::interrupted(record, Vec::new()),
            Kind::Connection | Kind::Refused => {
                failed(record, FailureKind::Connection, Outcome::Failed, self.message)
            }
            Kind::Phase => failed(record, FailureKind::Timeout, Outcome::TimedOut, self.message),
            Kind::Deadline => {
                let message = format!("timed out after {}: {}", time_limit(step, around), self.message);
                failed(record, FailureKind::Timeout, Outcome::TimedOut, message)
            }
        }
    }
}

/// The error of the system below.
fn io_error(error: &Error) -> Option<&io::Error> {
    match error {
        Error::Io(error) => Some(error),
        _ => None,
    }
}

/// The error without the words that only say who told it.
fn words(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::Protocol(error) => error.to_string(),
        Error::Other(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// What TLS says about the certificate or the handshake.
fn tls_message(error: &Error, target: &str) -> Option<String> {
    let found = match error {
        Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        Error::Tls(reason) => return Some(format!("TLS with {target}: {reason}")),
        _ => None,
    }?;
    let help = "; name the certificates to be trusted as `tls.ca`";
    Some(match found {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            format!("TLS with {target}: {found}{help}")
        }
        // The library has no name of its own for it.
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if format!("{other:?}").contains("CaUsedAsEndEntity") =>
        {
            format!(
                "TLS with {target}: the certificate is one of an authority, and none that is trusted{help}"
            )
        }
        _ => format!("TLS with {target}: {found}"),
    })
}
