//! Numbers with three decimals, as integers.

use std::ops::RangeInclusive;

/// `value` in thousandths.
///
/// # Panics
///
/// If it is outside of `range` or has more than three decimals.
#[track_caller]
pub(crate) fn thousandths(setting: &str, value: f64, range: RangeInclusive<f64>) -> u32 {
    // A decimal such as 0.007 has no exact double, so its thousandfold is whole only nearly.
    const NEARLY: f64 = 1e-6;
    let scaled = value * 1000.0;
    let whole = scaled.round();
    assert!(
        range.contains(&value) && (scaled - whole).abs() < NEARLY,
        "{setting} is {value}, it must be from {} to {} with at most three decimals",
        range.start(),
        range.end()
    );
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within a small range")]
    let thousandths = whole as u32;
    thousandths
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn every_thousandth_is_exact() {
        for n in 0..=1_000_000_u32 {
            assert_eq!(thousandths("ratio", f64::from(n) / 1000.0, 0.0..=1000.0), n);
        }
    }

    #[test]
    #[should_panic(expected = "ratio is 0.0005, it must be from 0 to 1 with at most three decimals")]
    fn a_fourth_decimal_is_refused() {
        thousandths("ratio", 0.0005, 0.0..=1.0);
    }

    #[test]
    #[should_panic(expected = "ratio is NaN")]
    fn no_number_is_refused() {
        thousandths("ratio", f64::NAN, 0.0..=1.0);
    }
}
