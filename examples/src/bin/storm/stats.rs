//! The figures of a phase, worked out from the samples.

use std::time::Duration;

use crate::record::Sample;

/// Success counts as back when this share of the calls is ok ...
const RECOVERED: f64 = 0.95;
/// ... over the calls launched in a stretch this long.
const SUSTAINED: Duration = Duration::from_secs(1);
/// The stretch is moved forward by this much until it fits: the resolution of the time to recover.
const STEP: Duration = Duration::from_millis(50);

/// The nearest-rank percentile of what callers waited, in milliseconds; `None` without samples.
pub(crate) fn percentile_ms(samples: &[Sample], percent: usize) -> Option<f64> {
    percentile_of(samples.iter().map(|sample| sample.took).collect(), percent)
}

/// The nearest-rank percentile of these waits, in milliseconds; `None` without any.
pub(crate) fn percentile_of(mut waits: Vec<Duration>, percent: usize) -> Option<f64> {
    let rank = (waits.len() * percent).div_ceil(100).max(1);
    if waits.len() < rank {
        return None;
    }
    let (_, wait, _) = waits.select_nth_unstable(rank - 1);
    Some(wait.as_nanos() as f64 / 1e6)
}

/// The share of samples that are ok; `None` without samples.
pub(crate) fn success(samples: &[Sample]) -> Option<f64> {
    let ok = samples.iter().filter(|sample| sample.ok).count();
    (!samples.is_empty()).then(|| ok as f64 / samples.len() as f64)
}

/// Seconds from `start` until the first of the steps from which on 95 % of the calls of a whole
/// second are ok; `None` if there is no such second before `end`.
///
/// A second without calls shows nothing and does not count.
pub(crate) fn recover_seconds(samples: &[Sample], start: Duration, end: Duration) -> Option<f64> {
    let mut samples = samples.to_vec();
    samples.sort_by_key(|sample| sample.at);
    let mut from = start;
    while from + SUSTAINED <= end {
        let first = samples.partition_point(|sample| sample.at < from);
        let last = samples.partition_point(|sample| sample.at < from + SUSTAINED);
        if success(&samples[first..last]).is_some_and(|share| share >= RECOVERED) {
            return Some((from - start).as_secs_f64());
        }
        from += STEP;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64, took: u64, ok: bool) -> Sample {
        Sample { at: Duration::from_millis(at), took: Duration::from_micros(took), ok }
    }

    /// A call every 10 ms from `from` to `to` milliseconds.
    fn calls(from: u64, to: u64, ok: bool) -> impl Iterator<Item = Sample> {
        (from..to).step_by(10).map(move |at| sample(at, 1, ok))
    }

    fn recover(samples: &[Sample]) -> Option<f64> {
        recover_seconds(samples, Duration::from_secs(1), Duration::from_secs(5))
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let samples: Vec<_> = (1..=200).rev().map(|n| sample(0, n * 1000, true)).collect();
        assert_eq!(percentile_ms(&samples, 50), Some(100.0));
        assert_eq!(percentile_ms(&samples, 99), Some(198.0));
        assert_eq!(percentile_ms(&samples, 100), Some(200.0));
        assert_eq!(percentile_ms(&samples[..1], 99), Some(200.0));
        assert_eq!(percentile_ms(&[], 50), None);
    }

    #[test]
    fn percentiles_resolve_microseconds() {
        assert_eq!(percentile_ms(&[sample(0, 17, false)], 50), Some(0.017));
    }

    #[test]
    fn success_is_a_share() {
        assert_eq!(success(&[sample(0, 1, true), sample(0, 1, false)]), Some(0.5));
        assert_eq!(success(&[]), None);
    }

    #[test]
    fn all_ok_recovers_at_once() {
        assert_eq!(recover(&calls(0, 5000, true).collect::<Vec<_>>()), Some(0.0));
    }

    #[test]
    fn recovery_counts_from_its_start_to_the_last_failures() {
        // 100 calls a second: 5 % of the first good second may still be failures, here 50 ms.
        let samples: Vec<_> = calls(1000, 3000, false).chain(calls(3000, 5000, true)).collect();
        assert_eq!(recover(&samples), Some(1.95));
    }

    #[test]
    fn a_short_good_spell_is_not_recovery() {
        let spell = calls(1000, 1500, true).chain(calls(1500, 4500, false));
        assert_eq!(recover(&spell.chain(calls(4500, 5000, true)).collect::<Vec<_>>()), None);
    }

    #[test]
    fn silence_is_not_recovery() {
        assert_eq!(recover(&calls(0, 1000, true).collect::<Vec<_>>()), None);
    }

    #[test]
    fn the_order_of_samples_does_not_matter() {
        let mut samples: Vec<_> = calls(1000, 2000, false).chain(calls(2000, 5000, true)).collect();
        samples.reverse();
        assert_eq!(recover(&samples), Some(0.95));
    }
}
