//! How long to wait before a retry.
//!
//! A [`Backoff`] is how delays grow and how much of them is left to chance; it is copied for each call. [`Delays`] is
//! what one request remembers, and [`Rng`] is where chance comes from. Nothing here waits or reads a clock.
//!
//! | shape | delay `n`, counted from 1 | source |
//! |---|---|---|
//! | [`constant`](Backoff::constant) | jitter of `base` | |
//! | [`linear`](Backoff::linear) | jitter of `base * n` | |
//! | [`exponential`](Backoff::exponential) | jitter of `base * factor^(n-1)` | [AWS], [gRPC] |
//! | [`decorrelated`](Backoff::decorrelated) | `random(base, previous * 3)` | [AWS] |
//! | [`smooth`](Backoff::smooth) | from one random point of a smooth curve to the next | [Polly] |
//!
//! Then the cap: no delay is ever longer, whatever the shape, the jitter and the number of delays. Nor does anything
//! overflow: a duration of more than 584 years (2⁶⁴ ns) counts as that long.
//!
//! [AWS]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
//! [gRPC]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
//! [Polly]: https://github.com/App-vNext/Polly/blob/main/src/Polly.Core/Retry/RetryHelper.cs

use std::{mem, time::Duration};

use crate::Rng;

mod delays;
mod jitter;
#[cfg(feature = "serde")]
mod patch;
mod settings;
mod shape;

#[cfg(test)]
mod contention_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod published_tests;
#[cfg(test)]
mod tests;

#[cfg(feature = "serde")]
pub use self::patch::Patch;
pub use delays::Delays;
pub use jitter::Jitter;
pub use settings::Backoff;

use shape::{Growth, Shape};

impl Backoff {
    /// How long to wait before the next retry of the request that `delays` belongs to.
    ///
    /// Draws one number from `rng`, but none where the jitter is [`Jitter::None`] or the bound is zero.
    #[must_use = "the delay has been counted"]
    pub fn next_delay(&self, delays: &mut Delays, rng: &mut Rng) -> Duration {
        self.next_delay_with(delays, || rng.unit())
    }

    /// The same for a generator that is only made when a number has to be drawn.
    pub(crate) fn next_delay_with(&self, delays: &mut Delays, unit: impl FnOnce() -> f64) -> Duration {
        Duration::from_nanos(self.next_nanos(delays, unit))
    }

    /// The longest delay that there can be before retry `n`, jitter included; zero before the first attempt, `n = 0`.
    ///
    /// That is for a request that has had this back-off, and no restart, from the beginning.
    #[must_use]
    pub fn longest(&self, n: u32) -> Duration {
        let nanos = match self.shape {
            _ if n == 0 => 0,
            Shape::Bounded(growth, jitter) => jitter.longest(self.bound(growth, n)),
            Shape::Decorrelated => shape::longest_decorrelated(self.base, n),
            Shape::Smooth => shape::longest_smooth(self.base, n),
        };
        Duration::from_nanos(nanos.min(self.cap))
    }

    fn next_nanos(&self, delays: &mut Delays, unit: impl FnOnce() -> f64) -> u64 {
        let n = delays.advance();
        let nanos = match self.shape {
            Shape::Bounded(growth, jitter) => jitter.apply(self.bound(growth, n), self.cap, unit),
            Shape::Decorrelated => {
                let next = shape::decorrelated(self.base, delays.previous, unit()).min(self.cap);
                delays.previous = next as f64;
                next
            }
            Shape::Smooth => {
                let next = shape::curve(n, unit());
                shape::smooth(self.base, mem::replace(&mut delays.previous, next), next)
            }
        };
        nanos.min(self.cap)
    }

    /// What the jitter is taken of: cut at the cap already, so that delays at the cap are spread like all others.
    fn bound(&self, growth: Growth, n: u32) -> u64 {
        growth.bound(self.base, self.factor, n).min(self.cap)
    }
}
