//! The call context: what our layers know about a call, and how it travels with the request.
//!
//! A layer finds the [`Context`] in the request through [`CarryContext`]. There are three ways for a request to
//! carry one:
//!
//! * inside [`Call`], by value: free, works for every request type, and what `CallLayer` and `TransportLayer` of
//!   `resilience-tower` put on and take off again;
//! * in the extensions of an `http::Request` (feature `http`): needs no wrapper, and handlers can read it, but the first
//!   layer that writes one allocates;
//! * as a field of an application's own request type.
//!
//! A request that carries none still works with every layer. What it loses is what the context is for: layers
//! do not see each other's deadlines, so a breaker inside a total timeout cannot tell a hanging
//! dependency from a caller that went away.

mod call;

use std::time::{Duration, Instant};

pub use self::call::{Call, CarryContext};

use crate::{Deadline, nanos::nanos, retry::Trail};

/// What the layers of a stack know about one call.
///
/// ```
/// use std::time::{Duration, Instant};
/// use resilience_core::{Call, Context, Deadline};
///
/// let now = Instant::now();
/// let context = Context::new()
///     .with_deadline(Deadline::after(now, Duration::from_secs(1)))
///     .with_attempt_timeout(Duration::from_millis(300));
/// let call = Call::with_context("ping", context);
/// assert_eq!(call.context().attempt(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    deadline: Option<Deadline>,
    now: Option<Instant>,
    attempt_limit: Limit,
    total_timeout: Limit,
    attempt_timeout: Limit,
    trail: Option<Trail>,
    attempt: u32,
    idempotent: bool,
}

/// A duration in nanoseconds, the largest number for none: a context is moved with every call, and this is half of an
/// `Option<Duration>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit(u64);

impl Limit {
    const NONE: Self = Self(u64::MAX);

    const fn new(limit: Duration) -> Self {
        Self(nanos(limit))
    }

    #[inline]
    const fn get(self) -> Option<Duration> {
        if self.0 == u64::MAX { None } else { Some(Duration::from_nanos(self.0)) }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// The context of a first attempt without limits.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self {
            deadline: None,
            now: None,
            attempt_limit: Limit::NONE,
            total_timeout: Limit::NONE,
            attempt_timeout: Limit::NONE,
            trail: None,
            attempt: 1,
            idempotent: false,
        }
    }

    /// The moment by which the whole operation must be over, if there is one.
    #[must_use]
    #[inline]
    pub const fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Sets a deadline, unless an earlier one is there: a deadline only ever comes nearer.
    #[must_use]
    #[inline]
    pub fn with_deadline(mut self, deadline: Deadline) -> Self {
        self.tighten(deadline);
        self
    }

    /// Brings the deadline nearer, if `deadline` is earlier than what is there.
    #[inline]
    pub fn tighten(&mut self, deadline: Deadline) {
        self.deadline = Some(self.deadline.map_or(deadline, |there| there.min(deadline)));
    }

    /// What the clock said when the call was passed on, if a layer further out has looked and nothing has waited since.
    #[must_use]
    #[inline]
    pub const fn now(&self) -> Option<Instant> {
        self.now
    }

    /// Spares the layers inside a look at the clock. Only for whoever knows that they are reached at once: a queue in between would
    /// have them go by a time that is past. [`settle`](Self::settle) takes it back.
    #[inline]
    pub const fn set_now(&mut self, now: Option<Instant>) {
        self.now = now;
    }

    /// The total time for this one operation, in place of what the total timeout layer says.
    #[must_use]
    #[inline]
    pub const fn total_timeout(&self) -> Option<Duration> {
        self.total_timeout.get()
    }

    /// Gives this one operation `limit` in all, in place of what the total timeout layer says.
    ///
    /// It may be longer or shorter; a [deadline](Self::deadline) that is already set still binds.
    #[must_use]
    #[inline]
    pub const fn with_total_timeout(mut self, limit: Duration) -> Self {
        self.total_timeout = Limit::new(limit);
        self
    }

    /// The time for one attempt of this operation, in place of what attempt timeout layers say.
    #[must_use]
    #[inline]
    pub const fn attempt_timeout(&self) -> Option<Duration> {
        self.attempt_timeout.get()
    }

    /// Gives each attempt of this operation `limit`, in place of what attempt timeout layers say.
    ///
    /// It may be longer or shorter; the [deadline](Self::deadline) still binds.
    #[must_use]
    #[inline]
    pub const fn with_attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Limit::new(limit);
        self
    }

    /// Gives the operation these limits where it has none of its own.
    #[inline]
    pub fn limit_by_default(&mut self, total: Option<Duration>, attempt: Option<Duration>) {
        let or = |own: Limit, other: Option<Duration>| match other {
            Some(other) if own == Limit::NONE => Limit::new(other),
            _ => own,
        };
        self.total_timeout = or(self.total_timeout, total);
        self.attempt_timeout = or(self.attempt_timeout, attempt);
    }

    /// The number of this attempt; the first is 1.
    #[must_use]
    #[inline]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Sets the number of this attempt. For layers that make attempts.
    #[inline]
    pub const fn set_attempt(&mut self, attempt: u32) {
        self.attempt = attempt;
    }

    /// Whether somebody who knows has said that this operation may be sent twice.
    #[must_use]
    #[inline]
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Says that this one operation may be sent twice, whatever its request says itself: a `POST`, or a gRPC call, that does no
    /// more harm the second time.
    #[must_use]
    #[inline]
    pub const fn assume_idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Where retry layers write how far they got, if somebody wants to read it.
    #[must_use]
    #[inline]
    pub const fn trail(&self) -> Option<&Trail> {
        self.trail.as_ref()
    }

    /// Has retry layers write how far they got to `trail`, of which the caller keeps a clone.
    #[must_use]
    pub fn with_trail(mut self, trail: Trail) -> Self {
        self.trail = Some(trail);
        self
    }

    /// Notes that a layer further out gives what is inside `limit`, counted from when it is first found pending.
    ///
    /// The shortest one stays. A duration and not a moment, because an attempt timeout reads no clock before
    /// it has to.
    #[inline]
    pub fn limit_attempt(&mut self, limit: Duration) {
        self.attempt_limit.0 = self.attempt_limit.0.min(nanos(limit));
    }

    /// The shortest attempt limit set further out, counted from when the attempt is first found pending.
    #[must_use]
    #[inline]
    pub const fn attempt_limit(&self) -> Option<Duration> {
        self.attempt_limit.get()
    }

    /// Turns the attempt limit into a deadline, counted from `since`.
    ///
    /// For a layer that has kept the call waiting since then (a queue, a backoff) and now passes it on: inside of
    /// it the call starts late, and a limit counted from there would end after the cut.
    #[inline]
    pub fn settle(&mut self, since: Instant) {
        self.now = None;
        if let Some(limit) = self.attempt_limit.get() {
            self.attempt_limit = Limit::NONE;
            self.tighten(Deadline::after(since, limit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn a_deadline_only_comes_nearer() {
        let t0 = Instant::now();
        let (near, far) = (Deadline::after(t0, SECOND), Deadline::after(t0, 9 * SECOND));
        assert_eq!(Context::new().with_deadline(near).with_deadline(far).deadline(), Some(near));
        assert_eq!(Context::new().with_deadline(far).with_deadline(near).deadline(), Some(near));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn settling_counts_the_attempt_limit_from_when_the_wait_began() {
        let t0 = Instant::now();
        let mut context = Context::new();
        context.limit_attempt(3 * SECOND);
        context.limit_attempt(2 * SECOND);
        context.limit_attempt(5 * SECOND);
        context.settle(t0);
        assert_eq!(context.deadline(), Some(Deadline::after(t0, 2 * SECOND)));
        assert_eq!(context.attempt_limit(), None);
    }

    #[test]
    #[cfg(feature = "http")]
    fn an_http_request_carries_it_in_its_extensions() {
        let mut request = http::Request::new(());
        assert_eq!(request.context(), None);
        request.context_mut().unwrap().set_attempt(2);
        assert_eq!(request.extensions().get::<Context>().map(Context::attempt), Some(2));
    }
}
