//! Whom a client of TLS trusts, and who it says it is, by files.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::disk;

/// More bytes than any file of certificates has.
const MOST: usize = 8 << 20;

/// Who decides whether a server is trusted.
pub(super) type Verifier = Arc<dyn ServerCertVerifier>;

/// A client that trusts so, and has a certificate and its key in these files.
///
/// # Errors
/// A message that names the file which is not right.
pub(super) fn client(verifier: Verifier, files: Option<(&Path, &Path)>) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((certificate, key)) = files else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(certificate)?;
    let read = PrivateKeyDer::from_pem_slice(&content(key)?).map_err(|error| match error {
        PemError::NoItemsFound => format!("{} holds no private key in the form of PEM", key.display()),
        error => failed(key, &error),
    })?;
    builder.with_client_auth_cert(chain, read).map_err(|error| match error {
        Error::InconsistentKeys(_) => format!(
            "the private key in {} does not belong to the certificate in {}",
            key.display(),
            certificate.display()
        ),
        error => format!("the private key in {} cannot be used: {error}", key.display()),
    })
}

/// Trusts whoever has a certificate that is in this file or signed by one of it; without a file, by an authority that
/// is trusted usually.
///
/// # Errors
/// A message that names the file which is not right.
pub(super) fn authorities(file: Option<&Path>) -> Result<Verifier, String> {
    let mut roots = RootCertStore::empty();
    let mut known = Vec::new();
    match file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            known = certificates(path)?;
            // A bundle may hold some that nobody can read any more.
            roots.add_parsable_certificates(known.iter().cloned());
        }
    }
    if let (true, Some(path)) = (roots.is_empty(), file) {
        return Err(format!("{} holds no certificate that can be read", path.display()));
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
    let signed = builder.build().map_err(|error| error.to_string())?;
    Ok(Arc::new(Known { signed, known }))
}

/// Trusts whoever answers.
pub(super) fn anyone() -> Verifier {
    Arc::new(Anyone)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let content = content(path)?;
    let all = CertificateDer::pem_slice_iter(&content).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| failed(path, &error))?;
    match all.is_empty() {
        true => Err(format!("{} holds no certificate in the form of PEM", path.display())),
        false => Ok(all),
    }
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    disk::read(path, MOST).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, reason: &dyn Display) -> String {
    format!("{}: {reason}", path.display())
}

/// Trusts what is signed by somebody who is trusted, and what is trusted itself.
#[derive(Debug)]
struct Known {
    signed: Arc<WebPkiServerVerifier>,
    known: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.signed.verify_server_cert(certificate, others, name, ocsp, now) {
            // That a server says it is an authority, as certificates that sign themselves often do, or that somebody
            // unknown has signed it. Its dates have been looked at before; its name has not.
            Err(Error::InvalidCertificate(CertificateError::Other(_) | CertificateError::UnknownIssuer))
                if self.known.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Anyone {
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

    // Whoever may have any certificate need not show that it is his; and some can be read by nobody.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::RSA_PKCS1_SHA384,
            SignatureScheme::RSA_PKCS1_SHA512,
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::ED448,
        ]
    }
}
