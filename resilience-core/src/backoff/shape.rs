//! The formulas: how delays grow. Nanoseconds in, nanoseconds out; nothing here knows a cap.

use super::jitter::Jitter;

/// How the delays of a request come about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// Jitter of a bound that follows from the number of delays.
    Bounded(Growth, Jitter),
    /// Drawn from the previous delay.
    Decorrelated,
    /// From one point of a curve to the next.
    Smooth,
}

/// How a bound grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Growth {
    Constant,
    Linear,
    Exponential,
}

impl Growth {
    pub(super) fn bound(self, base: u64, factor: f64, n: u32) -> u64 {
        match self {
            Self::Constant => base,
            Self::Linear => base.saturating_mul(u64::from(n)),
            Self::Exponential => nanos((base as f64 * factor.powf(f64::from(n) - 1.0)).round()),
        }
    }
}

/// `random(base, previous * 3)`, where the first `previous` is the base.
///
/// A `previous` that is shorter than the base counts as the base: the base may have been raised in between.
pub(super) fn decorrelated(base: u64, previous: f64, unit: f64) -> u64 {
    let room = previous.max(base as f64) * 3.0 - base as f64;
    base.saturating_add(nanos(room * unit))
}

/// The longest that [`decorrelated`] can be for delay `n`: `base * 3^n`.
pub(super) fn longest_decorrelated(base: u64, n: u32) -> u64 {
    nanos(base as f64 * 3f64.powf(f64::from(n)))
}

/// The curve of Polly's V2: the point of delay `n` is `2^t * tanh(sqrt(4 t))` for `t = n - 1 + random(0, 1)`.
pub(super) fn curve(n: u32, unit: f64) -> f64 {
    let t = f64::from(n) - 1.0 + unit;
    t.exp2() * (4.0 * t).sqrt().tanh()
}

/// The delay between two points of the [`curve`]: `(next - previous) * base / 1.4`.
pub(super) fn smooth(base: u64, previous: f64, next: f64) -> u64 {
    // The curve leaves the range of `f64` after 1024 delays; infinity less infinity is not a number.
    let rise = if next.is_finite() { next - previous } else { next };
    nanos(rise / 1.4 * base as f64)
}

/// The longest that [`smooth`] can be for delay `n`: from the lowest previous point to the highest next one.
pub(super) fn longest_smooth(base: u64, n: u32) -> u64 {
    let lowest = if n < 2 { 0.0 } else { curve(n - 1, 0.0) };
    smooth(base, lowest, curve(n, 1.0))
}

/// Whole nanoseconds: what is too long is the longest, and what is not a number (zero times infinity) is zero.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
pub(super) fn nanos(value: f64) -> u64 {
    value as u64
}
