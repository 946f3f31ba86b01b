//! The moment by which an operation must be over.

use std::time::{Duration, Instant};

/// A limit longer than this is this long: `Instant` cannot hold every sum, and nobody waits thirty years.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The moment by which an operation must be over, and how long it was given.
///
/// ```
/// use std::time::{Duration, Instant};
/// use resilience_core::Deadline;
///
/// let now = Instant::now();
/// let deadline = Deadline::after(now, Duration::from_secs(5));
/// assert_eq!(deadline.remaining(now + Duration::from_secs(2)), Duration::from_secs(3));
/// assert!(deadline.is_over(now + Duration::from_secs(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// The deadline of an operation that starts `now` and may take `limit`.
    ///
    /// A limit of more than thirty years counts as thirty years.
    #[must_use]
    #[inline]
    pub fn after(now: Instant, limit: Duration) -> Self {
        let at = now.checked_add(limit.min(LONGEST)).unwrap_or(now);
        Self { at, limit }
    }

    /// The moment itself.
    #[must_use]
    #[inline]
    pub const fn at(self) -> Instant {
        self.at
    }

    /// The time that the operation was given in all.
    #[must_use]
    #[inline]
    pub const fn limit(self) -> Duration {
        self.limit
    }

    /// The time left at `now`, zero once it is over.
    #[must_use]
    #[inline]
    pub fn remaining(self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }

    /// Whether the deadline has come: at its exact moment it has.
    #[must_use]
    #[inline]
    pub fn is_over(self, now: Instant) -> bool {
        now >= self.at
    }

    /// The time since the operation started, at `now`.
    #[must_use]
    #[inline]
    pub fn elapsed(self, now: Instant) -> Duration {
        let over = now.saturating_duration_since(self.at);
        (self.limit.min(LONGEST) + over).saturating_sub(self.remaining(now))
    }

    /// The earlier of the two.
    #[must_use]
    #[inline]
    pub fn min(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn counts_from_its_start_to_its_exact_moment() {
        let t0 = Instant::now();
        let deadline = Deadline::after(t0, 5 * SECOND);
        assert_eq!(deadline.elapsed(t0 + 2 * SECOND), 2 * SECOND);
        assert_eq!(deadline.elapsed(t0 + 7 * SECOND), 7 * SECOND);
        assert_eq!(deadline.remaining(t0 + 7 * SECOND), Duration::ZERO);
        assert!(!deadline.is_over(t0 + 5 * SECOND - Duration::from_nanos(1)));
        assert!(deadline.is_over(t0 + 5 * SECOND));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn an_endless_limit_does_not_overflow() {
        let t0 = Instant::now();
        let endless = Deadline::after(t0, Duration::MAX);
        assert!(!endless.is_over(t0 + 1000 * SECOND));
        assert_eq!(endless.limit(), Duration::MAX);
        let later = t0 + Duration::from_secs(31 * 365 * 24 * 60 * 60);
        assert_eq!(endless.elapsed(later), later - t0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn the_earlier_one_wins() {
        let t0 = Instant::now();
        let (short, long) = (Deadline::after(t0, SECOND), Deadline::after(t0, 2 * SECOND));
        assert_eq!(short.min(long), short);
        assert_eq!(long.min(short), short);
    }
}
