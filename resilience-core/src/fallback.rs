//! Answering in place of a failed operation: for which failures, and how that went.
//!
//! What it answers with, a value, a function or another service, is a matter of `resilience-tower`.

use crate::{Classify, FailureKind, Refusal, Rejected, Verdict};

/// Why an operation needs a fallback.
///
/// A call that was cut by a timeout of ours is a [failure](Cause::Failure) of the kind `Timeout`, as its
/// [verdict](Rejected::verdict) says; any other refusal of a policy of ours is [`Refused`](Cause::Refused).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It failed, in the given way.
    Failure(FailureKind),
    /// A policy of ours refused it.
    Refused(Rejected),
}

impl Cause {
    /// Why `result` needs a fallback; `None` if it is good, or says nothing ([`Verdict::Ignored`]).
    ///
    /// A refusal speaks for itself; anything else is what `classify` says.
    ///
    /// ```
    /// use resilience_core::{Error, ErrorsAreFailures, FailureKind, Rejected, fallback::Cause};
    ///
    /// let cause = |result: Result<(), Error<&str>>| Cause::of(&ErrorsAreFailures, result.as_ref());
    /// assert_eq!(cause(Ok(())), None);
    /// assert_eq!(cause(Err(Error::inner("reset"))), Some(Cause::Failure(FailureKind::Transient)));
    ///
    /// let open = Rejected::CircuitOpen { retry_after: None };
    /// assert_eq!(cause(Err(open.into())), Some(Cause::Refused(open)));
    /// ```
    #[inline]
    pub fn of<C, Res, Err>(classify: &C, result: Result<&Res, &Err>) -> Option<Self>
    where
        C: Classify<Res, Err>,
        Err: Refusal,
    {
        let rejected = result.err().and_then(Refusal::rejected);
        match (rejected.map_or_else(|| classify.classify(result), Rejected::verdict), rejected) {
            (Verdict::Failure(kind), _) => Some(Self::Failure(kind)),
            (_, Some(rejected)) => Some(Self::Refused(*rejected)),
            _ => None,
        }
    }
}

/// For which causes a fallback answers.
///
/// By default for every failure but a [permanent](FailureKind::Permanent) one, and for every refusal. A permanent failure is
/// an answer: the request is at fault, and a stand-in for the answer would hide that from its caller.
///
/// ```
/// use resilience_core::{FailureKind, Rejected, fallback::{Cause, Causes}};
///
/// let causes = Causes::new();
/// assert!(causes.include(Cause::Failure(FailureKind::Timeout)));
/// assert!(causes.include(Cause::Refused(Rejected::CircuitOpen { retry_after: None })));
/// assert!(!causes.include(Cause::Failure(FailureKind::Permanent)));
///
/// let timeouts = Causes::none().with(FailureKind::Timeout);
/// assert!(!timeouts.include(Cause::Failure(FailureKind::Fault)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Causes {
    /// One bit for each kind, by its discriminant.
    kinds: u8,
    refusals: bool,
}

impl Causes {
    /// Every failure but a permanent one, and every refusal.
    #[must_use]
    pub const fn new() -> Self {
        let all = Self { kinds: (1 << FailureKind::ALL.len()) - 1, refusals: true };
        all.without(FailureKind::Permanent)
    }

    /// Nothing, to add to.
    #[must_use]
    pub const fn none() -> Self {
        Self { kinds: 0, refusals: false }
    }

    /// Failures of this kind too.
    #[must_use]
    pub const fn with(mut self, kind: FailureKind) -> Self {
        self.kinds |= 1 << kind as u8;
        self
    }

    /// But no failures of this kind.
    #[must_use]
    pub const fn without(mut self, kind: FailureKind) -> Self {
        self.kinds &= !(1 << kind as u8);
        self
    }

    /// Whether refusals of our own policies are among them. Timeouts are not meant: they are
    /// [failures](FailureKind::Timeout), but for a call that was never made because its deadline was over.
    #[must_use]
    pub const fn refusals(mut self, included: bool) -> Self {
        self.refusals = included;
        self
    }

    /// Whether a fallback answers for `cause`.
    #[must_use]
    #[inline]
    pub const fn include(self, cause: Cause) -> bool {
        match cause {
            Cause::Failure(kind) => self.kinds & (1 << kind as u8) != 0,
            Cause::Refused(_) => self.refusals,
        }
    }
}

impl Default for Causes {
    fn default() -> Self {
        Self::new()
    }
}

/// How it went with a fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// It has answered.
    Answered,
    /// What it answered is no success.
    Failed,
    /// It panicked.
    Panicked,
    /// As many calls as it may have at a time were there already; it was not asked.
    Full,
    /// There is no copy of the request, or not of all of it; it was not asked.
    NotReplayable,
    /// The request may have arrived where it was sent first, and may not be carried out twice; it was not asked.
    Unsafe,
}

impl Ending {
    /// Whether the fallback was wanted and was of no use.
    ///
    /// Not so where the request was not meant for it: [`NotReplayable`](Self::NotReplayable) and [`Unsafe`](Self::Unsafe).
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Panicked | Self::Full)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Error;

    fn cause(verdict: Verdict, result: Result<(), Error<()>>) -> Option<Cause> {
        let classify = move |_: Result<&(), &Error<()>>| verdict;
        Cause::of(&classify, result.as_ref())
    }

    #[test]
    fn bad_answers_and_errors_are_judged_by_the_classifier() {
        for result in [Ok(()), Err(Error::inner(()))] {
            assert_eq!(cause(Verdict::Success, result), None);
            assert_eq!(cause(Verdict::Ignored, result), None);
            for kind in FailureKind::ALL {
                assert_eq!(cause(Verdict::Failure(kind), result), Some(Cause::Failure(kind)));
            }
        }
    }

    #[test]
    fn a_refusal_speaks_for_itself() {
        let refused = |rejected: Rejected| cause(Verdict::Success, Err(rejected.into()));
        let (limit, elapsed) = (Duration::ZERO, Duration::ZERO);
        for never_made in [
            Rejected::CircuitOpen { retry_after: None },
            Rejected::Throttled { per_mille: 1 },
            Rejected::DeadlineExceeded { limit, elapsed, called: false },
        ] {
            assert_eq!(refused(never_made), Some(Cause::Refused(never_made)));
        }
        for cut in [
            Rejected::AttemptTimeout { limit, elapsed },
            Rejected::DeadlineExceeded { limit, elapsed, called: true },
        ] {
            assert_eq!(refused(cut), Some(Cause::Failure(FailureKind::Timeout)));
        }
    }

    #[test]
    fn each_cause_is_put_in_and_taken_out_alone() {
        let refused = Cause::Refused(Rejected::CircuitOpen { retry_after: None });
        let is_usual = |kind| kind != FailureKind::Permanent;
        for kind in FailureKind::ALL {
            assert_eq!(Causes::new().include(Cause::Failure(kind)), is_usual(kind), "{kind:?}");
            assert!(!Causes::none().include(Cause::Failure(kind)));
            for other in FailureKind::ALL {
                let (one, but_one) = (Causes::none().with(kind), Causes::new().without(kind));
                assert_eq!(one.include(Cause::Failure(other)), other == kind);
                assert_eq!(but_one.include(Cause::Failure(other)), other != kind && is_usual(other));
                assert!(!one.include(refused) && but_one.include(refused));
            }
        }
        assert!(Causes::default().include(refused) && !Causes::none().include(refused));
        assert!(!Causes::new().refusals(false).include(refused));
        assert!(Causes::none().refusals(true).include(refused));
    }

    #[test]
    fn what_was_not_meant_for_it_is_no_failure_of_it() {
        for (ending, is_failure) in [
            (Ending::Answered, false),
            (Ending::Failed, true),
            (Ending::Panicked, true),
            (Ending::Full, true),
            (Ending::NotReplayable, false),
            (Ending::Unsafe, false),
        ] {
            assert_eq!(ending.is_failure(), is_failure, "{ending:?}");
        }
    }
}
