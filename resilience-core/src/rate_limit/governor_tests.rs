//! The same decisions as `governor`, call by call, wherever its interval is the same.

#![cfg(not(loom))]

use std::{
    cell::Cell,
    num::NonZeroU32,
    rc::Rc,
    time::{Duration, Instant},
};

use governor::{
    InsufficientCapacity, Quota as PeerQuota, RateLimiter as Peer,
    clock::{Clock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use proptest::prelude::*;

use super::{Quota, RateLimiter};
use crate::Rejected;

/// The time that the test says it is.
#[derive(Clone, Debug, Default)]
struct Told(Rc<Cell<u64>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At(u64);

impl std::ops::Add<Nanos> for At {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0 + nanos.as_u64())
    }
}

impl Reference for At {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.saturating_sub(duration.as_u64()))
    }
}

impl Clock for Told {
    type Instant = At;

    fn now(&self) -> At {
        At(self.0.get())
    }
}

struct Pair {
    ours: RateLimiter,
    peer: Peer<NotKeyed, InMemoryState, Told, NoOpMiddleware<At>>,
    clock: Told,
    start: Instant,
}

impl Pair {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn new(interval: u64, burst: u32) -> Self {
        let (start, clock) = (Instant::now(), Told::default());
        // Its clock must not begin at 0, which it takes for a state that is not set.
        clock.0.set(1);
        let interval = Duration::from_nanos(interval);
        let quota = PeerQuota::with_period(interval).unwrap().allow_burst(NonZeroU32::new(burst).unwrap());
        let peer = Peer::direct_with_clock(quota, clock.clone());
        let ours = RateLimiter::new(Quota::per(1, interval).burst(burst), start);
        Self { ours, peer, clock, start }
    }

    /// Both decide on a call; the same, to the nanosecond.
    fn check(&self, cost: u32) {
        let nanos = self.clock.0.get() - 1;
        let ours = self.ours.check(cost, self.start + Duration::from_nanos(nanos));
        let theirs = match self.peer.check_n(NonZeroU32::new(cost).unwrap()) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => {
                Err(Rejected::RateLimited { retry_after: not_until.wait_time_from(self.clock.now()) })
            }
            Err(InsufficientCapacity(burst)) => Err(Rejected::CostAboveBurst { cost, burst }),
        };
        assert_eq!(ours.map(drop), theirs, "after {nanos} ns");
    }
}

/// Times that meet the boundaries: multiples of the interval, a nanosecond beside them, and any.
fn pause(interval: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0),
        3 => (0..4_u64).prop_map(move |n| n * interval),
        2 => (1..4_u64).prop_map(move |n| n * interval - 1),
        2 => (0..4_u64).prop_map(move |n| n * interval + 1),
        2 => 0..3 * interval,
        1 => 0..100 * interval,
    ]
}

fn steps() -> impl Strategy<Value = (u64, u32, Vec<(u64, u32)>)> {
    let interval = prop_oneof![Just(1), 1..100_u64, Just(10_000_000), 1..10_000_000_000_u64];
    (interval, 1..20_u32).prop_flat_map(|(interval, burst)| {
        let cost = prop_oneof![6 => Just(1), 3 => 1..=burst, 1 => 1..burst + 3];
        let steps = prop::collection::vec((pause(interval), cost), 1..200);
        (Just(interval), Just(burst), steps)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_decides_as_governor_does((interval, burst, steps) in steps()) {
        let pair = Pair::new(interval, burst);
        for (pause, cost) in steps {
            pair.clock.0.set(pair.clock.0.get() + pause);
            pair.check(cost);
        }
    }
}
