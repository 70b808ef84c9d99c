//! Drivers at the relay: who they are, who asks them, and how much may be on its way.

use super::*;
use crate::encoding::Blob;
use crate::id::{DriverId, LineId};
use crate::keys::driver::DriverKey;
use crate::wire::driver::{
    AskerToRelay, DriverToRelay, MAX_ASKED, MAX_BODY, MAX_ORDER, RelayToAsker, RelayToDriver,
};

fn key(seed: u8) -> DriverKey {
    DriverKey::generate(&mut Entropy::from_seed([seed; 32]))
}

fn boot(start: u64) -> EpochId {
    EpochId { start: UnixMs(start), random: 1 }
}

impl World {
    fn register(&mut self, peer: u64, key: &DriverKey, boot: EpochId, number: u64, host: &str) {
        let challenge = self.connect(peer);
        let claim = Claim::sign_driver(key.owner(), boot, number, &challenge, host);
        let message = DriverToRelay::RegisterDriver { protocol: PROTOCOL_VERSION, driver: key.id(), claim };
        self.text(peer, &message);
    }

    fn ask(&mut self, peer: u64, driver: DriverId, body: &[u8]) {
        self.text(peer, &AskerToRelay::AskDriver { driver, body: Blob(body.to_vec()) });
    }

    fn said<M: serde::de::DeserializeOwned>(&mut self, peer: u64) -> Vec<M> {
        let text = |outgoing| match outgoing {
            Outgoing::Text(text) => wire::decode(&text).ok(),
            _ => None,
        };
        self.take(peer).into_iter().filter_map(text).collect()
    }

    fn is_closed_with(&mut self, peer: u64, code: CloseCode) -> bool {
        self.take(peer).contains(&Outgoing::Close(code))
    }
}

#[test]
fn what_is_asked_and_told_passes_unread_between_the_two() {
    let mut world = World::new();
    let (own, id) = (key(1), key(1).id());
    world.register(1, &own, boot(5), 1, HOST);
    assert_eq!(world.said::<RelayToDriver>(1), [RelayToDriver::DriverRegistered { driver: id }]);
    for (peer, line) in [(2, LineId(1)), (3, LineId(2))] {
        world.connect(peer);
        world.ask(peer, id, b"sealed");
        let asked = RelayToDriver::DriverAsked { line, body: Blob(b"sealed".to_vec()) };
        assert_eq!(world.said::<RelayToDriver>(1), [asked]);
    }
    let told = |line| DriverToRelay::TellAsker { line, body: Blob(b"too".to_vec()) };
    world.text(1, &told(LineId(2)));
    assert!(world.said::<RelayToAsker>(2).is_empty(), "nobody hears what another is told");
    let heard = RelayToAsker::DriverTold { driver: id, body: Blob(b"too".to_vec()) };
    assert_eq!(world.said::<RelayToAsker>(3), [heard]);
    // Nobody but the driver tells its askers.
    world.text(2, &told(LineId(2)));
    world.register(4, &key(2), boot(5), 1, HOST);
    world.text(4, &told(LineId(2)));
    assert!(world.said::<RelayToAsker>(3).is_empty());

    world.relay.handle_disconnected(world.now(), PeerId(2));
    world.drain();
    assert_eq!(world.said::<RelayToDriver>(1), [RelayToDriver::AskerLeft { line: LineId(1) }]);
    for peer in [1, 3, 4] {
        world.relay.handle_disconnected(world.now(), PeerId(peer));
    }
    assert!(!world.relay.remembers_drivers(), "nothing is kept beyond the connections");
}

#[test]
fn a_driver_proves_its_key_and_the_newest_boot_holds_the_place() {
    let mut world = World::new();
    let (own, id) = (key(1), key(1).id());
    let refused = |reason| vec![RelayToDriver::DriverRefused { driver: id, reason }];
    world.register(1, &own, boot(5), 1, "other.example");
    assert_eq!(world.said::<RelayToDriver>(1), refused(Refusal::BadClaim));
    // Another's key, and a claim for another challenge.
    let challenge = world.connect(2);
    for (signer, challenge) in [(key(2), challenge), (key(1), Challenge([0; 32]))] {
        let claim = Claim::sign_driver(signer.owner(), boot(5), 1, &challenge, HOST);
        world.text(2, &DriverToRelay::RegisterDriver { protocol: PROTOCOL_VERSION, driver: id, claim });
        assert_eq!(world.said::<RelayToDriver>(2), refused(Refusal::BadClaim));
    }
    world.register(3, &own, boot(5), 1, HOST);
    assert_eq!(world.said::<RelayToDriver>(3).len(), 1, "the control");
    world.register(4, &own, boot(4), 9, HOST);
    assert_eq!(world.said::<RelayToDriver>(4), refused(Refusal::Replaced));
    world.register(5, &own, boot(6), 1, HOST);
    let sent = world.take(3);
    assert!(sent.contains(&Outgoing::Close(CloseCode::Replaced)), "{sent:?}");
    world.connect(6);
    world.ask(6, id, b"x");
    assert_eq!(world.said::<RelayToDriver>(5).len(), 2, "registered, and asked");
    // What is left of the older one changes nothing.
    world.relay.handle_disconnected(world.now(), PeerId(3));
    world.drain();
    assert!(world.said::<RelayToAsker>(6).is_empty());
}

#[test]
fn who_asks_hears_when_the_driver_comes_and_goes() {
    let mut world = World::new();
    let (own, id) = (key(1), key(1).id());
    let presence = |here| vec![RelayToAsker::DriverPresence { driver: id, here }];
    world.connect(2);
    world.ask(2, id, b"x");
    assert_eq!(world.said::<RelayToAsker>(2), presence(false), "as for any id");
    world.register(1, &own, boot(5), 1, HOST);
    assert_eq!(world.said::<RelayToAsker>(2), presence(true));
    world.relay.handle_disconnected(world.now(), PeerId(1));
    world.drain();
    assert_eq!(world.said::<RelayToAsker>(2), presence(false));
}

#[test]
fn what_is_on_its_way_is_bounded() {
    let mut world = World::new();
    let (own, id) = (key(1), key(1).id());
    world.register(1, &own, boot(5), 1, HOST);
    world.take(1);
    world.connect(2);
    let largest = vec![7; MAX_ORDER];
    let message = AskerToRelay::AskDriver { driver: id, body: Blob(largest) };
    let packet = Packet::Text(wire::encode(&message));
    // The driver does not read.
    let mut taken = 0;
    for _ in 0..10 {
        world.relay.handle_packet(world.now(), PeerId(2), packet.clone());
        let mut busy = false;
        while let Some(Outgoing::Text(text)) = world.relay.poll_transmit(PeerId(2)) {
            busy |= matches!(wire::decode(&text), Ok(RelayToAsker::DriverBusy { retry_after_ms: 1_000, .. }));
        }
        taken += u32::from(!busy);
    }
    assert!((1..=4).contains(&taken), "{taken}");
    world.drain();
    assert_eq!(world.said::<RelayToDriver>(1).len(), taken as usize);
    // Asking is slowed down, per address and driver, and comes back.
    for _ in 0..500 {
        world.ask(2, id, b"x");
    }
    let heard = world.said::<RelayToAsker>(2);
    assert!(heard.iter().any(|told| matches!(told, RelayToAsker::DriverBusy { .. })));
    assert!(world.said::<RelayToDriver>(1).len() < 400);
    world.wait(10_000);
    world.ask(2, id, b"x");
    assert_eq!(world.said::<RelayToDriver>(1).len(), 1);
    // An asker that does not read is closed, and its line is gone.
    for _ in 0..10 {
        let body = Blob(vec![7; MAX_ORDER]);
        let told = DriverToRelay::TellAsker { line: LineId(1), body };
        world.relay.handle_packet(world.now(), PeerId(1), Packet::Text(wire::encode(&told)));
    }
    world.drain();
    assert!(world.is_closed_with(2, CloseCode::RateLimited));
    assert!(world.said::<RelayToDriver>(1).contains(&RelayToDriver::AskerLeft { line: LineId(1) }));

    world.connect(3);
    world.ask(3, id, &vec![0; MAX_BODY + 1]);
    assert!(world.is_closed_with(3, CloseCode::TooLarge));
    world.connect(4);
    for n in 0..=MAX_ASKED {
        world.ask(4, DriverId([u8::try_from(n).unwrap(); 16]), b"x");
    }
    assert!(world.is_closed_with(4, CloseCode::ProtocolError));
}
