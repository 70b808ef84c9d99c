//! `sharer -- COMMAND` inside a shared terminal: the program keeps the terminal it was started in and is a task of the
//! session around it, which shares it, or not, like its other tasks. No key, link or relay is here.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use shared::event::WindowSize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use super::{banner, seat};
use crate::config::{Config, EventsTo};
use crate::control::nested::Frame;
use crate::control::request::{Call, Nest, Reply, Request};
use crate::control::{SOCKET_VARIABLE, TOKEN_VARIABLE, ask};
use crate::last_output::LastOutput;
use crate::pty::{self, Ended, Program, Pty, Typing};
use crate::shutdown::{self, Told};
use crate::tty;

/// A program that does not end when it is told to is killed after this long.
const HANG_UP: Duration = Duration::from_secs(2);
/// Output is not on its way any more if none has come for so long after the program's end.
const QUIET: Duration = Duration::from_millis(200);
/// The most read at once, in bytes.
const CHUNK: usize = 16 * 1024;

/// Runs the program as a task of the session around this process. `None`: there is none, or the command line asks for a
/// session of its own. Of `apart` it is said that a task cannot have it.
pub(super) fn run(config: &Config, program: &Program, apart: &[String]) -> anyhow::Result<Option<u8>> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let token = set(TOKEN_VARIABLE).and_then(|token| token.into_string().ok());
    let (Some(socket), Some(token)) = (set(SOCKET_VARIABLE), token) else { return Ok(None) };
    let own = config.no_child || config.private || config.open || config.qr;
    if own || config.events != EventsTo::Nowhere {
        return Ok(None);
    }
    let window = config.headless.or_else(tty::size).unwrap_or(WindowSize { cols: 80, rows: 24 });
    let nest = Nest {
        name: config.title.clone().unwrap_or_else(|| program.name()),
        command: program.command(),
        dir: std::env::current_dir().unwrap_or_default(),
        cols: window.cols,
        rows: window.rows,
        read_only: config.read_only,
        no_record: config.record.is_none(),
    };
    let call = Call { token: Some(token), request: Request::Nest(Box::new(nest)) };
    let (reply, stream) = match ask::open(Path::new(&socket), &call) {
        Ok(opened) => opened,
        // That session is over, and this terminal shared no more.
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => {
            return Err(error).context("the session around this cannot take it as a task (--no-child)");
        }
    };
    if let Reply::Refused(why) = reply {
        bail!("{why} (--no-child shares it apart)");
    }
    let Reply::Nested { task, notice, environment } = reply else {
        bail!("the running sharer is of another version (--no-child shares it apart)");
    };
    if !config.quiet {
        banner::show(&format!("sharer: a task of the session around this: {}\n", task.name));
        if let Some(said) = left_out(apart) {
            banner::show(&format!("sharer: {said}\n"));
        }
        if let Some(notice) = notice {
            banner::show(&format!("sharer: {notice}\n"));
        }
    }
    let environment: Vec<(String, OsString)> =
        environment.into_iter().map(|(name, value)| (name, value.into())).collect();
    let environment: Vec<(&str, OsString)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        // Before there is a program: a signal that ended this process alone would leave it behind.
        let signals = (shutdown::listen()?, signal(SignalKind::child())?);
        let pty = Pty::start(program, window, &environment)?;
        attend(config.headless.is_some(), &pty, stream, signals).await
    });
    runtime.shutdown_background();
    status.map(Some)
}

/// Says of options that a task cannot have them, if there are any.
fn left_out(apart: &[String]) -> Option<String> {
    let (last, before) = apart.split_last()?;
    let names = if before.is_empty() { last.clone() } else { format!("{} and {last}", before.join(", ")) };
    let are = if before.is_empty() { "is" } else { "are" };
    Some(format!(
        "{names} {are} left out: this is a task of the session around this (--no-child shares it apart)"
    ))
}

/// What the thread that reads the PTY tells.
struct Reading {
    last: LastOutput,
    closed: AtomicBool,
    /// Rings when the program has ended and more is known of its output.
    done: Notify,
}

async fn attend(
    headless: bool,
    pty: &Pty,
    stream: UnixStream,
    (mut signals, mut exits): (mpsc::Receiver<Told>, Signal),
) -> anyhow::Result<u8> {
    let raw = if headless { None } else { Some(tty::Raw::enter()?) };
    if !headless {
        seat::keyboard(pty);
    }
    let (typing, input) = (pty.typing(), stream.try_clone()?);
    std::thread::spawn(move || take_typed(&typing, input));
    let out = Arc::new(Mutex::new(stream));
    let last = LastOutput::new(Instant::now().into_std(), QUIET);
    let reading = Arc::new(Reading { last, closed: AtomicBool::new(false), done: Notify::new() });
    let (theirs, output, to) = (Arc::clone(&reading), pty.output()?, Arc::clone(&out));
    std::thread::spawn(move || show(output, !headless, &to, &theirs));

    let (mut ended, mut told_to_end, mut kill_at) = (pty::ended(pty.pid()), None, None);
    loop {
        if ended.is_some() {
            reading.last.ended(Instant::now().into_std());
        }
        let settle_at = reading.last.until(false).map(Instant::from_std);
        if ended.is_some() && reading.closed.load(Ordering::Acquire)
            || settle_at.is_some_and(|at| at <= Instant::now())
        {
            break;
        }
        let wake = kill_at.into_iter().chain(settle_at).min();
        tokio::select! {
            Some(()) = exits.recv() => ended = ended.or_else(|| pty::ended(pty.pid())),
            () = reading.done.notified() => {}
            Some(told) = signals.recv() => match told {
                Told::Resized => resize(headless, pty, &out),
                Told::Stop => {
                    suspend(headless, pty);
                    resize(headless, pty, &out);
                }
                Told::End(signal) => {
                    told_to_end = Some(signal);
                    reading.last.hurry();
                    if ended.is_none() {
                        pty::hang_up(pty.pid());
                        kill_at = kill_at.or(Some(Instant::now() + HANG_UP));
                    }
                }
            },
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                if kill_at.take_if(|at| *at <= Instant::now()).is_some() && ended.is_none() {
                    pty::signal(pty.pid(), rustix::process::Signal::KILL);
                }
            }
        }
    }
    drop(raw);
    let ended = ended.unwrap_or(Ended { code: None, signal: None });
    say(&out, &Frame::Ended(ended));
    Ok(told_to_end.map_or(ended, |signal| Ended { code: None, signal: Some(signal) }).status())
}

/// The program's output: to this terminal first, then to the session, which holds it when its model is far behind.
fn show(mut pty: impl Read, mut local: bool, out: &Mutex<UnixStream>, reading: &Reading) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let bytes = match pty.read(&mut chunk) {
            Ok(read @ 1..) => chunk.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => break,
        };
        reading.last.took(std::time::Instant::now(), bytes.len());
        if local {
            local = tty::show(bytes).is_ok();
        }
        say(out, &Frame::Output(bytes.to_vec()));
        if reading.last.gave(std::time::Instant::now()) {
            reading.done.notify_one();
        }
    }
    reading.closed.store(true, Ordering::Release);
    reading.done.notify_one();
}

/// Says something to the session; one that is gone does not stop the program.
fn say(out: &Mutex<UnixStream>, frame: &Frame) {
    drop(frame.write(&mut *out.lock().unwrap_or_else(PoisonError::into_inner)));
}

fn take_typed(typing: &Typing, mut input: UnixStream) {
    while let Ok(Some(Frame::Typed(bytes))) = Frame::read(&mut input) {
        if typing.write(&bytes).is_err() {
            return;
        }
    }
}

fn resize(headless: bool, pty: &Pty, out: &Arc<Mutex<UnixStream>>) {
    if let (false, Some(size)) = (headless, tty::size()) {
        pty.resize(size);
        // The thread that reads the PTY may be held while it says something.
        let out = Arc::clone(out);
        tokio::task::spawn_blocking(move || {
            if let Some(size) = tty::size() {
                say(&out, &Frame::Resized(size));
            }
        });
    }
}

fn suspend(headless: bool, pty: &Pty) {
    if headless {
        let _ignored =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    } else if let Err(error) = tty::suspend() {
        tracing::warn!(%error, "the terminal could not be made raw again");
    }
    pty::signal(pty.pid(), rustix::process::Signal::WINCH);
}
