//! The settings of a back-off.

use std::time::Duration;

use super::{
    jitter::Jitter,
    shape::{Growth, Shape},
};
use crate::{
    nanos::nanos,
    range::{Range, expect},
};

pub(super) const FACTOR: Range<f64> = Range::new("factor", 1.0, 10.0);

/// How long to wait before each retry of a request.
///
/// The default is exponential from 50 ms, doubling, with full jitter and a cap of 20 s: what the AWS SDKs do in their
/// standard retry mode of 2026.
///
/// Jitter is on for every shape. Decorrelated and smooth are random by themselves; the others have full jitter unless
/// [`jitter`](Self::jitter) says otherwise, which makes the shape the *upper bound* of a delay that is drawn from zero
/// upwards. `.jitter(Jitter::None)` makes it exact.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use resilience_core::{Backoff, Rng, backoff::Delays};
///
/// let backoff = Backoff::exponential(Duration::from_millis(50)).cap(Duration::from_secs(2));
/// let mut rng = Rng::from_seed(7);
///
/// let mut delays = Delays::new(); // one for each request
/// let first = backoff.next_delay(&mut delays, &mut rng);
/// let second = backoff.next_delay(&mut delays, &mut rng);
/// assert!(first < Duration::from_millis(50));
/// assert!(second < Duration::from_millis(100));
/// assert_eq!(backoff.longest(100_000), Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// In nanoseconds, like the cap: a `Duration` takes twice the room.
    pub(super) base: u64,
    pub(super) cap: u64,
    /// Of exponential growth.
    pub(super) factor: f64,
    pub(super) shape: Shape,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::exponential(Duration::from_millis(50))
    }
}

impl Backoff {
    const fn new(shape: Shape, base: Duration) -> Self {
        Self { base: nanos(base), cap: 20_000_000_000, factor: 2.0, shape }
    }

    /// Retries at once: a constant delay of zero.
    ///
    /// For a balancer that sends the retry elsewhere. To the same server it adds load at the worst moment.
    #[must_use]
    pub const fn none() -> Self {
        Self::constant(Duration::ZERO)
    }

    /// Waits up to `delay` before every retry: full jitter, and a [cap](Self::cap) of 20 s.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self::new(Shape::Bounded(Growth::Constant, Jitter::Full), delay)
    }

    /// Waits up to `n * delay` before retry `n`: full jitter, and a [cap](Self::cap) of 20 s.
    #[must_use]
    pub const fn linear(delay: Duration) -> Self {
        Self::new(Shape::Bounded(Growth::Linear, Jitter::Full), delay)
    }

    /// Waits up to `base * factor^(n-1)` before retry `n`: factor 2, full jitter, and a [cap](Self::cap) of 20 s.
    ///
    /// With full jitter this is `random(0, min(cap, base * 2^(n-1)))`, as in the AWS Architecture Blog,
    /// "[Exponential Backoff And Jitter]" (Marc Brooker, 2015), and in gRPC until 2024. The blog's [simulator] counts
    /// from `2^1`: its base of 5 ms is 10 ms here.
    ///
    /// # Choosing a value
    ///
    /// About as long as the call takes. Shorter, and the first retry meets what the first attempt met; longer, and a
    /// failure that was over at once costs more than it has to.
    ///
    /// [Exponential Backoff And Jitter]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    /// [simulator]: https://github.com/aws-samples/aws-arch-backoff-simulator
    #[must_use]
    pub const fn exponential(base: Duration) -> Self {
        Self::new(Shape::Bounded(Growth::Exponential, Jitter::Full), base)
    }

    /// Waits `min(cap, random(base, previous * 3))`, where the first `previous` is `base`; the [cap](Self::cap) is 20 s.
    ///
    /// The "decorrelated jitter" of the AWS Architecture Blog, "[Exponential Backoff And Jitter]" (Marc Brooker, 2015),
    /// which found it a little faster than full jitter, for more calls. No delay is shorter than `base`. At the
    /// cap, two delays in three are exactly the cap.
    ///
    /// [Exponential Backoff And Jitter]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    #[must_use]
    pub const fn decorrelated(base: Duration) -> Self {
        Self::new(Shape::Decorrelated, base)
    }

    /// Waits from one random point of a smooth curve to the next; the [cap](Self::cap) is 20 s.
    ///
    /// With `t = n - 1 + random(0, 1)` the points are `2^t * tanh(sqrt(4 t))`, and a delay is the distance between two of
    /// them times `base / 1.4`. The median of the first delay is about `base`, as is that of the second, and from there on
    /// it doubles. It is the `DecorrelatedJitterBackoffV2` of [Polly.Contrib.WaitAndRetry] and the jittered exponential
    /// delay of Polly 8 ([`RetryHelper`]), found by George Polevoy in [Polly's issue 530] to spread the retries of many
    /// clients more evenly than decorrelated jitter does. Far above the cap every delay is exactly the cap.
    ///
    /// [Polly.Contrib.WaitAndRetry]: https://github.com/Polly-Contrib/Polly.Contrib.WaitAndRetry
    /// [`RetryHelper`]: https://github.com/App-vNext/Polly/blob/main/src/Polly.Core/Retry/RetryHelper.cs
    /// [Polly's issue 530]: https://github.com/App-vNext/Polly/issues/530
    #[must_use]
    pub const fn smooth(base: Duration) -> Self {
        Self::new(Shape::Smooth, base)
    }

    /// Leaves this much of each delay to chance. Default: [`Jitter::Full`].
    ///
    /// # Panics
    ///
    /// If the shape is decorrelated or smooth: those are random by themselves.
    #[must_use]
    #[track_caller]
    pub const fn jitter(self, jitter: Jitter) -> Self {
        match self.with_jitter(jitter) {
            Ok(backoff) => backoff,
            Err(wrong) => panic!("{}", wrong),
        }
    }

    pub(super) const fn with_jitter(mut self, jitter: Jitter) -> Result<Self, &'static str> {
        self.shape = match self.shape {
            Shape::Bounded(growth, _) => Shape::Bounded(growth, jitter),
            Shape::Decorrelated | Shape::Smooth => {
                return Err("jitter is set on a decorrelated or smooth back-off, which draws its own; \
                            it must be constant, linear or exponential");
            }
        };
        Ok(self)
    }

    /// Multiplies the bound by `factor` from one retry to the next. Default: 2.
    ///
    /// # Panics
    ///
    /// If the shape is not exponential, or `factor` is not from 1 to 10.
    #[must_use]
    #[track_caller]
    pub fn factor(self, factor: f64) -> Self {
        expect(self.with_factor(FACTOR.expect(factor)))
    }

    pub(super) fn with_factor(mut self, factor: f64) -> Result<Self, String> {
        if !matches!(self.shape, Shape::Bounded(Growth::Exponential, _)) {
            return Err(format!(
                "factor is {factor} on a back-off that is not exponential, and has no factor"
            ));
        }
        self.factor = factor;
        Ok(self)
    }

    /// Starts from `base` instead: the first delay, or what it is drawn from.
    ///
    /// It may change from one retry of a request to the next: a server that throttles wants a longer base than one that
    /// failed once.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = nanos(base);
        self
    }

    /// Makes no delay longer than `cap`. Default: 20 s, for every shape.
    ///
    /// It comes last, after the jitter. A base above the cap is as good as the cap.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = nanos(cap);
        self
    }

    /// What the delays start from.
    #[must_use]
    pub const fn base_delay(&self) -> Duration {
        Duration::from_nanos(self.base)
    }

    /// The cap: what no delay exceeds.
    #[must_use]
    pub const fn max_delay(&self) -> Duration {
        Duration::from_nanos(self.cap)
    }
}
