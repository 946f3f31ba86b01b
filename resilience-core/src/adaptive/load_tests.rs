//! What a limit with its defaults makes of overload: a discrete-event simulation of a server in virtual time.

#![cfg(not(loom))]

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use super::{AdaptiveLimit, Config, Permit, Priority};
use crate::{Rng, Verdict};

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// Who sends how much, in calls per second.
#[derive(Clone, Debug)]
struct Load {
    rates: Vec<f64>,
    keyed: bool,
}

/// A server of `workers` with a FIFO queue; calls take 20 ms and, on average, 20 ms more, exponentially distributed.
struct Lab {
    limit: AdaptiveLimit,
    start: Instant,
    now: u64,
    rng: Rng,
    workers: u32,
    /// No call makes progress before this.
    stalled_until: u64,
    seq: u64,
    events: BinaryHeap<Reverse<(u64, u64, What)>>,
    busy: u32,
    queue: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Arrive(usize),
    Done(usize),
}

struct Waiting {
    permit: Permit,
    who: usize,
    since: u64,
}

/// What a run has shown of the time that counts.
#[derive(Clone, Debug, Default)]
struct Seen {
    offered: Vec<u64>,
    refused: Vec<u64>,
    /// Answered within the SLO, by caller.
    within: Vec<u64>,
    /// Answered within the SLO before the end.
    good: u64,
    /// Milliseconds.
    latencies: Vec<f64>,
    seconds: f64,
    limit: u32,
}

impl Seen {
    #[expect(clippy::cast_possible_truncation, reason = "it is within the list")]
    fn quantile(&mut self, q: f64) -> f64 {
        self.latencies.sort_by(f64::total_cmp);
        self.latencies[(q * (self.latencies.len() - 1) as f64) as usize]
    }

    /// Answers within the SLO per second.
    fn goodput(&self) -> f64 {
        self.good as f64 / self.seconds
    }
}

impl Lab {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn new(config: Config, workers: u32, seed: u64) -> Self {
        let start = Instant::now();
        Self {
            limit: AdaptiveLimit::new(config, start),
            start,
            now: 0,
            rng: Rng::from_seed(seed),
            workers,
            stalled_until: 0,
            seq: 0,
            events: BinaryHeap::new(),
            busy: 0,
            queue: VecDeque::new(),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "whole nanoseconds")]
    fn exponential(&mut self, mean: f64) -> u64 {
        (-(1.0 - self.rng.unit()).ln() * mean) as u64
    }

    fn at(&mut self, at: u64, what: What) {
        self.seq += 1;
        self.events.push(Reverse((at, self.seq, what)));
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_nanos(self.now)
    }

    /// Runs for so long, and then until the last call that has arrived in that time is answered.
    fn run(&mut self, load: &Load, length: u64, slo_ms: f64) -> Seen {
        let end = self.now + length;
        let zero = vec![0; load.rates.len()];
        let mut seen = Seen {
            offered: zero.clone(),
            refused: zero.clone(),
            within: zero,
            good: 0,
            latencies: Vec::new(),
            seconds: length as f64 / SECOND as f64,
            limit: 0,
        };
        let mut running: Vec<Option<Waiting>> = Vec::new();
        let mut free = Vec::new();
        for (who, &rate) in load.rates.iter().enumerate() {
            let at = self.now + self.exponential(SECOND as f64 / rate);
            self.at(at, What::Arrive(who));
        }
        while let Some(Reverse((at, _, what))) = self.events.pop() {
            self.now = at;
            match what {
                What::Arrive(_) if at >= end => continue,
                What::Arrive(who) => {
                    let next = at + self.exponential(SECOND as f64 / load.rates[who]);
                    self.at(next, What::Arrive(who));
                    seen.offered[who] += 1;
                    let now = self.instant();
                    let admitted = if load.keyed {
                        self.limit.try_acquire_for(&who, Priority::Default, || now)
                    } else {
                        self.limit.try_acquire(Priority::Default, || now)
                    };
                    match admitted {
                        Ok(permit) => self.queue.push_back(Waiting { permit, who, since: at }),
                        Err(_) => seen.refused[who] += 1,
                    }
                }
                What::Done(slot) => {
                    self.busy -= 1;
                    let done = running[slot].take().unwrap();
                    free.push(slot);
                    let now = self.instant();
                    done.permit.finish(Verdict::Success, || now);
                    let latency = (at - done.since) as f64 / MS as f64;
                    seen.within[done.who] += u64::from(latency <= slo_ms);
                    seen.good += u64::from(latency <= slo_ms && at < end);
                    seen.latencies.push(latency);
                }
            }
            while self.busy < self.workers {
                let Some(next) = self.queue.pop_front() else { break };
                self.busy += 1;
                let slot = free.pop().unwrap_or(running.len());
                if slot == running.len() {
                    running.push(None);
                }
                running[slot] = Some(next);
                let takes = 20 * MS + self.exponential(20.0 * MS as f64);
                let done = at.max(self.stalled_until) + takes;
                self.at(done, What::Done(slot));
            }
            if at < end {
                seen.limit = self.limit.snapshot().limit;
            }
        }
        self.now = self.now.max(end);
        seen
    }
}

fn one(rate: f64) -> Load {
    Load { rates: vec![rate], keyed: false }
}

/// The servers: workers, and the SLO in milliseconds. They bear 25 calls per second and worker.
const SERVERS: [(u32, f64); 3] = [(4, 400.0), (40, 200.0), (200, 400.0)];

fn capacity(workers: u32) -> f64 {
    f64::from(workers) * 25.0
}

/// Goodput in parts of the capacity and the 99th percentile, averaged over seeds 1 to 3.
fn overload(workers: u32, factor: f64, slo: f64, before: u64) -> (f64, f64) {
    let capacity = capacity(workers);
    let (mut goodput, mut p99) = (0.0, 0.0);
    for seed in 1..=3 {
        let mut lab = Lab::new(Config::default(), workers, seed);
        let _ = lab.run(&one(0.8 * capacity), before, slo);
        let mut seen = lab.run(&one(factor * capacity), 30 * SECOND, slo);
        goodput += seen.goodput() / capacity / 3.0;
        p99 += seen.quantile(0.99) / 3.0;
    }
    println!("{workers} workers, {factor} times: goodput {:.2} %, p99 {p99:.0} ms", 100.0 * goodput);
    (goodput, p99)
}

#[test]
fn overload_costs_no_goodput_and_answers_stay_within_the_slo() {
    for (workers, slo) in SERVERS {
        for factor in [2.0, 5.0, 10.0] {
            let (goodput, p99) = overload(workers, factor, slo, 0);
            assert!(goodput >= 0.98, "{workers} workers at {factor} times: {goodput}");
            assert!(p99 <= slo, "{workers} workers at {factor} times: {p99} ms");
        }
    }
}

#[test]
fn overload_that_follows_a_normal_load_is_no_worse() {
    for (workers, slo) in SERVERS {
        for factor in [2.0, 5.0, 10.0] {
            let (goodput, p99) = overload(workers, factor, slo, 20 * SECOND);
            assert!(goodput >= 0.98, "{workers} workers at {factor} times: {goodput}");
            assert!(p99 <= slo, "{workers} workers at {factor} times: {p99} ms");
        }
    }
}

#[test]
fn nobody_is_refused_at_eight_tenths_of_the_capacity_once_the_limit_has_been_found() {
    for (workers, slo) in SERVERS {
        for seed in 1..=3 {
            let mut lab = Lab::new(Config::default(), workers, seed);
            let load = one(0.8 * capacity(workers));
            let found = lab.run(&load, 2 * SECOND, slo);
            let seen = lab.run(&load, 600 * SECOND, slo);
            println!(
                "{workers} workers: {} refused in the first 2 s, limit {}",
                found.refused[0], seen.limit
            );
            assert_eq!(seen.refused[0], 0, "{workers} workers, seed {seed}");
        }
    }
}

#[test]
fn one_tenant_at_five_times_the_capacity_does_not_hurt_the_others() {
    let mut rates = vec![5000.0];
    rates.extend([50.0; 9]);
    let worst = |keyed, seed| {
        let mut lab = Lab::new(Config::default(), 40, seed);
        let load = Load { rates: rates.clone(), keyed };
        let _ = lab.run(&load, 2 * SECOND, 200.0);
        let seen = lab.run(&load, 60 * SECOND, 200.0);
        let ok = (1..10).map(|who| seen.within[who] as f64 / seen.offered[who] as f64);
        let worst = ok.fold(1.0, f64::min);
        println!("keyed: {keyed}, worst {:.2} %, goodput {:.0}", 100.0 * worst, seen.goodput());
        (worst, seen.goodput())
    };
    for seed in 1..=3 {
        let (victim, goodput) = worst(true, seed);
        assert!(victim >= 0.99, "seed {seed}: {victim}");
        assert!(goodput >= 980.0, "seed {seed}: {goodput}");
        assert!(worst(false, seed).0 < 0.5, "without keys it hurts");
    }
}

#[test]
fn a_limit_at_its_minimum_is_right_two_seconds_later() {
    for (workers, slo) in SERVERS {
        for seed in 1..=3 {
            let mut lab = Lab::new(Config::default().initial(2), workers, seed);
            let load = one(0.8 * capacity(workers));
            let _ = lab.run(&load, 2 * SECOND, slo);
            let seen = lab.run(&load, 10 * SECOND, slo);
            let refused = seen.refused[0] as f64 / seen.offered[0] as f64;
            println!("{workers} workers: limit {}, {refused:.4} refused", seen.limit);
            assert!(refused <= 0.01, "{workers} workers, seed {seed}: {refused}");
        }
    }
}

#[test]
fn after_a_stall_the_limit_is_found_again_within_two_seconds() {
    for (workers, slo) in SERVERS {
        for seed in 1..=3 {
            let mut lab = Lab::new(Config::default(), workers, seed);
            let load = one(0.8 * capacity(workers));
            let _ = lab.run(&load, 20 * SECOND, slo);
            lab.stalled_until = lab.now + 10 * SECOND;
            let stalled = lab.run(&load, 10 * SECOND, slo);
            let recovering = lab.run(&load, 2 * SECOND, slo);
            let seen = lab.run(&load, 10 * SECOND, slo);
            let refused = seen.refused[0] as f64 / seen.offered[0] as f64;
            println!(
                "{workers} workers: limit {} in the stall, {} two seconds after; {refused:.4} refused then",
                stalled.limit, recovering.limit,
            );
            assert!(refused <= 0.01, "{workers} workers, seed {seed}: {refused}");
        }
    }
}
