//! Who may come in: grants by the hash of their token, and how often anybody may try.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use subtle::ConstantTimeEq as _;

use crate::id::{DriverId, SessionId};
use crate::keys::grant::{GrantRow, Right, Token, TokenHash};
use crate::time::Moment;

/// The grant that `token` shows, among those of a room or, for a session that is not there, among none.
///
/// One code path for both: every row is looked at, and an absent room has one that nothing matches, so the
/// answer takes as long either way.
pub(super) fn find(grants: Option<&[GrantRow]>, token: &Token) -> Option<GrantRow> {
    let nobody = [GrantRow { token_hash: TokenHash([0; 32]), right: Right::Watch }];
    let hash = token.hash();
    let mut found = None;
    for row in grants.unwrap_or(&nobody) {
        if bool::from(row.token_hash.0.ct_eq(&hash.0)) {
            found = Some(*row);
        }
    }
    found
}

/// What an address may spend on one session before it has to wait.
const CAPACITY: u64 = 2_000;
/// What comes back per second: 20 joins, one claim, a wrong link every 2.5 s.
const REFILL_PER_S: u64 = 20;
/// Buckets kept. Beyond, the fullest go: who fills the table with attempts here and there gains nothing, as a bucket that was
/// emptied is the last to be forgotten.
const MAX_BUCKETS: usize = 10_000;
/// How many go at once, so that looking for them is rare.
const FORGOTTEN: usize = MAX_BUCKETS / 8;

/// What an attempt costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// A join with a good token: 2,000 at once, a whole team behind one address.
    Join = 1,
    /// A claim: 100 at once.
    Claim = 20,
    /// A join that opens nothing: 40 at once.
    Failure = 50,
}

/// What attempts are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Everything that an address has verified.
    Address(String),
    /// What it wants of one session.
    Session(String, SessionId),
    /// What it asks of one driver.
    Driver(String, DriverId),
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u64,
    at: Moment,
}

impl Bucket {
    /// In thousandths, so that a refill of a few milliseconds is not lost.
    fn refilled(self, now: Moment) -> u64 {
        let back = now.since(self.at).saturating_mul(REFILL_PER_S);
        self.left.saturating_add(back).min(CAPACITY * 1000)
    }
}

/// Token buckets per (address, session), and per address for what is costly whichever session it is about.
#[derive(Debug, Default)]
pub(super) struct Limits {
    buckets: BTreeMap<Place, Bucket>,
}

impl Limits {
    /// Takes `cost`, or says in how many milliseconds there is enough.
    pub(super) fn spend(
        &mut self,
        now: Moment,
        address: &str,
        session: SessionId,
        cost: Cost,
    ) -> Result<(), u64> {
        self.take(now, Place::Session(address.to_owned(), session), cost as u64)
    }

    /// Takes the cost of verifying something signed, or says in how many milliseconds there is enough: sessions are easily
    /// made up, and each would have a bucket of its own. 2,000 at once, 20 a second.
    pub(super) fn verify(&mut self, now: Moment, address: &str) -> Result<(), u64> {
        self.take(now, Place::Address(address.to_owned()), 1)
    }

    /// Takes the cost of asking a driver: 400 at once, four a second.
    pub(super) fn ask(&mut self, now: Moment, address: &str, driver: DriverId) -> Result<(), u64> {
        self.take(now, Place::Driver(address.to_owned(), driver), 5)
    }

    fn take(&mut self, now: Moment, place: Place, cost: u64) -> Result<(), u64> {
        if self.buckets.len() >= MAX_BUCKETS && !self.buckets.contains_key(&place) {
            self.forget(now);
        }
        let bucket = self.buckets.entry(place).or_insert(Bucket { left: CAPACITY * 1000, at: now });
        let left = bucket.refilled(now);
        let cost = cost * 1000;
        let rest = left.checked_sub(cost).ok_or_else(|| (cost - left).div_ceil(REFILL_PER_S));
        *bucket = Bucket { left: *rest.as_ref().unwrap_or(&left), at: now };
        rest.map(drop)
    }

    /// Forgets the fullest buckets.
    fn forget(&mut self, now: Moment) {
        let mut lefts: Vec<u64> = self.buckets.values().map(|bucket| bucket.refilled(now)).collect();
        lefts.sort_unstable_by(|a, b| b.cmp(a));
        let Some(&least) = lefts.get(FORGOTTEN) else { return };
        let mut like_it = FORGOTTEN - lefts.iter().take_while(|left| **left > least).count();
        self.buckets.retain(|_, bucket| match bucket.refilled(now).cmp(&least) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => {
                let stays = like_it == 0;
                like_it = like_it.saturating_sub(1);
                stays
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_run_out_per_address_and_session_and_come_back() {
        let mut limits = Limits::default();
        let (session, now) = (SessionId([1; 16]), Moment(5));
        for _ in 0..40 {
            assert_eq!(limits.spend(now, "a", session, Cost::Failure), Ok(()));
        }
        assert_eq!(limits.spend(now, "a", session, Cost::Failure), Err(2_500));
        assert_eq!(limits.spend(now, "a", SessionId([2; 16]), Cost::Failure), Ok(()));
        assert_eq!(limits.spend(now, "b", session, Cost::Failure), Ok(()));
        assert_eq!(limits.spend(now.after(2_499), "a", session, Cost::Failure), Err(1));
        assert_eq!(limits.spend(now.after(2_500), "a", session, Cost::Failure), Ok(()));
    }

    #[test]
    fn an_emptied_bucket_outlives_any_number_of_others() {
        let (mut limits, now) = (Limits::default(), Moment(0));
        let target = SessionId([9; 16]);
        for _ in 0..40 {
            assert_eq!(limits.spend(now, "m", target, Cost::Failure), Ok(()));
        }
        for n in 0..50_000u128 {
            let (address, session) = (format!("{}", n % 700), SessionId(n.to_be_bytes()));
            assert_eq!(limits.spend(now, &address, session, Cost::Failure), Ok(()));
        }
        assert!(limits.buckets.len() <= MAX_BUCKETS);
        assert_eq!(limits.spend(now, "m", target, Cost::Failure), Err(2_500));
        assert_eq!(limits.spend(now, "n", target, Cost::Failure), Ok(()), "the control");
    }

    #[test]
    fn what_an_address_has_verified_is_bounded_whatever_it_is_about() {
        let (mut limits, now) = (Limits::default(), Moment(0));
        for _ in 0..CAPACITY {
            assert_eq!(limits.verify(now, "m"), Ok(()));
        }
        assert_eq!(limits.verify(now, "m"), Err(50));
        assert_eq!(limits.verify(now, "n"), Ok(()));
        assert_eq!(limits.verify(now.after(50), "m"), Ok(()));
    }

    #[test]
    fn buckets_are_bounded() {
        let mut limits = Limits::default();
        for n in 0..30_000u128 {
            assert_eq!(limits.spend(Moment(0), "a", SessionId(n.to_be_bytes()), Cost::Failure), Ok(()));
            assert!(limits.buckets.len() <= MAX_BUCKETS);
        }
    }

    #[test]
    fn a_token_finds_its_grant_and_nothing_else() {
        let (good, bad) = (Token([1; 32]), Token([2; 32]));
        let rows = [
            GrantRow { token_hash: good.hash(), right: Right::Type },
            GrantRow { token_hash: TokenHash([0; 32]), right: Right::Watch },
        ];
        assert_eq!(find(Some(&rows), &good).map(|row| row.right), Some(Right::Type));
        assert_eq!(find(Some(&rows), &bad), None);
        assert_eq!(find(None, &good), None);
    }
}
