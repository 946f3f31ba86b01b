//! What the registry asks of a policy.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A handle that can be registered: those of this crate, tables of them, and your own.
///
/// ```
/// use std::{collections::BTreeMap, sync::atomic::{AtomicBool, Ordering}, sync::Arc, time::Instant};
/// use resilience_core::{Registry, registry::{Policy, PolicySnapshot}};
///
/// /// Turns a feature off by hand.
/// #[derive(Clone, Default)]
/// struct Switch(Arc<AtomicBool>);
///
/// impl Policy for Switch {
///     fn kind() -> &'static str {
///         "switch"
///     }
///
///     fn snapshot(&self, _: Instant) -> PolicySnapshot {
///         let is_off = self.0.load(Ordering::Relaxed);
///         PolicySnapshot::new(if is_off { "off" } else { "on" }, is_off)
///     }
/// }
///
/// let registry = Registry::new();
/// registry.register("search", "suggestions", Switch::default())?.keep();
/// registry.get::<Switch>("search", "suggestions")?.0.store(true, Ordering::Relaxed);
/// assert_eq!(registry.snapshot(Instant::now())[0].state, "off");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Policy: Send + Sync + 'static {
    /// What it is, in snake case: for those of this crate the name of their module.
    fn kind() -> &'static str
    where
        Self: Sized;

    /// What it does at `now`. It must not hold request data, keys above all.
    fn snapshot(&self, now: Instant) -> PolicySnapshot;

    /// [`PolicySnapshot::limiting`], for a [table](crate::keyed::Keyed), which asks each of its entries. To be written where it
    /// costs less than a snapshot.
    fn is_limiting(&self, now: Instant) -> bool {
        self.snapshot(now).limiting
    }
}

/// What a policy does at one moment, in plain words and figures.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PolicySnapshot {
    /// Its state in a word, such as `open`.
    pub state: &'static str,
    /// Whether it keeps calls back: refuses them, makes them wait, or lets only some through.
    pub limiting: bool,
    /// Figures by name; units are in the names.
    pub figures: BTreeMap<&'static str, Figure>,
}

impl PolicySnapshot {
    /// Without figures.
    #[must_use]
    pub const fn new(state: &'static str, limiting: bool) -> Self {
        Self { state, limiting, figures: BTreeMap::new() }
    }

    /// With one figure more.
    #[must_use]
    pub fn with(mut self, name: &'static str, figure: impl Into<Figure>) -> Self {
        self.figures.insert(name, figure.into());
        self
    }
}

/// A figure of a policy. Serialised as a number.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
pub enum Figure {
    /// A number of things.
    Count(u64),
    /// A ratio, a probability, seconds.
    Number(f64),
}

impl From<u32> for Figure {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<u64> for Figure {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Figure {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// In seconds.
impl From<Duration> for Figure {
    fn from(duration: Duration) -> Self {
        Self::Number(duration.as_secs_f64())
    }
}
