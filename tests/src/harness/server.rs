//! The programs under test: `sharer` without a local terminal, and `sharer relay`.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitStatus;
use std::sync::Mutex;

use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;

use super::process::{Process, Sandbox};
use super::sharer_bin;
use super::wait::{LONG, SHORT, until, within};

/// A loopback port for one program to listen on, as often as it is started again.
///
/// A socket that is bound and never listens keeps it as long as the test lives: no connection and no other test is given
/// the port meanwhile, and who asks for it by number, with `SO_REUSEADDR` as all listeners here, gets it.
pub fn free_address() -> SocketAddr {
    static KEPT: Mutex<Vec<TcpSocket>> = Mutex::new(Vec::new());
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("sockets have options");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has free ports");
    let address = socket.local_addr().expect("a bound socket has an address");
    KEPT.lock().expect("nobody panics with it").push(socket);
    address
}

/// `sharer --headless --events -`, and the events it has told.
#[derive(Debug)]
pub struct Sharer {
    /// The process.
    pub process: Process,
    events: mpsc::UnboundedReceiver<Value>,
    seen: Vec<Value>,
}

impl Sharer {
    /// Starts `sharer --headless --events - ARGUMENTS`; the embedded relay gets a port of its own unless
    /// the arguments name a relay or an address. Without `--size` viewers say the size.
    pub fn start<I, S>(sandbox: &Sandbox, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let arguments: Vec<OsString> = arguments.into_iter().map(|text| text.as_ref().to_owned()).collect();
        let mut command = sandbox.command(sharer_bin());
        command.args(["--headless", "--events", "-"]);
        let says =
            |option: &str| arguments.iter().take_while(|text| *text != "--").any(|text| text == option);
        if !says("--relay") && !says("--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(&arguments);
        let (process, stdout) = Process::start("sharer", sandbox, command);
        let (tell, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line).unwrap_or_else(|_| Value::String(line.clone()));
                if tell.send(event).is_err() {
                    break;
                }
            }
        });
        Self { process, events, seen: Vec::new() }
    }

    /// Starts it and waits until it has printed its links. Without `--size` it is as large as without viewers.
    pub async fn share<I, S>(sandbox: &Sandbox, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut all = vec![OsString::from("--size=120x40")];
        let given: Vec<OsString> = arguments.into_iter().map(|text| text.as_ref().to_owned()).collect();
        if given.iter().take_while(|text| *text != "--").any(|text| text == "--size") {
            all.clear();
        }
        all.extend(given);
        Self::share_as_seen(sandbox, all).await
    }

    /// The same, as large as who types has room for, unless `--size` is among the arguments.
    pub async fn share_as_seen<I, S>(sandbox: &Sandbox, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut sharer = Self::start(sandbox, arguments);
        let first = sharer.event("the links", |_| true).await;
        assert_eq!(
            first["event"],
            "shared",
            "the first event is `shared`, not {first}; {}",
            sharer.process.stderr()
        );
        sharer
    }

    /// The first event, told or to come, that is the wanted one.
    pub async fn event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(event) = self.seen.iter().find(|event| wanted(event)) {
            return event.clone();
        }
        self.next_event(what, wanted).await
    }

    /// The first wanted event among those not looked at yet.
    pub async fn next_event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Some(event) = within(what, LONG, self.events.recv()).await else {
                panic!("sharer ended without {what}; it told {:#?}; {}", self.seen, self.process.stderr());
            };
            self.seen.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
    }

    /// The number of viewers is told to be this, now or later.
    pub async fn viewers(&mut self, count: u64) {
        let wanted = |event: &Value| event["event"] == "viewers" && event["count"] == count;
        if self.seen.iter().rev().find(|event| event["event"] == "viewers").is_some_and(wanted) {
            return;
        }
        self.next_event(&format!("{count} viewers"), wanted).await;
    }

    /// The link that only watches.
    pub fn read_link(&self) -> String {
        self.link("read").expect("every session has a read link")
    }

    /// The link that may type.
    pub fn write_link(&self) -> String {
        self.link("write").expect("the session has a write link")
    }

    /// The session's id.
    pub fn session_id(&self) -> String {
        self.shared()["session_id"].as_str().expect("an id").to_owned()
    }

    /// Waits for the end.
    pub async fn exit(&mut self) -> ExitStatus {
        self.process.exit().await
    }

    fn link(&self, right: &str) -> Option<String> {
        self.shared()["links"][right].as_str().map(str::to_owned)
    }

    fn shared(&self) -> &Value {
        self.seen.iter().find(|event| event["event"] == "shared").expect("it shares: use Sharer::share")
    }
}

/// `sharer relay` on a fixed loopback port, so that it can be killed and started again under the same links.
#[derive(Debug)]
pub struct Relay {
    /// The process.
    pub process: Process,
    address: SocketAddr,
    arguments: Vec<OsString>,
}

impl Relay {
    /// Starts `sharer relay --listen ADDRESS ARGUMENTS` and waits until it answers.
    pub async fn start<I, S>(sandbox: &Sandbox, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Self::listening(sandbox, free_address(), arguments).await
    }

    /// As [`Self::start`], on this address.
    pub async fn listening<I, S>(sandbox: &Sandbox, address: SocketAddr, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let arguments: Vec<OsString> = arguments.into_iter().map(|text| text.as_ref().to_owned()).collect();
        let process = launch(sandbox, address, &arguments);
        let mut relay = Self { process, address, arguments };
        relay.answers().await;
        relay
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Ends it with SIGTERM, as who runs it does.
    ///
    /// # Panics
    /// When it does not end, or not well.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.process.exit().await;
        assert!(status.success(), "{status}: {}", self.process.stderr());
    }

    /// Starts it again after [`Self::kill`], on the same port, knowing nothing.
    pub async fn restart(&mut self, sandbox: &Sandbox) {
        self.process = launch(sandbox, self.address, &self.arguments);
        self.answers().await;
    }

    /// As [`Self::restart`], with steady clocks so many days ahead; as they are where the kernel has no time namespaces.
    pub async fn restart_days_ahead(&mut self, sandbox: &Sandbox, days: u32) {
        let seconds = (days * 86_400).to_string();
        let ahead = [
            "--user",
            "--map-root-user",
            "--time",
            "--fork",
            "--kill-child",
            "--boottime",
            &seconds,
            "--monotonic",
            &seconds,
        ];
        let there = std::process::Command::new("unshare").args(ahead).arg("true").output();
        let prefix = if there.is_ok_and(|ran| ran.status.success()) {
            [&["unshare"], &ahead[..]].concat()
        } else {
            eprintln!("no time namespaces here: the relay's clocks stay as they are");
            Vec::new()
        };
        self.process = launch_behind(&prefix, sandbox, self.address, &self.arguments);
        self.answers().await;
    }

    /// Has it started with other arguments the next time.
    pub fn reconfigure<'a>(&mut self, arguments: impl IntoIterator<Item = &'a str>) {
        self.arguments = arguments.into_iter().map(OsString::from).collect();
    }

    /// Stops it as a suspended machine does; `Signal::CONT` goes on.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn answers(&mut self) {
        let address = self.address;
        let look = async || tokio::net::TcpStream::connect(address).await.map(drop);
        until("the relay to listen", SHORT, look).await;
        assert!(self.process.ended().is_none(), "the relay ended: {}", self.process.stderr());
    }
}

fn launch(sandbox: &Sandbox, address: SocketAddr, arguments: &[OsString]) -> Process {
    launch_behind(&[], sandbox, address, arguments)
}

fn launch_behind(prefix: &[&str], sandbox: &Sandbox, address: SocketAddr, arguments: &[OsString]) -> Process {
    let mut words = prefix.iter().map(OsString::from).chain([sharer_bin().into()]);
    let mut command = sandbox.command(words.next().unwrap_or_default());
    command.args(words);
    command.arg("relay").arg("--listen").arg(address.to_string()).args(arguments);
    let (process, mut stdout) = Process::start("relay", sandbox, command);
    // A pipe nobody reads would stop a relay that prints.
    tokio::spawn(async move { tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await });
    process
}
