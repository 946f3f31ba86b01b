//! What all services of a layer share, and what a call takes along of it.

use std::{fmt, time::Duration};

use resilience_core::{
    CircuitBreaker, Classify, Event, Hint, Observer, Refusal, Rejected, Verdict,
    circuit_breaker::{Ticket, Transition},
    striped::{Lease, StripedArc},
};

use crate::time;

/// How the answers of a layer are judged, and who is told.
#[derive(Debug)]
pub(super) struct Rules<C, O> {
    pub(super) classify: C,
    pub(super) observer: O,
}

impl<C, O: Observer> Rules<C, O> {
    pub(super) fn tell(&self, transition: Option<Transition>) {
        if let Some(transition) = transition {
            self.observer.observe(&Event::CircuitBreakerTransition(transition));
        }
    }

    #[inline]
    pub(super) fn tell_rejected(&self, refused: Refused) {
        if self.observer.listens() {
            self.observer.observe(&Event::CircuitBreakerRejected { retry_after: refused.retry_after() });
        }
    }
}

/// The `retry_after` of a refusal in one word of nanoseconds, the largest for none.
///
/// A future holds it where a running call holds words: a `Duration` in that place would have every move of the future
/// split into pieces, at a cost that shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused(u64);

impl Refused {
    pub(super) const AT_ONCE: Self = Self(0);

    pub(super) fn new(rejected: Rejected) -> Self {
        let nanos = rejected.retry_after().and_then(|wait| u64::try_from(wait.as_nanos()).ok());
        Self(nanos.unwrap_or(u64::MAX))
    }

    pub(super) fn rejected(self) -> Rejected {
        Rejected::CircuitOpen { retry_after: self.retry_after() }
    }

    fn retry_after(self) -> Option<Duration> {
        (self.0 != u64::MAX).then(|| Duration::from_nanos(self.0))
    }
}

/// What a call holds while it runs: its breaker and the rules.
///
/// The two implementations differ in where the breaker is: with the rules, or looked up by key. There can be no others.
pub trait Hold: sealed::Sealed {
    /// The classifier.
    type Classify;
    /// The observer.
    type Observer: Observer;

    #[doc(hidden)]
    fn breaker(&self) -> &CircuitBreaker;
    #[doc(hidden)]
    fn classify(&self) -> &Self::Classify;
    #[doc(hidden)]
    fn tell(&self, transition: Option<Transition>);

    /// Reports an answer to the breaker. A refusal from further in speaks for itself; the classifier is not asked.
    #[doc(hidden)]
    #[inline]
    fn report<T, E>(&self, ticket: &mut Ticket, result: Result<&T, &E>)
    where
        Self::Classify: Classify<T, E>,
        E: Refusal,
    {
        let (verdict, hint) = match result.err().and_then(Refusal::rejected) {
            Some(rejected) => (rejected.verdict(), None),
            None => match self.classify().classify(result) {
                Verdict::Success => (Verdict::Success, None),
                bad => (bad, self.classify().hint(result).and_then(Hint::wait)),
            },
        };
        self.tell(self.breaker().finish(ticket, verdict, hint, time::now));
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
    impl<C, O> Sealed for super::Held<C, O> {}
    impl<C, O> Sealed for super::HeldByKey<C, O> {}
}

/// The breaker of a layer and its rules, in one block.
#[derive(Debug)]
pub(super) struct Single<C, O> {
    pub(super) breaker: CircuitBreaker,
    pub(super) rules: Rules<C, O>,
}

/// What a call through a `CircuitBreaker` service holds.
pub struct Held<C, O>(Lease<Single<C, O>>);

impl<C, O> Held<C, O> {
    #[inline]
    pub(super) fn new(shared: &StripedArc<Single<C, O>>) -> Self {
        Self(shared.lease())
    }
}

impl<C, O: Observer> Hold for Held<C, O> {
    type Classify = C;
    type Observer = O;

    #[inline]
    fn breaker(&self) -> &CircuitBreaker {
        &self.0.breaker
    }

    #[inline]
    fn classify(&self) -> &C {
        &self.0.rules.classify
    }

    #[inline]
    fn tell(&self, transition: Option<Transition>) {
        self.0.rules.tell(transition);
    }
}

/// What a call through a `KeyedCircuitBreaker` service holds: the breaker of its key.
pub struct HeldByKey<C, O> {
    breaker: CircuitBreaker,
    rules: Lease<Rules<C, O>>,
}

impl<C, O> HeldByKey<C, O> {
    pub(super) fn new(breaker: CircuitBreaker, rules: &StripedArc<Rules<C, O>>) -> Self {
        Self { breaker, rules: rules.lease() }
    }
}

impl<C, O: Observer> Hold for HeldByKey<C, O> {
    type Classify = C;
    type Observer = O;

    fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    fn classify(&self) -> &C {
        &self.rules.classify
    }

    fn tell(&self, transition: Option<Transition>) {
        self.rules.tell(transition);
    }
}

impl<C, O> fmt::Debug for Held<C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("breaker", &self.0.breaker).finish_non_exhaustive()
    }
}

impl<C, O> fmt::Debug for HeldByKey<C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldByKey").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}
