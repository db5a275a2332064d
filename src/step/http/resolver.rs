//! Looks up the names of hosts without waiting longer than the step may.

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::step::http::line::{Line, Phase};
use crate::step::net::look_up;

/// The most addresses of a host that are tried.
const MOST: usize = 16;

#[derive(Debug)]
pub(super) struct HostResolver(pub(super) Line);

impl Resolver for HostResolver {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut found = self.empty();
        if self.0.unix().is_some() {
            return Ok(found);
        }
        self.0.reach(Phase::Resolving);
        let proxy = self.0.proxy();
        let (host, port) = match &proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => {
                let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
                (uri.host().unwrap_or_default().trim_matches(['[', ']']), uri.port_u16().unwrap_or(usual))
            }
        };
        let addresses = look_up(host, port, &|socket, interest| self.0.wait(socket, interest))?;
        for address in addresses.into_iter().take(MOST) {
            found.push(address);
        }
        if found.is_empty() { Err(Error::HostNotFound) } else { Ok(found) }
    }
}
