//! A viewer that came by a parent's link or a child's, and how it sees and types the same through both.

use std::time::{Duration, Instant};

use e2e::harness::{LONG, until};
use e2e::load::screen::{Tape, after, picture};
use e2e::proxy::Proxy;
use e2e::viewer::Viewer;
use shared::link::Link;
use shared::viewer::{Event, Pill, Selection, State};
use sharer_native::term::Terminal;

use super::family::{Family, has};

/// Longer than any pause between two attempts to connect, and than a busy computer needs for the longest output.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a screen is compared with what was printed.
const LOOK: Duration = Duration::from_millis(30);

/// Whose link it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The parent's: children are pills.
    Parent,
    /// The child's own: there is no bar.
    Child,
}

/// A viewer without a page.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) viewer: Viewer<Tape>,
    pub(crate) by: By,
    /// What was typed, each to be found once at most where it went.
    pub(crate) words: Vec<String>,
}

impl Watch {
    /// Opens a link.
    pub(crate) fn open(family: &Family, link: &Link, by: By) -> Self {
        Self::at(link, by, family.relay.address())
    }

    /// Opens a link over a network that can be broken.
    pub(crate) fn over(way: &Proxy, link: &Link, by: By) -> Self {
        Self::at(link, by, way.address())
    }

    fn at(link: &Link, by: By, address: std::net::SocketAddr) -> Self {
        let mut viewer = Viewer::new(&link.to_string(), Some(address), Tape::keeping());
        viewer.patience(PATIENCE);
        Self { viewer, by, words: Vec::new() }
    }

    /// The children's pills, in order.
    pub(crate) fn pills(&self) -> Vec<Pill> {
        self.viewer.bar().map_or_else(Vec::new, |bar| bar.pills.iter().skip(1).cloned().collect())
    }

    /// The children's names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.pills().iter().map(|pill| pill.name.clone()).collect()
    }

    /// That child's pill.
    pub(crate) fn pill(&self, name: &str) -> Option<Pill> {
        pill(&self.viewer, name)
    }

    /// Waits until that child's pill is so.
    pub(crate) async fn stands(&mut self, name: &str, wanted: impl Fn(&Pill) -> bool) -> Pill {
        self.viewer
            .until(&format!("the pill of {name}"), |viewer| {
                pill(viewer, name).is_some_and(|pill| wanted(&pill))
            })
            .await;
        self.pill(name).unwrap()
    }

    /// Looks at a child: presses its pill, if there is one to press.
    pub(crate) async fn select(&mut self, name: &str) {
        if self.by == By::Parent {
            let selects = self.stands(name, |_| true).await.selects;
            self.viewer.act(Event::Select(selects)).await;
        }
    }

    /// Looks at the link's own session.
    pub(crate) async fn select_own(&mut self) {
        self.viewer.act(Event::Select(Selection::Own)).await;
    }

    /// Whether what it looks at, a child, shows this.
    pub(crate) fn shows(&self, text: &str) -> bool {
        shows(&self.viewer, self.by, text)
    }

    /// Looks at a child and waits for a text in its terminal.
    pub(crate) async fn sees(&mut self, name: &str, text: &str) {
        self.select(name).await;
        let by = self.by;
        self.viewer.until(&format!("{text:?} of {name}"), |viewer| shows(viewer, by, text)).await;
    }

    /// Looks at a child that runs, and waits until it shows exactly what its program has printed until now, live.
    pub(crate) async fn exact(&mut self, family: &Family, name: &str) {
        self.exactly(family, name, State::Live).await;
    }

    /// As [`Self::exact`], in another state.
    pub(crate) async fn exactly(&mut self, family: &Family, name: &str, state: State) {
        self.select(name).await;
        let limit = Instant::now() + PATIENCE;
        loop {
            // It may print more meanwhile.
            let mut expected = after(&family.printed(name));
            let mut shown = drawn(&self.viewer, self.by);
            let same = shown.as_mut().is_some_and(|shown| picture(shown) == picture(&mut expected));
            if same && self.viewer.state() == state {
                break;
            }
            let shown = shown.map_or_else(String::new, |shown| shown.text());
            let now = self.viewer.state();
            assert!(
                Instant::now() < limit,
                "not the exact screen of {name}, {state:?}: {now:?} with {shown:?} for {:?}",
                expected.text()
            );
            self.viewer.idle(LOOK).await;
        }
        if self.by == By::Child {
            assert!(self.viewer.bar().is_none(), "a child's link has no bar");
        }
    }

    /// Looks at a child and begins to type there, also where something typed may have been lost.
    pub(crate) async fn begins(&mut self, name: &str) {
        self.select(name).await;
        self.viewer.live().await;
        self.viewer.act(Event::GoOn).await;
        self.viewer.act(Event::StartTyping).await;
        self.viewer.until("typing to begin", Viewer::types).await;
    }

    /// Types a word into a child, which answers. One that may be lost is told to be: then another.
    pub(crate) async fn types(&mut self, name: &str, word: &str) {
        let by = self.by;
        for attempt in 0..8 {
            if attempt > 0 || !self.viewer.types() {
                self.begins(name).await;
            }
            let word = format!("{word}-{attempt}.");
            self.viewer.keys(format!("{word}\r").as_bytes()).await;
            let answer = format!("{name}:{word}");
            self.words.push(answer.clone());
            let answered = |viewer: &Viewer<Tape>| shows(viewer, by, &answer);
            let told = |viewer: &Viewer<Tape>| answered(viewer) || !viewer.types();
            self.viewer.until(&format!("{answer:?} or word that it may be lost"), told).await;
            if answered(&self.viewer) {
                return;
            }
        }
        panic!("{word} is lost again and again");
    }

    /// Ends a child by what its program does when it is told so.
    pub(crate) async fn ends(&mut self, name: &str, word: &str) {
        self.begins(name).await;
        self.viewer.keys(format!("{word}\r").as_bytes()).await;
    }
}

/// Opens a link until it opens nothing, or says that the owner has stopped sharing and shows nothing: the relay may not have
/// been told yet when the owner was answered.
pub(crate) async fn refused(family: &Family, link: &Link, by: By) {
    let look = async || {
        let mut late = Watch::open(family, link, by);
        let decided = |viewer: &Viewer<Tape>| {
            let state = viewer.state();
            matches!(state, State::Seeking { .. } | State::Live) || state.is_final()
        };
        late.viewer.until("an answer", decided).await;
        let shown = late.viewer.screen.draw().text();
        let state = late.viewer.state();
        let is_shown =
            late.viewer.drawn > 0 || !late.viewer.children.is_empty() || late.viewer.bar().is_some();
        if !is_shown && state != State::Live { Ok(()) } else { Err((state, shown)) }
    };
    until("a refusal", LONG, look).await;
}

fn pill(viewer: &Viewer<Tape>, name: &str) -> Option<Pill> {
    viewer.bar()?.pills.iter().skip(1).find(|pill| pill.name == name).cloned()
}

fn shows(viewer: &Viewer<Tape>, by: By, text: &str) -> bool {
    match by {
        By::Parent => viewer.child().is_some_and(|bytes| has(bytes, text.as_bytes())),
        By::Child => viewer.screen.has(text),
    }
}

fn drawn(viewer: &Viewer<Tape>, by: By) -> Option<Terminal> {
    Some(match by {
        By::Parent => after(viewer.child()?),
        By::Child => viewer.screen.draw(),
    })
}
