//! Serving a browser on this computer, and nobody else: what the doors have in common.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::http::{self, Refused, text};
use super::rules::{Caller, Rules};
use super::{Config, ServeError};

/// A person's browser, and whoever else tries.
const MAX_CONNECTIONS: usize = 64;
/// A request's head takes this long at most.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Listens on loopback.
#[derive(Debug)]
pub(super) struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
    rules: Rules,
}

/// What is known of who asks.
#[derive(Debug)]
pub(super) struct Seen {
    /// By the rules of a relay.
    pub(super) caller: Caller,
    /// The connection's place: whoever goes on with its socket keeps it.
    pub(super) place: Arc<OwnedSemaphorePermit>,
}

impl Loopback {
    /// On this port, or else on any: browsers keep the viewer's settings per origin.
    pub(super) async fn listen(port: u16) -> Result<Self, ServeError> {
        let first = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = match TcpListener::bind(first).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
            }
            bound => bound,
        };
        let bad = |source| ServeError::Bind { address: first, source };
        let listener = listener.map_err(bad)?;
        let address = listener.local_addr().map_err(bad)?;
        Ok(Self { listener, address, rules: Rules::new(&Config::default())? })
    }

    /// Base of what a browser on this computer opens, without a trailing slash.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has `answer` answer every request that names this computer, until it is dropped.
    pub(super) async fn serve<A, F>(self, answer: A)
    where
        A: Fn(Request<Incoming>, Seen) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Response<Body>, Refused>> + Send + 'static,
    {
        let Self { listener, rules, .. } = self;
        let rules = Arc::new(rules);
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely: some will be closed soon.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            tokio::spawn(connection(stream, answer.clone(), Arc::clone(&rules), Arc::new(place)));
        }
    }
}

/// Serves one connection; its place is free once it is closed, as a socket too.
async fn connection<A, F>(stream: TcpStream, answer: A, rules: Arc<Rules>, place: Arc<OwnedSemaphorePermit>)
where
    A: Fn(Request<Incoming>, Seen) -> F + Send + 'static,
    F: Future<Output = Result<Response<Body>, Refused>> + Send + 'static,
{
    // Keystrokes are small and must not wait for each other.
    let _best_effort = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let answered = seen(&request, &rules).map(|caller| {
            let seen = Seen { caller, place: Arc::clone(&place) };
            answer(request, seen)
        });
        async move {
            let answer = match answered {
                Ok(answer) => answer.await,
                Err(refused) => Err(refused),
            };
            let response = answer.unwrap_or_else(|(status, reason)| http::plain(status, reason));
            Ok::<_, std::convert::Infallible>(http::dressed(response))
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HANDSHAKE);
    // Whatever goes wrong here concerns this connection only.
    let _served = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

fn seen(request: &Request<Incoming>, rules: &Rules) -> Result<Caller, Refused> {
    let headers = request.headers();
    let one_host = headers.get_all(header::HOST).iter().count() == 1;
    let host = text(headers, header::HOST).filter(|_| one_host).unwrap_or_default();
    if !rules.host(host) {
        return Err((StatusCode::MISDIRECTED_REQUEST, "this is reached from this computer only\n"));
    }
    Ok(rules.caller(host, text(headers, header::ORIGIN)))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::*;

    async fn ask(stream: &mut TcpStream, host: SocketAddr) -> std::io::Result<usize> {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.read(&mut [0; 1024]).await
    }

    #[tokio::test]
    async fn one_connection_too_many_waits_for_a_place() {
        let here = Loopback::listen(0).await.unwrap();
        let host = here.address;
        let served = tokio::spawn(here.serve(|_request, _seen| async { Ok(Response::new(Body::empty())) }));
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
