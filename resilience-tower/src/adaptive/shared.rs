//! What all services of a layer share.

use std::fmt;

use resilience_core::{
    AdaptiveLimit, Classify, Event, Observer, Refusal, Rejected,
    adaptive::{Priority, Ticket},
};

use crate::time;

/// The limit and how it is used, in one block.
#[derive(Clone)]
pub(super) struct Shared<C, O, F, P> {
    pub(super) limit: AdaptiveLimit,
    pub(super) classify: C,
    pub(super) observer: O,
    pub(super) share: F,
    pub(super) priority: P,
}

impl<C, O, F, P> Shared<C, O, F, P> {
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
        self.limit.finish(ticket, verdict, time::now);
    }

    #[cold]
    pub(super) fn tell(&self, priority: Priority, rejected: Rejected)
    where
        O: Observer,
    {
        if let Rejected::Overloaded { limit, in_flight } = rejected {
            self.observer.observe(&Event::AdaptiveRejected { priority, limit, in_flight });
        }
    }
}

impl<C, O, F, P> fmt::Debug for Shared<C, O, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("limit", &self.limit).finish_non_exhaustive()
    }
}
