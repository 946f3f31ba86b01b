//! The right to make one call, and what it came to.

use std::time::{Duration, Instant};

use super::{CircuitBreaker, Transition};
use crate::Verdict;

/// What a call was admitted under; goes back to the breaker that gave it.
///
/// See [`CircuitBreaker::admit`]; a [`Permit`] is a ticket that cannot be lost.
#[derive(Debug)]
#[must_use = "a ticket that is not given back may occupy the slot of a probe"]
pub struct Ticket {
    /// The generation and gate at admission.
    pub(super) word: u64,
    /// The number of the probe, if the call is one.
    pub(super) probe: Option<u64>,
    /// When the call began, if anybody has to know.
    pub(super) started: Option<Instant>,
}

impl Ticket {
    pub(super) const fn new(word: u64, started: Option<Instant>) -> Self {
        Self { word, probe: None, started }
    }

    pub(super) const fn probe(word: u64, started: Option<Instant>, probe: u64) -> Self {
        Self { word, probe: Some(probe), started }
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
    ticket: Option<Ticket>,
}

impl Permit {
    pub(super) const fn new(breaker: CircuitBreaker, ticket: Ticket) -> Self {
        Self { breaker, ticket: Some(ticket) }
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
        let ticket = self.ticket.take()?;
        self.breaker.finish(ticket, verdict, retry_after, now)
    }

    /// Reports that no answer will come: the call was dropped.
    ///
    /// A call that was `cut`, because its time was over, is a failure of the dependency. A caller that went away says
    /// nothing about it and counts nowhere, unless [slow calls](super::Config::slow_calls) are watched and it had waited
    /// longer than their threshold: then it is a slow call.
    pub fn abandon(mut self, cut: bool, now: impl FnOnce() -> Instant) -> Option<Transition> {
        let ticket = self.ticket.take()?;
        self.breaker.abandon(ticket, cut, now)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.shared.give_back(&ticket);
        }
    }
}
