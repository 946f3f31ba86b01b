//! What all services of a layer share, and what a call takes along of it.

use std::fmt;

use resilience_core::{
    Classify, Event, Observer, Refusal, Rejected, Throttle,
    striped::{Lease, StripedArc},
    throttle::Ticket,
};

use crate::time;

/// How the answers of a layer are judged, and who is told.
#[derive(Debug)]
pub(super) struct Rules<C, O> {
    pub(super) classify: C,
    pub(super) observer: O,
}

impl<C, O: Observer> Rules<C, O> {
    #[inline]
    pub(super) fn tell(&self, rejected: &Rejected) {
        if let Rejected::Throttled { per_mille } = *rejected {
            self.observer.observe(&Event::Throttled { per_mille });
        }
    }
}

/// What a call holds while it runs: its throttle and the rules.
///
/// The two implementations differ in where the throttle is: with the rules, or looked up by key. There can be no others.
pub trait Hold: sealed::Sealed {
    /// The classifier.
    type Classify;

    #[doc(hidden)]
    fn throttle(&self) -> &Throttle;
    #[doc(hidden)]
    fn classify(&self) -> &Self::Classify;

    /// Reports an answer to the throttle. A refusal from further in speaks for itself; the classifier is not asked.
    #[doc(hidden)]
    #[inline]
    fn report<T, E>(&self, ticket: &mut Ticket, result: Result<&T, &E>)
    where
        Self::Classify: Classify<T, E>,
        E: Refusal,
    {
        let verdict = match result.err().and_then(Refusal::rejected) {
            Some(rejected) => rejected.verdict(),
            None => self.classify().classify(result),
        };
        self.throttle().finish(ticket, verdict, time::now);
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed {}
    impl<C, O> Sealed for super::Held<C, O> {}
    impl<C, O> Sealed for super::HeldByKey<C, O> {}
}

/// The throttle of a layer and its rules, in one block.
#[derive(Debug)]
pub(super) struct Single<C, O> {
    pub(super) throttle: Throttle,
    pub(super) rules: Rules<C, O>,
}

/// What a call through a `Throttle` service holds.
pub struct Held<C, O>(Lease<Single<C, O>>);

impl<C, O> Held<C, O> {
    #[inline]
    pub(super) fn new(shared: &StripedArc<Single<C, O>>) -> Self {
        Self(shared.lease())
    }
}

impl<C, O> Hold for Held<C, O> {
    type Classify = C;

    #[inline]
    fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    #[inline]
    fn classify(&self) -> &C {
        &self.0.rules.classify
    }
}

/// What a call through a `KeyedThrottle` service holds: the throttle of its key.
pub struct HeldByKey<C, O> {
    throttle: Throttle,
    rules: Lease<Rules<C, O>>,
}

impl<C, O> HeldByKey<C, O> {
    pub(super) fn new(throttle: Throttle, rules: &StripedArc<Rules<C, O>>) -> Self {
        Self { throttle, rules: rules.lease() }
    }
}

impl<C, O> Hold for HeldByKey<C, O> {
    type Classify = C;

    fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    fn classify(&self) -> &C {
        &self.rules.classify
    }
}

impl<C, O> fmt::Debug for Held<C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("throttle", &self.0.throttle).finish_non_exhaustive()
    }
}

impl<C, O> fmt::Debug for HeldByKey<C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldByKey").field("throttle", &self.throttle).finish_non_exhaustive()
    }
}
