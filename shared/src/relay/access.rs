//! Who may come in: grants by the hash of their token, and how often anybody may try.

use std::collections::BTreeMap;

use subtle::ConstantTimeEq as _;

use crate::id::SessionId;
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
/// Buckets kept. Beyond, full ones go; if none is full, all go: to forget is better than to refuse everybody.
const MAX_BUCKETS: usize = 10_000;

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

/// Token buckets per (address, session).
#[derive(Debug, Default)]
pub(super) struct Limits {
    buckets: BTreeMap<(String, SessionId), Bucket>,
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
        let key = (address.to_owned(), session);
        if self.buckets.len() >= MAX_BUCKETS && !self.buckets.contains_key(&key) {
            self.buckets.retain(|_, bucket| bucket.refilled(now) < CAPACITY * 1000);
            if self.buckets.len() >= MAX_BUCKETS {
                self.buckets.clear();
            }
        }
        let bucket = self.buckets.entry(key).or_insert(Bucket { left: CAPACITY * 1000, at: now });
        let left = bucket.refilled(now);
        let cost = cost as u64 * 1000;
        let rest = left.checked_sub(cost).ok_or_else(|| (cost - left).div_ceil(REFILL_PER_S));
        *bucket = Bucket { left: *rest.as_ref().unwrap_or(&left), at: now };
        rest.map(drop)
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
