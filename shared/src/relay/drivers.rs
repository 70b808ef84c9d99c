//! Drivers and those who ask them: the relay passes sealed bodies on, and keeps nothing beyond the connections but what is
//! on its way.

use std::collections::{BTreeMap, BTreeSet};

use super::{PeerId, Relay};
use crate::encoding::Blob;
use crate::id::{DriverId, LineId};
use crate::keys::epoch::{EpochId, PROTOCOL_VERSION};
use crate::keys::owner::Claim;
use crate::wire;
use crate::wire::close::{CloseCode, Refusal};
use crate::wire::driver::{AskerToRelay, DriverToRelay, MAX_ASKED, MAX_BODY, RelayToAsker, RelayToDriver};

/// Drivers at once. One that is refused comes again.
const MAX_DRIVERS: usize = 1_024;
/// A driver that has too much on its way is asked again after this long, in milliseconds.
const BUSY_MS: u64 = 1_000;

/// A driver that is here, or that somebody asks for.
#[derive(Debug, Default)]
struct Seat {
    /// Its connection, and the claim that won it.
    holder: Option<(PeerId, (EpochId, u64))>,
    askers: BTreeMap<PeerId, LineId>,
}

/// See the module. Bounds: [`MAX_DRIVERS`] that are here, [`MAX_ASKED`] for each connection.
#[derive(Debug, Default)]
pub(super) struct Drivers {
    seats: BTreeMap<DriverId, Seat>,
    lines: BTreeMap<LineId, (PeerId, DriverId)>,
    driven: BTreeMap<PeerId, DriverId>,
    asked: BTreeMap<PeerId, BTreeSet<DriverId>>,
    lines_ever: u64,
}

impl Drivers {
    fn holder(&self, driver: DriverId) -> Option<PeerId> {
        self.seats.get(&driver)?.holder.map(|(peer, _)| peer)
    }

    fn askers(&self, driver: DriverId) -> Vec<PeerId> {
        self.seats.get(&driver).map(|seat| seat.askers.keys().copied().collect()).unwrap_or_default()
    }

    /// The line of an asker to a driver, a new one if need be. `None`: it asks too many.
    fn line(&mut self, asker: PeerId, driver: DriverId) -> Option<LineId> {
        if let Some(line) = self.seats.get(&driver).and_then(|seat| seat.askers.get(&asker)) {
            return Some(*line);
        }
        let asked = self.asked.entry(asker).or_default();
        if asked.len() >= MAX_ASKED {
            return None;
        }
        asked.insert(driver);
        self.lines_ever += 1;
        let line = LineId(self.lines_ever);
        self.lines.insert(line, (asker, driver));
        self.seats.entry(driver).or_default().askers.insert(asker, line);
        Some(line)
    }

    fn sweep(&mut self, driver: DriverId) {
        if self.seats.get(&driver).is_some_and(|seat| seat.holder.is_none() && seat.askers.is_empty()) {
            self.seats.remove(&driver);
        }
    }
}

impl Relay {
    /// A message that is no viewer's and no sharer's. `None`: of a later version.
    pub(super) fn driver_control(&mut self, peer: PeerId, text: &str) -> Option<()> {
        if let Ok(message) = wire::decode::<AskerToRelay>(text) {
            let AskerToRelay::AskDriver { driver, body } = message;
            self.ask_driver(peer, driver, body);
            return Some(());
        }
        match wire::decode::<DriverToRelay>(text).ok()? {
            DriverToRelay::RegisterDriver { protocol, driver, claim } => {
                if let Err(reason) = self.register_driver(peer, protocol, driver, &claim) {
                    self.counted.refusals += 1;
                    self.refuse_driver(peer, driver, reason);
                }
            }
            DriverToRelay::TellAsker { line, body } => self.tell_asker(peer, line, body),
        }
        Some(())
    }

    fn register_driver(
        &mut self,
        peer: PeerId,
        protocol: u32,
        driver: DriverId,
        claim: &Claim,
    ) -> Result<(), Refusal> {
        if protocol != PROTOCOL_VERSION {
            return Err(Refusal::VersionMismatch { speaks: PROTOCOL_VERSION });
        }
        let Some(open) = self.peers.get(&peer) else { return Ok(()) };
        let (challenge, info) = (open.challenge, open.info.clone());
        self.verify(&info.address)?;
        let other = self.drivers.driven.get(&peer).is_some_and(|known| *known != driver);
        if other || !claim.verify_driver(driver, &challenge, &info.host) {
            return Err(Refusal::BadClaim);
        }
        let before = self.drivers.seats.get(&driver).and_then(|seat| seat.holder);
        let order = (claim.epoch, claim.number);
        match before {
            Some((_, held)) if order <= held => return Err(Refusal::Replaced),
            None if self.drivers.driven.len() >= MAX_DRIVERS => return Err(Refusal::RelayFull),
            Some(_) | None => {}
        }
        self.drivers.seats.entry(driver).or_default().holder = Some((peer, order));
        if let Some((older, _)) = before.filter(|(older, _)| *older != peer) {
            self.drivers.driven.remove(&older);
            self.refuse_driver(older, driver, Refusal::Replaced);
        }
        self.drivers.driven.insert(peer, driver);
        self.reply(peer, wire::encode(&RelayToDriver::DriverRegistered { driver }));
        self.tell_presence(driver, true);
        Ok(())
    }

    /// Says no; a connection that was there for that driver only has no use any more.
    fn refuse_driver(&mut self, peer: PeerId, driver: DriverId, reason: Refusal) {
        let replaced = reason == Refusal::Replaced;
        self.reply(peer, wire::encode(&RelayToDriver::DriverRefused { driver, reason }));
        if replaced && self.peers.get(&peer).is_some_and(|open| open.channels.is_empty()) {
            self.close(peer, CloseCode::Replaced);
        }
    }

    fn tell_presence(&mut self, driver: DriverId, here: bool) {
        for asker in self.drivers.askers(driver) {
            self.reply(asker, wire::encode(&RelayToAsker::DriverPresence { driver, here }));
        }
    }

    fn ask_driver(&mut self, peer: PeerId, driver: DriverId, body: Blob) {
        if body.0.len() > MAX_BODY {
            return self.close(peer, CloseCode::TooLarge);
        }
        let Some(address) = self.peers.get(&peer).map(|open| open.info.address.clone()) else { return };
        let busy = |retry_after_ms| wire::encode(&RelayToAsker::DriverBusy { driver, retry_after_ms });
        if let Err(wait) = self.limits.ask(self.clock, &address, driver) {
            return self.reply(peer, busy(wait));
        }
        let Some(line) = self.drivers.line(peer, driver) else {
            return self.close(peer, CloseCode::ProtocolError);
        };
        let Some(holder) = self.drivers.holder(driver) else {
            let away = RelayToAsker::DriverPresence { driver, here: false };
            return self.reply(peer, wire::encode(&away));
        };
        let asked = wire::encode(&RelayToDriver::DriverAsked { line, body });
        if self.peers.get_mut(&holder).is_some_and(|open| open.post(asked)) {
            self.make_ready(holder);
        } else {
            self.reply(peer, busy(BUSY_MS));
        }
    }

    fn tell_asker(&mut self, peer: PeerId, line: LineId, body: Blob) {
        if body.0.len() > MAX_BODY {
            return self.close(peer, CloseCode::TooLarge);
        }
        // A line that is gone, as what is told may have crossed that news; or another driver's.
        let Some((asker, driver)) = self.drivers.lines.get(&line).copied() else { return };
        if self.drivers.holder(driver) != Some(peer) {
            return;
        }
        let told = wire::encode(&RelayToAsker::DriverTold { driver, body });
        if self.peers.get_mut(&asker).is_some_and(|open| open.post(told)) {
            self.make_ready(asker);
        } else {
            // Reports are told once: whoever missed one has to come again.
            self.close(asker, CloseCode::RateLimited);
        }
    }

    /// A connection goes: its driver is away, and its lines are.
    pub(super) fn leave_drivers(&mut self, peer: PeerId) {
        if let Some(driver) = self.drivers.driven.remove(&peer)
            && self.drivers.holder(driver) == Some(peer)
        {
            if let Some(seat) = self.drivers.seats.get_mut(&driver) {
                seat.holder = None;
            }
            self.tell_presence(driver, false);
            self.drivers.sweep(driver);
        }
        for driver in self.drivers.asked.remove(&peer).unwrap_or_default() {
            let line = self.drivers.seats.get_mut(&driver).and_then(|seat| seat.askers.remove(&peer));
            let Some(line) = line else { continue };
            self.drivers.lines.remove(&line);
            if let Some(holder) = self.drivers.holder(driver) {
                self.reply(holder, wire::encode(&RelayToDriver::AskerLeft { line }));
            }
            self.drivers.sweep(driver);
        }
    }

    #[cfg(test)]
    pub(super) fn remembers_drivers(&self) -> bool {
        let Drivers { seats, lines, driven, asked, .. } = &self.drivers;
        !(seats.is_empty() && lines.is_empty() && driven.is_empty() && asked.is_empty())
    }
}
