//! What a file says of a back-off.

use serde::{Deserialize, Serialize};

use super::{
    Backoff, Jitter,
    settings::FACTOR,
    shape::{self, Growth},
};
use crate::settings::{
    Invalid,
    form::{Nanos, plain},
    patch::{Change, patch, whole},
};

patch! {
    /// What a file says of a back-off: see [`settings`](crate::settings#layers).
    ///
    /// Another shape than before has the jitter and the factor that are its defaults, unless the file says them too.
    pub struct Patch as "backoff" {
        /// How the delays grow.
        shape: Shape = plain(),
        /// What the delays start from.
        base: u64 = Nanos("base"),
        /// What no delay exceeds.
        cap: u64 = Nanos("cap"),
        /// How much of a constant, linear or exponential delay is left to chance.
        jitter: Jitter = plain(),
        /// What an exponential delay is multiplied by from one retry to the next.
        factor: f64 = FACTOR,
    }
}

/// The shapes, by the names of their constructors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
enum Shape {
    Constant,
    Linear,
    Exponential,
    Decorrelated,
    Smooth,
}

impl Shape {
    const fn of(shape: shape::Shape) -> Self {
        match shape {
            shape::Shape::Bounded(Growth::Constant, _) => Self::Constant,
            shape::Shape::Bounded(Growth::Linear, _) => Self::Linear,
            shape::Shape::Bounded(Growth::Exponential, _) => Self::Exponential,
            shape::Shape::Decorrelated => Self::Decorrelated,
            shape::Shape::Smooth => Self::Smooth,
        }
    }

    /// The shape with its defaults.
    fn over(self, base: Backoff) -> Backoff {
        let make = match self {
            Self::Constant => Backoff::constant,
            Self::Linear => Backoff::linear,
            Self::Exponential => Backoff::exponential,
            Self::Decorrelated => Backoff::decorrelated,
            Self::Smooth => Backoff::smooth,
        };
        make(base.base_delay()).cap(base.max_delay())
    }
}

impl Patch {
    /// These settings, and those of `base` where none are said.
    ///
    /// # Errors
    ///
    /// For a jitter or a factor that the shape does not have.
    pub fn apply_to(self, base: Backoff) -> Result<Backoff, Invalid> {
        let mut backoff = match self.shape {
            Some(shape) if shape != Shape::of(base.shape) => shape.over(base),
            _ => base,
        };
        backoff.base = self.base.unwrap_or(backoff.base);
        backoff.cap = self.cap.unwrap_or(backoff.cap);
        if let Some(jitter) = self.jitter {
            backoff = backoff.with_jitter(jitter).map_err(str::to_owned)?;
        }
        if let Some(factor) = self.factor {
            backoff = backoff.with_factor(factor)?;
        }
        Ok(backoff)
    }

    /// These settings, and the defaults where none are said.
    ///
    /// # Errors
    ///
    /// For a jitter or a factor that the shape does not have.
    pub fn into_config(self) -> Result<Backoff, Invalid> {
        self.apply_to(Backoff::default())
    }
}

impl Change<Backoff> for Patch {
    fn apply(self, base: Backoff) -> Result<Backoff, Invalid> {
        self.apply_to(base)
    }

    fn alone(self) -> Result<Backoff, Invalid> {
        self.into_config()
    }

    fn to(backoff: &Backoff) -> Result<Self, Invalid> {
        let shape = Shape::of(backoff.shape);
        let jitter = match backoff.shape {
            shape::Shape::Bounded(_, jitter) => Some(jitter),
            shape::Shape::Decorrelated | shape::Shape::Smooth => None,
        };
        let factor = (shape == Shape::Exponential).then_some(backoff.factor);
        Ok(Self { shape: Some(shape), base: Some(backoff.base), cap: Some(backoff.cap), jitter, factor })
    }
}

whole!(Patch for Backoff, needs []);
