//! Measurements: the table "Speed and size", each row a function, printed by the program `load`.
//!
//! Figures are medians of runs on the machine at hand, next to a *floor* taken in the same run: the same bytes pumped
//! by a program that seals nothing, models nothing and decides nothing. Everything else is the real binary, the real
//! relay and the machine that the page runs ([`crate::viewer`]).

pub mod attach;
pub mod children;
pub mod corpus;
pub mod crowd;
pub mod echo;
pub mod floor;
pub mod idle;
pub mod late;
pub mod machine;
pub mod page;
pub mod page_children;
pub mod pour;
pub mod presence;
pub mod pty;
pub mod record;
pub mod remote;
pub mod replay;
pub mod rows;
pub mod sample;
pub mod scene;
pub mod screen;
pub mod start;
pub mod stop;
pub mod stuck;
pub mod table;
pub mod traffic;
pub mod view;
