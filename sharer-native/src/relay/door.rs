//! A door on this computer to a relay elsewhere: the viewer comes from this very binary, its socket is passed on.
//!
//! Whoever serves the page is trusted with its key (DESIGN 3). With the page from here, the link's relay sees a native
//! viewer and sealed frames, and no browser asks it for anything.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use futures_util::{StreamExt as _, TryStreamExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use shared::wire::{MAX_CONTROL, SOCKET_PATH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::http::{self, Refused, text};
use super::rules::{Caller, Rules};
use super::{Config, ServeError};
use crate::ws::{self, RelayUrl};

/// The port that is tried first: browsers keep the viewer's settings per origin.
const PORT: u16 = 4778;
/// A person's browser, and whoever else tries.
const MAX_CONNECTIONS: usize = 64;
/// A request's head takes this long at most.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The relay may take this long to answer; the page waits no longer for its hello.
const DIAL: Duration = Duration::from_secs(10);

/// An open door; who holds it serves it.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
    relay: RelayUrl,
    rules: Rules,
}

impl Door {
    /// Listens on loopback for pages that want to reach `relay`.
    pub async fn open(relay: RelayUrl) -> Result<Self, ServeError> {
        let first = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let listener = match TcpListener::bind(first).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
            }
            bound => bound,
        };
        let bad = |source| ServeError::Bind { address: first, source };
        let listener = listener.map_err(bad)?;
        let address = listener.local_addr().map_err(bad)?;
        Ok(Self { listener, address, relay, rules: Rules::new(&Config::default())? })
    }

    /// Base of what a browser on this computer opens, without a trailing slash.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let Self { listener, relay, rules, .. } = self;
        let (relay, rules) = (Arc::new(relay), Arc::new(rules));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely: some will be closed soon.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (relay, rules) = (Arc::clone(&relay), Arc::clone(&rules));
            tokio::spawn(connection(stream, relay, rules, Arc::new(place)));
        }
    }
}

/// Serves one connection; its place is free once it is closed, as a socket too.
async fn connection(
    stream: TcpStream,
    relay: Arc<RelayUrl>,
    rules: Arc<Rules>,
    place: Arc<OwnedSemaphorePermit>,
) {
    // Keystrokes are small and must not wait for each other.
    let _best_effort = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| {
        let (relay, rules, place) = (Arc::clone(&relay), Arc::clone(&rules), Arc::clone(&place));
        async move {
            let answer = answer(request, &relay, &rules, place).await;
            let response = answer.unwrap_or_else(|(status, reason)| http::plain(status, reason));
            Ok::<_, std::convert::Infallible>(http::dressed(response))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HANDSHAKE);
    // Whatever goes wrong here concerns this connection only.
    let _served = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

async fn answer(
    mut request: Request<Incoming>,
    relay: &RelayUrl,
    rules: &Rules,
    place: Arc<OwnedSemaphorePermit>,
) -> Result<Response<Body>, Refused> {
    let headers = request.headers();
    let one_host = headers.get_all(header::HOST).iter().count() == 1;
    let host = text(headers, header::HOST).filter(|_| one_host).unwrap_or_default();
    if !rules.host(host) {
        return Err((StatusCode::MISDIRECTED_REQUEST, "this is reached from this computer only\n"));
    }
    match request.uri().path() {
        SOCKET_PATH => {}
        path if path.starts_with("/s/") => return http::page_of(&request, relay.base()),
        "/" => return Err((StatusCode::NOT_FOUND, "open the link that `sharer open` printed\n")),
        _ => return http::viewer(&request),
    }
    // Other programs have the relay itself.
    let caller = rules.caller(host, text(headers, header::ORIGIN));
    let page = if caller == Caller::Page { Caller::Page } else { Caller::Foreign };
    let response = http::socket(&request, page)?;
    // The relay first: a socket that opens is one on which somebody answers.
    let far = match timeout(DIAL, ws::dial(relay)).await {
        Ok(Ok(far)) => far,
        Ok(Err(error)) => {
            tracing::info!(trouble = ws::trouble(relay, &error), "the relay cannot be reached");
            return Err((StatusCode::BAD_GATEWAY, "the relay cannot be reached\n"));
        }
        Err(_elapsed) => return Err((StatusCode::GATEWAY_TIMEOUT, "the relay does not answer\n")),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let config = WebSocketConfig::default()
                .write_buffer_size(0)
                .max_message_size(Some(MAX_CONTROL))
                .max_frame_size(Some(MAX_CONTROL));
            let io = TokioIo::new(upgraded);
            pass(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await, far).await;
        }
        drop(place);
    });
    Ok(response)
}

/// Passes messages on, in both directions, as fast as the slower side takes them.
async fn pass<P, F>(page: WebSocketStream<P>, far: WebSocketStream<F>)
where
    P: AsyncRead + AsyncWrite + Unpin,
    F: AsyncRead + AsyncWrite + Unpin,
{
    // Pings are each side's own.
    let is_passed = |message: &Message| {
        let passed = matches!(message, Message::Text(_) | Message::Binary(_) | Message::Close(_));
        std::future::ready(passed)
    };
    let (to_page, from_page) = page.split();
    let (to_far, from_far) = far.split();
    let down = from_far.try_filter(is_passed).forward(to_page);
    let up = from_page.try_filter(is_passed).forward(to_far);
    // Where one side ends, so does the other: the page dials again.
    tokio::select! {
        _ended = down => {}
        _ended = up => {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn ask(stream: &mut TcpStream, host: SocketAddr) -> std::io::Result<usize> {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.read(&mut [0; 1024]).await
    }

    #[tokio::test]
    async fn one_connection_too_many_waits_for_a_place() {
        let door = Door::open(RelayUrl::parse("http://127.0.0.1:9").unwrap()).await.unwrap();
        let host = door.address;
        let served = tokio::spawn(door.serve());
        let mut open = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            let mut stream = TcpStream::connect(host).await.unwrap();
            assert!(ask(&mut stream, host).await.unwrap() > 0);
            open.push(stream);
        }
        let mut more = TcpStream::connect(host).await.unwrap();
        let mut waits = Box::pin(ask(&mut more, host));
        assert!(timeout(Duration::from_millis(300), &mut waits).await.is_err(), "no place is left");
        // The control: one goes.
        open.pop();
        assert!(waits.await.unwrap() > 0);
        served.abort();
    }
}
