//! The circuit breaker as a pure state machine: no lock, no atomic, no clock.
//!
//! Time comes as nanoseconds since the breaker was made.

use std::time::Duration;

use crate::nanos::nanos;
use rand::{RngExt, rngs::SmallRng};

use super::{
    Cause, Config, Mode, State, Transition,
    conditions::{Answer, Conditions, Report},
    probing::Probing,
    window::Counts,
};

/// What the breaker does when it decides itself: see the diagram of the [module](super).
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Closed,
    Open { until: u64 },
    HalfOpen(Probing),
}

/// How a call is met: what can be known without asking the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Closed = 0,
    Open = 1,
    HalfOpen = 2,
    ForcedOpen = 3,
    ForcedClosed = 4,
    Disabled = 5,
}

#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) config: Config,
    pub(super) mode: Mode,
    pub(super) phase: Phase,
    /// Grows with every change of gate: a call reports under the one it was admitted in.
    pub(super) generation: u64,
    pub(super) conditions: Conditions,
    pub(super) openings: u32,
    /// What the breaker tripped on, until it closes.
    pub(super) tripped_on: Counts,
    /// Why it last opened, until it closes, and the run of failures before it first did.
    pub(super) opened_by: Option<Cause>,
    pub(super) tripped_after: u32,
    rng: SmallRng,
}

impl Machine {
    pub(super) fn new(config: Config, rng: SmallRng) -> Self {
        Self {
            conditions: Conditions::new(&config),
            config,
            mode: Mode::Automatic,
            phase: Phase::Closed,
            generation: 0,
            openings: 0,
            tripped_on: Counts::default(),
            opened_by: None,
            tripped_after: 0,
            rng,
        }
    }

    /// Adds good calls that were not recorded one by one. They happened in the present bucket.
    pub(super) fn absorb(&mut self, good: u64) {
        self.conditions.add_good(good);
    }

    /// Asks to call at `now`. Admitted as a probe it gets a number; refused, the wait if that is known.
    pub(super) fn admit(&mut self, now: u64) -> (Result<Option<u64>, Option<Duration>>, Option<Transition>) {
        match self.gate() {
            Gate::Closed | Gate::ForcedClosed | Gate::Disabled => (Ok(None), None),
            Gate::ForcedOpen => (Err(None), None),
            Gate::Open | Gate::HalfOpen => {
                let transition = self.follow_time(now);
                let admitted = self.admit_probe(now);
                (admitted.map(Some).map_err(Some), transition)
            }
        }
    }

    /// Records a call that was admitted while closed.
    pub(super) fn record(&mut self, report: Report, now: u64) -> Option<Transition> {
        if let Some(transition) = self.turn(now) {
            // The calls before this one have tripped the breaker, so this one comes late.
            return Some(transition);
        }
        self.conditions.add(report);
        self.evaluate(now, report.hint)
    }

    /// Records the answer to a probe.
    pub(super) fn record_probe(&mut self, id: u64, report: Report, now: u64) -> Option<Transition> {
        if let Some(transition) = self.follow_time(now) {
            return Some(transition);
        }
        let Phase::HalfOpen(probing) = &mut self.phase else {
            return None;
        };
        probing.release(id);
        if report.answer.is_failure() {
            return Some(self.trip(now, Cause::ProbeFailed, report.hint));
        }
        probing.count(report.answer == Answer::Good, report.slow);
        self.judge_probes(now)
    }

    /// Takes back the slot of a probe that says nothing.
    pub(super) fn release_probe(&mut self, id: u64) {
        if let Phase::HalfOpen(probing) = &mut self.phase {
            probing.release(id);
        }
    }

    /// Takes new settings and keeps the state, the run, the probes and what the windows hold.
    pub(super) fn reconfigure(&mut self, config: Config, now: u64) -> Option<Transition> {
        self.conditions = self.conditions.reshaped(&config, now);
        self.config = config;
        match self.phase {
            Phase::Closed => self.turn(now),
            Phase::HalfOpen(_) => self.judge_probes(now),
            Phase::Open { .. } => None,
        }
    }

    /// Lets an operator decide, or the breaker again.
    pub(super) fn set_mode(&mut self, mode: Mode, now: u64) -> Option<Transition> {
        if mode == self.mode {
            return None;
        }
        let from = self.state();
        // What was recorded while closed stays true while it is forced closed, and the other way round.
        let keeps = matches!(self.gate(), Gate::Closed | Gate::ForcedClosed)
            && matches!(mode, Mode::Automatic | Mode::ForcedClosed);
        self.mode = mode;
        self.restart();
        if keeps {
            return self.turn(now);
        }
        self.conditions.clear();
        self.manual(from)
    }

    /// Starts anew: automatic, closed, nothing recorded.
    pub(super) fn reset(&mut self) -> Option<Transition> {
        let from = self.state();
        self.mode = Mode::Automatic;
        self.restart();
        self.conditions.clear();
        self.manual(from)
    }

    /// The transition that time alone has made due.
    pub(super) fn follow_time(&mut self, now: u64) -> Option<Transition> {
        match &self.phase {
            Phase::Open { until } if now >= *until => Some(self.half_open()),
            Phase::HalfOpen(probing) if probing.is_hung(now) => {
                Some(self.trip(now, Cause::ProbeHung, Duration::ZERO))
            }
            _ => None,
        }
    }

    fn admit_probe(&mut self, now: u64) -> Result<u64, Duration> {
        let patience = now.saturating_add(nanos(self.config.half_open_timeout));
        match &mut self.phase {
            Phase::HalfOpen(probing) if probing.has_room(self.config.probes) => Ok(probing.admit(patience)),
            Phase::HalfOpen(_) => Err(self.probe_wait()),
            Phase::Open { until } => Err(Duration::from_nanos(until.saturating_sub(now))),
            Phase::Closed => Err(Duration::ZERO),
        }
    }

    /// Moves the time window on, and trips if what it holds then is too much.
    fn turn(&mut self, now: u64) -> Option<Transition> {
        self.conditions.turn(now);
        self.evaluate(now, Duration::ZERO)
    }

    fn evaluate(&mut self, now: u64, hint: Duration) -> Option<Transition> {
        if self.gate() != Gate::Closed {
            return None;
        }
        let (cause, counts) = self.conditions.exceeded(&self.config)?;
        self.tripped_on = counts;
        self.tripped_after = self.conditions.run();
        Some(self.trip(now, cause, hint))
    }

    fn judge_probes(&mut self, now: u64) -> Option<Transition> {
        let Phase::HalfOpen(probing) = &self.phase else {
            return None;
        };
        let slow = f64::from(probing.slow) / f64::from(self.config.probes);
        if self.config.slow_calls.is_some_and(|limit| slow >= limit.rate) {
            return Some(self.trip(now, Cause::SlowProbes, Duration::ZERO));
        }
        (probing.succeeded >= self.config.probes).then(|| self.close())
    }

    fn trip(&mut self, now: u64, cause: Cause, hint: Duration) -> Transition {
        let from = self.state();
        let openings = self.openings.saturating_add(1);
        let wait = self.wait(openings).max(hint.min(self.config.max_hint));
        self.restart();
        self.conditions.clear();
        self.openings = openings;
        self.opened_by = Some(cause);
        self.phase = Phase::Open { until: now.saturating_add(nanos(wait)) };
        self.transition(from, cause, Some(wait))
    }

    /// The wait of this opening, up to 10 % less or more.
    fn wait(&mut self, openings: u32) -> Duration {
        let wait = self.base_wait(openings);
        let tenth = wait / 10;
        wait - tenth + self.rng.random_range(Duration::ZERO..=2 * tenth)
    }

    fn half_open(&mut self) -> Transition {
        self.generation += 1;
        self.phase = Phase::HalfOpen(Probing::default());
        self.transition(State::Open, Cause::WaitOver, None)
    }

    fn close(&mut self) -> Transition {
        self.restart();
        self.conditions.clear();
        let transition = self.transition(State::HalfOpen, Cause::ProbesSucceeded, None);
        self.forget_trip();
        transition
    }

    /// A new generation of a closed breaker.
    fn restart(&mut self) {
        self.generation += 1;
        self.phase = Phase::Closed;
        self.openings = 0;
    }

    fn forget_trip(&mut self) {
        self.tripped_on = Counts::default();
        self.opened_by = None;
        self.tripped_after = 0;
    }

    fn manual(&mut self, from: State) -> Option<Transition> {
        self.forget_trip();
        (from != self.state()).then(|| self.transition(from, Cause::Manual, None))
    }

    fn transition(&self, from: State, cause: Cause, wait: Option<Duration>) -> Transition {
        Transition {
            from,
            to: self.state(),
            cause,
            calls: self.tripped_on.calls,
            failure_rate: self.tripped_on.failure_rate(),
            slow_rate: self.tripped_on.slow_rate(),
            wait,
        }
    }
}
