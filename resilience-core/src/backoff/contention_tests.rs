//! The simulation of the AWS Architecture Blog, "Exponential Backoff And Jitter" (2015), with our back-off in it.
//!
//! After <https://github.com/aws-samples/aws-arch-backoff-simulator>: a hundred clients want to write one row once each.
//! A client reads the version of the row, then writes with it; the write fails if another one came first, and the client
//! waits and reads again. Each leg over the network takes a normally distributed time of 10 ms, standard deviation 2 ms. A
//! call is a write.

#![cfg(not(loom))]

use std::{cmp::Reverse, collections::BinaryHeap, f64::consts::TAU, time::Duration};

use super::{Backoff, Delays, Jitter};
use crate::Rng;

const CLIENTS: usize = 100;
const RUNS: u64 = 100;
const CAP: Duration = Duration::from_secs(2);

/// What is on its way between a client and the server.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Read,
    Version(u32),
    Write(u32),
    Written(bool),
}

/// Means over all runs.
#[derive(Debug)]
struct Cost {
    calls: f64,
    seconds: f64,
}

fn cost(backoff: Backoff) -> Cost {
    let (mut calls, mut time) = (0, Duration::ZERO);
    for run in 0..RUNS {
        let (more, until) = contend(backoff, run);
        calls += more;
        time += until;
    }
    Cost { calls: f64::from(calls) / RUNS as f64, seconds: time.as_secs_f64() / RUNS as f64 }
}

/// One run: how many writes it takes until each client has written, and how long.
fn contend(backoff: Backoff, run: u64) -> (u32, Duration) {
    let mut network = Rng::from_seed(run);
    let mut clients: Vec<_> = (0..CLIENTS as u64)
        .map(|client| (Delays::new(), Rng::from_seed((run + 1) * 1_000_000 + client)))
        .collect();
    let mut flying: BinaryHeap<_> =
        (0..CLIENTS).map(|client| Reverse((leg(&mut network), client, Message::Read))).collect();
    let (mut version, mut calls, mut end) = (0, 0, Duration::ZERO);

    while let Some(Reverse((now, client, message))) = flying.pop() {
        end = now;
        let mut after = Duration::ZERO;
        let reply = match message {
            Message::Read => Message::Version(version),
            Message::Version(seen) => Message::Write(seen),
            Message::Write(seen) => {
                calls += 1;
                let first = seen == version;
                version += u32::from(first);
                Message::Written(first)
            }
            Message::Written(true) => continue,
            Message::Written(false) => {
                let (delays, rng) = &mut clients[client];
                after = backoff.next_delay(delays, rng);
                Message::Read
            }
        };
        flying.push(Reverse((now + after + leg(&mut network), client, reply)));
    }
    assert_eq!(version as usize, CLIENTS);
    (calls, end)
}

/// The time of one leg, by Box and Muller.
fn leg(network: &mut Rng) -> Duration {
    let normal = (-2.0 * (1.0 - network.unit()).ln()).sqrt() * (TAU * network.unit()).cos();
    Duration::from_secs_f64((0.010 + 0.002 * normal).abs())
}

/// The simulator's base is 5 ms, and its first bound is twice that.
fn exponential() -> Backoff {
    Backoff::exponential(Duration::from_millis(10)).cap(CAP)
}

#[test]
fn full_jitter_costs_what_was_published() {
    let full = cost(exponential());
    // Published for 100 clients: about 797 calls in 4.9 s.
    assert!((770.0..=820.0).contains(&full.calls), "{full:?}");
    assert!((4.6..=5.1).contains(&full.seconds), "{full:?}");
}

#[test]
fn the_others_cost_more_in_the_published_order() {
    let full = cost(exponential());
    let equal = cost(exponential().jitter(Jitter::Equal));
    let none = cost(exponential().jitter(Jitter::None));
    let decorrelated = cost(Backoff::decorrelated(Duration::from_millis(5)).cap(CAP));
    // "The clear loser": more calls, and far more time.
    assert!(none.calls > 2.2 * full.calls, "{none:?}");
    assert!(none.seconds > 10.0 * full.seconds, "{none:?}");
    // Slightly more calls than full jitter, and much longer.
    assert!((1.0..1.1).contains(&(equal.calls / full.calls)), "{equal:?}");
    assert!((1.25..1.5).contains(&(equal.seconds / full.seconds)), "{equal:?}");
    // More calls, in slightly less time.
    assert!((1.15..1.35).contains(&(decorrelated.calls / full.calls)), "{decorrelated:?}");
    assert!((0.88..1.0).contains(&(decorrelated.seconds / full.seconds)), "{decorrelated:?}");
}
