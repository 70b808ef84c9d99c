//! The socket to a relay: one read path, one write path, no queue and no timer of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::{Sink as _, Stream as _};
use shared::wire::close::CloseCode;
use shared::wire::{NATIVE_SUBPROTOCOL, Packet, SOCKET_PATH};
use tokio::net::TcpStream;
use tokio_rustls::rustls;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as WsCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

/// A relay that says nothing for this long is asked whether it is there.
const QUIET: Duration = Duration::from_secs(30);
/// A relay that does not answer either is gone.
const GONE: Duration = Duration::from_secs(45);
/// The largest message a relay may send: a control message.
const LARGEST: usize = shared::wire::MAX_CONTROL;

/// Where a relay is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayUrl {
    base: String,
    secure: bool,
    host: String,
    path: String,
}

impl RelayUrl {
    /// Reads a relay's URL, `http(s)://host[:port][/prefix]`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('/');
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return None,
        };
        let (host, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
        if host.is_empty() || !host.chars().all(plain) || path.contains(['?', '#', ' ']) {
            return None;
        }
        let base = format!("{}://{host}{path}", if secure { "https" } else { "http" });
        Some(Self { base, secure, host: host.to_owned(), path: path.to_owned() })
    }

    /// The base of links to it.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Host and port, as they are dialled and claimed.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn socket(&self) -> String {
        format!("{}://{}{}{SOCKET_PATH}", if self.secure { "wss" } else { "ws" }, self.host, self.path)
    }

    fn address(&self) -> String {
        let has_port = self.host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let default = if self.secure { 443 } else { 80 };
        if has_port { self.host.clone() } else { format!("{}:{default}", self.host) }
    }
}

/// What became of a [`Socket::poll`].
#[derive(Debug)]
pub enum Step {
    /// Packets left; there may be effects.
    Sent,
    /// A packet came.
    Got(Packet),
    /// It is over, with the far end's close code if it said one.
    Closed(Option<u16>),
}

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heard: Instant,
    asked: bool,
}

/// Connects to a relay.
pub async fn connect(url: &RelayUrl) -> Result<Socket, Error> {
    Ok(Socket { ws: dial(url).await?, heard: Instant::now(), asked: false })
}

/// A WebSocket to a relay, as a native peer opens it.
pub async fn dial(url: &RelayUrl) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Error> {
    let mut request = url.socket().into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(NATIVE_SUBPROTOCOL));
    let tcp = TcpStream::connect(url.address()).await?;
    tcp.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * 1024 * 1024)
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST));
    let (ws, _) = client_async_tls_with_config(request, tcp, Some(config), None).await?;
    Ok(ws)
}

/// Why a relay cannot be reached, in words for people.
pub fn trouble(relay: &RelayUrl, error: &Error) -> String {
    let host = relay.host();
    if let Error::Http(answer) = error {
        return format!("{host} is no relay, or not under this name: it answers {}", answer.status());
    }
    let Error::Io(error) = error else { return format!("{host} cannot be used: {error}") };
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => distrust(host, why),
        Some(error) => format!("no TLS with {host}: {error}"),
        None => format!("{host} cannot be reached: {error}"),
    }
}

fn distrust(host: &str, why: &rustls::CertificateError) -> String {
    use rustls::CertificateError as E;
    if *why == E::UnknownIssuer {
        return format!(
            "the certificate of {host} comes from an authority that this computer does not trust; if you do, add it to \
             the system's or name it in SSL_CERT_FILE"
        );
    }
    if matches!(why, E::NotValidForName | E::NotValidForNameContext { .. }) {
        return format!("the certificate of {host} was made for another name");
    }
    format!("the certificate of {host} cannot be trusted: {why}")
}

impl Socket {
    /// Sends what `next` gives while the socket takes it. `None`: there was nothing.
    pub fn send(&mut self, cx: &mut Context<'_>, mut next: impl FnMut() -> Option<Packet>) -> Option<Step> {
        let mut sent = None;
        while let Poll::Ready(ready) = Pin::new(&mut self.ws).poll_ready(cx) {
            if ready.is_err() {
                return Some(Step::Closed(None));
            }
            let message = match next() {
                Some(Packet::Text(text)) => Message::text(text),
                Some(Packet::Binary(bytes)) => Message::binary(bytes),
                None => break,
            };
            sent = Some(Step::Sent);
            if Pin::new(&mut self.ws).start_send(message).is_err() {
                return Some(Step::Closed(None));
            }
        }
        match Pin::new(&mut self.ws).poll_flush(cx) {
            Poll::Ready(Err(_)) => Some(Step::Closed(None)),
            Poll::Ready(Ok(())) | Poll::Pending => sent,
        }
    }

    /// Sends what `next` gives while the socket takes it, and reads one packet.
    pub fn poll(&mut self, cx: &mut Context<'_>, next: impl FnMut() -> Option<Packet>) -> Poll<Step> {
        if let Some(step) = self.send(cx, next) {
            return Poll::Ready(step);
        }
        loop {
            let Poll::Ready(read) = Pin::new(&mut self.ws).poll_next(cx) else { return Poll::Pending };
            (self.heard, self.asked) = (Instant::now(), false);
            return Poll::Ready(match read {
                Some(Ok(Message::Text(text))) => Step::Got(Packet::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(bytes))) => Step::Got(Packet::Binary(bytes)),
                Some(Ok(Message::Close(frame))) => Step::Closed(frame.map(|frame| frame.code.into())),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(_)) | None => Step::Closed(None),
            });
        }
    }

    /// Asks a quiet relay whether it is there. `false`: it is gone.
    pub fn check(&mut self) -> bool {
        let quiet = self.heard.elapsed();
        if quiet >= QUIET && !self.asked {
            self.asked = true;
            // If the socket cannot take it, it is stuck, and found to be gone soon.
            drop(Pin::new(&mut self.ws).start_send(Message::Ping(bytes::Bytes::new())));
        }
        quiet < GONE
    }

    /// Says why, and closes; waits for nobody.
    pub async fn close(mut self, code: CloseCode) {
        let frame = CloseFrame { code: WsCode::from(code.code()), reason: "".into() };
        drop(tokio::time::timeout(Duration::from_millis(200), self.ws.close(Some(frame))).await);
    }

    /// Waits until everything sent has left.
    pub async fn flush(&mut self) -> io::Result<()> {
        std::future::poll_fn(|cx| Pin::new(&mut self.ws).poll_flush(cx)).await.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relay_urls_are_read() {
        let url = RelayUrl::parse("https://Relay.example/x/").unwrap();
        assert_eq!(url.base(), "https://Relay.example/x");
        assert_eq!(url.socket(), "wss://Relay.example/x/api/v1/socket");
        assert_eq!((url.host(), url.address().as_str()), ("Relay.example", "Relay.example:443"));
        let url = RelayUrl::parse("http://[::1]:4777").unwrap();
        assert_eq!((url.host(), url.address().as_str()), ("[::1]:4777", "[::1]:4777"));
        for bad in
            ["", "relay", "ftp://x", "http://", "http://a b", "http://u@h", "http://h/?q", "http://h/#f"]
        {
            assert_eq!(RelayUrl::parse(bad), None, "{bad}");
        }
    }
}
