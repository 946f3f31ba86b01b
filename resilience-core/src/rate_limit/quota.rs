use std::time::Duration;

use super::gcra::Rules;

/// How many calls are let through, and how many of them at once.
///
/// The unit is in the name of the constructor: `per_second(100)` is a hundred calls a second.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::rate_limit::Quota;
///
/// let quota = Quota::per_second(100).burst(20);
/// assert_eq!(quota.interval(), Duration::from_millis(10));
/// assert_eq!(quota.max_burst(), 20);
/// assert_eq!(quota.window(), Duration::from_millis(200));
/// assert_eq!(Quota::per_minute(6).interval(), Duration::from_secs(10));
/// assert_eq!(Quota::per(3, Duration::from_secs(2)).interval(), Duration::from_nanos(666_666_667));
/// ```
///
/// A call costs one token, unless it is said to cost more. A token comes after each [`interval`](Self::interval), which is rounded up
/// to whole nanoseconds: a quota never lets more through than it says, and up to ten million calls a second not one in a
/// hundred less.
///
/// # Choosing a value
///
/// The burst is as many calls as the period has, unless [`burst`](Self::burst) says otherwise: whoever comes seldom may use at
/// once what he would have had in the period. What follows can bear how many at the same moment? That is the burst; with 1, calls are spaced evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Nanoseconds per token.
    interval: u64,
    burst: u32,
}

/// No bucket takes longer to fill: 146 years, a quarter of what the word can count.
const LONGEST: u64 = u64::MAX / 4;

impl Quota {
    /// `calls` in each second.
    ///
    /// # Panics
    ///
    /// If `calls` is 0 or more than a thousand million.
    #[must_use]
    #[track_caller]
    pub const fn per_second(calls: u32) -> Self {
        Self::per(calls, Duration::from_secs(1))
    }

    /// `calls` in each minute.
    ///
    /// # Panics
    ///
    /// If `calls` is 0.
    #[must_use]
    #[track_caller]
    pub const fn per_minute(calls: u32) -> Self {
        Self::per(calls, Duration::from_secs(60))
    }

    /// `calls` in each hour.
    ///
    /// # Panics
    ///
    /// If `calls` is 0.
    #[must_use]
    #[track_caller]
    pub const fn per_hour(calls: u32) -> Self {
        Self::per(calls, Duration::from_secs(3600))
    }

    /// `calls` in each `period`.
    ///
    /// # Panics
    ///
    /// If `calls` is 0 or more than one for each nanosecond of `period`, or if `period` is longer than 146 years.
    #[must_use]
    #[track_caller]
    pub const fn per(calls: u32, period: Duration) -> Self {
        expect(Self::checked(calls, period))
    }

    pub(super) const fn checked(calls: u32, period: Duration) -> Result<Self, &'static str> {
        if calls == 0 {
            return Err("calls is 0, it must be at least 1");
        }
        if period.as_nanos() > LONGEST as u128 {
            return Err("period must not be longer than 146 years");
        }
        if period.as_nanos() < calls as u128 {
            return Err("calls must be at most one for each nanosecond of the period");
        }
        // It fits: that was the second check.
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        let interval = (period.as_nanos() as u64).div_ceil(calls as u64);
        Ok(Self { interval, burst: calls })
    }

    /// At most `calls` at the same moment, however long nobody came.
    ///
    /// # Panics
    ///
    /// If `calls` is 0, or so many that as many tokens take longer than 146 years.
    #[must_use]
    #[track_caller]
    pub const fn burst(self, calls: u32) -> Self {
        expect(self.with_burst(calls))
    }

    pub(super) const fn with_burst(mut self, calls: u32) -> Result<Self, &'static str> {
        if calls == 0 {
            return Err("burst is 0, it must be from 1 to 4294967295");
        }
        if self.interval as u128 * calls as u128 > LONGEST as u128 {
            return Err("burst must not take longer than 146 years to come back");
        }
        self.burst = calls;
        Ok(self)
    }

    /// After how long one more token is there.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// How many calls may come at the same moment.
    #[must_use]
    pub const fn max_burst(&self) -> u32 {
        self.burst
    }

    /// After how long an empty bucket is full again.
    #[must_use]
    pub const fn window(&self) -> Duration {
        Duration::from_nanos(self.rules().window())
    }

    pub(super) const fn rules(&self) -> Rules {
        Rules { interval: self.interval, burst: self.burst as u64 }
    }

    pub(super) const fn of(interval: u64, burst: u32) -> Self {
        Self { interval, burst }
    }
}

/// What a setter does with a quota that was checked, in constants too.
#[track_caller]
const fn expect(checked: Result<Quota, &'static str>) -> Quota {
    match checked {
        Ok(quota) => quota,
        Err(wrong) => panic!("{}", wrong),
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn trap_26_n_per_second_is_n_each_second_and_not_one_every_n_seconds() {
        assert_eq!(Quota::per_second(5).interval(), Duration::from_millis(200));
        assert_eq!(Quota::per_minute(120).interval(), Duration::from_millis(500));
        assert_eq!(Quota::per_hour(2).interval(), Duration::from_secs(1800));
        assert_eq!(Quota::per(10, Duration::from_secs(2)).interval(), Duration::from_millis(200));
        assert_eq!(Quota::per_second(5).max_burst(), 5, "the calls of the period");
    }

    #[test]
    fn the_interval_is_rounded_up() {
        assert_eq!(Quota::per_second(3).interval().as_nanos(), 333_333_334);
        assert_eq!(Quota::per_second(1_000_000_000).interval().as_nanos(), 1);
    }

    #[test]
    #[should_panic(expected = "calls is 0, it must be at least 1")]
    fn no_calls_are_no_quota() {
        let _ = Quota::per_second(0);
    }

    #[test]
    #[should_panic(expected = "at most one for each nanosecond")]
    fn more_than_one_call_for_each_nanosecond_is_too_much() {
        let _ = Quota::per(11, Duration::from_nanos(10));
    }

    #[test]
    #[should_panic(expected = "burst is 0, it must be from 1 to 4294967295")]
    fn no_burst_is_no_quota() {
        let _ = Quota::per_second(1).burst(0);
    }

    #[test]
    #[should_panic(expected = "146 years")]
    fn a_burst_that_never_comes_back_is_refused() {
        let _ = Quota::per_hour(1).burst(u32::MAX);
    }

    #[test]
    #[should_panic(expected = "period must not be longer than 146 years")]
    fn a_period_that_never_ends_is_refused() {
        let _ = Quota::per(1, Duration::MAX);
    }
}
