//! What a file says of a circuit breaker.

use std::time::Duration;

use super::{
    Config,
    config::{
        BUCKETS, CONSECUTIVE_FAILURES, COUNT_WINDOW, FAILURE_RATE, HALF_OPEN_TIMEOUT, MAX_OPEN_FOR,
        MIN_CALLS, OPEN_FOR, PROBES, SLOW_LONGER_THAN, SLOW_RATE, SlowCalls, TIME_WINDOW,
    },
};
use crate::settings::{
    form::{any, plain},
    off::Off,
    patch::{needed, settings},
};

settings! {
    /// What a file says of a circuit breaker: see [`settings`](crate::settings#layers).
    pub struct Patch for Config as "circuit_breaker", needs [] {
        /// Looks at the calls of the last so long.
        time_window: Option<Duration> = Off(TIME_WINDOW),
        /// Divides the time window into so many buckets.
        buckets: u32 = BUCKETS,
        /// Looks at the last so many calls, however old.
        count_window: Option<u32> = Off(COUNT_WINDOW),
        /// The number of calls that a window must hold before its rates count.
        min_calls: u32 = MIN_CALLS,
        /// Trips when failures divided by calls is at least this.
        failure_rate: Option<f64> = Off(FAILURE_RATE),
        /// Trips when slow calls divided by calls is at least a rate.
        slow_calls: Option<SlowCalls> = Off(plain()),
        /// Trips after so many failures in a row.
        consecutive_failures: Option<u32> = Off(CONSECUTIVE_FAILURES),
        /// How long it stays open at first; twice as long at each further opening.
        open_for: Duration = OPEN_FOR,
        /// How long it stays open at most.
        max_open_for: Duration = MAX_OPEN_FOR,
        /// For how long a server that asks to be left alone is believed.
        max_hint: Duration = any("max_hint"),
        /// Closes after so many successful probes, and admits no more than that while half-open.
        probes: u32 = PROBES,
        /// Counts a probe that takes longer than this as failed.
        half_open_timeout: Duration = HALF_OPEN_TIMEOUT,
    }
    _patch => Ok(Config::new());
    config => config.fitting();
}

settings! {
    /// What a file says of slow calls.
    struct SlowPatch for SlowCalls as "slow_calls", needs ["longer_than", "rate"] {
        /// A call that takes longer is slow.
        longer_than: Duration = SLOW_LONGER_THAN,
        /// Slow calls divided by calls.
        rate: f64 = SLOW_RATE,
    }
    patch => Ok(SlowCalls {
        longer_than: needed(patch.longer_than, &SLOW_LONGER_THAN)?,
        rate: needed(patch.rate, &SLOW_RATE)?,
    });
    slow_calls => Ok(slow_calls);
}
