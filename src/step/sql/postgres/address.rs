//! What a URL says: where servers are, who we are, and what is wished of TLS.
//!
//! The client reads everything but TLS, of which it knows less than libpq does.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};

use crate::step::sql::postgres::tls::{Verify, Wish};
use crate::step::sql::postgres::trouble;

/// The port where none is said.
const PORT: u16 = 5432;

/// What a URL says.
#[derive(Debug)]
pub(super) struct Target {
    /// Who we are, and what is asked for.
    pub(super) config: Config,
    /// What is wished of TLS.
    pub(super) tls: Wish,
    /// Where servers may be, in the order in which they are tried. Never empty.
    pub(super) places: Vec<Place>,
}

/// Where a server may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// A socket in the file system.
    Socket(PathBuf),
    /// A host: what its certificate is for, its address if that need not be looked up, and a port.
    Host(String, Option<IpAddr>, u16),
}

/// Reads a URL. Files that it names are found from `directory`.
///
/// # Errors
/// A message, in which no password stands.
pub(super) fn read(url: &str, directory: &Path) -> Result<Target, String> {
    let (plain, options) = url.split_once('?').unwrap_or((url, ""));
    let mut said = Said::default();
    let mut others = Vec::new();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
        match key {
            "sslmode" => said.mode = Some(value),
            "sslrootcert" => said.root = Some(value),
            "sslcert" => said.certificate = Some(value),
            "sslkey" => said.key = Some(value),
            _ => others.push(option),
        }
    }
    let rest = format!("{plain}?{}", others.join("&"));
    let mut config: Config = rest.trim_end_matches('?').parse().map_err(|error| {
        let whole = trouble::chain(&error);
        format!(
            "the URL of the database is not right: {}",
            whole.trim_start_matches("invalid connection string: ")
        )
    })?;
    if config.get_target_session_attrs() != TargetSessionAttrs::Any {
        return Err("the URL asks for `target_session_attrs`, which is not known here".to_owned());
    }
    if config.get_load_balance_hosts() != LoadBalanceHosts::Disable {
        return Err("the URL asks for `load_balance_hosts`, which is not known here".to_owned());
    }
    let places = places(&config)?;
    let tls = said.wish(directory)?;
    config.ssl_mode(tls.mode);
    if config.get_application_name().is_none() {
        config.application_name("partest");
    }
    Ok(Target { config, tls, places })
}

/// What a URL says of TLS.
#[derive(Default)]
struct Said {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Said {
    fn wish(self, directory: &Path) -> Result<Wish, String> {
        let root = self.root.filter(|root| root != "system").map(|root| directory.join(root));
        let (mode, verify) = match self.mode.as_deref() {
            Some("disable") => (SslMode::Disable, Verify::Nothing),
            None | Some("allow" | "prefer") => (SslMode::Prefer, Verify::Nothing),
            // As libpq does it.
            Some("require") if root.is_some() => (SslMode::Require, Verify::Authority),
            Some("require") => (SslMode::Require, Verify::Nothing),
            Some("verify-ca") => (SslMode::Require, Verify::Authority),
            Some("verify-full") => (SslMode::Require, Verify::Host),
            Some(other) => {
                return Err(format!(
                    "`sslmode` is {other:?}; known are disable, allow, prefer, require, verify-ca and verify-full"
                ));
            }
        };
        let client = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some((directory.join(certificate), directory.join(key))),
            (None, None) => None,
            _ => return Err("`sslcert` and `sslkey` belong together".to_owned()),
        };
        Ok(Wish { mode, verify, root, client })
    }
}

fn places(config: &Config) -> Result<Vec<Place>, String> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        let help = "postgres://user@host/database, or postgres:///database?host=/var/run/postgresql";
        return Err(format!("the URL of the database names no host: {help}"));
    }
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err("the URL has not as many `hostaddr` as hosts".to_owned());
    }
    if ports.len() > 1 && ports.len() != count {
        return Err("the URL has not as many ports as hosts".to_owned());
    }
    let places = (0..count).map(|index| {
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(PORT);
        let address = addresses.get(index).copied();
        match (hosts.get(index), address) {
            (Some(Host::Unix(folder)), _) => Ok(Place::Socket(folder.join(format!(".s.PGSQL.{port}")))),
            (Some(Host::Tcp(name)), _) if name.contains('@') => {
                Err("the password in the URL of the database has an `@`; write %40".to_owned())
            }
            (Some(Host::Tcp(name)), _) => Ok(Place::Host(name.clone(), address, port)),
            (None, Some(address)) => Ok(Place::Host(address.to_string(), Some(address), port)),
            (None, None) => Err("the URL of the database names no host".to_owned()),
        }
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use tokio_postgres::config::SslMode;

    use super::{Place, Target, read};
    use crate::step::sql::postgres::tls::Verify;

    fn target(url: &str) -> Result<Target, String> {
        read(url, Path::new("/work"))
    }

    fn host(name: &str, port: u16) -> Place {
        Place::Host(name.to_owned(), None, port)
    }

    #[test]
    fn urls_name_servers() {
        for (url, expected) in [
            ("postgres://localhost", vec![host("localhost", 5432)]),
            ("postgresql://u:p@db:1/shop", vec![host("db", 1)]),
            ("postgres://[::1]:7/x", vec![host("::1", 7)]),
            ("postgres://a:1,b:2/x", vec![host("a", 1), host("b", 2)]),
            ("postgres:///x?host=/run/pg&port=9", vec![Place::Socket(PathBuf::from("/run/pg/.s.PGSQL.9"))]),
            ("postgres://%2Frun%2Fpg/x", vec![Place::Socket(PathBuf::from("/run/pg/.s.PGSQL.5432"))]),
        ] {
            assert_eq!(target(url).expect("a target").places, expected, "{url}");
        }
        let address = target("postgres:///x?hostaddr=127.0.0.1&host=db").expect("a target");
        let loopback = Some(std::net::Ipv4Addr::LOCALHOST.into());
        assert_eq!(address.places, [Place::Host("db".to_owned(), loopback, 5432)]);
    }

    #[test]
    fn what_is_wished_of_tls_is_what_libpq_means() {
        let tls = |options: &str| {
            let wish = target(&format!("postgres://u@h/d?{options}")).expect("a target").tls;
            (wish.mode, wish.verify, wish.root)
        };
        assert_eq!(tls(""), (SslMode::Prefer, Verify::Nothing, None));
        assert_eq!(tls("sslmode=disable"), (SslMode::Disable, Verify::Nothing, None));
        assert_eq!(tls("sslmode=require"), (SslMode::Require, Verify::Nothing, None));
        let root = Some(PathBuf::from("/work/ca.pem"));
        assert_eq!(
            tls("sslmode=require&sslrootcert=ca.pem"),
            (SslMode::Require, Verify::Authority, root.clone())
        );
        assert_eq!(tls("sslrootcert=ca.pem&sslmode=verify-full"), (SslMode::Require, Verify::Host, root));
        assert_eq!(tls("sslmode=verify-full&sslrootcert=system"), (SslMode::Require, Verify::Host, None));
    }

    #[test]
    fn mistakes_in_urls_are_told_without_the_password() {
        for (url, message) in [
            ("postgres:///shop", "names no host"),
            ("postgres://u:hush@h:x/d", "invalid value for option `port`"),
            ("postgres://u:hush@h/d?sslmode=maybe", "`sslmode` is \"maybe\"; known are"),
            ("postgres://u:hush@h/d?sslcert=a", "belong together"),
            ("postgres://u:hush@h/d?colour=red", "unknown option `colour`"),
            ("postgres://u:hu@sh@h/d", "write %40"),
            ("postgres://u:hush@h/d?target_session_attrs=read-write", "`target_session_attrs`"),
        ] {
            let told = target(url).expect_err("a mistake");
            assert!(told.contains(message) && !told.contains("hush"), "{url}: {told}");
        }
    }
}
