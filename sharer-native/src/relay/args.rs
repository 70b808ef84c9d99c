//! Options of `sharer relay`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use shared::relay::KeepLimits;

use super::{Config, DEFAULT_PORT, TlsFiles};
use crate::ws::RelayUrl;

/// Runs a relay alone.
#[derive(Debug, Clone, clap::Args)]
pub struct RelayArgs {
    /// Address to listen on [default: 127.0.0.1:4777, or else a free port]
    #[arg(long, value_name = "ADDR", env = "SHARER_LISTEN", value_parser = parse_listen)]
    pub listen: Option<SocketAddr>,
    /// Base of the links, if a proxy or tunnel stands in front
    #[arg(long, value_name = "URL", env = "SHARER_PUBLIC_URL", value_parser = parse_base)]
    pub public_url: Option<String>,
    /// Another host name it may be reached as
    #[arg(long = "allow-host", value_name = "HOST")]
    pub allow_hosts: Vec<String>,
    /// Certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Listen beyond loopback without TLS
    #[arg(long)]
    pub allow_insecure: bool,
    /// Origin of a development server (loopback only)
    #[arg(long = "dev-origin", value_name = "URL")]
    pub dev_origins: Vec<String>,
    /// Address of a proxy whose X-Forwarded-For is believed
    #[arg(long = "trusted-proxy", value_name = "IP")]
    pub trusted_proxies: Vec<IpAddr>,
    /// How long a session is kept while its sharer is away, such as 90s, 10m, 2h or 7d
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration)]
    pub away_keep: Duration,
    /// Sessions held at most
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_sessions: usize,
    /// Viewers in a session at most
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max_viewers: usize,
    /// Memory for sessions in all, such as 512M or 2G; beyond, new ones are refused, and large ones give up scrollback
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    pub max_memory: u64,
    /// Connections of one address at most (IPv6: of one /64); those of this computer and of a trusted proxy do not count
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max_per_address: usize,
    /// Keep ended sessions in this directory, sealed as they were, for who asked for it [default: keep none]
    #[arg(long, value_name = "DIR", env = "SHARER_DATA_DIR")]
    pub data_dir: Option<String>,
    /// How long a session is kept at most, such as 12h or 30d
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse_duration)]
    pub max_keep: Duration,
    /// Size at most of one kept session
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = parse_size)]
    pub max_kept_session: u64,
    /// Size at most of all kept sessions; beyond, none is added
    #[arg(long, value_name = "SIZE", default_value = "2G", value_parser = parse_size)]
    pub max_kept: u64,
}

impl From<RelayArgs> for Config {
    fn from(args: RelayArgs) -> Self {
        Self {
            listen: args.listen,
            public_url: args.public_url,
            allow_hosts: args.allow_hosts,
            tls: args.tls_cert.zip(args.tls_key).map(|(cert, key)| TlsFiles { cert, key }),
            allow_insecure: args.allow_insecure,
            dev_origins: args.dev_origins,
            trusted_proxies: args.trusted_proxies,
            away_keep: args.away_keep,
            max_sessions: args.max_sessions,
            max_viewers: args.max_viewers,
            max_memory: args.max_memory,
            max_per_address: args.max_per_address,
            data_dir: args.data_dir,
            keep: KeepLimits {
                for_ms: u64::try_from(args.max_keep.as_millis()).unwrap_or(u64::MAX),
                session: args.max_kept_session,
                total: args.max_kept,
                ..Self::default().keep
            },
            ..Self::default()
        }
    }
}

/// Reads an address to listen on.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let port = text.trim_start_matches(':').parse::<u16>();
    Err(match (bare, port) {
        (Ok(ip), _) => format!("the port is missing: write {}", SocketAddr::new(ip, DEFAULT_PORT)),
        (_, Ok(port)) => format!(
            "the address is missing: 127.0.0.1:{port} is for this computer only, 0.0.0.0:{port} for others too"
        ),
        _ => "an IP address (no host name) and a port look like 127.0.0.1:4777 or [::1]:4777".to_owned(),
    })
}

/// Reads the base of links.
pub fn parse_base(text: &str) -> Result<String, String> {
    let url = RelayUrl::parse(text).ok_or("the base of links looks like https://host/path")?;
    Ok(url.base().to_owned())
}

/// Reads where a relay is.
pub fn parse_relay(text: &str) -> Result<RelayUrl, String> {
    RelayUrl::parse(text)
        .ok_or_else(|| "a relay's URL looks like https://host, or http://host:port".to_owned())
}

/// Reads a duration: a number and `s`, `m`, `h` or `d`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        _ => (Some(text), 1),
    };
    number
        .and_then(|number| number.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(unit))
        .map(Duration::from_secs)
        .ok_or_else(|| "a duration looks like 90s, 10m, 2h or 7d".to_owned())
}

/// Reads a size in bytes: a number and `K`, `M` or `G`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.char_indices().next_back() {
        Some((at, 'K')) => (text.get(..at), 10),
        Some((at, 'M')) => (text.get(..at), 20),
        Some((at, 'G')) => (text.get(..at), 30),
        _ => (Some(text), 0),
    };
    number
        .and_then(|number| number.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "a size looks like 512M or 2G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_met_with_a_right_one() {
        assert_eq!(parse_listen("[::1]:4777").unwrap().port(), 4777);
        for (text, right) in [
            ("127.0.0.1", "write 127.0.0.1:4777"),
            ("::1", "write [::1]:4777"),
            ("[::1]", "write [::1]:4777"),
            ("8080", "127.0.0.1:8080 is for this computer only"),
            (":8080", "0.0.0.0:8080 for others"),
            ("localhost:4777", "no host name"),
            ("127.0.0.1:99999", "look like 127.0.0.1:4777"),
            ("", "look like 127.0.0.1:4777"),
        ] {
            let said = parse_listen(text).unwrap_err();
            assert!(said.contains(right), "{text}: {said}");
        }
        assert_eq!(parse_base("https://h/x/").unwrap(), "https://h/x");
        assert!(parse_base("h").is_err() && parse_relay("h").is_err() && parse_relay("wss://h").is_ok());
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [("9", 9), ("3K", 3 << 10), ("512M", 512 << 20), ("2G", 2 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes));
        }
        for text in ["", "G", "1T", "-1M", "99999999999G", "é"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200), ("7d", 604_800), ("5", 5)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "m", "1w", "-1s", "é"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
