//! The settings of a budget that successes pay for.

use super::{
    RetryBudget,
    costs::{Costs, cost_of},
    shared::Rules,
    tokens,
};
use crate::{FailureKind, range::Range};

pub(super) const CAPACITY: Range<u32> = Range::new("capacity", 1, 1_000_000);

/// The settings of a budget that successes pay for: see [`RetryBudget::success_paid`].
///
/// ```
/// use resilience_core::{FailureKind, retry::RetryBudget};
///
/// let settings = RetryBudget::success_paid().capacity(1000).cost(FailureKind::Timeout, 20);
/// let budget = RetryBudget::from(settings);
/// assert_eq!(budget.max_tokens(), 1000.0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuccessPaid {
    pub(super) capacity: u32,
    pub(super) cost: Costs,
}

impl SuccessPaid {
    pub(super) const fn new() -> Self {
        Self { capacity: 300, cost: Costs { timeout: 10, ..Costs::all(3) } }
    }

    /// Holds at most so many tokens, and holds them at first. Default: 300.
    ///
    /// # Choosing a value
    ///
    /// It is what an outage may cost once: with 300, a hundred retries of fast failures or thirty of timeouts.
    ///
    /// # Panics
    ///
    /// If `tokens` is 0 or more than 1 000 000.
    #[must_use]
    #[track_caller]
    pub fn capacity(mut self, tokens: u32) -> Self {
        self.capacity = CAPACITY.expect(tokens);
        self
    }

    /// A retry after a failure of this kind costs so many tokens. Default: 10 after a timeout, 3 after any other.
    ///
    /// In the long run there is at most one retry for so many successes. What costs more than the
    /// [capacity](Self::capacity) is never granted.
    ///
    /// # Choosing a value
    ///
    /// At least 2: at 1 a success pays for a whole retry, and retries may double the load. A timeout costs more, because
    /// a call that hangs occupies the dependency, and the caller, for longest.
    ///
    /// # Panics
    ///
    /// If `tokens` is 0 or more than 1 000 000.
    #[must_use]
    #[track_caller]
    pub fn cost(mut self, kind: FailureKind, tokens: u32) -> Self {
        self.cost.set(kind, cost_of(kind).expect(tokens));
        self
    }
}

impl From<SuccessPaid> for RetryBudget {
    fn from(settings: SuccessPaid) -> Self {
        Self::of(Rules::Tokens(tokens::Rules::success_paid(settings.capacity, settings.cost)))
    }
}
