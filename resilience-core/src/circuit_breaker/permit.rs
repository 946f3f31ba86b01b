//! The right to make one call, and what it came to.

use std::time::{Duration, Instant};

use super::{CircuitBreaker, Transition};
use crate::Verdict;

/// What a call was admitted under; goes back to the breaker that gave it.
///
/// See [`CircuitBreaker::admit`]; a [`Permit`] is a ticket that cannot be lost. It is worth one report: after that it is
/// spent, and further ones change nothing.
#[derive(Debug)]
#[must_use = "a ticket that is not given back may occupy the slot of a probe"]
pub struct Ticket {
    /// The generation and gate at admission.
    pub(super) word: u64,
    /// The number of the probe, or [`NONE`](Self::NONE).
    pub(super) probe: u64,
    /// When the call began, or [`NONE`](Self::NONE) if nobody has to know.
    pub(super) started: u64,
}

impl Ticket {
    /// Plain words and no `Option`s: words of one size are cheap to move.
    pub(super) const NONE: u64 = u64::MAX;

    /// One that is worth nothing: where there is no policy to ask.
    #[inline]
    pub const fn spent() -> Self {
        Self { word: Self::NONE, probe: Self::NONE, started: Self::NONE }
    }

    /// Whether it has been reported.
    #[inline]
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.word == Self::NONE
    }

    /// What it is worth, once.
    #[inline]
    pub(super) const fn spend(&mut self) -> Self {
        let Self { word, probe, started } = *self;
        self.word = Self::NONE;
        self.probe = Self::NONE;
        self.started = Self::NONE;
        Self { word, probe, started }
    }
}

/// The right to make one call through a circuit breaker.
///
/// It ends in one of three ways: [`finish`](Self::finish) reports an answer, [`abandon`](Self::abandon) says that none
/// will come, and dropping it gives back the slot and counts nothing.
///
/// ```
/// use std::time::Instant;
/// use resilience_core::{CircuitBreaker, Rejected, Verdict};
/// use resilience_core::circuit_breaker::Config;
///
/// let now = Instant::now();
/// let breaker = CircuitBreaker::new(Config::new(), now);
/// let (admitted, _) = breaker.try_acquire(|| now);
/// admitted?.finish(Verdict::Success, None, || now);
/// assert_eq!(breaker.snapshot(now).calls, 1);
/// # Ok::<(), Rejected>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as a call that was abandoned"]
pub struct Permit {
    breaker: CircuitBreaker,
    ticket: Ticket,
}

impl Permit {
    pub(super) const fn new(breaker: CircuitBreaker, ticket: Ticket) -> Self {
        Self { breaker, ticket }
    }

    /// Reports the answer, and returns the transition that it caused.
    ///
    /// `retry_after` is the time for which the other side asked to be left alone. `now` is asked for the time at most
    /// once. A report from an older generation than the breaker's present one changes nothing.
    pub fn finish(
        mut self,
        verdict: Verdict,
        retry_after: Option<Duration>,
        now: impl FnOnce() -> Instant,
    ) -> Option<Transition> {
        self.breaker.finish(&mut self.ticket, verdict, retry_after, now)
    }

    /// Reports that no answer will come: the call was dropped.
    ///
    /// A call that was `cut`, because its time was over, is a failure of the dependency. A caller that went away says
    /// nothing about it and counts nowhere, unless [slow calls](super::Config::slow_calls) are watched and it had waited
    /// longer than their threshold: then it is a slow call.
    pub fn abandon(mut self, cut: bool, now: impl FnOnce() -> Instant) -> Option<Transition> {
        self.breaker.abandon(&mut self.ticket, cut, now)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.breaker.shared.give_back(&self.ticket);
    }
}
