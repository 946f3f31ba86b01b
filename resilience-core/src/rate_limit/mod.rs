//! How many calls are let through in a time: a limiter by the generic cell rate algorithm.
//!
//! A limiter is a bucket of tokens that fills at a steady pace: [`Quota`] says how fast, and how many tokens it holds. A call takes as
//! many as it [costs](RateLimiter::check), and is refused if they are not there, or told
//! [how long to wait](RateLimiter::reserve) for them.
//!
//! # What it promises
//!
//! * In any stretch of time, calls that cost no more than the burst and the tokens that have come in it, to the nanosecond.
//! * A refusal says exactly when the same call would conform, if nobody else came, and charges nothing.
//! * A wait is known when it begins: what would have to wait too long is refused at once. Places are given in order and
//!   leave in order.
//! * The state is one word, changed by compare-and-swap: no lock, no task, and threads that race for the last token get one.
//! * The quota can be changed while calls go on, and is in force within its own window.

mod gcra;
#[cfg(feature = "serde")]
mod patch;
mod quota;
mod shared;

#[cfg(test)]
mod governor_tests;
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

use self::{
    gcra::Rules,
    shared::{Refused, Shared, Taken},
};
use crate::{
    Rejected,
    keyed::{Entry, Worth},
};

#[cfg(feature = "serde")]
pub use self::patch::Patch;
pub use self::quota::Quota;

/// A rate limiter: the handle to its shared state.
///
/// ```
/// use std::time::{Duration, Instant};
/// use resilience_core::{Rejected, rate_limit::{Quota, RateLimiter}};
///
/// let now = Instant::now();
/// let limiter = RateLimiter::new(Quota::per_second(100).burst(2), now);
///
/// assert!(limiter.check(1, now).is_ok());
/// assert_eq!(limiter.check(1, now).map(|admitted| admitted.remaining()), Ok(0));
/// let refused = limiter.check(1, now);
/// assert_eq!(refused, Err(Rejected::RateLimited { retry_after: Duration::from_millis(10) }));
/// assert!(limiter.check(1, now + Duration::from_millis(10)).is_ok());
/// ```
///
/// # Clone
///
/// A clone is the same limiter.
#[derive(Clone)]
pub struct RateLimiter {
    shared: Arc<Shared>,
}

impl RateLimiter {
    /// A limiter whose bucket is full.
    #[must_use]
    pub fn new(quota: Quota, now: Instant) -> Self {
        Self { shared: Arc::new(Shared::new(quota, now)) }
    }

    /// Lets a call of this cost through now, or refuses it.
    ///
    /// A call that costs nothing is always let through.
    ///
    /// # Errors
    ///
    /// [`Rejected::RateLimited`] with the time until the same call would conform, and [`Rejected::CostAboveBurst`] if it never
    /// will. Neither charges anything.
    #[inline]
    pub fn check(&self, cost: u32, now: Instant) -> Result<Admitted, Rejected> {
        let taken = self.take(cost, 0, now)?;
        Ok(Admitted { rules: taken.rules, ahead: taken.place.next.saturating_sub(taken.now) })
    }

    /// Takes a place in order for a call of this cost: [`Reservation::wait`] says how long until it may go.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use resilience_core::rate_limit::{Quota, RateLimiter};
    ///
    /// let (now, ms) = (Instant::now(), Duration::from_millis(1));
    /// let limiter = RateLimiter::new(Quota::per_second(100).burst(1), now);
    /// let waits: Vec<_> = (0..4).map(|_| limiter.reserve(1, 20 * ms, now).map(|place| place.wait())).collect();
    /// assert_eq!(waits[..3], [Ok(0 * ms), Ok(10 * ms), Ok(20 * ms)]);
    /// assert!(waits[3].is_err(), "it would have to wait for 30 ms");
    /// ```
    ///
    /// # Errors
    ///
    /// If the wait would be longer than `max_wait`, [`Rejected::RateLimited`] with the time until the call could go at once, and
    /// [`Rejected::CostAboveBurst`] if it never could. Neither charges anything.
    ///
    /// # Cancellation
    ///
    /// A place that is not needed any more can be [given back](Self::give_back). One that is only dropped stays taken.
    #[inline]
    pub fn reserve(&self, cost: u32, max_wait: Duration, now: Instant) -> Result<Reservation, Rejected> {
        let max_wait = u64::try_from(max_wait.as_nanos()).unwrap_or(u64::MAX);
        let Taken { before, place, .. } = self.take(cost, max_wait, now)?;
        Ok(Reservation { before, next: place.next, wait: place.wait })
    }

    /// Gives back the place of a call that will not be made, and says whether that could be done.
    ///
    /// It can if nobody has come since: then all is as it was. Others who wait behind it have been told their time; they
    /// do not move up, and the place goes unused. To give its tokens to newcomers instead would let them go together with those who
    /// came before them, and more than the burst at one moment.
    ///
    /// The reservation has to be of this limiter.
    #[expect(clippy::needless_pass_by_value, reason = "a place is given back once")]
    pub fn give_back(&self, reservation: Reservation) -> bool {
        reservation.before != reservation.next && self.shared.undo(reservation.before, reservation.next)
    }

    /// Puts another quota in force.
    ///
    /// Tokens that were taken stay taken, but never more than the new bucket has: so after the new [window](Quota::window), at the
    /// latest, the limiter is as if it had never had another. Those who wait keep the time they were told. A call at the very
    /// moment of the change may be judged by the pace of one quota and the burst of the other, and charged by either.
    pub fn reconfigure(&self, quota: Quota, now: Instant) {
        self.shared.change(quota, now);
    }

    /// The quota in force.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "it was a u32")]
    pub fn quota(&self) -> Quota {
        let Rules { interval, burst } = self.shared.rules();
        Quota::of(interval, burst as u32)
    }

    /// The whole tokens that are there.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "no more than the burst, which is a u32")]
    pub fn tokens(&self, now: Instant) -> u32 {
        let (arrival, rules, now) = self.shared.look(now);
        rules.tokens(arrival, now) as u32
    }

    /// How long until a call of this cost would conform if nobody else came. `None` if it never would.
    #[must_use]
    pub fn next_after(&self, cost: u32, now: Instant) -> Option<Duration> {
        let (arrival, rules, now) = self.shared.look(now);
        match cost {
            0 => Some(Duration::ZERO),
            _ if u64::from(cost) > rules.burst => None,
            _ => Some(Duration::from_nanos(rules.place(arrival, now, cost).wait)),
        }
    }

    /// How long until the bucket is full if nobody comes.
    #[must_use]
    pub fn full_after(&self, now: Instant) -> Duration {
        let (arrival, _, now) = self.shared.look(now);
        Duration::from_nanos(arrival.saturating_sub(now))
    }

    /// Whether both are handles to one limiter.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    #[inline]
    fn take(&self, cost: u32, max_wait: u64, now: Instant) -> Result<Taken, Rejected> {
        if cost == 0 {
            return Ok(self.free(now));
        }
        self.shared.take(cost, max_wait, now).map_err(|refused| rejected(refused, cost))
    }

    /// What costs nothing takes no place.
    #[cold]
    fn free(&self, now: Instant) -> Taken {
        let (before, rules, now) = self.shared.look(now);
        Taken { rules, now, before, place: gcra::Place { wait: 0, next: before } }
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a burst is a u32")]
fn rejected(refused: Refused, cost: u32) -> Rejected {
    match refused {
        Refused::Wait(wait) => Rejected::RateLimited { retry_after: Duration::from_nanos(wait) },
        Refused::Never(burst) => Rejected::CostAboveBurst { cost, burst: burst as u32 },
    }
}

/// A full bucket is as good as new, an empty one is protection: a flood of keys must not fill it.
impl Entry for RateLimiter {
    fn worth(&self, now: Instant) -> Worth {
        let (arrival, rules, now) = self.shared.look(now);
        match rules.tokens(arrival, now) {
            _ if arrival <= now => Worth::Nothing,
            0 => Worth::Protection,
            _ => Worth::History,
        }
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").field("quota", &self.quota()).finish_non_exhaustive()
    }
}

/// A call that was let through, and what it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    rules: Rules,
    /// How far the arrival time lies ahead.
    ahead: u64,
}

impl Admitted {
    /// The whole tokens that are left.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "no more than the burst, which is a u32")]
    pub const fn remaining(&self) -> u32 {
        self.rules.tokens(self.ahead, 0) as u32
    }

    /// How long until the bucket is full if nobody else comes.
    #[must_use]
    pub const fn full_after(&self) -> Duration {
        Duration::from_nanos(self.ahead)
    }
}

/// A place in order: see [`RateLimiter::reserve`].
#[derive(Debug)]
#[must_use = "the place is taken, whether or not anybody waits for it"]
pub struct Reservation {
    before: u64,
    next: u64,
    wait: u64,
}

impl Reservation {
    /// How long the call has to wait, from the moment of the reservation. Zero if it may go at once.
    #[inline]
    #[must_use]
    pub const fn wait(&self) -> Duration {
        Duration::from_nanos(self.wait)
    }
}
