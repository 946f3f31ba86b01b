//! The settings of an adaptive limit.

use std::{fmt, sync::Arc};

use super::{Aimd, Limit};
use crate::{
    bulkhead::word::MOST,
    range::{Range, expect},
};

pub(super) const INITIAL: Range<u32> = Range::new("initial", 1, MOST);
pub(super) const MIN: Range<u32> = Range::new("min", 1, MOST);
pub(super) const MAX: Range<u32> = Range::new("max", 1, MOST);

/// The settings of an adaptive limit: the algorithm and its bounds.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::adaptive::{Aimd, Config};
///
/// let server = Config::default();
/// let client = Config::new(Aimd::for_timeout(Duration::from_secs(2))).bounds(4, 500);
/// # let _ = (server, client);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) algorithm: Arc<dyn Prototype>,
    /// What a file says for the algorithm, if one can.
    #[cfg(feature = "serde")]
    pub(super) named: Option<super::patch::Algorithm>,
    pub(super) initial: u32,
    pub(super) min: u32,
    pub(super) max: u32,
}

/// The algorithm as it is at the beginning: each limit that is made of the settings has a copy.
pub(super) trait Prototype: fmt::Debug + Send + Sync {
    fn make(&self) -> Box<dyn Limit>;
}

impl<L: Limit + Clone + Sync + 'static> Prototype for L {
    fn make(&self) -> Box<dyn Limit> {
        Box::new(self.clone())
    }
}

impl Config {
    /// A limit that `algorithm` finds, from 2 to 10 000 and beginning at 16. Each limit that is made of these settings has a copy of it.
    #[must_use]
    pub fn new(algorithm: impl Limit + Clone + Sync + 'static) -> Self {
        Self {
            #[cfg(feature = "serde")]
            named: super::patch::Algorithm::of(&algorithm),
            algorithm: Arc::new(algorithm),
            initial: 16,
            min: 2,
            max: 10_000,
        }
    }

    /// Another algorithm within the same bounds.
    #[must_use]
    pub fn algorithm(self, algorithm: impl Limit + Clone + Sync + 'static) -> Self {
        Self { initial: self.initial, min: self.min, max: self.max, ..Self::new(algorithm) }
    }

    /// The limit until the first window ends. 16 by default: what a small service bears, and a large one is past it after a few
    /// windows, because the limit doubles while calls are quick.
    ///
    /// # Panics
    ///
    /// If it is zero or above 2 147 483 647.
    #[must_use]
    #[track_caller]
    pub fn initial(mut self, initial: u32) -> Self {
        self.initial = INITIAL.expect(initial);
        self
    }

    /// The limit never leaves these bounds. From 2 to 10 000 by default: with 1 a single call that hangs would stop everything, and
    /// the maximum is there to bound memory.
    ///
    /// # Panics
    ///
    /// If `min` is zero or above `max`, or `max` above 2 147 483 647.
    #[must_use]
    #[track_caller]
    pub fn bounds(mut self, min: u32, max: u32) -> Self {
        self.min = MIN.expect(min);
        self.max = MAX.expect(max);
        expect(self.fitting())
    }

    /// Itself if its settings fit together, or what does not.
    pub(super) fn fitting(self) -> Result<Self, String> {
        let (min, max) = (self.min, self.max);
        if min <= max {
            Ok(self)
        } else {
            Err(format!("min is {min}, it must not be above max, which is {max}"))
        }
    }
}

/// A server's: [`Aimd`] with a target of 200 ms.
impl Default for Config {
    fn default() -> Self {
        Self::new(Aimd::default())
    }
}
