//! Free ports of this machine, each given out once at a time.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

/// How often the system is asked for another port when it names one that is given out.
const TRIES: usize = 1000;

/// The ports that a run has given out.
///
/// The system names a free one, and it is free again until whoever it was given to listens at it; so what else
/// asks the system meanwhile may be given the same, but nothing of this run.
#[derive(Clone, Debug, Default)]
pub struct Ports(Arc<Mutex<HashSet<u16>>>);

/// A port that is nobody else's in this run until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    ports: Ports,
}

impl Ports {
    /// A port of 127.0.0.1 at which nobody listens.
    ///
    /// # Errors
    /// When the system names none that is not given out already.
    pub fn take(&self) -> io::Result<Port> {
        // Kept open until one is found, so that the system names others.
        let mut refused = Vec::new();
        for _ in 0..TRIES {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let number = listener.local_addr()?.port();
            if self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
                return Ok(Port { number, ports: self.clone() });
            }
            refused.push(listener);
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "every port is taken"))
    }
}

impl Port {
    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.ports.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::{Ipv4Addr, TcpListener};

    use super::Ports;

    #[test]
    fn no_port_is_given_out_twice_at_a_time() {
        let ports = Ports::default();
        let taken: Vec<_> = (0..500).map(|_| ports.take().expect("a port")).collect();
        let numbers: HashSet<_> = taken.iter().map(|port| port.number()).collect();
        assert_eq!(numbers.len(), taken.len());
        drop(taken);
        assert!(ports.0.lock().expect("not poisoned").is_empty());
    }

    #[test]
    fn a_port_that_is_given_out_can_be_listened_at() {
        let port = Ports::default().take().expect("a port");
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).expect("free");
    }
}
