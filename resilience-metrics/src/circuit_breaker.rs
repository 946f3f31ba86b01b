use std::{fmt, sync::Arc};

use metrics::{Counter, Gauge, SharedString, counter, gauge};
use parking_lot::Mutex;
use resilience_core::{
    CircuitBreaker, Event, Observer,
    circuit_breaker::{Mode, Snapshot, State},
};

use crate::{names, time};

/// Counts transitions and refusals of one breaker and shows its state: see
/// [`Telemetry::circuit_breaker`](crate::Telemetry::circuit_breaker).
///
/// # Clone
///
/// A clone writes the same metrics.
#[derive(Clone)]
pub struct CircuitBreakerMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    policy: SharedString,
    breaker: CircuitBreaker,
    rejected: Counter,
    /// By `from` and `to`.
    transitions: [[Option<Counter>; 3]; 3],
    /// Locked from reading the breaker until the gauges are set: of two threads, the one that sets last has read last. The
    /// recorder's gauges must not come back here.
    gauges: Mutex<Gauges>,
}

struct Gauges {
    state: Gauge,
    manual_override: Gauge,
    failure_ratio: Gauge,
    slow_ratio: Gauge,
    window_calls: Gauge,
}

impl CircuitBreakerMetrics {
    pub(crate) fn new(pipeline: &SharedString, policy: SharedString, breaker: CircuitBreaker) -> Self {
        let named =
            |name: &'static str| gauge!(name, "pipeline" => pipeline.clone(), "policy" => policy.clone());
        let gauges = Gauges {
            state: named(names::BREAKER_STATE),
            manual_override: named(names::BREAKER_OVERRIDE),
            failure_ratio: named(names::BREAKER_FAILURES),
            slow_ratio: named(names::BREAKER_SLOW),
            window_calls: named(names::BREAKER_CALLS),
        };
        let transition = |from: State, to: State| {
            (from != to).then(|| {
                counter!(
                    names::BREAKER_TRANSITIONS,
                    "pipeline" => pipeline.clone(),
                    "policy" => policy.clone(),
                    "from" => from.as_str(),
                    "to" => to.as_str(),
                )
            })
        };
        let transitions = State::ALL.map(|from| State::ALL.map(|to| transition(from, to)));
        let rejected = counter!(
            names::BREAKER_REJECTED,
            "pipeline" => pipeline.clone(),
            "policy" => policy.clone(),
        );
        let gauges = Mutex::new(gauges);
        Self { shared: Arc::new(Shared { policy, breaker, rejected, transitions, gauges }) }
    }

    pub(crate) fn policy(&self) -> &SharedString {
        &self.shared.policy
    }

    pub(crate) fn breaker(&self) -> &CircuitBreaker {
        &self.shared.breaker
    }

    /// Sets the gauges to what the next call would meet.
    pub(crate) fn publish(&self) {
        let gauges = self.shared.gauges.lock();
        gauges.set(&self.shared.breaker.snapshot(time::now()));
    }
}

impl Gauges {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 calls in one window")]
    fn set(&self, snapshot: &Snapshot) {
        self.state.set(f64::from(snapshot.state as u8));
        self.manual_override.set(f64::from(u8::from(snapshot.mode != Mode::Automatic)));
        self.failure_ratio.set(snapshot.failure_rate);
        self.slow_ratio.set(snapshot.slow_rate);
        self.window_calls.set(snapshot.calls as f64);
    }
}

impl Observer for CircuitBreakerMetrics {
    fn observe(&self, event: &Event) {
        match event {
            Event::CircuitBreakerTransition(transition) => {
                let (from, to) = (transition.from as usize, transition.to as usize);
                if let Some(counter) = &self.shared.transitions[from][to] {
                    counter.increment(1);
                }
                self.publish();
            }
            Event::CircuitBreakerRejected { .. } => self.shared.rejected.increment(1),
            _ => {}
        }
    }
}

impl fmt::Debug for CircuitBreakerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerMetrics")
            .field("policy", &self.shared.policy)
            .field("breaker", &self.shared.breaker)
            .finish_non_exhaustive()
    }
}
