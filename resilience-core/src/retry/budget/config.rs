//! Which budget, and its settings.

use super::{Ratio, RetryBudget, SuccessPaid, in_flight, shared::Rules, tokens};
use crate::{range::Range, thousandths::Thousandths};

pub(super) const MAX: Range<u32> = Range::new("max", 1, 1000);
pub(super) const RATIO: Thousandths = Thousandths::new("ratio", 0.001, 1000.0);
pub(super) const PERCENT: Range<u32> = Range::new("percent", 1, 100);

/// Which budget, and its settings: plain data, from which a [`RetryBudget`] is made.
///
/// ```
/// use resilience_core::retry::{RetryBudget, budget::Config};
///
/// assert_eq!(RetryBudget::from(Config::default()).max_tokens(), 300.0);
/// let config = Config::from(RetryBudget::success_paid().capacity(1000));
/// assert_eq!(RetryBudget::from(config).max_tokens(), 1000.0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Config {
    /// See [`RetryBudget::success_paid`]. The default.
    SuccessPaid(SuccessPaid),
    /// See [`RetryBudget::ratio`].
    Ratio(Ratio),
    /// See [`RetryBudget::quota`].
    Quota,
    /// See [`RetryBudget::throttle`].
    Throttle(Throttle),
    /// See [`RetryBudget::in_flight`].
    InFlight(InFlight),
}

impl Default for Config {
    fn default() -> Self {
        Self::SuccessPaid(SuccessPaid::new())
    }
}

impl From<SuccessPaid> for Config {
    fn from(settings: SuccessPaid) -> Self {
        Self::SuccessPaid(settings)
    }
}

impl From<Ratio> for Config {
    fn from(settings: Ratio) -> Self {
        Self::Ratio(settings)
    }
}

impl From<Throttle> for Config {
    fn from(settings: Throttle) -> Self {
        Self::Throttle(settings)
    }
}

impl From<InFlight> for Config {
    fn from(settings: InFlight) -> Self {
        Self::InFlight(settings)
    }
}

impl From<Config> for RetryBudget {
    fn from(config: Config) -> Self {
        match config {
            Config::SuccessPaid(settings) => settings.into(),
            Config::Ratio(settings) => settings.into(),
            Config::Quota => Self::quota(),
            Config::Throttle(settings) => settings.into(),
            Config::InFlight(settings) => settings.into(),
        }
    }
}

/// The settings of the retry throttling of gRPC: see [`RetryBudget::throttle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    pub(super) max: u32,
    /// In thousandths.
    pub(super) ratio: u32,
}

impl Throttle {
    /// `max` tokens, and `ratio` for each success.
    ///
    /// # Panics
    ///
    /// If `max` is not from 1 to 1000, or if `ratio` is not from 0.001 to 1000, or has more than three decimals.
    #[must_use]
    #[track_caller]
    pub fn new(max: u32, ratio: f64) -> Self {
        Self { max: MAX.expect(max), ratio: RATIO.expect(ratio) }
    }
}

impl From<Throttle> for RetryBudget {
    fn from(settings: Throttle) -> Self {
        Self::of(Rules::Tokens(tokens::Rules::throttle(settings.max, settings.ratio)))
    }
}

/// The settings of a limit of the retries in flight: see [`RetryBudget::in_flight`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    pub(super) percent: u32,
    pub(super) min: u32,
}

impl InFlight {
    /// `percent` of the open operations, or `min` if that is more.
    ///
    /// # Panics
    ///
    /// If `percent` is not from 1 to 100.
    #[must_use]
    #[track_caller]
    pub fn new(percent: u32, min: u32) -> Self {
        Self { percent: PERCENT.expect(percent), min }
    }
}

impl From<InFlight> for RetryBudget {
    fn from(settings: InFlight) -> Self {
        Self::of(Rules::InFlight(in_flight::Rules { percent: settings.percent, min: settings.min }))
    }
}
