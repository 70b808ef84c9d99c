//! What children cost, and how soon they are there.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use shared::viewer::{Event, State};
use tokio::process::Command;

use super::machine::{memory, peak};
use super::sample::Samples;
use super::scene::Scene;
use super::screen::Tape;
use crate::harness::{LONG, Relay, Sharer, sharer_bin, until};
use crate::viewer::Viewer;

/// Notes how the session is reached, for [`Family::spawn`], and is quiet.
const PARENT: &str = "env | grep ^SHARER_ >vars.new; mv vars.new vars; exec sleep 10000";

/// A shared parent whose children this process starts, a relay by itself, and who watches.
pub(super) struct Family<'a> {
    scene: &'a Scene,
    pub(super) relay: Relay,
    pub(super) sharer: Sharer,
    pub(super) viewer: Viewer<Tape>,
    variables: Vec<(String, String)>,
    children: usize,
}

impl<'a> Family<'a> {
    pub(super) async fn start(scene: &'a Scene) -> Self {
        let relay = scene.relay().await;
        let path = scene.sandbox.path().join("vars");
        // A family before this one left its own.
        drop(std::fs::remove_file(&path));
        let sharer = scene.share(Some(&relay.url()), PARENT).await;
        let mut viewer = Viewer::new(&sharer.read_link(), None, Tape::default());
        viewer.live().await;
        let look = async || std::fs::read_to_string(&path);
        let text = until("how the session is reached", LONG, look).await;
        let variables = text.lines().filter_map(|line| line.split_once('='));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { scene, relay, sharer, viewer, variables, children: 0 }
    }

    /// Runs `sharer spawn`; how long it took.
    pub(super) async fn spawn(&mut self, program: &str) -> Duration {
        self.spawn_with(&[], program).await
    }

    /// `sharer spawn` with options, for another child.
    pub(super) fn command(&mut self, options: &[&str], program: &str) -> Command {
        self.children += 1;
        let name = format!("child-{}", self.children);
        let mut command = self.scene.sandbox.command(sharer_bin());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(["spawn", "--name", &name]).args(options).args(["--", "/bin/sh", "-c", program]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `sharer spawn` with options; how long it took.
    pub(super) async fn spawn_with(&mut self, options: &[&str], program: &str) -> Duration {
        let mut command = self.command(options, program);
        let start = Instant::now();
        let output = command.output().await.expect("it is built");
        let took = start.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took
    }

    async fn pills(&mut self) {
        let wanted = self.children + 1;
        let there = |viewer: &Viewer<Tape>| viewer.bar().is_some_and(|bar| bar.pills.len() == wanted);
        self.viewer.until("every pill", there).await;
    }

    fn memory(&self) -> u64 {
        memory(self.sharer.process.pid())
    }
}

/// How long `sharer spawn` took, and how long after it an open viewer had the pill.
pub async fn spawns(scene: &Scene, count: usize) -> (Samples, Samples) {
    let mut family = Family::start(scene).await;
    let (mut returns, mut pills) = (Samples::default(), Samples::default());
    for _ in 0..count {
        returns.push(family.spawn("exec sleep 10000").await);
        let start = Instant::now();
        family.pills().await;
        pills.push(start.elapsed());
    }
    (returns, pills)
}

/// The sharer's memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// With no child.
    pub alone: u64,
    /// For each child that has printed nothing.
    pub silent: u64,
    /// For each child whose scrollback is full.
    pub full: u64,
}

/// What `count` children of each kind cost the sharer.
pub async fn weigh(scene: &Scene, count: usize) -> Memory {
    let mut family = Family::start(scene).await;
    let alone = family.memory();
    for _ in 0..count {
        family.spawn("exec sleep 10000").await;
    }
    family.pills().await;
    let silent = family.memory();
    let done = scene.sandbox.path().join("done");
    let program = format!("{}; echo >>{}; exec sleep 10000", printing(scene), done.display());
    for _ in 0..count {
        family.spawn(&program).await;
    }
    all_done(&done, count).await;
    // Their last snapshots with history have left.
    family.viewer.idle(Duration::from_secs(3)).await;
    let (full, count) = (family.memory(), count as u64);
    let each = |after: u64, before: u64| after.saturating_sub(before) / count;
    Memory { alone, silent: each(silent, alone), full: each(full, silent) }
}

fn printing(scene: &Scene) -> String {
    format!("cat {}", scene.sandbox.path().join("log").display())
}

async fn all_done(path: &PathBuf, count: usize) {
    until("every child to print", LONG, async || {
        let lines = std::fs::read_to_string(path).unwrap_or_default().lines().count();
        if lines == count { Ok(()) } else { Err(lines) }
    })
    .await;
}

/// How long after a relay was killed, and listens again, a viewer has `count` pills and the child that it looks at.
pub async fn restart(scene: &Scene, count: usize) -> Duration {
    let mut family = Family::start(scene).await;
    for _ in 0..count {
        family.spawn("exec sleep 10000").await;
    }
    family.pills().await;
    let selects = family.viewer.bar().expect("there are pills").pills[count].selects.clone();
    family.viewer.act(Event::Select(selects)).await;
    let live = |viewer: &Viewer<Tape>| viewer.state() == State::Live;
    family.viewer.until("the child", live).await;
    family.relay.kill().await;
    family.viewer.until("the break", |viewer| viewer.state() != State::Live).await;
    family.relay.restart(&scene.sandbox).await;
    let start = Instant::now();
    family.viewer.until("the child again", live).await;
    family.pills().await;
    start.elapsed()
}

/// What a relay comes to hold while 20 of `count` children pour without end for `time`: its peak, in bytes.
pub async fn flood(scene: &Scene, count: usize, time: Duration) -> u64 {
    let mut family = Family::start(scene).await;
    let mut pour = String::new();
    write!(pour, "while :; do {}; done", printing(scene)).expect("memory takes writes");
    for at in 0..count {
        family.spawn(if at % (count / 20) == 0 { &pour } else { "exec sleep 10000" }).await;
    }
    family.pills().await;
    family.viewer.idle(time).await;
    peak(family.relay.process.pid())
}
