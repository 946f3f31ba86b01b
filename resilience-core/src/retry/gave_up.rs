//! Why an operation was not retried any further.

use std::fmt;

/// Why a failed attempt is not followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The failure is of a kind that another attempt does not help.
    NotRetryable,
    /// A throttle further in refused the attempt, because the other side accepts too few.
    Throttle,
    /// As many attempts as allowed have been made.
    MaxAttempts,
    /// Sending the request twice may do harm, and it may have arrived.
    Unsafe,
    /// The request is not there any more: it cannot be copied, or was too long to keep.
    NotReplayable,
    /// The other side said not to try again, or asked for a longer wait than allowed, or was overloaded twice without saying
    /// for how long.
    Hint,
    /// The deadline leaves no room for the wait.
    Deadline,
    /// The retry budget is used up.
    Budget,
}

impl Reason {
    /// All reasons, in the order of their checks and of their discriminants.
    pub const ALL: [Self; 8] = [
        Self::NotRetryable,
        Self::Throttle,
        Self::MaxAttempts,
        Self::Unsafe,
        Self::NotReplayable,
        Self::Hint,
        Self::Deadline,
        Self::Budget,
    ];

    /// The value of the `reason` label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRetryable => "not_retryable",
            Self::Throttle => "throttle",
            Self::MaxAttempts => "max_attempts",
            Self::Unsafe => "unsafe",
            Self::NotReplayable => "not_replayable",
            Self::Hint => "hint",
            Self::Deadline => "deadline",
            Self::Budget => "budget_exhausted",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotRetryable => "another attempt would not help",
            Self::Throttle => "the throttle refused the attempt",
            Self::MaxAttempts => "no attempts left",
            Self::Unsafe => "the request may not be sent twice",
            Self::NotReplayable => "the request cannot be sent again",
            Self::Hint => "the server does not want another attempt soon",
            Self::Deadline => "the deadline leaves no time for another attempt",
            Self::Budget => "the retry budget is used up",
        })
    }
}

/// That a retry layer gave up on an operation: after how many attempts, and why.
///
/// It comes with the last answer or error, which stays what it is: see
/// [`Error::gave_up`](crate::Error::gave_up) and [`Classify::annotate`](crate::Classify::annotate).
///
/// ```
/// use resilience_core::retry::{GaveUp, Reason};
///
/// let gave_up = GaveUp { attempts: 3, reason: Reason::MaxAttempts };
/// assert_eq!(gave_up.to_string(), "gave up after 3 attempts: no attempts left");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GaveUp {
    /// The number of attempts made, the first included.
    pub attempts: u32,
    /// Why there was no further one.
    pub reason: Reason,
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, reason } = self;
        let plural = if *attempts == 1 { "" } else { "s" };
        write!(f, "gave up after {attempts} attempt{plural}: {reason}")
    }
}
