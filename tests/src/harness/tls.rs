//! Certificates of an authority that only the test knows, and a proxy that speaks TLS in front of something that does not.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::process::Sandbox;

/// An authority, with its own certificate in a file.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What a program has to be told to trust it.
    pub file: PathBuf,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("file", &self.file).finish_non_exhaustive()
    }
}

/// A certificate and its key, as files.
#[derive(Debug)]
pub struct Certificate {
    /// The chain in PEM.
    pub cert: PathBuf,
    /// The key in PEM.
    pub key: PathBuf,
    config: Arc<ServerConfig>,
}

impl Authority {
    /// A fresh one.
    pub fn new(sandbox: &Sandbox) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of one name would be taken for each other.
        params.distinguished_name.push(DnType::CommonName, sandbox.path().to_string_lossy());
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let file = sandbox.path().join("authority.pem");
        std::fs::write(&file, issuer.pem()).expect("the sandbox takes files");
        Self { issuer, file }
    }

    /// A certificate for a host.
    pub fn certify(&self, sandbox: &Sandbox, host: &str) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        let files = [("cert", cert.pem()), ("key", key.serialize_pem())].map(|(kind, text)| {
            let path = sandbox.path().join(format!("{host}-{kind}.pem"));
            std::fs::write(&path, text).expect("the sandbox takes files");
            path
        });
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], secret)
            })
            .expect("a fresh certificate");
        let [cert, key] = files;
        Certificate { cert, key, config: Arc::new(config) }
    }
}

/// A proxy with TLS, as people put in front of a relay: it says for whom it asks, and changes nothing else.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Front {
    /// Listens on a loopback port of its own.
    pub async fn new(certificate: &Certificate, target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let acceptor = TlsAcceptor::from(Arc::clone(&certificate.config));
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((near, from)) = listener.accept().await else { continue };
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut near) = acceptor.accept(near).await else { return };
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    let mut first = vec![0; 16 * 1024];
                    let Ok(read @ 1..) = near.read(&mut first).await else { return };
                    // Behind the request's first line; one request a connection is all a browser's test needs.
                    let at = first[..read].iter().position(|&byte| byte == b'\n').map_or(read, |at| at + 1);
                    let said = format!("X-Forwarded-For: {}\r\nX-Forwarded-Proto: https\r\n", from.ip());
                    let head = [&first[..at], said.as_bytes(), &first[at..read]].concat();
                    if far.write_all(&head).await.is_ok() {
                        let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Self { address, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
