//! What one operation owes.

/// What one operation owes its budget: made by [`RetryBudget::open`](super::RetryBudget::open), given back at each step.
///
/// It belongs to the budget that opened it, and is small enough to lie in every future: four bytes.
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
pub struct Tab(u32);

/// Counted as active.
const ACTIVE: u32 = 1 << 31;
/// Counted as a retry in flight.
const RETRYING: u32 = 1 << 30;

impl Tab {
    pub(super) const fn new(is_active: bool) -> Self {
        Self(if is_active { ACTIVE } else { 0 })
    }

    /// Whether [`close`](super::RetryBudget::close) still has something to do.
    ///
    /// Never, unless the budget counts what is [in flight](super::RetryBudget::in_flight).
    #[inline]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.0 & ACTIVE != 0
    }

    pub(super) const fn is_retrying(&self) -> bool {
        self.0 & RETRYING != 0
    }

    pub(super) const fn set_retrying(&mut self, is_retrying: bool) {
        self.0 = self.0 & !RETRYING | if is_retrying { RETRYING } else { 0 };
    }

    /// Notes what the last retry cost, where a success gives it back. Such a budget counts nothing in flight.
    pub(super) const fn set_charge(&mut self, charge: u32) {
        self.0 = charge;
    }

    pub(super) const fn take_charge(&mut self) -> u32 {
        std::mem::replace(&mut self.0, 0)
    }

    pub(super) const fn take(&mut self) -> Self {
        Self(std::mem::replace(&mut self.0, 0))
    }
}
