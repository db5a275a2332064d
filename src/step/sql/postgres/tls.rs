//! Whom the client trusts, as users of libpq expect it of `sslmode`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::step::sql::postgres::socket::Socket;

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
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier(wish, provider)?);
    let config = match &wish.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let read = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
            builder.with_client_auth_cert(chain, read).map_err(|error| failed(key, &error))?
        }
    };
    Ok(Connector(MakeRustlsConnect::new(config)))
}

fn verifier(wish: &Wish, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    if wish.verify == Verify::Nothing {
        return Ok(Arc::new(Trusting(provider)));
    }
    let mut roots = RootCertStore::empty();
    match &wish.root {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| failed(path, &error))?;
            }
        }
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let whole = builder.build().map_err(|error| error.to_string())?;
    match wish.verify {
        Verify::Host => Ok(whole),
        Verify::Authority | Verify::Nothing => Ok(Arc::new(Nameless(whole))),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| failed(path, &error))?;
    let all = read.collect::<Result<Vec<_>, _>>().map_err(|error| failed(path, &error))?;
    match all.is_empty() {
        true => Err(format!("{} holds no certificate in the form of PEM", path.display())),
        false => Ok(all),
    }
}

fn failed(path: &Path, reason: &dyn std::fmt::Display) -> String {
    format!("{}: {reason}", path.display())
}

/// Trusts whoever answers.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

/// Trusts whoever has a certificate that is signed by somebody who is trusted, whatever its name.
#[derive(Debug)]
struct Nameless(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

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
