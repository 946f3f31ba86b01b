//! The breaker against a naive model of what it promises: a list of calls, scanned anew for every question.
//!
//! `PROPTEST_CASES=2500 cargo test -p resilience-core --release model` walks a million steps.

#![cfg(not(loom))]

use std::time::{Duration, Instant};

use proptest::{collection::vec, prelude::*};

use super::{Cause, CircuitBreaker, Config, Mode, Permit, State, Transition};
use crate::{FailureKind, Rejected, Verdict};

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Acquire,
    Finish { which: usize, verdict: Verdict, hint: u64 },
    Abandon { which: usize, cut: bool },
    Drop { which: usize },
    Snapshot,
    Reconfigure(Settings),
    Mode(Mode),
    Reset,
}

/// The settings that vary. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Settings {
    time_window: Option<u64>,
    buckets: u32,
    count_window: Option<u32>,
    min_calls: u32,
    failure_rate: Option<f64>,
    slow: Option<(u64, f64)>,
    run: Option<u32>,
    probes: u32,
}

const OPEN_FOR: u64 = 100;
const MAX_OPEN_FOR: u64 = 400;
const MAX_HINT: u64 = 1000;
const PATIENCE: u64 = 300;

impl Settings {
    fn config(self) -> Config {
        let config = Config::new()
            .time_window(self.time_window.map(Duration::from_millis))
            .buckets(self.buckets)
            .count_window(self.count_window)
            .min_calls(self.min_calls)
            .failure_rate(self.failure_rate)
            .consecutive_failures(self.run)
            .open_for(Duration::from_millis(OPEN_FOR), Duration::from_millis(MAX_OPEN_FOR))
            .max_hint(Duration::from_millis(MAX_HINT))
            .probes(self.probes)
            .half_open_timeout(Duration::from_millis(PATIENCE));
        match self.slow {
            Some((longer_than, rate)) => config.slow_calls(Duration::from_millis(longer_than), rate),
            None => config,
        }
    }
}

/// A call that the model knows to be in progress.
#[derive(Clone, Copy, Debug)]
struct Running {
    generation: u32,
    recorded: bool,
    started: Option<u64>,
    probe: bool,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: u64,
    failed: bool,
    slow: bool,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open { until: Duration },
    HalfOpen { probes: Vec<u64>, good: u32, slow: u32 },
}

/// The naive breaker: every call since the last fresh start, in order.
#[derive(Debug)]
struct Model {
    settings: Settings,
    mode: Mode,
    phase: Phase,
    generation: u32,
    seen: Vec<Seen>,
    /// Calls before these are not in the time window or the count window, because those did not exist then.
    time_from: usize,
    count_from: usize,
    run: u32,
    openings: u32,
}

impl Model {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            mode: Mode::Automatic,
            phase: Phase::Closed,
            generation: 0,
            seen: Vec::new(),
            time_from: 0,
            count_from: 0,
            run: 0,
            openings: 0,
        }
    }

    fn state(&self) -> State {
        match (self.mode, &self.phase) {
            (Mode::ForcedOpen, _) => State::Open,
            (Mode::ForcedClosed | Mode::Disabled, _) | (_, Phase::Closed) => State::Closed,
            (_, Phase::Open { .. }) => State::Open,
            (_, Phase::HalfOpen { .. }) => State::HalfOpen,
        }
    }

    fn forget(&mut self) {
        self.seen.clear();
        (self.time_from, self.count_from, self.run) = (0, 0, 0);
    }

    fn restart(&mut self) {
        self.generation += 1;
        self.phase = Phase::Closed;
        self.openings = 0;
    }

    /// Opens. The wait is drawn by the real one: here it is checked.
    fn open(&mut self, now: u64, hint: u64, real: Option<Transition>) -> Result<(), TestCaseError> {
        let openings = self.openings + 1;
        let base = (OPEN_FOR << (openings - 1).min(20)).min(MAX_OPEN_FOR);
        let wait = real.and_then(|t| t.wait);
        prop_assert!(wait.is_some(), "the model opens, the breaker does not");
        let wait = wait.unwrap();
        let hint = hint.min(MAX_HINT);
        let (low, high) = ((base * 9 / 10).max(hint), (base * 11 / 10).max(hint));
        prop_assert!(
            (Duration::from_millis(low)..=Duration::from_millis(high)).contains(&wait),
            "waits {wait:?}, expected {low} to {high} ms"
        );
        if let (Phase::Closed, Some(real)) = (&self.phase, real) {
            let seen = self.windows(now);
            let fits = |(seen, _): &(Vec<Seen>, usize)| {
                let failures = seen.iter().filter(|s| s.failed).count() as f64;
                real.calls == seen.len() as u64 && real.failure_rate == failures / seen.len().max(1) as f64
            };
            prop_assert!(seen.is_empty() || seen.iter().any(fits), "{real:?} does not fit any of {seen:?}");
        }
        self.restart();
        self.forget();
        self.openings = openings;
        self.phase = Phase::Open { until: Duration::from_millis(now) + wait };
        Ok(())
    }

    /// The calls of each window, and how many make it count.
    fn windows(&self, now: u64) -> Vec<(Vec<Seen>, usize)> {
        let mut windows = Vec::new();
        let min_calls = self.settings.min_calls as usize;
        if let Some(length) = self.settings.time_window {
            let width = Duration::from_millis(length).as_nanos() / u128::from(self.settings.buckets);
            let tick = |at: u64| Duration::from_millis(at).as_nanos() / width;
            let in_window = |seen: &&Seen| tick(seen.at) + u128::from(self.settings.buckets) > tick(now);
            let seen = self.seen[self.time_from..].iter().filter(in_window).copied().collect();
            windows.push((seen, min_calls));
        }
        if let Some(length) = self.settings.count_window {
            let seen = &self.seen[self.count_from..];
            let seen = seen[seen.len().saturating_sub(length as usize)..].to_vec();
            windows.push((seen, min_calls.min(length as usize)));
        }
        windows
    }

    fn should_trip(&self, now: u64) -> bool {
        if self.mode != Mode::Automatic || !matches!(self.phase, Phase::Closed) {
            return false;
        }
        let rate = |part: usize, whole: usize| part as f64 / whole as f64;
        self.settings.run.is_some_and(|limit| self.run >= limit)
            || self.windows(now).iter().any(|(seen, min_calls)| {
                let failed = rate(seen.iter().filter(|s| s.failed).count(), seen.len());
                let slow = rate(seen.iter().filter(|s| s.slow).count(), seen.len());
                seen.len() >= *min_calls
                    && (self.settings.failure_rate.is_some_and(|limit| failed >= limit)
                        || self.settings.slow.is_some_and(|(_, limit)| slow >= limit))
            })
    }

    /// What time alone does to an open or half-open breaker when somebody asks.
    fn follow_time(&mut self, now: u64, real: Option<Transition>) -> Result<bool, TestCaseError> {
        if self.mode != Mode::Automatic {
            return Ok(false);
        }
        match &self.phase {
            Phase::Open { until } if Duration::from_millis(now) >= *until => {
                self.generation += 1;
                self.phase = Phase::HalfOpen { probes: Vec::new(), good: 0, slow: 0 };
                Ok(true)
            }
            Phase::HalfOpen { probes, .. } if probes.iter().any(|at| now > at + PATIENCE) => {
                self.open(now, 0, real)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn acquire(
        &mut self,
        now: u64,
        real: Option<Transition>,
    ) -> Result<(Result<Running, Option<Duration>>, bool), TestCaseError> {
        let plain = |recorded: bool| Running {
            generation: self.generation,
            recorded,
            started: (recorded && self.settings.slow.is_some()).then_some(now),
            probe: false,
        };
        match (self.mode, &self.phase) {
            (Mode::ForcedOpen, _) => return Ok((Err(None), false)),
            (Mode::Disabled, _) => return Ok((Ok(plain(false)), false)),
            (Mode::ForcedClosed, _) | (_, Phase::Closed) => return Ok((Ok(plain(true)), false)),
            _ => {}
        }
        let moved = self.follow_time(now, real)?;
        let generation = self.generation;
        let decision = match &mut self.phase {
            Phase::Open { until } => Err(Some(*until - Duration::from_millis(now))),
            Phase::HalfOpen { probes, good, .. } => {
                if probes.len() + (*good as usize) < self.settings.probes as usize {
                    probes.push(now);
                    Ok(Running { generation, recorded: true, started: Some(now), probe: true })
                } else {
                    Err(Some(Duration::from_millis((OPEN_FOR << self.openings.min(20)).min(MAX_OPEN_FOR))))
                }
            }
            Phase::Closed => unreachable!("asked only while open or half-open"),
        };
        Ok((decision, moved))
    }

    /// A call ends with an answer. Says whether that is a transition.
    fn finish(
        &mut self,
        call: Running,
        verdict: Verdict,
        hint: u64,
        now: u64,
        real: Option<Transition>,
    ) -> Result<bool, TestCaseError> {
        if call.generation != self.generation || !call.recorded {
            return Ok(false);
        }
        if verdict == Verdict::Ignored {
            return self.release_at(call, now, real);
        }
        let failed = matches!(verdict, Verdict::Failure(kind) if kind != FailureKind::Permanent);
        let slow = self.is_slow(call, now);
        if call.probe {
            return self.finish_probe(call, failed, slow, hint, now, real);
        }
        if self.should_trip(now) {
            self.open(now, 0, real)?;
            return Ok(true);
        }
        self.seen.push(Seen { at: now, failed, slow });
        match verdict {
            Verdict::Failure(FailureKind::Throttled) => {}
            _ if failed => self.run += 1,
            _ => self.run = 0,
        }
        self.trip_if_due(now, hint, real)
    }

    fn finish_probe(
        &mut self,
        call: Running,
        failed: bool,
        is_slow: bool,
        hint: u64,
        now: u64,
        real: Option<Transition>,
    ) -> Result<bool, TestCaseError> {
        if self.follow_time(now, real)? {
            return Ok(true);
        }
        self.release(call);
        if failed {
            self.open(now, hint, real)?;
            return Ok(true);
        }
        if let Phase::HalfOpen { good, slow, .. } = &mut self.phase {
            *good += 1;
            *slow += u32::from(is_slow);
        }
        self.judge_probes(now, real)
    }

    fn judge_probes(&mut self, now: u64, real: Option<Transition>) -> Result<bool, TestCaseError> {
        let Phase::HalfOpen { good, slow, .. } = self.phase else { return Ok(false) };
        let slow_rate = f64::from(slow) / f64::from(self.settings.probes);
        if self.settings.slow.is_some_and(|(_, limit)| slow_rate >= limit) {
            self.open(now, 0, real)?;
            return Ok(true);
        }
        if good >= self.settings.probes {
            self.restart();
            self.forget();
            return Ok(true);
        }
        Ok(false)
    }

    fn abandon(
        &mut self,
        call: Running,
        cut: bool,
        now: u64,
        real: Option<Transition>,
    ) -> Result<bool, TestCaseError> {
        if cut {
            return self.finish(call, Verdict::Failure(FailureKind::Timeout), 0, now, real);
        }
        if !self.is_slow(call, now) {
            return self.release_at(call, now, real);
        }
        if call.generation != self.generation || !call.recorded {
            return Ok(false);
        }
        if call.probe {
            if self.follow_time(now, real)? {
                return Ok(true);
            }
            self.release(call);
            if let Phase::HalfOpen { slow, .. } = &mut self.phase {
                *slow += 1;
            }
            return self.judge_probes(now, real);
        }
        if self.should_trip(now) {
            self.open(now, 0, real)?;
            return Ok(true);
        }
        self.seen.push(Seen { at: now, failed: false, slow: true });
        self.trip_if_due(now, 0, real)
    }

    /// A call that says nothing, at a time that is known: a probe may have hung.
    fn release_at(
        &mut self,
        call: Running,
        now: u64,
        real: Option<Transition>,
    ) -> Result<bool, TestCaseError> {
        if call.probe && call.generation == self.generation && self.follow_time(now, real)? {
            return Ok(true);
        }
        self.release(call);
        Ok(false)
    }

    fn release(&mut self, call: Running) {
        if let (true, Phase::HalfOpen { probes, .. }) = (call.generation == self.generation, &mut self.phase)
        {
            if let Some(place) = probes.iter().position(|&at| Some(at) == call.started && call.probe) {
                probes.remove(place);
            }
        }
    }

    fn is_slow(&self, call: Running, now: u64) -> bool {
        let slower = |(limit, _)| call.started.is_some_and(|started| now - started > limit);
        self.settings.slow.is_some_and(slower)
    }

    fn trip_if_due(&mut self, now: u64, hint: u64, real: Option<Transition>) -> Result<bool, TestCaseError> {
        let due = self.should_trip(now);
        if due {
            self.open(now, hint, real)?;
        }
        Ok(due)
    }

    fn set_mode(&mut self, mode: Mode, now: u64, real: Option<Transition>) -> Result<bool, TestCaseError> {
        if mode == self.mode {
            return Ok(false);
        }
        let before = self.state();
        let keeps = before == State::Closed
            && self.mode != Mode::Disabled
            && matches!(mode, Mode::Automatic | Mode::ForcedClosed);
        self.mode = mode;
        self.restart();
        if keeps {
            return self.trip_if_due(now, 0, real);
        }
        self.forget();
        Ok(before != self.state())
    }

    fn reset(&mut self) -> bool {
        let before = self.state();
        self.mode = Mode::Automatic;
        self.restart();
        self.forget();
        before != State::Closed
    }
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        8 => Just(Verdict::Success),
        5 => Just(Verdict::Failure(FailureKind::Transient)),
        1 => Just(Verdict::Failure(FailureKind::Timeout)),
        1 => Just(Verdict::Failure(FailureKind::Throttled)),
        1 => Just(Verdict::Failure(FailureKind::Permanent)),
        1 => Just(Verdict::Ignored),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    (
        proptest::option::weighted(0.8, 10..600_u64),
        1..12_u32,
        proptest::option::weighted(0.5, 1..30_u32),
        1..15_u32,
        proptest::option::weighted(0.8, prop_oneof![Just(0.1), Just(0.3), Just(0.5), Just(0.7), Just(1.0)]),
        proptest::option::weighted(0.4, (5..60_u64, prop_oneof![Just(0.2), Just(0.5), Just(1.0)])),
        proptest::option::weighted(0.5, 1..12_u32),
        1..5_u32,
    )
        .prop_map(|(time_window, buckets, count_window, min_calls, failure_rate, slow, run, probes)| {
            Settings { time_window, buckets, count_window, min_calls, failure_rate, slow, run, probes }
        })
}

fn steps() -> impl Strategy<Value = Step> {
    let hints = prop_oneof![3 => Just(0), 1 => 1..2000_u64];
    prop_oneof![
        30 => prop_oneof![10 => 0..5_u64, 3 => 5..80_u64, 1 => 80..700_u64].prop_map(Step::Wait),
        60 => Just(Step::Acquire),
        60 => (any::<usize>(), verdicts(), hints)
            .prop_map(|(which, verdict, hint)| Step::Finish { which, verdict, hint }),
        5 => (any::<usize>(), any::<bool>()).prop_map(|(which, cut)| Step::Abandon { which, cut }),
        3 => any::<usize>().prop_map(|which| Step::Drop { which }),
        8 => Just(Step::Snapshot),
        1 => prop_oneof![
            3 => Just(Mode::Automatic),
            1 => Just(Mode::ForcedOpen),
            1 => Just(Mode::ForcedClosed),
            1 => Just(Mode::Disabled),
        ].prop_map(Step::Mode),
        1 => Just(Step::Reset),
    ]
}

/// A reconfiguration that the naive list can follow exactly: windows keep their shape.
fn reshaping(of: Settings) -> impl Strategy<Value = Step> {
    settings().prop_map(move |new| {
        Step::Reconfigure(Settings {
            time_window: of.time_window,
            buckets: of.buckets,
            count_window: of.count_window,
            ..new
        })
    })
}

fn walks() -> impl Strategy<Value = (Settings, Vec<Step>)> {
    settings().prop_flat_map(|of| {
        let step = prop_oneof![80 => steps(), 1 => reshaping(of)];
        (Just(of), vec(step, 1..800))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn model_and_breaker_agree((settings, steps) in walks(), seed in any::<u64>()) {
        walk(settings, &steps, seed)?;
    }
}

#[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
fn walk(settings: Settings, steps: &[Step], seed: u64) -> Result<(), TestCaseError> {
    let origin = Instant::now();
    let at = |ms: u64| origin + Duration::from_millis(ms);
    let breaker = CircuitBreaker::with_seed(settings.config(), origin, seed);
    let mut model = Model::new(settings);
    let mut running: Vec<(Permit, Running)> = Vec::new();
    let mut now = 0;

    for &step in steps {
        let before = model.state();
        let (real, expected) = match step {
            Step::Wait(ms) => {
                now += ms;
                (None, false)
            }
            Step::Acquire => {
                let (admitted, real) = breaker.try_acquire(|| at(now));
                let (decision, expected) = model.acquire(now, real)?;
                match (admitted, decision) {
                    (Ok(permit), Ok(call)) => running.push((permit, call)),
                    (Err(Rejected::CircuitOpen { retry_after }), Err(wait)) => {
                        prop_assert_eq!(retry_after, wait);
                    }
                    (admitted, decision) => prop_assert!(false, "{admitted:?}, model: {decision:?}"),
                }
                (real, expected)
            }
            Step::Finish { which, verdict, hint } if !running.is_empty() => {
                let (permit, call) = running.swap_remove(which % running.len());
                let real = permit.finish(verdict, Some(Duration::from_millis(hint)), || at(now));
                (real, model.finish(call, verdict, hint, now, real)?)
            }
            Step::Abandon { which, cut } if !running.is_empty() => {
                let (permit, call) = running.swap_remove(which % running.len());
                let real = permit.abandon(cut, || at(now));
                (real, model.abandon(call, cut, now, real)?)
            }
            Step::Drop { which } if !running.is_empty() => {
                let (permit, call) = running.swap_remove(which % running.len());
                drop(permit);
                model.release(call);
                (None, false)
            }
            Step::Finish { .. } | Step::Abandon { .. } | Step::Drop { .. } => (None, false),
            Step::Snapshot => {
                check_snapshot(&breaker, &model, at(now), now)?;
                (None, false)
            }
            Step::Reconfigure(new) => {
                model.settings = new;
                let real = breaker.reconfigure(new.config(), at(now));
                let expected = match model.phase {
                    Phase::Closed => model.trip_if_due(now, 0, real)?,
                    Phase::HalfOpen { .. } => model.judge_probes(now, real)?,
                    Phase::Open { .. } => false,
                };
                (real, expected)
            }
            Step::Mode(mode) => {
                let real = match mode {
                    Mode::Automatic => breaker.release(at(now)),
                    Mode::ForcedOpen => breaker.force_open(at(now)),
                    Mode::ForcedClosed => breaker.force_closed(at(now)),
                    Mode::Disabled => breaker.disable(at(now)),
                };
                (real, model.set_mode(mode, now, real)?)
            }
            Step::Reset => (breaker.reset(), model.reset()),
        };
        prop_assert_eq!(real.is_some(), expected, "transition {:?} after {:?}", real, step);
        if let Some(real) = real {
            prop_assert_eq!((real.from, real.to), (before, model.state()));
            prop_assert!((real.wait.is_some()) == (real.to == State::Open && real.cause != Cause::Manual));
        }
    }
    check_snapshot(&breaker, &model, at(now), now)
}

fn check_snapshot(
    breaker: &CircuitBreaker,
    model: &Model,
    at: Instant,
    now: u64,
) -> Result<(), TestCaseError> {
    let state = breaker.state(at);
    let real = breaker.snapshot(at);
    prop_assert_eq!(state, real.state);
    prop_assert_eq!(real.mode, model.mode);
    prop_assert_eq!(real.openings, model.openings);
    if let Phase::Closed = model.phase {
        let windows = model.windows(now);
        let seen = windows.first().map_or(&[][..], |(seen, _)| seen);
        let failures = seen.iter().filter(|s| s.failed).count() as u64;
        let slow = seen.iter().filter(|s| s.slow).count() as u64;
        prop_assert_eq!((real.calls, real.failures, real.slow_calls), (seen.len() as u64, failures, slow));
        prop_assert_eq!(real.state, model.state());
        prop_assert_eq!(real.consecutive_failures, model.run);
    }
    Ok(())
}
