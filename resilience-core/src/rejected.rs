//! Every way in which a policy can refuse a call, and how an error type carries a refusal.

use std::{error, fmt, time::Duration};

use crate::{FailureKind, Outcome, Verdict, idempotency::OutcomeUnknown, retry::GaveUp};

/// A call that a policy refused or cut short, with the facts.
///
/// It is flat and `Copy`: the layers of a stack pass it through unchanged, so matching on it works at any
/// depth. New policies add variants, so a `match` needs a `_` arm.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::Rejected;
///
/// let rejected = Rejected::CircuitOpen { retry_after: Some(Duration::from_millis(800)) };
/// assert_eq!(rejected.retry_after(), Some(Duration::from_millis(800)));
/// assert_eq!(rejected.to_string(), "circuit breaker lets no call through, next probe in 800ms");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejected {
    /// The circuit breaker does not let calls through; the dependency was not called.
    CircuitOpen {
        /// Time until the next call may be admitted as a probe; an estimate while all probes are out; `None` while forced
        /// open by hand.
        retry_after: Option<Duration>,
    },
    /// The bulkhead has no permit free, and this call did not wait for one.
    BulkheadFull {
        /// The number of permits there are.
        limit: u32,
        /// The number of permits that are out.
        in_flight: u32,
    },
    /// The bulkhead has no permit free, and no room in its queue.
    BulkheadQueueFull {
        /// The number of permits there are.
        limit: u32,
        /// The number of calls that wait.
        waiting: u32,
    },
    /// The call has waited for a permit of the bulkhead for as long as it may.
    BulkheadTimedOut {
        /// How long it has waited.
        waited: Duration,
        /// How long it may.
        max_wait: Duration,
    },
    /// The call's turn in the bulkhead's queue came late, and the queue does not drain.
    BulkheadShed {
        /// How long it has waited.
        waited: Duration,
    },
    /// The throttle refused the call by chance, because the dependency accepts too few; it was not called.
    Throttled {
        /// The probability of a refusal at that moment, in thousandths: from 1 to 999.
        per_mille: u16,
    },
    /// The rate limit does not let this call through now; the dependency was not called.
    RateLimited {
        /// Time until the call would be let through at once, if nobody else came. Exact.
        retry_after: Duration,
    },
    /// The call costs more than the rate limit ever lets through at once, so it never will be; the dependency was not called.
    CostAboveBurst {
        /// What the call costs.
        cost: u32,
        /// The burst of the quota in force.
        burst: u32,
    },
    /// The service was not ready for the call, which load shedding does not let wait; it was not called.
    NotReady {
        /// How long it was found not ready.
        waited: Duration,
    },
    /// An adaptive limit has no room for this call; what is inside was not called.
    Overloaded {
        /// The limit in force. Calls of a lower priority, or of a key that has more than its share, may not fill it.
        limit: u32,
        /// The number of calls in flight.
        in_flight: u32,
    },
    /// The server admits no calls because it is about to stop; what is inside was not called.
    Draining {
        /// When to try again: by then a load balancer sends the call elsewhere. Zero if the server admits calls again, but was not
        /// readied for this one.
        retry_after: Duration,
    },
    /// One attempt took longer than its limit and was dropped.
    AttemptTimeout {
        /// The limit that was in force.
        limit: Duration,
        /// The time that had passed since the attempt was first found pending.
        elapsed: Duration,
    },
    /// The total time for the operation is over: the call was dropped, or never made.
    DeadlineExceeded {
        /// The total time that the operation was given.
        limit: Duration,
        /// The time that had passed since the operation started.
        elapsed: Duration,
        /// Whether what is inside of the limit had been called at all.
        called: bool,
    },
}

impl Rejected {
    /// When a caller may sensibly try again.
    ///
    /// `None` if the policy cannot know, as a throttle cannot, which draws for each call anew. `Some(Duration::ZERO)` means at once.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match *self {
            Self::CircuitOpen { retry_after } => retry_after,
            Self::RateLimited { retry_after } | Self::Draining { retry_after } => Some(retry_after),
            _ => None,
        }
    }

    /// What a policy further out makes of this refusal.
    ///
    /// A call that was cut is a failure of the dependency; one that was never made says nothing about it.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::AttemptTimeout { .. } | Self::DeadlineExceeded { called: true, .. } => {
                Verdict::Failure(FailureKind::Timeout)
            }
            _ => Verdict::Ignored,
        }
    }

    /// Whether the request may have reached the other side before it was refused or cut.
    #[must_use]
    pub const fn was_sent(&self) -> bool {
        match *self {
            Self::AttemptTimeout { .. } => true,
            Self::DeadlineExceeded { called, .. } => called,
            _ => false,
        }
    }

    /// The outcome of an operation that ended with this refusal.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::AttemptTimeout { .. } | Self::DeadlineExceeded { .. } => Outcome::Timeout,
            Self::CircuitOpen { .. } => Outcome::CircuitOpen,
            Self::BulkheadFull { .. }
            | Self::BulkheadQueueFull { .. }
            | Self::BulkheadTimedOut { .. }
            | Self::BulkheadShed { .. } => Outcome::BulkheadFull,
            Self::Throttled { .. } => Outcome::Throttled,
            Self::NotReady { .. } | Self::Overloaded { .. } => Outcome::Overloaded,
            Self::RateLimited { .. } | Self::CostAboveBurst { .. } => Outcome::RateLimited,
            Self::Draining { .. } => Outcome::Draining,
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CircuitOpen { retry_after: Some(Duration::ZERO) } => f.write_str(
                "circuit breaker lets no call through that was not readied before, try again at once",
            ),
            Self::CircuitOpen { retry_after: Some(wait) } => {
                write!(f, "circuit breaker lets no call through, next probe in {wait:?}")
            }
            Self::CircuitOpen { retry_after: None } => f.write_str("circuit breaker is forced open"),
            Self::BulkheadFull { limit, in_flight } => {
                write!(f, "bulkhead is full, {in_flight} of {limit} permits are out")
            }
            Self::BulkheadQueueFull { limit, waiting } => {
                write!(
                    f,
                    "bulkhead is full, and so is its queue: {limit} permits are out, {waiting} calls wait"
                )
            }
            Self::BulkheadTimedOut { waited, max_wait } => {
                write!(f, "no permit of the bulkhead in {waited:?}, the longest wait is {max_wait:?}")
            }
            Self::BulkheadShed { waited } => {
                write!(f, "bulkhead sheds its queue, this call had waited for {waited:?}")
            }
            Self::Throttled { per_mille } => {
                write!(f, "throttled, {per_mille} of 1000 calls are refused at present")
            }
            Self::NotReady { waited: Duration::ZERO } => f.write_str("the service is not ready"),
            Self::NotReady { waited } => write!(f, "the service is not ready after {waited:?}"),
            Self::RateLimited { retry_after: Duration::ZERO } => {
                f.write_str("rate limit lets no call through that was not readied before, try again at once")
            }
            Self::RateLimited { retry_after } => {
                write!(f, "rate limit lets no call through, try again in {retry_after:?}")
            }
            Self::CostAboveBurst { cost, burst } => {
                write!(f, "the call costs {cost} and the rate limit lets through {burst} at most")
            }
            Self::Overloaded { limit, in_flight } => {
                write!(f, "no room under the adaptive limit of {limit}, {in_flight} calls are in flight")
            }
            Self::Draining { retry_after: Duration::ZERO } => f.write_str(
                "the server admits calls again and was not readied for this one, try again at once",
            ),
            Self::Draining { retry_after } => {
                write!(f, "the server drains and admits no calls, try again in {retry_after:?}")
            }
            Self::AttemptTimeout { limit, elapsed } => {
                write!(f, "attempt timed out after {elapsed:?}, its limit is {limit:?}")
            }
            Self::DeadlineExceeded { limit, elapsed, called } => {
                let never = if called { "" } else { ", the call was never made" };
                write!(f, "deadline exceeded after {elapsed:?}, the total limit is {limit:?}{never}")
            }
        }
    }
}

impl error::Error for Rejected {}

/// The usual boxed error: `Box<dyn Error + Send + Sync>`.
pub type BoxError = Box<dyn error::Error + Send + Sync>;

/// An error type that can carry a [`Rejected`] and show it again.
///
/// Every layer asks this of the error of the service it wraps and keeps that error type: errors do not nest.
/// Implemented for [`BoxError`] and [`Error<E>`](crate::Error); for an application's own error it is two small functions:
///
/// ```
/// use resilience_core::{Refusal, Rejected};
///
/// #[derive(Debug)]
/// enum AppError {
///     Refused(Rejected),
///     Io(std::io::Error),
/// }
///
/// impl From<Rejected> for AppError {
///     fn from(rejected: Rejected) -> Self {
///         Self::Refused(rejected)
///     }
/// }
///
/// impl Refusal for AppError {
///     fn rejected(&self) -> Option<&Rejected> {
///         match self {
///             Self::Refused(rejected) => Some(rejected),
///             Self::Io(_) => None,
///         }
///     }
/// }
///
/// let error = AppError::from(Rejected::CircuitOpen { retry_after: None });
/// assert!(error.rejected().is_some());
/// assert!(AppError::Io(std::io::ErrorKind::Other.into()).rejected().is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry a refusal of a resilience layer",
    label = "the wrapped service's error must implement `Refusal`",
    note = "put `resilience_tower::ErrorLayer` (or `TransportLayer`) directly around the innermost service to turn its error `E` into `Error<E>`, or implement `From<Rejected>` and `Refusal` for your own error type"
)]
pub trait Refusal: From<Rejected> {
    /// The refusal in this error, if it is one.
    fn rejected(&self) -> Option<&Rejected>;

    /// After how many attempts, and why, a retry layer gave up and returned this error, if one did and the error can say so.
    fn gave_up(&self) -> Option<GaveUp> {
        None
    }

    /// Notes that a retry layer gave up. An error that has no room for it ignores it, as [`BoxError`] does.
    fn set_gave_up(&mut self, gave_up: GaveUp) {
        let _ = gave_up;
    }

    /// That nobody knows what the request has done, and the key to ask again with, if it was sent with one and the error can say so.
    fn outcome_unknown(&self) -> Option<OutcomeUnknown> {
        None
    }

    /// Notes that nobody knows what the request has done. An error that has no room for it ignores it, as [`BoxError`] does.
    fn set_outcome_unknown(&mut self, unknown: OutcomeUnknown) {
        let _ = unknown;
    }
}

impl Refusal for BoxError {
    /// Looks at the error and then along its sources.
    fn rejected(&self) -> Option<&Rejected> {
        let mut next: Option<&(dyn error::Error + 'static)> = Some(self.as_ref());
        while let Some(error) = next {
            if let Some(rejected) = error.downcast_ref() {
                return Some(rejected);
            }
            next = error.source();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn a_boxed_refusal_is_found_along_the_sources() {
        let direct = BoxError::from(Rejected::CircuitOpen { retry_after: None });
        assert!(direct.rejected().is_some());

        let nested: BoxError =
            Box::new(Error::<std::io::Error>::from(Rejected::CircuitOpen { retry_after: None }));
        assert!(nested.rejected().is_some());

        let foreign: BoxError = "down".into();
        assert!(foreign.rejected().is_none());
    }

    #[test]
    fn texts_say_which_limit_fired_and_after_how_long() {
        let (limit, elapsed) = (Duration::from_secs(2), Duration::from_millis(2001));
        assert_eq!(
            Rejected::AttemptTimeout { limit, elapsed }.to_string(),
            "attempt timed out after 2.001s, its limit is 2s"
        );
        assert_eq!(
            Rejected::DeadlineExceeded { limit, elapsed, called: true }.to_string(),
            "deadline exceeded after 2.001s, the total limit is 2s"
        );
        assert_eq!(
            Rejected::DeadlineExceeded { limit, elapsed, called: false }.to_string(),
            "deadline exceeded after 2.001s, the total limit is 2s, the call was never made"
        );
    }

    #[test]
    fn a_refusal_says_nothing_about_the_dependency_but_a_timeout_does() {
        let zero = Duration::ZERO;
        assert_eq!(Rejected::CircuitOpen { retry_after: None }.verdict(), Verdict::Ignored);
        let throttled = Rejected::Throttled { per_mille: 500 };
        assert_eq!((throttled.verdict(), throttled.outcome()), (Verdict::Ignored, Outcome::Throttled));
        assert_eq!((throttled.was_sent(), throttled.retry_after()), (false, None));
        assert_eq!(throttled.to_string(), "throttled, 500 of 1000 calls are refused at present");
        let not_ready = Rejected::NotReady { waited: zero };
        assert_eq!((not_ready.verdict(), not_ready.outcome()), (Verdict::Ignored, Outcome::Overloaded));
        assert_eq!((not_ready.was_sent(), not_ready.retry_after()), (false, None));
        assert_eq!(not_ready.to_string(), "the service is not ready");
        let waited = Duration::from_millis(5);
        assert_eq!(Rejected::NotReady { waited }.to_string(), "the service is not ready after 5ms");
        let draining = Rejected::Draining { retry_after: waited };
        assert_eq!((draining.verdict(), draining.outcome()), (Verdict::Ignored, Outcome::Draining));
        assert_eq!((draining.was_sent(), draining.retry_after()), (false, Some(waited)));
        assert_eq!(draining.to_string(), "the server drains and admits no calls, try again in 5ms");
        let resumed = Rejected::Draining { retry_after: zero };
        assert!(resumed.to_string().ends_with("try again at once"));
        let never_made = Rejected::DeadlineExceeded { limit: zero, elapsed: zero, called: false };
        assert_eq!((never_made.verdict(), never_made.outcome()), (Verdict::Ignored, Outcome::Timeout));
        for timeout in [
            Rejected::AttemptTimeout { limit: zero, elapsed: zero },
            Rejected::DeadlineExceeded { limit: zero, elapsed: zero, called: true },
        ] {
            assert_eq!(timeout.verdict(), Verdict::Failure(FailureKind::Timeout));
            assert_eq!(timeout.outcome(), Outcome::Timeout);
        }
    }
}
