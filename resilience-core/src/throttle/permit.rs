//! The right to make one call, and what it came to.

use std::time::Instant;

use super::Throttle;
use crate::Verdict;

/// What a call was admitted under; goes back to the throttle that gave it.
///
/// See [`Throttle::admit`]. It is worth one report: after that it is spent, and further ones change nothing.
#[derive(Debug)]
#[must_use = "a call counts when its ticket is given back"]
pub struct Ticket {
    /// The generation at admission.
    pub(super) generation: u64,
}

impl Ticket {
    /// A plain word and no `Option`: cheap to move. No throttle is reset so often.
    const SPENT: u64 = u64::MAX;

    /// One that is worth nothing: where there is no policy to ask.
    #[inline]
    pub const fn spent() -> Self {
        Self { generation: Self::SPENT }
    }

    /// Whether it has been reported.
    #[inline]
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.generation == Self::SPENT
    }

    /// What it is worth, once.
    #[inline]
    pub(super) const fn spend(&mut self) -> Self {
        let generation = self.generation;
        self.generation = Self::SPENT;
        Self { generation }
    }
}

/// The right to make one call through a throttle.
///
/// It ends in one of three ways: [`finish`](Self::finish) reports an answer, [`abandon`](Self::abandon) says that none
/// will come, and dropping it counts nothing.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::{Rejected, Throttle, Verdict, throttle::Config};
///
/// let now = Instant::now();
/// let throttle = Throttle::new(Config::new(), now);
/// throttle.try_acquire(|| now)?.finish(Verdict::Success, || now);
/// assert_eq!(throttle.snapshot(now).accepts, 1);
/// # Ok::<(), Rejected>(())
/// ```
#[derive(Debug)]
#[must_use = "a call counts when its permit is given back"]
pub struct Permit {
    throttle: Throttle,
    ticket: Ticket,
}

impl Permit {
    pub(super) const fn new(throttle: Throttle, ticket: Ticket) -> Self {
        Self { throttle, ticket }
    }

    /// Reports the answer.
    ///
    /// A success or a [permanent](crate::FailureKind::Permanent) failure was accepted; any other failure was not; what is
    /// ignored counts as nothing. `now` is asked for the time at most once.
    pub fn finish(mut self, verdict: Verdict, now: impl FnOnce() -> Instant) {
        self.throttle.finish(&mut self.ticket, verdict, now);
    }

    /// Reports that no answer will come: the call was dropped.
    ///
    /// A call that was `cut`, because its time was over, was not accepted. A caller that went away says nothing about the
    /// dependency and counts as nothing.
    pub fn abandon(mut self, cut: bool, now: impl FnOnce() -> Instant) {
        self.throttle.abandon(&mut self.ticket, cut, now);
    }
}
