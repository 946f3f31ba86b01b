//! The only clock of this crate: Tokio's, so that `tokio::time::pause` reaches the durations.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "this is the one clock of the crate")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
