use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use resilience_core::{
    Event, Observer,
    circuit_breaker::{State, States},
};

use crate::{
    adaptive::Rejections,
    catalogue,
    circuit_breaker::Counts,
    keyed::{Keys, Read},
    labels::Labels,
    last_transition::LastTransition,
    registry::Shown,
    sink::{Counter, Gauge},
};

/// Counts transitions and refusals of the policies of all keys together: see
/// [`Telemetry::per_key`](crate::Telemetry::per_key).
///
/// # Clone
///
/// A clone counts into the same metrics.
#[derive(Clone)]
pub struct PerKeyMetrics {
    shared: Arc<Counters>,
}

struct Counters {
    labels: Labels,
    breakers: Counts,
    last_transition: Arc<LastTransition>,
    throttled: Counter,
    overloaded: Rejections,
}

impl PerKeyMetrics {
    pub(crate) fn new(labels: &Labels) -> Self {
        let counters = Counters {
            labels: labels.clone(),
            breakers: Counts::new(labels),
            last_transition: Arc::new(LastTransition::new(labels)),
            throttled: labels.counter(&catalogue::THROTTLE_REJECTED, &[]),
            overloaded: Rejections::new(labels),
        };
        Self { shared: Arc::new(counters) }
    }

    /// What shows beside it, by looking at the table.
    pub(crate) fn gauges(&self, read: Read) -> PerKeyGauges {
        let Counters { labels, last_transition, .. } = &*self.shared;
        PerKeyGauges::new(labels.clone(), read, Arc::clone(last_transition))
    }
}

impl Observer for PerKeyMetrics {
    fn observe(&self, event: &Event) {
        match event {
            Event::Throttled { .. } => self.shared.throttled.increment(1),
            Event::AdaptiveRejected { .. } => self.shared.overloaded.observe(event),
            Event::CircuitBreakerTransition(_) => {
                self.shared.breakers.observe(event);
                self.shared.last_transition.note(self.shared.labels.options());
                self.shared.last_transition.publish();
            }
            _ => self.shared.breakers.observe(event),
        }
    }
}

impl fmt::Debug for PerKeyMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerKeyMetrics").finish_non_exhaustive()
    }
}

/// What shows of the policies of all keys. Apart from the observer, which is in the layer that `read` may own.
#[derive(Clone)]
pub(crate) struct PerKeyGauges {
    shared: Arc<Shared>,
}

struct Shared {
    labels: Labels,
    read: Read,
    keys: Keys,
    /// Made when there are breakers: no state gauge says closed where there are none.
    breakers: OnceLock<Breakers>,
    last_transition: Arc<LastTransition>,
}

struct Breakers {
    worst: Gauge,
    instances: [Gauge; 3],
}

impl PerKeyGauges {
    fn new(labels: Labels, read: Read, last_transition: Arc<LastTransition>) -> Self {
        let keys = Keys::new(&labels);
        let breakers = OnceLock::new();
        Self { shared: Arc::new(Shared { labels, read, keys, breakers, last_transition }) }
    }
}

impl Shown for PerKeyGauges {
    const KINDS: &'static [&'static str] = &["keyed table", "circuit breaker"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    /// Nobody can say whether two functions look at one table.
    fn is_same(&self, _: &Self) -> bool {
        false
    }

    fn publish(&self) {
        let Shared { labels, read, keys, breakers, last_transition } = &*self.shared;
        let snapshot = read();
        keys.publish(&snapshot);
        // Breakers that the settings no longer have must not show as open for ever.
        if snapshot.breakers.is_some() || breakers.get().is_some() {
            let states = snapshot.breakers.unwrap_or_default();
            breakers.get_or_init(|| Breakers::new(labels)).set(&states);
            last_transition.publish();
        }
    }
}

impl Breakers {
    fn new(labels: &Labels) -> Self {
        Self {
            worst: labels.gauge(&catalogue::BREAKER_STATE, &[]),
            instances: State::ALL
                .map(|state| labels.gauge(&catalogue::BREAKER_INSTANCES, &[("state", state.as_str())])),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 breakers")]
    fn set(&self, states: &States) {
        self.worst.set(f64::from(states.worst() as u8));
        for (state, instances) in State::ALL.into_iter().zip(&self.instances) {
            instances.set(states.of(state) as f64);
        }
    }
}
