//! Numbers of events that go without saying: on a channel, events follow each other.
//!
//! A keystroke is one event, and its number would be two bytes of thirty. The number stays what seal and chain are bound
//! to; whoever put another one back would hold an event that does not open. Three bits of it travel for nothing: a message
//! that was said twice, or before another, is noticed where it arrives, and not by every viewer.

use std::collections::BTreeMap;

use super::frame::{Frame, Malformed, low_bits};
use crate::id::Channel;
use crate::seal::SealedEvent;

/// The newest event of each channel of a connection, in one direction; 0 before the first. Bound: one entry a channel that
/// is open.
#[derive(Debug, Default)]
pub struct Numbering {
    newest: BTreeMap<Channel, u64>,
}

impl Numbering {
    /// Leaves the number out of an event that follows the last one on its channel; other frames stay what they are.
    pub fn leave_out(&mut self, frame: Frame) -> Frame {
        let Frame::Event { channel, event } = frame else { return frame };
        let newest = self.newest.insert(channel, event.number).unwrap_or(0);
        if newest.checked_add(1) == Some(event.number) {
            Frame::NextEvent { channel, kind: event.kind, low: low_bits(event.number), body: event.body }
        } else {
            Frame::Event { channel, event }
        }
    }

    /// Puts it back; an error if no number follows the last one, or it is not the one that was left out.
    pub fn put_back(&mut self, frame: Frame) -> Result<Frame, Malformed> {
        if let Frame::NextEvent { channel, kind, low, body } = frame {
            let newest = self.newest.entry(channel).or_insert(0);
            let number = newest.checked_add(1).filter(|number| low_bits(*number) == low).ok_or(Malformed)?;
            *newest = number;
            return Ok(Frame::Event { channel, event: SealedEvent { number, kind, body } });
        }
        if let Frame::Event { channel, event } = &frame {
            self.newest.insert(*channel, event.number);
        }
        Ok(frame)
    }

    /// A channel is over, and its number never comes again.
    pub fn close(&mut self, channel: Channel) {
        self.newest.remove(&channel);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::EventKind;

    fn event(channel: u32, number: u64) -> Frame {
        let event = SealedEvent { number, kind: EventKind::Output, body: vec![7; 18].into() };
        Frame::Event { channel: Channel(channel), event }
    }

    proptest! {
        #[test]
        fn what_is_left_out_is_put_back(events in proptest::collection::vec((0u32..3, prop_oneof![1u64..6, Just(u64::MAX)]), 0..40)) {
            let (mut here, mut there) = (Numbering::default(), Numbering::default());
            for (channel, number) in events {
                let frame = event(channel, number);
                let bytes = here.leave_out(frame.clone()).encode();
                prop_assert!(bytes.len() <= frame.encode().len());
                prop_assert_eq!(there.put_back(Frame::decode(&bytes).unwrap()), Ok(frame));
            }
        }
    }

    #[test]
    fn only_what_follows_goes_without_a_number() {
        let mut numbering = Numbering::default();
        let said: Vec<bool> = [(1, 1), (1, 2), (2, 9), (2, 10), (1, 3), (1, 5), (1, 1)]
            .map(|(channel, number)| {
                matches!(numbering.leave_out(event(channel, number)), Frame::Event { .. })
            })
            .to_vec();
        assert_eq!(said, [false, false, true, false, false, true, true]);
        let beat = Frame::Beat { channel: Channel(1), number: 2, body: vec![1].into() };
        assert_eq!(numbering.leave_out(beat.clone()), beat);
        assert_eq!(numbering.put_back(beat.clone()), Ok(beat));
    }

    #[test]
    fn nothing_follows_the_last_number() {
        let mut numbering = Numbering::default();
        let next =
            |low| Frame::NextEvent { channel: Channel(1), kind: EventKind::Note, low, body: vec![1].into() };
        assert!(numbering.put_back(next(1)).is_ok(), "the control");
        numbering.put_back(event(1, u64::MAX)).unwrap();
        for low in 0..8 {
            assert_eq!(numbering.put_back(next(low)), Err(Malformed));
        }
    }

    #[test]
    fn what_is_said_twice_or_in_another_order_is_noticed() {
        let mut here = Numbering::default();
        let said: Vec<Frame> = (1..=20).map(|number| here.leave_out(event(1, number))).collect();
        let there = |order: &[usize]| {
            let mut there = Numbering::default();
            order.iter().map(|at| there.put_back(said[*at].clone()).is_ok()).collect::<Vec<_>>()
        };
        assert_eq!(there(&[0, 1, 2, 3]), [true; 4], "the control");
        assert_eq!(there(&[0, 1, 1]), [true, true, false]);
        assert_eq!(there(&[0, 2]), [true, false]);
        assert_eq!(there(&[0, 1, 2, 3, 0]), [true, true, true, true, false]);
    }
}
