//! Signals that this process gets.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// End; the signal's number.
    End(i32),
    /// The terminal has another size.
    Resized,
    /// Stop, as by Ctrl-Z.
    Stop,
}

/// Waits until the process is asked to end.
pub async fn asked() -> io::Result<()> {
    let mut told = listen()?;
    while let Some(told) = told.recv().await {
        if matches!(told, Told::End(_)) {
            break;
        }
    }
    Ok(())
}

/// Listens to all signals that matter, on the current runtime.
pub fn listen() -> io::Result<mpsc::Receiver<Told>> {
    let (tell, told) = mpsc::channel(8);
    let end = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()];
    let end = end.map(|kind| (kind, Told::End(kind.as_raw_value())));
    let stop = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
    let rest = [(SignalKind::window_change(), Told::Resized), (stop, Told::Stop)];
    for (kind, what) in end.into_iter().chain(rest) {
        let mut signal = signal(kind)?;
        let tell = tell.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                if tell.send(what).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(told)
}
