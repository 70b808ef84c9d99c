//! `sharer driver`, and those who ask it.

use std::ffi::{OsStr, OsString};
use std::process::Output;

use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::process::{Process, Sandbox};
use super::server::Relay;
use super::sharer_bin;
use super::wait::{LONG, until, within};

/// A driver in a home of its own, which it shares with nobody.
#[derive(Debug)]
pub struct Driver {
    /// The process.
    pub process: Process,
    /// Its home.
    pub home: Sandbox,
    /// What it printed when it was started first.
    pub key: String,
    arguments: Vec<OsString>,
}

impl Driver {
    /// Starts `sharer driver --relay … --name box ARGUMENTS` and waits until it can be asked.
    pub async fn start<S: AsRef<OsStr>>(relay: &Relay, arguments: impl IntoIterator<Item = S>) -> Self {
        Self::at(&relay.url(), arguments).await
    }

    /// As [`Self::start`], at the relay that is reached under this URL.
    pub async fn at<S: AsRef<OsStr>>(relay: &str, arguments: impl IntoIterator<Item = S>) -> Self {
        let home = Sandbox::new();
        let mut all: Vec<OsString> = ["driver", "--relay", relay, "--name", "box"].map(OsString::from).into();
        all.extend(arguments.into_iter().map(|text| text.as_ref().to_owned()));
        let (process, key) = launch(&home, &all).await;
        let driver = Self { process, home, key: key.expect("a new driver prints its key"), arguments: all };
        driver.can_be_asked().await;
        driver
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts it again, with the key that it has.
    pub async fn restart(&mut self) {
        let (process, key) = launch(&self.home, &self.arguments).await;
        assert_eq!(key, None, "a key is printed once");
        self.process = process;
        self.can_be_asked().await;
    }

    /// Tells it to end, and waits.
    pub async fn end(&mut self) {
        self.process.signal(Signal::TERM);
        self.process.exit().await;
    }

    async fn can_be_asked(&self) {
        let look = async || {
            let said = self.process.stderr();
            if said.contains("box can be asked") { Ok(()) } else { Err(said) }
        };
        until("the driver to be asked", LONG, look).await;
    }

    /// A task there, links included, once it is as wanted.
    pub async fn task(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        task(&self.home, name, wanted).await
    }
}

/// A task that runs under a home, as its user is told of it, links included, once it is as wanted.
pub async fn task(home: &Sandbox, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let look = async || {
        let tasks = tasks(home).await;
        tasks.iter().find(|task| task["name"] == name && wanted(task)).cloned().ok_or(tasks)
    };
    until(name, LONG, look).await
}

/// All tasks that run under a home, as its user is told of them, links included.
pub async fn tasks(home: &Sandbox) -> Vec<Value> {
    let output = sharer(home, &["status", "--json", "--secrets"]).await;
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let tasks = status.pointer("/0/tasks").or_else(|| status.pointer("/tasks"));
    tasks.and_then(Value::as_array).cloned().unwrap_or_default()
}

async fn launch(home: &Sandbox, arguments: &[OsString]) -> (Process, Option<String>) {
    let known = home.path().join(".local/state/sharer/driver/box.key").exists();
    let mut command = home.command(sharer_bin());
    command.args(arguments);
    let (process, stdout) = Process::start("driver", home, command);
    let mut lines = BufReader::new(stdout).lines();
    let key = if known { None } else { within("the key", LONG, lines.next_line()).await.expect("a pipe") };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (process, key)
}

/// Runs `sharer ARGUMENTS` in a home.
pub async fn sharer(home: &Sandbox, arguments: &[&str]) -> Output {
    let mut command = home.command(sharer_bin());
    command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
    within("a visit", LONG, command.output()).await.expect("sharer starts")
}

/// A home in which a driver is known as `name`.
pub async fn home_that_knows(name: &str, key: &str) -> Sandbox {
    let home = Sandbox::new();
    let added = sharer(&home, &["driver", "add", name, key]).await;
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    home
}
