//! Whom the client trusts, as users of libpq expect it of `sslmode`.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::step::sql::postgres::socket::Socket;
use crate::step::trust::{self, Verifier};

/// A stream with TLS.
pub(super) type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// What is looked at in the certificate of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verify {
    /// Nothing: what is sent is encrypted, and that is all.
    Nothing,
    /// Who has signed it.
    Authority,
    /// Who has signed it, and whether it is for this host.
    Host,
}

/// What a URL says of TLS.
#[derive(Debug, PartialEq)]
pub(super) struct Wish {
    /// Whether there is TLS.
    pub(super) mode: SslMode,
    /// What is verified.
    pub(super) verify: Verify,
    /// A file of certificates to trust.
    pub(super) root: Option<PathBuf>,
    /// Files of the client's certificate and its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

/// Makes streams with TLS, as wished.
#[derive(Clone)]
pub(super) struct Connector(MakeRustlsConnect);

impl Connector {
    /// What makes a stream to a host, whose certificate is for this name.
    pub(super) fn to(&self, host: &str) -> <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect {
        let Ok(connect) = MakeTlsConnect::<Socket>::make_tls_connect(&mut self.0.clone(), host);
        connect
    }
}

/// What makes streams with TLS, as wished.
///
/// # Errors
/// A message that names the file which is not right.
pub(super) fn connector(wish: &Wish) -> Result<Connector, String> {
    let root = || trust::authorities(wish.root.as_deref());
    let verifier = match wish.verify {
        Verify::Nothing => trust::anyone(),
        Verify::Authority => Arc::new(Nameless(root()?)),
        Verify::Host => root()?,
    };
    let files = wish.client.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
    Ok(Connector(MakeRustlsConnect::new(trust::client(verifier, files)?)))
}

/// Trusts whoever has a certificate that is signed by somebody who is trusted, whatever its name.
#[derive(Debug)]
struct Nameless(Verifier);

impl ServerCertVerifier for Nameless {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(certificate, others, name, ocsp, now) {
            // The name is looked at last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
