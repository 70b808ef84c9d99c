//! What a person types into a pane: whether it goes anywhere, and what becomes of it when a connection breaks.

use super::pane::{Pane, Stage};
use super::paste::{self, PasteQuestion};
use super::typing::{InputConnection, LostInput};
use super::uplink::Uplink;
use super::view::{State, Typing};
use crate::chain::Answer;
use crate::event::WindowSize;
use crate::input::{Input, InputSealer, View as Seen};
use crate::keys::epoch::AgreementPublic;
use crate::keys::grant::Right;
use crate::time::Moment;
use crate::wire::frame::Frame;
use crate::wire::sharer::InputRefusal;

/// Keys by which a person ends, quits or suspends a program that floods: ^C, ^\ and ^Z.
const STOPS: [u8; 3] = [0x03, 0x1c, 0x1a];

/// One pane's keyboard.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    input: Option<InputConnection>,
    /// An input connection that broke with input that nobody acknowledged.
    broken: Option<InputConnection>,
    /// The person wants to type.
    wanted: bool,
    /// The sharer takes no input from this link.
    refused: bool,
    lost: Option<LostInput>,
    question: Option<(PasteQuestion, Vec<u8>)>,
    /// A key was typed that stops a program.
    stops: bool,
    /// The size that was asked for on this input connection.
    asked: Option<WindowSize>,
}

impl Keyboard {
    /// A new input connection, to be opened by the sharer's answer.
    pub(super) fn connect(&mut self, input: InputConnection) {
        self.input = Some(input);
        self.asked = None;
    }

    /// The input connection is over; what nobody acknowledged is kept until the sharer says how much it took.
    pub(super) fn disconnect(&mut self) {
        if let Some(mut input) = self.input.take()
            && input.lost(None).is_some()
            && self.broken.is_none()
        {
            self.broken = Some(input);
        }
    }

    /// Nothing is typed any more; what may be lost is `told`.
    pub(super) fn close(&mut self, told: bool) {
        self.disconnect();
        if told {
            self.give_up();
        }
        self.broken = None;
        self.wanted = false;
        self.question = None;
    }

    /// Nobody may ever say what became of the input of a connection that broke.
    pub(super) fn give_up(&mut self) {
        if let Some(mut broken) = self.broken.take() {
            self.lost = self.lost.take().or_else(|| broken.lost(None));
        }
    }

    /// The key of the input connection that broke, to learn how much of it was taken.
    pub(super) fn previous(&self) -> Option<AgreementPublic> {
        self.broken.as_ref().map(InputConnection::public)
    }

    /// When the oldest input was sent that is not known to be taken.
    pub(super) fn oldest(&self) -> Option<Moment> {
        self.input.as_ref().and_then(InputConnection::oldest)
    }

    /// The sharer acknowledged; false if that is none of this connection's acknowledgements.
    pub(super) fn taken(&mut self, sealed: &[u8]) -> bool {
        self.input.as_mut().is_none_or(|input| input.taken(sealed))
    }

    /// The person wants to type no more.
    pub(super) fn stop(&mut self) {
        self.wanted = false;
    }

    /// The person saw what may be lost.
    pub(super) fn go_on(&mut self) {
        self.lost = None;
    }

    /// A paste that waits for the person's word.
    pub(super) fn question(&self) -> Option<PasteQuestion> {
        self.question.as_ref().map(|(question, _)| question.clone())
    }

    fn is_ready(&self) -> bool {
        self.wanted
            && self.lost.is_none()
            && self.broken.is_none()
            && self.input.as_ref().is_some_and(InputConnection::is_open)
    }

    fn is_open(&self) -> bool {
        self.input.as_ref().is_some_and(InputConnection::is_open)
    }
}

impl Pane {
    /// Whether this pane types.
    pub(super) fn typing(&self, state: &State) -> Typing {
        let keyboard = &self.keyboard;
        if let Some(lost) = &keyboard.lost {
            return Typing::Lost(lost.clone());
        }
        if self.right() != Some(Right::Type) || keyboard.refused || state.is_final() {
            return Typing::Never;
        }
        if !keyboard.wanted {
            return Typing::Offered;
        }
        if self.ready_to_type() { Typing::On } else { Typing::Paused }
    }

    fn ready_to_type(&self) -> bool {
        self.keyboard.is_ready()
            && self.stage == Stage::Joined
            && self.over.is_none()
            && self.epoch.as_ref().is_some_and(|epoch| epoch.seen().is_some())
    }

    /// The sharer answered our challenge.
    pub(super) fn open_input(&mut self, uplink: &mut Uplink, answer: &Answer) {
        let keyboard = &mut self.keyboard;
        if let Some(mut broken) = keyboard.broken.take() {
            let taken = answer.taken.filter(|_| answer.previous == Some(broken.public()));
            keyboard.lost = keyboard.lost.take().or_else(|| broken.lost(taken));
        }
        if !answer.input && keyboard.is_open() {
            // The sharer's own connection broke meanwhile: it takes nothing more with this key.
            return self.rejoin(uplink);
        }
        let (Some(epoch), Some(input)) = (&self.epoch, &mut keyboard.input) else { return };
        let Some(grant) = epoch.opened.input.as_ref().filter(|_| answer.input && !input.is_open()) else {
            return;
        };
        let (agreement, scope) = (epoch.header.agreement, epoch.scope());
        if let Some(sealer) = InputSealer::new(input.key(), agreement, &grant.secret, scope) {
            input.open(sealer);
        }
    }

    /// The sharer takes no more input on this connection.
    pub(super) fn input_refused(&mut self, uplink: &mut Uplink, reason: InputRefusal) {
        self.notice = Some(match reason {
            InputRefusal::Broken => "The sharer refused input that did not arrive as it was typed.",
            InputRefusal::Stale => "The sharer refused input that arrived too late.",
            InputRefusal::Full => "The program does not read its input; nothing more fits.",
            InputRefusal::NotAllowed => "The sharer does not take input from this link.",
            InputRefusal::Unknown => "The sharer refused the input.",
        });
        if reason != InputRefusal::NotAllowed {
            return self.rejoin(uplink);
        }
        self.keyboard.refused = true;
        self.keyboard.disconnect();
        self.keyboard.give_up();
    }

    /// The person wants to type.
    pub(super) fn start_typing(&mut self) {
        let may = self.right() == Some(Right::Type) && !self.keyboard.refused;
        self.keyboard.wanted = may && self.over.is_none();
    }

    /// The person pressed keys.
    pub(super) fn type_keys(&mut self, bytes: &[u8]) {
        if !self.keyboard.wanted || bytes.is_empty() {
            return;
        }
        let ready = self.ready_to_type();
        let taken = self.keyboard.input.as_mut().is_some_and(|input| ready && input.keys(bytes));
        if !taken {
            self.notice = Some("Keys are not sent at the moment.");
        }
        self.keyboard.stops = taken && bytes.iter().any(|byte| STOPS.contains(byte));
    }

    /// The person pasted.
    pub(super) fn type_paste(&mut self, text: &str, bracketed: bool) {
        if !self.keyboard.wanted || text.is_empty() {
            return;
        }
        match paste::prepare(text, bracketed) {
            paste::Paste::Typed(bytes) => self.paste_bytes(&bytes),
            paste::Paste::Asked(question, bytes) => self.keyboard.question = Some((question, bytes)),
            paste::Paste::TooLong => self.notice = Some("Pastes of more than 1 MiB are not typed."),
        }
    }

    /// The person answered whether the paste is typed.
    pub(super) fn answer_paste(&mut self, typed: bool) {
        if let Some((_, bytes)) = self.keyboard.question.take().filter(|_| typed) {
            self.paste_bytes(&bytes);
        }
    }

    fn paste_bytes(&mut self, bytes: &[u8]) {
        let ready = self.ready_to_type();
        let taken = self.keyboard.input.as_mut().is_some_and(|input| ready && input.paste(bytes));
        if !taken {
            self.notice = Some("The paste was not sent: keys go nowhere at the moment.");
        }
    }

    /// While the person types, asks the sharer once for a terminal of this size; it agrees only where nobody sits at the
    /// terminal. Of several who type, it takes the size of who typed last, so nothing is said twice.
    pub(super) fn ask_size(&mut self, size: WindowSize) {
        if self.keyboard.asked != Some(size)
            && self.ready_to_type()
            && let Some(input) = &mut self.keyboard.input
            // Refused when full: the wish is not worth more than keys.
            && input.push(Input::Size(size))
        {
            self.keyboard.asked = Some(size);
        }
    }

    /// Seals and sends what was typed, as far as there is credit.
    pub(super) fn send_input(&mut self, uplink: &mut Uplink) {
        if !self.ready_to_type() {
            return;
        }
        let (Some(epoch), channel) = (&self.epoch, self.channel) else { return };
        let Some(seen) = epoch.seen() else { return };
        let (now, view) = (uplink.now().mono, Seen { seen, beat: epoch.beat });
        while let Some(body) = self.keyboard.input.as_mut().and_then(|input| input.next(now, &view)) {
            let consumed = uplink.ride();
            uplink.send_frame(&Frame::Input {
                channel,
                seen: seen.number,
                beat: view.beat,
                consumed,
                body: body.into(),
            });
        }
        // The key went first: the snapshot is to be of what it did.
        if std::mem::take(&mut self.keyboard.stops) && uplink.pours() {
            self.skip(uplink);
        }
    }
}
