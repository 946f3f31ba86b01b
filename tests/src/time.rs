//! The tests' own clock: Tokio's, so that it stands still where a test has paused it.

use std::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the tests' own clock")]
#[must_use]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
