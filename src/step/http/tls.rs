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
use crate::step::http::socket::{STATUS_LINE, is_refusal};
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
        let (line, early, is_refused) = (self.0.clone(), Vec::new(), false);
        Ok(Some(Either::B(TlsTransport { stream, buffers, line, early, is_refused })))
    }
}

/// A connection with TLS.
pub(super) struct TlsTransport {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: LazyBuffers,
    line: Line,
    /// What has come while the request was sent.
    early: Vec<u8>,
    /// Whether that is an answer which makes the rest of the request useless.
    is_refused: bool,
}

impl TlsTransport {
    /// Reads what has come, so far that it is known what it says of the request.
    fn read_early(&mut self) -> io::Result<()> {
        self.stream.conn.read_tls(&mut self.stream.sock)?;
        let state = self.stream.conn.process_new_packets().map_err(io::Error::other)?;
        let begin = self.early.len();
        self.early.resize(begin + state.plaintext_bytes_to_read(), 0);
        self.stream.conn.reader().read_exact(&mut self.early[begin..])?;
        self.is_refused = is_refusal(&self.early);
        if self.early.len() >= STATUS_LINE {
            self.line.stop_watching();
        }
        Ok(())
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        if self.is_refused {
            return Ok(self.line.go_on()?);
        }
        self.stream.write_all(&self.buffers.output()[..amount])?;
        while self.line.is_held() {
            self.read_early()?;
            if self.is_refused {
                break;
            }
            // What was held back goes on.
            self.stream.sock.get_mut().transmit_output(0, timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let space = self.buffers.input_append_buf();
        let count = match self.early.len().min(space.len()) {
            0 => self.stream.read(space)?,
            count => {
                space[..count].copy_from_slice(&self.early[..count]);
                self.early.drain(..count).count()
            }
        };
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
