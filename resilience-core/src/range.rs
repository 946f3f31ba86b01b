//! The range of a setting: one check for its setter and for what a file says.
//!
//! Hidden, and public for the settings of `resilience-tower`'s stacks alone: what they would notice waits for a new minor version.

use std::{fmt, time::Duration};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The name of a setting and the values that it may have.
#[derive(Clone, Copy, Debug)]
pub struct Range<T> {
    pub name: &'static str,
    pub min: T,
    pub max: T,
}

impl<T> Range<T> {
    pub const fn new(name: &'static str, min: T, max: T) -> Self {
        Self { name, min, max }
    }
}

impl Range<u32> {
    /// At least 1.
    pub const fn positive(name: &'static str) -> Self {
        Self::new(name, 1, u32::MAX)
    }
}

impl Range<f64> {
    /// Above 0 and at most 1.
    pub const fn share(name: &'static str) -> Self {
        Self::new(name, f64::from_bits(1), 1.0)
    }
}

impl Range<Duration> {
    /// Longer than zero.
    pub const fn lasting(name: &'static str) -> Self {
        Self::new(name, Duration::from_nanos(1), Duration::MAX)
    }
}

impl<T: Bound> Range<T> {
    /// The value, or what is wrong with it.
    pub fn check(&self, value: T) -> Result<T, String> {
        if self.min <= value && value <= self.max { Ok(value) } else { Err(self.refusal(&value)) }
    }

    /// What is wrong with a value, whatever its type.
    pub fn refusal(&self, value: &dyn fmt::Debug) -> String {
        format!("{} is {value:?}, it must be {}", self.name, T::between(self.min, self.max))
    }

    /// The value, which a setter was given.
    ///
    /// # Panics
    ///
    /// If it is out of range.
    #[track_caller]
    pub fn expect(&self, value: T) -> T {
        expect(self.check(value))
    }

    /// The same for a setting that can be switched off.
    #[track_caller]
    #[expect(clippy::manual_map, reason = "a closure would hide where the caller is")]
    pub fn expect_if_any(&self, value: Option<T>) -> Option<T> {
        match value {
            Some(value) => Some(self.expect(value)),
            None => None,
        }
    }
}

/// What a setter does with a value that was checked.
///
/// # Panics
///
/// If it is wrong.
#[track_caller]
pub(crate) fn expect<T>(checked: Result<T, String>) -> T {
    match checked {
        Ok(value) => value,
        Err(wrong) => panic!("{wrong}"),
    }
}

/// A type of values that have ranges.
pub trait Bound: Copy + PartialOrd + fmt::Debug {
    /// The range in words.
    fn between(min: Self, max: Self) -> String;
}

impl Bound for u32 {
    fn between(min: Self, max: Self) -> String {
        format!("from {min} to {max}")
    }
}

impl Bound for u64 {
    fn between(min: Self, max: Self) -> String {
        if max == Self::MAX { format!("at least {min}") } else { format!("from {min} to {max}") }
    }
}

impl Bound for f64 {
    fn between(min: Self, max: Self) -> String {
        if min == Self::from_bits(1) {
            format!("above 0 and at most {max}")
        } else {
            format!("from {min} to {max}")
        }
    }
}

impl Bound for Duration {
    fn between(min: Self, max: Self) -> String {
        match max {
            Self::MAX => "longer than zero".to_owned(),
            DAY => format!("from {min:?} to one day"),
            _ => format!("from {min:?} to {max:?}"),
        }
    }
}
