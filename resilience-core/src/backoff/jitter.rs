//! How much of a delay is left to chance.

use super::shape::nanos;

/// How much of a delay is left to chance.
///
/// Full and equal jitter are those of the AWS Architecture Blog, "[Exponential Backoff And Jitter]" (Marc Brooker, 2015),
/// and of its [simulator], where a hundred clients contend for one row. Full jitter needs the fewest calls there. Equal
/// jitter needs a few more, and four tenths more time; none at all, over twice the calls and ten times the time.
///
/// [Exponential Backoff And Jitter]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
/// [simulator]: https://github.com/aws-samples/aws-arch-backoff-simulator
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Jitter {
    /// The delay is the bound itself. Clients that fail together come back together.
    None,
    /// From zero to the bound: `random(0, bound)`. The default.
    #[default]
    Full,
    /// Half of the bound and a random part of the other half: `bound / 2 + random(0, bound / 2)`.
    ///
    /// For a dependency that needs some time for itself before every retry.
    Equal,
    /// Up to a fifth more or less than the bound: `bound * random(0.8, 1.2)`, as in gRPC since 2024
    /// ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md), "Exponential Backoff").
    ///
    /// gRPC lets it exceed the largest delay. Here the cap is the end of the interval that is drawn from, so that delays
    /// at the cap are spread over the last fifth below it.
    Fifth,
}

impl Jitter {
    /// A delay for `bound`, which is not above `cap`, in nanoseconds.
    pub(super) fn apply(self, bound: u64, cap: u64, unit: impl FnOnce() -> f64) -> u64 {
        let (shortest, longest) = match self {
            _ if bound == 0 => return 0,
            Self::None => return bound,
            Self::Full => (0, bound),
            Self::Equal => (bound - bound / 2, bound),
            Self::Fifth => (bound - bound / 5, self.longest(bound).min(cap)),
        };
        let room = longest - shortest;
        shortest + nanos(room as f64 * unit())
    }

    /// The most that it makes of `bound`.
    pub(super) const fn longest(self, bound: u64) -> u64 {
        match self {
            Self::None | Self::Full | Self::Equal => bound,
            Self::Fifth => bound.saturating_add(bound / 5),
        }
    }
}
