//! A door on this computer to a relay elsewhere: the viewer comes from this very binary, its socket is passed on.
//!
//! Whoever serves the page is trusted with its key (DESIGN 3). With the page from here, the link's relay sees a native
//! viewer and sealed frames, and no browser asks it for anything.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use futures_util::{StreamExt as _, TryStreamExt as _};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use shared::wire::{MAX_CONTROL, SOCKET_PATH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::ServeError;
use super::http::{self, Refused};
use super::loopback::{Loopback, Seen};
use super::rules::Caller;
use crate::ws::{self, RelayUrl};

/// The port that is tried first: browsers keep the viewer's settings per origin.
const PORT: u16 = 4778;
/// The relay may take this long to answer; the page waits no longer for its hello.
const DIAL: Duration = Duration::from_secs(10);

/// An open door; who holds it serves it.
#[derive(Debug)]
pub struct Door {
    here: Loopback,
    relay: RelayUrl,
}

impl Door {
    /// Listens on loopback for pages that want to reach `relay`.
    pub async fn open(relay: RelayUrl) -> Result<Self, ServeError> {
        Ok(Self { here: Loopback::listen(PORT).await?, relay })
    }

    /// Base of what a browser on this computer opens, without a trailing slash.
    pub fn base(&self) -> String {
        self.here.base()
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let relay = Arc::new(self.relay);
        self.here.serve(move |request, seen| answer(request, Arc::clone(&relay), seen)).await;
    }
}

async fn answer(
    mut request: Request<Incoming>,
    relay: Arc<RelayUrl>,
    seen: Seen,
) -> Result<Response<Body>, Refused> {
    match request.uri().path() {
        SOCKET_PATH => {}
        path if path.starts_with("/s/") => return http::page_of(&request, relay.base()),
        "/" => return Err((StatusCode::NOT_FOUND, "open the link that `sharer open` printed\n")),
        _ => return http::viewer(&request),
    }
    // Other programs have the relay itself.
    let page = if seen.caller == Caller::Page { Caller::Page } else { Caller::Foreign };
    let response = http::socket(&request, page)?;
    // The relay first: a socket that opens is one on which somebody answers.
    let far = match timeout(DIAL, ws::dial(&relay)).await {
        Ok(Ok(far)) => far,
        Ok(Err(error)) => {
            tracing::info!(trouble = ws::trouble(&relay, &error), "the relay cannot be reached");
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
        drop(seen.place);
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
