//! A retry budget: how many retries all the operations of a client may make together.
//!
//! A limit of attempts bounds what one operation adds to the load; when everything fails, three attempts each are three
//! times the load, just when the dependency can bear it least. A budget bounds what retries add to the load of all, and
//! lets single failures be retried as ever.
//!
//! # The kinds
//!
//! | | paid by | a retry is granted while | source |
//! |---|---|---|---|
//! | [`success_paid`](RetryBudget::success_paid) | successes | there are tokens for its kind of failure | our own; the default |
//! | [`ratio`](RetryBudget::ratio) | requests, and time | recent requests times the ratio exceed recent retries | Finagle, `tower` |
//! | [`quota`](RetryBudget::quota) | successes | there are tokens for its kind of failure | AWS SDKs |
//! | [`throttle`](RetryBudget::throttle) | successes | more than half of the tokens are left | gRPC |
//! | [`in_flight`](RetryBudget::in_flight) | nothing | few others are in flight | Envoy |
//!
//! # What it promises
//!
//! * A budget is one word, changed by compare-and-swap: threads that race for its last tokens get what it holds and no more.
//! * Arithmetic is in integers: a ratio of three decimals is kept exactly.
//! * A success that finds a token budget full reads one word and writes nothing, so threads do not wait for each other.
//!   `ratio` and `in_flight` change the word for every operation.
//! * Only `ratio` ever asks for the time.
//!
//! # The steps of one operation
//!
//! [`open`](RetryBudget::open) at its start, [`fail`](RetryBudget::fail) for each failure worth a retry,
//! [`withdraw`](RetryBudget::withdraw) for each retry, [`deposit`](RetryBudget::deposit) if it succeeds, and
//! [`close`](RetryBudget::close) however it ends.

mod config;
mod costs;
mod in_flight;
#[cfg(feature = "serde")]
mod patch;
mod ratio;
mod shared;
mod slices;
mod success_paid;
mod tab;
mod tokens;

#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod loom_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Instant};

use self::shared::{Rules, Shared};
use crate::{
    FailureKind,
    keyed::{Entry, Worth},
};

#[cfg(feature = "serde")]
pub use self::patch::Patch;
pub use self::{
    config::{Config, InFlight, Throttle},
    ratio::Ratio,
    success_paid::SuccessPaid,
    tab::Tab,
};

/// A retry budget: the handle to its shared state.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::{FailureKind, retry::RetryBudget};
///
/// let now = Instant::now();
/// let budget = RetryBudget::from(RetryBudget::success_paid().capacity(10));
///
/// let mut tab = budget.open(|| now);
/// budget.fail(FailureKind::Timeout);
/// assert!(budget.withdraw(&mut tab, FailureKind::Timeout, || now));
/// budget.fail(FailureKind::Timeout);
/// assert!(!budget.withdraw(&mut tab, FailureKind::Timeout, || now), "it is spent");
/// budget.close(&mut tab);
///
/// let mut tab = budget.open(|| now);
/// budget.deposit(&mut tab);
/// budget.close(&mut tab);
/// assert_eq!(budget.tokens(now), 1.0);
/// ```
///
/// # Clone
///
/// A clone is the same budget.
#[derive(Clone)]
pub struct RetryBudget {
    shared: Arc<Shared>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryBudget {
    /// A budget that successes pay for, with its defaults: see [`success_paid`](Self::success_paid).
    #[must_use]
    pub fn new() -> Self {
        Self::success_paid().into()
    }

    /// A budget that successes pay for and nothing else.
    ///
    /// It starts full, with 300 tokens. Each operation that succeeds brings one; a retry costs 3, after a timeout 10. So in
    /// the long run retries of fast failures are at most a third of the successes, and those of timeouts a tenth,
    /// which is the bound that Google's SRE book gives for a client ("Handling Overload"). An outage drains it once, a
    /// hundred retries of fast failures, and cannot refill it.
    ///
    /// There is no floor per second: ten retries a second per client is what keeps retry storms alive. A thousand clients
    /// would send ten thousand retries a second to a dependency that cannot answer one of them.
    #[must_use]
    pub const fn success_paid() -> SuccessPaid {
        SuccessPaid::new()
    }

    /// A budget in proportion to recent requests, as Finagle has it (`RetryBudget`, `TokenBucket.newLeakyBucket`) and
    /// `tower` (`TpsBudget`).
    ///
    /// Each operation brings `ratio` of a retry when it starts, for the next [`ttl`](Ratio::ttl). Besides that,
    /// [`reserve_per_second`](Ratio::reserve_per_second) retries are granted whatever happens: `ratio(0.1)` starts with a
    /// hundred, `ratio(0.1).reserve_per_second(0)` with none. Its tokens are retries.
    ///
    /// The ratio is kept exactly. At most 8 388 607 parts are counted for each half of a `ttl`, a part being the smallest
    /// step of the ratio: at 0.1, what 8 388 607 requests bring, at 0.333 what 25 190 do. It grants less beyond that, never
    /// more.
    ///
    /// # Panics
    ///
    /// If `ratio` is not from 0 to 1, or has more than three decimals.
    #[must_use]
    #[track_caller]
    pub fn ratio(ratio: f64) -> Ratio {
        Ratio::new(ratio)
    }

    /// The standard retry quota of the AWS SDKs, in version 2.1 of their retry behaviour.
    ///
    /// 500 tokens at first and at most. A retry costs 14, after a throttle 5. An operation that succeeds after retries
    /// gets back what its last retry cost; one that succeeds at once brings 1.
    #[must_use]
    pub fn quota() -> Self {
        Self::of(Rules::Tokens(tokens::Rules::quota()))
    }

    /// The retry throttling of gRPC (gRFC A6, "Throttling Retry Attempts and Hedged RPCs").
    ///
    /// `max` tokens at first and at most. Every failure takes one, retried or not, and every success brings `ratio`. Retries
    /// cost nothing, and are granted while more than half of `max` is left, counted after the failure. gRPC's own
    /// example has 10 tokens and a ratio of 0.1.
    ///
    /// # Panics
    ///
    /// If `max` is not from 1 to 1000, or if `ratio` is not from 0.001 to 1000, or has more than three decimals.
    #[must_use]
    #[track_caller]
    pub fn throttle(max: u32, ratio: f64) -> Self {
        Throttle::new(max, ratio).into()
    }

    /// A limit of the retries in flight, as Envoy has it (`retry_budget`; there the defaults are 20 % and 3).
    ///
    /// Operations that wait to retry or do so are at most `percent` of those that are open, rounded down, or `min` if
    /// that is more. An operation is open until it is [closed](Self::close), while it waits to retry as well; Envoy
    /// counts the requests that it has upstream. Its tokens are the retries that may begin now.
    ///
    /// # Panics
    ///
    /// If `percent` is not from 1 to 100.
    #[must_use]
    #[track_caller]
    pub fn in_flight(percent: u32, min: u32) -> Self {
        InFlight::new(percent, min).into()
    }

    fn of(rules: Rules) -> Self {
        Self { shared: Arc::new(Shared::new(rules)) }
    }

    /// An operation starts: what it owes, to be given to each further step.
    ///
    /// `now` is asked for the time by a [`ratio`](Self::ratio) only.
    #[inline]
    pub fn open(&self, now: impl FnOnce() -> Instant) -> Tab {
        self.shared.open(now)
    }

    /// A failure was seen that is worth a retry, whether or not there will be one.
    ///
    /// A [`throttle`](Self::throttle) takes a token, whatever the kind; the others do nothing.
    pub fn fail(&self, kind: FailureKind) {
        let _ = kind;
        self.shared.fail();
    }

    /// Asks for one retry after a failure of this kind, and charges it if it is granted.
    ///
    /// For a budget of retries [in flight](Self::in_flight) the retry that the operation had in flight has ended with
    /// this, and a closed operation is granted none. `now` is asked for the time by a [`ratio`](Self::ratio) only.
    #[must_use = "a retry that was refused must not be made"]
    pub fn withdraw(&self, tab: &mut Tab, kind: FailureKind, now: impl FnOnce() -> Instant) -> bool {
        self.shared.withdraw(tab, kind, now)
    }

    /// The operation has succeeded; to be said once.
    #[inline]
    pub fn deposit(&self, tab: &mut Tab) {
        self.shared.deposit(tab);
    }

    /// The operation is over, however it ended; saying it again changes nothing.
    ///
    /// Only a budget of retries [in flight](Self::in_flight) needs it, and it needs it from operations that were dropped
    /// as well: see [`Tab::is_open`].
    #[inline]
    pub fn close(&self, tab: &mut Tab) {
        if tab.is_open() {
            self.shared.close(tab);
        }
    }

    /// What it holds at `now`. Never below zero.
    #[must_use]
    pub fn tokens(&self, now: Instant) -> f64 {
        self.shared.tokens(now)
    }

    /// The most that it can hold; for a budget of retries [in flight](Self::in_flight), the limit at present.
    #[must_use]
    pub fn max_tokens(&self) -> f64 {
        self.shared.max_tokens()
    }

    /// Whether the two handles are of one budget.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// A budget that cannot pay for a retry where a new one could is protection.
///
/// Nothing is in force, not even retries in flight: their operations keep the budget that they were opened with, and a
/// budget that a hung operation could pin would let a flood of keys fill the table.
impl Entry for RetryBudget {
    fn worth(&self, now: Instant) -> Worth {
        self.shared.worth(now)
    }
}

/// The tokens are those of the last use.
impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("kind", &self.shared.kind())
            .field("tokens", &self.shared.last_tokens())
            .finish_non_exhaustive()
    }
}
