//! Random numbers that the caller owns.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// A small generator of random numbers, owned by the caller and made from a seed.
///
/// It is for jitter and samples, never for secrets. There is no `Clone`: a copy would draw the numbers of its original,
/// and two requests that draw the same numbers wait equally long. The numbers of a seed may change with a new
/// version or another platform; within one build they are always the same.
///
/// # Examples
///
/// ```
/// use resilience_core::Rng;
///
/// let (mut one, mut again) = (Rng::from_seed(7), Rng::from_seed(7));
/// let number = one.unit();
/// assert!((0.0..1.0).contains(&number));
/// assert_eq!(number, again.unit());
/// ```
#[derive(Debug)]
pub struct Rng(SmallRng);

impl Rng {
    /// A generator whose numbers follow from `seed` alone.
    ///
    /// Neighbouring seeds give unrelated numbers, so a counter will do where the first seed is random.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// A generator of its own: seeded from the thread's.
    #[must_use]
    pub fn random() -> Self {
        Self::from_seed(rand::random())
    }

    /// The next number, evenly distributed from 0 (included) to 1 (excluded), in steps of 2⁻⁵³.
    #[must_use]
    #[inline]
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn is_from_zero_to_one_with_53_bits() {
        let mut rng = Rng::from_seed(1);
        let (mut odd, mut sum) = (0, 0.0);
        for _ in 0..10_000 {
            let unit = rng.unit();
            assert!((0.0..1.0).contains(&unit));
            let steps = unit * 2f64.powi(53);
            assert_eq!(steps.fract(), 0.0);
            odd += u32::from(steps % 2.0 == 1.0);
            sum += unit;
        }
        // Ten standard deviations: 50 of the odd ones, 0.0029 of the mean.
        assert!((4500..5500).contains(&odd), "the last bit was set {odd} times");
        assert!((0.471..0.529).contains(&(sum / 10_000.0)), "the mean is {}", sum / 10_000.0);
    }

    #[test]
    fn a_seed_decides_all_the_numbers() {
        let numbers = |seed| {
            let mut rng = Rng::from_seed(seed);
            [rng.unit(), rng.unit(), rng.unit()]
        };
        assert_eq!(numbers(5), numbers(5));
        assert_ne!(numbers(5), numbers(6));
        let [one, two, three] = numbers(5);
        assert!(one != two && two != three && one != three);
    }
}
