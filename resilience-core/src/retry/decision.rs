//! The decision after a failed attempt, as a value.

use std::time::{Duration, Instant};

use super::{Reason, RetryPolicy};
use crate::{Deadline, FailureKind, Hint, Rejected, Verdict, backoff::Delays};

/// What sending a request twice may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Safety {
    /// The same as sending it once.
    Idempotent,
    /// Harm, unless the server honours the idempotency key that it carries.
    Keyed,
    /// Harm.
    Unsafe,
}

/// What is known about an attempt that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What it came to.
    pub verdict: Verdict,
    /// The policy further in that refused or cut it, if one did.
    pub rejected: Option<Rejected>,
    /// What the other side said about trying again.
    pub hint: Option<Hint>,
    /// What sending the request twice may do.
    pub safety: Safety,
    /// Whether the request may have reached the other side.
    pub was_sent: bool,
    /// Whether the request is still there to be sent again.
    pub is_replayable: bool,
    /// When the operation must be over.
    pub deadline: Option<Deadline>,
}

impl Failed {
    /// An attempt with this verdict and nothing else to say: no hint, no deadline, and harmless to send again.
    #[must_use]
    pub const fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            rejected: None,
            hint: None,
            safety: Safety::Idempotent,
            was_sent: true,
            is_replayable: true,
            deadline: None,
        }
    }

    /// An attempt that a policy further in refused or cut.
    #[must_use]
    pub fn refused(rejected: Rejected) -> Self {
        Self {
            rejected: Some(rejected),
            hint: rejected.retry_after().map(Hint::AtLeast),
            was_sent: rejected.was_sent(),
            ..Self::new(rejected.verdict())
        }
    }
}

/// What one operation remembers of its attempts.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// The number of attempts made or under way.
    attempts: u32,
    /// Whether the other side was overloaded before and did not say for how long.
    unhinted: bool,
    delays: Delays,
}

impl Retries {
    /// The first attempt is under way.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self { attempts: 1, unhinted: false, delays: Delays::new() }
    }

    /// The number of attempts made or under way.
    #[must_use]
    #[inline]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self::new()
    }
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make another attempt.
    Again {
        /// After this time; zero means at once.
        after: Duration,
        /// What is retried.
        kind: FailureKind,
    },
    /// Return what there is.
    Stop {
        /// Why.
        reason: Reason,
        /// The kind of failure, if it was one worth a retry.
        kind: Option<FailureKind>,
    },
}

impl RetryPolicy {
    /// Decides what to do after an attempt that did not succeed.
    ///
    /// The checks come in the order of [`Reason::ALL`]. `now` is asked for the time if there is a deadline, and `unit` for a
    /// number from 0 to 1 ([`Rng::unit`](crate::Rng::unit)) if the pause leaves something to chance. `charge` is asked last, once and only if nothing else speaks against
    /// another attempt; it says whether the budget grants a retry of that kind, and charges it. If the decision is
    /// [`Again`](Decision::Again), `retries` counts the attempt to come.
    ///
    /// ```
    /// use std::time::Instant;
    /// use resilience_core::{FailureKind, RetryPolicy, Rng, Verdict};
    /// use resilience_core::retry::{Decision, Failed, Reason, Retries};
    ///
    /// let (policy, mut rng) = (RetryPolicy::new().max_attempts(2), Rng::from_seed(7));
    /// let failed = Failed::new(Verdict::Failure(FailureKind::Transient));
    /// let mut retries = Retries::new();
    ///
    /// let first = policy.decide(&mut retries, &failed, Instant::now, || rng.unit(), |_| true);
    /// assert!(matches!(first, Decision::Again { .. }));
    /// let second = policy.decide(&mut retries, &failed, Instant::now, || rng.unit(), |_| true);
    /// assert!(matches!(second, Decision::Stop { reason: Reason::MaxAttempts, .. }));
    /// ```
    pub fn decide(
        &self,
        retries: &mut Retries,
        failed: &Failed,
        now: impl FnOnce() -> Instant,
        unit: impl FnOnce() -> f64,
        charge: impl FnOnce(FailureKind) -> bool,
    ) -> Decision {
        let Some(kind) = self.kind(failed) else {
            let is_throttled = matches!(failed.rejected, Some(Rejected::Throttled { .. }));
            let reason = if is_throttled { Reason::Throttle } else { Reason::NotRetryable };
            return Decision::Stop { reason, kind: None };
        };
        match self.after(kind, retries, failed, now, unit) {
            Ok(after) if charge(kind) => {
                retries.attempts += 1;
                Decision::Again { after, kind }
            }
            Ok(_) => Decision::Stop { reason: Reason::Budget, kind: Some(kind) },
            Err(reason) => Decision::Stop { reason, kind: Some(kind) },
        }
    }

    /// The kind of a failure that is worth a retry.
    fn kind(&self, failed: &Failed) -> Option<FailureKind> {
        let kind = match (failed.rejected, failed.verdict) {
            (Some(Rejected::DeadlineExceeded { .. }), _) => return None,
            (_, Verdict::Failure(kind)) => kind,
            (Some(_), Verdict::Ignored) if self.retry_refusals => FailureKind::Transient,
            _ => return None,
        };
        self.retryable.contains(kind).then_some(kind)
    }

    /// All checks but the budget's.
    fn after(
        &self,
        kind: FailureKind,
        retries: &mut Retries,
        failed: &Failed,
        now: impl FnOnce() -> Instant,
        unit: impl FnOnce() -> f64,
    ) -> Result<Duration, Reason> {
        if self.is_last(retries.attempts) {
            return Err(Reason::MaxAttempts);
        }
        if failed.was_sent && !self.may_be_repeated(failed.safety) {
            return Err(Reason::Unsafe);
        }
        if !failed.is_replayable {
            return Err(Reason::NotReplayable);
        }
        let after = self.delay(kind, failed.hint, retries, unit).ok_or(Reason::Hint)?;
        match failed.deadline {
            // An attempt that would start at the deadline is too late as well.
            Some(deadline) if after >= deadline.remaining(now()) => Err(Reason::Deadline),
            _ => Ok(after),
        }
    }

    const fn may_be_repeated(&self, safety: Safety) -> bool {
        match safety {
            Safety::Idempotent => true,
            Safety::Keyed => self.honours_idempotency_keys || self.assume_idempotent,
            Safety::Unsafe => self.assume_idempotent,
        }
    }

    /// The pause before the next attempt; `None` if the other side does not want one, or not soon enough.
    fn delay(
        &self,
        kind: FailureKind,
        hint: Option<Hint>,
        retries: &mut Retries,
        unit: impl FnOnce() -> f64,
    ) -> Option<Duration> {
        let computed = match kind {
            FailureKind::Throttled => self.throttled().next_delay_with(&mut retries.delays, unit),
            _ => self.backoff.next_delay_with(&mut retries.delays, unit),
        };
        let bearable = |wait: Duration| wait <= self.bearable(computed);
        let is_overload = matches!(kind, FailureKind::Throttled | FailureKind::PeerOverloaded);
        match hint {
            None if is_overload && std::mem::replace(&mut retries.unhinted, true) => None,
            None => Some(computed),
            Some(Hint::Never) => None,
            // On top of it the jitter: whoever was told the same does not come back at the same moment.
            Some(Hint::AtLeast(wait)) => bearable(wait).then(|| wait.saturating_add(computed)),
            Some(Hint::Exactly(wait)) => {
                retries.delays.restart();
                bearable(wait).then_some(wait)
            }
        }
    }
}
