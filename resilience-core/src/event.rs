//! What policies tell whoever listens.

use std::{sync::Arc, time::Duration};

use crate::{
    FailureKind, Rejected,
    adaptive::Priority,
    circuit_breaker::Transition,
    fallback::{Cause, Ending},
    idempotency,
    retry::GaveUp,
};

/// Something a policy did that is worth counting or logging.
///
/// Flat and `Copy`; holds no request data. Layers build one only where something happened: a successful call
/// through a closed breaker makes none.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt was cut at its limit.
    AttemptTimedOut {
        /// The limit in force.
        limit: Duration,
        /// Time since the attempt was first found pending.
        elapsed: Duration,
    },
    /// The total time of an operation was over.
    DeadlineExceeded {
        /// The total time given.
        limit: Duration,
        /// Time since the operation started.
        elapsed: Duration,
    },
    /// An attempt that did not answer at once has done so within its limit. Only for observers that want it: see
    /// [`Observer::is_verbose`].
    AttemptInTime {
        /// The limit in force.
        limit: Duration,
        /// Time since the attempt was first found pending.
        elapsed: Duration,
    },
    /// An operation that did not answer at once has done so within its total time. Only for observers that want it: see
    /// [`Observer::is_verbose`].
    OperationInTime {
        /// The total time given.
        limit: Duration,
        /// Time since the operation started.
        elapsed: Duration,
    },
    /// A circuit breaker changed its state.
    CircuitBreakerTransition(Transition),
    /// A circuit breaker refused a call.
    CircuitBreakerRejected {
        /// Time until the next probe, `None` while forced open.
        retry_after: Option<Duration>,
    },
    /// A bulkhead refused a call.
    BulkheadRejected(Rejected),
    /// A call got its permit of a bulkhead after waiting for it.
    BulkheadWaited {
        /// How long it waited.
        waited: Duration,
    },
    /// A throttle refused a call.
    Throttled {
        /// The probability of a refusal at that moment, in thousandths.
        per_mille: u16,
    },
    /// A call was refused because the service was not ready for it.
    LoadShed {
        /// How long it was found not ready.
        waited: Duration,
    },
    /// A call was over a rate limit.
    RateLimited {
        /// Whether it was refused; if not, the limit is only tried out.
        enforced: bool,
        /// Time until it would be let through, `None` if it costs more than ever will be.
        retry_after: Option<Duration>,
    },
    /// A rate limit let a call through after a wait.
    RateLimitDelayed {
        /// The wait that it imposed.
        wait: Duration,
    },
    /// An adaptive limit refused a call.
    AdaptiveRejected {
        /// The priority of the call.
        priority: Priority,
        /// The limit in force.
        limit: u32,
        /// The number of calls in flight.
        in_flight: u32,
    },
    /// A fallback was wanted in place of a failed operation.
    Fallback {
        /// Why.
        cause: Cause,
        /// How it went.
        ending: Ending,
    },
    /// A server that is about to stop refused a call.
    DrainRejected {
        /// When the caller was told to try again.
        retry_after: Duration,
    },
    /// A layer for idempotency keys is done with a request.
    Idempotency(idempotency::Ending),
    /// A failed attempt will be followed by another.
    RetryScheduled {
        /// The number of the attempt to come.
        attempt: u32,
        /// What failed.
        kind: FailureKind,
        /// The pause before it.
        after: Duration,
    },
    /// A failed attempt will not be followed by another: a retryable one for want of something, or one that is not
    /// retryable after others that were.
    RetryGaveUp(GaveUp),
    /// An operation has succeeded after at least one retry.
    RetryRecovered {
        /// The number of attempts it took.
        attempts: u32,
    },
}

/// Receives the [`Event`]s of a layer.
///
/// Called on the path of the call, outside of every lock of ours: it must be quick, must not block and must not
/// panic. `()` observes nothing and costs nothing; `(A, B)` tells both; an `Arc` of an observer is one.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
/// use resilience_core::{Event, Observer};
///
/// #[derive(Debug, Default)]
/// struct Timeouts(AtomicU64);
///
/// impl Observer for Timeouts {
///     fn observe(&self, event: &Event) {
///         if matches!(event, Event::AttemptTimedOut { .. }) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let timeouts = Timeouts::default();
/// timeouts.observe(&Event::AttemptTimedOut { limit: Duration::ZERO, elapsed: Duration::ZERO });
/// assert_eq!(timeouts.0.load(Ordering::Relaxed), 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an observer of resilience events",
    note = "implement `Observer` for it, or use `()` to observe nothing"
)]
pub trait Observer {
    /// Takes note of `event`.
    fn observe(&self, event: &Event);

    /// Whether it takes note of anything, now or later. A layer spares what it costs to reach one that does not.
    #[inline]
    fn listens(&self) -> bool {
        true
    }

    /// Whether it also wants events of calls where nothing went wrong, which cost a look at the clock each.
    #[inline]
    fn is_verbose(&self) -> bool {
        false
    }
}

impl Observer for () {
    #[inline]
    fn observe(&self, _event: &Event) {}

    #[inline]
    fn listens(&self) -> bool {
        false
    }
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn listens(&self) -> bool {
        self.0.listens() || self.1.listens()
    }

    fn is_verbose(&self) -> bool {
        self.0.is_verbose() || self.1.is_verbose()
    }

    fn observe(&self, event: &Event) {
        self.0.observe(event);
        self.1.observe(event);
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn observe(&self, event: &Event) {
        self.as_ref().observe(event);
    }

    fn listens(&self) -> bool {
        self.as_ref().listens()
    }

    fn is_verbose(&self) -> bool {
        self.as_ref().is_verbose()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Observer for Count {
        fn observe(&self, _event: &Event) {
            self.0.fetch_add(1, Relaxed);
        }

        fn is_verbose(&self) -> bool {
            self.0.load(Relaxed) > 0
        }
    }

    #[test]
    fn a_pair_tells_both() {
        let pair = (Arc::new(Count::default()), (Count::default(), ()));
        assert!(!pair.is_verbose());
        pair.observe(&Event::CircuitBreakerRejected { retry_after: None });
        assert!(pair.is_verbose() && ((), pair.0.clone()).is_verbose());
        assert_eq!((pair.0.0.load(Relaxed), pair.1.0.0.load(Relaxed)), (1, 1));
        assert!(pair.listens() && !((), ()).listens());
    }
}
