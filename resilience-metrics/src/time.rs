//! The only clock of this crate: Tokio's, so that `tokio::time::pause` reaches the durations.

use std::time::{Instant, SystemTime};

#[expect(clippy::disallowed_methods, reason = "this is the one clock of the crate")]
#[inline]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time of day, for timestamps. `tokio::time::pause` does not stop it.
#[expect(clippy::disallowed_methods, reason = "this is the one clock of the crate")]
pub(crate) fn wall_now() -> SystemTime {
    SystemTime::now()
}
