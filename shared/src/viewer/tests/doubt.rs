//! What a reader and the relay make together does not outlast the chain that it was on.

use super::*;
use crate::conversation::{Change, What};
use crate::event::EndReason;
use crate::wire::close::EndedBecause;

fn ended() -> Note {
    Note::Ended(EndReason::Exited { code: Some(0), signal: None })
}

fn told() -> [Note; 3] {
    let change = Change { revision: 7, what: What::Forget(u32::MAX) };
    [Note::Title("a title".into()), Note::Agent(change), ended()]
}

/// The page is told to lose its place, and shown where the session is now.
fn restart(page: &mut Page, sharer: &mut Sharer) {
    let channel = page.channel();
    assert_eq!(page.skipped, [], "nothing is lost yet");
    page.control(&RelayToViewer::Resyncing { channel });
    assert_eq!(page.skipped, [PaneId::OWN], "a snapshot comes, and its way is clear");
    for text in ["1", "2", "3", "4"] {
        sharer.output(text);
    }
    let snapshot = sharer.snapshot("\x1bcgenuine", None);
    page.snapshot(&snapshot, Part::Screen);
    assert_eq!(page.text(), "\x1bcgenuine");
}

#[test]
fn what_was_told_unsigned_is_forgotten_with_its_chain() {
    for signed in [false, true] {
        let mut sharer = Sharer::new(41);
        let mut page = live(&mut sharer, 0);
        let mut reader = EventSealer::new(&sharer.content, sharer.scope());
        for note in told() {
            let (kind, plain) = Happening::Note(note.clone()).encode(false);
            // The reader's own sealer makes the same numbers as the owner's.
            let event = if signed { sharer.note(note) } else { reader.seal(kind, &plain) };
            page.event(event);
        }
        assert_eq!(page.viewer.view().title.as_deref(), Some("a title"));
        assert_eq!(page.viewer.view().transcript.seen > 0, page.viewer.view().transcript.anew == 0);
        if signed {
            let attestation = sharer.attest(sharer.events.point());
            page.frame(&attestation);
        }
        restart(&mut page, &mut sharer);
        let view = page.viewer.view();
        assert_eq!(view.title.as_deref(), signed.then_some("a title"));
        assert_eq!(view.transcript.anew, u32::from(!signed));
        let channel = page.channel();
        page.control(&RelayToViewer::SessionEnded {
            channel,
            reason: EndedBecause::Relay,
            final_number: 0,
            kept_ms: None,
            end: None,
        });
        let by_owner = matches!(page.viewer.view().state, State::Ended(_));
        assert_eq!(by_owner, signed, "the relay's word is not the owner's");
    }
}

#[test]
fn what_was_taken_counts_for_the_key_that_it_was_taken_from() {
    for own in [true, false] {
        let mut sharer = Sharer::new(42);
        let mut page = live(&mut sharer, 1);
        page.give(Event::StartTyping);
        page.keys(b"rm x\r");
        page.give(Event::Disconnected { code: None });
        page.pass(1_000);
        page.greet();
        let previous = page.last_join().previous.unwrap();
        page.joined(&sharer, true);
        // A relay that passed on another key has the owner sign how much was taken of that one.
        let named = if own { previous } else { AgreementPublic([8; 32]) };
        page.answer_about(&sharer, Some(1), Some(named));
        let typing = page.viewer.view().typing;
        assert_eq!(matches!(typing, Typing::Lost(_)), !own, "{typing:?}");
    }
}

#[test]
fn beats_alone_do_not_keep_a_view_live() {
    for signed in [true, false] {
        let mut sharer = Sharer::new(43);
        let mut page = live(&mut sharer, 0);
        let joins = page.joins().count();
        for wall in 2..10 {
            page.pass(20_000);
            let beat = sharer.beat(wall);
            page.frame(&beat);
            if signed {
                let attestation = sharer.attest(sharer.events.point());
                page.frame(&attestation);
            }
        }
        assert_eq!(page.joins().count() > joins, !signed, "the owner is asked again");
        assert_eq!(page.viewer.view().state == State::Live, signed);
    }
}

#[test]
fn a_forged_size_is_one_that_a_terminal_can_have() {
    let mut sharer = Sharer::new(44);
    let mut page = live(&mut sharer, 0);
    let event = sharer.note(Note::Resize(WindowSize { cols: u16::MAX, rows: 0 }));
    page.event(event);
    assert_eq!(page.viewer.view().window, Some(WindowSize { cols: 1000, rows: 2 }));
}
