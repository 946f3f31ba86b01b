//! What a file says of a retry policy.

use super::{
    RetryPolicy,
    policy::{Kinds, MAX_ATTEMPTS},
};
use crate::{
    FailureKind, backoff,
    settings::{
        Invalid,
        form::{Nanos, plain},
        patch::{Change, settings},
    },
};

settings! {
    /// What a file says of a retry policy: see [`settings`](crate::settings#layers).
    ///
    /// The budget is another matter: see [`budget::Patch`](super::budget::Patch).
    pub struct Patch for RetryPolicy as "retry", needs [] {
        /// How many attempts an operation may make in all, the first included.
        max_attempts: u32 = MAX_ATTEMPTS,
        /// The pauses between attempts.
        backoff: backoff::Patch = plain(),
        /// The base of the pauses after a throttled attempt.
        throttled_base: u64 = Nanos("throttled_base"),
        /// How much longer than the computed pause the other side may ask us to wait.
        hint_slack: u64 = Nanos("hint_slack"),
        /// The kinds of failure that are retried, and no others.
        retryable: Vec<FailureKind> = plain(),
        /// Whether refusals of our own policies further in are retried.
        retry_refusals: bool = plain(),
        /// Whether the server honours idempotency keys.
        honours_idempotency_keys: bool = plain(),
        /// Whether every request may be sent twice, whatever it says itself.
        assume_idempotent: bool = plain(),
    }
    _patch => Ok(RetryPolicy::new());
    policy => Ok(policy);
}

impl Change<Kinds> for Vec<FailureKind> {
    fn apply(self, _: Kinds) -> Result<Kinds, Invalid> {
        self.alone()
    }

    fn alone(self) -> Result<Kinds, Invalid> {
        Ok(Kinds::of(&self))
    }

    fn to(kinds: &Kinds) -> Result<Self, Invalid> {
        Ok(FailureKind::ALL.into_iter().filter(|kind| kinds.contains(*kind)).collect())
    }
}
