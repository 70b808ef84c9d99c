//! A WebSocket to the relay.

use futures_channel::mpsc;
use futures_util::future::{AbortHandle, abortable};
use futures_util::{SinkExt as _, StreamExt as _};
use gloo_net::websocket::futures::WebSocket;
use gloo_net::websocket::{Message, WebSocketError};
use shared::wire::{BROWSER_SUBPROTOCOL, Packet, SOCKET_PATH};
use wasm_bindgen_futures::spawn_local;

/// Messages on their way into the browser's own buffer; input credit keeps them far below.
const QUEUE: usize = 256;

/// What a socket reports.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message.
    Packet(Packet),
    /// It is closed, or never opened.
    Closed(Option<u16>),
}

/// An open socket; it closes when dropped, and reports nothing more.
#[derive(Debug)]
pub(crate) struct Socket {
    outgoing: mpsc::Sender<Message>,
    reader: AbortHandle,
}

/// Where a relay listens first, and where it is sought by a page from `trunk serve`, which is a debug build. Trunk's own
/// proxy would not do: it loses the subprotocol. The relay lets that page in by `--dev-origin`.
const DEV_RELAY: &str = "ws://127.0.0.1:4777";

impl Drop for Socket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Socket {
    /// Opens a socket; `None` if the address is none.
    pub(crate) fn open(url: &str, on: impl Fn(Heard) + 'static) -> Option<Self> {
        let dev = cfg!(debug_assertions).then(|| format!("{DEV_RELAY}{SOCKET_PATH}"));
        let socket =
            WebSocket::open_with_protocol(dev.as_deref().unwrap_or(url), BROWSER_SUBPROTOCOL).ok()?;
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut queue) = mpsc::channel::<Message>(QUEUE);
        let (reading, reader) = abortable(async move {
            while let Some(message) = stream.next().await {
                match message {
                    Ok(Message::Text(text)) => on(Heard::Packet(Packet::Text(text))),
                    Ok(Message::Bytes(bytes)) => on(Heard::Packet(Packet::Binary(bytes.into()))),
                    Err(WebSocketError::ConnectionClose(close)) => {
                        return on(Heard::Closed(Some(close.code)));
                    }
                    Err(_) => return on(Heard::Closed(None)),
                }
            }
            on(Heard::Closed(None));
        });
        spawn_local(async move {
            // Ends when the socket is dropped; both halves gone, the browser closes it.
            let _aborted = reading.await;
        });
        spawn_local(async move {
            while let Some(message) = queue.next().await {
                if sink.send(message).await.is_err() {
                    return;
                }
            }
            drop(sink.close().await);
        });
        Some(Self { outgoing, reader })
    }

    /// Sends a message; false if the socket takes no more.
    pub(crate) fn send(&mut self, packet: Packet) -> bool {
        let message = match packet {
            Packet::Text(text) => Message::Text(text),
            Packet::Binary(bytes) => Message::Bytes(bytes.to_vec()),
        };
        self.outgoing.try_send(message).is_ok()
    }
}
