//! What one operation owes.

/// What one operation owes its budget: made by [`RetryBudget::open`](super::RetryBudget::open), given back at each step.
///
/// It belongs to the budget that opened it, and is small enough to lie in every future: eight bytes.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::retry::RetryBudget;
///
/// let now = Instant::now();
/// let budget = RetryBudget::in_flight(20, 3);
/// let mut tab = budget.open(|| now);
/// assert!(tab.is_open());
/// budget.close(&mut tab);
/// assert!(!tab.is_open());
/// ```
///
/// The default owes nothing, for an operation without a budget.
#[derive(Debug, Default)]
#[must_use = "an operation that is not closed may count as active for ever"]
pub struct Tab {
    /// What the last retry cost, where a success gives it back; else 0.
    pub(super) charge: u32,
    /// Counted as active.
    pub(super) active: bool,
    /// Counted as a retry in flight.
    pub(super) retrying: bool,
}

impl Tab {
    pub(super) const fn new(active: bool) -> Self {
        Self { charge: 0, active, retrying: false }
    }

    /// Whether [`close`](super::RetryBudget::close) still has something to do.
    ///
    /// Never, unless the budget counts what is [in flight](super::RetryBudget::in_flight).
    #[inline]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.active
    }
}
