//! The fault proxy itself: without faults it changes nothing, and each fault is felt.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::harness::wait::{SHORT, until, within};
use e2e::proxy::{Faults, Path, Proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Long enough that a loaded machine does not pass for a silent network, short enough to wait for.
const QUIET: Duration = Duration::from_millis(300);

/// A program that sends back what it gets, and ends when its peer does.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.into_split();
                let _ended = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn round_trip(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).await.unwrap();
    let mut back = vec![0; text.len()];
    within("the echo", SHORT, stream.read_exact(&mut back)).await.unwrap();
    assert_eq!(back, text);
}

/// Nothing arrives for a while. Absence takes time to see; that is the one thing waited for here.
async fn nothing_arrives(stream: &mut TcpStream) {
    let mut byte = [0; 1];
    let read = tokio::time::timeout(QUIET, stream.read(&mut byte)).await;
    assert!(read.is_err(), "something arrived: {read:?}");
}

#[tokio::test]
async fn without_faults_every_byte_passes_unchanged_and_so_does_the_end() {
    let proxy = Proxy::to(echo().await).await;
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    // A pattern without a period that a lost or doubled chunk could hide in.
    let sent: Vec<u8> =
        (0..5_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let (mut read, mut write) = stream.into_split();
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    within("20 MB", Duration::from_mins(1), read.read_to_end(&mut got)).await.unwrap();
    writing.await.unwrap();
    assert!(got == expected, "{} bytes of {} came back, or others", got.len(), expected.len());
    let all = u64::try_from(expected.len()).unwrap();
    assert_eq!(proxy.delivered(), (all, all));
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn a_delay_is_added_in_each_direction() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let delay = Duration::from_millis(150);
    let path = Path { delay, ..Path::default() };
    proxy.set(Faults { up: path, down: path, ..Faults::default() });
    let start = Instant::now();
    round_trip(&mut stream, b"hello").await;
    assert!(start.elapsed() >= delay * 2, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_rate_bounds_what_arrives() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let path = Path { rate: Some(1_000_000), ..Path::default() };
    proxy.set(Faults { down: path, ..Faults::default() });
    let start = Instant::now();
    let (mut read, mut write) = stream.split();
    let sent = vec![7; 500_000];
    let (written, got) = tokio::join!(write.write_all(&sent), async {
        let mut got = vec![0; sent.len()];
        read.read_exact(&mut got).await.map(|_| got)
    });
    written.unwrap();
    assert_eq!(got.unwrap(), sent);
    assert!(start.elapsed() >= Duration::from_millis(450), "{:?}", start.elapsed());
}

#[tokio::test]
async fn silence_holds_bytes_back_and_healing_delivers_them() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    round_trip(&mut stream, b"before").await;
    proxy.set(Faults::silence());
    stream.write_all(b"held").await.unwrap();
    nothing_arrives(&mut stream).await;
    proxy.heal();
    let mut back = [0; 4];
    within("the held bytes", SHORT, stream.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"held");
}

#[tokio::test]
async fn silence_in_one_direction_leaves_the_other() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.set(Faults { down: Path { silent: true, ..Path::default() }, ..Faults::default() });
    stream.write_all(b"up").await.unwrap();
    let look = async || match proxy.delivered() {
        (2, 0) => Ok(()),
        other => Err(other),
    };
    until("the bytes to pass up", SHORT, look).await;
    nothing_arrives(&mut stream).await;
}

#[tokio::test]
async fn a_cut_ends_connections_and_new_ones_work() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    round_trip(&mut stream, b"before").await;
    proxy.cut();
    let mut rest = Vec::new();
    // An end or a reset, whichever the kernel makes of it.
    let _end = within("the cut", SHORT, stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
    let mut again = TcpStream::connect(proxy.address()).await.unwrap();
    round_trip(&mut again, b"after").await;
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn refusing_and_half_open_connections_get_nothing() {
    let proxy = Proxy::to(echo().await).await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    let mut rest = Vec::new();
    let _end = within("the refusal", SHORT, refused.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());

    proxy.set(Faults { half_open: true, ..Faults::default() });
    let mut hanging = TcpStream::connect(proxy.address()).await.unwrap();
    hanging.write_all(b"hello").await.unwrap();
    nothing_arrives(&mut hanging).await;
    assert_eq!(proxy.delivered(), (0, 0));
    proxy.heal();
    let mut back = [0; 5];
    within("the held bytes", SHORT, hanging.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"hello");
}
