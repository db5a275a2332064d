//! Certificates of requests, from files.

use std::path::Path;

use rustls::crypto::ring::default_provider;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::disk;
use crate::step::http::request::Tls;

/// More bytes than any file of certificates has.
const MOST: usize = 8 << 20;

/// What is trusted, and who we say we are.
///
/// # Errors
/// A message that names the file which is not right.
pub(super) fn config(tls: &Tls) -> Result<TlsConfig, String> {
    let mut builder = TlsConfig::builder().disable_verification(tls.insecure);
    if let Some(ca) = &tls.ca {
        builder = builder.root_certs(RootCerts::new_with_certs(&certificates(ca)?));
    }
    if let Some((cert, key)) = &tls.client {
        let client = ClientCert::new_with_certs(&certificates(cert)?, private_key(key)?);
        builder = builder.client_cert(Some(client));
    }
    Ok(builder.build())
}

fn items(path: &Path) -> Result<Vec<PemItem<'static>>, String> {
    let failed = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
    let pem = disk::read(path, MOST).map_err(|error| failed(&error))?;
    parse_pem(&pem).collect::<Result<_, _>>().map_err(|error| failed(&error))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let certificates: Vec<_> = items(path)?
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(format!("{} holds no certificate in the form of PEM", path.display()));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, String> {
    let found = items(path)?.into_iter().find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    let key = found.ok_or_else(|| format!("{} holds no private key in the form of PEM", path.display()))?;
    // The client takes for granted that a key can be used.
    let der = rustls::pki_types::PrivateKeyDer::try_from(key.der().to_vec());
    let usable = der.is_ok_and(|der| default_provider().key_provider.load_private_key(der).is_ok());
    if usable { Ok(key) } else { Err(format!("the private key in {} cannot be used", path.display())) }
}
