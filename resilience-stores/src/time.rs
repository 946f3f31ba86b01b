//! The only timer of this crate, and how durations reach a server.

use std::time::Duration;

use resilience_core::idempotency::{StoreError, StoreErrorKind};
use tokio::time::Instant;

/// How long a store waits for its server, if it is not told otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(500);

/// A hundred years. What is longer is as good as for ever, and would not fit into what servers count in.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// When an operation has to be over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "the only clock of this crate")]
    pub(crate) fn after(limit: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(limit).unwrap_or(now + LONGEST))
    }

    /// What `operation` answers, or that it did not in time: it may have been carried out.
    pub(crate) async fn bounds<T>(
        self,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout_at(self.0, operation).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::new(StoreErrorKind::Timeout)),
        }
    }

    /// The same of what comes before an operation, when nothing has been sent yet.
    #[cfg(any(feature = "postgres", feature = "sqlx"))]
    pub(crate) async fn bounds_connecting<T>(
        self,
        connecting: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout_at(self.0, connecting).await {
            Ok(connection) => connection,
            Err(elapsed) => Err(StoreError::new(StoreErrorKind::Unavailable).with_source(elapsed)),
        }
    }
}

/// Whole milliseconds, at least one: rounded up, so that nothing ends before its time.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    let nanoseconds = duration.clamp(Duration::from_millis(1), LONGEST).as_nanos();
    i64::try_from(nanoseconds.div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// What a server says is left of something, which may be over.
pub(crate) fn from_milliseconds(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_whole_milliseconds_and_at_least_one() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
        assert_eq!(milliseconds(Duration::from_micros(1_001)), 2);
        assert_eq!(milliseconds(Duration::from_secs(30)), 30_000);
        assert_eq!(milliseconds(Duration::MAX), 3_153_600_000_000);
    }

    #[test]
    fn what_is_over_has_nothing_left() {
        assert_eq!(from_milliseconds(-1), Duration::ZERO);
        assert_eq!(from_milliseconds(1_500), Duration::from_millis(1_500));
    }
}
