//! The one clock of this crate.

use std::time::Instant;

/// The time on the clock that every implementation under test reads as well.
#[expect(clippy::disallowed_methods, reason = "measuring time is what this crate is for")]
#[inline]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}
