//! What all services of a layer share.

use resilience_core::{Classify, Event, Observer, Refusal, Rejected, Throttle, throttle::Ticket};

use crate::time;

/// The throttle of a layer, how answers are judged, and who is told, in one block.
#[derive(Debug)]
pub(super) struct Shared<C, O> {
    pub(super) throttle: Throttle,
    pub(super) classify: C,
    pub(super) observer: O,
}

impl<C, O: Observer> Shared<C, O> {
    #[inline]
    pub(super) fn tell(&self, rejected: &Rejected) {
        if let Rejected::Throttled { per_mille } = *rejected {
            self.observer.observe(&Event::Throttled { per_mille });
        }
    }
}

impl<C, O> Shared<C, O> {
    /// Reports an answer to the throttle. A refusal from further in speaks for itself; the classifier is not asked.
    #[inline]
    pub(super) fn report<T, E>(&self, ticket: &mut Ticket, result: Result<&T, &E>)
    where
        C: Classify<T, E>,
        E: Refusal,
    {
        let verdict = match result.err().and_then(Refusal::rejected) {
            Some(rejected) => rejected.verdict(),
            None => self.classify.classify(result),
        };
        self.throttle.finish(ticket, verdict, time::now);
    }
}
