//! What the other side said about trying again.

use std::time::Duration;

/// What the other side said about trying again.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::Hint;
///
/// let retry_after_two_seconds = Hint::AtLeast(Duration::from_secs(2));
/// assert_eq!(retry_after_two_seconds.wait(), Some(Duration::from_secs(2)));
/// assert_eq!(Hint::Never.wait(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Not before this time has passed: `Retry-After` and its relatives. It is the same for everybody who was told at once, so
    /// whoever waits adds some jitter.
    AtLeast(Duration),
    /// After just this time: gRPC's pushback.
    Exactly(Duration),
    /// Not at all: a gRPC pushback that is negative or not a number.
    Never,
}

impl Hint {
    /// The time to wait at least; `None` for [`Never`](Self::Never).
    #[must_use]
    pub const fn wait(self) -> Option<Duration> {
        match self {
            Self::AtLeast(wait) | Self::Exactly(wait) => Some(wait),
            Self::Never => None,
        }
    }
}
