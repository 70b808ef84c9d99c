//! One terminal per pane, of which the selected one is seen.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use shared::ordered::Ordered;
use shared::viewer::PaneId;
use web_sys::HtmlElement;

use crate::xterm::Screen;

struct Place {
    host: HtmlElement,
    screen: Rc<Screen>,
}

/// Makes a pane's terminal in its place.
type Make = dyn Fn(&HtmlElement, PaneId) -> Screen;

/// The terminals of a page. A pane's is made when it is first written to, and dropped with the pane.
pub(crate) struct Screens {
    stage: HtmlElement,
    make: Box<Make>,
    places: RefCell<Ordered<PaneId, Place>>,
    shown: Cell<Option<PaneId>>,
}

impl Screens {
    /// Terminals inside `stage`, each made by `make`; the link's own is there at once.
    pub(crate) fn new(
        stage: HtmlElement,
        make: impl Fn(&HtmlElement, PaneId) -> Screen + 'static,
    ) -> Rc<Self> {
        let screens = Rc::new(Self {
            stage,
            make: Box::new(make),
            places: RefCell::default(),
            shown: Cell::new(Some(PaneId::OWN)),
        });
        let _own = screens.of(PaneId::OWN);
        screens
    }

    /// A pane's terminal; `None` where the page is gone.
    pub(crate) fn of(&self, pane: PaneId) -> Option<Rc<Screen>> {
        if let Some(place) = self.places.borrow().get(&pane) {
            return Some(Rc::clone(&place.screen));
        }
        let host = super::page::append(&self.stage, "screen")?;
        host.set_hidden(self.shown.get() != Some(pane));
        let screen = Rc::new((self.make)(&host, pane));
        self.places.borrow_mut().insert(pane, Place { host, screen: Rc::clone(&screen) });
        Some(screen)
    }

    /// The terminal that is seen.
    pub(crate) fn shown(&self) -> Option<Rc<Screen>> {
        self.places.borrow().get(&self.shown.get()?).map(|place| Rc::clone(&place.screen))
    }

    /// Which pane's it is.
    pub(crate) fn shown_pane(&self) -> Option<PaneId> {
        self.shown.get()
    }

    /// Shows a pane's terminal, or none; whether that is another than before.
    pub(crate) fn show(&self, pane: Option<PaneId>) -> bool {
        if self.shown.replace(pane) == pane {
            return false;
        }
        let screen = pane.and_then(|pane| self.of(pane));
        for (id, place) in self.places.borrow().iter() {
            place.host.set_hidden(Some(*id) != pane);
        }
        if let Some(screen) = screen {
            // Nothing fits into what is not seen.
            screen.fit();
        }
        true
    }

    /// A pane is gone, and its terminal with it.
    pub(crate) fn drop_pane(&self, pane: PaneId) {
        if let Some(place) = self.places.borrow_mut().remove(&pane) {
            place.screen.dispose();
            place.host.remove();
        }
    }

    /// Does something to every terminal.
    pub(crate) fn each(&self, act: impl Fn(&Screen)) {
        for place in self.places.borrow().values() {
            act(&place.screen);
        }
    }
}

impl core::fmt::Debug for Screens {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Screens").field("shown", &self.shown).finish_non_exhaustive()
    }
}
