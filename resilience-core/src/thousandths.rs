//! Numbers with three decimals, as integers.

use crate::range::{Range, expect};

/// The range of a setting with at most three decimals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thousandths(pub(crate) Range<f64>);

impl Thousandths {
    pub(crate) const fn new(name: &'static str, min: f64, max: f64) -> Self {
        Self(Range::new(name, min, max))
    }

    /// `value` in thousandths, or what is wrong with it.
    pub(crate) fn check(&self, value: f64) -> Result<u32, String> {
        // A decimal such as 0.007 has no exact double, so its thousandfold is whole only nearly.
        const NEARLY: f64 = 1e-6;
        let scaled = value * 1000.0;
        let whole = scaled.round();
        if self.0.check(value).is_err() || (scaled - whole).abs() >= NEARLY {
            return Err(format!("{} with at most three decimals", self.0.refusal(&value)));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within a small range")]
        let thousandths = whole as u32;
        Ok(thousandths)
    }

    /// `value` in thousandths, which a setter was given.
    ///
    /// # Panics
    ///
    /// If it is out of range or has more than three decimals.
    #[track_caller]
    pub(crate) fn expect(&self, value: f64) -> u32 {
        expect(self.check(value))
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn every_thousandth_is_exact() {
        let ratio = Thousandths::new("ratio", 0.0, 1000.0);
        for n in 0..=1_000_000_u32 {
            assert_eq!(ratio.check(f64::from(n) / 1000.0), Ok(n));
        }
    }

    #[test]
    fn a_fourth_decimal_is_refused_and_what_is_no_number() {
        let ratio = Thousandths::new("ratio", 0.0, 1.0);
        let wrong = |value| ratio.check(value).unwrap_err();
        assert_eq!(wrong(0.0005), "ratio is 0.0005, it must be from 0 to 1 with at most three decimals");
        assert_eq!(wrong(1.001), "ratio is 1.001, it must be from 0 to 1 with at most three decimals");
        assert!(wrong(f64::NAN).starts_with("ratio is NaN"));
    }
}
