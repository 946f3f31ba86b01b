//! A histogram with fixed logarithmic buckets.

use std::sync::atomic::{AtomicU64, Ordering};

use metrics::HistogramFn;

use super::snapshot::Bucket;

/// Eight buckets for each power of two, so that a quantile is at most an eighth too high.
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - 3;

/// The first bucket holds all that is less than 9/8 of this: 2^-20, which is a microsecond.
const FIRST: u64 = (1.0 / 1_048_576.0_f64).to_bits() >> SHIFT;

/// The last one holds all that is more: the bounds end at 2^8, which is four minutes.
const LEN: usize = 28 * 8;

/// How many samples were how large.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Relaxed: each is a figure by itself, and guards nothing.
    counts: Box<[AtomicU64; LEN]>,
}

impl Buckets {
    /// Those that hold anything, in order.
    pub(super) fn read(&self) -> Vec<Bucket> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        (FIRST..)
            .zip(counts)
            .filter(|&(_, count)| count > 0)
            .map(|(word, count)| (bound(word), count))
            .collect()
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self { counts: Box::new([const { AtomicU64::new(0) }; LEN]) }
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.counts[place(value)].fetch_add(1, Ordering::Relaxed);
    }
}

/// The exponent of a float and the first bits of its mantissa count up as its value does.
fn place(value: f64) -> usize {
    // What is not a number is nothing, like what is less.
    let word = if value > 0.0 { value.to_bits() >> SHIFT } else { 0 };
    usize::try_from(word.saturating_sub(FIRST)).map_or(LEN - 1, |place| place.min(LEN - 1))
}

/// The end of a bucket.
const fn bound(word: u64) -> f64 {
    f64::from_bits((word + 1) << SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bucket that one sample is in.
    fn of(value: f64) -> f64 {
        let buckets = Buckets::default();
        buckets.record(value);
        match *buckets.read() {
            [(bound, 1)] => bound,
            ref other => panic!("{value} is in {other:?}"),
        }
    }

    #[test]
    fn bound_is_above_its_samples_by_an_eighth_at_most() {
        let mut value = 1.1e-6;
        while value < 255.0 {
            let bound = of(value);
            assert!(value < bound && bound <= value * 1.125, "{value} is in {bound}");
            value *= 1.003;
        }
    }

    #[test]
    fn a_value_on_a_bound_is_above_it() {
        assert_eq!((of(1.0), of(1.125), of(1.875), of(0.5)), (1.125, 1.25, 2.0, 0.5625));
        assert_eq!(of(1.0 - f64::EPSILON), 1.0);
    }

    #[test]
    fn whatever_does_not_fit_is_in_the_first_or_the_last() {
        for small in [0.0, -0.0, -1.0, f64::NEG_INFINITY, f64::NAN, 1e-300, 1e-7] {
            assert_eq!(of(small), 1.125 / 1_048_576.0, "{small}");
        }
        for large in [255.9, 256.0, 1e9, f64::MAX, f64::INFINITY] {
            assert_eq!(of(large), 256.0, "{large}");
        }
    }

    #[test]
    fn samples_of_one_bucket_add_up() {
        let buckets = Buckets::default();
        buckets.record_many(1.0, 3);
        buckets.record(1.1);
        buckets.record(2.0);
        assert_eq!(buckets.read(), [(1.125, 4), (2.25, 1)]);
    }
}
