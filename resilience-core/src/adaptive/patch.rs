//! What a file says of an adaptive limit.

use std::{any::Any, time::Duration};

use serde::{Serialize, Serializer, ser};

use super::{
    Aimd, Config, Gradient2, Limit, Vegas,
    aimd::TARGET,
    config::{INITIAL, MAX, MIN},
};
use crate::settings::{
    Invalid,
    form::plain,
    patch::{Change, patch, readable, settings},
    tagged::{Nothing, tagged},
};

patch! {
    /// What a file says of an adaptive limit: see [`settings`](crate::settings#layers).
    ///
    /// An algorithm of one's own cannot come from a file. It stays in force under a file that names none, and settings with one
    /// cannot be written.
    pub struct Patch as "adaptive" {
        /// What finds the limit.
        algorithm: Algorithm = plain(),
        /// The limit until the first window ends.
        initial: u32 = INITIAL,
        /// The limit is never lower.
        min: u32 = MIN,
        /// The limit is never higher.
        max: u32 = MAX,
    }
}

tagged! {
    /// The algorithms that a file can name.
    pub(super) enum Algorithm as "algorithm" {
        "aimd" => Aimd(AimdPatch),
        "gradient2" => Gradient2(Nothing),
        "vegas" => Vegas(Nothing),
    }
}

settings! {
    /// What a file says of AIMD.
    pub(super) struct AimdPatch for Aimd as "aimd", needs [] {
        /// The latency that all but one call in a hundred should keep under overload.
        target: Duration = TARGET,
    }
    _patch => Ok(Aimd::default());
    aimd => Ok(aimd);
}

impl Patch {
    /// These settings, and those of `base` where none are said.
    ///
    /// # Errors
    ///
    /// If they do not fit together.
    pub fn apply_to(self, base: Config) -> Result<Config, Invalid> {
        let mut config = match self.algorithm {
            None => base,
            Some(Algorithm::Aimd(patch)) => {
                let aimd = match &base.named {
                    Some(Algorithm::Aimd(aimd)) => aimd.clone().into_config()?,
                    _ => Aimd::default(),
                };
                base.with(patch.apply_to(aimd)?)
            }
            Some(Algorithm::Gradient2(Nothing)) => base.with(Gradient2::new()),
            Some(Algorithm::Vegas(Nothing)) => base.with(Vegas::new()),
        };
        config.initial = self.initial.unwrap_or(config.initial);
        config.min = self.min.unwrap_or(config.min);
        config.max = self.max.unwrap_or(config.max);
        Ok(config.fitting()?)
    }

    /// These settings, and the defaults where none are said.
    ///
    /// # Errors
    ///
    /// If they do not fit together.
    pub fn into_config(self) -> Result<Config, Invalid> {
        self.apply_to(Config::default())
    }
}

impl Config {
    /// The same bounds for another algorithm.
    fn with(self, algorithm: impl Limit + 'static) -> Self {
        Self { initial: self.initial, min: self.min, max: self.max, ..Self::new(algorithm) }
    }
}

impl Algorithm {
    /// What a file has to say for this algorithm; `None` for one that is not ours.
    pub(super) fn of(algorithm: &dyn Any) -> Option<Self> {
        if let Some(aimd) = algorithm.downcast_ref::<Aimd>() {
            return Some(Self::Aimd(AimdPatch::to(aimd)));
        }
        let gradient2 = algorithm.is::<Gradient2>().then_some(Self::Gradient2(Nothing));
        gradient2.or(algorithm.is::<Vegas>().then_some(Self::Vegas(Nothing)))
    }
}

readable!(Patch for Config, needs []);

/// Of an algorithm, what it has learnt is not written.
///
/// # Errors
///
/// For an algorithm of one's own.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(algorithm) = self.named.clone() else {
            return Err(ser::Error::custom("algorithm is one of your own, which a file cannot name"));
        };
        let (algorithm, initial) = (Some(algorithm), Some(self.initial));
        Patch { algorithm, initial, min: Some(self.min), max: Some(self.max) }.serialize(serializer)
    }
}
