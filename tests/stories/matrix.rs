//! The eight permutations and their variations (ORCHESTRATION 8), as a table: eight rows, nine variations. In every cell
//! relay, drivers and sharers are processes with homes of their own and no file in common, and viewers are without a page;
//! `browser_matrix` opens each row in a real one.
//!
//! A row's cells are played side by side, and all that fail are told. The minute offline is waited for once, by all rows.

use futures_util::future::join_all;
use tokio::task::LocalSet;

use cells::{Cell, SOON, Variation, cell};
use family::Kind;
use watch::By;

pub(crate) mod cells;
pub(crate) mod family;
mod faults;
mod offline;
pub(crate) mod watch;

/// A row of the table: where parent and child run, and whose link is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its number in the table.
    pub(crate) number: u8,
    /// Where parent and child run.
    pub(crate) kind: Kind,
    /// Whose link it is.
    pub(crate) by: By,
}

const fn row(number: u8, kind: Kind, by: By) -> Row {
    Row { number, kind, by }
}

/// The table.
pub(crate) const ROWS: [Row; 8] = [
    row(1, Kind::LocalLocal, By::Parent),
    row(2, Kind::LocalLocal, By::Child),
    row(3, Kind::LocalRemote, By::Parent),
    row(4, Kind::LocalRemote, By::Child),
    row(5, Kind::RemoteLocal, By::Parent),
    row(6, Kind::RemoteLocal, By::Child),
    row(7, Kind::RemoteRemote, By::Parent),
    row(8, Kind::RemoteRemote, By::Child),
];

/// Plays cells side by side, and fails with the names of all that failed.
pub(crate) async fn side_by_side(cells: impl IntoIterator<Item = (String, Cell)>) {
    let local = LocalSet::new();
    let (names, cells): (Vec<_>, Vec<_>) = cells.into_iter().unzip();
    let cells: Vec<_> = cells.into_iter().map(|cell| local.spawn_local(cell)).collect();
    let ended = local.run_until(join_all(cells)).await;
    let failed = names.into_iter().zip(ended).filter_map(|(name, end)| {
        let panic = end.err()?.into_panic();
        let text = panic.downcast_ref::<String>().cloned();
        Some(format!(
            "{name}: {}",
            text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.into())).unwrap_or_default()
        ))
    });
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n\n"));
}

/// All variations of a row but the long one.
async fn all_of(number: u8) {
    let row = ROWS[usize::from(number) - 1];
    side_by_side(SOON.map(|variation| (format!("row {number}, {variation:?}"), cell(row, variation)))).await;
}

#[tokio::test]
async fn row_1_a_local_parent_with_local_children_by_its_link() {
    all_of(1).await;
}

#[tokio::test]
async fn row_2_a_local_child_of_a_local_parent_by_its_own_link() {
    all_of(2).await;
}

#[tokio::test]
async fn row_3_a_local_parent_with_remote_children_by_its_link() {
    all_of(3).await;
}

#[tokio::test]
async fn row_4_a_remote_child_of_a_local_parent_by_its_own_link() {
    all_of(4).await;
}

#[tokio::test]
async fn row_5_a_remote_parent_with_children_on_its_driver_by_its_link() {
    all_of(5).await;
}

#[tokio::test]
async fn row_6_a_child_on_the_driver_of_its_remote_parent_by_its_own_link() {
    all_of(6).await;
}

#[tokio::test]
async fn row_7_a_remote_parent_with_children_on_another_driver_by_its_link() {
    all_of(7).await;
}

#[tokio::test]
async fn row_8_a_child_on_another_driver_than_its_parent_by_its_own_link() {
    all_of(8).await;
}

#[tokio::test]
async fn every_row_survives_a_viewers_minute_offline() {
    let cell = |row: Row| (format!("row {}, offline", row.number), cell(row, Variation::ViewerOffline));
    side_by_side(ROWS.map(cell)).await;
}
