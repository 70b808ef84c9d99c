//! One connection: the reading task, and a writer for when the socket is full.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use shared::relay::PeerInfo;
use shared::wire::close::CloseCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::hub::{Hub, Sink};
use super::socket::{self, Message, Reader};
use crate::clock;

/// What is read at first, and by those who send little.
const SMALL_READ: usize = 4 * 1024;
/// What is read by those who fill that.
const LARGE_READ: usize = 64 * 1024;
/// How long a closed peer may take to read why, before its socket goes.
const LINGER: Duration = Duration::from_secs(2);

/// A socket after its handshake.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

enum Source {
    Direct(Arc<TcpStream>),
    Tls(ReadHalf<Box<TlsStream<TcpStream>>>),
}

impl Source {
    /// Reads some bytes; memory for them is taken only when there are any.
    async fn read(&mut self, buffer: &mut BytesMut, size: usize) -> io::Result<usize> {
        match self {
            Self::Direct(stream) => loop {
                stream.readable().await?;
                buffer.reserve(size);
                match stream.try_read_buf(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => release(buffer),
                    done => return done,
                }
            },
            Self::Tls(stream) => {
                buffer.reserve(size);
                stream.read_buf(buffer).await
            }
        }
    }
}

/// Who waits for bytes holds no memory for them.
fn release(buffer: &mut BytesMut) {
    if buffer.is_empty() {
        *buffer = BytesMut::new();
    }
}

/// Serves a connection until it ends. `early` is what came behind the handshake.
pub(super) async fn run(hub: Arc<Hub>, info: PeerInfo, stream: Stream, early: Bytes) {
    let (mut source, direct, writer) = match stream {
        Stream::Plain(stream) => {
            let stream = Arc::new(stream);
            (Source::Direct(Arc::clone(&stream)), Some(stream), None)
        }
        Stream::Tls(stream) => {
            let (read, write) = tokio::io::split(stream);
            (Source::Tls(read), None, Some(write))
        }
    };
    let (peer, sink) = hub.connect(info, direct.clone());
    let writing = match (direct, writer) {
        (Some(stream), _) => tokio::spawn(write_when_full(Arc::clone(&hub), Arc::clone(&sink), stream)),
        (None, Some(writer)) => tokio::spawn(write_all(Arc::clone(&hub), Arc::clone(&sink), writer)),
        (None, None) => return,
    };
    let mut reader = Reader::new(hub.limits());
    let mut buffer = BytesMut::from(&early[..]);
    // It may be empty and still hold all that the handshake was read into.
    drop(early);
    let mut size = SMALL_READ;
    let code = loop {
        match take(&hub, peer, &sink, &mut reader, &mut buffer) {
            Ok(true) => {}
            Ok(false) => break None,
            Err(code) => break Some(code),
        }
        release(&mut buffer);
        let read = tokio::select! {
            biased;
            read = source.read(&mut buffer, size) => read,
            () = sink.end.notified() => break None,
        };
        match read {
            Ok(0) | Err(_) => break None,
            Ok(read) => size = if read >= size { LARGE_READ } else { SMALL_READ },
        }
        sink.heard(clock::now());
    };
    if let Some(code) = code {
        hub.close(peer, code);
    }
    // A socket that goes with bytes unread takes the close frame with it.
    let linger = async {
        let mut rest = BytesMut::new();
        while source.read(&mut rest, SMALL_READ).await.is_ok_and(|read| read > 0) {
            rest.clear();
        }
    };
    let _timed_out = tokio::time::timeout(LINGER, linger).await;
    hub.disconnect(peer);
    writing.abort();
}

/// Hands on all whole messages; `false` when the peer closes.
fn take(
    hub: &Hub,
    peer: shared::relay::PeerId,
    sink: &Arc<Sink>,
    reader: &mut Reader,
    buffer: &mut BytesMut,
) -> Result<bool, CloseCode> {
    while let Some(message) = reader.next(buffer)? {
        match message {
            Message::Packet(packet) => hub.packet(peer, clock::now(), packet),
            Message::Ping(body) => {
                sink.control(socket::PONG, &body);
                hub.nudge(sink);
            }
            Message::Pong => {}
            Message::Close => {
                sink.control(socket::CLOSE, &[]);
                hub.nudge(sink);
                return Ok(false);
            }
        }
    }
    Ok(true)
}

async fn write_when_full(hub: Arc<Hub>, sink: Arc<Sink>, stream: Arc<TcpStream>) {
    loop {
        sink.wake.notified().await;
        if stream.writable().await.is_err() {
            return sink.end.notify_one();
        }
        sink.unblock(&hub);
    }
}

async fn write_all(hub: Arc<Hub>, sink: Arc<Sink>, mut writer: WriteHalf<Box<TlsStream<TcpStream>>>) {
    loop {
        sink.wake.notified().await;
        while let Some(chunks) = sink.take(&hub) {
            for chunk in chunks {
                if writer.write_all(&chunk).await.is_err() {
                    return sink.end.notify_one();
                }
            }
        }
        if writer.flush().await.is_err() {
            return sink.end.notify_one();
        }
    }
}
