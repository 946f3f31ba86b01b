//! What is retried, how often, and after how long.

use std::time::Duration;

use crate::{Backoff, FailureKind, nanos::nanos, range::Range};

pub(super) const MAX_ATTEMPTS: Range<u32> = Range::positive("max_attempts");

/// What is retried, how often, and after how long.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{Backoff, RetryPolicy};
///
/// let policy = RetryPolicy::new()
///     .max_attempts(4)
///     .backoff(Backoff::exponential(Duration::from_millis(20)));
/// ```
///
/// Which request may be sent twice is a matter of the request: see [`Safety`](super::Safety). How much load retries may
/// add in all is a matter of the [`RetryBudget`](super::RetryBudget).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    pub(super) backoff: Backoff,
    /// In nanoseconds, like the slack: the policy is copied for each call.
    pub(super) throttled_base: u64,
    pub(super) hint_slack: u64,
    pub(super) max_attempts: u32,
    pub(super) retryable: Kinds,
    pub(super) retry_refusals: bool,
    pub(super) honours_idempotency_keys: bool,
    pub(super) assume_idempotent: bool,
}

/// A set of failure kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub(super) const fn of(kinds: &[FailureKind]) -> Self {
        let (mut set, mut at) = (Self(0), 0);
        while at < kinds.len() {
            set = set.with(kinds[at]);
            at += 1;
        }
        set
    }

    const fn with(self, kind: FailureKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    const fn without(self, kind: FailureKind) -> Self {
        Self(self.0 & !(1 << kind as u8))
    }

    pub(super) const fn contains(self, kind: FailureKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl RetryPolicy {
    /// Three attempts, 50 ms doubling up to 20 s between them with full jitter, for failures that are likely to go away.
    #[must_use]
    pub fn new() -> Self {
        Self {
            backoff: Backoff::default(),
            throttled_base: 1_000_000_000,
            hint_slack: 5_000_000_000,
            max_attempts: 3,
            retryable: Kinds::of(&[
                FailureKind::Transient,
                FailureKind::Timeout,
                FailureKind::Throttled,
                FailureKind::PeerOverloaded,
            ]),
            retry_refusals: false,
            honours_idempotency_keys: false,
            assume_idempotent: false,
        }
    }

    /// How many attempts an operation may make in all, the first included: at least 1. The default is 3.
    ///
    /// # Choosing a value
    ///
    /// What two repetitions half a second apart do not cure, a third seldom does; each one more costs latency and, through a
    /// chain of services, multiplies: three hops of four attempts are 64 calls at the end.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    #[track_caller]
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = MAX_ATTEMPTS.expect(max_attempts);
        self
    }

    /// The pauses between attempts. The default is [`Backoff::default`].
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The base of the pauses after a [throttled](FailureKind::Throttled) attempt, where it is longer than the backoff's own:
    /// 1 s by default, as in the AWS SDKs.
    #[must_use]
    pub const fn throttled_base(mut self, base: Duration) -> Self {
        self.throttled_base = nanos(base);
        self
    }

    /// How much longer than the computed pause the other side may ask us to wait; beyond that the operation gives up with the last
    /// answer, which holds the hint, rather than keep its caller. 5 s by default, as in the AWS SDKs.
    #[must_use]
    pub const fn hint_slack(mut self, slack: Duration) -> Self {
        self.hint_slack = nanos(slack);
        self
    }

    /// Whether failures of this kind are retried.
    ///
    /// By default [`Transient`](FailureKind::Transient), [`Timeout`](FailureKind::Timeout),
    /// [`Throttled`](FailureKind::Throttled) and [`PeerOverloaded`](FailureKind::PeerOverloaded) are; the latter two only
    /// once per operation while the other side does not say for how long to wait.
    #[must_use]
    pub const fn retryable(mut self, kind: FailureKind, retryable: bool) -> Self {
        self.retryable = if retryable { self.retryable.with(kind) } else { self.retryable.without(kind) };
        self
    }

    /// Whether refusals of our own policies further in are retried: not by default.
    ///
    /// An open breaker wants to be left alone, and its caller to know at once. If they are, then as transient failures,
    /// and not before the refusal's own [`retry_after`](crate::Rejected::retry_after). Attempt timeouts are no refusals in this
    /// sense, they are [`FailureKind::Timeout`]; a deadline that is over is never retried.
    #[must_use]
    pub const fn retry_refusals(mut self, retry: bool) -> Self {
        self.retry_refusals = retry;
        self
    }

    /// Whether the server honours idempotency keys: then [`Safety::Keyed`](super::Safety::Keyed) requests are retried. Not by
    /// default.
    #[must_use]
    pub const fn honours_idempotency_keys(mut self, honours: bool) -> Self {
        self.honours_idempotency_keys = honours;
        self
    }

    /// Whether every request may be sent twice, whatever it says itself. Not by default.
    ///
    /// For gRPC, where each call is a POST and only its author knows.
    #[must_use]
    pub const fn assume_idempotent(mut self, assume: bool) -> Self {
        self.assume_idempotent = assume;
        self
    }

    /// The base after a throttled attempt.
    pub(super) fn throttled(&self) -> Backoff {
        let base = Duration::from_nanos(self.throttled_base);
        self.backoff.base(base.max(self.backoff.base_delay()))
    }

    /// The longest wait that a hint may ask for where `computed` was drawn.
    pub(super) const fn bearable(&self, computed: Duration) -> Duration {
        computed.saturating_add(Duration::from_nanos(self.hint_slack))
    }

    /// Whether there are retries at all.
    #[must_use]
    #[inline]
    pub const fn retries(&self) -> bool {
        self.max_attempts > 1
    }

    /// Whether `attempt` is the last one.
    #[must_use]
    #[inline]
    pub const fn is_last(&self, attempt: u32) -> bool {
        attempt >= self.max_attempts
    }
}
