//! Tab stops.

/// The distance of tab stops in a terminal nobody has told otherwise.
const EVERY: usize = 8;

/// The tab stops of one screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tabs {
    stops: Vec<bool>,
}

impl Tabs {
    /// Makes the usual stops, every 8 columns.
    pub(super) fn new(cols: usize) -> Self {
        Self { stops: (0..cols).map(|col| col % EVERY == 0).collect() }
    }

    pub(super) fn set(&mut self, col: usize, on: bool) {
        if let Some(stop) = self.stops.get_mut(col) {
            *stop = on;
        }
    }

    pub(super) fn clear(&mut self) {
        self.stops.fill(false);
    }

    /// The next stop right of `col`, or the last column.
    pub(super) fn after(&self, col: usize) -> usize {
        let last = self.stops.len().saturating_sub(1);
        (col + 1..last).find(|&at| self.stops.get(at) == Some(&true)).unwrap_or(last)
    }

    /// The next stop left of `col`, or the first column.
    pub(super) fn before(&self, col: usize) -> usize {
        (0..col).rev().find(|&at| self.stops.get(at) == Some(&true)).unwrap_or(0)
    }

    /// Cuts or adds columns; added ones have the usual stops.
    pub(super) fn resize(&mut self, cols: usize) {
        let old = self.stops.len();
        self.stops.truncate(cols);
        self.stops.extend((old..cols).map(|col| col % EVERY == 0));
    }

    /// The columns with stops, or `None` if they are the usual ones.
    pub(super) fn unusual(&self) -> Option<impl Iterator<Item = usize>> {
        let unusual = self.stops.iter().enumerate().any(|(col, on)| *on != (col % EVERY == 0));
        let stops = self.stops.iter().enumerate().filter(|(_, on)| **on).map(|(col, _)| col);
        unusual.then_some(stops)
    }
}
