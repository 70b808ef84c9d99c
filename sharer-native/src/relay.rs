//! The relay as a program: sockets, HTTP and clocks around [`shared::relay::Relay`].
//!
//! `sharer relay` runs it alone; `sharer` runs the very same thing inside itself.

mod archive;
pub mod args;
mod assets;
pub mod door;
pub mod film;
mod http;
mod hub;
mod loopback;
mod peer;
mod rules;
mod runs;
mod seat;
mod server;
mod socket;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use args::RelayArgs;
pub(crate) use assets::find as viewer_file;
use shared::relay::KeepLimits;

/// The port that is tried first, so that viewer settings, which browsers keep per origin, persist.
pub const DEFAULT_PORT: u16 = 4777;

/// How a relay is to be served.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; `None`: loopback, [`DEFAULT_PORT`] or else a free port.
    pub listen: Option<SocketAddr>,
    /// Base of the links, if a proxy or tunnel stands in front.
    pub public_url: Option<String>,
    /// Hosts it may be reached as, besides loopback, the address it listens on and that of `public_url`.
    pub allow_hosts: Vec<String>,
    /// Certificate chain and private key in PEM.
    pub tls: Option<TlsFiles>,
    /// Whether to listen beyond loopback without TLS.
    pub allow_insecure: bool,
    /// Origins of development servers (loopback only).
    pub dev_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// How long a room outlives its sharer's connection.
    pub away_keep: Duration,
    /// Sessions held at most.
    pub max_sessions: usize,
    /// Viewers in a session at most.
    pub max_viewers: usize,
    /// Bytes that all sessions together may hold.
    pub max_memory: u64,
    /// Connections of one address at most, besides loopback and `trusted_proxies`.
    pub max_per_address: usize,
    /// Where ended sessions are kept: a directory, or a URL; `None`: nowhere.
    pub data_dir: Option<String>,
    /// What is kept there at most.
    pub keep: KeepLimits,
    /// When it gives up on connections.
    pub timings: Timings,
}

/// When a relay gives up on a connection.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// A handshake takes this long at most.
    pub handshake: Duration,
    /// Who was silent for so long is pinged …
    pub ping: Duration,
    /// … and closed after this.
    pub silent: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { handshake: seconds(10), ping: seconds(30), silent: seconds(90) }
    }
}

/// Where a relay's certificate is.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain in PEM.
    pub cert: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            public_url: None,
            allow_hosts: Vec::new(),
            tls: None,
            allow_insecure: false,
            dev_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            away_keep: Duration::from_mins(10),
            max_sessions: 10_000,
            max_viewers: 1_000,
            max_memory: 1024 * 1024 * 1024,
            max_per_address: 1_000,
            data_dir: None,
            keep: KeepLimits {
                for_ms: 30 * 24 * 3_600_000,
                session: 16 * 1024 * 1024,
                total: 2 * 1024 * 1024 * 1024,
                sessions: 10_000,
            },
            timings: Timings::default(),
        }
    }
}

/// Why a relay does not serve. Each says what a person can do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is open to others and traffic would be in the clear.
    #[error(
        "{0} can be reached from other machines and there is no TLS: add --tls-cert and --tls-key, put a proxy in front, or say --allow-insecure"
    )]
    Insecure(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose another with --listen, or leave it out")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot use the certificate in {path}: {reason}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Kept sessions cannot be where they were to be.
    #[error("cannot keep sessions in {place:?}: {reason}")]
    Archive {
        /// The directory or URL.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A URL in the options is not what it has to be.
    #[error("{option} {value:?}: {reason}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What it was given.
        value: String,
        /// What it has to be.
        reason: &'static str,
    },
}

/// A running relay. Dropping it stops the relay.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    scheme: &'static str,
    base_url: String,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Handle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base of links to it, without a trailing slash: the public URL if there is one.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The URL at which a program on this machine reaches it, without a trailing slash.
    pub fn local_url(&self) -> String {
        format!("{}://{}", self.scheme, server::from_here(self.address))
    }

    /// Tells all peers that the relay goes away, and stops it.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        // Everything that serves holds a receiver.
        self.stop.closed().await;
    }
}

/// Whether the viewer is inside this binary.
pub fn has_viewer() -> bool {
    assets::has_viewer()
}

/// Binds and begins to serve on the current tokio runtime; returns as soon as peers can connect.
pub async fn serve(config: Config) -> Result<Handle, ServeError> {
    server::serve(config).await
}
