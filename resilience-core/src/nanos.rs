//! Time as one word.

use std::time::Duration;

/// `duration` in nanoseconds. Saturates after 584 years.
#[inline]
pub(crate) const fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos() as u64)
}
