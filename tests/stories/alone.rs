//! Nothing but the relay is reached: relay, driver, sharer and viewer in a network in which the relay's address is the only
//! one, and in which the kernel counts whoever tries another.

use std::net::SocketAddr;
use std::process::Command;

use e2e::harness::driver::{home_that_knows, task};
use e2e::harness::{Driver, LONG, Log, Relay, Sandbox, Sharer, until};
use e2e::viewer::Viewer;
use shared::viewer::{Event, State};

/// The only address there is.
const RELAY: ([u8; 4], u16) = ([127, 0, 0, 9], 4777);

/// Nothing else is left but `::1`, where nobody listens, and no route leads anywhere.
const NETWORK: &str =
    "ip link set lo up && ip -4 addr flush dev lo && ip addr add 127.0.0.9/32 dev lo && exec \"$0\" \"$@\"";

/// What to have the parent's program start: a child beside it, and one on the driver.
const PARENT: &str = r#"stty -echo
"$SHARER_BIN" spawn --name near -- sh -c 'echo near-says-$((40+2)); read line' > "$HOME/near"
"$SHARER_BIN" spawn --on box --name far -- sh -c 'echo far-says-$((40+2)); read line' > "$HOME/far"
read line"#;

/// In a network of its own, as whoever may do everything there.
fn apart(program: &std::ffi::OsStr, arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", NETWORK]).arg(program).args(arguments);
    command
}

#[test]
fn nothing_but_the_relays_address_is_reached() {
    let tried = apart("true".as_ref(), &[]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        println!("skipped: no network namespaces for this user here");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let name = format!("{}::inside", module_path!().split_once("::").unwrap().1);
    let ran = apart(this.as_os_str(), &["--exact", &name, "--ignored", "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

/// How often somebody here tried an address that there is no way to.
fn elsewhere() -> u64 {
    let text = std::fs::read_to_string("/proc/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("Ip: ")).map(|line| line.split(' '));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let four = names.zip(values).find(|(name, _)| *name == "OutNoRoutes").unwrap().1.parse::<u64>().unwrap();
    let text = std::fs::read_to_string("/proc/net/snmp6").unwrap_or_default();
    let six = text.lines().find_map(|line| line.strip_prefix("Ip6OutNoRoutes")?.trim().parse::<u64>().ok());
    four + six.unwrap_or(0)
}

#[tokio::test]
#[ignore = "run by the test above, in a network of its own"]
async fn inside() {
    let sandbox = Sandbox::new();
    let relay = Relay::listening(&sandbox, SocketAddr::from(RELAY), [""; 0]).await;
    let driver = Driver::start(&relay, [""; 0]).await;
    let home = home_that_knows("box", &driver.key).await;
    let sharer = Sharer::share(&home, ["--relay", &relay.url(), "--", "sh", "-c", PARENT]).await;
    let mut viewer = Viewer::new(&sharer.read_link(), None, Log::default());
    for name in ["near", "far"] {
        let pill = |viewer: &Viewer<Log>| {
            let bar = viewer.bar()?;
            bar.pills.iter().find(|pill| pill.name == name).map(|pill| pill.selects.clone())
        };
        viewer.until(name, |viewer| pill(viewer).is_some()).await;
        let selects = pill(&viewer).unwrap();
        viewer.act(Event::Select(selects)).await;
        let text = format!("{name}-says-42");
        let sees = |viewer: &Viewer<Log>| {
            viewer.child().is_some_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
        };
        viewer.until(&text, |viewer| viewer.state() == State::Live && sees(viewer)).await;
    }
    task(&driver.home, "far", |task| task["read"].is_string()).await;
    assert_eq!(elsewhere(), 0, "somebody tried another address");
    // The control: it would have been counted.
    for address in ["192.0.2.1:9", "127.0.0.1:9", "[2001:db8::1]:9", "127.0.0.53:53"] {
        let before = elsewhere();
        let (address, here): (SocketAddr, _) = (address.parse().unwrap(), address.starts_with('['));
        let any = if here { "[::]:0" } else { "0.0.0.0:0" };
        let Ok(socket) = std::net::UdpSocket::bind(any) else { continue };
        assert!(socket.send_to(b"hello", address).is_err());
        until("it to be counted", LONG, async || if elsewhere() > before { Ok(()) } else { Err(address) })
            .await;
    }
}
