//! The limiter against a naive bucket, which counts tokens one by one.

#![cfg(not(loom))]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Quota, RateLimiter, Reservation};
use crate::Rejected;

/// A bucket as one would explain it: so many tokens, and when the next one comes. A token that is owed to somebody who waits is
/// one that is missing.
#[derive(Clone, Debug, PartialEq)]
struct Bucket {
    interval: u64,
    burst: i64,
    /// Below zero while there is a queue.
    tokens: i64,
    /// Nanoseconds since the last token came. None comes while it is full.
    since: u64,
}

impl Bucket {
    fn new(interval: u64, burst: u32) -> Self {
        Self { interval, burst: burst.into(), tokens: burst.into(), since: 0 }
    }

    fn pass(&mut self, nanos: u64) {
        self.since += nanos;
        while self.since >= self.interval && self.tokens < self.burst {
            self.since -= self.interval;
            self.tokens += 1;
        }
        if self.tokens == self.burst {
            self.since = 0;
        }
    }

    /// The wait for so many tokens.
    fn wait(&self, cost: u32) -> u64 {
        let missing = i64::from(cost) - self.tokens;
        if missing <= 0 { 0 } else { u64::try_from(missing).unwrap() * self.interval - self.since }
    }

    fn take(&mut self, cost: u32) {
        self.tokens -= i64::from(cost);
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u64),
    Check(u32),
    Reserve(u32, u64),
    /// Gives back the reservation made so many before the last.
    GiveBack(usize),
}

fn steps() -> impl Strategy<Value = (u64, u32, Vec<Step>)> {
    (1..50_u64, 1..12_u32).prop_flat_map(|(interval, burst)| {
        let cost = || prop_oneof![8 => Just(1), 3 => 1..=burst, 1 => 0..burst + 3];
        let step = prop_oneof![
            4 => prop_oneof![
                (0..4_u64).prop_map(move |n| n * interval),
                (1..4_u64).prop_map(move |n| n * interval - 1),
                0..5 * interval,
                0..50 * interval,
            ].prop_map(Step::Pass),
            5 => cost().prop_map(Step::Check),
            4 => (cost(), 0..10 * interval).prop_map(|(cost, wait)| Step::Reserve(cost, wait)),
            2 => (0..3_usize).prop_map(Step::GiveBack),
        ];
        (Just(interval), Just(burst), prop::collection::vec(step, 1..200))
    })
}

/// The limiter, the bucket, and what is out.
struct Pair {
    limiter: RateLimiter,
    bucket: Bucket,
    now: Instant,
    /// Each with the bucket as it was before, as long as nobody has come since.
    reserved: Vec<(Reservation, Option<Bucket>)>,
}

impl Pair {
    #[expect(clippy::disallowed_methods, reason = "a starting point for the test")]
    fn new(interval: u64, burst: u32) -> Self {
        let now = Instant::now();
        let quota = Quota::per(1, Duration::from_nanos(interval)).burst(burst);
        let limiter = RateLimiter::new(quota, now);
        Self { limiter, bucket: Bucket::new(interval, burst), now, reserved: Vec::new() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pass(nanos) => {
                self.now += Duration::from_nanos(nanos);
                self.bucket.pass(nanos);
                for (_, before) in &mut self.reserved {
                    before.iter_mut().for_each(|bucket| bucket.pass(nanos));
                }
            }
            Step::Check(cost) => {
                let checked = self.limiter.check(cost, self.now);
                let expected = self.expected(cost, 0);
                assert_eq!(checked.map(drop), expected.map(drop));
                if let Ok(admitted) = checked {
                    self.taken(cost);
                    assert_eq!(i64::from(admitted.remaining()), self.bucket.tokens.max(0));
                    assert_eq!(admitted.full_after(), self.limiter.full_after(self.now));
                }
            }
            Step::Reserve(cost, max_wait) => {
                let before = self.bucket.clone();
                let reserved = self.limiter.reserve(cost, Duration::from_nanos(max_wait), self.now);
                let expected = self.expected(cost, max_wait).map(Duration::from_nanos);
                assert_eq!(reserved.as_ref().map(Reservation::wait), expected.as_ref().copied());
                if let Ok(reservation) = reserved {
                    self.taken(cost);
                    self.reserved.push((reservation, (cost > 0).then_some(before)));
                }
            }
            Step::GiveBack(nth) => {
                if nth < self.reserved.len() {
                    let (reservation, before) = self.reserved.swap_remove(self.reserved.len() - 1 - nth);
                    assert_eq!(self.limiter.give_back(reservation), before.is_some());
                    if let Some(before) = before {
                        self.bucket = before;
                        self.whoever_was_last_is_so_again();
                    }
                }
            }
        }
        assert_eq!(i64::from(self.limiter.tokens(self.now)), self.bucket.tokens.max(0));
        let full = self.bucket.wait(u32::try_from(self.bucket.burst).unwrap());
        assert_eq!(self.limiter.full_after(self.now), Duration::from_nanos(full));
    }

    fn expected(&self, cost: u32, max_wait: u64) -> Result<u64, Rejected> {
        let burst = u32::try_from(self.bucket.burst).unwrap();
        if cost > burst {
            return Err(Rejected::CostAboveBurst { cost, burst });
        }
        let wait = if cost == 0 { 0 } else { self.bucket.wait(cost) };
        if wait > max_wait {
            return Err(Rejected::RateLimited { retry_after: Duration::from_nanos(wait) });
        }
        Ok(wait)
    }

    fn taken(&mut self, cost: u32) {
        if cost > 0 {
            self.bucket.take(cost);
            self.reserved.iter_mut().for_each(|(_, before)| *before = None);
        }
    }

    /// The model does not follow this further: the reservation before the one given back may be given back in its turn.
    fn whoever_was_last_is_so_again(&mut self) {
        self.reserved.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_a_bucket_to_the_nanosecond((interval, burst, steps) in steps()) {
        let mut pair = Pair::new(interval, burst);
        steps.into_iter().for_each(|step| pair.step(step));
    }
}
