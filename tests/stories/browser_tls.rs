//! "Let a colleague open it": a relay with TLS, and a proxy with TLS in front of `sharer`, as far as loopback allows.

use e2e::harness::server::free_address;
use e2e::harness::tls::{Authority, Front};
use e2e::harness::{Browser, LONG, Recording, Relay, Sandbox, Sharer, sharer_bin, until};

const ENTER: char = '\u{E007}';

/// Opens a link that types, types, and sees exactly what the program wrote.
async fn works(link: &str, recording: &Recording, picture: &str) {
    let browser = Browser::start().await;
    browser.open(link).await;
    browser.status("live").await;
    browser.press("Type here").await;
    browser.type_text(&format!("echo sealed-$((6*7)){ENTER}")).await;
    browser.mirrors(recording, "sealed-42").await;
    let secure = browser.run("return isSecureContext && location.protocol === 'https:'").await;
    assert_eq!(secure, true, "the page came by TLS");
    browser.screenshot(picture).await;
    browser.close().await;
}

#[tokio::test]
async fn a_relay_with_tls_serves_those_who_trust_its_authority() {
    let mut sandbox = Sandbox::new();
    let authority = Authority::new(&sandbox);
    let certificate = authority.certify(&sandbox, "localhost");
    let files = [&certificate.cert, &certificate.key].map(|path| path.to_str().unwrap().to_owned());
    let relay = Relay::start(&sandbox, ["--tls-cert", &files[0], "--tls-key", &files[1]]).await;
    let port = relay.address().port();
    sandbox.set("SSL_CERT_FILE", &authority.file);
    let recording = Recording::bash(&sandbox, "");
    let url = format!("https://localhost:{port}");
    let mut sharer = Sharer::share(&sandbox, recording.shared(&["--relay", &url])).await;
    sharer.event("the connection", |event| event["state"] == "connected").await;
    assert!(sharer.write_link().starts_with(&format!("{url}/s/")), "{}", sharer.write_link());
    works(&sharer.write_link(), &recording, "tls-relay").await;
    sharer.viewers(0).await;
}

/// What `sharer` says, while it runs and at its end, of a relay it cannot use.
async fn trouble(sandbox: &Sandbox, relay: &str) -> String {
    let script = "while [ ! -e stop ]; do sleep 0.05; done; rm stop; exit 5";
    let mut sharer = Sharer::share(sandbox, ["--relay", relay, "--", "sh", "-c", script]).await;
    let event = sharer.event("trouble", |event| event["state"] == "waiting").await;
    let reason = event["reason"].as_str().expect("a reason").to_owned();
    let look = async || {
        let output = sandbox.command(sharer_bin()).arg("status").output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.contains(&format!(": {reason}")) { Ok(()) } else { Err(text) }
    };
    until("the status to say the same", LONG, look).await;
    std::fs::write(sandbox.path().join("stop"), "").unwrap();
    assert_eq!(sharer.exit().await.code(), Some(5), "the program is not harmed");
    assert!(
        sharer.process.stderr().contains(&format!("nobody could watch: {reason}")),
        "{}",
        sharer.process.stderr()
    );
    reason
}

#[tokio::test]
async fn a_relay_that_cannot_be_trusted_gets_a_sentence_and_harms_nothing() {
    let mut sandbox = Sandbox::new();
    let (ours, foreign) = (Authority::new(&sandbox), Sandbox::new());
    let foreign_authority = Authority::new(&foreign);
    sandbox.set("SSL_CERT_FILE", &ours.file);
    let mut sentences = Vec::new();
    for certificate in
        [foreign_authority.certify(&foreign, "localhost"), ours.certify(&sandbox, "relay.example")]
    {
        let files = [&certificate.cert, &certificate.key].map(|path| path.to_str().unwrap().to_owned());
        let relay = Relay::start(&sandbox, ["--tls-cert", &files[0], "--tls-key", &files[1]]).await;
        sentences.push(trouble(&sandbox, &format!("https://localhost:{}", relay.address().port())).await);
    }
    assert!(sentences[0].contains("an authority that this computer does not trust"), "{sentences:?}");
    assert!(sentences[1].contains("was made for another name"), "{sentences:?}");
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let no_tls = trouble(&sandbox, &format!("https://localhost:{}", relay.address().port())).await;
    assert!(no_tls.contains("no TLS with localhost"), "{no_tls}");
    let nobody = trouble(&sandbox, &format!("http://{}", free_address())).await;
    assert!(nobody.contains("cannot be reached: Connection refused"), "{nobody}");
}

#[tokio::test]
async fn behind_a_proxy_with_tls_links_and_page_are_the_proxys() {
    let sandbox = Sandbox::new();
    let certificate = Authority::new(&sandbox).certify(&sandbox, "localhost");
    let listen = free_address();
    let front = Front::new(&certificate, listen).await;
    let public = format!("https://localhost:{}", front.address().port());
    let recording = Recording::bash(&sandbox, "");
    let options = ["--listen", &listen.to_string(), "--public-url", &public];
    let sharer = Sharer::share(&sandbox, recording.shared(&options)).await;
    assert!(sharer.read_link().starts_with(&format!("{public}/s/")));
    works(&sharer.write_link(), &recording, "tls-proxy").await;
}
