//! The clock of the program.

use std::time::Instant;

/// The present instant.
#[expect(clippy::disallowed_methods, reason = "the one place where this program reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
