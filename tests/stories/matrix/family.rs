//! A parent and its children, wherever they run: relay, drivers and sharer are processes of their own, each machine with a
//! home of its own and its own way to the relay, which can be broken; no two have a file in common.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use e2e::harness::driver::{sharer, task, tasks};
use e2e::harness::recording::recorded;
use e2e::harness::{Driver, LONG, Relay, Sandbox, Sharer, until};
use e2e::proxy::{Faults, Proxy};
use shared::link::Link;

/// Where the parent and its children run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The parent under the user's sharer, its children with it.
    LocalLocal,
    /// The parent under the user's sharer, its children on a driver.
    LocalRemote,
    /// The parent on a driver, its children with it.
    RemoteLocal,
    /// The parent on a driver, its children on another.
    RemoteRemote,
}

impl Kind {
    /// Whether the parent runs under the user's sharer.
    pub(crate) fn is_local(self) -> bool {
        matches!(self, Self::LocalLocal | Self::LocalRemote)
    }

    /// Whether children are shared by their own machine, whatever becomes of the parent's share.
    pub(crate) fn shares_children_apart(self) -> bool {
        matches!(self, Self::LocalRemote | Self::RemoteRemote)
    }

    fn drivers(self) -> usize {
        match self {
            Self::LocalLocal => 0,
            Self::LocalRemote | Self::RemoteLocal => 1,
            Self::RemoteRemote => 2,
        }
    }

    /// How the parent names the children's machine.
    fn on(self) -> &'static str {
        match self {
            Self::LocalLocal | Self::RemoteLocal => "",
            Self::LocalRemote => "--on box",
            Self::RemoteRemote => "--on other",
        }
    }
}

/// What a link may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    Watch,
    Type,
}

/// Runs `$HOME/KIND.sh NAME` so that every byte it prints is kept in `$HOME/NAME.recorded`.
const PROGRAM: &str = r#"exec script -qefc "sh '$HOME/$2.sh' $1" "$HOME/$1.recorded""#;

/// Does what it finds at its start, then runs what comes through a pipe, keeps what was said of it, and answers lines.
const PARENT: &str = r#"stty -echo
if [ -e "$HOME/first" ]; then sh "$HOME/first" > "$HOME/did" 2>&1; fi
echo $1-says-$((40+2))
( while cat "$HOME/ask" > "$HOME/asked"; do
  sh "$HOME/asked" > "$HOME/said.new" 2>&1; echo "status:$?" >> "$HOME/said.new"; mv "$HOME/said.new" "$HOME/said"
done ) &
while read line; do echo "$1:$line"; done"#;

/// Says its name, answers lines, pours out what it is asked for, at once or when there is a file `go`, lines or what does not
/// compress, and ends as it is told.
const CHILD: &str = r#"stty -echo; echo "$1-says-$((40+2))"
while read word count; do
  case $word in
    end) exit 0 ;;
    fail) exit 3 ;;
    pour) seq -f "$1-line-%g" "$count"; echo "$1-poured" ;;
    later) echo "$1-waits"; until [ -e "$HOME/go" ]; do sleep 0.05; done; seq -f "$1-line-%g" "$count"; echo "$1-poured" ;;
    noise) echo "$1-waits"; until [ -e "$HOME/go" ]; do sleep 0.05; done; head -c "$count" /dev/urandom | base64; echo "$1-poured" ;;
    *) echo "$1:$word" ;;
  esac
done"#;

/// Whether a text is among these bytes.
pub(crate) fn has(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|part| part == text)
}

/// The parent's name.
pub(crate) const TOP: &str = "top";

/// The processes.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) kind: Kind,
    relay_home: Sandbox,
    pub(crate) relay: Relay,
    user: Sandbox,
    pub(crate) sharer: Option<Sharer>,
    pub(crate) drivers: Vec<Driver>,
    /// From each machine to the relay: the user's, then the drivers'.
    pub(crate) ways: Vec<Proxy>,
    parent: Option<(Link, Link)>,
    /// Children that were started, in order.
    pub(crate) children: Vec<String>,
}

impl Family {
    /// A relay, and the drivers that are needed; no parent yet.
    pub(crate) async fn new(kind: Kind) -> Self {
        let relay_home = Sandbox::new();
        let relay = Relay::start(&relay_home, [""; 0]).await;
        let (user, mut ways, mut drivers) = (Sandbox::new(), Vec::new(), Vec::new());
        ways.push(Proxy::to(relay.address()).await);
        for _ in 0..kind.drivers() {
            let way = Proxy::to(relay.address()).await;
            drivers.push(Driver::at(&way.url(), [""; 0]).await);
            ways.push(way);
        }
        let family = Self {
            kind,
            relay_home,
            relay,
            user,
            sharer: None,
            drivers,
            ways,
            parent: None,
            children: Vec::new(),
        };
        let known = [(family.user(), "box", 0), (family.parent_home(), "other", 1)];
        for (home, name, at) in known {
            let Some(driver) = family.drivers.get(at) else { continue };
            // Who asks has a way of its own.
            let key = driver.key.replacen(&family.ways[at + 1].url(), &family.relay.url(), 1);
            let added = sharer(home, &["driver", "add", name, &key]).await;
            assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        }
        for home in [family.parent_home(), family.child_home()] {
            for (file, text) in [("program", PROGRAM), ("parent.sh", PARENT), ("child.sh", CHILD)] {
                std::fs::write(home.path().join(file), text).unwrap();
            }
        }
        let pipe = std::process::Command::new("mkfifo").arg(family.parent_home().path().join("ask")).status();
        assert!(pipe.is_ok_and(|made| made.success()), "a pipe");
        family
    }

    /// A family whose parent runs and is shared.
    pub(crate) async fn shared(kind: Kind) -> Self {
        let mut family = Self::new(kind).await;
        family.start(&[]).await;
        family
    }

    /// The same with a child, `far`.
    pub(crate) async fn with_child(kind: Kind) -> Self {
        let mut family = Self::shared(kind).await;
        family.spawn("far").await;
        family
    }

    /// The user's home.
    pub(crate) fn user(&self) -> &Sandbox {
        &self.user
    }

    /// Where the parent runs.
    pub(crate) fn parent_home(&self) -> &Sandbox {
        if self.kind.is_local() { &self.user } else { &self.drivers[0].home }
    }

    /// Where the children run.
    pub(crate) fn child_home(&self) -> &Sandbox {
        self.drivers.last().map_or(&self.user, |driver| &driver.home)
    }

    /// The way of the children's machine to the relay.
    pub(crate) fn childs_way(&self) -> &Proxy {
        self.ways.last().expect("a user has one")
    }

    /// Starts the parent, with more options for a local one.
    pub(crate) async fn start(&mut self, options: &[&str]) {
        let program = ["sh", "-c", r#"exec sh "$HOME/program" top parent"#];
        if self.kind.is_local() {
            let way = self.ways[0].url();
            let arguments = [&["--relay", &way], options, &["--"], &program].concat();
            let mut started = Sharer::start(&self.user, arguments);
            if !options.contains(&"--private") {
                started.event("the links", |event| event["event"] == "shared").await;
                self.parent = Some(links(&started));
            }
            self.sharer = Some(started);
        } else {
            let run = [&["run", "--on", "box", "--name", TOP, "--"][..], &program].concat();
            let run = sharer(&self.user, &run).await;
            let said = String::from_utf8_lossy(&run.stdout).into_owned();
            assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
            let mut links = said.lines().filter_map(|line| line.split_whitespace().next());
            let mut next = || Link::parse(links.next().unwrap()).unwrap();
            self.parent = Some((next(), next()));
        }
    }

    /// Shares a parent that was private.
    pub(crate) async fn share(&mut self) {
        let shared = sharer(&self.user, &["share"]).await;
        assert!(shared.status.success(), "{}", String::from_utf8_lossy(&shared.stderr));
        let started = self.sharer.as_mut().expect("a local parent");
        started.event("the links", |event| event["event"] == "shared").await;
        self.parent = Some(links(started));
    }

    /// Stops the parent's share. It runs on.
    pub(crate) async fn unshare(&self) {
        let stopped = if self.kind.is_local() {
            sharer(&self.user, &["unshare"]).await
        } else {
            let top = task(self.parent_home(), TOP, |_| true).await;
            sharer(self.parent_home(), &["unshare", "--session", top["task_id"].as_str().unwrap()]).await
        };
        assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    }

    /// What has the parent start a child, as lines of the shell.
    pub(crate) fn spawning(&self, name: &str) -> String {
        let on = self.kind.on();
        format!(r#""$SHARER_BIN" spawn {on} --name {name} -- sh -c 'exec sh "$HOME/program" {name} child'"#)
    }

    /// Has the parent start a child, and waits for its first words.
    pub(crate) async fn spawn(&mut self, name: &str) {
        let said = self.asks(&self.spawning(name)).await;
        assert!(said.ends_with("status:0\n"), "{said}");
        self.children.push(name.to_owned());
        let hello = format!("{name}-says-42");
        let look = async || {
            if has(&self.printed(name), hello.as_bytes()) { Ok(()) } else { Err(self.printed(name)) }
        };
        until("its first words", LONG, look).await;
    }

    /// Has the parent start a child before anything else that it does; call it before [`Self::start`].
    pub(crate) fn spawn_first(&mut self, name: &str) {
        std::fs::write(self.parent_home().path().join("first"), self.spawning(name)).unwrap();
        self.children.push(name.to_owned());
    }

    /// Has the parent's program run this; what it and `sharer` said.
    pub(crate) async fn asks(&self, script: &str) -> String {
        let home = self.parent_home().path();
        let said = home.join("said");
        let _none = std::fs::remove_file(&said);
        // Nobody reads it until the parent is there, and nobody waits here for that.
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
        let ask = async || {
            use std::io::Write as _;
            let mut pipe =
                std::fs::OpenOptions::new().write(true).custom_flags(flags).open(home.join("ask"))?;
            pipe.write_all(script.as_bytes())
        };
        until("the parent to listen", LONG, ask).await;
        until("what was said", LONG, async || std::fs::read_to_string(&said)).await
    }

    /// A link to the parent, which opens its children too.
    pub(crate) fn parent_link(&self, right: Right) -> Link {
        let (watch, typing) = self.parent.clone().expect("a parent that is shared");
        if right == Right::Watch { watch } else { typing }
    }

    /// A child's own link.
    pub(crate) async fn child_link(&self, name: &str, right: Right) -> Link {
        let which = if right == Right::Watch { "read" } else { "write" };
        let child = task(self.child_home(), name, |task| task[which].is_string()).await;
        Link::parse(child[which].as_str().unwrap()).unwrap()
    }

    /// Whether a child has links of its own that are good now.
    pub(crate) async fn is_shared(&self, name: &str) -> bool {
        tasks(self.child_home()).await.iter().any(|task| task["name"] == name && task["read"].is_string())
    }

    /// All that a child's program, or the parent's, has printed.
    pub(crate) fn printed(&self, name: &str) -> Vec<u8> {
        let home = if name == TOP { self.parent_home() } else { self.child_home() };
        recorded(&file(home.path(), name))
    }

    /// No machine gets at the relay, until [`Self::mend`]; those that were connected are told.
    pub(crate) fn cut_off(&self) {
        for way in &self.ways {
            way.set(Faults { refuse: true, ..Faults::default() });
            way.cut();
        }
    }

    /// Every machine gets at the relay.
    pub(crate) fn mend(&self) {
        for way in &self.ways {
            way.heal();
        }
    }

    /// Starts the parent on a driver again, and forgets the one before.
    pub(crate) async fn again(&mut self) {
        self.children.clear();
        self.start(&[]).await;
    }

    /// As [`Self::restart_relay`], on a machine that has been up for so many days more, where the kernel can pretend so.
    pub(crate) async fn restart_relay_days_ahead(&mut self, days: u32) {
        self.relay.kill().await;
        self.relay.restart_days_ahead(&self.relay_home, days).await;
    }

    /// Kills the relay and starts one that knows nothing.
    pub(crate) async fn restart_relay(&mut self) {
        self.relay.kill().await;
        self.relay.restart(&self.relay_home).await;
    }
}

fn links(sharer: &Sharer) -> (Link, Link) {
    let parse = |text: String| Link::parse(&text).unwrap();
    (parse(sharer.read_link()), parse(sharer.write_link()))
}

fn file(home: &Path, name: &str) -> std::path::PathBuf {
    home.join(format!("{name}.recorded"))
}
