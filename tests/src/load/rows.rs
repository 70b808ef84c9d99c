//! Each measurement as rows of the table, in two sizes: the whole one for the page, a quick one that guards.

use std::time::Duration;

use super::echo::{self, Where};
use super::floor::Floor;
use super::sample::{Samples, median};
use super::scene::Scene;
use super::table::{Bound, Row};
use super::{
    attach, children, corpus, crowd, floor, idle, late, page_children, pour, presence, record, remote,
    replay, start, stop, stuck, traffic, view,
};

/// How much of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// What a test can wait for.
    Quick,
    /// What the table asks for.
    Whole,
}

impl Size {
    fn of<T>(self, quick: T, whole: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Whole => whole,
        }
    }
}

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;

#[expect(clippy::cast_precision_loss, reason = "figures far below 2^52")]
fn float(value: u64) -> f64 {
    value as f64
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Takes the floor. Call it outside of an event loop: it has its own.
///
/// # Panics
/// When it loses a byte.
pub fn floor(size: Size) -> (Floor, Vec<Row>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (path, bytes) = corpus::file(dir.path(), size.of(10_000_000, 50_000_000));
    let echo = floor::echo(size.of(100, 500));
    let rates: Vec<f64> = (0..size.of(3, 7)).map(|_| floor::flood(&path, bytes)).collect();
    let floor = Floor { echo, rate: median(&rates) };
    let rows = vec![
        Row::new("floor: echo, p50", us(floor.echo.median()), "µs", Bound::Time(us(floor::ECHO)))
            .note(format!("p95 {:.0} µs", us(floor.echo.percentile(95)))),
        Row::new("floor: 50 MB", floor.rate, "MB/s", Bound::Speed(floor::RATE)),
    ];
    (floor, rows)
}

/// Keystroke echo, idle and beside a flood.
pub async fn echoes(size: Size, floor: &Floor) -> Vec<Row> {
    let scene = Scene::new(2_000_000);
    let keys = size.of(100, 500);
    let embedded = echo::measure(&scene, Where::Embedded, keys, floor::PAUSE).await;
    let standalone = echo::measure(&scene, Where::Standalone, keys, floor::PAUSE).await;
    let flooded = echo::measure(&scene, Where::Flooded, keys, floor::PAUSE).await;
    let base = us(floor.echo.median());
    let row = |what, samples: &Samples| {
        let (p50, p95) = (us(samples.median()), us(samples.percentile(95)));
        Row::new(what, p50 / base, "× floor", Bound::Time(1.5))
            .note(format!("p50 {p50:.0} µs, p95 {p95:.0} µs"))
    };
    let idle = us(standalone.median());
    let beside = us(flooded.median());
    vec![
        row("keystroke echo, embedded relay, p50", &embedded),
        row("keystroke echo, standalone relay, p50", &standalone),
        Row::new("keystroke echo beside a flood, p50", beside / idle, "× idle", Bound::Time(2.0))
            .note(format!("p50 {beside:.0} µs, p95 {:.0} µs", us(flooded.percentile(95)))),
    ]
}

/// A log to one viewer, and the sharer's memory after it.
pub async fn poured(size: Size) -> Vec<Row> {
    let scene = Scene::new(size.of(10_000_000, 50_000_000));
    let times = size.of(1, 5);
    let model = median(&(0..times).map(|_| pour::model(&scene)).collect::<Vec<_>>());
    let mut rates = Vec::new();
    let (mut wrong, mut lossy, mut wire) = (0, 0, 0.0_f64);
    for _ in 0..times {
        let poured = pour::one(&scene).await;
        rates.push(poured.rate);
        wrong += u64::from(!poured.exact);
        lossy += u64::from(!poured.whole);
        wire = wire.max(poured.wire);
    }
    let large = Scene::new(size.of(30_000_000, 200_000_000));
    let after = pour::one(&large).await;
    wrong += u64::from(!after.exact);
    let rate = median(&rates);
    let mut rows =
        vec![Row::new("log to one viewer: wrong last screens", float(wrong), "", Bound::Count(0.0))];
    if size == Size::Whole {
        // A viewer without optimisation, as tests have, does not keep up, and is rightly brought back by a snapshot.
        rows.push(Row::new("log to one viewer: runs that skipped", float(lossy), "", Bound::Count(0.0)));
    }
    rows.extend([
        Row::new("log to one viewer", rate / model, "× model", Bound::Speed(0.9))
            .note(format!("{rate:.0} MB/s; the model alone {model:.0} MB/s")),
        Row::new("bytes on the wire for each byte of log", wire, "", Bound::Count(0.30)),
        Row::new("sharer's memory after a long log", float(after.memory.1) / MIB, "MiB", Bound::Count(16.0))
            .note(format!(
                "{} MB of output; {:.1} MiB are its own, the rest is code",
                large.log.len() / 1_000_000,
                float(after.memory.0) / MIB
            )),
    ]);
    rows
}

/// A log to fifty viewers.
pub async fn crowded(size: Size) -> Vec<Row> {
    let scene = Scene::new(size.of(5_000_000, 50_000_000));
    let crowd = crowd::measure(&scene, 50).await;
    vec![
        Row::new("50 viewers: wrong last screens", float(crowd.wrong as u64), "", Bound::Count(0.0))
            .note(format!("brought back by a snapshot {} times", crowd.rebuilt)),
        Row::new("50 viewers: relay's CPU", crowd.cpu, "s/GB", Bound::Time(0.4))
            .note(format!("{:.2} GB delivered", crowd.delivered)),
        Row::new("50 viewers: relay's memory, peak", float(crowd.memory) / MIB, "MiB", Bound::Count(40.0)),
    ]
}

/// A stuck viewer of five.
pub async fn stucks(size: Size) -> Vec<Row> {
    let scene = Scene::new(size.of(5_000_000, 50_000_000));
    let hold = Duration::from_secs(size.of(5, 25));
    let stuck = stuck::measure(&scene, size.of(1, 7), hold).await;
    let mut rows = vec![
        Row::new("stuck viewer: wrong last screens", float(stuck.wrong as u64), "", Bound::Count(0.0)),
        Row::new("stuck viewer: relay grows", float(stuck.growth) / MIB, "MiB", Bound::Count(2.0)),
        Row::new("stuck viewer: exact after it reads again", ms(stuck.recovery), "ms", Bound::Time(1000.0)),
    ];
    if size == Size::Whole {
        // One pair says nothing about 5 %.
        rows.push(Row::new("stuck viewer: producer's extra CPU", stuck.cost * 100.0, "%", Bound::Time(5.0)));
    }
    rows
}

/// Ctrl-C during endless output.
pub async fn stopped(size: Size) -> Vec<Row> {
    let scene = Scene::new(5_000_000);
    let samples = stop::measure(&scene, size.of(3, 7)).await;
    vec![
        Row::new("Ctrl-C, viewer at 4 MB/s: sees the stop", ms(samples.median()), "ms", Bound::Time(150.0))
            .note(format!("worst {:.0} ms", ms(samples.percentile(100)))),
    ]
}

/// Late joins.
pub async fn joined(size: Size) -> Vec<Row> {
    let mut rows = Vec::new();
    for bytes in [1_000_000, size.of(20_000_000, 200_000_000)] {
        let scene = Scene::new(bytes);
        let late = Box::pin(late::measure(&scene, size.of(5, 25))).await;
        let what = |what: &str| format!("late join after {} MB: {what}", bytes / 1_000_000);
        rows.extend([
            Row::new(what("wrong screens"), float(late.wrong as u64), "", Bound::Count(0.0)),
            Row::new(what("screen"), float(late.screen_bytes) / KIB, "KiB", Bound::Count(4.0)),
            Row::new(what("screen"), ms(late.screen.median()), "ms", Bound::Time(5.0)),
            Row::new(what("with scrollback"), float(late.full_bytes) / KIB, "KiB", Bound::Count(48.0)),
            Row::new(what("with scrollback"), ms(late.full.median()), "ms", Bound::Time(20.0)),
        ]);
    }
    rows
}

/// Bytes for keystrokes.
pub async fn typed(size: Size) -> Vec<Row> {
    let keys = traffic::typed(&Scene::new(1_000), Duration::from_secs(size.of(10, 60))).await;
    let key =
        |what: &str, bytes| Row::new(format!("bytes a keystroke, {what}"), bytes, "B", Bound::Count(32.0));
    vec![
        key("viewer to relay", keys.viewer.up),
        key("relay to viewer", keys.viewer.down),
        key("relay to sharer", keys.sharer.up),
        key("sharer to relay", keys.sharer.down),
    ]
}

/// Bytes for nothing.
pub async fn rested(size: Size) -> Vec<Row> {
    // The whole one spans an attestation at rest, which comes every 120 s.
    let rest = traffic::at_rest(&Scene::new(1_000), Duration::from_secs(size.of(20, 130))).await;
    vec![
        Row::new("bytes a second at rest, worst hop", rest.up().max(rest.down()), "B/s", Bound::Count(3.0))
            .note(format!("viewer {:.1}, sharer {:.1}", rest.viewer.down, rest.sharer.down)),
    ]
}

/// Idle sessions and viewers.
pub async fn idled(size: Size) -> Vec<Row> {
    let scene = Scene::new(1_000);
    let mut rows = Vec::new();
    for count in [200, 1_000] {
        if size == Size::Quick && count > 200 {
            continue;
        }
        let rest = Duration::from_secs(size.of(3, 30));
        let sessions = idle::sessions(&scene, count, rest).await;
        let viewers = idle::viewers(&scene, count, rest).await;
        rows.extend([
            Row::new(
                format!("relay's memory for each of {count} idle sessions, besides its snapshot"),
                float(sessions.each) / KIB,
                "KiB",
                Bound::Count(16.0),
            ),
            Row::new(
                format!("relay's CPU for {count} idle sessions"),
                sessions.cpu * 100.0,
                "% of a core",
                Bound::Time(1.0),
            ),
            Row::new(
                format!("relay's memory for each of {count} idle viewers"),
                float(viewers.each) / KIB,
                "KiB",
                Bound::Count(16.0),
            ),
        ]);
    }
    rows
}

/// Messages about who watches.
pub async fn counted(_: Size) -> Vec<Row> {
    let bytes = presence::measure(&Scene::new(1_000), 200).await;
    vec![Row::new("presence: messages for 200 joins", float(bytes) / 1e3, "kB", Bound::Count(100.0))]
}

/// Start and weight.
pub async fn started(size: Size) -> Vec<Row> {
    let scene = Scene::new(1_000);
    let times = size.of(5, 25);
    let embedded = start::measure(&scene, false, times).await;
    let standalone = start::measure(&scene, true, times).await;
    vec![
        Row::new("link after launch, embedded relay", ms(embedded.median()), "ms", Bound::Time(30.0)),
        Row::new("link after launch, --relay on loopback", ms(standalone.median()), "ms", Bound::Time(20.0)),
        // Issue 1 asks for 12 MB of what it asks for, issue 4 for 25 MB of everything; driver and terminal viewer are in it.
        Row::new("binary, stripped", float(start::weight()) / 1e6, "MB", Bound::Count(19.0)),
    ]
}

/// Children, without a browser.
pub async fn led(size: Size) -> Vec<Row> {
    let scene = Scene::new(300_000);
    let (returns, pills) = children::spawns(&scene, size.of(10, 50)).await;
    let memory = children::weigh(&scene, size.of(5, 20)).await;
    let restart = children::restart(&scene, 50).await;
    let flood = children::flood(&scene, 200, Duration::from_secs(size.of(5, 30))).await;
    let p95 = |samples: &Samples| ms(samples.percentile(95));
    vec![
        Row::new("`sharer spawn` returns, p95", p95(&returns), "ms", Bound::Time(50.0))
            .note(format!("p50 {:.1} ms", ms(returns.median()))),
        Row::new("pill at an open viewer after that, p95", p95(&pills), "ms", Bound::Time(300.0))
            .note(format!("p50 {:.1} ms", ms(pills.median()))),
        Row::new("sharer's memory, no child", float(memory.alone) / MIB, "MiB", Bound::Count(16.0)),
        Row::new("sharer's memory for a silent child", float(memory.silent) / MIB, "MiB", Bound::Count(0.5)),
        Row::new("sharer's memory for a full scrollback", float(memory.full) / MIB, "MiB", Bound::Count(4.5)),
        Row::new("relay killed: 50 children back after it listens", ms(restart), "ms", Bound::Time(2000.0)),
        Row::new(
            "200 children, 20 pouring: relay's memory, peak",
            float(flood) / MIB,
            "MiB",
            Bound::Count(40.0),
        ),
    ]
}

/// Tasks elsewhere, links in a terminal, kept sessions.
pub async fn far(size: Size) -> Vec<Row> {
    let scene = Scene::new(300_000);
    let pills = remote::pills(&scene, size.of(3, 25)).await;
    let joins = remote::joins(&scene, size.of(3, 25)).await;
    let echo = remote::echoes(&scene, size.of(50, 300)).await;
    let kept = remote::kept(&scene, size.of(3, 15)).await;
    let idle = remote::idle(&scene, Duration::from_secs(size.of(20, 120))).await;
    let count = size.of(20, 100);
    // In a home of its own: another driver has that name here.
    let many = remote::many(&Scene::new(1_000), count).await;
    let timed = |what: &str, samples: &Samples, most: f64| {
        let worst = ms(samples.percentile(100));
        Row::new(what, ms(samples.median()), "ms", Bound::Time(most)).note(format!("worst {worst:.0} ms"))
    };
    vec![
        timed("`sharer spawn --on` to its pill in an open page", &pills, 500.0),
        timed("`sharer join` to the exact screen", &joins, 100.0),
        Row::new(
            "echo through `sharer join`, p50",
            us(echo.joined.median()) / us(echo.bare.median()),
            "× echo",
            Bound::Time(1.2),
        )
        .note(format!(
            "p50 {:.0} µs, p95 {:.0} µs; {:.0} µs without a terminal, {:.0} µs in a terminal alone",
            us(echo.joined.median()),
            us(echo.joined.percentile(95)),
            us(echo.bare.median()),
            us(echo.terminal.median())
        )),
        timed("a kept session: dial to its end and last screen", &kept, 300.0),
        Row::new(
            "driver at rest: memory, code included",
            float(idle.resident) / MIB,
            "MiB",
            Bound::Count(10.0),
        )
        .note(format!("{:.1} MiB are its own", float(idle.own) / MIB)),
        Row::new("driver at rest: wake-ups a minute", idle.wakes, "", Bound::Count(60.0))
            .note(format!("{:.3} % of a core", idle.cpu * 100.0)),
        Row::new(
            format!("{count} tasks at once on one driver: missing"),
            float(many.missing as u64),
            "",
            Bound::Count(0.0),
        )
        .note(format!(
            "all there after {:.1} s, {:.0} KiB of the driver's memory each",
            many.took.as_secs_f64(),
            float(many.each) / KIB
        )),
    ]
}

/// Recording beside a flood.
pub async fn recorded(size: Size) -> Vec<Row> {
    let scene = Scene::new(size.of(10_000_000, 100_000_000));
    let cost = record::measure(&scene, size.of(1, 7)).await;
    let mut rows =
        vec![Row::new("recordings that miss some of a flood", float(cost.cut as u64), "", Bound::Count(0.0))];
    if size == Size::Whole {
        // One pair says nothing about 3 %.
        rows.push(
            Row::new("recording: sharer's extra CPU in a flood", cost.share * 100.0, "%", Bound::Time(3.0))
                .note(format!(
                    "{:.2} s of CPU for {} MB, {:.2} s without",
                    cost.with,
                    scene.log.len() / 1_000_000,
                    cost.without
                )),
        );
    }
    rows
}

/// The page in a browser.
pub async fn viewed(size: Size) -> Vec<Row> {
    let opens = view::opens(size.of(3, 15)).await;
    let flood = view::flood(size.of(5_000_000, 20_000_000)).await;
    vec![
        Row::new("the page, brotli", float(view::weight().await) / KIB, "KiB", Bound::Count(250.0)),
        Row::new("page: exact screen after opening", ms(opens.median()), "ms", Bound::Time(1000.0))
            .note(format!("worst {:.0} ms", ms(opens.percentile(100)))),
        Row::new("page: longest task during a flood", flood.longest, "ms", Bound::Time(100.0)).note(format!(
            "{} over 50 ms in {:.1} s",
            flood.long,
            flood.took.as_secs_f64()
        )),
        Row::new("page: exact final screen after the end", ms(flood.late), "ms", Bound::Time(1000.0)),
    ]
}

/// The page beside children, and on a long conversation.
pub async fn led_in_a_page(size: Size) -> Vec<Row> {
    let scene = Scene::new(300_000);
    let pills = page_children::pills(&scene, size.of(40, 200), Duration::from_secs(size.of(3, 15))).await;
    let talk = page_children::talk(size.of(1_000, 10_000)).await;
    let at_most = |what: &str, value: f64, most: f64| Row::new(what, value, "ms", Bound::Time(most));
    let worst = |samples: &Samples| format!("worst {:.0} ms", ms(samples.percentile(100)));
    // Thirty frames a second.
    let frames = |what: &str, samples: &Samples| {
        at_most(what, ms(samples.percentile(95)), 34.0).note(format!(
            "p50 {:.0} ms, {}",
            ms(samples.median()),
            worst(samples)
        ))
    };
    vec![
        at_most("page: pill after `sharer spawn` returned, p95", ms(pills.late.percentile(95)), 300.0)
            .note(worst(&pills.late)),
        at_most("page: longest task while 200 children come", pills.coming, 100.0),
        frames("page: frames of 200 pills that scroll, p95", &pills.frames),
        at_most("page: to a child never seen, exact screen", ms(pills.joined.median()), 300.0)
            .note(worst(&pills.joined)),
        at_most("page: to a child seen before, exact screen", ms(pills.kept.median()), 50.0)
            .note(worst(&pills.kept)),
        at_most("page: longest task while 20 of 200 children pour", pills.pouring, 100.0).note(
            "five of them joined; they, sharer and relay yield to the browser, as if it had its own cores",
        ),
        at_most("page: longest task while 10,000 updates come", talk.longest, 100.0)
            .note(format!("in {:.1} s", talk.took.as_secs_f64())),
        at_most("page: the newest of 10,000 updates after opening", ms(talk.opened), 1000.0),
        frames("page: frames of 10,000 updates that scroll, p95", &talk.frames),
    ]
}

/// Sessions kept with commits.
pub fn attached(size: Size) -> Vec<Row> {
    let peak = |cost: attach::Cost| float(cost.peak) / MIB;
    let second = |cost: attach::Cost| cost.time.as_secs_f64();

    let repo = attach::Repo::new(size.of(60, 600));
    let small = repo.transcript("small", 1_000);
    repo.attach(&[small]);
    let costs: Vec<_> = (0..size.of(1, 5))
        .map(|run| repo.attach(&[repo.transcript(&format!("middle-{run}"), size.of(2_000_000, 10_000_000))]))
        .collect();
    let middle = median(&costs.iter().map(|cost| ms(cost.time)).collect::<Vec<_>>());
    let held = costs.iter().map(|cost| peak(*cost)).fold(0.0, f64::max);

    let large_repo = attach::Repo::new(0);
    large_repo.with_v2();
    let large = large_repo.attach(&[large_repo.transcript("large", size.of(20_000_000, 200_000_000))]);

    let behind = attach::Repo::with_sessions(20, 100_000);
    behind.with_v2();
    let backfill = behind.sync();
    let lacking = 20 - behind.sessions().1.min(20);

    let crowd = attach::Repo::with_sessions(1, 100_000);
    crowd.with_v2();
    let names: Vec<_> =
        (0..16).map(|number| crowd.transcript(&format!("beside-{number}"), 100_000)).collect();
    let at_once = crowd.attach(&names);
    let (first, second_store) = crowd.sessions();
    let lost = (17 - first.min(17)) + (17 - second_store.min(17));

    let redacted: Vec<f64> =
        (0..size.of(1, 5)).map(|_| attach::redaction(size.of(5_000_000, 50_000_000))).collect();
    let mut rows = vec![
        Row::new("attach: a transcript of 10 MB beside 600 checkpoints", middle, "ms", Bound::Time(600.0))
            .note("without the amend"),
        Row::new("attach: memory for it, peak", held, "MiB", Bound::Count(80.0)).note("code included"),
        Row::new("attach: a transcript of 200 MB, both stores", second(large), "s", Bound::Time(15.0)),
        Row::new("attach: memory for it, peak", peak(large), "MiB", Bound::Count(256.0)),
        Row::new("backfill of 20 sessions", second(backfill), "s", Bound::Time(1.0)),
        Row::new("backfill of 20 sessions: those it lacks", float(lacking as u64), "", Bound::Count(0.0)),
        Row::new("attach: 16 processes at once", second(at_once), "s", Bound::Time(10.0)).note("both stores"),
        Row::new("attach: 16 processes at once: sessions lost", float(lost as u64), "", Bound::Count(0.0)),
    ];
    if size == Size::Whole {
        // Without optimisation, as tests have it, it says nothing.
        rows.push(Row::new("redaction", median(&redacted), "MB/s", Bound::Speed(50.0)).note("one core"));
    }
    rows
}

/// A recording of two hours in the page.
pub async fn replayed(size: Size) -> Vec<Row> {
    let long = replay::long(size.of(8, 38), size.of(12, 60)).await;
    let mib = float(u64::try_from(long.bytes).unwrap_or(u64::MAX)) / MIB;
    vec![
        Row::new("replay: a two-hour recording to its link", ms(long.linked), "ms", Bound::Time(1_500.0))
            .note(format!("{mib:.0} MiB")),
        Row::new("replay: its first screen in the page", ms(long.opened), "ms", Bound::Time(1_000.0)),
        Row::new("replay: to its end, as soon as it is open", ms(long.end), "ms", Bound::Time(3_000.0))
            .note("the model reads all of it once"),
        Row::new(
            "replay: to any moment, exact screen, p95",
            ms(long.seeks.percentile(95)),
            "ms",
            Bound::Time(100.0),
        )
        .note(format!(
            "p50 {:.0} ms, worst {:.0} ms",
            ms(long.seeks.median()),
            ms(long.seeks.percentile(100))
        )),
    ]
}
