//! How a pane gets into its room: the join, its answer, and the header that says which keys are good.

use super::epoch::{Divergence, Epoch};
use super::pane::{Pane, PaneId, Stage};
use super::typing::InputConnection;
use super::update::Effect;
use super::uplink::Uplink;
use super::view::Failure;
use crate::chain::ViewerChallenge;
use crate::connection::backoff::LATER_MS;
use crate::keys::epoch::{AgreementKey, BoxError, Header, HeaderError, PROTOCOL_VERSION};
use crate::keys::grant::Right;
use crate::keys::owner::Signed;
use crate::link::Link;
use crate::wire::close::Refusal;
use crate::wire::viewer::{JoinPayload, Resume, ViewerToRelay};

/// A relay that forgot a session is asked again this often, in milliseconds...
const ASK_AGAIN_MS: u64 = 1_000;
/// ... for this long (DESIGN 4) ...
pub(super) const ASK_FOR_MS: u64 = 60_000;
/// ... and after that, or where the relay says that it forgot nothing, by a page that was live, this often. A relay
/// bears one wrong link every 2.5 s from an address.
const ASK_RARELY_MS: u64 = 10_000;
/// A child that its parent's card vouches for is asked for this often, in milliseconds, for as long as a session that a
/// relay may have forgotten: its room may be about to be made.
const ASK_FOR_CHILD_MS: u64 = 2_500;

impl Pane {
    /// Asks to be let in.
    pub(super) fn join(&mut self, uplink: &mut Uplink) {
        self.keyboard.disconnect();
        self.channel = uplink.open_channel();
        self.challenge = ViewerChallenge(uplink.entropy.array());
        let input = InputConnection::new(AgreementKey::generate(&mut uplink.entropy));
        let resume = self.epoch.as_ref().and_then(|epoch| {
            let (number, history) = (epoch.resume()?, epoch.history());
            Some(Resume { epoch: epoch.header.epoch, number, history })
        });
        let payload = JoinPayload {
            protocol: PROTOCOL_VERSION,
            session_id: self.link.session,
            token: self.link.secret.token(self.link.session),
            challenge: self.challenge,
            resume,
            agreement: Some(input.public()),
            previous: self.keyboard.previous(),
        };
        self.keyboard.connect(input);
        self.stage = Stage::Joining { since: uplink.now().mono };
        uplink.send(&ViewerToRelay::Join { channel: self.channel, payload: Box::new(payload) });
    }

    /// Leaves the room and enters it again, for a new input connection.
    pub(super) fn rejoin(&mut self, uplink: &mut Uplink) {
        if self.stage == Stage::Joined {
            self.leave(uplink);
            self.join(uplink);
        }
    }

    /// The relay let it in.
    pub(super) fn joined(&mut self, uplink: &mut Uplink, header: &Signed, resumed: bool) {
        // Already in the room: what the header says may lead out again.
        self.stage = Stage::Joined;
        self.not_found = None;
        if !self.take_header(uplink, header) {
            return;
        }
        let now = uplink.now();
        uplink.attempts = 0;
        uplink.listen();
        self.lost_at = None;
        self.sharer_heard = (now.wall, now.mono);
        self.owner_heard = now.mono;
        self.resync_due = false;
        self.progress = now.mono;
        self.resync_sent = None;
        self.viewers_revision = 0;
        if let Some(epoch) = &mut self.epoch {
            epoch.joined(resumed);
        }
    }

    /// Takes a header; false if it did not lead to keys.
    pub(super) fn take_header(&mut self, uplink: &mut Uplink, signed: &Signed) -> bool {
        let header = match Header::verify(signed, self.link.session) {
            Ok(header) => header,
            Err(HeaderError::Version(version)) => {
                self.fail(uplink, Failure::Version(version));
                return false;
            }
            Err(HeaderError::Malformed | HeaderError::NotTheOwners) => {
                self.diverge(uplink, Divergence::Header);
                return false;
            }
        };
        let rank = (header.epoch, header.revision);
        if self.accepted.is_some_and(|accepted| rank < accepted) {
            // Signed once, and no longer true: nothing that follows it may be shown.
            self.notice = Some("The relay offered an older state of the session. Asking again.");
            self.lost_at = self.lost_at.or(Some(uplink.now().wall));
            self.ask_again(uplink, LATER_MS);
            return false;
        }
        let opened = match header.open_box(&self.link.secret) {
            Ok(opened) => opened,
            Err(BoxError::None | BoxError::Sealed) => {
                self.fail(uplink, Failure::WrongKey);
                return false;
            }
        };
        self.accepted = Some(rank);
        let first = self.epoch.is_none();
        match &mut self.epoch {
            Some(epoch) if epoch.header.epoch == header.epoch => epoch.revise(header, opened),
            _ => {
                if let Some(old) = &mut self.epoch {
                    old.doubt();
                    self.run_steps(uplink);
                }
                self.old_deadline = self.proof_deadline();
                self.epoch = Some(Epoch::new(header, opened));
            }
        }
        if first
            && self.id == PaneId::OWN
            && self.right() == Some(Right::Type)
            && let Some(watch) = self.watch_link()
        {
            uplink.effect(Effect::KeepSecret { watch });
        }
        true
    }

    /// The link that watches this session; for a link that types, once its key box is open.
    pub(super) fn watch_link(&self) -> Option<Link> {
        let opened = &self.epoch.as_ref()?.opened;
        let secret = opened.input.as_ref().map_or(&self.link.secret, |input| &input.watch);
        Some(Link { secret: secret.clone(), ..self.link.clone() })
    }

    /// Leaves, and asks to be let in again after `wait_ms` and a little more, as not to come with all others.
    pub(super) fn ask_again(&mut self, uplink: &mut Uplink, wait_ms: u64) {
        self.leave(uplink);
        self.away_since = None;
        self.keyboard.disconnect();
        let jitter = uplink.entropy.u64() % (wait_ms / 4).max(1);
        self.stage = Stage::Asking { at: uplink.now().mono.after(wait_ms.saturating_add(jitter)) };
    }

    /// The relay did not let it in.
    pub(super) fn refused(&mut self, uplink: &mut Uplink, reason: &Refusal) {
        // The join was answered: there is nothing to leave.
        self.stage = Stage::Out;
        match reason {
            Refusal::NotFound { retry } => {
                let now = uplink.now();
                let since = self.not_found.get_or_insert(now).mono;
                let young = (*retry || self.task.is_some()) && now.mono.since(since) < ASK_FOR_MS;
                if !young && !self.was_live {
                    return self.fail(uplink, Failure::NotFound);
                }
                if !young {
                    self.keyboard.give_up();
                }
                let wait = match (young, *retry) {
                    (true, true) => ASK_AGAIN_MS,
                    (true, false) => ASK_FOR_CHILD_MS,
                    (false, _) => ASK_RARELY_MS,
                };
                self.ask_again(uplink, wait);
            }
            Refusal::RateLimited { retry_after_ms } => {
                self.notice = Some("The relay asks this page to wait a little.");
                self.ask_again(uplink, (*retry_after_ms).clamp(1_000, crate::connection::LONGEST_IMPOSED_MS));
            }
            Refusal::VersionMismatch { speaks } => self.fail(uplink, Failure::Version(*speaks)),
            Refusal::SessionFull
            | Refusal::RelayFull
            | Refusal::Replaced
            | Refusal::BadClaim
            | Refusal::Unknown => self.fail(uplink, Failure::Refused),
        }
    }
}
