//! The ready-made stacks, on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod client;
#[cfg(feature = "http")]
mod server;

use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
