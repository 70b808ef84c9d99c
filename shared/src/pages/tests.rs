use super::*;
use crate::conversation::Content;
use crate::conversation::{Conversation, Need, Role, Transcript, Update};
use crate::id::SessionId;
use crate::time::UnixMs;

struct Owner {
    key: OwnerKey,
    content: ContentKey,
    scope: Scope,
    entropy: Entropy,
}

fn owner() -> Owner {
    let mut entropy = Entropy::from_seed([7; 32]);
    let key = OwnerKey::generate(&mut entropy);
    let session: SessionId = key.session_id();
    let scope = Scope { session, epoch: EpochId::next(None, UnixMs(5), &mut entropy) };
    Owner { content: ContentKey(entropy.array()), key, scope, entropy }
}

fn say(conversation: &mut Conversation, times: usize) {
    for n in 0..times {
        let content = Content::Text(format!("{n} {}", "words ".repeat(200)));
        conversation.update(Update::Chunk { role: Role::Agent, message: Some(n.to_string()), content });
    }
}

#[test]
fn pages_are_what_the_owner_signed_newest_first() {
    let mut owner = owner();
    let mut conversation = Conversation::default();
    say(&mut conversation, 300);
    let mut sealer = PageSealer::new(&owner.content, owner.scope);
    let (pages, signed) = sealer.seal(&owner.key, &conversation.pages(0), true, &mut owner.entropy).unwrap();
    assert!(pages.len() > 3, "{}", pages.len());
    assert!(pages.iter().all(SealedPage::is_bounded));
    let head = Head::verify(&signed, &owner.key.public()).unwrap();
    assert_eq!(head.revision, conversation.transcript().revision());

    let mut reader = PageReader::new(&head);
    let mut transcript = Transcript::default();
    let mut need = transcript.begin_at(head.revision);
    for page in pages.iter().rev() {
        assert_ne!(need, Need::Nothing);
        need = transcript.load(reader.open(page, &owner.content, owner.scope).unwrap());
    }
    assert_eq!((need, reader.next_index()), (Need::Nothing, 0));
    let shown = |transcript: &Transcript| {
        transcript.blocks().map(|(at, _, block)| (at, block.clone())).collect::<Vec<_>>()
    };
    assert_eq!(shown(&transcript), shown(conversation.transcript()));

    // Another page, another place, another key: nothing opens, and the right one still does.
    let mut reader = PageReader::new(&head);
    let newest = pages.last().unwrap();
    let mut flipped = newest.body.to_vec();
    flipped[40] ^= 1;
    let forged = SealedPage { body: flipped.into(), ..newest.clone() };
    assert_eq!(reader.open(&forged, &owner.content, owner.scope), None);
    assert_eq!(reader.open(&pages[0], &owner.content, owner.scope), None);
    assert_eq!(reader.open(newest, &ContentKey([1; 32]), owner.scope), None);
    assert!(reader.open(newest, &owner.content, owner.scope).is_some());
    // A reader of the session cannot sign.
    let stranger = OwnerKey::generate(&mut owner.entropy);
    let words = serde_json::to_vec(&head).unwrap();
    assert_eq!(Head::verify(&stranger.signed(Purpose::Transcript, words.clone()), &owner.key.public()), None);
    assert_eq!(Head::verify(&owner.key.signed(Purpose::Snapshot, words), &owner.key.public()), None);
}

#[test]
fn what_is_complete_stays_and_the_newest_is_replaced() {
    let mut owner = owner();
    let mut conversation = Conversation::default();
    let mut sealer = PageSealer::new(&owner.content, owner.scope);
    let mut held: Vec<SealedPage> = Vec::new();
    let mut signed = None;
    for _ in 0..20 {
        say(&mut conversation, 9);
        let complete = sealer.complete().1 as usize;
        let pages = conversation.pages(sealer.covered());
        let (pages, head) = sealer.seal(&owner.key, &pages, true, &mut owner.entropy).unwrap();
        for page in pages {
            let at = page.index as usize - 1;
            assert!(at >= complete, "a complete page is sealed again");
            held.truncate(at);
            held.push(page);
        }
        signed = Some(head);
    }
    let head = Head::verify(&signed.unwrap(), &owner.key.public()).unwrap();
    let mut reader = PageReader::new(&head);
    let mut transcript = Transcript::default();
    transcript.begin_at(head.revision);
    for page in held.iter().rev() {
        transcript.load(reader.open(page, &owner.content, owner.scope).unwrap());
    }
    assert!(!transcript.is_loading());
    assert_eq!(transcript.len(), conversation.transcript().len());
    assert_eq!(sealer.seal(&owner.key, &[], true, &mut owner.entropy), None);
}
