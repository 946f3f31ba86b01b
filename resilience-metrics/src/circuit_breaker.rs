use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use resilience_core::{
    CircuitBreaker, Event, Observer,
    circuit_breaker::{Mode, Snapshot, State},
};

use crate::{
    catalogue,
    labels::Labels,
    last_transition::LastTransition,
    registry::Shown,
    sink::{Counter, Gauge},
    time,
};

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
    labels: Labels,
    breaker: CircuitBreaker,
    counts: Counts,
    /// Locked from reading the breaker until the gauges are set: of two threads, the one that sets last has read last. The
    /// recorder's gauges must not come back here.
    gauges: Mutex<Gauges>,
}

/// Transitions and refusals.
pub(crate) struct Counts {
    rejected: Counter,
    /// By `from` and `to`.
    transitions: [[Option<Counter>; 3]; 3],
}

struct Gauges {
    state: Gauge,
    /// All are set each time: one that keeps its 1 would be a second state.
    one_hot: Option<[Gauge; State::ALL.len()]>,
    last_transition: LastTransition,
    manual_override: Gauge,
    failure_ratio: Gauge,
    slow_ratio: Gauge,
    window_calls: Gauge,
}

impl CircuitBreakerMetrics {
    pub(crate) fn new(labels: Labels, breaker: CircuitBreaker) -> Self {
        let is_in = |state: State| labels.gauge(&catalogue::BREAKER_IN_STATE, &[("state", state.as_str())]);
        let gauges = Gauges {
            state: labels.gauge(&catalogue::BREAKER_STATE, &[]),
            one_hot: labels.options().one_hot.then(|| State::ALL.map(is_in)),
            last_transition: LastTransition::new(&labels),
            manual_override: labels.gauge(&catalogue::BREAKER_OVERRIDE, &[]),
            failure_ratio: labels.gauge(&catalogue::BREAKER_FAILURES, &[]),
            slow_ratio: labels.gauge(&catalogue::BREAKER_SLOW, &[]),
            window_calls: labels.gauge(&catalogue::BREAKER_CALLS, &[]),
        };
        let (counts, gauges) = (Counts::new(&labels), Mutex::new(gauges));
        Self { shared: Arc::new(Shared { labels, breaker, counts, gauges }) }
    }
}

impl Shown for CircuitBreakerMetrics {
    const KINDS: &'static [&'static str] = &["circuit breaker"];

    fn labels(&self) -> &Labels {
        &self.shared.labels
    }

    fn is_same(&self, other: &Self) -> bool {
        self.shared.breaker.is_same(&other.shared.breaker)
    }

    /// Sets the gauges to what the next call would meet.
    fn publish(&self) {
        let gauges = self.shared.gauges.lock();
        gauges.set(&self.shared.breaker.snapshot(time::now()));
        gauges.last_transition.publish();
    }
}

impl Counts {
    pub(crate) fn new(labels: &Labels) -> Self {
        let transition = |from: State, to: State| {
            (from != to).then(|| {
                let more = [("from", from.as_str()), ("to", to.as_str())];
                labels.counter(&catalogue::BREAKER_TRANSITIONS, &more)
            })
        };
        Self {
            rejected: labels.counter(&catalogue::BREAKER_REJECTED, &[]),
            transitions: State::ALL.map(|from| State::ALL.map(|to| transition(from, to))),
        }
    }
}

impl Gauges {
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 calls in one window")]
    fn set(&self, snapshot: &Snapshot) {
        self.state.set(f64::from(snapshot.state as u8));
        for (state, is_in) in State::ALL.into_iter().zip(self.one_hot.iter().flatten()) {
            is_in.set(f64::from(u8::from(state == snapshot.state)));
        }
        self.manual_override.set(f64::from(u8::from(snapshot.mode != Mode::Automatic)));
        self.failure_ratio.set(snapshot.failure_rate);
        self.slow_ratio.set(snapshot.slow_rate);
        self.window_calls.set(snapshot.calls as f64);
    }
}

impl Observer for Counts {
    fn observe(&self, event: &Event) {
        match event {
            Event::CircuitBreakerTransition(transition) => {
                let (from, to) = (transition.from as usize, transition.to as usize);
                if let Some(counter) = &self.transitions[from][to] {
                    counter.increment(1);
                }
            }
            Event::CircuitBreakerRejected { .. } => self.rejected.increment(1),
            _ => {}
        }
    }
}

impl Observer for CircuitBreakerMetrics {
    fn observe(&self, event: &Event) {
        self.shared.counts.observe(event);
        if let Event::CircuitBreakerTransition(_) = event {
            self.shared.gauges.lock().last_transition.note(self.shared.labels.options());
            self.publish();
        }
    }
}

impl fmt::Debug for CircuitBreakerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreakerMetrics")
            .field("policy", &self.shared.labels.policy)
            .field("breaker", &self.shared.breaker)
            .finish_non_exhaustive()
    }
}
