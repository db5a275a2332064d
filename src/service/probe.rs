//! One look at whether a service is ready.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::model::{End, ExitStatus};
use crate::process::{self, Cancellation, Command, Limits};
use crate::time::Deadline;

/// The most time that one look at a port or an address takes.
const LOOK: Duration = Duration::from_secs(2);

/// How long processes may outlive a probe before they are ended with it.
const LEAK_TIMEOUT: Duration = Duration::from_millis(200);

/// How much of the output of a probe is kept.
const CAPTURE: usize = 4 << 10;

/// Whether somebody accepts connections at a port.
pub(in crate::service) fn port(number: u16, left: Duration) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
    TcpStream::connect_timeout(&address, within(left))
        .map(drop)
        .map_err(|error| format!("no connection to {address}: {error}"))
}

/// Whether a command exits with 0.
pub(in crate::service) fn run(
    command: &Command,
    left: Duration,
    cancellation: &Cancellation,
) -> Result<(), String> {
    let limits = Limits {
        deadline: Deadline::after(Some(left)),
        grace: LEAK_TIMEOUT,
        leak_timeout: LEAK_TIMEOUT,
        capture: CAPTURE,
    };
    let finished = process::run(command, &limits, &process::next_token(), cancellation)
        .map_err(|error| error.to_string())?;
    if (finished.end, finished.status) == (End::Own, ExitStatus::Exited(0)) {
        return Ok(());
    }
    let said = [finished.stderr, finished.stdout].into_iter().find(|output| output.written() > 0);
    let said = said.map(|output| output.text().trim().to_owned()).unwrap_or_default();
    let ended = match finished.end {
        End::Own => format!("its probe ended with {}", finished.status),
        _ => "its probe did not end".to_owned(),
    };
    Err(if said.is_empty() { ended } else { format!("{ended}: {said}") })
}

/// How long one look may take.
pub(in crate::service) fn within(left: Duration) -> Duration {
    left.clamp(Duration::from_millis(1), LOOK)
}
