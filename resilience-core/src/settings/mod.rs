//! Settings from a file.
//!
//! With the feature `serde` the settings of every policy are read and written by any self-describing format: TOML, YAML, JSON. With
//! `schemars` they have JSON schemas as well.
//!
//! ```
//! use std::time::Duration;
//! use resilience_core::{Backoff, RetryPolicy, circuit_breaker};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct Client {
//!     #[serde(with = "resilience_core::settings::duration")]
//!     timeout: Duration,
//!     retry: RetryPolicy,
//!     circuit_breaker: circuit_breaker::Config,
//! }
//!
//! impl Default for Client {
//!     fn default() -> Self {
//!         Self { timeout: Duration::from_secs(10), retry: RetryPolicy::new(), circuit_breaker: Default::default() }
//!     }
//! }
//!
//! let client: Client = toml::from_str(
//!     r#"
//!     timeout = "1m 30s"
//!
//!     [retry]
//!     max_attempts = 4
//!     backoff = { base = "20ms" }
//!
//!     [circuit_breaker]
//!     failure_rate = 0.3
//!     consecutive_failures = "off"
//!     "#,
//! )?;
//! let backoff = Backoff::exponential(Duration::from_millis(20));
//! assert_eq!(client.retry, RetryPolicy::new().max_attempts(4).backoff(backoff));
//! let expected = circuit_breaker::Config::new().failure_rate(0.3).consecutive_failures(None);
//! assert_eq!(client.circuit_breaker, expected);
//!
//! let error = toml::from_str::<Client>("circuit_breaker = { probes = 5000 }").err();
//! let message = error.as_ref().map(|error| error.message());
//! assert_eq!(message, Some("probes is 5000, it must be from 1 to 1000"));
//! # Ok::<(), toml::de::Error>(())
//! ```
//!
//! # What a file may say
//!
//! * The names are those of the setters. What a file leaves out keeps its default; what it says and nobody knows is an error.
//! * A value that its setter would panic at is an error with the same text, at the line and column where it is. Settings that do
//!   not fit together are an error at their table.
//! * Durations have units: `"250ms"`, `"1m 30s"`. See [`HumanDuration`].
//! * Rates are calls per time: `"100/s"`, `"5000/min"`, `"3/10s"`.
//! * `"off"` switches off what can be without.
//! * Where there are several kinds, the kind is the name of a table with its settings, or alone stands for its defaults:
//!   `algorithm = "vegas"`, `algorithm = { aimd = { target = "100ms" } }`.
//!
//! | settings | patch |
//! |---|---|
//! | [`circuit_breaker::Config`](crate::circuit_breaker::Config) | [`circuit_breaker::Patch`](crate::circuit_breaker::Patch) |
//! | [`RetryPolicy`](crate::RetryPolicy) | [`retry::Patch`](crate::retry::Patch) |
//! | [`Backoff`](crate::Backoff) | [`backoff::Patch`](crate::backoff::Patch) |
//! | [`retry::budget::Config`](crate::retry::budget::Config) | [`retry::budget::Patch`](crate::retry::budget::Patch) |
//! | [`bulkhead::Config`](crate::bulkhead::Config) | [`bulkhead::Patch`](crate::bulkhead::Patch) |
//! | [`Quota`](crate::Quota) | [`rate_limit::Patch`](crate::rate_limit::Patch) |
//! | [`throttle::Config`](crate::throttle::Config) | [`throttle::Patch`](crate::throttle::Patch) |
//! | [`adaptive::Config`](crate::adaptive::Config) | [`adaptive::Patch`](crate::adaptive::Patch) |
//!
//! The ready-made stacks of `resilience-tower` are read in the same way.
//!
//! # Layers
//!
//! A `Patch` is what a file says of a policy and nothing else. It is applied to settings that there are already, those of a preset
//! or of another file:
//!
//! ```
//! use std::time::Duration;
//! use resilience_core::circuit_breaker::{Config, Patch};
//!
//! let preset = Config::new().min_calls(50).probes(5);
//! let file: Patch = toml::from_str("probes = 1")?;
//! assert_eq!(file.apply_to(preset)?, Config::new().min_calls(50).probes(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To read settings as such is to apply a patch to their defaults; to write them is to write the patch that makes anything
//! them.
//!
//! # Every setting and its default
//!
//! `settings.reference.toml` in the root of the crate:
//!
//! ```toml
#![doc = include_str!("../../settings.reference.toml")]
//! ```

pub mod duration;
#[doc(hidden)]
pub mod form;
mod human;
#[doc(hidden)]
pub mod off;
#[doc(hidden)]
pub mod patch;
#[cfg(feature = "schemars")]
#[doc(hidden)]
pub mod schema;
pub(crate) mod tagged;

pub use self::human::HumanDuration;
pub use crate::Invalid;
