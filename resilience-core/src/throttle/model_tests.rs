//! The throttle against a naive model of what it promises: a list of calls, divided and counted anew for every question.
//!
//! `PROPTEST_CASES=2500 cargo test -p resilience-core --release throttle::model` walks a million steps.

#![cfg(not(loom))]

use std::time::{Duration, Instant};

use proptest::{collection::vec, prelude::*};

use super::{Config, Permit, Throttle};
use crate::{FailureKind, Rejected, Rng, Verdict};

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    /// So many calls that are answered at once, if they are admitted.
    Calls(u32, Verdict),
    Acquire,
    Finish(usize, Verdict),
    Abandon(usize, bool),
    Reconfigure(Settings),
    Reset,
    Snapshot,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    /// In thousandths.
    k: u32,
    /// In milliseconds.
    window: u64,
    /// In tens.
    most: u32,
    least: u32,
    probe: u32,
}

impl Settings {
    fn config(self) -> Config {
        Config::new()
            .multiplier(f64::from(self.k) / 1000.0)
            .window(Duration::from_millis(self.window))
            .max_requests(10 * self.most)
            .min_requests(self.least)
            .probe_one_in(self.probe)
    }
}

/// All that ever ended: when, in which slice, and whether it was accepted.
struct Model {
    settings: Settings,
    /// Each with its tick, oldest first; the calls of a slice in their order.
    slices: Vec<(u64, Vec<bool>)>,
    /// In milliseconds; the latest that was seen by who did something.
    now: u64,
    row: u32,
    epoch: u32,
    rng: Rng,
}

impl Model {
    fn tick(&self, now: u64) -> u64 {
        let tick = Duration::from_millis(self.settings.window).as_nanos() / 10;
        u64::try_from(Duration::from_millis(now).as_nanos() / tick).unwrap()
    }

    fn end(&mut self, accepted: bool) {
        let (tick, room) = (self.tick(self.now), self.settings.most as usize);
        match self.slices.last_mut() {
            Some((last, calls)) if *last == tick && calls.len() < room => calls.push(accepted),
            _ => self.slices.push((tick, vec![accepted])),
        }
    }

    /// The last ten slices, without those of another ten ticks.
    fn counts(&self) -> (u64, u64) {
        let tick = self.tick(self.now);
        let recent = self.slices.iter().rev().take(10).filter(|(then, _)| then + 10 > tick);
        let calls: Vec<bool> = recent.flat_map(|(_, calls)| calls.clone()).collect();
        (calls.len() as u64, calls.into_iter().filter(|&accepted| accepted).count() as u64)
    }

    fn probability(&self) -> f64 {
        let (requests, accepts) = self.counts();
        let Settings { k, most, least, .. } = self.settings;
        if requests < u64::from(least.min(9 * most)) {
            return 0.0;
        }
        let excess = 1000 * requests as i64 - i64::from(k) * accepts as i64;
        excess.max(0) as f64 / (1000 * (requests + 1)) as f64
    }

    fn admit(&mut self) -> Result<(), u16> {
        let probability = self.probability();
        if probability == 0.0 {
            return Ok(());
        }
        if self.row + 1 >= self.settings.probe || self.rng.unit() >= probability {
            self.row = 0;
            return Ok(());
        }
        self.row += 1;
        let before = self.counts();
        self.end(false);
        let (requests, accepts) = before;
        let excess = 1000 * requests - u64::from(self.settings.k) * accepts;
        Err(u16::try_from(excess / (requests + 1)).unwrap().max(1))
    }

    fn reconfigure(&mut self, settings: Settings) {
        let now = self.now;
        let old = std::mem::take(&mut self.slices);
        let (tick, length) = (self.tick(now), Duration::from_millis(self.settings.window) / 10);
        let kept = old.into_iter().rev().take(10).filter(|(then, _)| then + 10 > tick).collect::<Vec<_>>();
        self.settings = settings;
        for (then, calls) in kept.into_iter().rev() {
            // As if at the end of its tick.
            let last = length.as_nanos() * u128::from(then + 1) - 1;
            let ended = last.min(Duration::from_millis(now).as_nanos());
            let tick =
                u64::try_from(ended / (Duration::from_millis(settings.window).as_nanos() / 10)).unwrap();
            let (good, bad): (Vec<bool>, Vec<bool>) = calls.into_iter().partition(|&accepted| accepted);
            for accepted in good.into_iter().chain(bad) {
                match self.slices.last_mut() {
                    Some((last, calls)) if *last == tick && calls.len() < settings.most as usize => {
                        calls.push(accepted);
                    }
                    _ => self.slices.push((tick, vec![accepted])),
                }
            }
        }
    }
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        6 => Just(Verdict::Success),
        6 => Just(Verdict::Failure(FailureKind::PeerOverloaded)),
        1 => Just(Verdict::Failure(FailureKind::Permanent)),
        1 => Just(Verdict::Ignored),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let k = prop_oneof![4 => Just(2000), 1 => 1001..=4000_u32];
    (k, 10..400_u64, 1..=6_u32, 1..=40_u32, 2..=12_u32).prop_map(|(k, window, most, least, probe)| Settings {
        k,
        window,
        most,
        least,
        probe,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..60_u64).prop_map(Step::Wait),
        6 => (1..30_u32, verdict()).prop_map(|(n, verdict)| Step::Calls(n, verdict)),
        2 => Just(Step::Acquire),
        3 => (any::<usize>(), verdict()).prop_map(|(which, verdict)| Step::Finish(which, verdict)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, cut)| Step::Abandon(which, cut)),
        1 => settings().prop_map(Step::Reconfigure),
        1 => Just(Step::Reset),
        2 => Just(Step::Snapshot),
    ]
}

struct Both {
    model: Model,
    throttle: Throttle,
    start: Instant,
    now: u64,
    permits: Vec<(Permit, u32)>,
}

impl Both {
    fn time(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    fn acquire(&mut self) -> Result<Option<(Permit, u32)>, TestCaseError> {
        self.model.now = self.now;
        let (expected, now) = (self.model.admit(), self.time());
        match (self.throttle.try_acquire(|| now), expected) {
            (Ok(permit), Ok(())) => Ok(Some((permit, self.model.epoch))),
            (Err(Rejected::Throttled { per_mille }), Err(expected)) => {
                prop_assert_eq!(per_mille, expected);
                Ok(None)
            }
            (is, expected) => Err(TestCaseError::fail(format!("{is:?}, not {expected:?}"))),
        }
    }

    fn finish(&mut self, (permit, epoch): (Permit, u32), verdict: Verdict) {
        self.model.now = self.now;
        if epoch == self.model.epoch {
            match verdict {
                Verdict::Success | Verdict::Failure(FailureKind::Permanent) => self.model.end(true),
                Verdict::Failure(_) => self.model.end(false),
                Verdict::Ignored => {}
            }
        }
        let now = self.time();
        permit.finish(verdict, || now);
    }

    fn any(&mut self, which: usize) -> Option<(Permit, u32)> {
        let count = self.permits.len();
        (count > 0).then(|| self.permits.swap_remove(which % count))
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait(time) => self.now += time,
            Step::Calls(calls, verdict) => {
                for _ in 0..calls {
                    if let Some(permit) = self.acquire()? {
                        self.finish(permit, verdict);
                    }
                }
            }
            Step::Acquire => {
                let permit = self.acquire()?;
                self.permits.extend(permit);
            }
            Step::Finish(which, verdict) => {
                if let Some(permit) = self.any(which) {
                    self.finish(permit, verdict);
                }
            }
            Step::Abandon(which, cut) => {
                if let Some((permit, epoch)) = self.any(which) {
                    self.model.now = self.now;
                    if cut && epoch == self.model.epoch {
                        self.model.end(false);
                    }
                    let now = self.time();
                    permit.abandon(cut, || now);
                }
            }
            Step::Reconfigure(settings) => {
                self.model.now = self.now;
                self.model.reconfigure(settings);
                self.throttle.reconfigure(settings.config(), self.time());
            }
            Step::Reset => {
                self.model.slices.clear();
                self.model.row = 0;
                self.model.epoch += 1;
                self.throttle.reset();
            }
            Step::Snapshot => self.compare()?,
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        self.model.now = self.now;
        let seen = self.throttle.snapshot(self.time());
        prop_assert_eq!((seen.requests, seen.accepts), self.model.counts());
        prop_assert_eq!(seen.probability, self.model.probability());
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_decision_is_the_models(
        settings in settings(),
        steps in vec(step(), 1..400),
        seed in any::<u64>(),
        spies in any::<bool>(),
    ) {
        #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
        let start = Instant::now();
        let rng = Rng::from_seed(seed);
        let mut both = Both {
            model: Model { settings, slices: Vec::new(), now: 0, row: 0, epoch: 0, rng },
            throttle: Throttle::with_seed(settings.config(), start, seed),
            start,
            now: 0,
            permits: Vec::new(),
        };
        for step in steps {
            both.take(step)?;
            // A look absorbs the tallies: what happens between two looks must not depend on it.
            if spies {
                both.compare()?;
            }
        }
        both.compare()?;
    }
}
