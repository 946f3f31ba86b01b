//! What a file says of an adaptive limit.

use std::{any::Any, time::Duration};

use super::{
    Aimd, Config, Gradient2, Vegas,
    aimd::TARGET,
    config::{INITIAL, MAX, MIN},
};
use crate::settings::{
    Invalid,
    form::plain,
    patch::{Change, patch, settings, whole},
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
                base.algorithm(patch.apply_to(aimd)?)
            }
            Some(Algorithm::Gradient2(Nothing)) => base.algorithm(Gradient2::new()),
            Some(Algorithm::Vegas(Nothing)) => base.algorithm(Vegas::new()),
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

    /// Whether the file names an algorithm.
    #[doc(hidden)]
    #[must_use]
    pub const fn names_algorithm(&self) -> bool {
        self.algorithm.is_some()
    }

    /// The bounds of these settings alone.
    #[doc(hidden)]
    #[must_use]
    pub fn bounds_of(config: &Config) -> Self {
        let Config { initial, min, max, .. } = *config;
        Self { algorithm: None, initial: Some(initial), min: Some(min), max: Some(max) }
    }
}

impl Algorithm {
    /// What a file has to say for this algorithm; `None` for one that is not ours.
    pub(super) fn of(algorithm: &dyn Any) -> Option<Self> {
        if let Some(aimd) = algorithm.downcast_ref::<Aimd>() {
            return AimdPatch::to(aimd).ok().map(Self::Aimd);
        }
        let gradient2 = algorithm.is::<Gradient2>().then_some(Self::Gradient2(Nothing));
        gradient2.or(algorithm.is::<Vegas>().then_some(Self::Vegas(Nothing)))
    }
}

/// Of an algorithm, what it has learnt is not written.
impl Change<Config> for Patch {
    fn apply(self, base: Config) -> Result<Config, Invalid> {
        self.apply_to(base)
    }

    fn alone(self) -> Result<Config, Invalid> {
        self.into_config()
    }

    fn to(config: &Config) -> Result<Self, Invalid> {
        let algorithm = config.named.clone();
        let own = || "algorithm is one of your own, which a file cannot name".to_owned();
        Ok(Self { algorithm: Some(algorithm.ok_or_else(own)?), ..Self::bounds_of(config) })
    }
}

whole!(Patch for Config, needs []);
