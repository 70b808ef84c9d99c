//! What every byte and every keystroke goes through: packing, sealing, framing. Run with `cargo bench -p shared`.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use shared::chain::ChainPoint;
use shared::entropy::Entropy;
use shared::event::{EventKind, MAX_EVENT, pack, unpack};
use shared::id::{Channel, SessionId};
use shared::input::{Input, InputOpener, InputSealer, View};
use shared::keys::epoch::{AgreementKey, ContentKey, EpochId, InputSecret, Scope};
use shared::seal::{EventOpener, EventSealer};
use shared::time::UnixMs;
use shared::wire::frame::Frame;

/// A keystroke's echo, a read of the PTY, a gathered event.
const SIZES: [usize; 3] = [1, 4 * 1024, 64 * 1024];

fn main() {
    divan::main();
}

fn scope() -> Scope {
    Scope { session: SessionId([7; 16]), epoch: EpochId { start: UnixMs(1), random: 2 } }
}

/// Lines of a log: neither constant nor noise.
fn log(size: usize) -> Vec<u8> {
    let lines = (0_u64..).flat_map(|n| {
        let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        format!(
            "\x1b[2m12:{:02}:{:02}\x1b[0m \x1b[32mINFO\x1b[0m request {id:06x} took {} ms\r\n",
            n / 60 % 60,
            n % 60,
            id % 977
        )
        .into_bytes()
    });
    lines.take(size).collect()
}

#[divan::bench(args = SIZES)]
fn seal_event(bencher: Bencher<'_, '_>, size: usize) {
    let plain = log(size);
    let mut sealer = EventSealer::new(&ContentKey([1; 32]), scope());
    bencher.counter(BytesCount::new(size)).bench_local(|| sealer.seal(EventKind::Output, black_box(&plain)));
}

#[divan::bench(args = SIZES)]
fn open_event(bencher: Bencher<'_, '_>, size: usize) {
    let key = ContentKey([1; 32]);
    let event = EventSealer::new(&key, scope()).seal(EventKind::Output, &log(size));
    let opener = EventOpener::new(&key, scope());
    bencher
        .counter(BytesCount::new(size))
        .bench(|| opener.open(event.number, event.kind, black_box(&event.body)).unwrap());
}

#[divan::bench(args = SIZES)]
fn chain_event(bencher: Bencher<'_, '_>, size: usize) {
    let (point, body) = (ChainPoint::start(scope()), log(size));
    bencher.counter(BytesCount::new(size)).bench(|| point.then(EventKind::Output, black_box(&body)));
}

#[divan::bench(args = SIZES)]
fn pack_output(bencher: Bencher<'_, '_>, size: usize) {
    let plain = log(size);
    bencher.counter(BytesCount::new(size)).bench(|| pack(black_box(&plain), true));
}

#[divan::bench(args = SIZES)]
fn unpack_output(bencher: Bencher<'_, '_>, size: usize) {
    let packed = pack(&log(size), true);
    bencher.counter(BytesCount::new(size)).bench(|| unpack(black_box(&packed), MAX_EVENT).unwrap());
}

#[divan::bench(args = SIZES)]
fn encode_frame(bencher: Bencher<'_, '_>, size: usize) {
    let event = EventSealer::new(&ContentKey([1; 32]), scope()).seal(EventKind::Output, &log(size));
    let frame = Frame::Event { channel: Channel(1), event };
    bencher.bench(|| black_box(&frame).encode());
}

#[divan::bench(args = SIZES)]
fn decode_frame(bencher: Bencher<'_, '_>, size: usize) {
    let event = EventSealer::new(&ContentKey([1; 32]), scope()).seal(EventKind::Output, &log(size));
    let bytes = Frame::Event { channel: Channel(1), event }.encode();
    bencher.bench(|| Frame::decode(black_box(&bytes)).unwrap());
}

/// What a relay does with one event of a flood for 50 viewers: a head for each, one body for all.
#[divan::bench(args = SIZES)]
fn split_for_50_viewers(bencher: Bencher<'_, '_>, size: usize) {
    let event = EventSealer::new(&ContentKey([1; 32]), scope()).seal(EventKind::Output, &log(size));
    bencher.bench(|| {
        for channel in 1..=50 {
            black_box(Frame::Event { channel: Channel(channel), event: event.clone() }.split());
        }
    });
}

#[divan::bench]
fn seal_and_open_a_key(bencher: Bencher<'_, '_>) {
    let mut entropy = Entropy::from_seed([3; 32]);
    let (viewer, sharer) = (AgreementKey::generate(&mut entropy), AgreementKey::generate(&mut entropy));
    let secret = InputSecret([5; 32]);
    let mut sealer = InputSealer::new(&viewer, sharer.public(), &secret, scope()).unwrap();
    let mut opener = InputOpener::new(&sharer, viewer.public(), &secret, scope()).unwrap();
    let view = View { seen: ChainPoint::start(scope()), beat: 1 };
    bencher.bench_local(|| {
        let sealed = sealer.seal(&view, &Input::Keys(vec![b'k']));
        opener.open(&view, &sealed).unwrap()
    });
}
