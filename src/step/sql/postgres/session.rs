//! A connection to a server, from the first packet to the last.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error};

use crate::process::Cancellation;
use crate::step::net;
use crate::step::sql::postgres::address::{Place, Target};
use crate::step::sql::postgres::socket::{Limits, Stopped, Wire};
use crate::step::sql::postgres::tls::{self, Connector};
use crate::step::sql::postgres::trouble;
use crate::step::sql::{Trouble, Work};
use crate::time::{Deadline, format_duration};

/// How long it may take to end a statement, and to say goodbye, after the time is over.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A connection to a server.
pub(super) struct Session {
    /// Who asks.
    pub(super) client: Client,
    /// What drives the client.
    pub(super) wire: Wire,
    route: Route,
    tls: Connector,
}

/// Where a server was found.
#[derive(Clone)]
enum Route {
    Socket(std::path::PathBuf),
    Host(String, std::net::SocketAddr),
}

impl Route {
    /// How messages call it.
    fn name(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Host(_, address) => address.to_string(),
        }
    }

    /// What the certificate is for.
    fn host(&self) -> &str {
        match self {
            Self::Socket(_) => "localhost",
            Self::Host(name, _) => name,
        }
    }

    fn connect(&self, limits: &Limits) -> std::io::Result<OwnedFd> {
        let wait = |socket: std::os::fd::BorrowedFd<'_>, interest| {
            limits.wait(socket, interest).map_err(|Stopped| std::io::ErrorKind::TimedOut.into())
        };
        match self {
            Self::Socket(path) => net::connect_unix(path, &wait),
            Self::Host(_, address) => net::connect_tcp(*address, &wait),
        }
    }
}

/// Why there is no connection.
enum Fault {
    /// The time is over.
    Stopped,
    /// Another server may be tried.
    Unreachable(String),
    /// There is a server, and it does not want us.
    Refused(String),
}

impl Session {
    /// Connects to the first server that can be reached.
    pub(super) fn open(target: &Target, work: &Work<'_>) -> Result<Self, Trouble> {
        let limits = Limits { deadline: work.deadline, cancellation: work.cancellation.clone() };
        let patience = target.config.get_connect_timeout().copied().filter(|limit| !limit.is_zero());
        let tls = tls::connector(&target.tls).map_err(Trouble::Unusable)?;
        let mut last = String::new();
        for place in &target.places {
            let of_place = Deadline::after(patience).earlier(limits.deadline);
            let within = Limits { deadline: of_place, ..limits.clone() };
            match Self::reach(place, &target.config, &tls, &within) {
                Ok(mut session) => {
                    session.wire.limits = limits;
                    return Ok(session);
                }
                Err(Fault::Refused(message)) => return Err(Trouble::Unusable(message)),
                Err(Fault::Unreachable(message)) => last = message,
                Err(Fault::Stopped) if limits.check().is_err() => {
                    return Err(Trouble::Stopped(format!("no connection yet to {}\n", name(place))));
                }
                Err(Fault::Stopped) => {
                    let limit = format_duration(patience.unwrap_or_default());
                    last = format!("{}: no connection within {limit} (`connect_timeout`)", name(place));
                }
            }
        }
        Err(Trouble::Absent(last))
    }

    /// Connects to a server, at the first of its addresses that answers.
    fn reach(place: &Place, config: &Config, tls: &Connector, limits: &Limits) -> Result<Self, Fault> {
        let mut last = Fault::Unreachable(format!("{} has no address", name(place)));
        for route in routes(place, limits)? {
            match route.connect(limits) {
                Ok(socket) => return Self::begin(socket, route, config, tls, limits),
                Err(_) if limits.check().is_err() => return Err(Fault::Stopped),
                Err(error) => last = Fault::Unreachable(format!("{}: {error}", route.name())),
            }
        }
        Err(last)
    }

    /// Agrees with the server on who we are.
    fn begin(
        socket: OwnedFd,
        route: Route,
        config: &Config,
        tls: &Connector,
        limits: &Limits,
    ) -> Result<Self, Fault> {
        let mut config = config.clone();
        if let Route::Socket(_) = route {
            // Nobody stands in between, and servers have no TLS there, whatever is wished.
            config.ssl_mode(SslMode::Disable);
        }
        let (mut wire, socket) = Wire::new(socket, limits.clone());
        let connected =
            wire.drive(config.connect_raw(socket, tls.to(route.host()))).map_err(|Stopped| Fault::Stopped)?;
        let (client, connection) = connected.map_err(|error| unwelcome(&route, &error))?;
        wire.connected(connection);
        Ok(Self { client, wire, route, tls: tls.clone() })
    }

    /// Ends what the server is doing for us.
    pub(super) fn cancel(&self) {
        let Some(limits) = last_words() else { return };
        // Whoever cannot be reached need not be told.
        let Ok(socket) = self.route.connect(&limits) else { return };
        let (mut wire, socket) = Wire::new(socket, limits);
        let connect = self.tls.to(self.route.host());
        let _ = wire.drive(self.client.cancel_token().cancel_query_raw(socket, connect));
    }

    /// Takes back what the transaction did. A server that has no time for it does so when the connection ends.
    pub(super) fn roll_back(&mut self) {
        if let Some(limits) = last_words() {
            self.wire.limits = limits;
            let _ = self.wire.drive(self.client.batch_execute("rollback"));
        }
    }

    /// Says goodbye.
    pub(super) fn close(mut self) {
        drop(self.client);
        if let Some(limits) = last_words() {
            self.wire.limits = limits;
            let _ = self.wire.finish();
        }
    }
}

/// The limits of what is still to be done after everything else, also when the run is being stopped.
fn last_words() -> Option<Limits> {
    let cancellation = Cancellation::new().ok()?;
    Some(Limits { deadline: Deadline::after(Some(LAST_WORDS)), cancellation })
}

/// How messages call a place.
fn name(place: &Place) -> String {
    match place {
        Place::Socket(path) => path.display().to_string(),
        Place::Host(name, _, port) if name.contains(':') => format!("[{name}]:{port}"),
        Place::Host(name, _, port) => format!("{name}:{port}"),
    }
}

/// Where the server of a place may be reached.
fn routes(place: &Place, limits: &Limits) -> Result<Vec<Route>, Fault> {
    let (host, address, port) = match place {
        Place::Socket(path) => return Ok(vec![Route::Socket(path.clone())]),
        Place::Host(host, address, port) => (host, address, *port),
    };
    let asked = address.map_or_else(|| host.clone(), |address| address.to_string());
    let wait = |socket: std::os::fd::BorrowedFd<'_>, interest| {
        limits.wait(socket, interest).map_err(|Stopped| std::io::ErrorKind::TimedOut.into())
    };
    match net::look_up(&asked, port, &wait) {
        Ok(found) => Ok(found.into_iter().map(|address| Route::Host(host.clone(), address)).collect()),
        Err(_) if limits.check().is_err() => Err(Fault::Stopped),
        Err(error) => Err(Fault::Unreachable(format!("{}: {error}", name(place)))),
    }
}

/// Why a server does not want us.
fn unwelcome(route: &Route, error: &Error) -> Fault {
    let is_starting = error.code() == Some(&SqlState::CANNOT_CONNECT_NOW);
    let message = match error.is_closed() {
        true => "the server closed the connection before it was ready".to_owned(),
        false => trouble::chain(error),
    };
    let message = format!("{}: {message}", route.name());
    if is_starting || error.is_closed() { Fault::Unreachable(message) } else { Fault::Refused(message) }
}
