//! The open-loop load: calls begin at their times, whatever became of the ones before.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::{
    task::JoinSet,
    time::{sleep_until, timeout},
};

use crate::{
    callers::{Caller, PATIENCE},
    record::Recorder,
};

/// The offsets of a Poisson process, endless.
#[derive(Debug)]
struct Arrivals {
    dice: SmallRng,
    rate: f64,
    last: Duration,
}

impl Arrivals {
    /// `rate` arrivals per second in the mean.
    fn new(seed: u64, rate: u32) -> Self {
        Self { dice: SmallRng::seed_from_u64(seed), rate: rate.into(), last: Duration::ZERO }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // The gaps of a Poisson process are exponential.
        self.last += exponential(&mut self.dice, 1.0 / self.rate);
        Some(self.last)
    }
}

/// The load that every stack gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) seed: u64,
    pub(crate) rate: u32,
    pub(crate) start: Instant,
    pub(crate) length: Duration,
}

impl Load {
    /// Launches the calls of one stack until the time is over and waits for the stragglers.
    pub(crate) async fn drive<C: Caller>(self, caller: C, recorder: Recorder) {
        let arrivals = Arrivals::new(self.seed, self.rate).take_while(|offset| *offset < self.length);
        let calls = arrivals.map(|offset| {
            let (caller, recorder) = (caller.clone(), recorder.clone());
            let call = move || {
                let launched = recorder.launch();
                async move {
                    let ok = caller.call().await;
                    recorder.finish(launched, ok);
                }
            };
            (offset, call)
        });
        drive(self.start, PATIENCE, calls).await;
    }
}

/// Begins each call at its offset from `start`, and returns what became of those that ended a second after their
/// callers' `patience` at the latest.
pub(crate) async fn drive<C, F>(
    start: Instant,
    patience: Duration,
    calls: impl Iterator<Item = (Duration, C)>,
) -> Vec<F::Output>
where
    C: FnOnce() -> F,
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    let mut ended = Vec::new();
    for (offset, call) in calls {
        sleep_until((start + offset).into()).await;
        while let Some(result) = under_way.try_join_next() {
            ended.extend(result);
        }
        under_way.spawn(call());
    }
    let stragglers = async {
        while let Some(result) = under_way.join_next().await {
            ended.extend(result);
        }
    };
    let _ = timeout(patience + Duration::from_secs(1), stragglers).await;
    ended
}

/// A time drawn from the exponential distribution with this mean, in seconds.
pub(crate) fn exponential(dice: &mut SmallRng, mean: f64) -> Duration {
    // 1 - u lies in (0, 1], so the logarithm is finite.
    let u: f64 = dice.random();
    Duration::from_secs_f64(-(1.0 - u).ln() * mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_repeat_with_the_seed() {
        let first = |seed| Arrivals::new(seed, 200).take(50).collect::<Vec<_>>();
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
    }

    #[test]
    fn arrivals_keep_their_rate_and_spread() {
        let times: Vec<f64> = Arrivals::new(1, 200).take(20_000).map(|t| t.as_secs_f64()).collect();
        let rate = 20_000.0 / times[times.len() - 1];
        assert!((rate - 200.0).abs() < 6.0, "{rate} per second");
        // The standard deviation of an exponential gap is its mean.
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / 19_999.0;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 19_999.0;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05);
    }
}
