//! Through which proxy a request goes, by the usual variables of the environment.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::IpAddr;

use data_encoding::BASE64;
use url::{Host, Url};

use crate::step::http::request::decoded;

/// The variables that say so. Small letters win, as with other programs.
const VARIABLES: [&str; 8] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// The header by which it knows who asks.
    pub(super) authorization: Option<String>,
}

/// What is said about proxies: first by the environment of the case, then by that of partest.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    of_case: HashMap<&'static str, String>,
    own: HashMap<&'static str, String>,
}

impl Proxies {
    /// What the environment of a case says, and that of this process.
    pub(super) fn of(environment: &[(OsString, OsString)]) -> Self {
        let value = |name: &str| {
            let found = environment.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.to_string_lossy().into_owned())
        };
        let said = |value: &dyn Fn(&str) -> Option<String>| {
            VARIABLES.into_iter().filter_map(|name| Some((name, value(name)?))).collect()
        };
        Self { of_case: said(&value), own: said(&|name| std::env::var(name).ok()) }
    }

    /// The proxy for an address, if there is one.
    ///
    /// # Errors
    /// A message: what stands in the variable is no proxy that can be used.
    pub(super) fn find(&self, url: &Url) -> Result<Option<Proxy>, String> {
        let names = match url.scheme() {
            "https" => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            _ => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        let of_case = names.into_iter().find_map(|name| Some((name, self.of_case.get(name)?)));
        // What is set for every program of this machine is not meant for services of the run.
        let own = || names.into_iter().find_map(|name| Some((name, self.own.get(name)?)));
        let Some((name, value)) = of_case.or_else(|| own().filter(|_| !is_here(url))) else {
            return Ok(None);
        };
        if value.trim().is_empty() || self.excepts(url) {
            return Ok(None);
        }
        proxy(value.trim()).map(Some).map_err(|reason| format!("the variable {name}: {reason}"))
    }

    fn excepts(&self, url: &Url) -> bool {
        let names = ["no_proxy", "NO_PROXY"];
        let value =
            |said: &HashMap<&'static str, String>| names.iter().find_map(|name| said.get(name).cloned());
        let value = value(&self.of_case).or_else(|| value(&self.own)).unwrap_or_default();
        value.split([',', ' ']).any(|exception| covers(exception.trim(), url))
    }
}

/// The proxy of this address.
fn proxy(value: &str) -> Result<Proxy, String> {
    let whole = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    // Who asks there is nobody else's business.
    let url = Url::parse(&whole).map_err(|error| format!("it holds no address: {error}"))?;
    let host = url.host_str().filter(|_| url.scheme() == "http").ok_or_else(|| {
        format!("a proxy is an address that begins with http://, and not with {}://", url.scheme())
    })?;
    let authorization = (!url.username().is_empty()).then(|| {
        let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
        format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))
    });
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok(Proxy { host, port: url.port_or_known_default().unwrap_or(80), authorization })
}

/// Whether an exception from proxies is about this address: `*`, a host with those below it, an address, or a range
/// of addresses such as `10.0.0.0/8`; where a port stands behind it, only about that.
fn covers(exception: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if let Some((network, bits)) = exception.split_once('/') {
        let ends = (network.parse(), bits.parse(), host.parse());
        return matches!(ends, (Ok(network), Ok(bits), Ok(host)) if is_within(network, bits, host));
    }
    let (name, port) = match exception.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, port.parse::<u16>().ok()),
        _ => (exception, None),
    };
    if port.is_some() && port != url.port_or_known_default() {
        return false;
    }
    let name =
        name.trim_matches(['[', ']']).trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
    let below = || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
    exception == "*" || !name.is_empty() && (host == name || below())
}

fn is_within(network: IpAddr, bits: u32, host: IpAddr) -> bool {
    let all = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((network, width), (host, of_host)) = (all(network), all(host));
    let different = (network ^ host).checked_shr(128 - bits.min(128)).unwrap_or(0);
    width == of_host && bits <= width && different == 0
}

/// Whether an address is one of this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::{Proxies, Proxy, covers};

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    fn found(of_case: &[(&'static str, &str)], own: &[(&'static str, &str)], to: &str) -> Option<String> {
        let said = |values: &[(&'static str, &str)]| {
            values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        let proxies = Proxies { of_case: said(of_case), own: said(own) };
        let proxy = proxies.find(&url(to)).expect("right");
        proxy.map(|Proxy { host, port, authorization }| {
            format!("{host}:{port}{}", authorization.map_or(String::new(), |value| format!(" {value}")))
        })
    }

    #[test]
    fn the_case_is_asked_before_partest() {
        let own = [("HTTP_PROXY", "own:1"), ("https_proxy", "http://a%40b:c@own"), ("NO_PROXY", "none.test")];
        assert_eq!(found(&[], &own, "http://x.test").as_deref(), Some("own:1"));
        assert_eq!(found(&[], &own, "https://x.test").as_deref(), Some("own:80 Basic YUBiOmM="));
        assert_eq!(found(&[], &own, "http://none.test"), None);
        assert_eq!(found(&[], &own, "http://127.0.0.1:8080"), None);
        assert_eq!(found(&[], &own, "http://localhost"), None);
        let case = [("http_proxy", "case:2"), ("no_proxy", "y.test")];
        assert_eq!(found(&case, &own, "http://127.0.0.1:8080").as_deref(), Some("case:2"));
        assert_eq!(found(&case, &own, "http://none.test").as_deref(), Some("case:2"));
        assert_eq!(found(&case, &own, "https://x.test").as_deref(), Some("own:80 Basic YUBiOmM="));
        assert_eq!(found(&case, &own, "https://y.test"), None);
        assert_eq!(found(&[("HTTP_PROXY", "")], &own, "http://x.test"), None);
        assert_eq!(found(&[("ALL_PROXY", "[::1]:3")], &[], "https://x.test").as_deref(), Some("::1:3"));
    }

    #[test]
    fn what_is_no_proxy_is_named() {
        for value in ["socks5://h:1", "https://h", "http://"] {
            let of_case = [("HTTP_PROXY", value.to_owned())].into();
            let proxies = Proxies { of_case, ..Proxies::default() };
            let message = proxies.find(&url("http://x.test")).expect_err("wrong");
            assert!(message.starts_with("the variable HTTP_PROXY: "), "{message}");
        }
    }

    #[test]
    fn exceptions_are_hosts_and_networks() {
        for (exception, address, expected) in [
            ("*", "http://x.test", true),
            ("x.test", "http://x.test", true),
            ("X.test", "http://a.x.test", true),
            (".x.test", "http://a.x.test", true),
            ("*.x.test", "http://a.x.test", true),
            ("x.test", "http://ax.test", false),
            ("x.test:81", "http://x.test", false),
            ("x.test:80", "http://x.test", true),
            ("10.1.2.3", "http://10.1.2.3", true),
            ("10.0.0.0/8", "http://10.1.2.3", true),
            ("10.0.0.0/8", "http://11.1.2.3", false),
            ("0.0.0.0/0", "http://11.1.2.3", true),
            ("10.0.0.0/8", "http://x.test", false),
            ("10.0.0.0/8", "http://[::1]", false),
            ("::1", "http://[::1]:8", true),
            ("[::1]:9", "http://[::1]:8", false),
            ("fd00::/8", "http://[fd12::1]", true),
            ("", "http://x.test", false),
        ] {
            assert_eq!(covers(exception, &url(address)), expected, "{exception} {address}");
        }
    }
}
