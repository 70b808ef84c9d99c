//! Work on other machines: the driver that runs it, and whoever asks for it (ORCHESTRATION 9).
//!
//! Two machines that meet through a relay which can read, forge and replay nothing of it. [`Contact`] is what is
//! printed once and handed over: where the driver is asked, who it is, and a secret. An asker *knocks* (its key and a
//! challenge, sealed under the secret); the driver's signed *answer* names its boot, a key of that boot, and a beat.
//! From then on both have one key for each direction. An *order* names the newest beat and a number that only grows: it
//! is good once, for 45 s. What comes back are *reports*: whole values with a revision, so that repeated, late and
//! reordered ones are harmless. All that is of a boot ends with it.

mod asked;
mod asker;
mod contact;
mod machine;
mod order;
mod report;
mod rule;
mod sealing;
#[cfg(test)]
mod tests;
mod uplink;

pub use self::asked::Failure;
pub use self::asker::{Asker, AskerEffect};
pub use self::contact::{Contact, ContactError};
pub use self::machine::{Driver, DriverEffect};
pub use self::order::{Granted, Order, Start};
pub use self::report::{Exit, Report, Told};
pub use self::rule::{Denied, Rule};
