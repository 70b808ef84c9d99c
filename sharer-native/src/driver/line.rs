//! A driver's, or an asker's, machine with its socket and its clock.

use std::time::Duration;

use shared::driver::{Asker, AskerEffect, Driver, DriverEffect};
use shared::time::{Moment, Now};
use shared::wire::Packet;
use shared::wire::close::CloseCode;

use crate::clock;
use crate::uplink::{Change, Uplink};
use crate::ws::RelayUrl;

/// The longest sleep: the runtime's clock stands still while the computer sleeps, the machine's does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// What a machine wants.
#[derive(Debug)]
pub enum Wanted<N> {
    /// Connect.
    Connect,
    /// Drop the socket.
    Close(CloseCode),
    /// Something for its owner.
    News(N),
}

/// What both machines have in common.
pub trait Machine {
    /// What its owner hears.
    type News;
    /// See [`Driver::handle_connected`].
    fn connected(&mut self, now: Now, host: &str);
    /// See [`Driver::handle_disconnected`].
    fn disconnected(&mut self, now: Now, code: Option<u16>);
    /// See [`Driver::handle_packet`].
    fn packet(&mut self, now: Now, packet: &Packet);
    /// See [`Driver::poll_transmit`].
    fn transmit(&mut self) -> Option<Packet>;
    /// See [`Driver::poll_effect`].
    fn wanted(&mut self) -> Option<Wanted<Self::News>>;
    /// See [`Driver::poll_timeout`].
    fn deadline(&self) -> Option<Moment>;
    /// See [`Driver::handle_timeout`].
    fn timeout(&mut self, now: Now);
}

/// Both have the same methods.
macro_rules! machine {
    ($machine:ident, $effect:ident) => {
        impl Machine for $machine {
            type News = $effect;
            fn connected(&mut self, now: Now, host: &str) {
                self.handle_connected(now, host);
            }
            fn disconnected(&mut self, now: Now, code: Option<u16>) {
                self.handle_disconnected(now, code);
            }
            fn packet(&mut self, now: Now, packet: &Packet) {
                self.handle_packet(now, packet);
            }
            fn transmit(&mut self) -> Option<Packet> {
                self.poll_transmit()
            }
            fn wanted(&mut self) -> Option<Wanted<$effect>> {
                Some(match self.poll_effect()? {
                    $effect::Connect => Wanted::Connect,
                    $effect::Close(code) => Wanted::Close(code),
                    news => Wanted::News(news),
                })
            }
            fn deadline(&self) -> Option<Moment> {
                self.poll_timeout().map(|(at, _)| at)
            }
            fn timeout(&mut self, now: Now) {
                self.handle_timeout(now);
            }
        }
    };
}

machine!(Driver, DriverEffect);
machine!(Asker, AskerEffect);

/// See the module.
#[derive(Debug)]
pub struct Line<M> {
    /// The machine; after a command to it, [`Line::news`] is due.
    pub machine: M,
    uplink: Uplink,
    /// When the socket is looked at next. Not "in a while": steps are dropped whenever something else happens first.
    look_at: Moment,
}

fn next_look() -> Moment {
    clock::now().mono.after(u64::try_from(LONGEST_SLEEP.as_millis()).unwrap_or(u64::MAX))
}

impl<M: Machine> Line<M> {
    /// Around a machine whose relay is there.
    pub fn new(machine: M, relay: RelayUrl) -> Self {
        let mut uplink = Uplink::default();
        uplink.dial(relay);
        Self { machine, uplink, look_at: next_look() }
    }

    /// The next news; does on the way what concerns the socket.
    pub fn news(&mut self) -> Option<M::News> {
        loop {
            match self.machine.wanted()? {
                Wanted::Connect => self.uplink.connect(),
                Wanted::Close(code) => self.uplink.close(code),
                Wanted::News(news) => return Some(news),
            }
        }
    }

    /// Why there is no connection, in words for people.
    pub fn trouble(&self) -> Option<&str> {
        self.uplink.trouble()
    }

    /// Sends, receives and waits until there may be news. Nothing is lost when this is dropped before it is ready.
    pub async fn step(&mut self) {
        let now = clock::now().mono;
        // A quiet relay is asked now and then whether it is there.
        let wake = self.machine.deadline().into_iter().chain([self.look_at]).min();
        let wake = wake.map_or(LONGEST_SLEEP, |at| Duration::from_millis(at.since(now)));
        let (machine, uplink) = (&mut self.machine, &mut self.uplink);
        let timer = tokio::time::sleep(wake.min(LONGEST_SLEEP));
        let change = tokio::select! {
            change = uplink.step(|| machine.transmit()) => Some(change),
            () = timer => None,
        };
        let now = clock::now();
        match change {
            Some(Change::Sent) => {}
            Some(Change::Connected) => self.machine.connected(now, self.uplink.host()),
            Some(Change::Got(packet)) => self.machine.packet(now, &packet),
            Some(Change::Closed(code)) => self.machine.disconnected(now, code),
            None => {
                self.look_at = next_look();
                if !self.uplink.check() {
                    self.machine.disconnected(now, None);
                }
                self.machine.timeout(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::driver::Contact;
    use shared::entropy::Entropy;
    use shared::keys::driver::DriverKey;

    #[tokio::test]
    async fn the_socket_is_looked_at_however_often_something_else_comes_first() {
        let key = DriverKey::generate(&mut Entropy::from_seed([1; 32]));
        let base = "http://127.0.0.1:1".to_owned();
        let contact = Contact { base: base.clone(), id: key.id(), secret: key.secret().clone() };
        let asker = Asker::new(contact, Entropy::from_seed([2; 32]), clock::now());
        let mut line = Line::new(asker, RelayUrl::parse(&base).unwrap());
        let due = clock::now().mono.after(30);
        line.look_at = due;
        while clock::now().mono.since(due) < 60_000 && line.look_at == due {
            drop(tokio::time::timeout(Duration::from_millis(1), line.step()).await);
        }
        assert_ne!(line.look_at, due);
    }
}
