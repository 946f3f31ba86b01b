//! The only clock of this crate: Tokio's, so that `tokio::time::pause` reaches the durations.

use std::time::{Duration, Instant, SystemTime};

use tokio::time::{Interval, MissedTickBehavior};

#[expect(clippy::disallowed_methods, reason = "this is the one clock of the crate")]
#[inline]
pub(crate) fn now() -> Instant {
    #[cfg(test)]
    READINGS.set(READINGS.get() + 1);
    tokio::time::Instant::now().into_std()
}

/// The time of day, for timestamps. `tokio::time::pause` does not stop it.
#[expect(clippy::disallowed_methods, reason = "this is the one clock of the crate")]
pub(crate) fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// Ticks once every `period`, first at once. After a tick that was late the next one comes a whole period later.
pub(crate) fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
thread_local! {
    /// How often this thread has looked at the clock.
    pub(crate) static READINGS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}
