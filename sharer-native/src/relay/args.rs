//! Options of `sharer relay`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{Config, TlsFiles};

/// Runs a relay alone.
#[derive(Debug, Clone, clap::Args)]
pub struct RelayArgs {
    /// Address to listen on [default: 127.0.0.1:4777, or else a free port]
    #[arg(long, value_name = "ADDR", env = "SHARER_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Base of the links, if a proxy or tunnel stands in front
    #[arg(long, value_name = "URL", env = "SHARER_PUBLIC_URL")]
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
    /// How long a session is kept while its sharer is away, such as 90s, 10m or 2h
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
            ..Self::default()
        }
    }
}

/// Reads a duration: a number and `s`, `m` or `h`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        _ => (Some(text), 1),
    };
    number
        .and_then(|number| number.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(unit))
        .map(Duration::from_secs)
        .ok_or_else(|| "a duration looks like 90s, 10m or 2h".to_owned())
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
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200), ("5", 5)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "m", "1d", "-1s", "é"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
