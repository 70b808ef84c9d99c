//! Listening, TLS, and HTTP connections until they are sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::header;
use axum::http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioIo, TokioTimer};
use shared::relay::{Crowd, PeerInfo, Relay, RelayConfig, neighbourhood};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::archive::{Archive, Found};
use super::http::{Answer, Site, answer, plain};
use super::hub::Hub;
use super::peer::{self, Stream};
use super::rules::Rules;
use super::seat::{self, Seat};
use super::{Config, DEFAULT_PORT, Handle, ServeError, Timings, TlsFiles};
use crate::clock;

/// Connections at most, sockets and others; whoever comes then waits.
const MAX_CONNECTIONS: usize = 20_000;
/// Bytes of a request's head at most.
const MAX_HEAD: usize = 16 * 1024;
/// What is to be kept is written within this time when the relay stops.
const PUT_AWAY: Duration = Duration::from_secs(10);
/// How often silent connections are looked for, against their own times.
const SWEEPS: u32 = 6;

/// Binds and begins to serve.
pub(super) async fn serve(config: Config) -> Result<Handle, ServeError> {
    let mut rules = Rules::new(&config)?;
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    let listener = bind(&config).await?;
    let address = listener.local_addr().map_err(|source| ServeError::Bind {
        address: config.listen.unwrap_or_else(default_address),
        source,
    })?;
    let public_url = config.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
    let scheme = if tls.is_some() { "https" } else { "http" };
    let reached = from_elsewhere(address);
    rules.reached_as(reached.ip());
    let base_url = public_url.clone().unwrap_or_else(|| format!("{scheme}://{reached}"));
    let entropy = clock::entropy()
        .map_err(|error| ServeError::Bind { address, source: std::io::Error::other(error.to_string()) })?;
    let archive = config.data_dir.as_deref().map(Archive::open).transpose()?;
    let mut relay = Relay::new(
        RelayConfig {
            away_keep_ms: u64::try_from(config.away_keep.as_millis()).unwrap_or(u64::MAX),
            max_sessions: config.max_sessions,
            max_viewers: config.max_viewers,
            max_held: config.max_memory,
            public_url,
            keep: archive.is_some().then_some(config.keep),
        },
        entropy,
        clock::now(),
    );
    if let Some(archive) = &archive {
        let found = archive.found().await.map_err(|error| ServeError::Archive {
            place: config.data_dir.clone().unwrap_or_default(),
            reason: error.to_string(),
        })?;
        for Found { bytes, head } in found {
            match head {
                Some(head) => relay.handle_found(clock::now(), head, bytes),
                None => relay.handle_damaged(),
            }
        }
        relay.handle_timeout(clock::now());
    }
    let crowd = Arc::new(Mutex::new(Crowd::new(config.max_per_address)));
    let (hub, orders) = Hub::new(relay);
    let site = Arc::new(Site { hub: Arc::new(hub), rules, crowd });
    let keeper = archive.map(|archive| tokio::spawn(orders.run(archive, Arc::clone(&site.hub))));
    let (stop, stopped) = watch::channel(false);
    let timings = config.timings;
    tokio::spawn(async move {
        accept(listener, tls, site, timings, stopped).await;
        // Whole files take their places by being renamed: nothing is half written.
        if let Some(keeper) = keeper {
            keeper.abort();
        }
    });
    Ok(Handle { address, scheme, base_url, stop })
}

fn default_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))
}

/// The address under which this computer itself reaches a listener.
pub(super) fn from_here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The address under which others most likely reach a listener.
fn from_elsewhere(address: SocketAddr) -> SocketAddr {
    // Sends nothing: it asks the system from which of its addresses it would. The target is nobody's (RFC 5737).
    let own = || {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(SocketAddr::new(socket.local_addr().ok()?.ip(), address.port()))
    };
    if address.ip().is_unspecified() { own().unwrap_or_else(|| from_here(address)) } else { address }
}

async fn bind(config: &Config) -> Result<TcpListener, ServeError> {
    let address = config.listen.unwrap_or_else(default_address);
    if !address.ip().is_loopback() && config.tls.is_none() && !config.allow_insecure {
        return Err(ServeError::Insecure(address));
    }
    let bound = TcpListener::bind(address).await;
    let bound = match bound {
        Err(error) if config.listen.is_none() && error.kind() == std::io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
        }
        bound => bound,
    };
    bound.map_err(|source| ServeError::Bind { address, source })
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ServeError> {
    fn bad(path: &Path, reason: &dyn std::fmt::Display) -> ServeError {
        ServeError::Tls { path: path.to_owned(), reason: reason.to_string() }
    }
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|error| bad(&files.cert, &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| bad(&files.key, &error))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| bad(&files.cert, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    site: Arc<Site>,
    timings: Timings,
    mut stopped: watch::Receiver<bool>,
) {
    let hub = Arc::clone(&site.hub);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let clock = hub.run_clock();
    let sweep = async {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut every = tokio::time::interval(timings.ping / SWEEPS);
        loop {
            every.tick().await;
            hub.sweep(ms(timings.ping), ms(timings.silent));
        }
    };
    let accepting = async {
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    // Out of descriptors, most likely: some will be closed soon.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let counted = site.rules.counts(address.ip()).then(|| neighbourhood(address.ip()));
            let seat = match counted.map(|from| Seat::take(&site.crowd, from)) {
                Some(None) => {
                    if tls.is_none() {
                        seat::refuse(&stream);
                    }
                    continue;
                }
                seat => seat.flatten(),
            };
            let (site, tls) = (Arc::clone(&site), tls.clone());
            tokio::spawn(async move {
                let places = Arc::new((place, seat));
                connection(stream, address, tls, site, timings.handshake, places).await;
            });
        }
    };
    tokio::select! {
        () = clock => {}
        () = sweep => {}
        () = accepting => {}
        _ = stopped.changed() => {}
    }
    hub.close_all();
    drop(listener);
    // A disk that hangs does not keep the relay from ending.
    let _in_time = tokio::time::timeout(PUT_AWAY, hub.put_away()).await;
    // Time for the close frames to leave.
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// A connection's place among all, and among those of its address; as long as its socket, if it becomes one.
type Places = Arc<(OwnedSemaphorePermit, Option<Seat>)>;

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    site: Arc<Site>,
    handshake: Duration,
    places: Places,
) {
    // Keystrokes are small and must not wait for each other.
    let _best_effort = stream.set_nodelay(true);
    match tls {
        None => http(TokioIo::new(stream), address.ip(), site, handshake, places).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(handshake, tls.accept(stream)).await {
                http(TokioIo::new(Box::new(stream)), address.ip(), site, handshake, places).await;
            }
        }
    }
}

async fn http<S>(io: TokioIo<S>, address: IpAddr, site: Arc<Site>, handshake: Duration, places: Places)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(|mut request: Request<Incoming>| {
        let (site, places) = (Arc::clone(&site), Arc::clone(&places));
        async move {
            let response = match answer(&site, address, &request) {
                Answer::Whole(response) => return Ok(response),
                Answer::Runs(asked) => return Ok(asked.answer(&site).await),
                Answer::Socket(response) => response,
            };
            // Of what comes through a proxy only sockets count, as a proxy keeps the other connections for anybody.
            let from = site.rules.sender(address, request.headers());
            let through_proxy = !site.rules.counts(address) && site.rules.counts(from);
            let seat = through_proxy.then(|| Seat::take(&site.crowd, neighbourhood(from)));
            if let Some(None) = seat {
                return Ok(plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many connections from your address\n",
                ));
            }
            let info = info(&site.rules, address, request.headers());
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    upgraded_to_socket(upgraded, info, Arc::clone(&site.hub)).await;
                }
                drop((places, seat));
            });
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(handshake).max_buf_size(MAX_HEAD);
    // Whatever goes wrong here concerns this connection only.
    let _served = builder.serve_connection(io, service).with_upgrades().await;
}

fn info(rules: &Rules, address: IpAddr, headers: &HeaderMap) -> PeerInfo {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    PeerInfo {
        host: host.unwrap_or_default().to_owned(),
        address: neighbourhood(rules.sender(address, headers)),
    }
}

async fn upgraded_to_socket(upgraded: Upgraded, info: PeerInfo, hub: Arc<Hub>) {
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => peer::run(hub, info, Stream::Plain(parts.io.into_inner()), parts.read_buf).await,
        Err(upgraded) => {
            if let Ok(parts) = upgraded.downcast::<TokioIo<Box<TlsStream<TcpStream>>>>() {
                peer::run(hub, info, Stream::Tls(parts.io.into_inner()), parts.read_buf).await;
            }
        }
    }
}
