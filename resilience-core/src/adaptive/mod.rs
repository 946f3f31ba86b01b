//! An adaptive limit: as many calls at a time as the other side, or this service itself, can bear, found by watching how long they
//! take.
//!
//! # What it promises
//!
//! * Never more calls in flight than the limit; a lower limit revokes nothing, the surplus drains.
//! * The limit changes at most once per window of at least 100 ms and 10 calls, and only calls that began under it speak for it.
//! * It grows only while it is in use. It shrinks only for latency, or for overload verdicts:
//!   [`Throttled`](crate::FailureKind::Throttled), [`PeerOverloaded`](crate::FailureKind::PeerOverloaded),
//!   [`Timeout`](crate::FailureKind::Timeout), and calls that were cut. Other errors, however many and however quick, count nowhere.
//! * A call that was cut, or timed out, sooner than the average of the last window counts nowhere: a deadline that nobody could have
//!   kept says nothing, and whoever may choose deadlines cannot shrink the limit of all by it.
//! * The maximum and the minimum hold, and from the minimum it doubles with each window of quick answers.
//! * A refusal is an atomic load: it reads no clock and takes no lock. To take room, to give it back and to be counted is one atomic
//!   operation each.
//!
//! # What it needs
//!
//! Calls that end. One that hangs for ever holds its room for ever, and two of them fill a limit at its minimum: put a timeout
//! inside, or a deadline outside.
//!
//! # Fair shares
//!
//! With a key per call ([`AdaptiveLimit::try_acquire_for`]) a limit that is four fifths full holds back keys that have more in
//! flight than the limit divided by the number of keys, the earlier the more they have. So one that sends five times what
//! the service can bear gets what the others leave, and they keep what they had. A service that nobody fills refuses no key.

mod aimd;
mod config;
mod gradient2;
mod limit;
mod machine;
#[cfg(feature = "serde")]
mod patch;
mod permit;
mod priority;
mod shared;
mod shares;
mod tally;
mod vegas;

#[cfg(test)]
mod algorithm_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod loom_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::{fmt, hash::Hash, sync::Arc, time::Instant};

use self::shared::Shared;
use crate::{
    Rejected, Verdict,
    keyed::{Entry, Worth},
};

#[cfg(feature = "serde")]
pub use self::patch::Patch;
pub use self::{
    aimd::Aimd,
    config::Config,
    gradient2::Gradient2,
    limit::{Limit, Window},
    permit::{Permit, Ticket},
    priority::Priority,
    vegas::Vegas,
};

/// An adaptive limit: the handle to its shared state.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::{AdaptiveLimit, Rejected, adaptive::{Config, Priority}};
///
/// let now = Instant::now();
/// let limit = AdaptiveLimit::new(Config::default().initial(10), now);
/// let calls: Vec<_> = (0..9).map(|_| limit.try_acquire(Priority::Default, || now)).collect::<Result<_, _>>()?;
/// let refused = limit.try_acquire(Priority::Default, || now).unwrap_err();
/// assert_eq!(refused, Rejected::Overloaded { limit: 10, in_flight: 9 });
/// assert!(limit.try_acquire(Priority::Critical, || now).is_ok());
/// # drop(calls);
/// # Ok::<(), Rejected>(())
/// ```
///
/// # Clone
///
/// A clone is the same limit.
#[derive(Clone)]
pub struct AdaptiveLimit {
    shared: Arc<Shared>,
}

impl AdaptiveLimit {
    /// A limit at its initial value.
    ///
    /// `now` is its beginning; what a later call gives as the time may be earlier, and then counts as this.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self { shared: Arc::new(Shared::new(config, now)) }
    }

    /// Asks to make a call. `now` is asked for the time if it is admitted.
    ///
    /// # Errors
    ///
    /// [`Rejected::Overloaded`] if this [priority](Priority)'s part of the limit is in flight.
    #[inline]
    pub fn try_acquire(&self, priority: Priority, now: impl FnOnce() -> Instant) -> Result<Permit, Rejected> {
        Ok(Permit::new(self.clone(), self.admit(priority, now)?))
    }

    /// [`try_acquire`](Self::try_acquire) for one of several callers who share the limit [fairly](self#fair-shares).
    ///
    /// # Errors
    ///
    /// [`Rejected::Overloaded`], as for `try_acquire` or because of the fair share.
    pub fn try_acquire_for(
        &self,
        key: &impl Hash,
        priority: Priority,
        now: impl FnOnce() -> Instant,
    ) -> Result<Permit, Rejected> {
        Ok(Permit::new(self.clone(), self.admit_for(key, priority, now)?))
    }

    /// [`try_acquire`](Self::try_acquire) for a caller that keeps the limit at hand itself.
    ///
    /// A ticket must come back, through [`finish`](Self::finish) or [`abandon`](Self::abandon): unlike a [`Permit`] it
    /// does not do so when it is dropped, and a lost one counts as in flight for ever.
    ///
    /// # Errors
    ///
    /// [`Rejected::Overloaded`].
    #[inline]
    pub fn admit(&self, priority: Priority, now: impl FnOnce() -> Instant) -> Result<Ticket, Rejected> {
        self.shared.admit(priority, now)
    }

    /// [`try_acquire_for`](Self::try_acquire_for), with a ticket: see [`admit`](Self::admit).
    ///
    /// # Errors
    ///
    /// [`Rejected::Overloaded`].
    pub fn admit_for(
        &self,
        key: &impl Hash,
        priority: Priority,
        now: impl FnOnce() -> Instant,
    ) -> Result<Ticket, Rejected> {
        self.shared.admit_for(key, priority, now)
    }

    /// Reports an answer: see [`Permit::finish`].
    #[inline]
    pub fn finish(&self, ticket: &mut Ticket, verdict: Verdict, now: impl FnOnce() -> Instant) {
        if let Some(ticket) = ticket.spend() {
            self.shared.finish(&ticket, verdict, now);
        }
    }

    /// Reports that no answer will come: see [`Permit::abandon`].
    pub fn abandon(&self, ticket: &mut Ticket, cut: bool, now: impl FnOnce() -> Instant) {
        if let Some(ticket) = ticket.spend() {
            self.shared.abandon(&ticket, cut, now);
        }
    }

    /// Puts other settings in force: bounds, target, or another algorithm, which begins with what is known now, the limit.
    ///
    /// The limit stays where it is, within the new bounds. Calls that are out stay out.
    pub fn reconfigure(&self, config: Config) {
        self.shared.reconfigure(config);
    }

    /// The limit as it is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Whether the two handles are of one limit.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// Protection while calls are out: a new limit would not know of them. What it has learnt is history.
impl Entry for AdaptiveLimit {
    fn worth(&self, _: Instant) -> Worth {
        let Snapshot { limit, in_flight } = self.snapshot();
        match in_flight {
            0 if self.shared.is_initial(limit) => Worth::Nothing,
            0 => Worth::History,
            _ => Worth::Protection,
        }
    }
}

/// An adaptive limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// How many calls may be in flight.
    pub limit: u32,
    /// How many are; more than the limit after it was lowered.
    pub in_flight: u32,
}

impl fmt::Debug for AdaptiveLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { limit, in_flight } = self.snapshot();
        f.debug_struct("AdaptiveLimit")
            .field("in_flight", &in_flight)
            .field("limit", &limit)
            .finish_non_exhaustive()
    }
}
