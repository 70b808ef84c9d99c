//! The floor: bytes pumped raw from a PTY through two loopback WebSocket hops and back.
//!
//! It loses nothing, seals nothing, models nothing and decides nothing. Each of the three programs has a thread and an
//! event loop of its own and one task per direction, as a person would write it who only wanted the bytes to arrive.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use super::pty::Pty;
use super::sample::{Samples, rate};

/// What one message carries at most when output pours.
const GATHER: usize = 64 * 1024;
/// Reads of the PTY (≤ 4 KiB each) that wait for the socket at most.
const READS: usize = 64;

/// Between two keys: a hundred times what a person does, and within the credit of input.
pub const PAUSE: Duration = Duration::from_millis(3);

/// Below these the machine is too busy to compare anything.
pub const ECHO: Duration = Duration::from_micros(250);
/// In MB/s.
pub const RATE: f64 = 100.0;

/// What the floor reached.
#[derive(Debug, Clone)]
pub struct Floor {
    /// Times from a keystroke to its echo.
    pub echo: Samples,
    /// MB/s of a log.
    pub rate: f64,
}

impl Floor {
    /// Whether figures may be compared with it at all.
    pub fn holds(&self) -> bool {
        self.echo.median() <= ECHO && self.rate >= RATE
    }
}

type Socket = WebSocketStream<TcpStream>;

fn event_loop() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop")
}

async fn connect(address: SocketAddr) -> Socket {
    let stream = TcpStream::connect(address).await.expect("the floor's relay listens");
    stream.set_nodelay(true).expect("a TCP socket");
    client_async(format!("ws://{address}/"), stream).await.expect("the floor's relay speaks WebSocket").0
}

/// Passes messages between the first two connections.
async fn relay(listener: TcpListener) {
    let mut ends = Vec::new();
    for _ in 0..2 {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a TCP socket");
        ends.push(accept_async(stream).await.expect("a WebSocket").split());
    }
    let [(mut to_sharer, from_sharer), (mut to_viewer, from_viewer)] =
        <[_; 2]>::try_from(ends).unwrap_or_else(|_| unreachable!("two were accepted"));
    let down = async move {
        let mut from_sharer = from_sharer;
        while let Some(Ok(message)) = from_sharer.next().await {
            if to_viewer.send(message).await.is_err() {
                break;
            }
        }
        let _closed = to_viewer.close().await;
    };
    let up = async move {
        let mut from_viewer = from_viewer;
        while let Some(Ok(message)) = from_viewer.next().await {
            if to_sharer.send(message).await.is_err() {
                break;
            }
        }
    };
    tokio::select! { () = down => {}, () = up => {} }
}

/// Pumps a PTY into a socket, and what comes back into the PTY.
async fn sharer(socket: Socket, pty: &Pty) {
    let (mut write, mut read) = socket.split();
    let (send, mut receive) = mpsc::channel::<Vec<u8>>(READS);
    let mut from_program = pty.reader();
    std::thread::spawn(move || {
        let mut buffer = vec![0; GATHER];
        while let Ok(n @ 1..) = from_program.read(&mut buffer) {
            if send.blocking_send(buffer[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut to_program = pty.writer();
    let down = async move {
        while let Some(mut piece) = receive.recv().await {
            while piece.len() < GATHER {
                let Ok(more) = receive.try_recv() else { break };
                piece.extend_from_slice(&more);
            }
            if write.send(Message::binary(piece)).await.is_err() {
                break;
            }
        }
        let _closed = write.close().await;
    };
    let up = async move {
        while let Some(Ok(message)) = read.next().await {
            if to_program.write_all(&message.into_data()).is_err() {
                break;
            }
        }
    };
    tokio::select! { () = down => {}, () = up => {} }
}

/// Starts relay and sharer around `program` and gives the viewer's socket to `viewer`.
fn run<T, F: Future<Output = T>>(program: &str, viewer: impl FnOnce(Socket) -> F) -> T {
    std::thread::scope(|scope| {
        let (bound, address) = oneshot::channel();
        scope.spawn(|| {
            event_loop().block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
                bound.send(listener.local_addr().expect("it is bound")).expect("somebody waits");
                relay(listener).await;
            });
        });
        let address = address.blocking_recv().expect("the relay binds");
        let (joined, ready) = oneshot::channel();
        let (watched, go) = oneshot::channel();
        scope.spawn(move || {
            event_loop().block_on(async move {
                let socket = connect(address).await;
                joined.send(()).expect("somebody waits");
                // Nothing runs before somebody watches: the program's first byte must not wait in a socket.
                go.await.expect("a viewer");
                let pty = Pty::run(program);
                sharer(socket, &pty).await;
            });
        });
        event_loop().block_on(async move {
            ready.await.expect("the sharer connects");
            let socket = connect(address).await;
            watched.send(()).expect("the sharer waits");
            viewer(socket).await
        })
    })
}

/// Times `keys` echoes through `cat`.
pub fn echo(keys: usize) -> Samples {
    run("echo ready; exec cat", async |mut socket| {
        let mut seen = Vec::new();
        while !seen.ends_with(b"ready\n") {
            let message = socket.next().await.expect("it starts").expect("a message");
            seen.extend_from_slice(&message.into_data());
        }
        let mut samples = Samples::default();
        for _ in 0..keys {
            let start = Instant::now();
            socket.send(Message::binary(b"x".as_slice())).await.expect("the relay reads");
            while socket.next().await.expect("an echo").expect("a message").into_data().is_empty() {}
            samples.push(start.elapsed());
            tokio::time::sleep(PAUSE).await;
        }
        socket.close(None).await.expect("the relay reads");
        samples
    })
}

/// MB/s of a file of `size` bytes, from the first byte to the last.
pub fn flood(path: &std::path::Path, size: usize) -> f64 {
    run(&format!("exec cat {}", path.display()), async |mut socket| {
        let (mut got, mut start) = (0, None);
        while got < size {
            let Some(Ok(message)) = socket.next().await else { break };
            start.get_or_insert_with(Instant::now);
            got += message.into_data().len();
        }
        assert_eq!(got, size, "the floor loses nothing");
        let took = start.expect("something came").elapsed();
        let _closed = socket.close(None).await;
        rate(size, took)
    })
}
