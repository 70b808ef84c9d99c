//! Who may talk to a relay at all: the rules on `Host`, `Origin` and the native subprotocol (DESIGN 6).

use std::net::IpAddr;

use axum::http::HeaderMap;

use super::{Config, ServeError};

/// Scheme, host and port of a URL, in lower case, without the scheme's own port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    secure: bool,
    authority: String,
}

impl Origin {
    /// Reads `http(s)://host[:port]`, and whatever path follows.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let url = url.to_ascii_lowercase();
        let (secure, rest) = match url.split_once("://")? {
            ("http", rest) => (false, rest),
            ("https", rest) => (true, rest),
            _ => return None,
        };
        let authority = rest.split('/').next().unwrap_or(rest);
        Self::new(secure, authority)
    }

    fn new(secure: bool, authority: &str) -> Option<Self> {
        let authority = authority.to_ascii_lowercase();
        let own = if secure { ":443" } else { ":80" };
        let authority = authority.strip_suffix(own).unwrap_or(&authority).to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
        (!name(&authority).is_empty() && authority.chars().all(plain)).then_some(Self { secure, authority })
    }
}

/// The host without its port.
fn name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => authority,
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What is allowed.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    secure: bool,
    public: Option<Origin>,
    hosts: Vec<String>,
    dev: Vec<Origin>,
    proxies: Vec<IpAddr>,
}

/// What the rules say of a request to a socket or the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// A page of this relay.
    Page,
    /// No browser, or one that was told not to say.
    Native,
    /// Some other page.
    Foreign,
}

impl Rules {
    /// From a relay's options.
    pub(super) fn new(config: &Config) -> Result<Self, ServeError> {
        let bad =
            |option, value: &str, reason| ServeError::Option { option, value: value.to_owned(), reason };
        let public = config.public_url.as_deref();
        let public = public
            .map(|url| {
                Origin::parse(url).ok_or_else(|| bad("--public-url", url, "must look like https://host/path"))
            })
            .transpose()?;
        let mut dev = Vec::new();
        for url in &config.dev_origins {
            let origin = Origin::parse(url).filter(|origin| is_loopback(name(&origin.authority)));
            dev.push(origin.ok_or_else(|| bad("--dev-origin", url, "must be http(s) on this computer"))?);
        }
        Ok(Self {
            secure: config.tls.is_some(),
            public,
            hosts: config.allow_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            dev,
            proxies: config.trusted_proxies.clone(),
        })
    }

    /// It listens on this address, and so may be reached under it.
    pub(super) fn reached_as(&mut self, address: IpAddr) {
        self.hosts.push(match address {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        });
    }

    /// Whether the relay may be reached under this `Host`.
    pub(super) fn host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = name(&host);
        let public = self.public.as_ref().map(|public| self::name(&public.authority));
        is_loopback(name)
            || public == Some(name)
            || self.hosts.iter().any(|allowed| *allowed == name || *allowed == host)
    }

    /// Whether the request was sent to this computer by name, and not through a proxy on it.
    pub(super) fn is_local(&self, host: &str, address: IpAddr) -> bool {
        address.is_loopback()
            && is_loopback(name(&host.to_ascii_lowercase()))
            && !self.proxies.contains(&address)
    }

    /// Who asks, by `Host` and `Origin`.
    pub(super) fn caller(&self, host: &str, origin: Option<&str>) -> Caller {
        let Some(origin) = origin else { return Caller::Native };
        let Some(origin) = Origin::parse(origin) else { return Caller::Foreign };
        let public =
            self.public.as_ref().filter(|public| name(&public.authority) == name(&host.to_ascii_lowercase()));
        let secure = public.map_or(self.secure, |public| public.secure);
        if Origin::new(secure, host).as_ref() == Some(&origin) || self.dev.contains(&origin) {
            Caller::Page
        } else {
            Caller::Foreign
        }
    }

    /// The address that limits count by, of a request with these headers.
    pub(super) fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.address(peer, headers.get("x-forwarded-for").and_then(|value| value.to_str().ok()))
    }

    /// Whether the connections of `peer` count as its own: a proxy's are those of whom it speaks for, and who is on this
    /// computer may be a proxy, too.
    pub(super) fn counts(&self, peer: IpAddr) -> bool {
        !peer.to_canonical().is_loopback() && !self.proxies.contains(&peer)
    }

    fn address(&self, peer: IpAddr, forwarded: Option<&str>) -> IpAddr {
        if !self.proxies.contains(&peer) {
            return peer;
        }
        // The last one that no proxy of ours added.
        let hops = forwarded.unwrap_or_default().rsplit(',');
        let mut hops = hops.map_while(|hop| hop.trim().parse::<IpAddr>().ok());
        hops.find(|hop| !self.proxies.contains(hop)).unwrap_or(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let config = Config {
            public_url: Some("https://share.example.org/x".into()),
            allow_hosts: vec!["box.lan".into()],
            dev_origins: vec!["http://127.0.0.1:8080".into()],
            trusted_proxies: vec![IpAddr::from([10, 0, 0, 1])],
            ..Config::default()
        };
        Rules::new(&config).unwrap()
    }

    #[test]
    fn hosts_are_loopback_public_or_allowed() {
        for host in
            ["127.0.0.1:4777", "localhost", "LOCALHOST:1", "[::1]:9", "share.example.org", "box.lan:80"]
        {
            assert!(rules().host(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil", "192.168.1.5:4777", "[::2]"]
        {
            assert!(!rules().host(host), "{host}");
        }
    }

    #[test]
    fn an_origin_must_be_the_host_itself() {
        let caller = |host, origin| rules().caller(host, origin);
        assert_eq!(caller("localhost:4777", None), Caller::Native);
        for (host, origin) in [
            ("localhost:4777", "http://localhost:4777"),
            ("share.example.org", "https://share.example.org"),
            ("127.0.0.1:4777", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(caller(host, Some(origin)), Caller::Page, "{origin}");
        }
        for (host, origin) in [
            ("localhost:4777", "null"),
            ("localhost:4777", ""),
            ("localhost:4777", "https://localhost:4777"),
            ("localhost:4777", "http://localhost:4778"),
            ("localhost:4777", "http://127.0.0.1:4777"),
            ("share.example.org", "http://share.example.org"),
            ("localhost:4777", "http://localhost:4777.evil.example"),
        ] {
            assert_eq!(caller(host, Some(origin)), Caller::Foreign, "{origin}");
        }
    }

    #[test]
    fn development_origins_are_on_this_computer() {
        for url in ["http://example.org", "ftp://127.0.0.1", "127.0.0.1:8080"] {
            let config = Config { dev_origins: vec![url.into()], ..Config::default() };
            assert!(Rules::new(&config).is_err(), "{url}");
        }
    }

    #[test]
    fn forwarded_addresses_are_believed_from_proxies_only() {
        let ip = |n| IpAddr::from([10, 0, 0, n]);
        assert!(rules().counts(ip(2)) && !rules().counts(ip(1)));
        assert!(
            !rules().counts(IpAddr::from([127, 0, 0, 1]))
                && !rules().counts("::ffff:127.0.0.1".parse().unwrap())
        );
        assert_eq!(rules().address(ip(2), Some("10.0.0.9")), ip(2));
        assert_eq!(rules().address(ip(1), Some("10.0.0.9, 10.0.0.8")), ip(8));
        assert_eq!(rules().address(ip(1), None), ip(1));
    }
}
