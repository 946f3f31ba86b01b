//! A circuit breaker: stops calling a dependency that is failing, and tries it now and then until it is well.
//!
//! ```text
//!                 a rate or a run of failures
//!                 reaches its threshold
//!     +--------+ ------------------------------> +------+
//! --> | Closed |                                 | Open | <-------------+
//!     +--------+                                 +------+               |
//!         ^                                         |                   | a probe fails, hangs,
//!         |                                         | elapsed >= wait   | or too many are slow:
//!         |                                         | and a call comes  | the wait doubles
//!         |        `probes` of them succeed         v                   |
//!         |                                     +----------+            |
//!         +------------------------------------ | HalfOpen | -----------+
//!           windows, run and wait start anew    +----------+
//! ```
//!
//! # What it promises
//!
//! * A call admitted in one state and answered in another changes nothing: a permit carries the generation it was
//!   admitted in.
//! * A probe's slot always comes back: when it is answered or dropped. One that hangs for
//!   [`half_open_timeout`](Config::half_open_timeout) has failed. So a half-open breaker that is asked always admits a
//!   probe, has as many out as it may, or moves on.
//! * Windows slide and are exact: they equal a naive list of the calls in them.
//! * Admission and a good answer of a closed breaker take no lock and, up to eight threads, touch no cache line that
//!   another thread writes for each call. A short lock is taken by failures and transitions, once for each bucket of
//!   the time window, and by successes while a window with a failure lacks calls to reach
//!   [`min_calls`](Config::min_calls).

mod conditions;
mod config;
mod hot;
#[cfg(feature = "serde")]
mod patch;
mod permit;
mod probing;
mod report;
mod shared;
mod state;
mod view;
mod window;

#[cfg(test)]
mod loom_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use self::{shared::Shared, state::Machine};
use crate::{Rejected, Verdict, keyed::Worth};

#[cfg(feature = "serde")]
pub use self::patch::Patch;
pub use self::{
    config::Config,
    permit::{Permit, Ticket},
    report::{Cause, Mode, Snapshot, State, States, Transition},
};

/// A circuit breaker: the handle to its shared state.
///
/// ```
/// use std::time::{Duration, Instant};
/// use resilience_core::{CircuitBreaker, FailureKind, Rejected, Verdict};
/// use resilience_core::circuit_breaker::{Config, State};
///
/// let start = Instant::now();
/// let breaker = CircuitBreaker::new(Config::new().consecutive_failures(2), start);
///
/// for _ in 0..2 {
///     let (admitted, _) = breaker.try_acquire(|| start);
///     let permit = admitted?;
///     permit.finish(Verdict::Failure(FailureKind::Transient), None, || start);
/// }
///
/// assert_eq!(breaker.snapshot(start).state, State::Open);
/// let (refused, _) = breaker.try_acquire(|| start);
/// assert!(matches!(refused, Err(Rejected::CircuitOpen { .. })));
///
/// let later = start + Duration::from_secs(2);
/// let (probe, transition) = breaker.try_acquire(|| later);
/// assert!(probe.is_ok());
/// assert_eq!(transition.map(|t| t.to), Some(State::HalfOpen));
/// # Ok::<(), Rejected>(())
/// ```
///
/// # Clone
///
/// A clone is the same breaker.
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

impl CircuitBreaker {
    /// A closed breaker.
    ///
    /// `now` is its beginning; what a later call gives as the time may be earlier, and then counts as this.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self::with_seed(config, now, rand::random())
    }

    /// A closed breaker that draws the jitter of its waits from a seed: the same seed, the same waits.
    #[must_use]
    pub fn with_seed(config: Config, now: Instant, seed: u64) -> Self {
        Self { shared: Arc::new(Shared::new(config, now, seed)) }
    }

    /// Asks to make a call: a permit or the refusal, and the transition that asking has caused.
    ///
    /// `now` is asked for the time when it is needed, and not at all by a closed breaker without
    /// [slow-call detection](Config::slow_calls).
    ///
    /// # Errors
    ///
    /// [`Rejected::CircuitOpen`] while the breaker is open, or half-open with all probes out.
    #[inline]
    pub fn try_acquire(&self, now: impl Fn() -> Instant) -> (Result<Permit, Rejected>, Option<Transition>) {
        let (admitted, transition) = self.admit(now);
        (admitted.map(|ticket| Permit::new(self.clone(), ticket)), transition)
    }

    /// [`try_acquire`](Self::try_acquire) for a caller that keeps the breaker at hand itself.
    ///
    /// A ticket must come back, through [`finish`](Self::finish) or [`abandon`](Self::abandon): unlike a [`Permit`] it
    /// does not do so when it is dropped, and a lost probe occupies its slot for
    /// [`half_open_timeout`](Config::half_open_timeout).
    ///
    /// # Errors
    ///
    /// [`Rejected::CircuitOpen`] while the breaker is open, or half-open with all probes out.
    #[inline]
    pub fn admit(&self, now: impl Fn() -> Instant) -> (Result<Ticket, Rejected>, Option<Transition>) {
        match self.admit_closed(&now) {
            Some(ticket) => (Ok(ticket), None),
            None => self.shared.admit(now),
        }
    }

    /// The ticket of a breaker that admits every call: closed, forced closed or disabled. `None` says to
    /// [ask](Self::admit).
    ///
    /// The part of `admit` that a caller with a fast path wants to have apart.
    #[inline]
    pub fn admit_closed(&self, now: impl FnOnce() -> Instant) -> Option<Ticket> {
        self.shared.admit_closed(now)
    }

    /// Reports an answer: see [`Permit::finish`].
    #[inline]
    pub fn finish(
        &self,
        ticket: &mut Ticket,
        verdict: Verdict,
        retry_after: Option<Duration>,
        now: impl FnOnce() -> Instant,
    ) -> Option<Transition> {
        self.shared.finish(&ticket.spend(), verdict, retry_after, now)
    }

    /// Reports that no answer will come: see [`Permit::abandon`].
    pub fn abandon(
        &self,
        ticket: &mut Ticket,
        cut: bool,
        now: impl FnOnce() -> Instant,
    ) -> Option<Transition> {
        self.shared.abandon(&ticket.spend(), cut, now)
    }

    /// The refusal that a call would meet, if it would: asks without taking a probe's slot and changes nothing.
    #[inline]
    pub fn refusal(&self, now: impl FnOnce() -> Instant) -> Option<Rejected> {
        self.shared.refusal(now)
    }

    /// Opens a half-open breaker that has a probe hanging for longer than
    /// [`half_open_timeout`](Config::half_open_timeout).
    ///
    /// [`admit`](Self::admit) and every report do so too. For a caller that waits for something else before it asks to be
    /// admitted, and might wait for just that probe.
    #[inline]
    pub fn fail_hung_probe(&self, now: impl FnOnce() -> Instant) -> Option<Transition> {
        self.shared.fail_hung_probe(now)
    }

    /// The breaker at `now`.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let now = self.shared.nanos(now);
        self.shared.locked(|machine| machine.snapshot(now))
    }

    /// What the next call would meet, as in a [`snapshot`](Self::snapshot), without a lock.
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        self.shared.state(self.shared.nanos(now))
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.locked(|machine| machine.config().clone())
    }

    /// Puts other settings in force and keeps the state, the run of failures, the probes and what the windows hold.
    ///
    /// A window that changes its length keeps the calls that are recent enough for the new one. The wait of an
    /// open breaker stays as it was drawn. If what the windows hold is too much for the new settings, the breaker trips.
    pub fn reconfigure(&self, config: Config, now: Instant) -> Option<Transition> {
        let now = self.shared.nanos(now);
        self.shared.locked(|machine| machine.reconfigure(config, now))
    }

    /// Refuses every call until told otherwise.
    ///
    /// Like every change made through the handle, the transition is only returned: the observers of layers do not hear
    /// of it.
    pub fn force_open(&self, now: Instant) -> Option<Transition> {
        self.set_mode(Mode::ForcedOpen, now)
    }

    /// Admits every call until told otherwise; records, and trips on nothing.
    pub fn force_closed(&self, now: Instant) -> Option<Transition> {
        self.set_mode(Mode::ForcedClosed, now)
    }

    /// Admits every call until told otherwise, and records nothing.
    pub fn disable(&self, now: Instant) -> Option<Transition> {
        self.set_mode(Mode::Disabled, now)
    }

    /// Lets the breaker decide again.
    ///
    /// It goes on closed: with what was recorded meanwhile if it was forced closed, else with nothing recorded.
    pub fn release(&self, now: Instant) -> Option<Transition> {
        self.set_mode(Mode::Automatic, now)
    }

    /// Closes the breaker, forgets what was recorded, and lets it decide.
    pub fn reset(&self) -> Option<Transition> {
        self.shared.locked(Machine::reset)
    }

    /// Whether the two handles are of one breaker.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// What would be lost with this breaker.
    pub(crate) fn worth_at(&self, now: Instant) -> Worth {
        let now = self.shared.nanos(now);
        self.shared.locked(|machine| machine.worth(now))
    }

    fn set_mode(&self, mode: Mode, now: Instant) -> Option<Transition> {
        let now = self.shared.nanos(now);
        self.shared.locked(|machine| machine.set_mode(mode, now))
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker").field("gate", &self.shared.gate()).finish_non_exhaustive()
    }
}
