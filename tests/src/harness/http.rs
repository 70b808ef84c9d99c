//! Plain HTTP requests, said letter by letter: tests of a relay's door choose every header.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::wait::{SHORT, within};

/// The whole answer to a GET, head and body, as text.
pub async fn get(relay: SocketAddr, path: &str) -> String {
    ask(relay, path, &[("Host", &relay.to_string())]).await
}

/// The whole answer to a GET with these headers, and `Connection: close` unless they say something of it.
///
/// # Panics
/// When nothing answers.
pub async fn ask(relay: SocketAddr, path: &str, headers: &[(&str, &str)]) -> String {
    let own = [("Connection", "close")];
    let own = own.iter().filter(|(own, _)| headers.iter().all(|(name, _)| name != own));
    let lines = own.chain(headers).map(|(name, value)| format!("{name}: {value}\r\n"));
    let text = format!("GET {path} HTTP/1.1\r\n{}\r\n", lines.collect::<String>());
    let mut answer = Vec::new();
    let asked = async {
        let mut stream = TcpStream::connect(relay).await?;
        stream.write_all(text.as_bytes()).await?;
        stream.read_to_end(&mut answer).await
    };
    within("an answer", SHORT, asked).await.expect("a relay answers");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer.
pub fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}
