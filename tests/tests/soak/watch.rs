//! What the breaker does, seen from outside: its transitions form a chain, and its probes are bounded.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use resilience_core::{
    Event, Observer,
    circuit_breaker::{Cause, State, Transition},
};
use tests::time;

/// Told by the layer as its observer, by the operator of what he caused, and by the dependency of each call.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Mutex<Seen>,
    /// As configured.
    probes: AtomicU32,
    patience: Mutex<Duration>,
}

/// A call that was admitted while half-open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    phase: u64,
    number: u64,
}

#[derive(Debug)]
struct Seen {
    state: State,
    /// Grows with each transition, so that a probe knows whether its phase is over.
    phase: u64,
    /// Until when each probe in flight may take.
    in_flight: BTreeMap<u64, Instant>,
    admitted: u64,
    succeeded: u32,
    transitions: BTreeMap<(State, State), u32>,
    /// The first thing that was wrong. Kept for the test: here a panic would be taken for one of the script's.
    wrong: Option<String>,
}

impl Seen {
    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.wrong.is_none() {
            self.wrong = Some(format!("{} in {self:?}", what()));
        }
    }
}

impl Watch {
    pub(crate) const fn new() -> Self {
        let seen = Seen {
            state: State::Closed,
            phase: 0,
            in_flight: BTreeMap::new(),
            admitted: 0,
            succeeded: 0,
            transitions: BTreeMap::new(),
            wrong: None,
        };
        Self { seen: Mutex::new(seen), probes: AtomicU32::new(0), patience: Mutex::new(Duration::ZERO) }
    }

    pub(crate) fn set_probes(&self, probes: u32, patience: Duration) {
        *self.patience.lock().unwrap() = patience;
        self.probes.store(probes, Ordering::Relaxed);
    }

    pub(crate) fn note(&self, transition: Option<Transition>) {
        let Some(transition) = transition else { return };
        let mut seen = self.seen.lock().unwrap();
        let follows = transition.from == seen.state && transition.to != seen.state;
        seen.expect(follows, || format!("{transition:?} does not follow"));
        let enough = seen.succeeded >= self.probes.load(Ordering::Relaxed);
        let closes_early = transition.cause == Cause::ProbesSucceeded && !enough;
        seen.expect(!closes_early, || format!("{transition:?} comes too early"));
        seen.state = transition.to;
        seen.phase += 1;
        seen.in_flight.clear();
        seen.succeeded = 0;
        *seen.transitions.entry((transition.from, transition.to)).or_default() += 1;
    }

    /// A call has reached the dependency, maybe as a probe.
    pub(crate) fn arrived(&self) -> Option<Probe> {
        let mut seen = self.seen.lock().unwrap();
        let is_open = seen.state == State::Open;
        seen.expect(!is_open, || "a call came through an open breaker".to_owned());
        if seen.state != State::HalfOpen {
            return None;
        }
        let now = time::now();
        let hangs = seen.in_flight.values().any(|&patience| now > patience);
        seen.expect(!hangs, || "a probe hangs, and another was admitted".to_owned());

        let probe = Probe { phase: seen.phase, number: seen.admitted };
        seen.admitted += 1;
        seen.in_flight.insert(probe.number, now + *self.patience.lock().unwrap());
        let probes = self.probes.load(Ordering::Relaxed);
        let is_bounded = seen.in_flight.len() <= (probes.saturating_sub(seen.succeeded)) as usize;
        seen.expect(is_bounded, || format!("more than {probes} probes"));
        Some(probe)
    }

    /// The call has ended.
    pub(crate) fn ended(&self, probe: Option<Probe>, well: bool) {
        let mut seen = self.seen.lock().unwrap();
        if let Some(probe) = probe.filter(|probe| probe.phase == seen.phase) {
            seen.in_flight.remove(&probe.number);
            seen.succeeded += u32::from(well);
        }
    }

    pub(crate) fn assert_nothing_is_wrong(&self) {
        // Let go of the lock first: a poisoned one would hide this behind others.
        let wrong = self.seen.lock().unwrap().wrong.clone();
        assert_eq!(wrong, None);
    }

    pub(crate) fn assert_every_state_was_seen(&self) {
        use State::{Closed, HalfOpen, Open};
        let seen = self.seen.lock().unwrap();
        for step in [(Closed, Open), (Open, HalfOpen), (HalfOpen, Open), (HalfOpen, Closed), (Open, Closed)] {
            assert!(seen.transitions.contains_key(&step), "never {step:?}: {:?}", seen.transitions);
        }
        println!("{:?}", seen.transitions);
    }
}

impl Observer for Watch {
    fn observe(&self, event: &Event) {
        if let Event::CircuitBreakerTransition(transition) = event {
            self.note(Some(*transition));
        }
    }
}
