//! Client-side adaptive throttling: refuses part of the calls to a dependency that accepts only part of them.
//!
//! From chapter 21, "Handling Overload", of [Site Reliability Engineering]. Over a window of recent calls it counts
//! *requests* and *accepts*, and refuses the next call with the probability
//!
//! ```text
//! max(0, (requests - K * accepts) / (requests + 1))
//! ```
//!
//! So a dependency that accepts half of what it is offered (K = 2) is offered all of it, and one that accepts less is
//! offered about K times what it accepts: enough to find out when it can take more. It is the proportional companion of
//! the [circuit breaker](crate::circuit_breaker): that one admits all or nothing.
//!
//! [Site Reliability Engineering]: https://sre.google/sre-book/handling-overload/
//!
//! # What counts
//!
//! | end of a call | request | accept |
//! |---|---|---|
//! | `Success`, or a `Permanent` failure: the other side has answered | yes | yes |
//! | any other failure, a timeout, a call cut by a deadline | yes | no |
//! | refused by this throttle | yes | no |
//! | `Ignored`, as a refusal further in is | no | no |
//! | dropped by its caller | no | no |
//!
//! What is ignored or dropped says nothing about the dependency: as an accept it would hide an overload, as a request without
//! one it would be held against a dependency that was not asked.
//!
//! A call counts when it has ended, where the book counts the request when it is sent. The book's window is two minutes long,
//! and what is under way is little beside what is in it. The window here is short: a burst of calls after a quiet time, or a
//! dependency that takes half a second longer, would fill it with requests that nobody could have answered yet, and
//! calls to a dependency that is well would be refused. The price is that a dependency that hangs is noticed when the first
//! calls to it have timed out.
//!
//! # What it promises
//!
//! * The [window](Config::window) is bounded in time and in [number](Config::max_requests): a long healthy history delays
//!   nothing, neither the reaction nor the recovery.
//! * No refusal while the window holds fewer than [`min_requests`](Config::min_requests).
//! * Of [`probe_one_in`](Config::probe_one_in) calls in a row at least one passes, however high the probability is: probes are
//!   in proportion to the traffic.
//! * An answer that comes after a [`reset`](Throttle::reset) changes nothing.
//! * The order of reports is kept: the window equals a naive list of what was reported, and a random number is drawn only
//!   for a probability above zero.
//! * As long as no call can be refused before another has failed, an admission is a load or two, and an answer that was
//!   accepted one compare-and-swap on a cache line of its thread. The admission reads no clock while fewer than
//!   `min_requests * (1 - 1/K)` calls of the window have failed. Failures take a short lock, as do all calls while some are
//!   refused, and one call in each tenth of the window's length.

mod config;
mod machine;
#[cfg(feature = "serde")]
mod patch;
mod permit;
mod shared;
mod window;

#[cfg(test)]
mod loom_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Instant};

use self::shared::Shared;
use crate::{
    Rejected, Rng, Verdict,
    keyed::{Entry, Worth},
};

#[cfg(feature = "serde")]
pub use self::patch::Patch;
pub use self::{
    config::Config,
    machine::Snapshot,
    permit::{Permit, Ticket},
};

/// An adaptive throttle: the handle to its shared state.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::{FailureKind, Rejected, Throttle, Verdict};
/// use resilience_core::throttle::Config;
///
/// let now = Instant::now();
/// let throttle = Throttle::with_seed(Config::new(), now, 7);
/// let mut sent = 0;
/// for _ in 0..1000 {
///     if let Ok(permit) = throttle.try_acquire(|| now) {
///         sent += 1;
///         permit.finish(Verdict::Failure(FailureKind::PeerOverloaded), || now);
///     }
/// }
/// assert!(throttle.snapshot(now).probability > 0.9);
/// assert!((50..150).contains(&sent), "about one in twenty still passes");
/// ```
///
/// # Clone
///
/// A clone is the same throttle.
#[derive(Clone)]
pub struct Throttle {
    shared: Arc<Shared>,
}

impl Throttle {
    /// A throttle that has seen nothing.
    ///
    /// `now` is its beginning; what a later call gives as the time may be earlier, and then counts as this.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self { shared: Arc::new(Shared::new(config, now, Rng::random())) }
    }

    /// A throttle that draws its refusals from a seed: the same seed and the same calls, the same refusals.
    #[must_use]
    pub fn with_seed(config: Config, now: Instant, seed: u64) -> Self {
        Self { shared: Arc::new(Shared::new(config, now, Rng::from_seed(seed))) }
    }

    /// Asks to make a call.
    ///
    /// `now` is asked for the time at most once, and not at all while the window holds too few failures for any refusal.
    ///
    /// # Errors
    ///
    /// [`Rejected::Throttled`], which then counts as a request that was not accepted.
    #[inline]
    pub fn try_acquire(&self, now: impl FnOnce() -> Instant) -> Result<Permit, Rejected> {
        self.admit(now).map(|ticket| Permit::new(self.clone(), ticket))
    }

    /// [`try_acquire`](Self::try_acquire) for a caller that keeps the throttle at hand itself.
    ///
    /// A ticket occupies nothing: one that is dropped is a call that counts as nothing.
    ///
    /// # Errors
    ///
    /// [`Rejected::Throttled`].
    #[inline]
    pub fn admit(&self, now: impl FnOnce() -> Instant) -> Result<Ticket, Rejected> {
        match self.shared.admit_calm() {
            Some(ticket) => Ok(ticket),
            None => self.shared.admit(now),
        }
    }

    /// Reports an answer: see [`Permit::finish`].
    #[inline]
    pub fn finish(&self, ticket: &mut Ticket, verdict: Verdict, now: impl FnOnce() -> Instant) {
        self.shared.finish(&ticket.spend(), verdict, now);
    }

    /// Reports that no answer will come: see [`Permit::abandon`].
    pub fn abandon(&self, ticket: &mut Ticket, cut: bool, now: impl FnOnce() -> Instant) {
        self.shared.abandon(&ticket.spend(), cut, now);
    }

    /// The throttle at `now`; looking changes nothing.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        self.shared.look(now, |machine, now| machine.snapshot(now))
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.config()
    }

    /// Puts other settings in force and keeps what the window holds, as far as it fits.
    ///
    /// A slice of the window does not know in which order its calls ended: those that were not accepted count as the last.
    pub fn reconfigure(&self, config: Config, now: Instant) {
        self.shared.reconfigure(config, now);
    }

    /// Forgets all it has seen. Answers to calls that were admitted before change nothing.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Whether the two handles are of one throttle.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// A throttle that refuses is in force; one that has seen failures is history.
impl Entry for Throttle {
    fn worth(&self, now: Instant) -> Worth {
        self.shared.look(now, |machine, now| machine.worth(now))
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("is_calm", &self.shared.is_calm()).finish_non_exhaustive()
    }
}
