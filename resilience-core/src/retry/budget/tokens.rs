//! A capped number of tokens, in one word: what success-paid, quota and throttle have in common.

use super::costs::Costs;
use crate::FailureKind;

/// The three kinds of budget that only count tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    SuccessPaid,
    Quota,
    Throttle,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::SuccessPaid => "success_paid",
            Self::Quota => "quota",
            Self::Throttle => "throttle",
        }
    }
}

/// What moves how many tokens. The word is the number of tokens; a fresh budget is full.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) kind: Kind,
    capacity: u64,
    /// What a success brings that has nothing to get back.
    reward: u32,
    /// What a failure takes, retried or not.
    penalty: u32,
    costs: Costs,
    /// What must be left after a retry has been paid for.
    floor: u64,
    /// Whether a success gets back what the last retry cost.
    refunds: bool,
    /// How many of our tokens make one of those that users see.
    scale: u32,
}

impl Rules {
    pub(super) const fn success_paid(capacity: u32, costs: Costs) -> Self {
        Self {
            kind: Kind::SuccessPaid,
            capacity: capacity as u64,
            reward: 1,
            penalty: 0,
            costs,
            floor: 0,
            refunds: false,
            scale: 1,
        }
    }

    /// The standard quota of the AWS SDKs, in the version of their retry behaviour that is numbered 2.1.
    pub(super) const fn quota() -> Self {
        Self {
            kind: Kind::Quota,
            capacity: 500,
            reward: 1,
            penalty: 0,
            costs: Costs { throttled: 5, ..Costs::all(14) },
            floor: 0,
            refunds: true,
            scale: 1,
        }
    }

    /// gRFC A6, in thousandths of its tokens.
    pub(super) const fn throttle(max: u32, ratio: u32) -> Self {
        const SCALE: u32 = 1000;
        let capacity = max as u64 * SCALE as u64;
        Self {
            kind: Kind::Throttle,
            capacity,
            reward: ratio,
            penalty: SCALE,
            costs: Costs::all(0),
            // More than half, and the capacity is even.
            floor: capacity / 2 + 1,
            refunds: false,
            scale: SCALE,
        }
    }

    /// The word of a fresh budget.
    pub(super) const fn fresh(&self) -> u64 {
        self.capacity
    }

    /// What a success brings whose last retry, if there was one, cost `charge`.
    #[inline]
    pub(super) const fn reward(&self, charge: u32) -> u32 {
        if charge == 0 { self.reward } else { charge }
    }

    /// What a success will get back for a retry of this kind.
    pub(super) const fn charge(&self, kind: FailureKind) -> u32 {
        if self.refunds { self.costs.of(kind) } else { 0 }
    }

    /// `None` if nothing changes: it is full.
    #[inline]
    pub(super) fn deposit(&self, word: u64, amount: u32) -> Option<u64> {
        (word < self.capacity).then(|| (word + u64::from(amount)).min(self.capacity))
    }

    /// `None` if nothing changes: failures cost nothing, or it is empty.
    pub(super) fn fail(&self, word: u64) -> Option<u64> {
        (word > 0 && self.penalty > 0).then(|| word.saturating_sub(self.penalty.into()))
    }

    /// `None` if it does not hold enough.
    pub(super) fn withdraw(&self, word: u64, kind: FailureKind) -> Option<u64> {
        self.pay(word, self.costs.of(kind))
    }

    /// Whether it could pay for a retry of every kind that a fresh one could pay for.
    pub(super) fn can_pay(&self, word: u64) -> bool {
        let kinds = FailureKind::ALL.into_iter();
        let mut payable = kinds.filter(|&kind| self.withdraw(self.capacity, kind).is_some());
        payable.all(|kind| self.withdraw(word, kind).is_some())
    }

    /// As users see it.
    pub(super) fn tokens(&self, word: u64) -> f64 {
        word as f64 / f64::from(self.scale)
    }

    fn pay(&self, word: u64, cost: u32) -> Option<u64> {
        word.checked_sub(cost.into()).filter(|&left| left >= self.floor)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use FailureKind::{Throttled, Timeout, Transient};

    use super::*;

    #[test]
    fn a_full_bucket_is_not_written() {
        let rules = Rules::success_paid(10, Costs::all(3));
        assert_eq!(rules.deposit(10, 1), None);
        assert_eq!(rules.deposit(9, 1), Some(10));
        assert_eq!(rules.deposit(9, 14), Some(10), "and never above its capacity");
    }

    #[test]
    fn a_retry_is_paid_in_full_or_refused() {
        let rules = Rules::quota();
        assert_eq!(rules.withdraw(14, Transient), Some(0));
        assert_eq!(rules.withdraw(13, Transient), None);
        assert_eq!(rules.withdraw(13, Timeout), None);
        assert_eq!(rules.withdraw(13, Throttled), Some(8));
        assert!(rules.can_pay(14) && !rules.can_pay(13), "for every kind, not for the cheapest");
    }

    #[test]
    fn only_a_throttle_counts_failures_and_it_stops_at_empty() {
        assert_eq!(Rules::quota().fail(500), None);
        let throttle = Rules::throttle(10, 100);
        assert_eq!(throttle.fail(10_000), Some(9_000));
        assert_eq!(throttle.fail(300), Some(0));
        assert_eq!(throttle.fail(0), None);
    }

    #[test]
    fn a_throttle_wants_more_than_half_and_takes_nothing() {
        let throttle = Rules::throttle(3, 100);
        assert_eq!(throttle.withdraw(1_501, Transient), Some(1_501));
        assert_eq!(throttle.withdraw(1_500, Transient), None);
    }
}
