//! Plain HTTP requests, said letter by letter: tests of a relay's door choose every header.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::wait::{SHORT, within};

/// The whole answer to a GET, head and body, as text.
pub async fn get(relay: SocketAddr, path: &str) -> String {
    ask(relay, path, &[("Host", &relay.to_string())]).await
}

/// The whole answer to a GET with these headers.
///
/// # Panics
/// When nothing answers.
pub async fn ask(relay: SocketAddr, path: &str, headers: &[(&str, &str)]) -> String {
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{}\r\n", headers.concat());
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
