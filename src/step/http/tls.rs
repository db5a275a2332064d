//! TLS over connections of requests.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use crate::step::http::line::Line;
use crate::step::http::request::Tls;
use crate::step::trust;

/// What is trusted, and who we say we are.
///
/// # Errors
/// A message that names the file which is not right.
pub(super) fn config(tls: &Tls) -> Result<Arc<ClientConfig>, String> {
    let verifier = if tls.insecure { trust::anyone() } else { trust::authorities(tls.ca.as_deref())? };
    let files = tls.client.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
    trust::client(verifier, files).map(Arc::new)
}

/// Puts TLS over a connection where the address asks for it.
#[derive(Debug)]
pub(super) struct TlsConnector(pub(super) Line);

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(below) = chained else { return Ok(None) };
        let Some(config) = self.0.tls().filter(|_| details.needs_tls()) else {
            return Ok(Some(Either::A(below)));
        };
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| Error::Tls("no certificate can have this name"))?;
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let below: Box<dyn Transport> = Box::new(below);
        let mut stream =
            StreamOwned::new(connection, TransportAdapter::new(below, details.current_time.clone()));
        stream.conn.complete_io(&mut stream.sock)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { stream, buffers })))
    }
}

/// A connection with TLS.
pub(super) struct TlsTransport {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: LazyBuffers,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let count = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        // Every request has a connection of its own.
        false
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").field("over", &self.stream.sock.inner()).finish()
    }
}
