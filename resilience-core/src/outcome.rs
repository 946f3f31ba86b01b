//! How a whole operation ended, as metrics count it.

use crate::{FailureKind, Refusal, Verdict};

/// The end of an operation: what a caller saw, retries and refusals included.
///
/// These are the values of the `outcome` label. Each refusal has its own, so that a breaker's doing is never
/// mistaken for the dependency's.
///
/// ```
/// use resilience_core::{Classify, Error, ErrorsAreFailures, Outcome, Rejected};
///
/// let result: Result<(), Error<&str>> = Err(Rejected::CircuitOpen { retry_after: None }.into());
/// assert_eq!(Outcome::of(&ErrorsAreFailures, result.as_ref()), Outcome::CircuitOpen);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Outcome {
    /// A good answer.
    Success,
    /// A good answer that a fallback gave: see [`Classify::is_fallback`](crate::Classify::is_fallback).
    Fallback,
    /// The caller's own fault ([`FailureKind::Permanent`]); no error of the service.
    ClientError,
    /// A failure of the dependency.
    Failure,
    /// An attempt timeout or the deadline.
    Timeout,
    /// Refused by a circuit breaker.
    CircuitOpen,
    /// Refused by a bulkhead, at once or after waiting.
    BulkheadFull,
    /// Refused by a throttle of ours.
    Throttled,
    /// Refused for want of capacity: by an adaptive limit, or load was shed.
    Overloaded,
    /// Refused by a rate limit.
    RateLimited,
    /// Refused by a server that is about to stop.
    Draining,
    /// The caller went away before the end; not an error.
    Cancelled,
}

impl Outcome {
    /// All outcomes, in the order of their discriminants.
    pub const ALL: [Self; 12] = [
        Self::Success,
        Self::Fallback,
        Self::ClientError,
        Self::Failure,
        Self::Timeout,
        Self::CircuitOpen,
        Self::BulkheadFull,
        Self::Throttled,
        Self::Overloaded,
        Self::RateLimited,
        Self::Draining,
        Self::Cancelled,
    ];

    /// The value of the `outcome` label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Fallback => "fallback",
            Self::ClientError => "client_error",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::CircuitOpen => "circuit_open",
            Self::BulkheadFull => "bulkhead_full",
            Self::Throttled => "throttled",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::Draining => "draining",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome of an operation that ended with `result`.
    ///
    /// A refusal speaks for itself; anything else is what `classify` says. An ignored result counts as
    /// [`Outcome::Cancelled`]: somebody gave up, and nothing is known.
    pub fn of<C, Res, Err>(classify: &C, result: Result<&Res, &Err>) -> Self
    where
        C: crate::Classify<Res, Err>,
        Err: Refusal,
    {
        if let Some(rejected) = result.err().and_then(Refusal::rejected) {
            return rejected.outcome();
        }
        match classify.classify(result) {
            Verdict::Success if result.is_ok_and(|response| classify.is_fallback(response)) => Self::Fallback,
            Verdict::Success => Self::Success,
            Verdict::Failure(FailureKind::Permanent) => Self::ClientError,
            Verdict::Failure(FailureKind::Timeout) => Self::Timeout,
            Verdict::Failure(_) => Self::Failure,
            Verdict::Ignored => Self::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn all_is_in_the_order_of_the_discriminants() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }

    #[test]
    fn every_verdict_has_an_outcome() {
        let of = |verdict: Verdict| {
            let classify = move |_: Result<&(), &Error<()>>| verdict;
            Outcome::of(&classify, Err(&Error::inner(())))
        };
        assert_eq!(of(Verdict::Success), Outcome::Success);
        assert_eq!(of(Verdict::Ignored), Outcome::Cancelled);
        assert_eq!(of(Verdict::Failure(FailureKind::Permanent)), Outcome::ClientError);
        assert_eq!(of(Verdict::Failure(FailureKind::Timeout)), Outcome::Timeout);
        assert_eq!(of(Verdict::Failure(FailureKind::Fault)), Outcome::Failure);
    }

    #[test]
    fn a_fallbacks_good_answer_is_told_from_others() {
        struct Odd;
        impl crate::Classify<u32, Error<()>> for Odd {
            fn classify(&self, result: Result<&u32, &Error<()>>) -> Verdict {
                match result {
                    Ok(9) => Verdict::Failure(FailureKind::Fault),
                    _ => Verdict::Success,
                }
            }

            fn is_fallback(&self, response: &u32) -> bool {
                response % 2 == 1
            }
        }
        assert_eq!(Outcome::of(&Odd, Ok(&8)), Outcome::Success);
        assert_eq!(Outcome::of(&Odd, Ok(&7)), Outcome::Fallback);
        assert_eq!(Outcome::of(&Odd, Ok(&9)), Outcome::Failure);
        assert_eq!(Outcome::of(&Odd, Err(&Error::inner(()))), Outcome::Success);
    }
}
