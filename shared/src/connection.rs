//! When to connect: one peer's way to one relay, over as many sockets as it takes.

pub mod backoff;

use self::backoff::{Backoff, LATER_MS};
use crate::entropy::Entropy;
use crate::time::{Moment, Now};
use crate::wire::close::{Advice, CloseCode};

/// A connection that lasted this long, in milliseconds, was a good one: the next break is met without a wait.
const GOOD_AFTER_MS: u64 = 5_000;
/// An attempt to connect is given up after this long, in milliseconds: the far end may be half gone.
const ATTEMPT_MS: u64 = 15_000;
/// The longest wait a relay can impose, in milliseconds.
pub(crate) const LONGEST_IMPOSED_MS: u64 = 10 * 60 * 1_000;

/// Where the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The next attempt is due at this moment.
    Waiting(Moment),
    /// An attempt began at this moment.
    Connecting(Moment),
    /// It stands since this moment.
    Connected(Moment),
    /// It is not made again; the close code that said so, if one did.
    Stopped(Option<u16>),
}

/// Decides when to connect. The first attempt, and the first after a good connection, come at once.
#[derive(Debug)]
pub struct Connection {
    stage: Stage,
    backoff: Backoff,
}

impl Connection {
    /// A connection that wants to be made now.
    pub fn new(entropy: Entropy, now: Now) -> Self {
        let mut backoff = Backoff::new(entropy);
        let first = backoff.next_wait();
        Self { stage: Stage::Waiting(now.mono.after(first)), backoff }
    }

    /// Where it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether it stands.
    pub fn is_connected(&self) -> bool {
        matches!(self.stage, Stage::Connected(_))
    }

    /// Begins an attempt if one is due; the caller connects when it says so.
    pub fn poll_connect(&mut self, now: Now) -> bool {
        match self.stage {
            Stage::Waiting(until) if until <= now.mono => {
                self.stage = Stage::Connecting(now.mono);
                true
            }
            Stage::Waiting(_) | Stage::Connecting(_) | Stage::Connected(_) | Stage::Stopped(_) => false,
        }
    }

    /// The socket is open.
    pub fn handle_connected(&mut self, now: Now) {
        if !matches!(self.stage, Stage::Stopped(_)) {
            self.stage = Stage::Connected(now.mono);
        }
    }

    /// The socket closed, or an attempt failed; a close code may advise.
    pub fn handle_disconnected(&mut self, now: Now, code: Option<u16>) {
        if matches!(self.stage, Stage::Stopped(_) | Stage::Waiting(_)) {
            return;
        }
        match code.map_or(Advice::Retry, CloseCode::advice) {
            Advice::Retry => self.retry(now, 0),
            Advice::RetryLater => self.retry(now, LATER_MS),
            Advice::Stop => self.stage = Stage::Stopped(code),
        }
    }

    /// The machine on top gives the socket up and wants another one, not before `at_least_ms`.
    pub fn retry(&mut self, now: Now, at_least_ms: u64) {
        match self.stage {
            Stage::Stopped(_) => return,
            Stage::Connected(since) if now.mono.since(since) >= GOOD_AFTER_MS => self.backoff.reset(),
            Stage::Connected(_) | Stage::Connecting(_) | Stage::Waiting(_) => {}
        }
        // The jitter stays on top of what the relay asked for.
        let wait = self.backoff.next_wait().saturating_add(at_least_ms.min(LONGEST_IMPOSED_MS));
        self.stage = Stage::Waiting(now.mono.after(wait));
    }

    /// The network is back, or a person looks: an attempt that waits is made now.
    pub fn hurry(&mut self, now: Now) {
        if matches!(self.stage, Stage::Waiting(_)) {
            self.backoff.reset();
            self.stage = Stage::Waiting(now.mono);
        }
    }

    /// Never connects again.
    pub fn stop(&mut self, code: Option<u16>) {
        if !matches!(self.stage, Stage::Stopped(_)) {
            self.stage = Stage::Stopped(code);
        }
    }

    /// When to call [`Connection::handle_timeout`] and [`Connection::poll_connect`].
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        match self.stage {
            Stage::Waiting(until) => Some((until, "connect")),
            Stage::Connecting(since) => Some((since.after(ATTEMPT_MS), "give up connecting")),
            Stage::Connected(_) | Stage::Stopped(_) => None,
        }
    }

    /// A deadline passed. Returns whether the attempt under way is given up: the caller drops its socket.
    pub fn handle_timeout(&mut self, now: Now) -> bool {
        match self.stage {
            Stage::Connecting(since) if now.mono.since(since) >= ATTEMPT_MS => {
                self.retry(now, 0);
                true
            }
            Stage::Connecting(_) | Stage::Waiting(_) | Stage::Connected(_) | Stage::Stopped(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now::new(ms, ms)
    }

    fn wait(connection: &Connection, now: u64) -> u64 {
        let Stage::Waiting(until) = connection.stage() else { panic!("{:?}", connection.stage()) };
        until.0 - now
    }

    #[test]
    fn connects_at_once_then_backs_off_and_obeys_advice() {
        let mut connection = Connection::new(Entropy::from_seed([2; 32]), at(0));
        assert!(connection.poll_connect(at(0)));
        assert!(!connection.poll_connect(at(0)), "one attempt at a time");
        connection.handle_disconnected(at(1), None);
        assert!((125..=250).contains(&wait(&connection, 1)));
        assert!(!connection.poll_connect(at(2)));
        assert!(connection.poll_connect(at(300)));
        connection.handle_connected(at(300));
        connection.handle_disconnected(at(10_000), Some(1006));
        assert_eq!(wait(&connection, 10_000), 0, "a good connection is made again at once");
        assert!(connection.poll_connect(at(10_000)));
        connection.handle_connected(at(10_000));
        connection.handle_disconnected(at(10_001), Some(CloseCode::Full.code()));
        assert!(wait(&connection, 10_001) >= LATER_MS);
        connection.hurry(at(10_002));
        assert!(connection.poll_connect(at(10_002)));
        assert!(connection.handle_timeout(at(10_002 + ATTEMPT_MS)), "a hanging attempt is given up");
        connection.hurry(at(30_000));
        assert!(connection.poll_connect(at(30_000)));
        connection.handle_connected(at(30_000));
        connection.handle_disconnected(at(30_001), Some(CloseCode::Replaced.code()));
        assert_eq!(connection.stage(), Stage::Stopped(Some(4300)));
        connection.hurry(at(40_000));
        assert!(!connection.poll_connect(at(50_000)));
    }
}
