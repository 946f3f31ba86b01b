//! A random walk, looked at after every step: gauges are what is true, counters what has happened. `METRICS_SEED` chooses it.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use resilience_core::{
    Bulkhead, Call, CircuitBreaker, Error, Event, Observer, Rejected, bulkhead,
    circuit_breaker::{Config, Mode, State, Transition},
};
use resilience_metrics::Telemetry;
use resilience_tower::{BulkheadLayer, CircuitBreakerLayer};
use tests::{
    recorded::{Readings, Recorded},
    seed::seed,
    time,
};
use tower::{Service, ServiceBuilder};

use super::{Answer, Do, MS, SECOND, classify, inner};

const TRANSITIONS: usize = 1000;

/// Takes note of transitions, beside the metrics.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(State, State)>>>);

impl Observer for Seen {
    fn observe(&self, event: &Event) {
        if let Event::CircuitBreakerTransition(transition) = event {
            self.0.lock().unwrap().push((transition.from, transition.to));
        }
    }
}

type Running = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Start = Box<dyn Fn(Do) -> Running>;

struct Walk {
    rng: SmallRng,
    breaker: CircuitBreaker,
    bulkhead: Bulkhead,
    start: Start,
    running: Vec<Running>,
    /// What has become of the calls that have ended, by the outcome.
    ended: BTreeMap<&'static str, u64>,
}

impl Walk {
    /// One thing happens.
    fn step(&mut self) {
        let now = time::now();
        match self.rng.random_range(0..100) {
            0..45 => self.begin(),
            45..65 => self.look(),
            65..72 if !self.running.is_empty() => {
                let which = self.rng.random_range(0..self.running.len());
                drop(self.running.swap_remove(which));
                *self.ended.entry("cancelled").or_default() += 1;
            }
            72..76 => {
                let permits = self.rng.random_range(1..6);
                self.bulkhead.resize(permits);
            }
            76..80 => {
                let failures = self.rng.random_range(1..3);
                let _ = self.breaker.reconfigure(config().consecutive_failures(failures), now);
            }
            80 => self.manually(CircuitBreaker::force_open),
            81 => self.manually(CircuitBreaker::force_closed),
            82 => self.manually(CircuitBreaker::disable),
            83..93 => self.manually(CircuitBreaker::release),
            _ => {}
        }
    }

    /// What an operator does is told to nobody.
    fn manually(&self, what: fn(&CircuitBreaker, std::time::Instant) -> Option<Transition>) {
        let _ = what(&self.breaker, time::now());
    }

    fn begin(&mut self) {
        let what = match self.rng.random_range(0..20) {
            0..6 => Do::Answer,
            6..14 => Do::Fail,
            14..17 => Do::AnswerAfter(self.rng.random_range(1..1500) * MS),
            17..19 => Do::Hang,
            _ => Do::Panic,
        };
        // A refusal shows when it is first polled, so that follows at once.
        let call = (self.start)(what);
        self.poll(call);
    }

    /// All that runs has its turn.
    fn look(&mut self) {
        for call in std::mem::take(&mut self.running) {
            self.poll(call);
        }
    }

    fn poll(&mut self, mut call: Running) {
        let mut context = Context::from_waker(Waker::noop());
        let outcome = match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => return self.running.push(call),
            Ok(Poll::Ready(answer)) => outcome(&answer),
            Err(_) => "failure",
        };
        *self.ended.entry(outcome).or_default() += 1;
    }

    fn check(&self, readings: &Readings) {
        let gauge = |name: &str, policy: &str| {
            let key = format!("resilience_{name}{{pipeline=pay,policy={policy}}}");
            readings.gauge(&key).unwrap_or_else(|| panic!("{key} is not there"))
        };
        assert_eq!(
            readings.gauge("resilience_operations_in_flight{pipeline=pay}"),
            Some(self.running.len() as f64)
        );
        let now = self.breaker.snapshot(time::now());
        assert_eq!(gauge("circuit_breaker_state", "breaker"), f64::from(now.state as u8));
        let is_manual = f64::from(u8::from(now.mode != Mode::Automatic));
        assert_eq!(gauge("circuit_breaker_manual_override", "breaker"), is_manual);
        assert_eq!(gauge("circuit_breaker_window_calls", "breaker"), now.calls as f64);
        assert_eq!(gauge("circuit_breaker_failure_ratio", "breaker"), now.failure_rate);
        for state in State::ALL {
            let key = format!(
                "resilience_circuit_breaker_in_state{{pipeline=pay,policy=breaker,state={}}}",
                state.as_str()
            );
            assert_eq!(readings.gauge(&key), Some(f64::from(u8::from(state == now.state))), "{key}");
        }
        let room = self.bulkhead.snapshot();
        assert_eq!(gauge("bulkhead_in_flight", "bulkhead"), f64::from(room.in_flight));
        assert_eq!(gauge("bulkhead_limit", "bulkhead"), f64::from(room.limit));
        assert!(room.in_flight as usize <= self.running.len());
    }
}

fn outcome(answer: &Answer) -> &'static str {
    match answer {
        Ok(()) => "success",
        Err(Error::Inner { .. }) => "failure",
        Err(Error::Rejected { rejected: Rejected::CircuitOpen { .. }, .. }) => "circuit_open",
        Err(Error::Rejected { rejected: Rejected::BulkheadFull { .. }, .. }) => "bulkhead_full",
        Err(other) => panic!("{other:?}"),
    }
}

fn config() -> Config {
    Config::new().consecutive_failures(1).probes(1).open_for(SECOND, SECOND)
}

/// What an operation did before it ended is what the walk saw, and what it is doing is what runs.
#[tokio::test(start_paused = true)]
async fn trap_41_gauges_are_true_at_every_step_and_counters_are_the_sums_of_what_happened() {
    let recorded = Recorded::start();
    let telemetry = Telemetry::new("pay").one_hot(true);
    let breaker = CircuitBreakerLayer::new(config()).classify(classify);
    let bulkhead = BulkheadLayer::new(bulkhead::Config::new(3));
    let (seen, handles) = (Seen::default(), (breaker.breaker().clone(), bulkhead.bulkhead().clone()));
    let breaker_metrics = telemetry.circuit_breaker("breaker", &handles.0);
    let bulkhead_metrics = telemetry.bulkhead("bulkhead", &handles.1);
    let service = ServiceBuilder::new()
        .layer(telemetry.operation_layer(classify))
        .layer(bulkhead.with_observer(bulkhead_metrics))
        .layer(breaker.with_observer((breaker_metrics, seen.clone())))
        .service(inner());
    let mut walk = Walk {
        rng: SmallRng::seed_from_u64(seed("METRICS_SEED")),
        breaker: handles.0,
        bulkhead: handles.1,
        start: Box::new(move |what| {
            let mut service = service.clone();
            let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(ready, Poll::Ready(Ok(()))), "nothing waits in this stack");
            Box::pin(service.call(Call::new(what)))
        }),
        running: Vec::new(),
        ended: BTreeMap::new(),
    };
    let mut counters = BTreeMap::<String, u64>::new();
    let mut steps = 0;
    while seen.0.lock().unwrap().len() < TRANSITIONS {
        walk.step();
        tokio::time::advance(walk.rng.random_range(0..1000) * MS).await;
        telemetry.publish();
        let readings = recorded.take();
        walk.check(&readings);
        readings.counters.into_iter().for_each(|(key, count)| *counters.entry(key).or_default() += count);
        steps += 1;
        assert!(steps < 200_000, "a walk without transitions");
    }
    println!("{steps} steps, {:?}", walk.ended);

    assert!(walk.ended.len() >= 5 && walk.ended.values().all(|&count| count > 50), "{:?}", walk.ended);
    for (outcome, count) in &walk.ended {
        let key = format!("resilience_operations_total{{outcome={outcome},pipeline=pay}}");
        assert_eq!(counters[&key], *count, "{outcome}");
    }
    let operations = counters.iter().filter(|(key, _)| key.starts_with("resilience_operations_total"));
    assert_eq!(operations.map(|(_, count)| count).sum::<u64>(), walk.ended.values().sum::<u64>());
    let seen = seen.0.lock().unwrap();
    for (from, to) in State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to))) {
        let (from_label, to_label) = (from.as_str(), to.as_str());
        let key = format!(
            "resilience_circuit_breaker_transitions_total{{from={from_label},pipeline=pay,policy=breaker,to={to_label}}}"
        );
        let expected = seen.iter().filter(|there| **there == (from, to)).count() as u64;
        assert_eq!(counters.get(&key).copied().unwrap_or_default(), expected, "{key}");
    }
    let rejected = |policy: &str, name: &str| {
        let of = |key: &str| key.starts_with(name) && key.contains(&format!("policy={policy}"));
        counters.iter().filter(|(key, _)| of(key)).map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!(rejected("breaker", "resilience_circuit_breaker_rejected_total"), walk.ended["circuit_open"]);
    assert_eq!(rejected("bulkhead", "resilience_bulkhead_rejected_total"), walk.ended["bulkhead_full"]);
}
