//! The open-loop load: calls begin at their times, whatever became of the ones before.

use std::time::{Duration, Instant};

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
        // The gaps of a Poisson process are exponential; 1 - u lies in (0, 1], so the logarithm is finite.
        let u: f64 = self.dice.random();
        self.last += Duration::from_secs_f64(-(1.0 - u).ln() / self.rate);
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
        let mut calls = JoinSet::new();
        let arrivals = Arrivals::new(self.seed, self.rate);
        for offset in arrivals.take_while(|offset| *offset < self.length) {
            sleep_until((self.start + offset).into()).await;
            while calls.try_join_next().is_some() {}
            let (caller, recorder) = (caller.clone(), recorder.clone());
            let launched = recorder.launch();
            calls.spawn(async move {
                let ok = caller.call().await;
                recorder.finish(launched, ok);
            });
        }
        let stragglers = async { while calls.join_next().await.is_some() {} };
        // A call that outlasts even this stays unfinished and counts as failed.
        let _ = timeout(PATIENCE + Duration::from_secs(1), stragglers).await;
    }
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
